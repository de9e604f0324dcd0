"""What data tools do with each file system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.filesystem_cells import Files
from benchmarks.filesystem_rows import Action, Extent, Row

_TABLE, _ARRAY = "table.parquet", "array.zarr"
_COLUMNS, _COLUMN = 20, "c7"
_EDGE = 256
"""Of a chunk, in values of 4 bytes."""


def tool_rows(extent: Extent, directory: Path, stack: ExitStack, say: Callable[[str], None]) -> Iterator[Row]:
    """Lay files and give what is done with them, by the tools that are installed.

    Args:
        extent: how much.
        directory: of the bucket.
        stack: closes at the end what rows have opened.
        say: is told which tools are not installed.
    """
    for module, make in {"pyarrow": _parquet, "zarr": _zarr}.items():
        if find_spec(module) is None:
            say(f"{module} is not installed, and left out")
        else:
            yield make(extent, directory, stack)


def _parquet(extent: Extent, directory: Path, _: ExitStack) -> Row:
    import pyarrow as pa  # noqa: PLC0415 - may be missing
    import pyarrow.parquet as pq  # noqa: PLC0415

    def column() -> pa.Array:
        return pa.Array.from_buffers(
            pa.int64(), extent.table_rows, [None, pa.py_buffer(os.urandom(8 * extent.table_rows))]
        )

    table = pa.table({f"c{number}": column() for number in range(_COLUMNS)})
    pq.write_table(table, directory / _TABLE, row_group_size=-(-extent.table_rows // 5))
    return Row(
        f"one of {_COLUMNS} columns by pyarrow, of {(directory / _TABLE).stat().st_size / 1e6:.0f} MB",
        lambda files: partial(pq.read_table, files.root + _TABLE, filesystem=files.fs, columns=[_COLUMN]),
        table.select([_COLUMN]).equals,
    )


def _zarr(extent: Extent, directory: Path, stack: ExitStack) -> Row:
    import numpy as np  # noqa: PLC0415 - may be missing
    import zarr  # noqa: PLC0415
    from zarr.core.sync import sync  # noqa: PLC0415

    edge = _EDGE * extent.chunks
    values = np.random.default_rng(1).random((2 * edge, 2 * edge), dtype="f4")
    path = directory / _ARRAY
    # Uncompressed: what is measured is not zarr's decompression.
    zarr.create_array(path, shape=values.shape, chunks=(_EDGE, _EDGE), dtype="f4", compressors=None)[:] = values

    def read(files: Files) -> Action:
        fs = files.make(asynchronous=True)
        if files.close is not None:
            stack.callback(lambda: sync(files.close(fs)))
        store = zarr.storage.FsspecStore(fs, read_only=True, path=files.root + _ARRAY)
        array = zarr.open_array(store, mode="r")
        return lambda: array[:edge, :edge]

    return Row(
        f"{extent.chunks**2} chunks of 256 KiB by zarr", read, lambda got: np.array_equal(got, values[:edge, :edge])
    )
