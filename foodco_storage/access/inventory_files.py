"""The data files of S3 Inventory: CSV, Parquet and ORC.

Keys are URL-encoded in CSV files only, with `+` for a space
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html).
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib import import_module
from typing import IO, Any, Final, TextIO, TypeAlias
from urllib.parse import unquote_plus

from msgspec import Struct

from foodco_storage.access.bounded_lines import bounded_lines
from foodco_storage.errors import RecordsError

_NAMES: Final = {
    "bucket": "Bucket",
    "key": "Key",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "storage_class": "StorageClass",
    "e_tag": "ETag",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
}
"""The columns that are read, as Parquet and ORC name them and as CSV does."""

_NEEDED: Final = ("key", "size", "last_modified_date")
_ROWS: Final = 65_536
_MAX_ROW: Final = 1 << 20
"""Characters of a line of CSV: a key has at most 3,072, an access control list some thousands more."""


class InventoryObject(Struct, frozen=True, kw_only=True, gc=False):
    """One version of an object, or a delete marker.

    Args:
        bucket: where it lies.
        key: its key, decoded.
        size: in bytes; 0 for a delete marker.
        modified_at: when it was written, in seconds since the epoch.
        storage_class: S3's name, `STANDARD`; empty where the inventory has no such column.
        is_latest: whether it is the latest version; true where the inventory lists only those.
        is_delete_marker: whether it says that the object is deleted.
        etag: as S3 lists it, without quotes; empty where the inventory has no such column.
    """

    bucket: str
    key: str
    size: int = 0
    modified_at: float | None = None
    storage_class: str = ""
    is_latest: bool = True
    is_delete_marker: bool = False
    etag: str = ""


Reader: TypeAlias = Callable[[IO[bytes], str, str, str], Iterator[InventoryObject]]
"""Of a file's data, its name for errors, the manifest's schema, and the bucket where no column says it."""


def read_csv(file: IO[bytes], name: str, schema: str, bucket: str) -> Iterator[InventoryObject]:
    """The rows of a CSV file.

    Raises:
        RecordsError: it is damaged, or its rows are not as the schema says.
    """
    names = [column.strip() for column in schema.split(",")]
    _check({_key_of(column) for column in names}, name)
    line = 0
    try:
        with gzip.open(file, "rt", encoding="utf-8", errors="backslashreplace", newline="") as text:
            rows = csv.reader(_rows_of(text), strict=True)
            for values in rows:
                line = rows.line_num
                if len(values) != len(names):
                    raise ValueError(f"columns: {len(values)}, and the manifest names {len(names)}")  # noqa: TRY301 # told below with its line
                yield _from_csv(dict(zip(names, values, strict=True)), bucket)
    except (ValueError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordsError(name, f"at line {line} or the next: {error}") from error


def _rows_of(text: TextIO) -> Iterator[str]:
    for line in bounded_lines(text, _MAX_ROW):
        if len(line) > _MAX_ROW:
            raise ValueError(f"it is longer than {_MAX_ROW} characters")
        yield line


def _from_csv(row: Mapping[str, str], bucket: str) -> InventoryObject:
    modified = row["LastModifiedDate"]
    return InventoryObject(
        bucket=row.get("Bucket", bucket),
        key=unquote_plus(row["Key"], errors="backslashreplace"),
        size=int(row["Size"] or 0),
        modified_at=datetime.fromisoformat(modified).timestamp() if modified else None,
        storage_class=row.get("StorageClass", ""),
        is_latest=row.get("IsLatest", "true").lower() != "false",
        is_delete_marker=row.get("IsDeleteMarker", "false").lower() == "true",
        etag=row.get("ETag", ""),
    )


def read_parquet(file: IO[bytes], name: str, _schema: str, bucket: str) -> Iterator[InventoryObject]:
    """The rows of a Parquet file.

    Raises:
        RecordsError: it is damaged, a column is missing, or pyarrow is.
    """
    arrow = _pyarrow(name)
    try:
        parquet = arrow.parquet.ParquetFile(file)
        columns = [column for column in parquet.schema_arrow.names if column in _NAMES]
        _check(set(columns), name)
        for batch in parquet.iter_batches(_ROWS, columns=columns):
            yield from _from_arrow(arrow, batch, bucket)
    except (arrow.ArrowException, OSError) as error:
        raise RecordsError(name, f"it is no Parquet file, or damaged: {error}") from error


def read_orc(file: IO[bytes], name: str, _schema: str, bucket: str) -> Iterator[InventoryObject]:
    """The rows of an ORC file.

    Raises:
        RecordsError: it is damaged, a column is missing, or pyarrow is.
    """
    arrow = _pyarrow(name)
    try:
        orc = arrow.orc.ORCFile(file)
        columns = [column for column in orc.schema.names if column in _NAMES]
        _check(set(columns), name)
        for stripe in range(orc.nstripes):
            yield from _from_arrow(arrow, orc.read_stripe(stripe, columns=columns), bucket)
    except (arrow.ArrowException, OSError) as error:
        raise RecordsError(name, f"it is no ORC file, or damaged: {error}") from error


READERS: Final[dict[str, Reader]] = {"CSV": read_csv, "Parquet": read_parquet, "ORC": read_orc}
"""By the manifest's `fileFormat`."""


def _key_of(column: str) -> str:
    return next((key for key, name in _NAMES.items() if name == column), column)


def _check(columns: set[str], name: str) -> None:
    missing = [_NAMES[column] for column in _NEEDED if column not in columns]
    if missing:
        raise RecordsError(
            name, f"the inventory has no column {' and no '.join(missing)}: add it to the inventory's optional fields"
        )


def _pyarrow(name: str) -> Any:
    try:
        arrow = import_module("pyarrow")
        for module in ("pyarrow.orc", "pyarrow.parquet"):
            import_module(module)
    except ImportError as error:
        raise RecordsError(
            name, "reading Parquet and ORC needs pyarrow: pip install 'foodco-storage[telemetry]', or configure CSV"
        ) from error
    return arrow


def _from_arrow(arrow: Any, batch: Any, bucket: str) -> Iterator[InventoryObject]:
    rows = batch.num_rows
    given = {name: batch.column(name) for name in batch.schema.names}
    milliseconds = given["last_modified_date"]
    if arrow.types.is_timestamp(milliseconds.type):
        milliseconds = milliseconds.cast(arrow.timestamp("ms"), safe=False)
    given["last_modified_date"] = milliseconds.cast(arrow.int64())

    def column(name: str, otherwise: Any) -> list[Any]:
        if name not in given:
            return [otherwise] * rows
        return [otherwise if value is None else value for value in given[name].to_pylist()]

    for bucket_name, key, size, modified, storage_class, etag, is_latest, is_delete_marker in zip(
        column("bucket", bucket),
        column("key", ""),
        column("size", 0),
        column("last_modified_date", None),
        column("storage_class", ""),
        column("e_tag", ""),
        column("is_latest", True),  # noqa: FBT003 # a value, no switch
        column("is_delete_marker", False),  # noqa: FBT003 # the same
        strict=True,
    ):
        yield InventoryObject(
            bucket=bucket_name,
            key=key,
            size=size,
            modified_at=None if modified is None else modified / 1000,
            storage_class=storage_class,
            is_latest=is_latest,
            is_delete_marker=is_delete_marker,
            etag=etag,
        )
