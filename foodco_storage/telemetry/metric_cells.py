"""What is added up of events: a list of sums, a cell, for each set of labels.

A cell of operations or requests holds the sums, then the seconds in all, then one bucket for each bound and one beyond.
Counts, bytes and buckets share a cell, so that an event looks for one; metrics with fewer labels are added up when they are
read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeAlias

from foodco_storage.telemetry.metric_names import DELAY_BOUNDS, DURATION_BOUNDS

Key: TypeAlias = tuple[str | None, ...]
Cell: TypeAlias = list[float]

COUNT, BYTES, FALLBACKS, OPERATION_SECONDS, OPERATION_BUCKETS = range(5)
"""In a cell of operations."""

ATTEMPTS, RETRIES, SENT, RECEIVED, REQUEST_SECONDS, REQUEST_BUCKETS = range(1, 7)
"""In a cell of requests, after `COUNT`."""

OPERATION_KEY = ("operation", "route", "phase", "backend", "cache", "outcome")
"""Which labels a cell of operations is for."""

_BUCKETS = len(DURATION_BOUNDS) + 1


class Table:
    """The cells of one kind.

    Args:
        width: of each cell.
        lock: held while cells are read.
    """

    __slots__ = ("_empty", "cells", "lock")

    def __init__(self, width: int, lock: AbstractContextManager[object]) -> None:
        self.cells: dict[Key, Cell] = {}
        self.lock = lock
        self._empty = [0.0] * width

    def cell(self, key: Key) -> Cell:
        """The cell of a key, made where there is none."""
        # In one step: making the list may run the garbage collector, and that a hook which makes the same cell.
        return self.cells.get(key) or self.cells.setdefault(key, self._empty.copy())

    def now(self) -> Iterator[tuple[tuple[str, ...], tuple[float, ...]]]:
        """Every cell as it is now, with its labels; empty for one that does not apply."""
        with self.lock:
            # Copying a dictionary, or a list, is one step: no event that comes in the midst of it can disturb it.
            cells = self.cells.copy()
            for key, cell in cells.items():
                cells[key] = cell.copy()
        for key, cell in cells.items():
            yield tuple([part or "" for part in key]), tuple(cell)


class Cells:
    """All of them.

    Args:
        lock: held while cells are read; whoever adds to them holds it.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self.operations = Table(OPERATION_BUCKETS + _BUCKETS, lock)
        self.requests = Table(REQUEST_BUCKETS + _BUCKETS, lock)
        self.deferred = Table(1, lock)
        self.delays = Table(1 + len(DELAY_BOUNDS) + 1, lock)
        self.phases = Table(1, lock)
        self.breakers = Table(1, lock)
