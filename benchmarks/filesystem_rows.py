"""What is done with each file system, and with boto3 by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.filesystem_cells import Files
from benchmarks.stores import LARGE, LIST_PREFIX, PRIMARY, SMALL, Sizes

BAR, SMALL_OR_LARGE_BAR, CACHED_BAR = 1.0, 1.5, 10.0
"""Times as fast as s3fs, at least: anything; small files and large reads one after another; reads that the cache answers."""

RANGE_BYTES = 64 * 1024
READ_BYTES = 1024 * 1024
THREADS = 16
_FOLDER = f"{LIST_PREFIX}images"

Action = Callable[[], Any]


@dataclass(frozen=True)
class Extent:
    """How much is read.

    Args:
        sizes: of the large object and of the listing.
        times: that something small is done in a round.
        ranges: by `cat_ranges`.
        jumps: in an open file.
        files: by `cat`.
        table_rows: of a Parquet file with 20 columns of 8 bytes.
        chunks: of 256 KiB that are read, along each of two axes of an array that has twice as many.
    """

    sizes: Sizes
    times: int = 50
    ranges: int = 1000
    jumps: int = 200
    files: int = 1000
    table_rows: int = 250_000
    chunks: int = 8


@dataclass(frozen=True)
class Row:
    """One thing that is done.

    Args:
        name: of it.
        action: prepares it for a file system.
        right: whether what it gave is right.
        by_hand: the same with boto3.
        bar: how many times as fast as s3fs it must be.
        times: that it is done in a round.
        cached: with the library's cache.
    """

    name: str
    action: Callable[[Files], Action]
    right: Callable[[Any], bool]
    by_hand: Action | None = None
    bar: float = BAR
    times: int = 1
    cached: bool = False


def rows(extent: Extent, directory: Path, s3: Any, stack: ExitStack) -> Iterator[Row]:
    """Lay files and give what is done with them.

    Args:
        extent: how much.
        directory: of the bucket.
        s3: boto3's client.
        stack: closes at the end what rows have opened.
    """
    small, size = (directory / SMALL).read_bytes(), extent.sizes.large_bytes
    get = partial(_get, s3, SMALL)
    few: dict[str, Any] = {"right": small.__eq__, "times": extent.times, "bar": SMALL_OR_LARGE_BAR}
    yield Row("open and read 4 KiB", _open_and_read, by_hand=get, **few)
    yield Row("open and read 4 KiB, cached", _open_and_read, **few | {"bar": CACHED_BAR}, cached=True)
    yield Row("cat_file of 4 KiB", lambda files: partial(files.fs.cat_file, files.root + SMALL), by_hand=get, **few)
    yield Row(
        "info of an object",
        lambda files: partial(files.fs.info, files.root + SMALL),
        lambda found: found.get("size", found.get("ContentLength")) == len(small),
        partial(s3.head_object, Bucket=PRIMARY, Key=SMALL),
        times=extent.times,
    )
    many = [f"many/{number:04}" for number in range(extent.files)]
    (directory / "many").mkdir()
    for key in many:
        (directory / key).write_bytes(small)
    pool = stack.enter_context(ThreadPoolExecutor(THREADS))
    yield Row(
        f"cat of {extent.files:,} files of 4 KiB",
        lambda files: partial(files.fs.cat, [files.root + key for key in many]),
        lambda found: len(found) == len(many),
        lambda: list(pool.map(partial(_get, s3), many)),
        SMALL_OR_LARGE_BAR,
    )
    large = f"{size // 1024**2} MiB"
    yield Row(f"{large} in reads of 1 MiB", _read_on, size.__eq__, partial(_read_on_by_hand, s3), SMALL_OR_LARGE_BAR)
    whole = partial(_get, s3, LARGE)
    yield Row(f"{large} by one read()", _read_all, lambda data: len(data) == size, whole, SMALL_OR_LARGE_BAR)
    yield from _ranges(extent, directory / LARGE, s3, pool)
    yield Row(
        f"find over {extent.sizes.listed_keys:,} keys",
        lambda files: partial(files.fs.find, files.root + _FOLDER, detail=True),
        lambda found: len(found) == extent.sizes.listed_keys,
        partial(_find_by_hand, s3),
    )


def _get(s3: Any, key: str) -> bytes:
    data: bytes = s3.get_object(Bucket=PRIMARY, Key=key)["Body"].read()
    return data


def _open_and_read(files: Files) -> Action:
    return partial(_read, files, SMALL)


def _read_all(files: Files) -> Action:
    return partial(_read, files, LARGE)


def _read(files: Files, key: str) -> bytes:
    with files.fs.open(files.root + key, "rb") as opened:
        data: bytes = opened.read()
        return data


def _read_on(files: Files) -> Action:
    def read() -> int:
        with files.fs.open(files.root + LARGE, "rb") as opened:
            return _length_of(opened)

    return read


def _read_on_by_hand(s3: Any) -> int:
    return _length_of(s3.get_object(Bucket=PRIMARY, Key=LARGE)["Body"])


def _length_of(opened: Any) -> int:
    length = 0
    while data := opened.read(READ_BYTES):
        length += len(data)
    return length


def _ranges(extent: Extent, large: Path, s3: Any, pool: ThreadPoolExecutor) -> Iterator[Row]:
    """Ranges of 64 KiB that lie anywhere, the same ones for everybody."""
    places = random.Random(1)  # noqa: S311 - places, not secrets
    starts = [places.randrange(extent.sizes.large_bytes - RANGE_BYTES) for _ in range(extent.ranges)]
    ends = [start + RANGE_BYTES for start in starts]
    with large.open("rb") as file:
        expected = [_range(file, start) for start in starts]
    jumps = starts[: extent.jumps]

    def range_by_hand(start: int) -> bytes:
        span = f"bytes={start}-{start + RANGE_BYTES - 1}"
        data: bytes = s3.get_object(Bucket=PRIMARY, Key=LARGE, Range=span)["Body"].read()
        return data

    def jump(files: Files) -> Action:
        def read() -> list[bytes]:
            with files.fs.open(files.root + LARGE, "rb", **files.jumping) as opened:
                return [_range(opened, start) for start in jumps]

        return read

    yield Row(
        f"{len(starts):,} ranges of 64 KiB by cat_ranges",
        lambda files: partial(files.fs.cat_ranges, [files.root + LARGE] * len(starts), starts, ends),
        expected.__eq__,
        lambda: list(pool.map(range_by_hand, starts)),
    )
    yield Row(
        f"{len(jumps):,} ranges of 64 KiB by seek and read",
        jump,
        expected[: len(jumps)].__eq__,
        lambda: [range_by_hand(start) for start in jumps],
    )


def _range(opened: Any, start: int) -> bytes:
    opened.seek(start)
    data: bytes = opened.read(RANGE_BYTES)
    return data


def _find_by_hand(s3: Any) -> Sequence[Any]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=PRIMARY, Prefix=f"{_FOLDER}/")
    return [entry for page in pages for entry in page["Contents"]]
