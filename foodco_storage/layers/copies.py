"""Copies: at the server where source and destination lie on one backend, streamed otherwise (DESIGN 6, rule 14)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from foodco_storage.flows.copy_source import CopySource
from foodco_storage.flows.effects import Call, Discard, Resumable, Spool
from foodco_storage.flows.outcomes import BackendError, NoBucket, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import precondition_failed, refused, rejected
from foodco_storage.layers.conditional_writes import ConditionalWrites
from foodco_storage.layers.resume import reopening
from foodco_storage.layers.storage_metadata import note

Locate = Callable[[str, str], Sequence[Place]]
"""Given a bucket and a key: the places that a read would ask, in order."""

Write = Callable[[Request, CopySource, Place, Response], Flow]
"""Writes what was read of a source, given the place that it was read from."""

_MAX_COPY_BYTES = 5 * 1024**3
"""The largest source of one CopyObject or UploadPartCopy (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)."""

_TO_THE_READ = {
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
_NOT_TO_THE_WRITE = {*_TO_THE_READ, "CopySource", "MetadataDirective", "TaggingDirective"} - {"RequestPayer"}
_CONTENT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
)
# Of stores that know no tags, and of those that have an error for an object without.
_NO_TAGS = frozenset({"NotImplemented", "NoSuchTagSet"})
_CHANGES = ("SSECustomerAlgorithm", "ServerSideEncryption", "StorageClass", "WebsiteRedirectLocation")


class Copies:
    """Copies to one destination, from wherever the source lies.

    Args:
        destination: the place that is written.
        locate: where a source may lie.
        conditions: settles `IfNoneMatch` and `IfMatch` of the destination; None where it has no fallbacks.
    """

    def __init__(self, destination: Place, locate: Locate, conditions: ConditionalWrites | None = None) -> None:
        self._destination = destination
        self._locate = locate
        self._conditions = conditions

    def copy_object(self, request: Request, below: Below) -> Flow:
        """Copy one object of up to 5 GiB."""
        if self._conditions is not None:
            request = yield from self._conditions.settle(request, "copy_if_none_match")
        return (yield from self._copy(request, self._put_object))

    def upload_part_copy(self, request: Request, below: Below) -> Flow:
        """Copy a range of an object into a part of an upload."""
        return (yield from self._copy(request, self._upload_part))

    def _copy(self, request: Request, write: Write) -> Flow:
        source = CopySource.of(request.params.get("CopySource"))
        destination = self._destination
        if source is None:
            # An access point, or a mistake: the backend knows which.
            return note((yield Call(destination, request)), backend=destination.backend)
        missing: BackendError | None = None
        for place in self._locate(source.bucket, source.key):
            try:
                if place.backend == destination.backend:
                    renamed = place.bucket(source.bucket) != source.bucket
                    here = request.with_params(CopySource=source.at(place)) if renamed else request
                    response: Response = yield Call(destination, here)
                    return note(response, backend=destination.backend, copied_from=place.backend)
                answer = yield from self._read(request, source, place)
            except (NotThere, NoBucket) as error:
                missing = missing or error
                continue
            # From here on nothing that is missing is the source.
            response = yield from self._write(request, source, place, answer, write)
            return note(response, backend=destination.backend, copied_from=place.backend)
        if missing is None:
            raise LookupError(source.bucket)
        raise missing

    def _read(self, request: Request, source: CopySource, place: Place) -> Flow:
        """The source, as a GET answers it."""
        params = request.params
        read = source.read() | {ours: params[theirs] for theirs, ours in _TO_THE_READ.items() if theirs in params}
        get = Request("GetObject", read)
        try:
            answer: Response = yield Call(place, get)
        except Rejected as error:
            if error.status == 304:  # noqa: PLR2004 - a copy's failed condition is always 412
                raise precondition_failed(request, "x-amz-copy-source-if-none-match") from error
            raise
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
        answer["Body"] = yield Spool(answer["Body"])
        try:
            response: Response = yield from write(request, source, place, answer)
        except Exception:
            # Not `finally`: a flow that is abandoned may not yield any more.
            yield Discard(answer["Body"])
            raise
        yield Discard(answer["Body"])
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
            put |= _kept(request, place, answer)
        if params.get("TaggingDirective") != "REPLACE":
            put.pop("Tagging", None)
            put |= yield from _tags(place, source, answer)
        put["Body"] = answer["Body"]
        response: Response = yield Call(self._destination, Request("PutObject", put))
        response["CopyObjectResult"] = _result(response)
        return response

    def _upload_part(self, request: Request, source: CopySource, place: Place, answer: Response) -> Flow:
        put = {name: value for name, value in request.params.items() if name not in _NOT_TO_THE_WRITE}
        put["Body"] = answer["Body"]
        response: Response = yield Call(self._destination, Request("UploadPart", put))
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


def _tags(place: Place, source: CopySource, read: Response) -> Generator[Any, Any, Parameters]:
    """The source's tags as a parameter of a PUT.

    Asked for even where the GET counted none: S3 leaves the count out for callers who may not read tags, and fails their
    copies (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, x-amz-tagging-count).
    """
    params = source.read()
    if "VersionId" in read:
        params["VersionId"] = read["VersionId"]
    try:
        answer: Response = yield Call(place, Request("GetObjectTagging", params))
    except Rejected as error:
        if error.code not in _NO_TAGS:
            raise
        return {}
    tags = [(tag["Key"], tag["Value"]) for tag in answer["TagSet"]]
    return {"Tagging": urlencode(tags)} if tags else {}


def _kept(request: Request, place: Place, answer: Response) -> Parameters:
    """What a copy keeps of its source: content headers and metadata."""
    if answer.get("MissingMeta"):
        raise refused(
            request,
            f"{answer['MissingMeta']} metadata entries of the source on {place.backend!r} can't be read as headers and "
            "would be lost; copy with MetadataDirective='REPLACE'",
        )
    kept: Parameters = {name: answer[name] for name in _CONTENT_HEADERS if name in answer}
    # `Expires` is parsed, and left out where it is no date; the header as it was stands beside it.
    if "ExpiresString" in answer:
        kept["Expires"] = answer["ExpiresString"]
    if encoding := _without_aws_chunked(kept.pop("ContentEncoding", "")):
        kept["ContentEncoding"] = encoding
    if answer.get("Metadata"):
        kept["Metadata"] = answer["Metadata"]
    return kept


def _is_itself(source: CopySource, params: Parameters) -> bool:
    same = (source.bucket, source.key) == (params["Bucket"], params["Key"]) and source.version_id is None
    return same and not any(name in params for name in _CHANGES)


def _without_aws_chunked(content_encoding: str) -> str:
    """The encoding that the user meant: `aws-chunked` is one of the transfer (boto3 issue 4564)."""
    names = (name.strip() for name in content_encoding.split(","))
    return ",".join(name for name in names if name and name != "aws-chunked")
