"""A store in memory that behaves as S3 does, for simulation.

It keeps what S3 keeps of an object, checks conditions, lists in byte order and takes multipart uploads. It answers and
raises exactly what a real backend hands to a flow. It is no server and not meant for several threads.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

from foodco_storage.backends.memory_listing import list_page
from foodco_storage.flows.conditions import failed, matches
from foodco_storage.flows.copy_source import CopySource
from foodco_storage.flows.outcomes import BackendError, NoBucket, NotThere, Rejected
from foodco_storage.flows.request import Parameters, Request, Response
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.operations import python_name

_DESCRIBED = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "Expires",
    "Metadata",
    "StorageClass",
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_COPY_SOURCE = "CopySource"
_EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass
class Stored:
    """One object."""

    data: bytes
    etag: str
    modified: dt.datetime
    described: Parameters
    tags: list[dict[str, str]] = field(default_factory=list)
    parts: Sequence[int] = ()
    """Sizes of the parts that it was uploaded in; none for an object of one PUT."""


@dataclass
class Upload:
    """A multipart upload that is not complete."""

    key: str
    params: Parameters
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryBackend:
    """A store in memory.

    Args:
        name: the backend's name.
        buckets: the buckets that exist.
        lacks: capabilities that it is to behave without: what it lacks it ignores, as RGW does.
    """

    def __init__(self, name: str, buckets: Iterable[str], lacks: Iterable[str] = ()) -> None:
        self.name = name
        self.buckets: dict[str, dict[str, Stored]] = {bucket: {} for bucket in buckets}
        self._lacks = frozenset(lacks)
        self._uploads: dict[str, Upload] = {}
        self._ticks = 0

    def able(self, bucket: str, capability: str, reserved_prefix: str) -> bool:  # noqa: ARG002 - the interface's; all buckets are alike here
        """Whether it has a capability."""
        return capability not in self._lacks

    def call(self, request: Request) -> Response:
        """Carry out one operation; one that it does not know is a `NotImplementedError`."""
        method: Callable[[Parameters], Response] | None = getattr(self, f"_{python_name(request.operation)}", None)
        if method is None:
            raise NotImplementedError(request.operation)
        self._operation = request.operation
        if request.params.get("Bucket") not in self.buckets:
            raise self._error(NoBucket, "NoSuchBucket", 404, "The specified bucket does not exist")
        response = method(request.params)
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}} | response

    def call_once(self, request: Request) -> Response:
        """The same: it never retries."""
        return self.call(request)

    def _put_object(self, params: Parameters) -> Response:
        self._check_write(params, "conditional_put" if "IfNoneMatch" in params else "put_if_match")
        data = self._body(params)
        return {"ETag": self._store(params, data, f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"').etag}

    def _get_object(self, params: Parameters) -> Response:
        head, data = self._looked_at(params)
        return head | {"Body": io.BytesIO(data)}

    def _head_object(self, params: Parameters) -> Response:
        return self._looked_at(params)[0]

    def _looked_at(self, params: Parameters) -> tuple[Response, bytes]:
        """What a HEAD answers, of a range or a part too, and the bytes that a GET does."""
        stored = self._found(params)
        head, data = self._head_of(stored, params), stored.data
        if (span := self._asked(stored, params)) is not None:
            head["ContentRange"] = f"bytes {span[0]}-{span[1]}/{len(data)}"
            data = data[span[0] : span[1] + 1]
        if "PartNumber" in params and stored.parts and "part_number" not in self._lacks:
            head["PartsCount"] = len(stored.parts)
        return head | {"ContentLength": len(data)}, data

    def _asked(self, stored: Stored, params: Parameters) -> tuple[int, int] | None:
        """The bytes that a `Range` or a `PartNumber` asks for; None for all of them."""
        size = len(stored.data)
        if "PartNumber" in params and stored.parts and "part_number" not in self._lacks:
            starts = [0, *accumulate(stored.parts)]
            if params["PartNumber"] >= len(starts):
                raise self._error(Rejected, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
            start, end = starts[params["PartNumber"] - 1 : params["PartNumber"] + 1]
            return start, end - 1
        span = _span(params.get("Range", ""), size)
        if span is not None and (span[0] >= size or span[1] < span[0]):
            raise self._error(Rejected, "InvalidRange", 416, "The requested range is not satisfiable")
        return span

    def _get_object_tagging(self, params: Parameters) -> Response:
        return {"TagSet": list(self._found(params).tags)}

    def _put_object_tagging(self, params: Parameters) -> Response:
        self._found(params).tags = list(params["Tagging"]["TagSet"])
        return {}

    def _delete_object_tagging(self, params: Parameters) -> Response:
        self._found(params).tags = []
        return {}

    def _delete_object(self, params: Parameters) -> Response:
        self._objects(params).pop(params["Key"], None)
        return {}

    def _delete_objects(self, params: Parameters) -> Response:
        keys = [item["Key"] for item in params["Delete"]["Objects"]]
        for key in keys:
            self._objects(params).pop(key, None)
        return {} if params["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in keys]}

    def _copy_object(self, params: Parameters) -> Response:
        stored = self._copied(params)
        self._check_write(params, "copy_if_none_match")
        described = params if params.get("MetadataDirective") == "REPLACE" else stored.described
        target = {**described, "Bucket": params["Bucket"], "Key": params["Key"]}
        target.pop("Tagging", None)
        if params.get("TaggingDirective") == "REPLACE" and "Tagging" in params:
            target["Tagging"] = params["Tagging"]
        etag = f'"{hashlib.md5(stored.data, usedforsecurity=False).hexdigest()}"'
        copy = self._store(target, stored.data, etag, stored.tags)
        return {"CopyObjectResult": {"ETag": copy.etag, "LastModified": copy.modified}}

    def _upload_part_copy(self, params: Parameters) -> Response:
        data = self._copied(params).data
        if (span := _span(params.get("CopySourceRange", ""), len(data))) is not None:
            data = data[span[0] : span[1] + 1]
        return {"CopyPartResult": self._upload_part({**params, "Body": data})}

    def _copied(self, params: Parameters) -> Stored:
        source = CopySource.of(params["CopySource"])
        if source is None:
            raise self._error(Rejected, "InvalidArgument", 400, "CopySource is not of a form that S3 takes")
        if source.bucket not in self.buckets:
            raise self._error(NoBucket, "NoSuchBucket", 404, "The specified bucket does not exist")
        stored = self._found(source.read())
        conditions = {
            name.removeprefix(_COPY_SOURCE): value
            for name, value in params.items()
            if name.startswith(_COPY_SOURCE + "If")
        }
        if failed(conditions, {stored.etag.strip('"')}, stored.modified):
            raise self._error(Rejected, "PreconditionFailed", 412, "At least one of the pre-conditions did not hold")
        return stored

    def _list_objects_v2(self, params: Parameters) -> Response:
        after = str(params.get("ContinuationToken", params.get("StartAfter", "")))
        page, last = list_page(self._rows(params), params, after)
        answer = page | {"KeyCount": len(page.get("Contents", ())) + len(page.get("CommonPrefixes", ()))}
        return answer | ({"NextContinuationToken": last} if page["IsTruncated"] else {})

    def _list_objects(self, params: Parameters) -> Response:
        marker = params.get("Marker", "")
        page, last = list_page(self._rows(params), params, marker)
        page["Marker"] = marker
        return page | ({"NextMarker": last} if page["IsTruncated"] and params.get("Delimiter") else {})

    def _create_multipart_upload(self, params: Parameters) -> Response:
        self._ticks += 1
        upload_id = f"upload-{self._ticks}"
        self._uploads[upload_id] = Upload(params["Key"], dict(params))
        return {"UploadId": upload_id, "Bucket": params["Bucket"], "Key": params["Key"]}

    def _upload_part(self, params: Parameters) -> Response:
        data = self._body(params)
        self._upload(params).parts[params["PartNumber"]] = data
        return {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'}

    def _complete_multipart_upload(self, params: Parameters) -> Response:
        upload = self._upload(params)
        self._check_write(params, "complete_if_none_match")
        parts = [upload.parts[part["PartNumber"]] for part in params["MultipartUpload"]["Parts"]]
        digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
        del self._uploads[params["UploadId"]]
        stored = self._store(upload.params, b"".join(parts), etag)
        stored.parts = tuple(len(part) for part in parts)
        return {"ETag": etag, "Bucket": params["Bucket"], "Key": upload.key}

    def _list_parts(self, params: Parameters) -> Response:
        parts = sorted(self._upload(params).parts.items())[: params.get("MaxParts")]
        return {"UploadId": params["UploadId"], "Parts": [{"PartNumber": n, "Size": len(part)} for n, part in parts]}

    def _abort_multipart_upload(self, params: Parameters) -> Response:
        self._upload(params)
        del self._uploads[params["UploadId"]]
        return {}

    def _objects(self, params: Parameters) -> dict[str, Stored]:
        return self.buckets[params["Bucket"]]

    def _rows(self, params: Parameters) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, stored in sorted(self._objects(params).items()):
            yield key, {"Key": key, "ETag": stored.etag, "Size": len(stored.data), "LastModified": stored.modified}

    def _found(self, params: Parameters) -> Stored:
        stored = self._objects(params).get(params["Key"])
        if stored is None:
            raise self._error(NotThere, "NoSuchKey", 404, "The specified key does not exist.")
        return stored

    def _body(self, params: Parameters) -> bytes:
        data = _bytes(params.get("Body", b""))
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
        if params.get("ContentMD5", digest) != digest:
            raise self._error(
                Rejected, "BadDigest", 400, "The Content-MD5 you specified did not match what we received."
            )
        return data

    def _upload(self, params: Parameters) -> Upload:
        upload = self._uploads.get(params["UploadId"])
        if upload is None or upload.key != params["Key"]:
            raise self._error(Rejected, "NoSuchUpload", 404, "The specified upload does not exist.")
        return upload

    def _store(self, params: Parameters, data: bytes, etag: str, tags: Iterable[dict[str, str]] = ()) -> Stored:
        self._ticks += 1
        described = {name: params[name] for name in _DESCRIBED if name in params}
        described["ContentType"] = params.get("ContentType", "binary/octet-stream")
        if "Tagging" in params:
            tags = [{"Key": key, "Value": value} for key, value in parse_qsl(params["Tagging"], keep_blank_values=True)]
        stored = Stored(data, etag, _EPOCH + dt.timedelta(seconds=self._ticks), described, list(tags))
        self._objects(params)[params["Key"]] = stored
        return stored

    def _head_of(self, stored: Stored, params: Parameters) -> Response:
        match failed(params, {stored.etag.strip('"')}, stored.modified):
            case 412:
                message = "At least one of the pre-conditions did not hold"
                raise self._error(Rejected, "PreconditionFailed", 412, message)
            case 304:
                raise self._error(Rejected, "304", 304, "Not Modified")
        answer = {
            "ETag": stored.etag,
            "LastModified": stored.modified,
            "ContentLength": len(stored.data),
            "Metadata": {},
        }
        return answer | stored.described | ({"TagCount": len(stored.tags)} if stored.tags else {})

    def _check_write(self, params: Parameters, capability: str) -> None:
        if capability in self._lacks:
            return
        stored = self._objects(params).get(params["Key"])
        if "IfMatch" in params and stored is None:
            raise self._error(NotThere, "NoSuchKey", 404, "The specified key does not exist.")
        exists = "IfNoneMatch" in params and stored is not None
        differs = (
            "IfMatch" in params and stored is not None and not matches(params["IfMatch"], {stored.etag.strip('"')})
        )
        if exists or differs:
            raise self._error(Rejected, "PreconditionFailed", 412, "At least one of the pre-conditions did not hold")

    def _error(self, meaning: type[BackendError], code: str, status: int, message: str) -> BackendError:
        if self._operation == "HeadObject":
            # No body to name the error in: botocore takes the status for the code.
            code, message = str(status), HTTPStatus(status).phrase
        return meaning(self.name, ClientError(error_response(code, status, message), self._operation))


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a range; None where S3 ignores the header."""
    match = _RANGE.match(asked)
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size - 1
    first, last = int(match[1]), int(match[2]) if match[2] else size - 1
    return None if last < first and match[2] else (first, min(last, size - 1))
