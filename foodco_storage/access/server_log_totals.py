"""What the records of a log come to: for each key and day what was done to it, and who did how much.

Counted are, of what `foodco_storage.access.server_logs` reads:

* reads: GETs of objects, of websites too, that got a body or a 304; and sources of copies, whole or in parts. No HEADs.
* writes: PUTs, copies (at their destination) and completed multipart uploads that succeeded.
* deletes: those of clients, one by one or many at once, and those of lifecycle rules.

S3 delivers logs as well as it can: a record may be missing, late, or there twice
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html). Totals are good for plans, not for bills.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from foodco_storage.access.log_record import LogRecord
from foodco_storage.access.rows import (
    ACCESS_LATEST,
    ACCESS_SUMS,
    DELETES,
    LAST_READ_AT,
    LAST_WRITTEN_AT,
    READ_BYTES,
    READS,
    WRITES,
    WRITTEN_BYTES,
    AccessRow,
    Counts,
    ReaderRow,
)

MAX_READERS: Final = 10_000
"""So many rows of who did what are told apart for one file; beyond, requesters and agents are not."""

ANYBODY: Final = "*"
"""Stands for requesters, agents and sessions that are told apart no more."""

ANONYMOUS: Final = "-"
"""The requester of what was not signed; the agent of what named none."""

_GETS: Final = frozenset({"REST.GET.OBJECT", "WEBSITE.GET.OBJECT"})
_COPIED: Final = frozenset({"REST.COPY.OBJECT_GET", "REST.COPY.PART_GET"})
_PUTS: Final = frozenset({"REST.PUT.OBJECT", "REST.COPY.OBJECT", "REST.POST.UPLOAD"})
_DELETES: Final = frozenset(
    {
        "REST.DELETE.OBJECT",
        "BATCH.DELETE.OBJECT",
        "REST.POST.DELETE_MULTI_OBJECT",  # RGW's, one for each key
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-and-other-bucket-config.html
        "S3.EXPIRE.OBJECT",
        "S3.CREATE.DELETEMARKER",
    }
)
_READ: Final = frozenset({200, 206, 304})
_NOT_MODIFIED: Final = 304

_DAY_SECONDS: Final = 86_400
_PRODUCT: Final = re.compile(r"""\W*([^/\s,;"\[\]()]{1,64})""")
_SESSION: Final = re.compile(r"(?<=:assumed-role/)(.+)/[^/]+$")
_NAMES: Final = (*ACCESS_SUMS, *ACCESS_LATEST)


class LogTotals:
    """Sums over records. Takes memory for each key of a day: give it one file, not all."""

    def __init__(self) -> None:
        self._accesses: dict[tuple[str, str, str], Counts] = {}
        self._readers: dict[tuple[str, str, str, str, str], list[float]] = {}

    def add(self, record: LogRecord) -> None:
        """Count one request."""
        day = _day(record.at // _DAY_SECONDS)
        self._add_reader(record, day)
        if record.key is not None:
            self._add_access(record, day, record.key)

    def _add_reader(self, record: LogRecord, day: str) -> None:
        who = day, record.bucket, requester(record.requester), agent(record.user_agent), record.operation
        sums = self._readers.get(who)
        if sums is None:
            if len(self._readers) >= MAX_READERS:
                who = day, record.bucket, ANYBODY, ANYBODY, record.operation
            sums = self._readers.setdefault(who, [0.0, 0.0])
        sums[0] += 1
        sums[1] += answered_bytes(record)

    def _add_access(self, record: LogRecord, day: str, key: str) -> None:
        operation, status = record.operation, record.status
        # RGW has often no status yet, a lifecycle rule never.
        is_good = record.error is None and (status is None or 200 <= status < 300)  # noqa: PLR2004 # HTTP's classes
        if operation in _GETS:
            if status in _READ or (status is None and is_good):
                self._count(record, (day, record.bucket, key), READS, READ_BYTES, LAST_READ_AT)
        elif is_good:
            if operation in _COPIED:
                self._count(record, (day, record.bucket, key), READS, READ_BYTES, LAST_READ_AT)
            elif operation in _PUTS:
                self._count(record, (day, record.bucket, key), WRITES, WRITTEN_BYTES, LAST_WRITTEN_AT)
            elif operation in _DELETES:
                self._count(record, (day, record.bucket, key), DELETES)

    def _count(
        self,
        record: LogRecord,
        what: tuple[str, str, str],
        times: int,
        size: int | None = None,
        latest: int | None = None,
    ) -> None:
        counts = self._accesses.get(what)
        if counts is None:
            counts = self._accesses[what] = [0.0] * len(ACCESS_SUMS) + [None] * len(ACCESS_LATEST)
        counts[times] = (counts[times] or 0.0) + 1
        if size is not None:
            more = answered_bytes(record) if times == READS else record.size or 0
            counts[size] = (counts[size] or 0.0) + more
        if latest is not None:
            counts[latest] = max(counts[latest] or record.at, record.at)

    def accesses(self) -> list[AccessRow]:
        """What was done to each key, each day."""
        return [
            AccessRow(day=day, bucket=bucket, key=key, **dict(zip(_NAMES, counts, strict=True)))  # type: ignore[arg-type] # sums are floats
            for (day, bucket, key), counts in self._accesses.items()
        ]

    def readers(self) -> list[ReaderRow]:
        """Who did what how often, each day: also what failed, and what has no key."""
        return [
            ReaderRow(
                day=day, bucket=bucket, requester=who, agent=program, operation=operation, operations=times, size=size
            )
            for (day, bucket, who, program, operation), (times, size) in self._readers.items()
        ]


def answered_bytes(record: LogRecord) -> int:
    """Of the answer's body. RGW does not tell them: the object's size for a GET, also for one of a part, and else 0."""
    if not record.is_rgw:
        return record.sent_bytes
    if record.operation in _GETS and record.error is None and record.status != _NOT_MODIFIED:
        return record.size or 0
    return 0


@lru_cache(maxsize=4096)
def requester(name: str | None) -> str:
    """Who asked: an ARN, a canonical user id, or `-`. Sessions of one role are one, `.../role/*`.

    Example:
        requester("arn:aws:sts::1:assumed-role/shop/i-0abc") == "arn:aws:sts::1:assumed-role/shop/*"
    """
    return ANONYMOUS if name is None else _SESSION.sub(rf"\1/{ANYBODY}", name)


@lru_cache(maxsize=4096)
def agent(header: str | None) -> str:
    """Which program asked: the name of the first product in its User-Agent, or `-`.

    Example:
        agent("Boto3/1.43.1 md/Botocore#1.43.1 ua/2.1") == "Boto3"
    """
    match = _PRODUCT.match(header or "")
    return match[1] if match else ANONYMOUS


@lru_cache(maxsize=64)
def _day(number: float) -> str:
    return datetime.fromtimestamp(number * _DAY_SECONDS, UTC).strftime("%Y-%m-%d")
