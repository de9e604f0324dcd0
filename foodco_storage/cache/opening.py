"""Opening the cache of a route: its levels, and a directory that is this user's alone."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import GENERATIONS, Generations
from foodco_storage.cache.memory import Memory
from foodco_storage.cache.route_cache import Levels
from foodco_storage.config.model import Cache
from foodco_storage.errors import CacheError

logger = logging.getLogger("foodco_storage")


def open_levels(
    route: str, options: Cache, directory: Path | None, generations: Callable[[Path | None], Generations]
) -> Levels:
    """The levels of a route's cache.

    Args:
        route: its name.
        options: the route's.
        directory: of all routes' levels on disk; None where this one has none.
        generations: those of a file, or of this process.

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
            private(directory)
            own = folders.folder_of(directory, route)
            private(own)
            folders.name(own, route)
            disk = Disk(own, options.disk_max_bytes, options.block_bytes)
            return Levels(generations(directory / GENERATIONS), Flights(own / "flights"), memory, disk)
        except OSError as error:
            # A service whose disk is full or read-only still serves.
            logger.warning("nothing is cached on disk: %s", error)
    return Levels(generations(None), Flights(), memory, None)


def private(directory: Path) -> None:
    """Make a directory for its owner only, if it is not there.

    Raises:
        CacheError: others could write it, or it is none.
        OSError: it can't be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise CacheError(str(directory), "it is a file: name another directory") from error
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise CacheError(str(directory), "it is a link: name the directory itself")
    if status.st_uid != os.geteuid():
        raise CacheError(
            str(directory),
            f"it belongs to user {status.st_uid}, and this process is user {os.geteuid()}: name a directory of this user's",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(
            str(directory),
            f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}): `chmod go-w` it, or name another",
        )
