"""What is laid into a store before it is measured, and under which names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

PRIMARY = "bench-primary"
FALLBACK = "bench-fallback"

SMALL = "small.bin"
LARGE = "large.bin"
ON_FALLBACK = "only-on-the-fallback.bin"
WRITTEN = "written.bin"
LIST_PREFIX = "list/"

SMALL_BYTES = 4096
_PATTERN_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Sizes:
    """How much is stored.

    Args:
        listed_keys: keys of the listing.
        large_bytes: size of the large object.
        page_keys: keys of one page of the listing; real stores have a thousand.
    """

    listed_keys: int = 1000
    large_bytes: int = 64 * 1024 * 1024
    page_keys: int = 1000


def small_body() -> bytes:
    """4 KiB that don't compress."""
    return os.urandom(SMALL_BYTES)


def large_body(sizes: Sizes) -> bytes:
    """The content of the large object."""
    return (os.urandom(_PATTERN_BYTES) * (sizes.large_bytes // _PATTERN_BYTES + 1))[: sizes.large_bytes]


def listed_names(sizes: Sizes) -> Iterator[str]:
    """The keys of the listing, in order."""
    return (f"{LIST_PREFIX}images/{number:07}.jpg" for number in range(sizes.listed_keys))


def fill(client: Any, sizes: Sizes) -> None:
    """Make both buckets on a real store. The listing's keys lie in both: the dearest case of a merged list."""
    large = large_body(sizes)
    with ThreadPoolExecutor(8) as pool:
        for bucket in (PRIMARY, FALLBACK):
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key=SMALL, Body=small_body())
            client.put_object(Bucket=bucket, Key=LARGE, Body=large)

            def put(name: str, bucket: str = bucket) -> None:
                client.put_object(Bucket=bucket, Key=name, Body=b"x")

            list(pool.map(put, listed_names(sizes)))
    client.put_object(Bucket=FALLBACK, Key=ON_FALLBACK, Body=small_body())
