"""What is known of keys that are told apart no more: their sums, by prefixes that get shorter as there are more."""

from __future__ import annotations

from typing import TypeAlias

from foodco_storage.access.prefixes import ANY_BUCKET, FOLD_DEPTH, prefix_of
from foodco_storage.access.rows import LOST, Counts, added

Rest: TypeAlias = tuple[str | None, str | None, str, int]
"""Route, bucket, prefix, depth."""


_FEWEST = 100


class Rests:
    """Rows of prefixes.

    Args:
        max_rests: where there would be more, the longest prefixes become shorter by a segment; at last all buckets are one.
    """

    __slots__ = ("_max_rests", "rows")

    def __init__(self, max_rests: int) -> None:
        self._max_rests = max_rests
        self.rows: dict[Rest, Counts] = {}

    def row(self, rest: Rest) -> Counts:
        """The row of a prefix, to be added to."""
        row = self.rows.get(rest)
        if row is None:
            if len(self.rows) >= self._max_rests:
                self._shorten()
            row = self.rows.setdefault(rest, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, None])
        return row

    def fold(self, key: tuple[str | None, str | None, str], counts: Counts) -> None:
        """Add what was counted for a key to the row of its prefix."""
        route, bucket, name = key
        row = self.row((route, bucket, prefix_of(name, FOLD_DEPTH), FOLD_DEPTH))
        # Nothing is lost here: all that was is in these rows.
        added(row, [0.0, *counts[LOST + 1 :]])

    def _shorten(self) -> None:
        """Make the longest prefixes shorter, until there is room for half as many again."""
        while len(self.rows) > self._max_rests // 2:
            deepest = max(depth for *_, depth in self.rows)
            before, self.rows = self.rows, {}
            for rest, counts in before.items():
                shorter = shortened(rest, deepest)
                kept = self.rows.get(shorter)
                if kept is None:
                    self.rows[shorter] = counts
                else:
                    added(kept, counts)
            if not deepest:
                return


def shortened(rest: Rest, depth: int) -> Rest:
    """A rest that is as deep as `depth` with one segment less, at last without its bucket; others as they are."""
    route, bucket, prefix, own = rest
    if own < depth:
        return rest
    return (route, bucket, prefix_of(prefix, own - 1), own - 1) if own else (route, ANY_BUCKET, "", 0)


def most_rests(max_keys: int) -> int:
    """How many prefixes may be told apart beside so many keys."""
    return max(_FEWEST, max_keys // 10)
