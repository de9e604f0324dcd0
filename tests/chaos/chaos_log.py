"""What workers write down before and after each operation: a line of JSON each, which a SIGKILL can't take back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

WRITES = ("put", "multipart", "delete")
READS = ("get", "range", "head", "list")


def now() -> float:
    """Seconds of a clock that all processes of the machine share."""
    return time.monotonic()


@dataclass(frozen=True)
class Record:
    """One line.

    Args:
        worker: whose.
        event: `started` (the process), `begun` or `ended` (an operation), `killed` (by the controller).
        at: when.
        operation: its number, one more than the one before; the same on both lines.
        kind: one of `WRITES` or `READS`.
        key: of what; empty for a list.
        version: number of what is written, or was seen.
        size: of the body that is written.
        outcome: of the end: `ok`, `absent`, `failed` (nobody knows what became of it) or `wrong`.
        error: what failed.
        listed: of a list: ETags by key.
    """

    worker: str
    event: str
    at: float
    operation: int = 0
    kind: str = ""
    key: str = ""
    version: int | None = None
    size: int = 0
    outcome: str = ""
    error: str = ""
    listed: dict[str, str] = field(default_factory=dict)


class Log:
    """One file, which several processes may append to, one after the other."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, record: Record) -> None:
        """One line by one call of the system: it is there whatever becomes of this process."""
        line = {name: value for name, value in asdict(record).items() if value not in ("", 0, None, {})}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[Record]:
    """The records of a file."""
    for line in path.read_text().splitlines():
        values = json.loads(line)
        if values.get("event") in {"begun", "ended"} and values.get("kind") in WRITES:
            values.setdefault("version", 0)
        if values.get("outcome") == "ok" and values.get("kind") in READS and values["kind"] != "list":
            values.setdefault("version", 0)
        yield Record(**values)
