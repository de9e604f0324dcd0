"""What the control object says."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from foodco_storage.control.phases import PHASES
from foodco_storage.control.text import DamagedError, number, seconds, truth, word

REFRESHES_PER_REPORT: Final = 5
"""A report is renewed every so many re-readings of the control object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The control object's content.

    Args:
        route: the route's name.
        epoch: grows by one with every change.
        phase: what to read by, and to write by unless `paused`.
        paused: whether writes wait.
        moving_from: the phase before, from when `phase` was set until writes may go on.
        lease_seconds: how long what was read is good for. As `refresh_seconds`, fixed when the control object is made:
            whether a client is gone is judged by them on both sides.
        refresh_seconds: how often clients read it again.
        changed_at: when, by the clock of who changed it.
        changed_by: `user@host`.
        change_id: tells this change from every other.
    """

    route: str
    epoch: int
    phase: str
    paused: bool
    moving_from: str | None
    lease_seconds: float
    refresh_seconds: float
    changed_at: str
    changed_by: str
    change_id: str

    @property
    def report_seconds(self) -> float:
        """How often reports are renewed."""
        return self.refresh_seconds * REFRESHES_PER_REPORT

    @property
    def gone_seconds(self) -> float:
        """A client whose report was not renewed for so long begins no write any more, alive or not."""
        return self.lease_seconds + 2 * self.report_seconds

    def changed(self, by: str, *, phase: str, paused: bool, moving_from: str | None) -> Record:
        """The record after a change."""
        return replace(
            self,
            epoch=self.epoch + 1,
            phase=phase,
            paused=paused,
            moving_from=moving_from,
            changed_at=datetime.now(UTC).isoformat(),
            changed_by=by,
            change_id=uuid.uuid4().hex,
        )

    def format(self) -> bytes:
        """The bytes of the control object."""
        return json.dumps({"version": 1, **asdict(self)}, indent=2).encode()


def first_record(route: str, phase: str, by: str, *, lease_seconds: float, refresh_seconds: float) -> Record:
    """The record of a route that has none yet.

    Raises:
        ValueError: for a phase that does not exist, or a lease that would run out between two readings.
    """
    if phase not in PHASES:
        raise ValueError(f"there is no phase {phase!r}; the phases are {', '.join(PHASES)}")
    if not 0 < refresh_seconds < lease_seconds:
        raise ValueError("lease_seconds must be longer than refresh_seconds, and that longer than 0")
    return Record(
        route=route,
        epoch=1,
        phase=phase,
        paused=False,
        moving_from=None,
        lease_seconds=lease_seconds,
        refresh_seconds=refresh_seconds,
        changed_at=datetime.now(UTC).isoformat(),
        changed_by=by,
        change_id=uuid.uuid4().hex,
    )


def read_record(found: dict[str, Any], route: str) -> Record:
    """Make a record of the control object's JSON.

    Raises:
        DamagedError: it is not the control object of this route.
    """
    record = Record(
        route=word(found, "route"),
        epoch=number(found, "epoch"),
        phase=word(found, "phase"),
        paused=truth(found, "paused"),
        moving_from=None if found.get("moving_from") is None else word(found, "moving_from"),
        lease_seconds=seconds(found, "lease_seconds"),
        refresh_seconds=seconds(found, "refresh_seconds"),
        changed_at=word(found, "changed_at"),
        changed_by=word(found, "changed_by"),
        change_id=word(found, "change_id"),
    )
    if record.route != route:
        raise DamagedError(f"it is the control object of route {record.route!r}")
    for phase in (record.phase, record.moving_from):
        if phase is not None and phase not in PHASES:
            raise DamagedError(f"there is no phase {phase!r}")
    if record.moving_from is not None and not record.paused:
        raise DamagedError("'moving_from' is set, but 'paused' is not")
    if record.refresh_seconds >= record.lease_seconds:
        raise DamagedError("'lease_seconds' must be longer than 'refresh_seconds'")
    return record
