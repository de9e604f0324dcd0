"""What a flip asks of the clients, and how it waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.control.clients import Client, Clients
from foodco_storage.control.control_object import ControlObject, Found
from foodco_storage.control.look import gone
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.procedure import Procedure, Say, Wait
from foodco_storage.control.record import Record
from foodco_storage.errors import PhaseRefusedError

_POLL_SECONDS: Final = 0.5

Demand: TypeAlias = Callable[[Record, Client], str | None]
"""What a client still lacks; None where nothing."""


class RollCall:
    """The clients of a route, as a flip deals with them.

    Args:
        place: the route's.
        control: its control object.
        forget: clients that the operator knows to be dead.
        wait_seconds: how long to wait for the clients.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        place: ControlPlace,
        control: ControlObject,
        forget: frozenset[str],
        wait_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._place = place
        self._control = control
        self._clients = Clients(place)
        self._forget = forget
        self._wait_seconds = wait_seconds
        self._clock = clock

    def found(self, expected: Found | None = None) -> Procedure[Found]:
        """The control object, if it is as expected.

        Raises:
            PhaseRefusedError: it is not.
        """
        found = yield from self._control.read()
        if found is None:
            what = "there is no control object" if expected is None else "the control object was taken away"
            raise PhaseRefusedError([f"{what}: `phase init {self._place.route} PHASE` makes it"])
        if expected is not None and found.record != expected.record:
            record = found.record
            raise PhaseRefusedError([f"{record.changed_by} has changed the control object too, at {record.changed_at}"])
        return found

    def forget_or_refuse(self, found: Found, *, may_be_stale: bool) -> Procedure[list[str]]:
        """Those that nobody will ever hear of must be named by the operator, and only those; what is against it.

        Args:
            found: the control object.
            may_be_stale: whether those that are not named do no harm.
        """
        clients = yield from self._clients.look(found)
        stale = [client for client in clients if client.is_stale and client.id not in self._forget]
        reasons = [] if may_be_stale else [gone(client) for client in stale]
        reasons += [_alive(client) for client in clients if client.id in self._forget and not client.is_stale]
        for unknown in sorted(self._forget - {client.id for client in clients}):
            yield Say(f"there is no client {unknown}")
        if not reasons:
            yield from self._forget_those(clients)
        return reasons

    def wait_until_none(self, lacks: Demand, expected: Found, not_before: float = 0.0) -> Procedure[list[str]]:
        """Wait until no client lacks anything; what they lack when the time is over.

        Args:
            lacks: what is asked of them.
            expected: the control object, which nobody else may change meanwhile.
            not_before: wait until then in any case.

        Raises:
            PhaseRefusedError: somebody did.
        """
        until = max(self._clock() + self._wait_seconds, not_before)
        told: list[str] = []
        while True:
            reasons = yield from self._lacking(lacks, expected)
            now = self._clock()
            if not reasons and now >= not_before:
                return []
            if reasons and now >= until:
                return reasons
            waiting = reasons or ["waiting until those that only read have noticed as well"]
            for reason in waiting:
                if reason not in told:
                    yield Say(reason)
            told = waiting
            yield Wait(min(_POLL_SECONDS, expected.record.refresh_seconds / 2))

    def _lacking(self, lacks: Demand, expected: Found) -> Procedure[list[str]]:
        try:
            found = yield from self.found(expected)
            try:
                clients = yield from self._clients.look(found)
            except PhaseRefusedError as error:
                return list(error.reasons)
            clients = yield from self._forget_those(clients)
        except (ClientError, BotoCoreError) as error:
            return [f"the clients can't be looked at: {error}"]
        return [lack for client in clients if (lack := lacks(found.record, client)) is not None]

    def _forget_those(self, clients: tuple[Client, ...]) -> Procedure[tuple[Client, ...]]:
        """Take away the reports of those to forget; the other clients."""
        left = []
        for client in clients:
            if client.id in self._forget and client.is_stale:
                yield from self._clients.remove(client.id)
                yield Say(f"forgotten: {client}")
            else:
                left.append(client)
        return tuple(left)


def unsettled(record: Record, client: Client) -> str | None:
    """What a client lacks before a route can leave its phase."""
    report = client.report
    if client.is_stale:
        # Also when it had told that nothing is left: once the new phase is set, there is no way back from waiting for it.
        return gone(client)
    if report is None:
        return f"the report of {client} can't be read: {client.problem}"
    if not report.has_acknowledged(record):
        return f"{client} has not noticed the pause yet"
    if not report.is_settled:
        left = f"{report.in_flight} operations under way, and {report.journal} entries in its journal"
        return f"{client} still has {left}"
    return None


def behind(record: Record, client: Client) -> str | None:
    """What a client lacks before writes can go on by a route's new phase."""
    report = client.report
    acknowledged = report is not None and report.has_acknowledged(record)
    if acknowledged and report is not None and not report.reading and not report.in_flight:
        return None
    if client.is_stale:
        return gone(client)
    if report is None:
        return f"the report of {client} can't be read: {client.problem}"
    if not acknowledged:
        return f"{client} has not noticed the new phase yet"
    return f"{client} still has {report.reading} reads and {report.in_flight} operations under way from before"


def _alive(client: Client) -> str:
    left = client.gone_seconds - client.age_seconds
    return (
        f"{client} reported {client.age_seconds:.0f} s ago, so it may be at work: stop it; if it does not report again, "
        f"it can be forgotten in {left + 2:.0f} s"
    )
