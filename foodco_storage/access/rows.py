"""What goes into the store. Counts are floats: of a sample, one operation stands for several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from foodco_storage.access.prefixes import WHOLE

LIBRARY = "library"
"""The source of what this library's clients did."""

SERVER_LOG = "server log"
"""The source of what S3's own access logs tell, whoever did it."""

ACCESS_NAMES = ("day", "source", "route", "bucket", "key", "depth")
ACCESS_SUMS = (
    "lost",
    "reads",
    "read_bytes",
    "cache_hits",
    "fallback_reads",
    "writes",
    "written_bytes",
    "deletes",
)
ACCESS_LATEST = ("last_read_at", "last_written_at")

TRAFFIC_NAMES = ("day", "service", "route", "bucket", "phase", "operation", "backend", "cache", "outcome", "why")
TRAFFIC_SUMS = ("operations", "size", "seconds")

REQUEST_NAMES = ("day", "service", "backend", "operation", "status")
REQUEST_SUMS = ("requests", "attempts", "retries", "sent_bytes", "received_bytes", "seconds")

READER_NAMES = ("day", "bucket", "requester", "agent", "operation")
READER_SUMS = ("operations", "size")

LOST, READS, READ_BYTES, CACHE_HITS, FALLBACK_READS, WRITES, WRITTEN_BYTES, DELETES, LAST_READ_AT, LAST_WRITTEN_AT = (
    range(10)
)
"""Where each of them stands in the list that a window keeps for a key."""


class AccessRow(Struct, frozen=True, kw_only=True, gc=False):
    """What was done to one object on one day, all times together.

    Args:
        day: the UTC date, `YYYY-MM-DD`.
        bucket: as callers say it.
        key: the object's; where `depth` is smaller than `WHOLE`, a prefix.
        route: the route's name; empty where there was none.
        depth: `WHOLE`, or how deep a prefix is that stands for keys no longer told apart (`prefixes`).
        lost: of reads, writes and deletes, so many at most are missing here: they went into the rows of prefixes.
        reads: GETs that got a body or a 304.
        read_bytes: of their bodies.
        cache_hits: of the reads, those that a cache answered.
        fallback_reads: of the reads, those that a fallback answered.
        writes: PUTs, copies and completed multipart uploads.
        written_bytes: of their bodies.
        deletes: DELETEs.
        last_read_at: of the last read, in seconds since the epoch; None where there is none.
        last_written_at: of the last write, the same.
    """

    day: str
    bucket: str
    key: str
    route: str = ""
    depth: int = WHOLE
    lost: float = 0.0
    reads: float = 0.0
    read_bytes: float = 0.0
    cache_hits: float = 0.0
    fallback_reads: float = 0.0
    writes: float = 0.0
    written_bytes: float = 0.0
    deletes: float = 0.0
    last_read_at: float | None = None
    last_written_at: float | None = None


class ReaderRow(Struct, frozen=True, kw_only=True, gc=False):
    """Who did what to a bucket on one day, from S3's own logs.

    Args:
        day: the UTC date, `YYYY-MM-DD`.
        bucket: the bucket.
        requester: the ARN or canonical id; `-` for anonymous requests.
        agent: the program, from its user agent.
        operation: S3's name, `REST.GET.OBJECT`.
        operations: how many.
        size: bytes of their answers.
    """

    day: str
    bucket: str
    requester: str
    agent: str
    operation: str
    operations: float = 0.0
    size: float = 0.0


class ObjectRow(Struct, frozen=True, kw_only=True, gc=False):
    """An object that is there, from an inventory or a listing.

    Args:
        key: the object's.
        size: in bytes.
        modified_at: when it was last written, in seconds since the epoch; None where that is unknown.
        storage_class: S3's name, `STANDARD`; empty where that is unknown.
    """

    key: str
    size: int = 0
    modified_at: float | None = None
    storage_class: str = ""


Counts = list[float | None]
"""The sums and latest times of an access row, in order."""


@dataclass(frozen=True)
class Day:
    """Accesses of one UTC date.

    Args:
        accesses: the counts by (route, bucket, key, depth).
        floor: what a key without counts here may have lost (`summary`).
    """

    accesses: Mapping[tuple[str | None, str | None, str, int], Counts] = field(default_factory=dict)
    floor: float = 0.0


@dataclass(frozen=True)
class Batch:
    """What one process has seen in some seconds.

    Args:
        days: by the UTC date, `YYYY-MM-DD`.
        traffic: the sums of `TRAFFIC_SUMS` by (day, route, ...): `TRAFFIC_NAMES` without `service`.
        requests: the sums of `REQUEST_SUMS` by (day, backend, ...): `REQUEST_NAMES` without `service`.
    """

    days: Mapping[str, Day] = field(default_factory=dict)
    traffic: Mapping[tuple[str | None, ...], list[float]] = field(default_factory=dict)
    requests: Mapping[tuple[str | None, ...], list[float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.days or self.traffic or self.requests)


def counts(row: AccessRow) -> Counts:
    """A row's sums and times, in order."""
    return [getattr(row, name) for name in (*ACCESS_SUMS, *ACCESS_LATEST)]


def added(into: Counts, more: Iterable[float | None]) -> None:
    """Add counts to others: sums, and the later of times."""
    for index, value in enumerate(more):
        if value is not None:
            before = into[index]
            if before is None:
                into[index] = value
            else:
                into[index] = before + value if index < LAST_READ_AT else max(before, value)
