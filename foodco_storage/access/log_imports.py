"""Bringing server access logs of S3 into the store: every file once.

A location is a local file or directory, or an fsspec URL: `s3://logs/shop/`, `foodco://logs/shop/`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from gzip import BadGzipFile
from typing import Any, TypeVar

import fsspec
from msgspec import Struct
from msgspec.structs import replace

from foodco_storage.access.bounded_lines import bounded_lines
from foodco_storage.access.naming import Naming, naming_of
from foodco_storage.access.rows import SERVER_LOG, AccessRow, ReaderRow
from foodco_storage.access.server_log_totals import LogTotals
from foodco_storage.access.server_logs import MAX_EXAMPLES, MAX_LINE, LogLines
from foodco_storage.access.store import Store
from foodco_storage.errors import RecordsError
from foodco_storage.places import shown

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html: the last part keeps logs from overwriting each other.
_GIVEN = re.compile(r"\d{4}(?:-\d\d){5}-[0-9A-Z]{16}\Z", re.ASCII)

_Row = TypeVar("_Row", AccessRow, ReaderRow)


class LogsReport(Struct, frozen=True, kw_only=True):
    """What came of reading server access logs.

    Args:
        files: so many were read and added.
        known: so many were left out, since they had been added before.
        changed: the names of those that have changed since they were added, and were left out.
        lines: so many were read, in `files`.
        unparsed: so many of them were no records.
        examples: of the first few of these, where and what is wrong.
        rows: so many rows of accesses were added: one for each key and day of a file.
    """

    files: int = 0
    known: int = 0
    changed: tuple[str, ...] = ()
    lines: int = 0
    unparsed: int = 0
    examples: tuple[str, ...] = ()
    rows: int = 0


def import_server_logs(
    store: Store,
    location: str,
    *,
    bucket: str | Naming | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> LogsReport:
    """Add server access logs to the store: every file once, in order of their names.

    A file is added whole, in one transaction, with a mark: what fails or is killed goes on where it was, when it is called
    again. Marks are by the names that S3 gives to logs, wherever they lie; by full names for files that are called
    otherwise, of which a copy counts once more.

    Args:
        store: the host's.
        location: a file, a directory with all below it, or a pattern (`s3://logs/shop-2026-11-*`); what ends with `.gz` is
            unpacked.
        bucket: what callers call the bucket whose logs these are, or what tells it for each; None where its store's name is
            theirs. What callers read of it is recorded under their name.
        storage_options: fsspec's, for the location's file system.

    Returns:
        How many files, lines and rows there were.

    Raises:
        RecordsError: there is no file, or one in which not a line is a record, or there are records of several buckets where
            `bucket` is a name; the files before it were added.
        StatisticsError: the store can't be used.

    Example:
        import_server_logs(Store(Path("/var/lib/shop/access")), "s3://shop-logs/access/")
    """
    system, path = fsspec.core.url_to_fs(location, **(storage_options or {}))
    report, naming = LogsReport(), naming_of(bucket, location)
    for one, details in _files(location, system, path):
        name = shown(system.unstrip_protocol(one))
        mark = _mark(name, details)
        before = store.imported(mark[0])
        if before is None:
            report = _plus(report, _import_log(store, system, one, name, mark, naming))
        elif before == mark[1]:
            report = _plus(report, LogsReport(known=1))
        else:
            report = _plus(report, LogsReport(changed=(name,)))
    return report


def _files(location: str, system: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        found = system.find(path, detail=True) or system.glob(path, detail=True)
    except ValueError as error:
        raise RecordsError(location, f"it is no location: {error}") from error
    # Some file systems know nothing of a file that was asked for by its own name.
    known = {name: details or system.info(name) for name, details in sorted(found.items())}
    files = [(name, details) for name, details in known.items() if details["type"] == "file"]
    if not files:
        raise RecordsError(location, "no file is there: name a log, or the folder of logs")
    return files


def _import_log(store: Store, system: Any, path: str, name: str, mark: tuple[str, str], naming: Naming) -> LogsReport:
    totals = LogTotals()
    try:
        with system.open(
            path, "rt", compression="infer", encoding="utf-8", errors="backslashreplace", newline="\n"
        ) as text:
            lines = LogLines(bounded_lines(text, MAX_LINE))
            for record in lines:
                totals.add(record)
    except (EOFError, BadGzipFile, zlib.error) as error:
        raise RecordsError(name, f"it is damaged, or not whole: {error}") from error
    if lines.lines and lines.lines == lines.unparsed:
        raise RecordsError(
            name, f"it is no server access log of S3 ({lines.examples[0]}): name a log, or a folder of nothing but logs"
        )
    rows, readers = totals.accesses(), totals.readers()
    called = {name: naming(name) for name in sorted({row.bucket for row in readers})}
    rows, readers = _called(rows, called), _called(readers, called)
    if not store.add_accesses(rows, SERVER_LOG, *mark, readers):
        # Another process was quicker.
        return LogsReport(known=1)
    examples = tuple(f"{name}: {example}" for example in lines.examples)
    return LogsReport(files=1, lines=lines.lines, unparsed=lines.unparsed, examples=examples, rows=len(rows))


def _called(rows: list[_Row], called: Mapping[str, str]) -> list[_Row]:
    """The rows, under the names that callers have for their buckets."""
    if all(name == bucket for name, bucket in called.items()):
        return rows
    return [replace(row, bucket=called[row.bucket]) for row in rows]


def _plus(one: LogsReport, other: LogsReport) -> LogsReport:
    return LogsReport(
        files=one.files + other.files,
        known=one.known + other.known,
        changed=one.changed + other.changed,
        lines=one.lines + other.lines,
        unparsed=one.unparsed + other.unparsed,
        examples=(one.examples + other.examples)[:MAX_EXAMPLES],
        rows=one.rows + other.rows,
    )


def _mark(name: str, details: Mapping[str, Any]) -> tuple[str, str]:
    """What a file is known by, and what tells whether it has changed: its ETag, or its size.

    Files that are called as S3 and Ceph RGW call logs are known by that alone, wherever they were copied.
    """
    given = _GIVEN.search(name)
    if given is not None:
        # Copies have no ETag, or another one.
        return given[0], str(details.get("size"))
    return name, str(details.get("ETag") or details.get("etag") or details.get("size")).strip('"')
