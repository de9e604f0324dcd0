"""How callers see what lies on one place: no tombstones, no marks of ours, and promoted copies under their origin's names.

DESIGN section 6, rules 2, 10 and 13. Everything that reads an object for a caller on a route that migrates comes through
`see`; what has to know the marks themselves uses `find`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from foodco_storage.flows.conditions import CONDITIONS, bare, failed, failure
from foodco_storage.flows.effects import Call, Discard, sent
from foodco_storage.flows.marks import TOMBSTONE_ETAG, has_marks, is_tombstone, without_marks, write_id
from foodco_storage.flows.origin import Origin
from foodco_storage.flows.outcomes import BackendError, Deleted, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import deleted, rejected

_CONDITIONAL = frozenset({304, 412})
_JUDGED = _CONDITIONAL | {416}
"""Answers that a store gives by what it holds: a tombstone's condition, or range, is none of the caller's object."""

_BAD_REQUEST = 400
_CUSTOMER_KEY = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_WHOSE = ("Bucket", "ExpectedBucketOwner", "Key", "RequestPayer", *_CUSTOMER_KEY, "VersionId")


@dataclass(frozen=True, slots=True)
class Found:
    """What a place holds under a key.

    Args:
        place: who was asked.
        head: its answer, marks included; empty where there is only the memory of a delete.
        origin: what the object is a promoted copy of.
        is_deleted: whether it holds a tombstone, or a delete marker.
    """

    place: Place
    head: Response = field(default_factory=dict)
    origin: Origin | None = None
    is_deleted: bool = False

    @property
    def etags(self) -> set[str]:
        """The bare ETags that the object goes by."""
        return {bare(self.head["ETag"])} | ({self.origin.etag} if self.origin else set())

    @property
    def write_id(self) -> str | None:
        """The id of the write that made it."""
        return write_id(self.head)


def head_of(request: Request) -> Request:
    """The HEAD of the object that a request is about."""
    return Request("HeadObject", {name: request.params[name] for name in _WHOSE if name in request.params})


def find(places: Sequence[Place], request: Request) -> Generator[Any, Any, Found | None]:
    """Ask each place in turn for a key; the first that knows of it answers.

    Returns:
        What that place holds; None where nobody knows of the key.
    """
    head = head_of(request)
    for place in places:
        try:
            answer = yield from _head(place, head)
        except NotThere:
            continue
        except Deleted:
            return Found(place, is_deleted=True)
        origin = Origin.of(answer, head.params["Bucket"], head.params["Key"])
        return Found(place, answer, origin, is_tombstone(answer))
    return None


def _head(place: Place, head: Request) -> Flow:
    """A HEAD; with a customer's key a tombstone answers it too, which is never encrypted with one."""
    try:
        return (yield from sent(place, head))
    except Rejected as error:
        if "SSECustomerKey" not in head.params or error.status != _BAD_REQUEST:
            raise
        try:
            answer = yield from sent(place, head.without_params(*_CUSTOMER_KEY))
        except BackendError:
            raise error from None
        if not is_tombstone(answer):
            raise
        return answer


def see(place: Place, request: Request, kept: Parameters | None = None) -> Flow:
    """Ask a place for an object, or for what hangs on it, as a caller.

    Args:
        place: who is asked.
        request: any read of one object.
        kept: gets the object's metadata as it is stored, marks included, under `Metadata`.

    Raises:
        Deleted: it holds a tombstone.
        BackendError: as the place answers.
    """
    if request.operation not in {"GetObject", "HeadObject"}:
        # Their answers don't show what kind of object they are of.
        found = yield from find([place], request)
        if found is not None and found.is_deleted:
            raise deleted(request, place.backend)
        return (yield from sent(place, request))
    try:
        answer: Response = yield Call(place, request)
    except Rejected as error:
        if error.status not in _JUDGED and not (error.status == _BAD_REQUEST and "SSECustomerKey" in request.params):
            raise
        return (yield from _judge_again(place, request, error, kept))
    metadata = answer.get("Metadata")
    if kept is not None:
        kept["Metadata"] = metadata
    if not metadata or not has_marks(metadata):
        return answer
    return (yield from _seen(place, request, answer))


