"""The caches of a process: one for each route, shared by all clients that ask the same stores as the same user."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import register_at_fork
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foodco_storage import counting
from foodco_storage.config import Configuration
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.front.client import StorageClient
from foodco_storage.front.invalidation import Invalidation
from foodco_storage.front.principals import principal_of
from foodco_storage.telemetry import gauges

if TYPE_CHECKING:
    # Most routes have no cache.
    from foodco_storage.cache.flights import Flights
    from foodco_storage.cache.generations import Generations
    from foodco_storage.cache.route_cache import Levels, RouteCache

_SCHEME = 2
"""Entries of another form belong to another scope."""


def scope_of(stores: str, clients: Sequence[Any], block_bytes: int, *, translates: bool) -> str:
    """Who sees what is cached, as a digest: whoever asks the same stores as the same users, and cuts objects alike.

    Args:
        stores: of the route, as it is configured (`foodco_storage.front.routes.stores`).
        clients: botocore's, of each of them: which store it really is, its caller or the environment may say.
        block_bytes: how objects are cut.
        translates: whether what lies compressed is cached as what it is to users.
    """
    asked = [
        [client.meta.endpoint_url, client.meta.region_name, client.meta.partition, principal_of(client)]
        for client in clients
    ]
    return hashlib.sha256(json.dumps([_SCHEME, stores, asked, block_bytes, translates]).encode()).hexdigest()[:24]


def cache_directory(configuration: Configuration, environ: Mapping[str, str]) -> Path:
    """Where the configuration, or the user's cache directory, has what is kept on disk.

    Raises:
        ConfigurationError: nothing says where, or it is of somebody who is not known.
    """
    if configuration.cache.directory is not None:
        try:
            return Path(configuration.cache.directory).expanduser()
        except RuntimeError as error:
            message = (
                f"{configuration.cache.directory!r} begins with a user who is not known; name the directory itself"
            )
            raise ConfigurationError([Problem("cache.directory", message)]) from error
    home = environ.get("XDG_CACHE_HOME") or (f"{environ['HOME']}/.cache" if environ.get("HOME") else "")
    if not Path(home).is_absolute():
        message = "is missing, and the process has no home to put it in; name a directory on a local disk"
        raise ConfigurationError([Problem("cache.directory", message)])
    return Path(home, "foodco_storage", "cache")


class Caches:
    """Opens caches; with the same levels for whoever asks for the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: dict[tuple[Any, ...], Levels] = {}
        self._generations: dict[Path | None, Generations] = {}
        self._flights: dict[Path | None, Flights] = {}
        self._told: list[Generations] = []

    def open(
        self, configuration: Configuration, name: str, scope: str, names: Callable[[str], Iterable[str]]
    ) -> RouteCache:
        """The cache of a route.

        Args:
            configuration: validated.
            name: the route's name in it.
            scope: who sees it (`scope_of`).
            names: of a bucket as callers say it, what the stores call it.

        Raises:
            CacheError: its directory is not this user's alone, or what it needs is not installed.
            ConfigurationError: nothing says where it lies.
        """
        from foodco_storage.cache.route_cache import CLOCK, RouteCache  # noqa: PLC0415 - most routes have no cache

        options = configuration.routes[name].cache
        directory = cache_directory(configuration, os.environ) if options.disk_max_bytes is not None else None
        return RouteCache(
            self._shared(name, options, directory),
            scope,
            names,
            ttl_seconds=options.ttl_seconds,
            missing_ttl_seconds=options.missing_ttl_seconds,
            not_before=time.time() - CLOCK(),
        )

    def _shared(self, name: str, options: Any, directory: Path | None) -> Levels:
        from foodco_storage.cache.opening import open_levels  # noqa: PLC0415 - most routes have no cache

        of_disk = (options.disk_max_bytes, options.block_bytes) if directory is not None else None
        key = (name, options.memory_max_bytes, directory, of_disk)
        with self._lock:
            levels = self._levels.get(key)
            if levels is None:
                levels = self._levels[key] = open_levels(name, options, directory, self._numbers, self._leads)
                _watch(name, levels)
            return levels

    def _numbers(self, path: Path | None) -> Generations:
        """The generations of a file, or of this process, of which every write of the process is told from now on."""
        from foodco_storage.cache.generations import Generations  # noqa: PLC0415 - most routes have no cache

        found = self._generations.get(path)
        if found is None:
            found = self._generations[path] = Generations(path)
            self._told.append(found)
        if StorageClient.invalidation is None:
            StorageClient.invalidation = Invalidation(self._told)
        return found

    def _leads(self, path: Path | None) -> Flights:
        """The flights of a file: one object for each, since a process's locks on a file are all one to the kernel."""
        from foodco_storage.cache.flights import Flights  # noqa: PLC0415 - most routes have no cache

        return self._flights[path] if path in self._flights else self._flights.setdefault(path, Flights(path))

    def after_fork(self) -> None:
        """In a forked child: what the parent's threads hold is held for ever."""
        self._lock = threading.Lock()
        for generations in self._told:
            generations.after_fork()
        for levels in self._levels.values():
            levels.after_fork()


def _watch(name: str, levels: Levels) -> None:
    memory, disk, hits = levels.memory, levels.disk, levels.hits
    counting.watch("cache_saved_requests", name, lambda: hits.saved_requests)
    counting.watch("cache_saved_bytes", name, lambda: hits.saved_bytes)
    counting.watch("cache_memory_hits", name, lambda: hits.memory)
    counting.watch("cache_disk_hits", name, lambda: hits.disk)
    if memory is not None:
        counting.watch("cache_memory_bytes", name, lambda: memory.bytes)
        counting.watch("cache_memory_evictions", name, lambda: memory.evictions)
    if disk is not None:
        counting.watch("cache_disk_bytes", name, lambda: disk.usage.counted() or 0)
        counting.watch("cache_disk_evictions", name, lambda: disk.usage.evictions)
        gauges.register("foodco_storage.cache.disk.off", {"route": name}, lambda: float(disk.is_resting))


caches = Caches()
"""Those of this process."""

register_at_fork(after_in_child=caches.after_fork)
