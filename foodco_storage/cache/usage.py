"""How much the files of a cache take, counted together by all processes; and who makes room.

The count is raised before a file gets its name and lowered after one is gone, both under a lock: a crash in between leaves it
too high, never too low. Making room counts anew what is there. Files that are being written have no name yet, and are not
counted.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

logger = logging.getLogger("foodco_storage")

BEGIN: Final = 0.95
"""Room is made from this part of the bound on,"""

END: Final = 0.8
"""until this part is reached."""

_UNKNOWN: Final = 0xFFFF_FFFF_FFFF_FFFF
_COUNT: Final = struct.Struct("<QQ")
"""What all files take, and what was ever added."""
_TEMPORARY: Final = "."
_ABANDONED_SECONDS: Final = 600.0
"""A file that is being written is whole before."""

_AT_ONCE: Final = 100


class Usage:
    """The bytes of all files under `data`.

    Args:
        directory: the cache's.
        max_bytes: of all files together.

    Raises:
        OSError: the directory can't be used.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.evictions = 0
        self._directory = directory
        self._sweeping = threading.Lock()
        self._open()

    def _open(self) -> None:
        path = self._directory / "usage"
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with self._locked():
            if os.fstat(self._file).st_size != _COUNT.size:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, _COUNT.pack(_UNKNOWN, 0), 0)
        self._count = mmap.mmap(self._file, _COUNT.size)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    @property
    def bytes(self) -> int | None:
        """What all files take, at most; None where that is being counted."""
        used = self._counted()[0]
        return None if used == _UNKNOWN else used

    def _counted(self) -> tuple[int, int]:
        used, added = _COUNT.unpack(self._count[:])
        return used, added

    def _add(self, size: int) -> None:
        used, added = self._counted()
        if used != _UNKNOWN:
            self._count[:] = _COUNT.pack(max(0, used + size), (added + max(0, size)) & _UNKNOWN)

    def store(self, temporary: str, size: int, path: str) -> bool:
        """Give a whole file its name, in place of what has it; False where there is no room for it now.

        Raises:
            OSError: it could not be renamed.
        """
        with self._locked():
            used = self.bytes
            fits = used is not None and used + size <= self.max_bytes
            if fits:
                before = _size(path)
                self._add(size)
                try:
                    os.replace(temporary, path)
                except OSError:
                    self._add(-size)
                    raise
                self._add(-before)
        if used is None or used + size > BEGIN * self.max_bytes:
            self._make_room()
        return fits

    def remove(self, *paths: str) -> int:
        """Take files away; how many were there."""
        gone = 0
        with self._locked():
            for path in paths:
                size = _size(path)
                with suppress(FileNotFoundError):
                    os.unlink(path)
                    gone += 1
                    self._add(-size)
        return gone

    def _make_room(self) -> None:
        """Begin to, in a thread, unless somebody is at it."""
        if not self._sweeping.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._sweep_and_release, name="foodco-storage-cache", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending.
            self._sweeping.release()

    def _sweep_and_release(self) -> None:
        try:
            self.sweep()
        except OSError as error:
            logger.warning("no room could be made in the cache on disk: %s", error)
        finally:
            self._sweeping.release()

    def sweep(self) -> None:
        """Count what is there, and take away what was not used for longest, where that is too much.

        Raises:
            OSError: the directory can't be read.
        """
        guard = os.open(self._directory / "sweep", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Another process is at it.
            os.close(guard)
            return
        try:
            self._sweep()
        finally:
            os.close(guard)

    def _sweep(self) -> None:
        with self._locked():
            _, start = self._counted()
        files = sorted(self.files())
        total = sum(size for _, size, _ in files)
        with self._locked():
            _, now = self._counted()
            # What came since may have been found as well: rather too much than too little.
            self._count[:] = _COUNT.pack(total + ((now - start) & _UNKNOWN), now)
        excess = (self.bytes or 0) - int(END * self.max_bytes)
        if (self.bytes or 0) <= BEGIN * self.max_bytes:
            return
        gone: list[str] = []
        for _, size, path in files:
            if excess <= 0:
                break
            gone.append(path)
            excess -= size
            if len(gone) == _AT_ONCE:
                self.evictions += self.remove(*gone)
                gone = []
        self.evictions += self.remove(*gone)

    def files(self) -> Iterator[tuple[float, int, str]]:
        """When each was last used, its size, its path; what writers left behind is swept up."""
        now = time.time()
        with os.scandir(self._directory / "data") as folders:
            for folder in folders:
                with suppress(NotADirectoryError), os.scandir(folder.path) as files:
                    for file in files:
                        try:
                            status = file.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        if not file.name.startswith(_TEMPORARY):
                            yield status.st_mtime, status.st_size, file.path
                        elif now - status.st_mtime > _ABANDONED_SECONDS:
                            with suppress(FileNotFoundError):
                                os.unlink(file.path)

    def clear(self) -> int:
        """Take all files away; how many there were."""
        return self.remove(*(path for _, _, path in self.files()))

    def after_fork(self) -> None:
        """In a forked child: a lock of its own, on a description of its own."""
        self._sweeping = threading.Lock()
        self._open()


def write_whole(path: str, pieces: list[bytes]) -> str:
    """Write a file under a temporary name beside its own; that name.

    Raises:
        OSError: it could not be written; nothing is left of it.
    """
    folder = os.path.dirname(path)
    temporary = f"{folder}/{_TEMPORARY}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        descriptor = os.open(temporary, flags, 0o600)
    try:
        try:
            written = os.writev(descriptor, pieces)
            size = sum(map(len, pieces))
            if written != size:
                raise OSError(f"only {written} of {size} bytes could be written to {temporary}")
        finally:
            os.close(descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary


def _size(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
