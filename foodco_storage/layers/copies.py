"""Copies: at the server where source and destination lie on one backend, streamed otherwise (DESIGN 6, rule 14)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from foodco_storage.flows.copy_source import CopySource
from foodco_storage.flows.effects import Call, Discard, NewId, Resumable, Spool, Spooled, sent
from foodco_storage.flows.marks import stamped, write_id
from foodco_storage.flows.outcomes import BackendError, NoBucket, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import precondition_failed, rejected
from foodco_storage.layers.carried import CONTENT_HEADERS, kept, tags
from foodco_storage.layers.compressed_writes import check_metadata
from foodco_storage.layers.conditional_writes import ConditionalWrites, SourceFailedError, is_conditional
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.resume import reopening
from foodco_storage.layers.route import Route
from foodco_storage.layers.server_copy import TO_THE_READ, MustBeStreamedError, ServerCopy, as_a_read
from foodco_storage.layers.sight import see
from foodco_storage.layers.storage_metadata import note
from foodco_storage.layers.unknown_outcomes import send_once
from foodco_storage.layers.uploads import Uploads

Locate = Callable[[str, str], Route]
"""Given a bucket and a key: the route that says where a read would look."""

Write = Callable[[Request, CopySource, Place, Response], Flow]
"""Writes what was read of a source, given the place that it was read from."""

_DESCRIBED = frozenset({*CONTENT_HEADERS, "Metadata"})

_MAX_COPY_BYTES = 5 * 1024**3
"""The largest source of one CopyObject or UploadPartCopy (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)."""

_NOT_TO_THE_WRITE = {*TO_THE_READ, "CopySource", "MetadataDirective", "TaggingDirective"} - {"RequestPayer"}
_CHANGES = ("SSECustomerAlgorithm", "ServerSideEncryption", "StorageClass", "WebsiteRedirectLocation")


class Copies:
    """Copies to one destination, from wherever the source lies.

    Args:
        destination: the place that is written.
        locate: where a source may lie.
        conditions: settles `IfNoneMatch` and `IfMatch` of the destination; None where it has no fallbacks.
        mirror: lets the other side of the destination follow; None on a route that does not migrate.
        uploads: knows which place an upload belongs to; None where there is one.
        keeps_marks: whether objects there may carry marks of ours: elsewhere callers would see them.
    """

    def __init__(
        self,
        destination: Place,
        locate: Locate,
        conditions: ConditionalWrites | None = None,
        mirror: Mirror | None = None,
        uploads: Uploads | None = None,
        *,
        keeps_marks: bool = False,
    ) -> None:
        self._destination = destination
        self._locate = locate
        self._conditions = conditions
        self._mirror = mirror
        self._uploads = uploads
        self._keeps_marks = keeps_marks

    def copy_object(self, request: Request, below: Below) -> Flow:
        """Copy one object of up to 5 GiB."""
        if self._destination.translation is not None:
            check_metadata(request)
        if self._mirror is None:
            return (yield from self._written(request))
        if request.params.get("MetadataDirective") == "REPLACE":
            request = stamped(request, (yield NewId()))
        return (yield from self._mirror.around(request, self._written(request), tags=True))

    def upload_part_copy(self, request: Request, below: Below) -> Flow:
        """Copy a range of an object into a part of an upload."""
        destination = self._destination
        if self._uploads is not None:
            destination = yield from self._uploads.holder(request)
        return (yield from self._copy(request, destination, partial(self._upload_part, destination)))

    def _written(self, request: Request) -> Flow:
        def send(ask: Request) -> Flow:
            return self._copy(ask, self._destination, self._put_object)

        if self._conditions is None:
            return (yield from send(request))
        return (yield from self._conditions.carry_out(request, "copy_if_none_match", send))

    def _copy(self, request: Request, destination: Place, write: Write) -> Flow:
        source = CopySource.of(request.params.get("CopySource"))
        if source is None:
            # An access point, or a mistake: the backend knows which.
            return note((yield Call(destination, request)), backend=destination.backend)
        route = self._locate(source.bucket, source.key)
        missing: BackendError | None = None
        for place in route.places:
            try:
                if place.backend == destination.backend:
                    try:
                        copy = ServerCopy(request, source, place, route, destination, keeps_marks=self._keeps_marks)
                        response: Response = yield from copy.made()
                        return note(response, backend=destination.backend, copied_from=place.backend)
                    except MustBeStreamedError:
                        # It lies compressed, and can't be read so at the destination.
                        pass
                answer = yield from self._read(request, source, place)
            except (NotThere, NoBucket) as error:
                missing = missing or error
                continue
            # From here on nothing that is missing is the source.
            response = yield from self._write(request, source, place, answer, write)
            return note(response, backend=destination.backend, copied_from=place.backend)
        if missing is None:
            raise LookupError(source.bucket)
        raise SourceFailedError(missing.backend, missing.error)

    def _read(self, request: Request, source: CopySource, place: Place) -> Flow:
        """The source, as a GET answers it."""
        get = Request("GetObject", as_a_read(request, source))
        try:
            answer: Response = yield from see(place, get)
        except Rejected as error:
            if error.status == 304:  # noqa: PLR2004 - a copy's failed condition is always 412
                failure = precondition_failed(request, "x-amz-copy-source-if-none-match")
                raise SourceFailedError(place.backend, failure.error) from error
            raise SourceFailedError(place.backend, error.error) from error
        if answer["ContentLength"] > _MAX_COPY_BYTES:
            yield Discard(answer["Body"])
            raise rejected(
                request,
                "InvalidRequest",
                400,
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            )
        if (reopen := reopening(place, get, answer)) is not None:
            answer["Body"] = yield Resumable(answer["Body"], answer["ContentLength"], reopen)
        return answer

    def _write(self, request: Request, source: CopySource, place: Place, answer: Response, write: Write) -> Flow:
        # A seekable file, since a request that is signed or sent again reads its body more than once.
        spooled: Spooled = yield Spool(answer["Body"])
        answer["Body"] = spooled.file
        try:
            response: Response = yield from write(request, source, place, answer)
        except Exception:
            # Not `finally`: a flow that is abandoned may not yield any more.
            yield Discard(spooled.file)
            raise
        yield Discard(spooled.file)
        if "VersionId" in answer:
            response["CopySourceVersionId"] = answer["VersionId"]
        return response

    def _put_object(self, request: Request, source: CopySource, place: Place, answer: Response) -> Flow:
        params = request.params
        put = {name: value for name, value in params.items() if name not in _NOT_TO_THE_WRITE}
        if params.get("MetadataDirective") != "REPLACE":
            if _is_itself(source, params):
                raise rejected(
                    request,
                    "InvalidRequest",
                    400,
                    "This copy request is illegal because it is trying to copy an object to itself without changing the "
                    "object's metadata, storage class, website redirect location or encryption attributes.",
                )
            # S3 ignores what a caller says of these then.
            put = {name: value for name, value in put.items() if name not in _DESCRIBED} | kept(request, place, answer)
        if params.get("TaggingDirective") != "REPLACE":
            put.pop("Tagging", None)
            put |= yield from tags(place, source.read(), answer)
        put["Body"] = answer["Body"]
        ask = Request("PutObject", put)
        if self._mirror is not None and params.get("MetadataDirective") != "REPLACE":
            ask = stamped(ask, (yield NewId()))
        response = yield from (
            send_once(self._destination, ask, write_id(ask.params))
            if is_conditional(ask)
            else sent(self._destination, ask)
        )
        response["CopyObjectResult"] = _result(response)
        return response

    def _upload_part(
        self, destination: Place, request: Request, source: CopySource, place: Place, answer: Response
    ) -> Flow:
        put = {name: value for name, value in request.params.items() if name not in _NOT_TO_THE_WRITE}
        put["Body"] = answer["Body"]
        response: Response = yield Call(destination, Request("UploadPart", put))
        response["CopyPartResult"] = _result(response)
        return response


def _result(response: Response) -> dict[str, Any]:
    """What a copy answers, taken out of what a PUT answered."""
    result: dict[str, Any] = {"ETag": response.pop("ETag")}
    # A PUT tells no date of what it wrote; the server's clock in the same answer is that date. The copy has been made: a
    # date that can't be read must not fail it.
    with suppress(KeyError, ValueError):
        result["LastModified"] = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    return result


def _is_itself(source: CopySource, params: Parameters) -> bool:
    same = (source.bucket, source.key) == (params["Bucket"], params["Key"]) and source.version_id is None
    return same and not any(name in params for name in _CHANGES)
