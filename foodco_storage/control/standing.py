"""What a client knows, and what it may do by it. Plain state: whoever uses it from several threads holds a lock."""

from __future__ import annotations

import math
import uuid

from foodco_storage.control.record import Record


def new_id() -> str:
    """An id that no client has had."""
    return uuid.uuid4().hex[:16]


class Standing:
    """How a client stands with its route.

    Attributes:
        client: its id.
        record: the control object as it was last read; None before.
        lease_until: until when that is good for writes.
        announced: whether a report lies in the store that counts.
        registered: whether the control object has been read again since: only then does a flip that does not see the report
            show in what was read.
        reported_at: when the last report was sent.
        sealed_by: the change of the control object since which nothing is left here, so that nothing may begin.
        in_flight: operations under way.
        written_by: the phase that they go by.
    """

    def __init__(self, record: Record | None = None, lease_until: float = -math.inf) -> None:
        self.client = new_id()
        self.record = record
        self.lease_until = lease_until
        self.announced = False
        self.registered = False
        self.reported_at = -math.inf
        self.sealed_by = ""
        self.in_flight = 0
        self.written_by = ""

    def adopt(self, record: Record, asked_at: float) -> None:
        """Go by what was read.

        Args:
            record: what was read.
            asked_at: when the reading began: the lease counts from there.
        """
        self.record = record
        self.lease_until = asked_at + record.lease_seconds
        # Announced before the reading began: reports are not sent meanwhile.
        self.registered = self.announced

    def reported(self, sent_at: float, now: float) -> str | None:
        """Note that a report was stored.

        Args:
            sent_at: when it was sent.
            now: when the answer came.

        Returns:
            The client's former id, where the report comes too late: the one before it may have been taken away meanwhile,
            and this one with it. The client then goes on under a new one.
        """
        if (former := self.give_up(now)) is not None:
            return former
        self.announced = True
        self.reported_at = sent_at
        return None

    def give_up(self, now: float) -> str | None:
        """Take a new id if the report was not renewed in time; the former one, then."""
        if not self.announced or not self._is_late(now):
            return None
        former, self.client = self.client, new_id()
        self.announced = self.registered = False
        return former

    def begin(self) -> None:
        """Count an operation; only where nothing speaks against it."""
        if self.record is not None:
            self.written_by = self.record.phase
        self.in_flight += 1

    def why_not_write(self, now: float) -> str | None:
        """What speaks against an operation that changes something."""
        if (why := self._why_not(now)) is not None:
            return why
        return _paused(self.record) if self.record is not None and self.record.paused else None

    def why_not_reconcile(self, now: float) -> str | None:
        """What speaks against bringing the two sides together for an entry of the journal.

        Less than against a write: the journal must drain in a pause, as long as the phase has not changed.
        """
        if (why := self._why_not(now)) is not None:
            return why
        record = self.record
        if record is not None and record.paused and (record.moving_from is not None or self.is_sealed):
            return _paused(record)
        return None

    @property
    def is_sealed(self) -> bool:
        """Whether nothing may begin until the control object changes."""
        return self.record is not None and self.sealed_by == self.record.change_id

    def seal(self) -> bool:
        """Let nothing begin until the control object changes, if nothing is under way in a pause. Whether that is so."""
        if self.record is None or not self.record.paused or self.in_flight:
            return False
        self.sealed_by = self.record.change_id
        return True

    def unseal(self) -> None:
        """Let reconciling begin again."""
        self.sealed_by = ""

    def _why_not(self, now: float) -> str | None:
        record = self.record
        if record is None:
            return "its control object has not been read yet"
        if not self.registered or self._is_late(now):
            return "this client could not register for it"
        if now >= self.lease_until:
            return f"its control object could not be read again for {record.lease_seconds:g} s"
        if self.in_flight and self.written_by != record.phase:
            return f"operations that began in phase {self.written_by!r} are not over here"
        return None

    def _is_late(self, now: float) -> bool:
        return self.record is not None and now >= self.reported_at + self.record.gone_seconds


def _paused(record: Record) -> str:
    moving = "is being moved to another phase" if record.moving_from is None else f"is moving to {record.phase!r}"
    return f"it {moving} (paused by {record.changed_by} at {record.changed_at})"
