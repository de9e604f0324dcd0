"""The directories of a host's caches, one for each route and scope of credentials: for operators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from foodco_storage.cache import entry_file
from foodco_storage.cache.generations import Generations
from foodco_storage.cache.usage import Usage

ABOUT: Final = "about.json"
_ANY_SIZE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a directory.

    Args:
        route: the route's name when it was made; empty where that is not known.
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


def name(directory: Path, route: str) -> None:
    """Write down whose a directory is, unless that is known.

    Raises:
        OSError: it can't be written.
    """
    about = directory / ABOUT
    if not about.exists():
        about.touch(mode=0o600)
        about.write_text(json.dumps({"version": 1, "route": route}))


class Folder:
    """One directory.

    Args:
        directory: that has a cache.

    Raises:
        OSError: it can't be used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._usage = Usage(directory, _ANY_SIZE)

    @property
    def route(self) -> str:
        """The route's name; empty where that is not known."""
        try:
            about = json.loads((self.directory / ABOUT).read_text())
        except (OSError, ValueError):
            return ""
        return str(about.get("route", "")) if isinstance(about, dict) else ""

    def contents(self) -> Contents:
        """Count what is there."""
        files = list(self._usage.files())
        oldest = min((used for used, _, _ in files), default=None)
        return Contents(self.route, str(self.directory), len(files), sum(size for _, size, _ in files), oldest)

    def clear(self) -> int:
        """Take everything away, in the memory of running processes as well; how many files there were."""
        Generations(self.directory / "generations").change_all()
        return self._usage.clear()

    def damaged(self) -> Iterator[str]:
        """Read every file, and take away those that are damaged; their paths."""
        for _, size, path in list(self._usage.files()):
            try:
                found = entry_file.read(path, size)
            except FileNotFoundError:
                continue
            except OSError:
                found = None
            if found is None:
                yield path
                self._usage.remove(path)


def folders(directory: Path) -> list[Folder]:
    """The caches below a directory, in the order of their names; none where it is not there.

    Raises:
        OSError: it can't be read.
    """
    if not directory.is_dir():
        return []
    return [Folder(one) for one in sorted(directory.iterdir()) if (one / "data").is_dir()]
