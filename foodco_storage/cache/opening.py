"""Opening the cache of a route: its levels, and a directory that is this user's alone."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path

from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import GENERATIONS, Generations
from foodco_storage.cache.memory import Memory
from foodco_storage.cache.private import make_private
from foodco_storage.cache.route_cache import Levels
from foodco_storage.config.model import Cache
from foodco_storage.errors import CacheError

_WRONG_PATH = {errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}

logger = logging.getLogger("foodco_storage")


def open_levels(
    route: str,
    options: Cache,
    directory: Path | None,
    generations: Callable[[Path | None], Generations],
    flights: Callable[[Path | None], Flights],
) -> Levels:
    """The levels of a route's cache.

    Args:
        route: its name.
        options: the route's.
        directory: of all routes' levels on disk; None where this one has none.
        generations: those of a file, or of this process.
        flights: the same.

    Raises:
        CacheError: others may write the directory, or `xxhash` is not installed.
    """
    memory = Memory(options.memory_max_bytes) if options.memory_max_bytes is not None else None
    if directory is not None and options.disk_max_bytes is not None:
        try:
            from foodco_storage.cache import folders  # noqa: PLC0415 - needs the extra
            from foodco_storage.cache.disk import Disk  # noqa: PLC0415 - the same
        except ModuleNotFoundError as error:
            raise CacheError(str(directory), f"{error.name} is missing: pip install 'foodco-storage[cache]'") from error
        try:
            make_private(directory)
            own = folders.folder_of(directory, route)
            make_private(own)
            folders.name(own, route)
            disk = Disk(own, options.disk_max_bytes, options.block_bytes)
            return Levels(generations(directory / GENERATIONS), flights(own / "flights"), memory, disk)
        except OSError as error:
            if error.errno in _WRONG_PATH:
                raise CacheError(
                    str(directory), f"{error.strerror}: name another directory (cache.directory)"
                ) from error
            # A service whose disk is full or read-only still serves.
            logger.warning("nothing is cached on disk: %s", error)
    return Levels(generations(None), flights(None), memory, None)
