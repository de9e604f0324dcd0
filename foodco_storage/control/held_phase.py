"""A route's phase as one process holds it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from foodco_storage.control import refusals
from foodco_storage.control.operation import Operation, Reading, View
from foodco_storage.control.participant import Participant
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.standing import Standing
from foodco_storage.control.steps import Call, Steps, carry_out
from foodco_storage.telemetry.steps import tell_step

logger = logging.getLogger("foodco_storage")

# CLOCK_MONOTONIC stands still while the machine sleeps, and a lease would outlive its time.
lease_clock: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds that only grow, also while the machine sleeps."""

_LOOK_AGAIN_SECONDS: Final = 1.0


class Watching(Protocol):
    """Re-reads control objects in the background (`foodco_storage.control.watcher`)."""

    def watch(self, held: HeldPhase) -> None:
        """See to it that a phase is re-read when it is due."""

    def wake(self) -> None:
        """Look anew at what is due."""

    def forget(self, held: HeldPhase) -> None:
        """Re-read it no more."""


class HeldPhase:
    """The phase of a route in this process, for all its threads.

    Reads ask by which phase: `reading`, or `phase`. What changes something asks for leave, and is counted until it ends:
    `writing` in the foreground, `try_writing` and `try_reconciling` in the background.

    Args:
        place: where the control object lies.
        call: sends a request to the primary, once, without retries.
        journal_depth: how many entries are left in this process's journal.
        watcher: re-reads the control object.
        pause_seconds: how long `writing` waits for a pause to end.
        clock: seconds that only grow, also while the machine sleeps.

    Example:
        with held.writing("PutObject") as phase:
            ...
    """

    def __init__(
        self,
        place: ControlPlace,
        call: Call,
        *,
        journal_depth: Callable[[], int],
        watcher: Watching,
        pause_seconds: float = 5.0,
        clock: Callable[[], float] = lease_clock,
    ) -> None:
        self.place = place
        self._call = call
        self._watcher = watcher
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._participant = Participant(place, journal_depth, clock)
        self._turn = threading.Lock()

    @property
    def phase(self) -> str:
        """The phase to read by.

        While the control object can't be read again, the last one; but for `cutover` then `drain`, whose reads are right in
        both.

        Raises:
            PhaseUnknownError: the control object could never be read, or does not exist.
        """
        view = self._participant.view
        if self._clock() < view.until:
            return view.phase
        return self._late("GetObject").phase

    @property
    def last_phase(self) -> str | None:
        """The phase as it was last read; None before that. Asks nobody."""
        record = self._participant.standing.record
        return None if record is None else record.phase

    def reading(self, operation: str = "GetObject") -> Reading:
        """One read, as a context manager that gives the phase to read by.

        Other than with `phase` alone, a new phase is acknowledged only when the reads by the old one have ended.

        Args:
            operation: botocore's name of it, for errors.

        Raises:
            PhaseUnknownError: on entry, as for `phase`.
        """
        return Reading(partial(self._current, operation), self._newest)

    def writing(self, operation: str = "PutObject") -> Operation:
        """One operation that changes something, as a context manager that gives the phase to write by.

        Waits while the route is paused, or out of touch. Not to be nested: an operation that waits within another one keeps
        the pause from getting on.

        Args:
            operation: botocore's name of it, for errors.

        Raises:
            botocore.exceptions.ClientError: `SlowDown`, status 503: it has waited for `pause_seconds`.
            OperationRefusedError: this client may not report, and so must not write.
            PhaseUnknownError: the control object could never be read, or does not exist.
        """
        begun = self._begin(Standing.why_not_write)
        if isinstance(begun, Operation):
            return begun
        participant = self._participant
        until = self._clock() + self._pause_seconds
        while True:
            self._want()
            self.refresh()
            begun = self._begin(Standing.why_not_write)
            if isinstance(begun, Operation):
                return begun
            if participant.trouble and not participant.has_read:
                raise refusals.unknown(self.place, operation, participant.trouble)
            if participant.is_denied and not participant.standing.registered:
                raise refusals.denied(self.place, operation, participant.trouble)
            left = until - self._clock()
            if left <= 0:
                why = f"{begun} ({participant.trouble})" if participant.trouble else begun
                raise refusals.slow_down(self.place, operation, why)
            with participant.changed:
                participant.changed.wait(min(left, _LOOK_AGAIN_SECONDS))

    def try_writing(self) -> Operation | None:
        """The same for work that can wait, or be dropped: None at once where it may not begin now."""
        return self._try(Standing.why_not_write)

    def try_reconciling(self) -> Operation | None:
        """Leave to bring the two sides together for entries of the journal; None where that may not begin now.

        May begin also while the route is paused, as long as its phase has not changed: else no journal would drain.
        """
        return self._try(Standing.why_not_reconcile)

    @property
    def due_at(self) -> float:
        """When `refresh` is due, by the clock of leases."""
        return self._participant.next_round

    def refresh(self) -> None:
        """Do what is due, in this thread, unless another thread is at it."""
        if self._clock() >= self.due_at and self._turn.acquire(blocking=False):
            try:
                if self._clock() >= self.due_at:
                    self._carry_out_round()
            finally:
                self._turn.release()

    def round(self) -> Steps[None]:
        """The requests of `refresh`, for who sends them by himself."""
        return self._participant.round()

    def leaving(self) -> Steps[None]:
        """The requests of `close`, for who sends them by himself."""
        return self._participant.leaving()

    def close(self) -> None:
        """Take this process's report away: flips no longer wait for it. It comes back with the next write.

        With entries left in the journal, or operations under way, the report stays, and says so. Never fails.
        """
        self._watcher.forget(self)
        try:
            with self._turn:
                carry_out(self._participant.leaving(), self._call)
        except Exception as error:  # noqa: BLE001 - nobody can do anything about it here
            logger.warning("route %r: this client's report could not be taken away: %s", self.place.route, error)

    def after_fork(self) -> None:
        """In a forked child: be another client, with locks and reports of its own."""
        self._turn = threading.Lock()
        self._participant.begin_anew()

    def _newest(self) -> View:
        return self._participant.view

    def _current(self, operation: str) -> View:
        view = self._participant.view
        return view if self._clock() < view.until else self._late(operation)

    def _late(self, operation: str) -> View:
        """The view where the usual one is not good: at first, after a fork, and when the lease has run out."""
        participant = self._participant
        self._watcher.watch(self)
        if not participant.has_read and not self._read_first():
            raise refusals.unknown(self.place, operation, participant.trouble)
        with participant.changed:
            view, lease_until = participant.view, participant.standing.lease_until
            if self._clock() < lease_until:
                if view.until < lease_until:
                    # After a fork.
                    participant.view = view = view._replace(until=lease_until)
                return view
        return view._replace(phase="drain") if view.phase == "cutover" else view

    def _read_first(self) -> bool:
        """Read the control object for the first time, and wait for it; whether that has succeeded."""
        # Those that come at the same time wait for the one that reads. After a failure it is not tried again for each.
        with self._turn:
            if not self._participant.has_read and self._clock() >= self.due_at:
                self._carry_out_round()
        return self._participant.has_read

    def _carry_out_round(self) -> None:
        before = self.last_phase
        carry_out(self._participant.round(), self._call)
        after = self.last_phase
        if before is not None and after is not None and after != before:
            tell_step("phase", after, self.place.route)

    def _begin(self, why_not: Callable[[Standing, float], str | None]) -> Operation | str:
        """Count an operation, if nothing speaks against it; else what does."""
        participant = self._participant
        with participant.changed:
            standing = participant.standing
            why = why_not(standing, self._clock())
            if why is not None:
                return why
            standing.begin()
            return Operation(standing.written_by, partial(self._ended, standing))

    def _ended(self, standing: Standing) -> None:
        participant = self._participant
        with participant.changed:
            standing.in_flight -= 1
            last = not standing.in_flight and standing.record is not None and standing.record.paused
            if standing.in_flight == 0:
                participant.changed.notify_all()
        if last:
            # A flip waits for it.
            participant.next_round = self._clock()
            self._watcher.wake()

    def _try(self, why_not: Callable[[Standing, float], str | None]) -> Operation | None:
        begun = self._begin(why_not)
        if isinstance(begun, Operation):
            return begun
        self._want()
        return None

    def _want(self) -> None:
        """Have this client registered, if it is not."""
        participant = self._participant
        self._watcher.watch(self)
        if not participant.is_wanted:
            participant.is_wanted = True
            participant.next_round = self._clock()
            self._watcher.wake()
