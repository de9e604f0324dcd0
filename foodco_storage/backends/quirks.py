"""Small repairs for stores that take a request differently from AWS, as botocore event handlers of one client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Set as AbstractSet
from typing import Any


class _Default(str):
    """A checksum algorithm that nobody asked for by name."""

    __slots__ = ()


DEFAULT_ALGORITHM = _Default("CRC32")
"""What s3transfer adds to an upload, judging by the caller's client, before it is known which backend takes it."""

_WITH_ALGORITHM = ("PutObject", "CreateMultipartUpload", "UploadPart")


def register(events: Any, lacks: AbstractSet[str], *, checksums: str) -> None:
    """Register the repairs that a store needs.

    Args:
        events: the emitter of the store's client.
        lacks: capabilities that the store does not have.
        checksums: `request_checksum_calculation` of the client.
    """
    if checksums == "when_required":
        for operation in _WITH_ALGORITHM:
            events.register(
                f"provide-client-params.s3.{operation}",
                _drop_default_algorithm,
                unique_id=f"foodco-storage-{operation}",
            )
    if "delete_objects_without_md5" in lacks:
        events.register("before-call.s3.DeleteObjects", _add_content_md5, unique_id="foodco-storage-content-md5")
    if "put_if_match_quoted" in lacks:
        events.register(
            "before-parameter-build.s3.PutObject", _unquote_if_match, unique_id="foodco-storage-unquote-if-match"
        )


def _drop_default_algorithm(params: dict[str, Any], **_: Any) -> None:
    """With an algorithm, a stream is sent as `aws-chunked` over TLS: RGW 16 answers MissingContentLength, others store it."""
    if params.get("ChecksumAlgorithm") is DEFAULT_ALGORITHM:
        del params["ChecksumAlgorithm"]


def _add_content_md5(params: dict[str, Any], **_: Any) -> None:
    """S3 requires a Content-MD5 or a checksum here; older stores know only the former (s3fs issue 931)."""
    headers = params["headers"]
    if "Content-MD5" not in headers:
        body = params["body"]
        digest = hashlib.md5(body if isinstance(body, bytes) else body.encode(), usedforsecurity=False).digest()
        headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")


def _unquote_if_match(params: dict[str, Any], **_: Any) -> None:
    """Ceph RGW compares If-Match of a PUT with the bare ETag: in quotes it never matches."""
    if isinstance(params.get("IfMatch"), str):
        params["IfMatch"] = params["IfMatch"].strip('"')
