"""The directories of a host's caches, one for each route: for operators."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from foodco_storage.cache import entry_file
from foodco_storage.cache.generations import GENERATIONS, Generations
from foodco_storage.cache.private import make_private
from foodco_storage.cache.usage import DATA, Usage

ABOUT: Final = "about.json"
_ANY_SIZE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a directory.

    Args:
        route: the route's name; empty where that is not known.
        directory: where.
        files: objects and blocks.
        bytes: of all of them.
        oldest_use: seconds since 1970; None where there are no files.
    """

    route: str
    directory: str
    files: int
    bytes: int
    oldest_use: float | None


def folder_of(directory: Path, route: str) -> Path:
    """Where a route keeps what it keeps, whatever its name."""
    return directory / hashlib.blake2b(route.encode(), digest_size=12).hexdigest()


def name(directory: Path, route: str) -> None:
    """Write down whose a directory is, unless that is known.

    Raises:
        OSError: it can't be written.
    """
    if _route_of(directory) != route:
        about = directory / ABOUT
        about.touch(mode=0o600)
        about.write_text(json.dumps({"version": 1, "route": route}))


def _route_of(directory: Path) -> str:
    try:
        about = json.loads((directory / ABOUT).read_text())
    except (OSError, ValueError):
        return ""
    return str(about.get("route", "")) if isinstance(about, dict) else ""


class Folder:
    """One directory.

    Args:
        directory: that has a cache.

    Raises:
        CacheError: it is not this user's alone.
        OSError: it can't be used.
    """

    def __init__(self, directory: Path) -> None:
        make_private(directory)
        self.directory = directory
        self._usage = Usage(directory, _ANY_SIZE)

    @property
    def route(self) -> str:
        """The route's name; empty where that is not known."""
        return _route_of(self.directory)

    def contents(self) -> Contents:
        """Count what is there."""
        files, total, oldest = 0, 0, None
        for used_at, size, _ in self._usage.files():
            files += 1
            total += size
            oldest = used_at if oldest is None else min(oldest, used_at)
        return Contents(self.route, str(self.directory), files, total, oldest)

    def clear(self) -> int:
        """Take all files away; how many there were."""
        return self._usage.clear()

    def damaged(self) -> Iterator[str]:
        """Read every file, and take away those that are damaged; their paths."""
        for _, size, path in self._usage.files():
            try:
                found = entry_file.read(path, size)
            except FileNotFoundError:
                continue
            except OSError:
                found = None
            if found is None:
                yield path
                self._usage.remove(path)


def forget_all(directory: Path) -> None:
    """Have everything asked for again by the processes that use the caches below a directory, whatever holds it.

    Raises:
        OSError: they can't be told.
    """
    Generations(directory / GENERATIONS).change_all()


def folders(directory: Path) -> list[Folder]:
    """The caches below a directory, in the order of their names; none where it is not there.

    Raises:
        CacheError: it is not this user's alone.
        OSError: it can't be read.
    """
    if not directory.exists():
        return []
    make_private(directory)
    return [Folder(one) for one in sorted(directory.iterdir()) if (one / DATA).is_dir()]