def _seen(place: Place, request: Request, answer: Response) -> Flow:
    """An answer with marks, as the caller is to see it."""
    params = request.params
    if is_tombstone(answer):
        yield from _drop(answer)
        raise deleted(request, place.backend)
    origin = Origin.of(answer, params["Bucket"], params["Key"])
    if origin is None:
        return without_marks(answer)
    if status := failed(params, {bare(answer["ETag"]), origin.etag}, origin.modified):
        yield from _drop(answer)
        raise failure(request, status)
    if "PartNumber" in params and sum(origin.parts) == whole_size(answer) > 0:
        yield from _drop(answer)
        return (yield from _part(place, request, answer, origin))
    answer["LastModified"] = origin.modified
    return without_marks(answer)


def _judge_again(place: Place, request: Request, error: Rejected, kept: Parameters | None) -> Flow:
    """A condition or a range failed by what the place holds: but it may hold a tombstone, or a copy with two names."""
    if error.status == 304 and names_an_etag(request.params.get("IfNoneMatch")):  # noqa: PLR2004 - not modified
        # No caller was ever told the ETag of a tombstone. So revalidations cost no second request.
        raise error
    found = yield from find([place], request)
    if found is None:
        raise error
    if found.is_deleted:
        raise deleted(request, place.backend)
    origin = found.origin
    is_part = "PartNumber" in request.params and origin is not None and sum(origin.parts) == whole_size(found.head) > 0
    if origin is None or (error.status not in _CONDITIONAL and not is_part):
        # The range is wrong, whatever the name.
        raise error
    if status := failed(request.params, found.etags, origin.modified):
        raise failure(request, status)
    if is_part:
        return (yield from _part(place, request, found.head, origin))
    # It holds for the origin; tied to the copy that was judged, so that nobody's later write is answered.
    pinned = request.without_params(*CONDITIONS).with_params(IfMatch=found.head["ETag"])
    try:
        answer: Response = yield Call(place, pinned)
    except Rejected as changed:
        if changed.status != 412:  # noqa: PLR2004 - precondition failed
            raise
        return (yield from see(place, request, kept))
    if kept is not None:
        kept["Metadata"] = answer.get("Metadata")
    return (yield from _seen(place, request.without_params(*CONDITIONS), answer))


def names_an_etag(condition: Any) -> bool:
    """Whether a condition can't mean a tombstone."""
    return isinstance(condition, str) and "*" not in condition and bare(TOMBSTONE_ETAG) not in condition


def _part(place: Place, request: Request, whole: Response, origin: Origin) -> Flow:
    """A part as the origin had it, by its range in the copy."""
    number = request.params["PartNumber"]
    if not isinstance(number, int) or not 1 <= number <= len(origin.parts):
        if request.operation == "HeadObject":
            # No body to name the error in: botocore takes the status for the code.
            raise rejected(request, "416", 416, "Requested Range Not Satisfiable")
        raise rejected(request, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
    start = ([0, *accumulate(origin.parts)])[number - 1]
    last = start + origin.parts[number - 1] - 1
    ask = request.without_params("PartNumber", "ChecksumMode", *CONDITIONS)
    answer: Response = yield Call(place, ask.with_params(Range=f"bytes={start}-{last}", IfMatch=whole["ETag"]))
    answer["PartsCount"] = len(origin.parts)
    answer["LastModified"] = origin.modified
    return without_marks(answer)


def whole_size(answer: Response) -> int:
    """The whole object's size, also of the answer to a range."""
    total = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return int(total) if total.isdigit() else int(answer["ContentLength"])


def _drop(answer: Response) -> Flow:
    if (body := answer.get("Body")) is not None:
        yield Discard(body)
    return answer
