"""Many ranges of many objects: neighbours are brought by one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from foodco_storage.filesystem.reading import Brought, bring
from foodco_storage.filesystem.store import Store

DEFAULT_GAP_BYTES: Final = 512 * 1024
"""Ranges that lie closer are brought together. A request costs about what so many bytes cost; object_store, which obstore
stands on, has 1 MiB (`OBJECT_STORE_COALESCE_DEFAULT`)."""

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one request, so that what is brought together still comes in parallel."""


@dataclass(frozen=True, slots=True)
class Span:
    """One request.

    Args:
        path: of the object.
        start: first byte; None and negative ones, of a span for one range, as in a slice.
        end: the byte after the last (exclusive); the same.
        members: the ranges asked for that lie in it: their numbers, and which bytes of the span they are.
    """

    path: str
    start: int | None
    end: int | None
    members: list[tuple[int, slice]]


def spans(
    paths: Sequence[str],
    starts: Sequence[int | None],
    ends: Sequence[int | None],
    max_gap: int,
    most: int = MOST_BYTES,
) -> Iterator[Span]:
    """Put ranges together: those that are told by two numbers from their object's beginning; others stay alone.

    Args:
        paths: of each range.
        starts: their first bytes.
        ends: the bytes after their last.
        max_gap: bytes between two ranges that may be brought for nothing.
        most: bytes of one request; a range that is longer stays alone.
    """
    plain: list[tuple[str, int, int, int]] = []
    for number, (path, start, end) in enumerate(zip(paths, starts, ends, strict=True)):
        if end is None or end < 0 or (start or 0) < 0:
            yield Span(path, start, end, [(number, slice(None))])
        else:
            plain.append((path, start or 0, max(start or 0, end), number))
    yield from _joined(sorted(plain), max_gap, most)


def _joined(ranges: Sequence[tuple[str, int, int, int]], max_gap: int, most: int) -> Iterator[Span]:
    at: str | None = None
    first = last = 0
    members: list[tuple[int, slice]] = []
    for path, start, end, number in ranges:
        if path != at or start > last + max_gap or max(end, last) - first > most:
            if at is not None:
                yield Span(at, first, last, members)
            at, first, last, members = path, start, end, []
        last = max(last, end)
        members.append((number, slice(start - first, end - first)))
    if at is not None:
        yield Span(at, first, last, members)


def bring_span(store: Store, span: Span, read: Mapping[str, Any], pin: str | None = None) -> Brought:
    """Read a span.

    Raises:
        OSError: by the table of `failures`; `FileChangedError` where the pin does not hold.
    """
    return bring(store, store.key(span.path), span.start, span.end, pin=pin, read=read)


def changed(spans_: Sequence[Span], results: Sequence[Brought | BaseException]) -> dict[int, str]:
    """Spans of objects that were not the same for all their spans, and the ETag that the first of each had.

    They are to be read once more, tied to it: while an object is promoted its ETag may change, and the object does not.
    """
    first: dict[str, str] = {}
    again: dict[int, str] = {}
    for number, (span, result) in enumerate(zip(spans_, results, strict=True)):
        if isinstance(result, BaseException) or result.etag is None:
            continue
        if first.setdefault(span.path, result.etag) != result.etag:
            again[number] = first[span.path]
    return again


def cut(spans_: Sequence[Span], results: Sequence[Brought | BaseException], count: int) -> list[Any]:
    """The ranges asked for, of what was brought; the error in the place of each range that it kept away."""
    out: list[Any] = [None] * count
    for span, result in zip(spans_, results, strict=True):
        for number, part in span.members:
            out[number] = result if isinstance(result, BaseException) else result.data[part]
    return out
