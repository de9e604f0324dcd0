"""What the tables of the cache must be beyond the types of their keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from foodco_storage.config.model import Cache, Configuration
from foodco_storage.config.plain import joined
from foodco_storage.errors import Problem

_SMALLEST_BLOCK = 4096
_LARGEST_BLOCK = 64 * 1024**2


def caches(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in the cache of each route, and in where they lie."""
    directory = configuration.cache.directory
    if directory is not None and (not (PurePath(directory).is_absolute() or directory[:1] == "~") or "\0" in directory):
        message = "must be an absolute path, or begin with '~': processes meet there wherever they were started"
        yield Problem("cache.directory", message)
    for name, route in configuration.routes.items():
        yield from _levels(f"{joined('routes', name)}.cache", route.cache)


def _levels(path: str, cache: Cache) -> Iterator[Problem]:
    levels = {"memory_max_bytes": cache.memory_max_bytes, "disk_max_bytes": cache.disk_max_bytes}
    sizes = {name: size for name, size in levels.items() if size is not None}
    if not sizes and cache != Cache():
        yield Problem(path, "keeps nothing: give memory_max_bytes or disk_max_bytes a size")
    if not _SMALLEST_BLOCK <= cache.block_bytes <= _LARGEST_BLOCK:
        yield Problem(f"{path}.block_bytes", "must be between '4KiB' and '64MiB'")
        return
    if cache.max_object_bytes < cache.block_bytes:
        yield Problem(f"{path}.max_object_bytes", "is less than block_bytes; raise it, or lower block_bytes")
    for name, size in sizes.items():
        if size < 2 * cache.block_bytes:
            yield Problem(f"{path}.{name}", "has no room for two blocks; raise it, or lower block_bytes")
