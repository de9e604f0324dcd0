"""Beginning and ending to hold a route's phase by lease."""

from __future__ import annotations

from foodco_storage.control.clients import Clients
from foodco_storage.control.control_object import ControlObject
from foodco_storage.control.flip import author
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.record import Record, first_record
from foodco_storage.control.steps import Call, Steps, carry_out
from foodco_storage.errors import PhaseRefusedError


def create(place: ControlPlace, call: Call, phase: str, *, lease_seconds: float, refresh_seconds: float) -> Record:
    """Make the control object of a route that has none.

    Args:
        place: the route's.
        call: sends a request to the primary, once, without retries.
        phase: where the route stands now: the one by which all its clients are configured.
        lease_seconds: how long what a client read is good for.
        refresh_seconds: how often clients read it again. Both are fixed as long as the control object is there.

    Raises:
        ValueError: no such phase, or a lease that is not longer than the time between two readings.
        PhaseRefusedError: there is one already.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be written.
    """
    record = first_record(place.route, phase, author(), lease_seconds=lease_seconds, refresh_seconds=refresh_seconds)
    return carry_out(_creating(place, record), call)


def remove(place: ControlPlace, call: Call) -> None:
    """Take the control object away; only while no client has a report.

    Raises:
        PhaseRefusedError: clients are there.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be removed.
    """
    carry_out(_removing(place), call)


def _creating(place: ControlPlace, record: Record) -> Steps[Record]:
    control = ControlObject(place)
    # Also for stores that ignore the condition of the PUT.
    found = yield from control.read()
    if found is not None:
        raise PhaseRefusedError([f"there is a control object already, in phase {found.record.phase!r}"])
    return (yield from control.create(record)).record


def _removing(place: ControlPlace) -> Steps[None]:
    control = ControlObject(place)
    found = yield from control.read()
    if found is None:
        return
    if clients := (yield from Clients(place).look(found)):
        raise PhaseRefusedError([f"{client} is registered: stop it first, or forget it" for client in clients])
    yield from control.remove()
