"""Reads that the cache of a route answers, and what it keeps of those that a store answers.

Small objects are kept whole, large ones in blocks of one size. A read of a part asks for the blocks around it, so that the
next one next to it costs nothing. What a store would have to judge (versions, parts, conditions but `IfMatch`, customers'
keys) passes untouched.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError
from msgspec.structs import replace

from foodco_storage.flows.cache_effects import (
    Alone,
    CachedBlocks,
    Forget,
    Hit,
    Keep,
    KeepAsRead,
    KeepMissing,
    Look,
    PassOn,
    Renew,
)
from foodco_storage.flows.cached import Head, Looked
from foodco_storage.flows.effects import (
    BytesBody,
    Count,
    Discard,
    ReadBody,
)
from foodco_storage.flows.outcomes import Deleted, NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.cached_answers import (
    Part,
    as_get,
    as_head,
    confirms,
    copied,
    is_met,
    joined,
    may_be_kept,
    of_the_whole,
    part_of,
    whole_blocks,
)
from foodco_storage.layers.route import Caching
from foodco_storage.layers.sight import whole_size
from foodco_storage.layers.spans import Span, narrow
from foodco_storage.layers.storage_metadata import note

_GET: Final = frozenset({"Bucket", "Key", "Range", "IfMatch"})
_HEAD: Final = frozenset({"Bucket", "Key", "IfMatch"})
_WHOLE: Final = Span(0)
_AT_ONCE: Final = 8 * 1024 * 1024
"""Whole objects up to here are brought before anybody gets a byte, so that one request is enough for all who wait for it."""

_LARGEST_PART: Final = 64 * 1024 * 1024
"""Parts are brought into memory whole: of larger ones nothing is kept."""

_DESCRIBED_FOR_SECONDS: Final = 600.0
"""Not modified is said of the bytes alone; metadata can be replaced and the ETag stay. So now and then all is asked for."""

_NOT_MODIFIED: Final = 304
_FAILED: Final = 412
_NOT_SATISFIABLE: Final = 416


class CachedReads:
    """Reads of one route.

    Args:
        route: its name.
        caching: how.
    """

    def __init__(self, route: str, caching: Caching) -> None:
        self._route = route
        self._block_bytes = caching.block_bytes
        self._max_object_bytes = caching.max_object_bytes
        self._largest_part = max(min(caching.max_object_bytes, _LARGEST_PART), caching.block_bytes)
        self._described_for_seconds = max(10 * caching.ttl_seconds, _DESCRIBED_FOR_SECONDS)
        self._stale_if_error = caching.stale_if_error

    def get_object(self, request: Request, below: Below) -> Flow:
        """The object, or a part of it."""
        params = request.params
        span = _WHOLE if "Range" not in params else Span.of(params["Range"])
        if span is None or not params.keys() <= _GET or not _has_plain_names(params):
            return (yield from below(request))
        looked: Looked = yield Look(self._route, params["Bucket"], params["Key"])
        head = looked.head
        if looked.fresh and head is not None:
            answer: Response | None
            if span is _WHOLE and looked.data is not None and is_met(params, head):
                # What most hits are.
                answer = as_get(head, looked)
                answer["Body"] = yield Hit(self._route, looked, looked.data)
                return answer
            answer = yield from self._answer(looked, head, request, span)
            if answer is not None:
                return answer
        if looked.missing is not None:
            yield from self._remembered(looked.missing, request, looked)
        asks = partial(self._ask, request, below, span)
        response: Response = yield Alone(self._route, params["Bucket"], self._topic(params["Key"], span), asks)
        return response

    def head_object(self, request: Request, below: Below) -> Flow:
        """What is known of an object: from what was read of it."""
        params = request.params
        if not params.keys() <= _HEAD or not _has_plain_names(params):
            return (yield from below(request))
        looked: Looked = yield Look(self._route, params["Bucket"], params["Key"])
        head = looked.head
        if head is None or not is_met(params, head) or (not looked.fresh and "IfMatch" in params):
            return (yield from self._compared(request, below, looked))
        if not looked.fresh:
            response, looked = yield from self._revalidated(request, below, looked, head)
            if response is not None:
                return response
        yield Hit(self._route, looked)
        return as_head(head, looked)

    def _answer(self, looked: Looked, head: Head, request: Request, span: Span) -> Generator[Any, Any, Response | None]:
        """The answer to a GET from what is kept; None where that does not do."""
        if not is_met(request.params, head):
            return None
        part = (0, head.size) if span is _WHOLE else span.within(head.size)
        if part is None:
            # The store says what is wrong with it.
            return None
        start, end = part
        if head.blocks == 1:
            data = looked.data
            if data is None:
                return None
            if span is not _WHOLE:
                data = data[start:end]
        else:
            first, last = start // head.block_bytes, (end - 1) // head.block_bytes
            blocks = yield CachedBlocks(self._route, head, first, last)
            if None in blocks:
                return None
            data = joined(blocks, start - first * head.block_bytes, end - start)
        answer = as_get(head, looked)
        if span is not _WHOLE:
            narrow(answer, start, end, head.size)
        answer["Body"] = yield Hit(self._route, looked, data)
        return answer

    def _topic(self, key: str, span: Span) -> str:
        """What is asked for, whoever asks for it; other blocks of one object are another matter."""
        if span is _WHOLE:
            return key
        first = span.suffix if span.first is None else span.first // self._block_bytes
        return f"{key}\n{first}"

    def _ask(self, request: Request, below: Below, span: Span) -> Flow:
        """Ask for what was not at hand a moment ago, unless somebody else has brought it since."""
        params = request.params
        looked: Looked = yield Look(self._route, params["Bucket"], params["Key"])
        head = looked.head
        if head is not None and looked.fresh:
            answer: Response | None = yield from self._answer(looked, head, request, span)
            if answer is not None:
                return answer
        ask = self._widened(request, span, head)
        if ask is None:
            yield PassOn(self._route, params["Bucket"], self._topic(params["Key"], span))
            return (yield from self._compared(request, below, looked))
        try:
            if head is not None and not looked.fresh and "IfMatch" not in params:
                response, looked = yield from self._revalidated(ask, below, looked, head)
                if response is None:
                    answer = yield from self._answer(looked, head, request, span)
                    if answer is not None:
                        return answer
                    response = yield from self._compared(ask, below, looked)
            else:
                response = yield from self._compared(ask, below, looked)
        except Rejected as error:
            if ask is request or error.status != _NOT_SATISFIABLE:
                raise
            # The caller's own range is for the store to judge.
            return (yield from below(request))
        answer = yield from self._kept(request, ask, span, looked, response)
        # What can't be cut to what the caller asked for is asked for again.
        return answer if answer is not None else (yield from below(request))

    def _widened(self, request: Request, span: Span, head: Head | None) -> Request | None:
        """What to ask the store for: whole blocks. None where that would be too much, or nobody knows how much."""
        if span is _WHOLE:
            return request
        size = self._block_bytes
        if head is not None:
            part = span.within(head.size)
            if part is None:
                return None
            start = part[0] - part[0] % size
            end = min(head.size, part[1] + -part[1] % size)
        elif span.first is None:
            if span.suffix > self._largest_part:
                return None
            return request.with_params(Range=f"bytes=-{max(span.suffix, size)}")
        elif span.last is None:
            # Who knows how much that is.
            return request
        else:
            start = span.first - span.first % size
            end = span.last + 1 + -(span.last + 1) % size
        if end - start > self._largest_part:
            return None
        return request.with_params(Range=f"bytes={start}-{end - 1}")

    def _remembered(
        self, missing: Mapping[str, Response], request: Request, looked: Looked
    ) -> Generator[Any, Any, None]:
        """Raise what a request for a key that is not there was answered with."""
        if request.operation in missing:
            yield Hit(self._route, looked)
            error = ClientError(copied(missing[request.operation]), request.operation)
            note(error.response, cache="memory")
            raise NotThere("", error)

    def _compared(self, request: Request, below: Below, looked: Looked) -> Flow:
        """Ask a store, unless it is remembered that the key is not there; what it contradicts is not answered again."""
        if looked.missing is not None:
            yield from self._remembered(looked.missing, request, looked)
        yield Count("cache_misses", self._route)
        return (yield from self._asked(request, below, looked))

    def _asked(self, request: Request, below: Below, looked: Looked) -> Flow:
        bucket, key = request.params["Bucket"], request.params["Key"]
        head = looked.head
        try:
            response: Response = yield from below(request)
        except (NotThere, Deleted) as error:
            if head is not None:
                yield Forget(self._route, bucket, key)
            told: Response | None = getattr(error.error, "response", None)
            if told is not None:
                yield KeepMissing(self._route, request, looked, copied(told))
            raise
        except Rejected as error:
            if (
                head is not None
                and "IfMatch" in request.params
                and error.status == _FAILED
                and is_met(request.params, head)
            ):
                # The caller wants what is kept, and the store holds something else.
                yield Forget(self._route, bucket, key)
            raise
        if head is not None and response.get("ETag") != head.etag:
            yield Forget(self._route, bucket, key)
        return response

    def _revalidated(
        self, ask: Request, below: Below, looked: Looked, head: Head
    ) -> Generator[Any, Any, tuple[Response | None, Looked]]:
        """Ask whether an object has changed: the new one, or None and what is kept, which may be answered."""
        if looked.at - head.since < self._described_for_seconds:
            ask = ask.with_params(IfNoneMatch=head.etag)
        try:
            response: Response = yield from self._asked(ask, below, looked)
        except (NotThere, Deleted):
            yield Count("cache_misses", self._route)
            raise
        except Rejected as error:
            if error.status != _NOT_MODIFIED:
                raise
            if not confirms(error, head):
                return (yield from self._compared(ask.without_params("IfNoneMatch"), below, looked)), looked
            yield Renew(self._route, looked)
            yield Count("cache_revalidated", self._route)
        except Unavailable:
            if not self._stale_if_error:
                raise
            yield Count("cache_stale", self._route)
            return None, replace(looked, fresh=True, asked=True, stale=True)
        else:
            yield Count("cache_misses", self._route)
            return response, looked
        return None, replace(looked, fresh=True, asked=True)

    def _kept(
        self, request: Request, ask: Request, span: Span, looked: Looked, response: Response
    ) -> Generator[Any, Any, Response | None]:
        """Keep what a store answered; the answer for the caller, or None where there is none in it."""
        if span is _WHOLE:
            if self._keeps_whole(response):
                return (yield from self._whole_kept(ask, looked, response))
        elif (part := part_of(response, span, self._largest_part)) is not None:
            return (yield from self._part_kept(ask, part, looked, response))
        if ask is request:
            yield PassOn(self._route, request.params["Bucket"], self._topic(request.params["Key"], span))
            return response
        yield Discard(response["Body"])
        return None

    def _keeps_whole(self, response: Response) -> bool:
        if "ContentLength" not in response or "ContentRange" in response:
            return False
        return response["ContentLength"] <= self._max_object_bytes and may_be_kept(response)

    def _whole_kept(self, ask: Request, looked: Looked, response: Response) -> Generator[Any, Any, Response | None]:
        head = self._head(ask, looked, response)
        if head.blocks > 1 and head.size > _AT_ONCE:
            response["Body"] = yield KeepAsRead(self._route, head, response["Body"], looked)
            return response
        data: bytes | None = yield ReadBody(response["Body"], head.size)
        if data is None:
            return None
        yield Keep(self._route, head, whole_blocks(head, 0, data), looked)
        response["Body"] = yield BytesBody(data)
        return response

    def _part_kept(
        self, ask: Request, part: Part, looked: Looked, response: Response
    ) -> Generator[Any, Any, Response | None]:
        data: bytes | None = yield ReadBody(response["Body"], part.length)
        if data is None:
            return None
        if may_be_kept(response):
            head = self._head(ask, looked, response)
            blocks = whole_blocks(head, part.first, data)
            if blocks or head.blocks > 1:
                yield Keep(self._route, head, blocks, looked)
        if (part.start, part.end) != (part.first, part.first + part.length):
            narrow(response, part.start, part.end, part.size)
            data = data[part.start - part.first : part.end - part.first]
        response["Body"] = yield BytesBody(data)
        return response

    def _head(self, ask: Request, looked: Looked, response: Response) -> Head:
        params, size = ask.params, whole_size(response)
        whole = of_the_whole(response, size)
        generation, since = looked.generation, looked.at
        return Head(
            params["Bucket"], params["Key"], response["ETag"], size, self._block_bytes, generation, whole, since
        )


def _has_plain_names(params: Response) -> bool:
    return type(params.get("Bucket")) is str and type(params.get("Key")) is str
