"""What a shipped object holds: rows of one table, as gzipped JSON lines or as Parquet.

The same rows make the same bytes, with the same versions of the libraries.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, TypeAlias

import msgspec

from foodco_storage.access.database import KINDS

Format: TypeAlias = Literal["jsonl", "parquet"]

SUFFIXES: dict[Format, str] = {"jsonl": ".jsonl.gz", "parquet": ".parquet"}


def columns(table: str) -> tuple[str, ...]:
    """The columns of a table that is shipped; `writer` and `number`, last, say by whom and in which shipment."""
    names, sums, latest = KINDS[table]
    return (*names, *sums, *latest, "writer", "number")


def kind(column: str) -> Literal["text", "integer", "real"]:
    """What a column holds."""
    if column in {"depth", "number"}:
        return "integer"
    is_name = column == "writer" or any(column in names for names, _, _ in KINDS.values())
    return "text" if is_name else "real"


def encode(table: str, rows: Sequence[Sequence[Any]], form: Format) -> bytes:
    """The object for some rows.

    Args:
        table: of `database.KINDS`.
        rows: with all its `columns`.
        form: `jsonl` or `parquet`.

    Raises:
        ModuleNotFoundError: Parquet needs pyarrow.
    """
    return _parquet(table, rows) if form == "parquet" else _lines(table, rows)


def _lines(table: str, rows: Sequence[Sequence[Any]]) -> bytes:
    names = columns(table)
    encoded = msgspec.json.Encoder().encode_lines([dict(zip(names, row, strict=True)) for row in rows])
    # No time in it.
    return gzip.compress(encoded, compresslevel=6, mtime=0)


def _parquet(table: str, rows: Sequence[Sequence[Any]]) -> bytes:
    pa, parquet = must_have_pyarrow()
    types = {"text": pa.string(), "integer": pa.int64(), "real": pa.float64()}
    schema = pa.schema([(name, types[kind(name)]) for name in columns(table)])
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(values, field.type) for values, field in zip(by_column, schema, strict=True)]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def must_have_pyarrow() -> tuple[Any, Any]:
    """The modules that write Parquet: `pyarrow` and `pyarrow.parquet`.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Parquet needs pyarrow: pip install 'foodco-storage[telemetry]', or set telemetry.shipping.format to 'jsonl'",
            name=error.name,
        ) from error
