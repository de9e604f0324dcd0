"""The caches of a process: one for each route, shared by all clients that ask the same stores as the same user."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from os import register_at_fork
from pathlib import Path
from typing import Any

from foodco_storage.config import Configuration
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.errors import ConfigurationError, Problem

_SCHEME = 1
"""Entries of another form lie in another directory."""


def scope_of(stores: str, credentials: Sequence[Any]) -> str:
    """Who sees what is cached: a digest of the stores that a route joins, and as whom each of them is asked.

    Args:
        stores: of the route (`foodco_storage.front.routes.stores`).
        credentials: of each store's client, botocore's; None for an anonymous one.
    """
    # The id of the key, never the key: rotating it begins a new cache, which is the safe side.
    names = [None if one is None else str(one.access_key) for one in credentials]
    return hashlib.sha256(json.dumps([_SCHEME, stores, names]).encode()).hexdigest()[:24]


def cache_directory(configuration: Configuration, environ: Mapping[str, str]) -> Path:
    """Where the configuration, or the user's cache directory, has what is kept on disk.

    Raises:
        ConfigurationError: nothing says where.
    """
    if configuration.cache.directory is not None:
        return Path(configuration.cache.directory).expanduser().absolute()
    home = environ.get("XDG_CACHE_HOME") or (f"{environ['HOME']}/.cache" if environ.get("HOME") else "")
    if not Path(home).is_absolute():
        message = "is missing, and the process has no home to put it in; name a directory on a local disk"
        raise ConfigurationError([Problem("cache.directory", message)])
    return Path(home, "foodco_storage", "cache")


class Caches:
    """Opens caches; the same one again for whoever asks for the same."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[Any, ...], Any] = {}

    def open(self, configuration: Configuration, name: str, scope: str) -> Any:
        """The cache of a route.

        Args:
            configuration: validated.
            name: the route's name in it.
            scope: who sees it (`scope_of`).

        Raises:
            CacheError: its directory is not this user's alone, or what it needs is not installed.
            ConfigurationError: nothing says where it lies.
        """
        route = configuration.routes[name]
        directory = None
        if route.cache.disk_max_bytes is not None:
            directory = cache_directory(configuration, os.environ) / scope
        key = (directory or scope, route.cache)
        with self._lock:
            if key not in self._open:
                self._open[key] = _opened(name, route, directory)
            return self._open[key]

    def after_fork(self) -> None:
        """In a forked child: what the parent's threads hold is held for ever."""
        self._lock = threading.Lock()
        for cache in self._open.values():
            cache.after_fork()


def _opened(name: str, route: ConfiguredRoute, directory: Path | None) -> Any:
    from foodco_storage.cache.opening import open_cache  # noqa: PLC0415 - most routes have no cache

    return open_cache(name, route.cache, directory)


caches = Caches()
"""Those of this process."""

register_at_fork(after_in_child=caches.after_fork)
