"""What this process has seen since it was last written down.

A hook may be called in the midst of anything, by the garbage collector too: it only appends to a queue, which is one step.
Whoever finds the queue long enough, and nobody else at it, counts what is in it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from foodco_storage.access.counting import Counting
from foodco_storage.access.rows import Batch
from foodco_storage.telemetry.events import Event

_AT_ONCE = 128
"""Events are counted by so many: 0.2 ms."""


class Window:
    """A hook that counts, in bounded memory.

    Up to twice `max_keys` rows of about 400 bytes, and half as much again while it is taken.

    Any number of threads may call it, at any time. Of `Operation` it counts objects, traffic and requests; of `Work`, the
    requests; nothing of other events.

    Args:
        max_keys: of each of the last two days, so many keys are told apart; there are up to twice as many rows. Of days
            before, where they could not be written down, about 100 prefixes are.
        full: is called, at most once until the next `take`, when there are as many rows as `max_keys`: it is time to write
            them down. In any thread, and at any time: it must not lock.

    Example:
        window = Window(10_000)
        foodco_storage.telemetry.add_hook(window)
        batch = window.take()
    """

    def __init__(self, max_keys: int, full: Callable[[], None] = lambda: None) -> None:
        self._max_keys = max_keys
        self._full = full
        self._pending: deque[Event] = deque()
        # Tried, never waited for by hooks: who is called in the midst of counting leaves its event in the queue.
        self._counting = threading.Lock()
        self._is_told = False
        self._counted = Counting(max_keys)
        self.lost_days = 0
        """So many days were dropped, since they could not be written down for too long; told at the next `take`."""

    def __call__(self, event: Event) -> None:
        """Count an event, now or soon."""
        pending = self._pending
        pending.append(event)
        if len(pending) >= _AT_ONCE and self._counting.acquire(blocking=False):
            try:
                self._count()
                is_due = not self._is_told and self._counted.is_full
                self._is_told = self._is_told or is_due
            finally:
                self._counting.release()
            if is_due:
                self._full()

    def take(self, patience_seconds: float = -1) -> Batch:
        """What was seen since the last time; it is the caller's now.

        Args:
            patience_seconds: how long to wait for who counts just now; for ever by default. Beyond, it is taken to stand
                still for good: the main thread, in a handler of signals.
        """
        is_ours = self._counting.acquire(timeout=patience_seconds)
        try:
            self._count()
            counted, self._counted = self._counted, Counting(self._max_keys)
            self._is_told = False
            self.lost_days += counted.lost_days
        finally:
            if is_ours:
                self._counting.release()
        return counted.taken()

    def put_back(self, batch: Batch) -> None:
        """Count what `take` has given once more: it could not be written down. `full` is called after the next `take`."""
        with self._counting:
            self._counted.add(batch)
            self._is_told = True

    def after_fork(self) -> None:
        """In a forked child: what the parent has seen is the parent's."""
        self._counting = threading.Lock()
        self._pending = deque()
        self._is_told = False
        self._counted = Counting(self._max_keys)
        self.lost_days = 0

    def _count(self) -> None:
        pending, count = self._pending, self._counted.count
        # No more than there are: others may add as fast as they are counted.
        for _ in range(len(pending)):
            count(pending.popleft())
