from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.journal import Journal


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal"


@pytest.fixture
def opened(directory: Path, clock: Clock) -> Iterator[Callable[..., Journal]]:
    """Opens a journal on the test's directory, another owner each time."""
    with ExitStack() as stack:

        def open_one(**options: Any) -> Journal:
            journal = Journal(directory, clock=clock, **options)
            stack.callback(journal.close)
            return journal

        yield open_one


@pytest.fixture
def journal(opened: Callable[..., Journal]) -> Journal:
    return opened()


PRELUDE = """
import functools, os, signal, subprocess, sys, threading, time
from pathlib import Path
from foodco_storage import journal
from foodco_storage.errors import JournalError
from foodco_storage.flows.journal_entry import Entry

# By the clock that the test begins with.
Journal = functools.partial(journal.Journal, clock=lambda: 1_700_000_000.0)

def entry(key, identity="id"):
    return Entry("images", identity, "foodco-images", str(key))

def say(*words):
    print(*words, flush=True)

directory = Path(sys.argv[1])
"""


class Program:
    """A process of another user of the journal, told and asked line by line."""

    def __init__(self, source: str, directory: Path, prefix: list[str]) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", PRELUDE + source, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(60)
            assert self.process.stderr is not None
            pytest.fail(f"the process ended: {self.process.stderr.read()}")
        return line.strip()

    def tell(self, line: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def end(self) -> None:
        """Wait for a good end."""
        _, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, errors) == (0, "")


@pytest.fixture
def program(directory: Path) -> Iterator[Callable[..., Program]]:
    with ExitStack() as stack:

        def start(source: str, prefix: list[str] | None = None) -> Program:
            started = Program(source, directory, prefix or [])
            stack.enter_context(started.process)
            stack.callback(started.process.kill)
            return started

        yield start
