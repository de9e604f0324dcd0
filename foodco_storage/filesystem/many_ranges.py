"""Many ranges of many objects: neighbours are brought by one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from foodco_storage.filesystem.reading import open_piece
from foodco_storage.filesystem.store import Store

DEFAULT_GAP_BYTES: Final = 512 * 1024
"""Ranges that lie closer are brought together. A request costs about what so many bytes cost; object_store, which obstore
stands on, has 1 MiB (`OBJECT_STORE_COALESCE_DEFAULT`)."""

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one request, so that what is brought together still comes in parallel."""


@dataclass(slots=True)
class Span:
    """One request.

    Args:
        path: of the object.
        start: first byte.
        end: the byte after the last (exclusive).
        members: which of the ranges asked for lie in it, by their numbers.
    """

    path: str
    start: int
    end: int
    members: list[int]


def spans(
    paths: Sequence[str], starts: Sequence[int], ends: Sequence[int], max_gap: int, most: int = MOST_BYTES
) -> Iterator[Span]:
    """Put ranges together.

    Args:
        paths: of each range.
        starts: their first bytes, none negative.
        ends: the bytes after their last, none negative.
        max_gap: bytes between two ranges that may be brought for nothing.
        most: bytes of one request; a range that is longer stays alone.
    """
    current: Span | None = None
    for number in sorted(range(len(paths)), key=lambda number: (paths[number], starts[number], ends[number])):
        path, start, end = paths[number], starts[number], max(starts[number], ends[number])
        if (
            current is not None
            and current.path == path
            and start <= current.end + max_gap
            and max(end, current.end) - current.start <= most
        ):
            current.end = max(current.end, end)
            current.members.append(number)
            continue
        if current is not None:
            yield current
        current = Span(path, start, end, [number])
    if current is not None:
        yield current


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a span: bytes, fewer where the object ends before, and of which object."""

    data: bytes
    etag: str | None


def bring(store: Store, span: Span, read: Mapping[str, Any], pin: str | None = None) -> Brought:
    """Read a span.

    Raises:
        OSError: by the table of `failures`; `FileChangedError` where the pin does not hold.
    """
    if span.end <= span.start:
        return Brought(b"", None)
    piece = open_piece(store, store.key(span.path), span.start, span.end, pin=pin, read=read)
    return Brought(b"", None) if piece is None else Brought(piece.readall(), piece.etag)


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


def cut(spans_: Sequence[Span], results: Sequence[Any], starts: Sequence[int], ends: Sequence[int]) -> list[Any]:
    """The ranges asked for, of what was brought; the error in the place of each range that it kept away."""
    out: list[Any] = [None] * len(starts)
    for span, result in zip(spans_, results, strict=True):
        for number in span.members:
            if isinstance(result, BaseException):
                out[number] = result
            else:
                out[number] = result.data[starts[number] - span.start : max(ends[number], starts[number]) - span.start]
    return out
