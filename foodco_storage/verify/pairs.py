"""Two listings side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from foodco_storage.verify.expected import State
from foodco_storage.verify.listing import Row


class Pair(NamedTuple):
    """A key as both listings show it."""

    key: str
    primary: Row | None
    source: Row | None

    @property
    def states(self) -> tuple[State, State]:
        """What the primary and the source hold."""
        return _state(self.primary), _state(self.source)

    @property
    def looks_alike(self) -> bool:
        """Whether both hold an object that the listings show to be the same: one ETag, one size."""
        one, other = self.primary, self.source
        return one is not None and other is not None and one.etag == other.etag != "" and one.size == other.size


def _state(row: Row | None) -> State:
    if row is None:
        return "absent"
    return "tombstone" if row.is_tombstone else "object"


def pairs(primary: Iterable[Row], source: Iterable[Row]) -> Iterator[Pair]:
    """Every key of either side, in order; both sides are in order."""
    ours, theirs = iter(primary), iter(source)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            assert one is not None  # noqa: S101 - for mypy
            yield Pair(one.key, one, None)
            one = next(ours, None)
        elif one is None or other.key < one.key:
            yield Pair(other.key, None, other)
            other = next(theirs, None)
        else:
            yield Pair(one.key, one, other)
            one, other = next(ours, None), next(theirs, None)
