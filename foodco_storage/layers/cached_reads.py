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

from foodco_storage.flows.cached import Head, Looked
from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import (
    Alone,
    BytesBody,
    CachedBlocks,
    Count,
    Discard,
    Hit,
    Keep,
    KeepAsRead,
    KeepMissing,
    Look,
    ReadBody,
    Renew,
)
from foodco_storage.flows.outcomes import NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.route import Caching
from foodco_storage.layers.sight import whole_size
from foodco_storage.layers.spans import Span, first_byte
from foodco_storage.layers.storage_metadata import note

_GET: Final = frozenset({"Bucket", "Key", "Range", "IfMatch"})
_HEAD: Final = frozenset({"Bucket", "Key", "IfMatch"})
_WHOLE: Final = Span(0)
_AT_ONCE: Final = 8 * 1024 * 1024
"""Whole objects up to here are brought before anybody gets a byte, so that one request is enough for all who wait for it."""

_LARGEST_PART: Final = 64 * 1024 * 1024
"""Parts are brought into memory whole: of larger ones nothing is kept."""

_NOT_MODIFIED: Final = 304
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
            if span is _WHOLE and looked.data is not None and _is_met(params, head):
                # What most hits are.
                answer = _as_get(head, looked)
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
        if head is None or not _is_met(params, head) or (not looked.fresh and "IfMatch" in params):
            return (yield from self._below(request, below, looked))
        if not looked.fresh:
            response, looked = yield from self._revalidated(request, below, looked, head)
            if response is not None:
                return response
        yield Hit(self._route, looked)
        return _as_head(head, looked)

    def _answer(self, looked: Looked, head: Head, request: Request, span: Span) -> Generator[Any, Any, Response | None]:
        """The answer to a GET from what is kept; None where that does not do."""
        if not _is_met(request.params, head):
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
            data = _joined(blocks, start - first * head.block_bytes, end - start)
        answer = _as_get(head, looked)
        if span is not _WHOLE:
            _narrow(answer, start, end, head.size)
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
            return (yield from self._below(request, below, looked))
        try:
            if head is not None and not looked.fresh and "IfMatch" not in params:
                response, looked = yield from self._revalidated(ask, below, looked, head)
                if response is None:
                    answer = yield from self._answer(looked, head, request, span)
                    if answer is not None:
                        return answer
                    response = yield from self._below(ask, below, looked)
            else:
                response = yield from self._below(ask, below, looked)
        except Rejected as error:
            if ask is request or error.status != _NOT_SATISFIABLE:
                raise
            # The caller's own range is for the store to judge.
            return (yield from below(request))
        answer = yield from self._kept(ask, span, looked, response)
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
            return None
        else:
            start = span.first - span.first % size
            end = span.last + 1 + -(span.last + 1) % size
        if end - start > self._largest_part:
            return None
        return request.with_params(Range=f"bytes={start}-{end - 1}")

    def _below(self, request: Request, below: Below, looked: Looked) -> Flow:
        """Ask a store, unless it is remembered that the key is not there."""
        if looked.missing is not None:
            yield from self._remembered(looked.missing, request, looked)
        yield Count("cache_misses", self._route)
        return (yield from self._asked(request, below, looked))

    def _remembered(
        self, missing: Mapping[str, Response], request: Request, looked: Looked
    ) -> Generator[Any, Any, None]:
        """Raise what a request for a key that is not there was answered with."""
        if request.operation in missing:
            yield Hit(self._route, looked)
            error = ClientError(copied(missing[request.operation]), request.operation)
            note(error.response, cache="memory")
            raise NotThere("", error)

    def _asked(self, request: Request, below: Below, looked: Looked) -> Flow:
        try:
            return (yield from below(request))
        except NotThere as error:
            response: Response | None = getattr(error.error, "response", None)
            if response is not None:
                yield KeepMissing(self._route, request, looked, copied(response))
            raise

    def _revalidated(
        self, ask: Request, below: Below, looked: Looked, head: Head
    ) -> Generator[Any, Any, tuple[Response | None, Looked]]:
        """Ask whether an object has changed: the new one, or None and what is kept, which may be answered."""
        try:
            response: Response = yield from self._asked(ask.with_params(IfNoneMatch=head.etag), below, looked)
        except NotThere:
            yield Count("cache_misses", self._route)
            raise
        except Rejected as error:
            if error.status != _NOT_MODIFIED:
                raise
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
        self, ask: Request, span: Span, looked: Looked, response: Response
    ) -> Generator[Any, Any, Response | None]:
        """Keep what a store answered; the answer for the caller, or None where there is none in it."""
        size = whole_size(response)
        is_part = "ContentRange" in response
        if span is _WHOLE:
            if is_part or size > self._max_object_bytes or not _may_be_kept(response):
                return response
            head = self._head(ask, looked, response, size)
            if head.blocks > 1 and size > _AT_ONCE:
                response["Body"] = yield KeepAsRead(self._route, head, response["Body"], looked.at)
                return response
            data: bytes | None = yield ReadBody(response["Body"], size)
            if data is None:
                return None
            yield Keep(self._route, head, _whole_blocks(head, 0, data), looked.at)
            response["Body"] = yield BytesBody(data)
            return response
        first = first_byte(response)
        length = response["ContentLength"]
        part = span.within(size)
        covers = first is not None and part is not None and first <= part[0] and part[1] <= first + length
        if first is None or part is None or not covers or length > self._largest_part:
            yield Discard(response["Body"])
            return None
        data = yield ReadBody(response["Body"], length)
        if data is None:
            return None
        if _may_be_kept(response):
            head = self._head(ask, looked, response, size)
            blocks = _whole_blocks(head, first, data)
            if blocks or head.blocks > 1:
                yield Keep(self._route, head, blocks, looked.at)
        start, end = part
        if (start, end) != (first, first + length):
            _narrow(response, start, end, size)
            data = data[start - first : end - first]
        response["Body"] = yield BytesBody(data)
        return response

    def _head(self, ask: Request, looked: Looked, response: Response, size: int) -> Head:
        params = ask.params
        whole = _of_the_whole(response, size)
        return Head(
            params["Bucket"], params["Key"], response["ETag"], size, self._block_bytes, looked.generation, whole
        )


