"""`IfNoneMatch` and `IfMatch` on writes: they hold for the logical object, wherever it lies (DESIGN 6, rules 10 and 13)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from foodco_storage.flows.conditions import matches
from foodco_storage.flows.effects import Able
from foodco_storage.flows.outcomes import NotThere, Rejected
from foodco_storage.flows.request import Flow, Request
from foodco_storage.flows.s3_errors import precondition_failed, refused, rejected
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import Found, find, names_an_etag

ROUNDS = 5
"""So often a write whose condition holds is sent anew, when somebody else changes what it was sent for in between."""

_PRECONDITION_FAILED = 412
_CONFLICT = 409


class SourceFailedError(Rejected):
    """What was to be copied is missing, or fails its conditions: whatever the code, it says nothing of the destination."""


class ConditionalWrites:
    """Settles the conditions of writes to the authority of one route."""

    def __init__(self, route: Route) -> None:
        self._authority = route.authority
        self._fallbacks = route.fallbacks
        self._places = route.places

    def carry_out(self, request: Request, capability: str, send: Callable[[Request], Flow]) -> Flow:
        """Send a write under conditions that the authority understands and that mean what the caller's mean.

        Args:
            request: any write that may carry `IfNoneMatch` or `IfMatch`.
            capability: what the authority must be able to do for them to hold there.
            send: makes the flow that sends a request to the authority.

        Raises:
            Rejected: 412 when the object fails the condition, wherever it lies; 409 when it kept changing; a refusal when the
                authority is known to ignore conditions.
        """
        if not is_conditional(request):
            return (yield from send(request))
        yield from self._check_able(request, capability)
        # A file may have been read by the time that the store refuses it: what is left of it is another object.
        is_at_hand = isinstance(request.params.get("Body", b""), bytes | bytearray | str)
        conflict: Rejected | None = None
        for number in range(ROUNDS):
            # Where nobody else has a say the store decides; only its refusal may be about a mark of ours.
            is_first = is_at_hand and number == 0
            decides = is_first and not self._fallbacks and names_an_etag(request.params.get("IfMatch", ""))
            ask = request if decides else (yield from self._settle(request, is_first=is_first))
            if number and not is_at_hand:
                break
            try:
                return (yield from send(ask))
            except SourceFailedError:
                raise
            except (NotThere, Rejected) as error:
                if error.status not in {_PRECONDITION_FAILED, _CONFLICT} and not isinstance(error, NotThere):
                    raise
                conflict = Rejected(error.backend, error.error)
        message = "A conflicting operation occurred during the processing of the request; try again"
        raise rejected(request, "ConditionalRequestConflict", _CONFLICT, message) from conflict

    def _check_able(self, request: Request, capability: str) -> Generator[Any, Any, None]:
        if not (yield Able(self._authority, request.params["Bucket"], capability)):
            raise refused(
                request,
                f"the backend {self._authority.backend!r} ignores IfNoneMatch and IfMatch here ({capability}): the write "
                "would not be conditional at all. Leave the condition out, or write by put_object",
            )

    def _settle(self, request: Request, *, is_first: bool) -> Generator[Any, Any, Request]:
        """The request to send to the authority, once everyone who may hold the key has had a say."""
        if is_first and "IfNoneMatch" in request.params:
            # Whether the authority holds it the write itself finds out.
            elsewhere = yield from find(self._fallbacks, request)
            if elsewhere is None or elsewhere.is_deleted:
                return request
        found = yield from find(self._places, request)
        if "IfNoneMatch" in request.params:
            return (yield from self._settle_absence(request, found))
        if found is None or found.is_deleted:
            raise rejected(request, "NoSuchKey", 404, "The specified key does not exist.")
        if not matches(request.params["IfMatch"], found.etags):
            raise precondition_failed(request, "If-Match")
        if found.place.backend == self._authority.backend:
            return (yield from self._only_over(request, found))
        if not (yield Able(self._authority, request.params["Bucket"], "conditional_put")):
            raise refused(
                request,
                f"only a fallback holds the object that IfMatch names, and the backend {self._authority.backend!r} can't "
                "make sure that nobody writes it in between (conditional_put). Copy the object to it first",
            )
        # The condition holds for the fallback's object; on the authority it means that nobody wrote in between.
        return request.without_params("IfMatch").with_params(IfNoneMatch="*")

    def _settle_absence(self, request: Request, found: Found | None) -> Generator[Any, Any, Request]:
        if found is None or not found.head:
            return request
        if not found.is_deleted:
            raise precondition_failed(request, "If-None-Match")
        if not (yield Able(self._authority, request.params["Bucket"], "put_if_match")):
            raise refused(
                request,
                f"the key was deleted, and the backend {self._authority.backend!r} can't write over the mark of that under a "
                "condition (put_if_match). Leave IfNoneMatch out",
            )
        return (yield from self._only_over(request.without_params("IfNoneMatch"), found))

    def _only_over(self, request: Request, found: Found) -> Generator[Any, Any, Request]:
        """The request, tied to the very object that was looked at."""
        etag = found.head["ETag"]
        if (yield Able(self._authority, request.params["Bucket"], "put_if_match_quoted")):
            return request.with_params(IfMatch=etag)
        return request.with_params(IfMatch=etag.strip('"'))


def is_conditional(request: Request) -> bool:
    """Whether a write has conditions; ones that are no strings are left to botocore, which says what is wrong with them."""
    conditions = [request.params[name] for name in ("IfNoneMatch", "IfMatch") if name in request.params]
    return bool(conditions) and all(isinstance(condition, str) for condition in conditions)
