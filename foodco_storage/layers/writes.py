"""Writing one object: `PutObject` on the authority, stamped, under the caller's conditions, and mirrored."""

from __future__ import annotations

from functools import partial

from foodco_storage.flows.effects import NewId, sent
from foodco_storage.flows.marks import stamped
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.layers.conditional_writes import ConditionalWrites, is_conditional
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note
from foodco_storage.layers.unknown_outcomes import send_once


class Writes:
    """Writes objects on one route.

    Args:
        route: whose authority is written.
        conditions: settles the caller's.
        mirror: lets the other side follow; None on a route that does not migrate, whose objects carry no marks.
    """

    def __init__(self, route: Route, conditions: ConditionalWrites, mirror: Mirror | None = None) -> None:
        self._authority = route.authority
        self._conditions = conditions
        self._mirror = mirror

    def put_object(self, request: Request, below: Below) -> Flow:
        """Write an object."""
        capability = "conditional_put" if "IfNoneMatch" in request.params else "put_if_match"
        if self._mirror is None:
            response = yield from self._conditions.carry_out(request, capability, partial(sent, self._authority))
        else:
            write_id: str = yield NewId()
            request = stamped(request, write_id)
            write = self._conditions.carry_out(request, capability, lambda ask: self._send(ask, write_id))
            response = yield from self._mirror.around(request, write, self._mirror.direct_put(request, write_id))
        return note(response, backend=self._authority.backend)

    def complete_multipart_upload(self, request: Request, below: Below) -> Flow:
        """Make an object of its parts, where uploads belong to one backend."""
        response = yield from self._conditions.carry_out(
            request, "complete_if_none_match", partial(sent, self._authority)
        )
        return note(response, backend=self._authority.backend)

    def _send(self, request: Request, write_id: str) -> Flow:
        if is_conditional(request):
            return (yield from send_once(self._authority, request, write_id))
        return (yield from sent(self._authority, request))
