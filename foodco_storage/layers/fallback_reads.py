"""Fallback reads: what the primary does not hold is read from the fallbacks, in order.

DESIGN section 6, rules 4 (a miss is believed after the primary was asked again), 8 (fall back on "not there" only), 9 (never
splice two objects) and 13 (conditions hold wherever the object lies).
"""

from __future__ import annotations

from typing import Any

from foodco_storage.flows.effects import Count, Resumable, Warn, sent
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Parameters, Request, Response
from foodco_storage.layers.part_numbers import check_part_number
from foodco_storage.layers.promote import Promotes
from foodco_storage.layers.resume import reopening
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import see
from foodco_storage.layers.storage_metadata import note


class FallbackReads:
    """Reads of one object over an authority and its fallbacks.

    Args:
        route: where it may lie. With `read_when_primary_down` the fallbacks are read also when the authority could not
            answer: such an answer is marked `degraded` and may be older than an acknowledged write.
        promotes: copies to the authority what was found in a fallback; None for none.
    """

    def __init__(self, route: Route, promotes: Promotes | None = None) -> None:
        self._route_name = route.name
        self._primary = route.authority
        self._fallbacks = route.fallbacks
        self._again = route.places[1 + len(route.fallbacks) :]
        self._has_marks = route.may_hold_marks
        self._read_when_primary_down = route.read_when_primary_down
        self._promotes = promotes

    def get_object(self, request: Request, below: Below) -> Flow:
        """The object, with a body that survives a broken connection as long as the object stays the same."""
        kept: Parameters = {}
        response = yield from self._read(request, below, kept)
        holder = self._holder(response)
        reopen = reopening(holder, request, response)
        if reopen is not None:
            response["Body"] = yield Resumable(response["Body"], response["ContentLength"], reopen)
        if self._promotes is not None and holder is not self._primary:
            storage = response["ResponseMetadata"]["Storage"]
            if not storage.get("degraded"):
                return (yield from self._promotes.after_get(holder, request, response, kept.get("Metadata") or {}))
        return response

    def head_object(self, request: Request, below: Below) -> Flow:
        """What is known of the object without its body."""
        return (yield from self._read(request, below, {}))

    def _read(self, request: Request, below: Below, kept: Parameters) -> Flow:
        primary = self._primary
        try:
            response = yield from self._ask(primary, request, kept)
        except NotThere as error:
            missing: BackendError = error
        except NoBucket as error:
            yield Warn(
                (primary.backend, "no bucket", request.params.get("Bucket")),
                f"the primary {primary.backend!r} has no bucket for {request.params.get('Bucket')!r}: "
                "every read of it falls back until the bucket is made",
            )
            missing = error
        except Unavailable as error:
            if not self._read_when_primary_down or not self._fallbacks:
                raise
            missing = error
        else:
            return (yield from self._answered(primary, request, response))
        return (yield from self._read_fallbacks(request, missing, kept))

    def _read_fallbacks(self, request: Request, missing: BackendError, kept: Parameters) -> Flow:
        degraded = isinstance(missing, Unavailable)
        for place in self._fallbacks:
            try:
                response = yield from self._ask(place, request, kept)
            except NotThere:
                continue
            except Deleted:
                break
            except BackendError as error:
                # An outage of a fallback must not look like a missing key: its own error goes up.
                error.error.add_note(
                    f"foodco_storage: {missing.backend!r} {'is down' if degraded else 'does not hold the key'}, and the "
                    f"fallback {error.backend!r} could not be read"
                )
                if degraded and (answer := getattr(error.error, "response", None)) is not None:
                    # "Not modified" is an answer too, and no better than the others.
                    note(answer, degraded=True)
                raise
            response = yield from self._answered(place, request, response, fallback=True)
            if degraded:
                yield Count("degraded_reads", self._route_name)
                return note(response, degraded=True)
            return response
        for place in () if degraded else self._again:
            try:
                response = yield from self._ask(place, request, kept)
            except NotThere:
                continue
            return (yield from self._answered(place, request, response))
        raise missing

    def _ask(self, place: Place, request: Request, kept: Parameters) -> Flow:
        if self._has_marks and (place is self._primary or request.operation in {"GetObject", "HeadObject"}):
            return (yield from see(place, request, kept))
        return (yield from sent(place, request))

    def _answered(self, place: Place, request: Request, response: Response, **facts: Any) -> Flow:
        if "PartNumber" in request.params:
            yield from check_part_number(place, request, response)
        return note(response, backend=place.backend, **facts)

    def _holder(self, response: Response) -> Place:
        backend = response["ResponseMetadata"]["Storage"]["backend"]
        return next(place for place in (self._primary, *self._fallbacks) if place.backend == backend)

    get_object_acl = head_object
    get_object_annotation = head_object
    get_object_attributes = head_object
    get_object_legal_hold = head_object
    get_object_retention = head_object
    get_object_tagging = head_object
    get_object_torrent = head_object
    list_object_annotations = head_object
    select_object_content = head_object
