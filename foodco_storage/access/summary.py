"""Misra and Gries' frequent items, for rows of several counts: who is heavy stays, however many keys there are.

Each row keeps what was counted since it came in, and `lost`: what its key may have had before. A key without a row may have
had up to `floor`. When there are more than 2N rows, the floor rises to the (N+1)-th largest `weight + lost`, and only the N
largest rows stay: one sort for every N rows that came in.

The bounds. True weights lie in [weight, weight + lost], of keys without a row in [0, floor]: a row comes in with
`lost = floor`, and goes only where `weight + lost <= floor`. And `floor <= total / (N + 1)`: the sum over all rows of
`weight + lost - floor`, which is never negative, grows by w with each weight w, and shrinks by (N + 1) c at least when the
floor rises by c, since at least N + 1 rows have as much.

Two summaries merge: weights, losts and floors add, where a key without a row counts as one with `lost = floor`; that leaves
both bounds. In these terms `weight + lost - floor` is Misra and Gries' counter ("Finding repeated elements", Science of
Computer Programming 2, 1982); merging as in Agarwal et al., "Mergeable summaries", PODS 2012
(https://doi.org/10.1145/2213556.2213562). To keep `lost` for each row, as "lossy counting" does (Manku and Motwani, VLDB
2002), costs one number, and leaves the counts what they are: exact for each key that has been there from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from foodco_storage.access.rows import LOST, Counts, added

K = TypeVar("K", bound=Hashable)


class Summary(Generic[K]):
    """Rows of the heaviest keys.

    Args:
        max_keys: N, at least 1; there are up to 2N rows.
        weigh: the weight of a row, positive once something was counted.
        dropped: is told of each row that goes.

    Raises:
        ValueError: N is not positive.
    """

    __slots__ = ("_dropped", "_weigh", "floor", "max_keys", "rows")

    def __init__(
        self,
        max_keys: int,
        weigh: Callable[[Counts], float],
        dropped: Callable[[K, Counts], None] = lambda key, row: None,  # noqa: ARG005 - told nobody
    ) -> None:
        if max_keys < 1:
            raise ValueError(f"max_keys is {max_keys}: it must be at least 1")
        self.max_keys = max_keys
        self._weigh = weigh
        self._dropped = dropped
        self.rows: dict[K, Counts] = {}
        """May be added to by the caller: a new row has `lost = floor`, and `trim` is called after."""
        self.floor = 0.0
        """What a key without a row may have had."""

    def add(self, key: K, counts: Counts) -> None:
        """Count for a key: sums, and the later of times. `counts` becomes the summary's own."""
        row = self.rows.get(key)
        if row is None:
            counts[LOST] = (counts[LOST] or 0.0) + self.floor
            self.rows[key] = counts
            self.trim()
        else:
            added(row, counts)

    def merge(self, rows: Mapping[K, Counts], floor: float) -> None:
        """Add another summary's rows and floor."""
        for key, row in self.rows.items():
            if floor and key not in rows:
                row[LOST] = (row[LOST] or 0.0) + floor
        for key, counts in rows.items():
            before = self.rows.get(key)
            if before is None:
                self.rows[key] = row = list(counts)
                row[LOST] = (row[LOST] or 0.0) + self.floor
            else:
                added(before, counts)
        self.floor += floor
        self.trim()

    def trim(self) -> None:
        """Drop the lightest rows where there are too many."""
        if len(self.rows) <= 2 * self.max_keys:
            return
        weights = {key: self._weigh(row) + (row[LOST] or 0.0) for key, row in self.rows.items()}
        going = sorted(weights, key=weights.__getitem__, reverse=True)[self.max_keys :]
        self.floor = weights[going[0]]
        for key in going:
            self._dropped(key, self.rows.pop(key))
