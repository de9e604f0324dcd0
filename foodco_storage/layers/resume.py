"""Going on with a body that broke midway, on the same backend and only with the same object (DESIGN 6, rule 9)."""

from __future__ import annotations

import re
from collections.abc import Callable

from foodco_storage.flows.effects import Call, Discard
from foodco_storage.flows.outcomes import Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/")

# The first answer has met them already; the rest is tied to it by its ETag instead. A full-object checksum does not fit a
# range (Ceph pull request 61901).
_NOT_AGAIN = (
    "ChecksumMode",
    "IfMatch",
    "IfModifiedSince",
    "IfNoneMatch",
    "IfUnmodifiedSince",
    "PartNumber",
    "Range",
)


def reopening(place: Place, request: Request, response: Response) -> Callable[[int], Flow] | None:
    """How to ask for the rest of a body, or None where that can't be done safely.

    Args:
        place: who answered.
        request: what it was asked.
        response: what it answered: ETag, ContentLength and, for a range, ContentRange.

    Returns:
        A function from the number of bytes read so far to a flow that answers the bytes after them. The flow raises
        `BackendError` when the object has changed meanwhile.
    """
    etag, size = response.get("ETag"), response.get("ContentLength")
    if not etag or not size:
        return None
    if "PartNumber" in request.params and "ContentRange" not in response:
        # Where in the object the part begins nobody has told: the rest would be taken from its beginning.
        return None
    first = 0
    if (content_range := response.get("ContentRange")) is not None:
        match = _CONTENT_RANGE.match(content_range)
        if match is None:
            return None
        first = int(match[1])
    last = first + size - 1
    rest = request.without_params(*_NOT_AGAIN)

    def reopen(offset: int) -> Flow:
        answer: Response = yield Call(place, rest.with_params(Range=f"bytes={first + offset}-{last}", IfMatch=etag))
        match = _CONTENT_RANGE.match(answer.get("ContentRange", ""))
        if match is None or (int(match[1]), int(match[2])) != (first + offset, last) or answer.get("ETag") != etag:
            yield Discard(answer["Body"])
            raise Unavailable(
                place.backend, ValueError(f"{place.backend!r} answered another range, or another object, on resuming")
            )
        return answer

    return reopen