def _has_plain_names(params: Response) -> bool:
    return type(params.get("Bucket")) is str and type(params.get("Key")) is str


def _is_met(params: Response, head: Head) -> bool:
    """Whether the caller's `IfMatch` certainly holds for what is kept."""
    wanted = params.get("IfMatch")
    return wanted is None or (isinstance(wanted, str) and bare(wanted) == bare(head.etag))


def _may_be_kept(response: Response) -> bool:
    storage = response.get("ResponseMetadata", {}).get("Storage", {})
    return bool(response.get("ETag")) and not storage.get("degraded") and "SSECustomerAlgorithm" not in response


def _joined(blocks: list[bytes], start: int, length: int) -> bytes:
    """A part of several blocks, copied once."""
    if len(blocks) == 1:
        return blocks[0][start : start + length]
    views = [memoryview(block) for block in blocks]
    views[0] = views[0][start:]
    surplus = sum(map(len, views)) - length
    views[-1] = views[-1][: len(views[-1]) - surplus]
    return b"".join(views)


def _whole_blocks(head: Head, first: int, data: bytes) -> dict[int, bytes]:
    """The blocks that lie whole in data which begins at a byte of the object."""
    blocks = {}
    number = -(-first // head.block_bytes)
    while number < head.blocks:
        start = number * head.block_bytes - first
        end = start + head.length_of(number)
        if end > len(data):
            break
        blocks[number] = data[start:end]
        number += 1
    return blocks


def _of_the_whole(response: Response, size: int) -> Response:
    """What a GET of the whole object would have been answered with, as far as the answer to a part tells."""
    whole = {name: value for name, value in response.items() if name not in {"Body", "ContentRange"}}
    metadata = dict(whole["ResponseMetadata"])
    headers = {name: value for name, value in metadata.get("HTTPHeaders", {}).items() if name != "content-range"}
    if "content-length" in headers:
        headers["content-length"] = str(size)
    backend = metadata.get("Storage", {}).get("backend")
    metadata |= {"HTTPHeaders": headers, "HTTPStatusCode": 200, "Storage": {"backend": backend}}
    if "Metadata" in whole:
        # The caller may change his.
        whole["Metadata"] = dict(whole["Metadata"])
    return whole | {"ContentLength": size, "ResponseMetadata": metadata}


def copied(response: Response) -> Response:
    """A response that a caller may change."""
    mine = dict(response)
    metadata = mine["ResponseMetadata"] = dict(mine["ResponseMetadata"])
    metadata["HTTPHeaders"] = dict(metadata.get("HTTPHeaders", ()))
    metadata["Storage"] = dict(metadata.get("Storage", ()))
    for name in ("Error", "Metadata"):
        if name in mine:
            mine[name] = dict(mine[name])
    return mine


def _as_get(head: Head, looked: Looked) -> Response:
    answer = copied(head.response)
    storage = answer["ResponseMetadata"]["Storage"]
    storage["cache"] = looked.level
    if looked.stale:
        storage["stale"] = True
    return answer


def _as_head(head: Head, looked: Looked) -> Response:
    # A HEAD tells checksums when it is asked for them alone.
    return {name: value for name, value in _as_get(head, looked).items() if not name.startswith("Checksum")}


def _narrow(answer: Response, start: int, end: int, size: int) -> None:
    """Turn an answer into that to a range."""
    told = f"bytes {start}-{end - 1}/{size}"
    answer |= {"ContentRange": told, "ContentLength": end - start}
    for name in [name for name in answer if name.startswith("Checksum")]:
        # Of the whole object.
        del answer[name]
    metadata = answer["ResponseMetadata"]
    metadata["HTTPStatusCode"] = 206
    headers = metadata.get("HTTPHeaders")
    if headers:
        headers |= {"content-range": told, "content-length": str(end - start)}
