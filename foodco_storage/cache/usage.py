"""How much the files of a cache take, counted together by all processes; and who makes room.

The count is raised before a file gets its name and lowered after one is gone, both under a lock: a crash in between leaves it
too high, never too low. Making room counts anew what is there, and so does a start of the machine, before which a file may
have been on its disk and the count not yet. Files that are being written have no name yet, and are not counted.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import struct
import threading
import time
import weakref
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

logger = logging.getLogger("foodco_storage")

BEGIN: Final = 0.95
"""Room is made from this part of the bound on,"""

END: Final = 0.8
"""until this part is reached."""

UNIT: Final = 4096
"""File systems give out bytes by so many at once."""

_UNKNOWN: Final = 0xFFFF_FFFF_FFFF_FFFF
_COUNT: Final = struct.Struct("<QQ36s")
"""What all files take, what was ever added, and since which start of the machine that is known. A CRC-32 of it follows."""

_START: Final = Path("/proc/sys/kernel/random/boot_id")
_TEMPORARY: Final = "."
_ABANDONED_SECONDS: Final = 600.0
"""A file that is being written is whole before."""

_AT_ONCE: Final = 100
_MINUTE: Final = 60.0
"""How finely files are told apart by their use, before those of the last minute in question are looked at one by one."""


class Usage:
    """The bytes of all files under `data`.

    Args:
        directory: the cache's.
        max_bytes: of all files together.
        unit: a file takes a multiple of that.

    Raises:
        OSError: the directory can't be used.
    """

    def __init__(self, directory: Path, max_bytes: int, unit: int = UNIT) -> None:
        self.max_bytes = max_bytes
        self.evictions = 0
        self._directory = directory
        self._unit = unit
        self._start = _start_of_the_machine()
        self._sweeping = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._directory / "usage", flags, 0o600)
        self._closes = weakref.finalize(self, os.close, self._file)
        with self._locked():
            is_new = not (self._directory / "data").exists()
            (self._directory / "data").mkdir(mode=0o700, exist_ok=True)
            if is_new:
                self._set(0, 0)

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
        """What all files take, at most; None where that is not known."""
        used = self._counted()[0]
        return None if used == _UNKNOWN else used

    def _counted(self) -> tuple[int, int]:
        found = os.pread(self._file, _COUNT.size + 4, 0)
        count = found[: _COUNT.size]
        if found[_COUNT.size :] != _checksum(count):
            return _UNKNOWN, 0
        used, added, start = _COUNT.unpack(count)
        return used if start == self._start else _UNKNOWN, added

    def _set(self, used: int, added: int) -> None:
        count = _COUNT.pack(used, added & _UNKNOWN, self._start)
        os.pwrite(self._file, count + _checksum(count), 0)

    def _add(self, size: int) -> None:
        used, added = self._counted()
        if used != _UNKNOWN:
            self._set(max(0, used + size), added + max(0, size))

    def _taken(self, size: int) -> int:
        return size + -size % self._unit

    def store(self, temporary: str, size: int, path: str) -> bool:
        """Give a whole file its name, in place of what has it; False where there is no room for it now.

        Raises:
            OSError: it could not be renamed.
        """
        taken = self._taken(size)
        with self._locked():
            used = self.bytes
            fits = used is not None and used + taken <= self.max_bytes
            if fits:
                before = self._taken_by(path)
                self._add(taken)
                try:
                    os.replace(temporary, path)
                except OSError:
                    self._add(-taken)
                    raise
                self._add(-before)
        if used is None or (used + taken > BEGIN * self.max_bytes and taken <= self.max_bytes):
            self._make_room()
        return fits

    def remove(self, *paths: str) -> int:
        """Take files away; how many were there.

        Raises:
            OSError: one can't be taken away.
        """
        gone = 0
        with self._locked():
            for path in paths:
                taken = self._taken_by(path)
                with suppress(FileNotFoundError):
                    os.unlink(path)
                    gone += 1
                    self._add(-taken)
        return gone

    def _taken_by(self, path: str) -> int:
        try:
            return self._taken(os.stat(path, follow_symlinks=False).st_size)
        except FileNotFoundError:
            return 0

    def _make_room(self) -> None:
        """Begin to, in a thread, unless somebody is at it."""
        if not self._sweeping.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._sweep_and_release, name="foodco-storage-cache", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending, or there are too many threads: the next file tries again.
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
        except BlockingIOError:
            # Another process is at it.
            return
        else:
            self._sweep()
        finally:
            os.close(guard)

    def _sweep(self) -> None:
        with self._locked():
            _, before = self._counted()
        # Not a list of all files: there may be millions.
        minutes: Counter[int] = Counter()
        for used_at, size, _ in self.files():
            minutes[int(used_at // _MINUTE)] += self._taken(size)
        with self._locked():
            _, now = self._counted()
            # What came since may have been found as well: rather too much than too little.
            used = minutes.total() + ((now - before) & _UNKNOWN)
            self._set(used, now)
        if used <= BEGIN * self.max_bytes:
            return
        excess = used - int(END * self.max_bytes)
        for last in sorted(minutes):
            excess -= minutes[last]
            if excess <= 0:
                self._evict(last, excess + minutes[last])
                return
        self._evict(max(minutes, default=0), excess)

    def _evict(self, last: int, excess_of_last: int) -> None:
        """Take away what was last used before a minute, and of what was used in it the oldest, so many bytes."""
        of_last, going = [], []
        for used_at, size, path in self.files():
            minute = int(used_at // _MINUTE)
            if minute == last:
                of_last.append((used_at, size, path))
            elif minute < last:
                going.append(path)
                if len(going) == _AT_ONCE:
                    # Whoever stores meanwhile waits for no more than that.
                    self.evictions += self.remove(*going)
                    going = []
        for _, size, path in sorted(of_last):
            if excess_of_last <= 0:
                break
            going.append(path)
            excess_of_last -= self._taken(size)
        self._remove_some_at_once(going)

    def _remove_some_at_once(self, paths: list[str]) -> None:
        for start in range(0, len(paths), _AT_ONCE):
            self.evictions += self.remove(*paths[start : start + _AT_ONCE])

    def files(self) -> Iterator[tuple[float, int, str]]:
        """When each was last used, its size, its path; what writers left behind is swept up."""
        now = time.time()
        with os.scandir(self._directory / "data") as folders:
            for folder in folders:
                with suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder.path) as files:
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
        gone = 0
        going: list[str] = []
        for _, _, path in self.files():
            going.append(path)
            if len(going) == _AT_ONCE:
                gone += self.remove(*going)
                going = []
        return gone + self.remove(*going)

    def after_fork(self) -> None:
        """In a forked child: a lock of its own, on a description of its own."""
        self._sweeping = threading.Lock()
        self.evictions = 0
        self._closes()
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


def _checksum(count: bytes) -> bytes:
    return zlib.crc32(count).to_bytes(4, "little")


def _start_of_the_machine() -> bytes:
    try:
        return _START.read_bytes().strip()[:36].ljust(36)
    except OSError:
        # Not Linux: what is counted is believed.
        return b" " * 36
