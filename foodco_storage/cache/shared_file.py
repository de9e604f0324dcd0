"""A file that the processes of a host share, for as long as it is that file.

A descriptor is a number. Somebody may close it (a process that becomes a daemon closes all), and the next file that is opened
gets the number; the file may be removed, and another process makes it anew under its name. Nothing is written or locked
before it is certain that the number is still the file's, and the file still has its name.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from foodco_storage.cache.private import make_private
from foodco_storage.errors import CacheError

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class SharedFile:
    """A file of a cache, opened when it is first needed, and again when it is another.

    Args:
        path: in a directory of ours alone.
        directories: of ours alone, that are made again where somebody has removed them, the uppermost first.
    """

    def __init__(self, path: Path, directories: Sequence[Path]) -> None:
        self.path = path
        self._directories = directories
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None
        self._closes: weakref.finalize[..., SharedFile] | None = None
        self._lock = threading.Lock()

    def descriptor(self) -> int:
        """The number, good until the next call by this thread.

        Raises:
            OSError: the file can't be opened.
        """
        if self.is_open():
            return self._descriptor
        with self._lock:
            return self._descriptor if self.is_open() else self._open()

    def is_open(self) -> bool:
        """Whether the number is that of the file, and the file has a name."""
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity and status.st_nlink > 0

    def _open(self) -> int:
        self.close()
        try:
            descriptor = os.open(self.path, _FLAGS, 0o600)
        except FileNotFoundError:
            self._make_directories()
            descriptor = os.open(self.path, _FLAGS, 0o600)
        status = os.fstat(descriptor)
        self._descriptor, self._identity = descriptor, (status.st_dev, status.st_ino)
        self._closes = weakref.finalize(self, _close, descriptor, self._identity)
        # A process that ends closes it anyway; whoever opens a file later on its way out must not find the number free.
        self._closes.atexit = False
        return descriptor

    def _make_directories(self) -> None:
        try:
            for directory in self._directories:
                make_private(directory)
        except CacheError as error:
            raise PermissionError(error.problem) from error

    def close(self) -> None:
        """Give the number back, if it is still the file's."""
        if self._closes is not None:
            self._closes()
        self._descriptor, self._identity, self._closes = -1, None, None

    def after_fork(self, *, close: bool = False) -> None:
        """In a forked child.

        Args:
            close: whether the child opens the file for itself, so that it shares no lock with its parent.
        """
        self._lock = threading.Lock()
        if close:
            self.close()


def _close(descriptor: int, identity: tuple[int, int]) -> None:
    with suppress(OSError):
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) == identity:
            os.close(descriptor)
