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
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

from foodco_storage.cache.shared_file import SharedFile

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
DATA: Final = "data"
_NEW: Final = "new"
"""Where files are written before they get their names."""

ABANDONED_SECONDS: Final = 60.0
"""A file that is being written is whole before."""

_LOCK_SECONDS: Final = 0.5
"""Whoever holds the lock is done in some microseconds, unless it was stopped: nobody waits for that."""

_FIRST_LOOK_SECONDS: Final = 0.0002
_LAST_LOOK_SECONDS: Final = 0.01

_AT_ONCE: Final = 100
_MINUTE: Final = 60.0
"""How finely files are told apart by their use, before those of the last minute in question are looked at one by one."""


class Usage:
    """The bytes of all files under `data`, and the writing of those that are to come there.

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
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()
        both = [directory.parent, directory]
        self._file = SharedFile(directory / "usage", both)
        self._guard = SharedFile(directory / "sweep", both)
        with self._locked() as file:
            self._make_folders(file)
        self._remove_abandoned()

    def _make_folders(self, file: int) -> None:
        is_new = not (self._directory / DATA).exists()
        for name in (DATA, _NEW):
            (self._directory / name).mkdir(mode=0o700, exist_ok=True)
        if is_new:
            self._set(file, 0, 0)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The descriptor of the count, while nobody else changes it.

        Raises:
            OSError: it can't be opened; also `TimeoutError`, where somebody who holds the lock stands still.
        """
        until = time.monotonic() + _LOCK_SECONDS
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise TimeoutError(f"{self._file.path} is locked")
        try:
            descriptor = self._file.descriptor()
            try:
                _flock(descriptor, until, self._file.path)
                if not self._file.is_open():
                    raise TimeoutError(f"{self._file.path} was made anew meanwhile")
                yield descriptor
            finally:
                # What is not locked may be unlocked as well.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def counted(self) -> int | None:
        """What all files take, at most; None where that is not known."""
        try:
            return self._counted(self._file.descriptor())[0]
        except OSError:
            return None

    def _counted(self, descriptor: int) -> tuple[int | None, int]:
        found = os.pread(descriptor, _COUNT.size + 4, 0)
        count = found[: _COUNT.size]
        if found[_COUNT.size :] != _checksum(count):
            return None, 0
        used, added, start = _COUNT.unpack(count)
        return used if start == self._start and used != _UNKNOWN else None, added

    def _set(self, descriptor: int, used: int | None, added: int) -> None:
        count = _COUNT.pack(_UNKNOWN if used is None else max(0, used), added & _UNKNOWN, self._start)
        os.pwrite(descriptor, count + _checksum(count), 0)

    def _add(self, descriptor: int, taken: int) -> None:
        used, added = self._counted(descriptor)
        if used is not None:
            self._set(descriptor, used + taken, added + max(0, taken))

    def _taken(self, size: int) -> int:
        return size + -size % self._unit

    def write(self, path: str, pieces: Sequence[bytes]) -> bool:
        """Write a file, whole or not at all, in place of what has its name; False where there is no room for it now.

        Raises:
            OSError: it could not be written; nothing is left of it.
        """
        new = f"{self._directory}/{_NEW}/{secrets.token_hex(8)}"
        try:
            try:
                _write(new, pieces)
            except FileNotFoundError:
                # Somebody has removed the directory.
                self._make_again()
                _write(new, pieces)
            return self._store(new, sum(map(len, pieces)), path)
        finally:
            with suppress(OSError):
                os.unlink(new)

    def _make_again(self) -> None:
        with self._locked() as file:
            self._make_folders(file)

    def _store(self, new: str, size: int, path: str) -> bool:
        taken = self._taken(size)
        with self._locked() as file:
            used, _ = self._counted(file)
            fits = used is not None and used + taken <= self.max_bytes
            if fits:
                before = self._taken_by(path)
                self._add(file, taken)
                try:
                    _rename(new, path)
                except OSError:
                    self._add(file, -taken)
                    raise
                self._add(file, -before)
        if used is None or (used + taken > BEGIN * self.max_bytes and taken <= self.max_bytes):
            self._make_room(taken)
        return fits

    def remove(self, *paths: str) -> int:
        """Take files away; how many were there.

        Raises:
            OSError: one can't be taken away.
        """
        gone = 0
        with self._locked() as file:
            for path in paths:
                taken = self._taken_by(path)
                with suppress(FileNotFoundError):
                    os.unlink(path)
                    gone += 1
                    self._add(file, -taken)
        return gone

    def _taken_by(self, path: str) -> int:
        try:
            return self._taken(os.stat(path, follow_symlinks=False).st_size)
        except FileNotFoundError:
            return 0

    def _make_room(self, wanted: int) -> None:
        """Begin to, in a thread, unless somebody is at it."""
        if not self._sweeping.acquire(blocking=False):
            return
        thread = threading.Thread(
            target=self._sweep_and_release, args=(wanted,), name="foodco-storage-cache", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending, or there are too many threads: the next file tries again.
            self._sweeping.release()

    def _sweep_and_release(self, wanted: int) -> None:
        try:
            self.sweep(wanted)
        except OSError as error:
            logger.warning("no room could be made in the cache on disk: %s", error)
        finally:
            self._sweeping.release()

    def sweep(self, wanted: int = 0) -> None:
        """Count what is there, and take away what was not used for longest, where that is too much.

        Args:
            wanted: bytes that are to find room.

        Raises:
            OSError: the directory can't be read.
        """
        guard = self._guard.descriptor()
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Another process is at it.
            return
        try:
            self._remove_abandoned()
            self._sweep(wanted)
        finally:
            # Not by closing: a child that was forked meanwhile has it open as well.
            fcntl.flock(guard, fcntl.LOCK_UN)

    def _sweep(self, wanted: int) -> None:
        with self._locked() as file:
            _, before = self._counted(file)
        # Not a list of all files: there may be millions.
        minutes: Counter[int] = Counter()
        for used_at, size, _ in self.files():
            minutes[int(used_at // _MINUTE)] += self._taken(size)
        with self._locked() as file:
            _, now = self._counted(file)
            # What came since may have been found as well: rather too much than too little.
            used = minutes.total() + now - before if now >= before else None
            self._set(file, used, now)
        if used is None or used + wanted <= BEGIN * self.max_bytes:
            return
        excess = used - min(int(END * self.max_bytes), self.max_bytes - wanted)
        for last in sorted(minutes):
            excess -= minutes[last]
            if excess <= 0:
                self._evict(last, excess + minutes[last])
                return
        self._evict(max(minutes, default=0) + 1, 0)

    def _evict(self, last: int, excess_of_last: int) -> None:
        """Take away what was last used before a minute, and of what was used in it the oldest, so many bytes."""
        of_last: list[tuple[float, int, str]] = []

        def going() -> Iterator[str]:
            for used_at, size, path in self.files():
                minute = int(used_at // _MINUTE)
                if minute == last:
                    of_last.append((used_at, size, path))
                elif minute < last:
                    yield path
            excess = excess_of_last
            for _, size, path in sorted(of_last):
                if excess <= 0:
                    break
                excess -= self._taken(size)
                yield path

        for gone in self._removed(going()):
            self.evictions += gone

    def _removed(self, paths: Iterable[str]) -> Iterator[int]:
        """Take files away, some at once, so that whoever stores meanwhile waits for no more than that."""
        going = iter(paths)
        while some := list(islice(going, _AT_ONCE)):
            yield self.remove(*some)

    def files(self) -> Iterator[tuple[float, int, str]]:
        """When each was last used, its size, its path."""
        with os.scandir(self._directory / DATA) as folders:
            for folder in folders:
                if not folder.is_dir(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError), os.scandir(folder.path) as files:
                    for file in files:
                        with suppress(FileNotFoundError):
                            status = file.stat(follow_symlinks=False)
                            yield status.st_mtime, status.st_size, file.path

    def _remove_abandoned(self) -> None:
        """What writers left behind that were killed."""
        now = time.time()
        with suppress(FileNotFoundError), os.scandir(self._directory / _NEW) as files:
            for file in files:
                with suppress(FileNotFoundError):
                    if now - file.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS:
                        os.unlink(file.path)

    def clear(self) -> int:
        """Take all files away; how many there were.

        Raises:
            OSError: one can't be taken away.
        """
        return sum(self._removed(path for _, _, path in self.files()))

    def after_fork(self) -> None:
        """In a forked child: its own locks, on descriptions of its own."""
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()
        self.evictions = 0
        self._file.after_fork(close=True)
        self._guard.after_fork(close=True)


def _write(path: str, pieces: Sequence[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        written = os.writev(descriptor, pieces)
    finally:
        os.close(descriptor)
    size = sum(map(len, pieces))
    if written != size:
        raise OSError(f"only {written} of {size} bytes could be written to {path}")


def _rename(new: str, path: str) -> None:
    try:
        os.replace(new, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        os.replace(new, path)


def _flock(descriptor: int, until: float, path: Path) -> None:
    pause = _FIRST_LOOK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise TimeoutError(f"{path} is locked by another process") from error
        time.sleep(pause)
        pause = min(2 * pause, _LAST_LOOK_SECONDS)


def _checksum(count: bytes) -> bytes:
    return zlib.crc32(count).to_bytes(4, "little")


def _start_of_the_machine() -> bytes:
    try:
        return _START.read_bytes().strip()[:36].ljust(36)
    except OSError:
        # Not Linux: what is counted is believed.
        return b" " * 36
