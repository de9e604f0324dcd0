"""What tells a cached object from one that was written since: a number for each of many slots of keys.

A write changes the number of its key's slot; what was asked for under another number is good no more. So a write invalidates
in one step, whatever was cached where, and also what somebody is about to cache: a read that began before the write keeps the
number from then. In a file that processes share, every process of the host sees the change at once.

Numbers are random: of two writers at once each leaves one that nobody has seen, and so does one of whose number a reader sees
half. A file that was lost begins with numbers that nobody has seen either.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from foodco_storage.cache.shared_file import SharedFile

logger = logging.getLogger("foodco_storage")

SLOTS: Final = 1 << 18
"""Keys that share a slot invalidate each other, which costs a request."""

GENERATIONS: Final = "generations"
"""The file that processes share, beside the directories of the routes: a write through one of them is one for all."""

LOOK_SECONDS: Final = 1.0
"""How often readers look whether somebody has removed the file, and others have made it anew."""

_BYTES: Final = 8 * SLOTS
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


def seed_of(bucket: str) -> int:
    """What the slots of a bucket's keys begin with, the same in every process."""
    return zlib.crc32(f"{bucket}/".encode("utf-8", "surrogatepass"))


def slots_of(seeds: Iterable[int], key: str) -> list[int]:
    """The slots of a key, one for each bucket that it may lie in."""
    text = key.encode("utf-8", "surrogatepass")
    return [zlib.crc32(text, seed) % SLOTS for seed in seeds]


class Generations:
    """The numbers of all slots.

    Args:
        path: the file that processes share, in a directory of ours alone; None for this process only.

    Raises:
        OSError: the file can't be made or used.
    """

    def __init__(self, path: Path | None = None) -> None:
        # Added to every number: changes all of them at once.
        self._shift = 0
        self._file: SharedFile | None = None
        self._lock = threading.Lock()
        self._descriptor = -1
        self._look_at_file_from = 0.0
        if path is None:
            # Nothing was cached before by a process that begins.
            self._numbers = memoryview(bytearray(_BYTES)).cast("Q")
        else:
            self._file = SharedFile(path, [path.parent])
            self._open(self._file)

    def of(self, slots: Sequence[int]) -> int:
        """The number of a key's slots together, below 2 ** 64."""
        if self._file is None:
            return (sum([self._numbers[slot] for slot in slots]) + self._shift) & _MASK
        if time.monotonic() >= self._look_at_file_from:
            self._look_at(self._file)
        total = self._shift
        # Not mapped: a file that somebody cuts short would end the process.
        for slot in slots:
            try:
                found = os.pread(self._descriptor, 8, 8 * slot)
            except OSError:
                found = b""
            # What is not there is a number that nobody has seen.
            total += int.from_bytes(found, "little") if len(found) == 8 else secrets.randbits(64)  # noqa: PLR2004
        return total & _MASK

    def change(self, slots: Iterable[int]) -> None:
        """What is cached for these slots is good no more."""
        if self._file is None:
            for slot in slots:
                self._numbers[slot] = secrets.randbits(64)
            return
        try:
            with self._lock:
                descriptor = self._opened(self._file)
                for slot in slots:
                    os.pwrite(descriptor, os.urandom(8), 8 * slot)
        except OSError as error:
            self._change_here(self._file, error)

    def change_all(self) -> None:
        """Nothing that is cached is good any more.

        Raises:
            OSError: the others can't be told.
        """
        if self._file is None:
            self._shift = secrets.randbits(64)
        else:
            with self._lock:
                os.pwrite(self._opened(self._file), os.urandom(_BYTES), 0)

    def _look_at(self, file: SharedFile) -> None:
        """Whether the file is still that of the others."""
        self._look_at_file_from = time.monotonic() + LOOK_SECONDS
        try:
            with self._lock:
                self._opened(file)
        except OSError as error:
            self._change_here(file, error)

    def _opened(self, file: SharedFile) -> int:
        return self._descriptor if file.is_open() else self._open(file)

    def _open(self, file: SharedFile) -> int:
        descriptor = file.descriptor()
        size = os.fstat(descriptor).st_size
        if size < _BYTES:
            # Of two who do this at once one changes the numbers of the other, which costs some requests.
            os.pwrite(descriptor, os.urandom(_BYTES - size), size)
        # In another file everything has other numbers.
        self._descriptor = descriptor
        return descriptor

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        if self._file is not None:
            self._file.after_fork()

    def _change_here(self, file: SharedFile, error: OSError) -> None:
        """Others can't be told of a write: to them it is as one of another host. Here nothing is good any more."""
        if not self._shift:
            logger.warning(
                "%s: other processes are not told of writes, and see them when ttl_seconds have passed: %s",
                file.path,
                error,
            )
        self._shift = secrets.randbits(64)
