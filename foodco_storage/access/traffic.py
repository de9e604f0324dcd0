"""Where operations were served from, and what stores were asked: sums by day, in bounded memory."""

from __future__ import annotations

from operator import add
from typing import TypeAlias

from foodco_storage.access.prefixes import ANY_BUCKET
from foodco_storage.access.rows import Batch
from foodco_storage.telemetry.events import Operation, Request

MAX_TRAFFIC_ROWS = 10_000
"""So many rows of traffic are told apart; beyond, buckets are not."""

_LOOKS = frozenset({"GetObject", "HeadObject"})
_SOURCE_DECIDES = frozenset({"source", "backfill"})
_CLASSES = {n: f"{n}xx" for n in range(2, 6)}

Sums: TypeAlias = dict[tuple[str | None, ...], list[float]]
"""By the names of what they are of, a day first (`foodco_storage.access.rows`)."""


def why(event: Operation) -> str:
    """Why a read was served from where it was.

    Returns:
        `no route`; `stale` (a cache's, since no store could be asked), `primary down` (a fallback's, since the primary could
        not answer), `phase` (the route is in `source` or `backfill`), `not on the primary` (a fallback's, since only it has
        the object); else empty. The first that is so.
    """
    if event.route is None:
        return "no route"
    if event.is_stale:
        return "stale"
    if event.is_degraded:
        return "primary down"
    if event.phase in _SOURCE_DECIDES:
        return "phase"
    return "not on the primary" if event.is_fallback else ""


class Traffic:
    """Sums of operations, and of requests."""

    def __init__(self) -> None:
        self.operations: Sums = {}
        self.requests: Sums = {}

    def count(self, event: Operation, day: str) -> None:
        """Count an operation, and the requests that it took."""
        operation, times = event.operation, event.weight
        key = (
            day,
            event.route,
            event.bucket,
            event.phase,
            operation,
            event.backend,
            event.cache,
            event.outcome,
            why(event) if operation in _LOOKS else "",
        )
        row = self.operations.get(key) or self._row(key)
        row[0] += times
        row[1] += event.size * times
        row[2] += event.seconds * times
        if event.requests:
            self.count_requests(event.requests, day, times)

    def count_requests(self, requests: tuple[Request, ...], day: str, times: float) -> None:
        """Count requests to stores."""
        for request in requests:
            status = _CLASSES.get((request.status or 0) // 100, "none")
            key = day, request.backend, request.operation, status
            row = self.requests.get(key)
            if row is None:
                row = self.requests[key] = [0.0] * 6
            attempts = request.attempts
            row[0] += times
            row[1] += attempts * times
            if attempts > 1:
                row[2] += (attempts - 1) * times
            row[3] += request.sent_bytes * times
            row[4] += request.received_bytes * times
            row[5] += request.seconds * times

    def add(self, batch: Batch) -> None:
        """Add what was counted elsewhere."""
        for names, sums in batch.traffic.items():
            row = self._row(names)
            row[:] = map(add, row, sums)
        for names, sums in batch.requests.items():
            row = self.requests.setdefault(names, [0.0] * len(sums))
            row[:] = map(add, row, sums)

    def drop(self, day: str) -> None:
        """Forget a day."""
        self.operations = {names: sums for names, sums in self.operations.items() if names[0] != day}
        self.requests = {names: sums for names, sums in self.requests.items() if names[0] != day}

    def _row(self, key: tuple[str | None, ...]) -> list[float]:
        if key not in self.operations and len(self.operations) >= MAX_TRAFFIC_ROWS:
            key = (*key[:2], ANY_BUCKET, *key[3:])
        return self.operations.setdefault(key, [0.0, 0.0, 0.0])
