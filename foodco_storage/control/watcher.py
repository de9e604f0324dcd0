"""The thread that keeps leases alive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from foodco_storage.control.held_phase import HeldPhase, lease_clock

logger = logging.getLogger("foodco_storage")

_LONGEST_SECONDS: Final = 1.0


def _nothing() -> None:
    pass


class Watcher:
    """Re-reads the control objects of one store, in one thread that runs while there are any.

    One for each store: a store that hangs keeps only its own leases from being renewed.

    Args:
        clock: the one of the phases that it watches.
        started: called when the thread has been started, in a forked child once more.
        meanwhile: called in the thread again and again, every second at least.
    """

    def __init__(
        self,
        clock: Callable[[], float] = lease_clock,
        started: Callable[[], None] = _nothing,
        meanwhile: Callable[[], None] = _nothing,
    ) -> None:
        self._clock = clock
        self._started = started
        self._meanwhile = meanwhile
        self._changed = threading.Condition()
        self._held: tuple[HeldPhase, ...] = ()
        self._thread: threading.Thread | None = None

    def watch(self, held: HeldPhase) -> None:
        """See to it that a phase is re-read when it is due."""
        if held in self._held and self._thread is not None:
            return
        with self._changed:
            if held not in self._held:
                self._held += (held,)
            starts = self._thread is None
            if starts:
                self._thread = threading.Thread(target=self._run, name="foodco-storage-phases", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    # The interpreter is ending. Whoever writes now reads by himself.
                    self._thread = None
            self._changed.notify_all()
        if starts:
            self._started()

    def wake(self) -> None:
        """Look anew at what is due."""
        with self._changed:
            self._changed.notify_all()

    def forget(self, held: HeldPhase) -> None:
        """Re-read it no more."""
        with self._changed:
            self._held = tuple(other for other in self._held if other is not held)
            self._changed.notify_all()

    def after_fork(self) -> None:
        """In a forked child: threads stay behind; the next use of a phase starts one."""
        self._changed = threading.Condition()
        self._held = ()
        self._thread = None

    def _run(self) -> None:
        while True:
            self._safely(self._meanwhile)
            with self._changed:
                if not self._held:
                    self._thread = None
                    return
                now = self._clock()
                wait = min(held.due_at for held in self._held) - now
                if wait > 0:
                    self._changed.wait(min(wait, _LONGEST_SECONDS))
                    continue
                due = [held for held in self._held if held.due_at <= now]
            for held in due:
                self._safely(held.refresh)

    @staticmethod
    def _safely(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            # A mistake of ours must not end all leases.
            logger.exception("control objects could not be re-read")
