"""Hooks: who is told, who is reported, what a fork leaves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from foodco_storage.telemetry import BreakerChange, add_hook, hooks, remove_hook
from foodco_storage.telemetry.telling import Telling

EVENT = BreakerChange(backend="ceph", state="open", failures=5)


@pytest.fixture(autouse=True)
def _nobody() -> Iterator[None]:
    before, reported = hooks._hooks, set(hooks._reported)
    yield
    hooks._hooks = before
    hooks._reported.clear()
    hooks._reported.update(reported)
    hooks._switch()


def test_each_is_told_once_in_order() -> None:
    told: list[Any] = []
    first, second = partial(told.append), told.append
    for hook in (first, second, first):
        add_hook(hook)
    hooks.emit(EVENT)
    assert told == [EVENT, EVENT]
    remove_hook(first)
    remove_hook(first)
    hooks.emit(EVENT)
    assert len(told) == 3
    assert hooks.on
    remove_hook(second)
    assert not hooks.on


def test_one_that_takes_itself_away() -> None:
    told: list[Any] = []

    def once(event: Any) -> None:
        told.append(event)
        remove_hook(once)

    add_hook(once)
    add_hook(told.append)
    hooks.emit(EVENT)
    hooks.emit(EVENT)
    assert len(told) == 3


def fails(why: str, event: Any) -> None:
    raise ValueError(why)


def fails_too(why: str, event: Any) -> None:
    raise ValueError(why)


def test_each_that_raises_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    for hook in (partial(fails, "1"), partial(fails_too, "2")):
        add_hook(hook)
    for _ in range(3):
        hooks.emit(EVENT)
    assert [record.getMessage().split()[3].rpartition(".")[2] for record in caplog.records] == ["fails", "fails_too"]
    assert "ValueError: 1" in caplog.text


async def later(event: Any) -> None:
    pass


class Later:
    async def __call__(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("hook", [None, "print", later, partial(later, 1), Later()])
def test_what_is_no_hook_is_refused(hook: Any) -> None:
    with pytest.raises(TypeError, match=r"^hook: .* is not a function of one event"):
        add_hook(hook)
    assert not hooks.on


def test_interrupts_go_through() -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    add_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        hooks.emit(EVENT)


def test_a_fork_while_another_thread_changes_hooks() -> None:
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with hooks._changing:
            holds.set()
            over.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(10)
    child = os.fork()
    if not child:
        signal.alarm(5)
        add_hook(print)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    thread.join()
    assert status == 0


def test_telling() -> None:
    secret = Telling(keys="hash", secret=b"s" * 100)
    assert secret.key("k") == secret.key("k") != Telling(keys="hash", secret=b"t" * 100).key("k")
    assert secret.key("\ud800 alone") != secret.key("alone")
    assert secret.key(None) is None
    assert (Telling(keys="drop").key("k"), Telling().key("k")) == (None, "k")
    assert not Telling(enabled=False).takes()
    half = Telling(sample=0.5)
    assert {half.takes() for _ in range(100)} == {True, False}
    assert half.weight == 2
