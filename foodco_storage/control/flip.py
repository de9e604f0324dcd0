"""Changing a route's phase: what the operator's command does, step by step."""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.control.control_object import ControlObject, Found
from foodco_storage.control.phases import why_not
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.procedure import Procedure, Say, performed
from foodco_storage.control.record import Record
from foodco_storage.control.roll_call import RollCall, behind, unsettled
from foodco_storage.control.steps import Call
from foodco_storage.errors import PhaseRefusedError, StorageError

Check: TypeAlias = Callable[[str, str], Sequence[str]]
"""Given the phases that a route moves from and to: reasons why it must not; none where it may."""


def _nothing(start: str, end: str) -> Sequence[str]:  # noqa: ARG001 - the signature of a check
    return ()


@dataclass(frozen=True, slots=True)
class Checks:
    """What must be so before a phase may change.

    Args:
        before: asked while everything goes on.
        paused: asked while writes wait and the journals are empty: short, since services wait as well.
    """

    before: Check = _nothing
    paused: Check = _nothing


class Flip:
    """One change of a phase.

    Goes on with one that was interrupted. Interrupted itself, it leaves the route paused; another `Flip` finishes it, or
    takes it back, by naming the phase that it came from.

    Args:
        place: the route's.
        target: the phase to move to.
        checks: what must be so.
        forget: clients that are known to be dead. Only one that has not reported for long can be forgotten.
        wait_seconds: how long to wait for the clients, in each of the two pauses.
        quoted: whether the store wants the ETag of `If-Match` in quotes.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        place: ControlPlace,
        target: str,
        *,
        checks: Checks | None = None,
        forget: frozenset[str] = frozenset(),
        wait_seconds: float = 60.0,
        quoted: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._checks = checks or Checks()
        self._clock = clock
        self._by = author()
        self._control = ControlObject(place, quoted=quoted)
        self._clients = RollCall(place, self._control, forget, wait_seconds, clock)

    def run(self, call: Call, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
        """Do it, and say how far it is.

        Args:
            call: sends a request to the primary, once, without retries.
            sleep: lets seconds pass.

        Raises:
            PhaseRefusedError: it is not safe now. If the old phase still stood, it goes on.
            DamagedError: the control object can't be made sense of.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the primary can't be asked.
        """
        return performed(self.procedure(), call, sleep)

    def procedure(self) -> Procedure[Record]:
        """The steps of it; returns the record that it leaves."""
        found = yield from self._clients.found()
        record = found.record
        if record.moving_from is not None:
            if record.phase != self._target:
                way = f"from {record.moving_from!r} to {record.phase!r}"
                raise PhaseRefusedError([f"it is on its way {way}: set it to {record.phase!r} first"])
        elif record.phase == self._target:
            return (yield from self._stay(found)).record
        else:
            yield from self._prepare(found)
            found = yield from self._leave(found)
        return (yield from self._arrive(found)).record

    def _stay(self, found: Found) -> Procedure[Found]:
        """The phase is the one that is asked for: end the pause, if there is one."""
        phase = found.record.phase
        if reasons := (yield from self._clients.forget_or_refuse(found, may_be_stale=True)):
            raise PhaseRefusedError(reasons)
        if not found.record.paused:
            yield Say(f"it is in phase {phase!r}")
            return found
        found = yield from self._change(found, phase=phase, paused=False)
        yield Say(f"taken back: phase {phase!r}, writes go on")
        return found

    def _prepare(self, found: Found) -> Procedure[None]:
        """What can be found out before anybody is made to wait."""
        record = found.record
        reason = why_not(record.phase, self._target)
        reasons: Sequence[str] = [reason] if reason is not None else []
        if not reasons:
            reasons = yield from self._clients.forget_or_refuse(found, may_be_stale=False)
        if not reasons:
            reasons = self._checks.before(record.phase, self._target)
        if reasons and record.paused:
            back = f"`phase set {record.route} {record.phase}`"
            reasons = [*reasons, f"the route is still paused, by an earlier command: {back} takes that back"]
        if reasons:
            raise PhaseRefusedError(reasons)

    def _leave(self, found: Found) -> Procedure[Found]:
        """From the old phase, open or paused, to the new one, paused."""
        start = found.record.phase
        if not found.record.paused:
            found = yield from self._change(found, phase=start, paused=True)
            yield Say(f"paused in phase {start!r} (epoch {found.record.epoch}): writes wait, reads go on")
        reasons: Sequence[str] = yield from self._clients.wait_until_none(unsettled, found)
        if not reasons:
            reasons = self._check_in_the_pause(start)
        if not reasons:
            # Clients may have come while that was checked.
            reasons = yield from self._clients.wait_until_none(unsettled, found)
        if reasons:
            yield from self._take_back(found, reasons)
        found = yield from self._change(found, phase=self._target, paused=True, moving_from=start)
        yield Say(f"phase {self._target!r} (epoch {found.record.epoch}): reads go by it, writes wait")
        return found

    def _check_in_the_pause(self, start: str) -> Sequence[str]:
        try:
            return self._checks.paused(start, self._target)
        except (StorageError, ClientError, BotoCoreError, OSError) as error:
            return [f"a check failed: {error}"]

    def _take_back(self, found: Found, reasons: Sequence[str]) -> Procedure[None]:
        """End the pause in the old phase, and say why."""
        start = found.record.phase
        try:
            yield from self._change(found, phase=start, paused=False)
        except (PhaseRefusedError, ClientError, BotoCoreError) as error:
            again = f"`phase set {found.record.route} {start}`"
            outcome = f"this could not be taken back ({error}): writes may have to wait until {again} does it"
        else:
            outcome = f"taken back: phase {start!r}, writes go on"
        raise PhaseRefusedError([*reasons, outcome])

    def _arrive(self, found: Found) -> Procedure[Found]:
        """From the new phase, paused, to the new one, open."""
        # Those that only read have no report. By then each has read the control object, or can't.
        not_before = self._clock() + found.record.lease_seconds
        if reasons := (yield from self._clients.wait_until_none(behind, found, not_before)):
            again = f"`phase set {found.record.route} {self._target}`"
            raise PhaseRefusedError([*reasons, f"writes wait until {again} has finished it"])
        found = yield from self._change(found, phase=self._target, paused=False)
        yield Say(f"done: phase {self._target!r} (epoch {found.record.epoch}), writes go on")
        return found

    def _change(self, found: Found, *, phase: str, paused: bool, moving_from: str | None = None) -> Procedure[Found]:
        record = found.record.changed(self._by, phase=phase, paused=paused, moving_from=moving_from)
        return (yield from self._control.replace(found, record))


def author() -> str:
    """Who is at work: `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user without a name.
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
