"""What users see of responses, and what must be equal of two stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linearizability import OK, Value
from programs import Results

from foodco_storage.backends.memory import Stored
from foodco_storage.flows.request import Response

BODIES = [b"", b"X", *(b"v%d" % number for number in range(10))]
"""Bodies that a HEAD or a listing can be read by, put as one piece or as an upload of one or two parts: it shows only their
ETags."""

DEFAULT_TYPE = "binary/octet-stream"


def etag(body: bytes) -> str:
    """The ETag of a body that was put as one piece."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def etag_of_parts(*parts: bytes) -> str:
    """The ETag of an upload."""
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


_BY_ETAG = {
    **{etag(body): body for body in BODIES},
    **{etag_of_parts(body): body for body in BODIES},
    **{etag_of_parts(one, two): one + two for one in BODIES for two in BODIES},
}


def value_of(body: Value, content_type: str = DEFAULT_TYPE) -> Value:
    """What the register holds: the body, with the content type where it is not the default."""
    return body if content_type == DEFAULT_TYPE else (body, content_type)


def saw_ok(response: Response) -> Results:
    """A write that was acknowledged."""
    return (OK,)


def saw_body(response: Response) -> Results | None:
    """The value of a GET. An answer that is marked degraded may be older than it should: it tells nothing."""
    if response.get("ResponseMetadata", {}).get("Storage", {}).get("degraded"):
        return None
    return (value_of(response["Body"].read(), response.get("ContentType", DEFAULT_TYPE)),)


def saw_head(response: Response) -> Results | None:
    """The value of a HEAD, by its ETag."""
    if response.get("ResponseMetadata", {}).get("Storage", {}).get("degraded"):
        return None
    body = _BY_ETAG.get(response["ETag"], response["ETag"])
    return (value_of(body, response.get("ContentType", DEFAULT_TYPE)),)


def saw_listed(keys: Sequence[str]) -> Callable[[Response], Results]:
    """The values that a listing shows of keys, by their ETags."""

    def saw(response: Response) -> Results:
        rows = {row["Key"]: _BY_ETAG.get(row["ETag"], row["ETag"]) for row in response.get("Contents", ())}
        return tuple(rows.get(key) for key in keys)

    return saw


def saw_all_ok(count: int) -> Callable[[Response], Results | None]:
    """A write of several keys that was acknowledged for each."""

    def saw(response: Response) -> Results | None:
        return None if response.get("Errors") else (OK,) * count

    return saw


def shown(stored: Stored) -> Any:
    """All that a user can see of an object, and its metadata."""
    return stored.data, {name: value for name, value in stored.described.items() if value}, stored.tags


@dataclass(frozen=True, slots=True)
class EqualSides:
    """The source holds what the primary holds, and nothing where that has a tombstone.

    A key that the primary does not hold may be in the source: it was not promoted yet.

    Args:
        is_tombstone: tells a tombstone.
        shows: what must be equal of two objects.
        ignore: keys that may differ.
    """

    is_tombstone: Callable[[Stored], bool] = lambda stored: False
    shows: Callable[[Stored], Any] = shown
    ignore: frozenset[str] = field(default_factory=frozenset)

    def __call__(self, primary: Mapping[str, Stored], source: Mapping[str, Stored]) -> bool:
        for key in primary.keys() - self.ignore:
            ours, theirs = primary[key], source.get(key)
            if self.is_tombstone(ours):
                if theirs is not None:
                    return False
            elif theirs is None or self.shows(ours) != self.shows(theirs):
                return False
        return True
