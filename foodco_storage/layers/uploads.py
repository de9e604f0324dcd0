"""Multipart uploads on routes that migrate: they stay with the backend that gave the UploadId (DESIGN 6, rule 14)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import Call, NewId, sent
from foodco_storage.flows.marks import stamped
from foodco_storage.flows.outcomes import BackendError, NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected
from foodco_storage.layers.conditional_writes import ConditionalWrites, is_conditional
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.object_copy import copy
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import Found, find, head_of
from foodco_storage.layers.storage_metadata import note
from foodco_storage.layers.unknown_outcomes import send_once

_MAX_KNOWN = 10_000
_NO_UPLOAD = frozenset({"NoSuchKey", "NoSuchUpload"})
_PRECONDITION_FAILED = 412


class Uploads:
    """Multipart uploads of one route.

    Args:
        route: in backfill, cutover or drain: uploads may have begun on the other side.
        conditions: settles those of a Complete.
        mirror: lets the other side follow.
    """

    def __init__(self, route: Route, conditions: ConditionalWrites, mirror: Mirror) -> None:
        self._route = route
        self._authority = route.authority
        self._conditions = conditions
        self._mirror = mirror
        # UploadId -> who gave it, and the id of the write that it will be. Bounded: uploads are abandoned.
        self._known: dict[str, tuple[Place, str | None]] = {}

    def create_multipart_upload(self, request: Request, below: Below) -> Flow:
        """Begin an upload on the authority."""
        write_id: str = yield NewId()
        response: Response = yield Call(self._authority, stamped(request, write_id))
        self._remember(response.get("UploadId"), self._authority, write_id)
        if "Bucket" in response:
            # Callers know it by their own name.
            response["Bucket"] = request.params["Bucket"]
        return note(response, backend=self._authority.backend)

    def upload_part(self, request: Request, below: Below) -> Flow:
        """One step of an upload, on the backend that gave its id."""
        place = yield from self.holder(request)
        return note((yield Call(place, request)), backend=place.backend)

    abort_multipart_upload = upload_part
    list_parts = upload_part

    def complete_multipart_upload(self, request: Request, below: Below) -> Flow:
        """Make the object of its parts; acknowledged when the authority has it."""
        response = yield from self._mirror.around(request, self._complete(request))
        return note(response, backend=self._authority.backend)

    def holder(self, request: Request) -> Generator[Any, Any, Place]:
        """The place that gave the UploadId of a request; the authority where nobody admits to it."""
        upload_id = request.params.get("UploadId")
        if not isinstance(upload_id, str):
            # botocore says what is wrong with it.
            return self._authority
        if (known := self._known.get(upload_id)) is not None:
            return known[0]
        if self._route.other is None:
            return self._authority
        # Asked before any part is sent: its body could not be sent twice.
        ask = Request("ListParts", {n: request.params[n] for n in ("Bucket", "Key", "UploadId") if n in request.params})
        for place in (self._authority, self._route.other):
            try:
                yield Call(place, ask.with_params(MaxParts=1))
            except BackendError:
                # RGW 16 answers NoSuchKey or 500 for an id that it does not know, others NoSuchUpload.
                continue
            self._remember(upload_id, place, None)
            return place
        return self._authority

    def _complete(self, request: Request) -> Flow:
        place = yield from self.holder(request)
        if place.backend != self._authority.backend:
            return (yield from self._complete_elsewhere(request, place))
        try:
            return (yield from self._conditions.carry_out(request, "complete_if_none_match", self._send_complete))
        except (NotThere, Rejected) as error:
            response = yield from self._completed_before(request, error)
            if response:
                return response
            raise

    def _send_complete(self, request: Request) -> Flow:
        if not is_conditional(request):
            return (yield from sent(self._authority, request))
        response = yield from send_once(self._authority, request, self._write_id(request))
        return {"Bucket": request.params["Bucket"], "Key": request.params["Key"], **response}

    def _completed_before(self, request: Request, error: BackendError) -> Flow:
        """What a Complete made whose answer was lost: botocore sent it again, and the upload was gone."""
        write_id = self._write_id(request)
        retried = getattr(error.error, "response", {}).get("ResponseMetadata", {}).get("RetryAttempts", 0)
        if error.code not in _NO_UPLOAD or not retried or write_id is None:
            return {}
        found = yield from find([self._authority], head_of(request))
        if found is None or found.write_id != write_id:
            return {}
        return _completed(request, found.head)

    def _complete_elsewhere(self, request: Request, place: Place) -> Flow:
        """An upload that began before the authority changed: the object is brought over before it is acknowledged."""
        if is_conditional(request):
            raise refused(
                request,
                f"the upload began on {place.backend!r}, which no longer decides what the key holds; its condition can't be "
                "settled there. Begin the upload anew",
            )
        done: Response = yield Call(place, request)
        which = {"Bucket": request.params["Bucket"], "Key": request.params["Key"]}
        made = yield from find([place], head_of(request))
        if made is None or made.is_deleted or not self._is_of(request, done, made):
            raise self._gone(request)
        try:
            yield from copy(place, self._authority, which, made.head, pinned=True)
        except BackendError as error:
            if isinstance(error, NotThere) or error.status == _PRECONDITION_FAILED:
                raise self._gone(request) from error
            # No refusal that had no effect: the other side has changed.
            raise Unavailable(error.backend, error.error) from error
        found = yield from find([self._authority], head_of(request))
        return _completed(request, found.head if found is not None and found.head else made.head)

    def _is_of(self, request: Request, done: Response, made: Found) -> bool:
        """Whether what lies there is what the upload has made: somebody else's write must not be brought over in its name."""
        write_id = self._write_id(request)
        if write_id is not None:
            return made.write_id == write_id
        # Some stores tell no ETag here.
        return not done.get("ETag") or bare(done["ETag"]) == bare(made.head["ETag"])

    def _gone(self, request: Request) -> Unavailable:
        """The upload is used up, and its object was overwritten or deleted before it could be brought over.

        Never acknowledged; and no refusal that had no effect: the other side has changed, and is looked into.
        """
        message = (
            "The key was written or deleted by others while the upload was being completed; upload the object again"
        )
        return Unavailable(self._authority.backend, rejected(request, "OperationAborted", 409, message).error)

    def _write_id(self, request: Request) -> str | None:
        """The id of the write that an upload will be, where it began here."""
        upload_id = request.params.get("UploadId")
        return self._known.get(upload_id, (None, None))[1] if isinstance(upload_id, str) else None

    def _remember(self, upload_id: str | None, place: Place, write_id: str | None) -> None:
        if upload_id is None:
            return
        while len(self._known) >= _MAX_KNOWN:
            # Another thread may be doing the same.
            self._known.pop(next(iter(list(self._known))), None)
        self._known[upload_id] = place, write_id


def _completed(request: Request, head: Response) -> Response:
    answer = {"Bucket": request.params["Bucket"], "Key": request.params["Key"], "ETag": head["ETag"]}
    return answer | {name: head[name] for name in ("VersionId", "ResponseMetadata") if name in head}
