"""`IfNoneMatch` and `IfMatch` on writes: they hold for the logical object, wherever it lies (DESIGN 6, rule 13)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from foodco_storage.flows.effects import Able, Call
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.flows.s3_errors import precondition_failed, refused, rejected
from foodco_storage.layers.fallback_reads import look_up
from foodco_storage.layers.storage_metadata import note


class ConditionalWrites:
    """Writes to the primary under conditions that the fallbacks' objects count for as well."""

    def __init__(self, primary: Place, fallbacks: tuple[Place, ...]) -> None:
        self._primary = primary
        self._fallbacks = fallbacks
        self._places = (primary, *fallbacks)

    def put_object(self, request: Request, below: Below) -> Flow:
        """Write the object on the primary."""
        request = yield from self.settle(
            request, "conditional_put" if "IfNoneMatch" in request.params else "put_if_match"
        )
        return note((yield Call(self._primary, request)), backend=self._primary.backend)

    def complete_multipart_upload(self, request: Request, below: Below) -> Flow:
        """Put the uploaded parts together on the primary."""
        request = yield from self.settle(request, "complete_if_none_match")
        return note((yield Call(self._primary, request)), backend=self._primary.backend)

    def settle(self, request: Request, capability: str) -> Generator[Any, Any, Request]:
        """The request to send to the primary, once the fallbacks have had their say on its conditions.

        Args:
            request: any write that may carry `IfNoneMatch` or `IfMatch`.
            capability: what the primary must be able to do for them to hold there.

        Raises:
            Rejected: 412 when a fallback's object fails the condition; a refusal when the primary is known to ignore it.
        """
        params = request.params
        conditions = [params[name] for name in ("IfNoneMatch", "IfMatch") if name in params]
        if not conditions or not all(isinstance(condition, str) for condition in conditions):
            # botocore says what is wrong with one that is no string.
            return request
        if not (yield Able(self._primary, params["Bucket"], capability)):
            raise refused(
                request,
                f"the backend {self._primary.backend!r} ignores IfNoneMatch and IfMatch here ({capability}): the write "
                "would not be conditional at all. Leave the condition out, or write by put_object",
            )
        if "IfNoneMatch" in params:
            # A fallback's object counts unless the primary knows that the key was deleted since.
            if (yield from look_up(self._fallbacks, request)) and (yield from look_up(self._places, request)):
                raise precondition_failed(request, "If-None-Match")
            return request
        held = yield from look_up(self._places, request)
        if not held:
            raise rejected(request, "NoSuchKey", 404, "The specified key does not exist.")
        if held["ResponseMetadata"]["Storage"]["backend"] == self._primary.backend:
            if (yield Able(self._primary, params["Bucket"], "put_if_match_quoted")):
                return request
            return request.with_params(IfMatch=params["IfMatch"].strip('"'))
        if params["IfMatch"] != "*" and params["IfMatch"].strip('"') != held["ETag"].strip('"'):
            raise precondition_failed(request, "If-Match")
        if not (yield Able(self._primary, params["Bucket"], "conditional_put")):
            raise refused(
                request,
                f"only a fallback holds the object that IfMatch names, and the backend {self._primary.backend!r} can't make "
                "sure that nobody writes it in between (conditional_put). Copy the object to it first",
            )
        # The condition holds for the fallback's object; on the primary it means that nobody wrote in between.
        return request.without_params("IfMatch").with_params(IfNoneMatch="*")
