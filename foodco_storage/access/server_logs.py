r"""S3 server access logs: one line for each request, whoever made it.

The format is https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html, as of the column `source region`. Older
logs have fewer columns, and later ones may have more, which are ignored.

Ceph RGW writes the same columns where a bucket's logging type is `Standard`
(https://docs.ceph.com/en/latest/radosgw/bucket_logging/; `log_record` in src/rgw/rgw_bucket_logging.cc). It differs in what
it puts there, and is told by the punctuation in its request ids:

* Keys stand as they are, with spaces if they have some. AWS encodes them.
* Times are local, with their offset.
* `bytes sent` is the request's Content-Length: nothing for a GET. There is no total time, and often no status.
* Buckets of a tenant are `tenant:bucket`.

AWS says of keys only that they are URL-encoded. In fact they are twice, but once where S3 itself made the request
(`BATCH.DELETE.OBJECT`, `S3.EXPIRE.OBJECT`), so that the operation decides
(https://engineeringblog.yelp.com/2025/09/s3-server-access-logs-at-scale.html). A space is `+` or `%20`.

Nothing in a line is escaped: user agents and URIs with quotes inside, which anybody can send, are read by what stands around.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from foodco_storage.access.log_record import LogRecord

MAX_EXAMPLES: Final = 5
"""So many of the lines that are no records are told."""

MAX_LINE: Final = 65_536
"""Longer lines, in characters, are no records: S3 takes 8 KB of headers."""

_NUMBER: Final = r"(?:-|(\d{1,15}))"
_OUTCOME: Final = rf" (?:-|(\d{{3}})) (?:-|(\S+)) {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER} "
# Status and numbers at their last place in the line. The request ends there or before, so it is not looked for beyond: for
# each of many quotes that may begin one, that would be to the end of the line.
_LAST_OUTCOME: Final = re.compile(rf""".*["-]{_OUTCOME}""", re.ASCII)
_FEW_QUOTES: Final = 12
"""Twice as many as in most lines: up to here, to look for that takes longer than it saves."""

_HEAD: Final = re.compile(
    # Bucket owner, bucket, time, remote IP; requester (an account of RGW may have a name of some words), request id.
    r"\S+ (\S+) \[([^]]+)\] (?:-|(\S+)) (?:-|(\S+(?: \S+){0,9}?)) (\S+) ([A-Z][A-Z0-9]*\.[\w.]+) "
    # A key of RGW may hold anything: what ends it is the request, with a status and numbers behind it.
    r"(?:-|(\S+(?: \S*)*?)) "
    # The request's method and path. Its query is passed over: it may be a presigned URL's.
    rf"""(?:-|"-"|"([A-Z]+) ([^\s?]*).*?"){_OUTCOME}""",
    re.ASCII,
)
_TAIL: Final = re.compile(
    # Referer.
    r"""(?>"(?:.*?" (?=["-]))|\S+ )"""
    # User agent: up to where only words follow, or as many of them as there are known columns.
    r"""(?:-|"-"|"(.*?)")((?: [^\s"]+){9}(?=\ |$)|(?: [^\s"]+){1,8}$)""",
    re.ASCII,
)
_COLUMNS: Final = 7
"""The first ones, which every record has; to say what is wrong with a line."""

_TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/([12]\d{3}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_ENCODED_ONCE: Final = ("BATCH.", "S3.")


class LogLines:
    r"""The records of one file, one after the other, and a count of what is none.

    Args:
        lines: text, as a file opened with `newline="\\n"` gives it.

    Attributes:
        lines: so many were read, empty ones not counted.
        unparsed: so many of them were no records.
        examples: of the first few of these, which line and what is wrong; never what they hold.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = lines
        self.lines = 0
        self.unparsed = 0
        self.examples: list[str] = []

    def __iter__(self) -> Iterator[LogRecord]:
        for number, text in enumerate(self._source, start=1):
            line = text.rstrip("\r\n")
            if not line:
                continue
            self.lines += 1
            try:
                yield parse_line(line)
            except ValueError as error:
                self.unparsed += 1
                if len(self.examples) < MAX_EXAMPLES:
                    self.examples.append(f"line {number}: {error}")


def parse_line(line: str) -> LogRecord:
    """One line of a log, without its end.

    Raises:
        ValueError: it is no record. What it holds is not told: that may be a signature.
    """
    # What was found of the head stays, whatever follows, or lines of nothing but quotes would take for ever.
    head = _HEAD.match(line, 0, _end_of_outcomes(line)) if len(line) <= MAX_LINE else None
    tail = _TAIL.match(line, head.end()) if head is not None else None
    if head is None or tail is None:
        raise ValueError(_misfit(line))
    (
        bucket,
        time,
        remote_ip,
        requester,
        request_id,
        operation,
        key,
        method,
        path,
        status,
        error,
        sent,
        size,
        total,
        turnaround,
    ) = head.groups()
    agent, rest = tail.groups()
    is_rgw = not request_id.isalnum() and request_id != "-"
    # What comes before the first space is empty.
    last = [None if word == "-" else word for word in rest.split(" ")]
    last += [None] * (10 - len(last))
    _, version_id, _, signature, _, authentication, host, tls, access_point, needs_acl = last
    return LogRecord(
        bucket=bucket,
        at=_seconds(time),
        operation=operation,
        remote_ip=remote_ip,
        requester=requester,
        request_id=None if request_id == "-" else request_id,
        key=key if key is None or is_rgw else _decoded(key, operation),
        method=method,
        path=path,
        status=int(status) if status else None,
        error=error,
        sent_bytes=int(sent) if sent else 0,
        size=int(size) if size else None,
        seconds=int(total) / 1000 if total else None,
        turnaround_seconds=int(turnaround) / 1000 if turnaround else None,
        user_agent=agent,
        version_id=version_id,
        signature=signature,
        authentication=authentication,
        host=host,
        tls=tls,
        access_point=access_point,
        needs_acl=needs_acl == "Yes",
        is_rgw=is_rgw,
    )


def _end_of_outcomes(line: str) -> int:
    if line.count('"') <= _FEW_QUOTES:
        return len(line)
    last = _LAST_OUTCOME.match(line)
    return last.end() if last is not None else 0


def _misfit(line: str) -> str:
    if len(line) > MAX_LINE:
        return f"it is longer than {MAX_LINE} characters, which no record is"
    columns = line.count(" ") + 1
    if columns <= _COLUMNS:
        return f"columns: {columns}, a record has more"
    return f"its {columns} words are not in the order of a record's columns"


def _decoded(key: str, operation: str) -> str:
    if "%" not in key and "+" not in key:
        return key
    return _unquoted(key) if operation.startswith(_ENCODED_ONCE) else _unquoted(_unquoted(key))


@lru_cache(maxsize=8192)
def _unquoted(text: str) -> str:
    """Without escapes. Keys come again and again, and this takes as long as all else that is done for a line."""
    return unquote_plus(text, errors="backslashreplace")


@lru_cache(maxsize=4096)
def _seconds(text: str) -> float:
    """Since the epoch. Lines of one second come together: most are found in the cache."""
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise ValueError("its time is not like 06/Feb/2019:00:00:38 +0000")
    day, month, year, hour, minute, second, sign, *offset = match.groups()
    east = timedelta(hours=int(offset[0]), minutes=int(offset[1]))
    zone = timezone(-east if sign == "-" else east)
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone).timestamp()
