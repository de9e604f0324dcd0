"""What is under way: operations that change something, and reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple


class Operation:
    """One operation under way that changes something; a context manager that gives the phase to do it by.

    The route's phase can't change before it has ended.
    """

    __slots__ = ("_ended", "phase")

    def __init__(self, phase: str, ended: Callable[[], None]) -> None:
        self.phase = phase
        self._ended: Callable[[], None] | None = ended

    def __enter__(self) -> str:
        return self.phase

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Tell that it is over. Once more does no harm."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


class View(NamedTuple):
    """What reads go by. Replaced as a whole, so that it is looked up without a lock.

    Args:
        phase: the phase to read by.
        until: until when, by the clock of leases.
        readers: as long as there are reads under way by this phase. Its ends are pushed and popped atomically.
    """

    phase: str
    until: float
    readers: deque[None]


class Reading:
    """One read under way; a context manager that gives the phase to read by.

    A change of the phase is acknowledged only when the reads that began before it have ended.

    Args:
        current: the view to read by.
        newest: the view as it stands, good or not.
    """

    __slots__ = ("_current", "_newest", "_readers")

    def __init__(self, current: Callable[[], View], newest: Callable[[], View]) -> None:
        self._current = current
        self._newest = newest
        self._readers: deque[None] | None = None

    def __enter__(self) -> str:
        while True:
            view = self._current()
            view.readers.append(None)
            # Either this sees that the phase has changed, or whoever changed it sees this read.
            if self._newest().readers is view.readers:
                self._readers = view.readers
                return view.phase
            view.readers.pop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._readers is not None:
            self._readers.pop()
