"""What an operator sees of a route: the control object and the clients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foodco_storage.control.clients import Client, Clients
from foodco_storage.control.control_object import ControlObject, Found
from foodco_storage.control.phases import moves_from
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.record import Record
from foodco_storage.control.steps import Call, Steps, carry_out


@dataclass(frozen=True, slots=True)
class Shown:
    """A route at one moment.

    Args:
        found: the control object.
        clients: everyone who has a report.
    """

    found: Found
    clients: tuple[Client, ...]

    @property
    def record(self) -> Record:
        """What the control object says."""
        return self.found.record

    @property
    def stale(self) -> tuple[Client, ...]:
        """Clients that are gone, most likely."""
        return tuple(client for client in self.clients if client.is_stale)


def show(place: ControlPlace, call: Call) -> Shown | None:
    """Look at a route; None where it has no control object.

    Raises:
        DamagedError: the control object can't be made sense of.
        PhaseRefusedError: the reports can't be listed completely.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: they can't be read.
    """
    return carry_out(looking(ControlObject(place), Clients(place)), call)


def looking(control: ControlObject, clients: Clients) -> Steps[Shown | None]:
    """The requests of `show`."""
    found = yield from control.read()
    if found is None:
        return None
    return Shown(found, (yield from clients.look(found)))


def explained(shown: Shown) -> Iterator[str]:
    """What the route does at the moment, and what can be done, in sentences."""
    record = shown.record
    if not record.paused:
        targets = " or ".join(map(repr, moves_from(record.phase))) or "nowhere: the migration is over"
        yield f"phase {record.phase!r}; it can be moved to {targets}"
    elif record.moving_from is None:
        yield f"phase {record.phase!r}, paused: reads go on, writes wait. A move has begun, and nothing is changed yet"
        yield f"go on: `phase set {record.route} PHASE` with the phase it was to be moved to"
        yield f"take it back: `phase set {record.route} {record.phase}`"
    else:
        yield (
            f"phase {record.phase!r}, paused: reads go by it already, writes wait. The move from {record.moving_from!r} is "
            "nearly over, and can't be taken back"
        )
        yield f"finish it: `phase set {record.route} {record.phase}`"
    for client in shown.stale:
        yield gone(client)


def gone(client: Client) -> str:
    """What is known of a client that is gone, most likely, and what to do about it."""
    last = ""
    if (report := client.report) is not None:
        last = f"; its journal had {report.journal} entries then, {report.in_flight} operations were under way"
    return (
        f"{client} is probably dead, it last reported {client.age_seconds:.0f} s ago{last}. Make sure that it is, and that "
        f"nothing is left in its journal, and add `--forget {client.id}`"
    )
