"""Fallback reads: what the primary does not hold is read from the fallbacks, in order.

DESIGN section 6, rules 8 (fall back on "not there" only), 9 (never splice two objects) and 13 (conditions hold wherever
the object lies).
"""

from __future__ import annotations

from collections.abc import Sequence

from foodco_storage.flows.effects import Call, Discard, Resumable, Warn
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.part_numbers import check_part_number
from foodco_storage.layers.resume import reopening
from foodco_storage.layers.storage_metadata import note


class FallbackReads:
    """Reads of one object over a primary and its fallbacks.

    Args:
        primary: where the object is looked for first.
        fallbacks: where it is looked for when the primary answers that it is not there, in order.
        read_when_primary_down: read the fallbacks also when the primary could not answer. Such an answer is marked
            `degraded` and may be older than an acknowledged write.
    """

    def __init__(self, primary: Place, fallbacks: Sequence[Place], *, read_when_primary_down: bool = False) -> None:
        self._primary = primary
        self._fallbacks = tuple(fallbacks)
        self._read_when_primary_down = read_when_primary_down

    def get_object(self, request: Request, below: Below) -> Flow:
        """The object, with a body that survives a broken connection as long as the object stays the same."""
        response = yield from self._read(request, below)
        reopen = reopening(self._holder(response), request, response)
        if reopen is not None:
            response["Body"] = yield Resumable(response["Body"], response["ContentLength"], reopen)
        return response

    def head_object(self, request: Request, below: Below) -> Flow:
        """What is known of the object without its body."""
        return (yield from self._read(request, below))

    def _read(self, request: Request, below: Below) -> Flow:
        primary = self._primary
        try:
            response = yield Call(primary, request)
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
            if not self._read_when_primary_down:
                raise
            missing = error
        else:
            if "PartNumber" in request.params:
                yield from check_part_number(primary, request, response)
            return note(response, backend=primary.backend)
        return (yield from self._read_fallbacks(request, missing))

    def _read_fallbacks(self, request: Request, missing: BackendError) -> Flow:
        degraded = isinstance(missing, Unavailable)
        for place in self._fallbacks:
            try:
                response = yield Call(place, request)
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
                raise
            if "PartNumber" in request.params:
                yield from check_part_number(place, request, response)
            note(response, backend=place.backend, fallback=True)
            return note(response, degraded=True) if degraded else response
        raise missing

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


def look_up(places: Sequence[Place], request: Request) -> Flow:
    """Head a key on each place in turn; the first that holds it answers.

    Returns:
        Its head, with the place's backend under `ResponseMetadata["Storage"]`; an empty dict where nobody holds it, or
        where the first to know of it remembers that it was deleted.
    """
    head = Request("HeadObject", {k: request.params[k] for k in ("Bucket", "Key") if k in request.params})
    for place in places:
        try:
            response = yield Call(place, head)
        except NotThere:
            continue
        except Deleted:
            break
        return note(response, backend=place.backend)
    return {}


def close_body(response: Response) -> Flow:
    """Drop a body that will not be read."""
    if (body := response.get("Body")) is not None:
        yield Discard(body)
    return response
