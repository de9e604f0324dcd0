"""What the library writes into the metadata of objects on routes that migrate or compress, and reads back from it.

Four marks, all user metadata (`x-amz-meta-...`), taken out of every answer: the id of the write that made the object, where
a promoted copy came from, that an object is a tombstone, and that it lies compressed. Their names are reserved on routes that
migrate or compress.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from foodco_storage.flows.request import Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused

RESERVED = "foodco-"
"""Names of user metadata that start so are ours."""

WRITE = "foodco-write"
"""Which write made the object: an id that no other write has."""

ORIGIN = "foodco-origin"
"""Where a promoted copy came from (`foodco_storage.flows.origin`)."""

TOMBSTONE = "foodco-tombstone"
"""The object says that its key was deleted; the value is the version of the form."""

CODEC = "foodco-codec"
"""The object lies compressed (`foodco_storage.flows.stored_form`)."""

_MARKS = frozenset({WRITE, ORIGIN, TOMBSTONE, CODEC})

_TEXT = (
    "This object is a tombstone of foodco_storage. Its key was deleted while an older store may still hold a copy; it keeps\n"
    "that copy from coming back. Readers that go past the library should take an object with the metadata\n"
    "x-amz-meta-foodco-tombstone for a missing key. Do not delete it by hand:\n"
    "`foodco-storage tombstones` tells when it may go.\n"
)
TOMBSTONE_BYTES = 509
"""The size of every tombstone: a prime, and so of few other objects."""

TOMBSTONE_BODY = _TEXT.encode("ascii").ljust(TOMBSTONE_BYTES, b".")
TOMBSTONE_ETAG = f'"{hashlib.md5(TOMBSTONE_BODY, usedforsecurity=False).hexdigest()}"'
"""The ETag of a tombstone where ETags are MD5."""


def tombstone(bucket: str, key: str, **more: Any) -> Request:
    """The PUT of a tombstone: of one body, one size and one metadata, so that any two are the same."""
    params = {
        "Bucket": bucket,
        "Key": key,
        "Body": TOMBSTONE_BODY,
        "CacheControl": "no-store",
        "ContentType": "text/plain",
        "Metadata": {TOMBSTONE: "1"},
    }
    return Request("PutObject", params | more)


def mark(answer: Response, name: str) -> str | None:
    """A mark in the metadata of a GET's or HEAD's answer; None where it is not there.

    Names of headers have no case: some stores answer `X-Amz-Meta-Foodco-Write`, and botocore keeps that.
    """
    metadata: Parameters = answer.get("Metadata") or {}
    if name in metadata:
        return str(metadata[name])
    return next((str(value) for theirs, value in metadata.items() if theirs.lower() == name), None)


def is_tombstone(answer: Response) -> bool:
    """Whether a GET or HEAD, of a range too, found a tombstone."""
    return mark(answer, TOMBSTONE) is not None


def may_be_tombstone(item: Mapping[str, Any]) -> bool | None:
    """Whether an entry of a listing is a tombstone: True, False, or None where only a HEAD can tell.

    The size marks a candidate. Its ETag settles it where ETags are MD5; one of another form (an encrypted object's) can't.
    """
    if item.get("Size") != TOMBSTONE_BYTES:
        return False
    etag = str(item.get("ETag", ""))
    return True if etag.strip('"') == TOMBSTONE_ETAG.strip('"') else (False if "-" in etag else None)


def stamped(request: Request, write_id: str) -> Request:
    """The request with a write's id in the metadata that it gives the object.

    Raises:
        Rejected: the caller's own metadata has a reserved name.
    """
    metadata = request.params.get("Metadata", {})
    if not isinstance(metadata, dict):
        # botocore says what is wrong with it.
        return request
    for name in metadata:
        if str(name).lower().startswith(RESERVED):
            raise refused(
                request, f"metadata names that start with {RESERVED!r} are reserved; choose another than {name!r}"
            )
    return request.with_params(Metadata={**metadata, WRITE: write_id})


def write_id(answer: Response) -> str | None:
    """The id of the write that made an object; None for one that the library did not write."""
    return mark(answer, WRITE)


def has_marks(metadata: Iterable[str]) -> bool:
    """Whether there is anything of ours among these names."""
    return any(name.lower() in _MARKS for name in metadata)


def without_marks(answer: Response) -> Response:
    """Take the marks out of an answer, headers included; in place, since the answer is the flow's own."""
    metadata: Parameters = answer["Metadata"]
    answer["Metadata"] = {name: value for name, value in metadata.items() if name.lower() not in _MARKS}
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders")
    for mark in _MARKS if headers else ():
        headers.pop(f"x-amz-meta-{mark}", None)
    return answer
