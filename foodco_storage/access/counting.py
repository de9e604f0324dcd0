"""Counts events: what was done to objects, where they were served from, what stores were asked. By one thread at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

from foodco_storage.access.prefixes import WHOLE
from foodco_storage.access.rests import Rests, most_rests
from foodco_storage.access.rows import (
    CACHE_HITS,
    DELETES,
    FALLBACK_READS,
    LAST_READ_AT,
    LAST_WRITTEN_AT,
    LOST,
    READ_BYTES,
    READS,
    WRITES,
    WRITTEN_BYTES,
    Batch,
    Counts,
    Day,
    added,
)
from foodco_storage.access.summary import Summary
from foodco_storage.access.traffic import Traffic
from foodco_storage.telemetry.events import Event, Operation, Work

MAX_DAYS = 100
"""So many dates are kept where nothing can be written down; those beyond, least recently counted for, are lost."""

WHOLE_DAYS = 2
"""Of so many dates, those last counted for, keys are told apart; of others only prefixes, about 100."""

_DAY_SECONDS = 86_400.0
_READ = frozenset({"ok", "abandoned", "not_modified"})
_WRITING = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
_CACHES = frozenset({"memory", "disk"})

Key: TypeAlias = tuple[str | None, str | None, str]
"""Route, bucket, key."""


def weight(row: Any) -> float:
    """What the rows of keys are compared by: reads, writes and deletes together."""
    return float(row[READS] + row[WRITES] + row[DELETES])


class _Day:
    """What was seen of one UTC date."""

    __slots__ = ("_max_keys", "rests", "start", "summary", "text")

    def __init__(self, number: int, max_keys: int) -> None:
        self.start = number * _DAY_SECONDS
        self.text = datetime.fromtimestamp(self.start, UTC).strftime("%Y-%m-%d")
        self._max_keys = max_keys
        self._begin(Rests(most_rests(max_keys)))

    def _begin(self, rests: Rests, floor: float = 0.0) -> None:
        self.rests = rests
        self.summary: Summary[Key] = Summary(self._max_keys, weight, rests.fold)
        self.summary.floor = floor

    def fold(self) -> None:
        """Keep only prefixes, as few as there may be of one key. The floor rises to what the heaviest key had."""
        rests, floor = Rests(most_rests(1)), self.summary.floor
        for rest, counts in self.rests.rows.items():
            added(rests.row(rest), counts)
        for key, row in self.summary.rows.items():
            floor = max(floor, weight(row) + (row[LOST] or 0.0))
            rests.fold(key, row)
        self._begin(rests, floor)

    def taken(self) -> Day:
        rows: dict[tuple[str | None, str | None, str, int], Counts] = {
            (route, bucket, key, WHOLE): row for (route, bucket, key), row in self.summary.rows.items()
        }
        return Day({**rows, **self.rests.rows}, self.summary.floor)


class Counting:
    """What was counted, in bounded memory however many days it is: see `WHOLE_DAYS` and `MAX_DAYS`.

    Args:
        max_keys: of each day, so many keys are told apart.
    """

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        # The last is the one that was last counted for.
        self._days: dict[int, _Day] = {}
        self.lost_days = 0
        """So many days had to be dropped."""
        self._today = _Day(0, max_keys)
        self._traffic = Traffic()

    @property
    def is_full(self) -> bool:
        """Whether there are as many keys as are told apart."""
        return any(len(day.summary.rows) >= self._max_keys for day in self._days.values())

    def taken(self) -> Batch:
        """All of it. It is the caller's, and nothing is counted here any more."""
        days = {day.text: day.taken() for day in self._days.values()}
        return Batch(days, traffic=self._traffic.operations, requests=self._traffic.requests)

    def add(self, batch: Batch) -> None:
        """Add what was counted elsewhere, before."""
        own, self._days = self._days, {}
        for text, seen in batch.days.items():
            number = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() // _DAY_SECONDS)
            day = self._days[number] = own.get(number) or _Day(number, self._max_keys)
            wholes: dict[Key, Counts] = {}
            for (route, bucket, key, depth), counts in seen.accesses.items():
                if depth == WHOLE:
                    wholes[route, bucket, key] = counts
                else:
                    added(day.rests.row((route, bucket, key, depth)), counts)
            day.summary.merge(wholes, seen.floor)
        for number, day in own.items():
            self._use(number, day)
        self._traffic.add(batch)
        if self._days:
            self._today = next(reversed(self._days.values()))
            self._limit()

    def count(self, event: Event) -> None:
        """Count an event."""
        if type(event) is Operation:
            day = self._day(event.at)
            self._traffic.count(event, day.text)
            if event.operation == "GetObject":
                if event.outcome in _READ:
                    self._count_read(event, day)
            elif event.outcome == "ok":
                if event.operation in _WRITING:
                    self._count_write(event, day)
                elif event.operation == "DeleteObject":
                    self._row(event, day)[DELETES] += event.weight
        elif type(event) is Work and event.requests:
            self._traffic.count_requests(event.requests, self._day(event.at).text, 1.0)

    def _day(self, at: float) -> _Day:
        if 0 <= at - self._today.start < _DAY_SECONDS and self._days:
            return self._today
        number = int(at // _DAY_SECONDS)
        day = self._today = self._days.get(number) or _Day(number, self._max_keys)
        self._use(number, day)
        self._limit()
        return day

    def _use(self, number: int, day: _Day) -> None:
        self._days.pop(number, None)
        self._days[number] = day

    def _limit(self) -> None:
        if len(self._days) <= WHOLE_DAYS:
            return
        for number in list(self._days)[:-MAX_DAYS]:
            lost = self._days.pop(number).text
            self._traffic.drop(lost)
            self.lost_days += 1
        for day in list(self._days.values())[:-WHOLE_DAYS]:
            if day.summary.rows or len(day.rests.rows) > most_rests(1):
                day.fold()

    def _row(self, event: Operation, day: _Day) -> Any:
        if event.key is None:
            # Of a key that is not to be told, the bucket.
            return day.rests.row((event.route, event.bucket, "", 0))
        summary = day.summary
        key = event.route, event.bucket, event.key
        row = summary.rows.get(key)
        if row is None:
            # Before it comes in: it weighs nothing yet.
            summary.trim()
            row = summary.rows[key] = [summary.floor, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None, None]
        return row

    def _count_read(self, event: Operation, day: _Day) -> None:
        row, times = self._row(event, day), event.weight
        row[READS] += times
        row[READ_BYTES] += event.size * times
        if event.cache in _CACHES:
            row[CACHE_HITS] += times
        if event.is_fallback:
            row[FALLBACK_READS] += times
        if row[LAST_READ_AT] is None or row[LAST_READ_AT] < event.at:
            row[LAST_READ_AT] = event.at

    def _count_write(self, event: Operation, day: _Day) -> None:
        row, times = self._row(event, day), event.weight
        row[WRITES] += times
        row[WRITTEN_BYTES] += event.size * times
        if row[LAST_WRITTEN_AT] is None or row[LAST_WRITTEN_AT] < event.at:
            row[LAST_WRITTEN_AT] = event.at
