"""What tells a cached object from one that was written since: a number for each of many slots of keys.

A write changes the number of its key's slot; what was asked for under another number is good no more. So a write invalidates
in one step, whatever was cached where, and also what somebody is about to cache: a read that began before the write keeps the
number from then. In a file that processes share, every process of the host sees the change at once.

Numbers are random: of two writers at once each leaves one that nobody has seen, and so does one of whose number a reader sees
half. A file that was lost begins with numbers that nobody has seen either.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import weakref
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

logger = logging.getLogger("foodco_storage")

SLOTS: Final = 1 << 18
"""Keys that share a slot invalidate each other, which costs a request."""

GENERATIONS: Final = "generations"
"""The file that processes share, beside the directories of the routes: a write through one of them is one for all."""

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
        self._path = path
        # Added to every number: changes all of them at once.
        self._shift = 0
        self._file: int | None = None
        if path is None:
            # Nothing was cached before by a process that begins.
            self._own = memoryview(bytearray(_BYTES)).cast("Q")
            self._numbers = self._own
        else:
            self._file = _opened(path)
            weakref.finalize(self, os.close, self._file)
            self._numbers = memoryview(mmap.mmap(self._file, _BYTES, prot=mmap.PROT_READ)).cast("Q")

    def of(self, slots: Sequence[int]) -> int:
        """The number of a key's slots together, below 2 ** 64."""
        if len(slots) == 1:
            return (self._numbers[slots[0]] + self._shift) & _MASK
        return (sum(self._numbers[slot] for slot in slots) + self._shift) & _MASK

    def change(self, slots: Iterable[int]) -> None:
        """What is cached for these slots is good no more."""
        for slot in slots:
            if self._file is None:
                self._own[slot] = secrets.randbits(64)
                continue
            try:
                # Not by the mapping: where the disk is full, a file system that never writes in place would end the process.
                os.pwrite(self._file, os.urandom(8), 8 * slot)
            except OSError as error:
                self._change_here(error)

    def change_all(self) -> None:
        """Nothing that is cached is good any more.

        Raises:
            OSError: the others can't be told.
        """
        if self._file is None:
            self._shift = secrets.randbits(64)
        else:
            os.pwrite(self._file, os.urandom(_BYTES), 0)

    def _change_here(self, error: OSError) -> None:
        """Others can't be told of a write: to them it is as one of another host. Here nothing is good any more."""
        if not self._shift:
            logger.warning(
                "%s: other processes are not told of writes, and see them when ttl_seconds have passed: %s",
                self._path,
                error,
            )
        self._shift = secrets.randbits(64)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        # Whole or not at all: whoever finds the file finds random numbers in it.
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            with open(made, "xb", opener=_private) as new:
                new.write(os.urandom(_BYTES))
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink(missing_ok=True)
        file = os.open(path, flags)
    size = os.fstat(file).st_size
    if size != _BYTES:
        os.close(file)
        raise OSError(f"{path} has {size} bytes and not {_BYTES}: remove it, and what is cached is asked for again")
    return file


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
