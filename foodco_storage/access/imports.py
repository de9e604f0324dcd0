"""Bringing S3's own records into the store: server access logs, and inventories.

A location is a local file or directory, or an fsspec URL: `s3://logs/shop/`, `foodco://logs/shop/`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from gzip import BadGzipFile
from typing import IO, Any, TypeVar

import fsspec
from msgspec import Struct
from msgspec.structs import replace

from foodco_storage.access.inventory import (
    MANIFEST,
    DataFile,
    Manifest,
    find_manifest,
    inventory_objects,
    placed,
    read_manifest,
)
from foodco_storage.access.prefixes import as_text
from foodco_storage.access.records_trouble import RecordsError, shown
from foodco_storage.access.rows import SERVER_LOG, AccessRow, ObjectRow, ReaderRow
from foodco_storage.access.server_log_totals import LogTotals
from foodco_storage.access.server_logs import MAX_EXAMPLES, LogLines
from foodco_storage.access.store import Store

Naming = Callable[[str], str]
"""Tells what callers call a bucket, from what its store calls it."""

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


class InventoryReport(Struct, frozen=True, kw_only=True):
    """What came of reading an inventory.

    Args:
        bucket: whose objects it lists, as callers say it.
        source_bucket: what the store calls it.
        manifest: where it lies.
        seen_at: when S3 began to list, in seconds since the epoch.
        files: so many data files were read.
        objects: so many objects there are.
    """

    bucket: str
    source_bucket: str
    manifest: str
    seen_at: float
    files: int
    objects: int


def import_server_logs(
    store: Store,
    location: str,
    *,
    bucket: str | Naming | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> LogsReport:
    """Add server access logs to the store: every file once, in order of their names.

    A file is added whole, in one transaction, with a mark: what fails or is killed goes on where it was, when it is called
    again. Marks are by full names: the same log under two names counts twice.

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
    report, naming = LogsReport(), _naming(bucket, location)
    for one, details in _files(location, system, path):
        name, tag = shown(system.unstrip_protocol(one)), _tag(details)
        before = store.imported(name)
        if before is None:
            report = _plus(report, _import_log(store, system, one, (name, tag), naming))
        elif before == tag:
            report = _plus(report, LogsReport(known=1))
        else:
            report = _plus(report, LogsReport(changed=(name,)))
    return report


def _files(location: str, system: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = system.find(path, detail=True) or system.glob(path, detail=True)
    if not found:
        raise RecordsError(location, "no file is there: name a log, or the folder of logs")
    for name, details in sorted(found.items()):
        # Some file systems know nothing of a file that was asked for by its own name.
        known = details or system.info(name)
        if known["type"] == "file":
            yield name, known


def _naming(bucket: str | Naming | None, location: str) -> Naming:
    if callable(bucket):
        return bucket
    if bucket is None:
        return lambda name: name
    names: set[str] = set()

    def only(name: str) -> str:
        names.add(name)
        if len(names) > 1:
            listed = " and ".join(sorted(names))
            raise RecordsError(
                location,
                f"it has logs of several buckets ({listed}), and one name was given: read those of each by itself",
            )
        return bucket

    return only


def _import_log(store: Store, system: Any, path: str, mark: tuple[str, str], naming: Naming) -> LogsReport:
    name, tag = mark
    totals = LogTotals()
    try:
        with system.open(
            path, "rt", compression="infer", encoding="utf-8", errors="backslashreplace", newline="\n"
        ) as text:
            lines = LogLines(text)
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
    if not store.add_accesses(rows, SERVER_LOG, name, tag, readers):
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


def _tag(details: Mapping[str, Any]) -> str:
    """Tells whether a file has changed: its ETag, or its size."""
    return str(details.get("ETag") or details.get("etag") or details.get("size")).strip('"')


def import_inventory(
    store: Store,
    location: str,
    *,
    bucket: str | Naming | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> InventoryReport:
    """Replace what the store knows of the objects in a bucket by the newest inventory.

    Args:
        store: the host's.
        location: a `manifest.json`, or a folder that has those of one inventory below it. The data files are found in the
            same bucket, or beside it where the folder was copied.
        bucket: what callers call the bucket, or what tells it from its store's name; None where that is theirs. Under another
            one, all of its objects would pass for never read.
        storage_options: fsspec's, for the location's file system.

    Returns:
        Which inventory it was, and how many objects there are.

    Raises:
        RecordsError: there is no manifest, or a data file is missing or damaged. The store is as it was.
        StatisticsError: the store can't be used.

    Example:
        import_inventory(Store(Path("/var/lib/shop/access")), "s3://stock/shop-2019/daily/", bucket="shop")
    """
    system, path = fsspec.core.url_to_fs(location, **(storage_options or {}))
    try:
        if path.rpartition("/")[2] != MANIFEST:
            path = find_manifest(lambda: system.find(path), location)
        data = system.cat_file(path)
    except FileNotFoundError as error:
        raise RecordsError(location, "it is not there: name a manifest.json, or the inventory's folder") from error
    name = system.unstrip_protocol(path)
    manifest = read_manifest(data, name)
    called = as_text(_naming(bucket, location)(manifest.source_bucket))
    objects = store.replace_objects(called, _objects(system, path, manifest), manifest.created_at)
    return InventoryReport(
        bucket=called,
        source_bucket=manifest.source_bucket,
        manifest=shown(name),
        seen_at=manifest.created_at,
        files=len(manifest.files),
        objects=objects,
    )


def _objects(system: Any, path: str, manifest: Manifest) -> Iterator[ObjectRow]:
    if not manifest.files:
        return
    place = placed(path, manifest.files[0].key, system.isfile)

    def opened(file: DataFile) -> IO[bytes]:
        try:
            return system.open(place(file.key), "rb")  # type: ignore[no-any-return] # fsspec is untyped
        except FileNotFoundError as error:
            raise RecordsError(file.key, f"it is not there ({error}): get the whole inventory again") from error

    for one in inventory_objects(manifest, opened):
        yield ObjectRow(key=one.key, size=one.size, modified_at=one.modified_at, storage_class=one.storage_class)
