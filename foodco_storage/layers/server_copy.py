"""A copy that a store makes of what it holds itself: of the object that was looked at, and with nothing that is only ours."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from foodco_storage.flows.conditions import failed
from foodco_storage.flows.copy_source import CopySource
from foodco_storage.flows.effects import sent
from foodco_storage.flows.marks import CODEC, has_marks, without_marks
from foodco_storage.flows.outcomes import NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import deleted, precondition_failed, rejected
from foodco_storage.flows.stored_form import StoredForm
from foodco_storage.layers.carried import kept
from foodco_storage.layers.compressed_answers import as_compressed, checksum_of, form_of
from foodco_storage.layers.compressible import has_room
from foodco_storage.layers.conditional_writes import ROUNDS, SourceFailedError, is_conditional
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import find

TO_THE_READ = {
    "CopySourceIfMatch": "IfMatch",
    "CopySourceIfModifiedSince": "IfModifiedSince",
    "CopySourceIfNoneMatch": "IfNoneMatch",
    "CopySourceIfUnmodifiedSince": "IfUnmodifiedSince",
    "CopySourceRange": "Range",
    "CopySourceSSECustomerAlgorithm": "SSECustomerAlgorithm",
    "CopySourceSSECustomerKey": "SSECustomerKey",
    "CopySourceSSECustomerKeyMD5": "SSECustomerKeyMD5",
    "ExpectedSourceBucketOwner": "ExpectedBucketOwner",
    "RequestPayer": "RequestPayer",
}
"""Parameters of a copy that are about its source, and what they are called in a read of it."""

_SOURCE_CONDITIONS = tuple(name for name in TO_THE_READ if name.startswith("CopySourceIf"))
_PRECONDITION_FAILED = 412


class MustBeStreamedError(Exception):
    """The source lies in a form that means nothing at the destination."""


def as_a_read(request: Request, source: CopySource) -> Parameters:
    """What a copy reads, as parameters of a GET."""
    params = request.params
    return source.read() | {ours: params[theirs] for theirs, ours in TO_THE_READ.items() if theirs in params}


class ServerCopy:
    """One copy.

    Args:
        request: the copy.
        source: what it reads.
        place: where that lies, on the backend of the destination.
        route: the source's.
        destination: what is written.
        keeps_marks: whether objects there may carry marks of ours.
    """

    def __init__(
        self,
        request: Request,
        source: CopySource,
        place: Place,
        route: Route,
        destination: Place,
        *,
        keeps_marks: bool,
    ) -> None:
        renamed = place.bucket(source.bucket) != source.bucket
        self._request = request.with_params(CopySource=source.at(place)) if renamed else request
        self._source = source
        self._place = place
        self._route = route
        self._destination = destination
        self._keeps_marks = keeps_marks
        self._form: StoredForm | None = None

    def made(self) -> Flow:
        """Let the store make it.

        Raises:
            MustBeStreamedError: it can't be made so.
        """
        request, destination = self._request, self._destination
        once = is_conditional(request)
        if self._needs_no_look():
            try:
                return (yield from sent(destination, request, once=once))
            except Rejected as error:
                if once and error.status == _PRECONDITION_FAILED:
                    # Whose condition was it?
                    yield from self._pinned()
                raise
        pinned = yield from self._pinned()
        for _ in range(ROUNDS):
            try:
                return self._told((yield from sent(destination, pinned, once=once)))
            except Rejected as error:
                if error.status != _PRECONDITION_FAILED:
                    raise
                before, pinned = pinned, (yield from self._pinned())
                if once and before.params["CopySourceIfMatch"] == pinned.params["CopySourceIfMatch"]:
                    raise
        raise rejected(request, "ConditionalRequestConflict", 409, "The copy source kept changing; try again")

    def _needs_no_look(self) -> bool:
        """Whether it is right whatever lies there."""
        is_object = self._request.operation == "CopyObject"
        if self._route.may_hold_tombstones or (is_object and self._route.may_hold_marks and not self._keeps_marks):
            return False
        if self._place.translation is None:
            return True
        # A stored form is copied with its mark, to where both mean something; its checksum would be no user's.
        return (
            is_object
            and not self._replaces
            and self._is_same_bucket()
            and "ChecksumAlgorithm" not in self._request.params
        )

    @property
    def _replaces(self) -> bool:
        return bool(self._request.params.get("MetadataDirective") == "REPLACE")

    def _is_same_bucket(self) -> bool:
        here, there = self._place, self._destination
        bucket = there.bucket(str(self._request.params["Bucket"]))
        is_same = (here.bucket(self._source.bucket), here.reserved_prefix) == (bucket, there.reserved_prefix)
        return is_same and there.translation is not None

    def _may_have(self, form: StoredForm) -> bool:
        """Whether a stored form can be read at the destination as well."""
        if self._destination.translation is None or self._request.operation != "CopyObject":
            return False
        if self._replaces and not has_room(self._request.params):
            return False
        return not form.dictionary or self._is_same_bucket()

    def _pinned(self) -> Generator[Any, Any, Request]:
        """The copy, tied to the object that was looked at: the store would copy a tombstone as any other object.

        Where the destination is none of ours it is told what to write, without the marks that the store would copy along.
        """
        request, place = self._request, self._place
        read = Request("HeadObject", as_a_read(request, self._source))
        found = yield from find([place.as_stored], read)
        if found is None or found.is_deleted:
            # S3 names the source.
            missing = deleted(request.with_params(Key=self._source.key), place.backend)
            raise missing if found is not None else NotThere(place.backend, missing.error)
        modified = found.origin.modified if found.origin else found.head["LastModified"]
        if failed(read.params, found.etags, modified):
            failure = precondition_failed(request, "x-amz-copy-source-If-Match")
            raise SourceFailedError(place.backend, failure.error)
        form = self._form = form_of(place, read, found.head) if place.translation is not None else None
        if form is not None and not self._may_have(form):
            raise MustBeStreamedError
        pinned = request.without_params(*_SOURCE_CONDITIONS).with_params(CopySourceIfMatch=found.head["ETag"])
        if request.operation != "CopyObject":
            return pinned
        if self._replaces:
            return pinned if form is None else as_compressed(pinned, form)
        if self._keeps_marks or not has_marks(found.head.get("Metadata") or ()):
            return pinned
        described = {"Metadata": {}, **kept(request, place, without_marks(found.head))}
        if form is not None:
            described["Metadata"] = {**described["Metadata"], CODEC: form.text}
        return pinned.with_params(MetadataDirective="REPLACE", **described)

    def _told(self, response: Response) -> Response:
        """What the user is told of a copy of a stored form: not its checksums."""
        result = response.get("CopyObjectResult")
        if self._form is not None and result is not None:
            told = [name for name in result if name.startswith("Checksum")]
            for name in told:
                del result[name]
            if told:
                result |= checksum_of(self._form)
        return response
