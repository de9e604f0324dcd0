"""What tells a cached object from one that was written since: a number for each of many slots of keys.

A write changes the number of its key's slot; what was asked for under another number is good no more. So a write invalidates
in one step, whatever was cached where, and also what somebody is about to cache: a read that began before the write keeps the
number from then. In a file that processes share, every process of the host sees the change at once.

Numbers are random: of two writers at once each leaves one that nobody has seen. A file that was lost begins with numbers
that nobody has seen either.
"""

from __future__ import annotations

import mmap
import os
import secrets
import zlib
from pathlib import Path
from typing import Any, Final

SLOTS: Final = 1 << 16
"""Keys that share a slot invalidate each other, which costs a request."""

_BYTES: Final = 8 * SLOTS


def slot_of(bucket: str, key: str) -> int:
    """The slot of a key, the same in every process."""
    return zlib.crc32(f"{bucket}/{key}".encode("utf-8", "surrogatepass")) % SLOTS


class Generations:
    """The numbers of all slots.

    Args:
        path: the file that processes share, in a directory of ours alone; None for this process only.

    Raises:
        OSError: the file can't be made or used.
    """

    def __init__(self, path: Path | None = None) -> None:
        memory: Any = bytearray(os.urandom(_BYTES)) if path is None else _mapped(path)
        self._numbers = memoryview(memory).cast("Q")

    def of(self, slot: int) -> int:
        """The number of a slot, below 2 ** 64."""
        return self._numbers[slot]

    def change(self, slot: int) -> None:
        """What is cached for this slot is good no more."""
        # Eight aligned bytes, stored at once: nobody sees half of them.
        self._numbers[slot] = secrets.randbits(64)

    def change_all(self) -> None:
        """Nothing that is cached is good any more."""
        for slot in range(SLOTS):
            self.change(slot)


def _mapped(path: Path) -> mmap.mmap:
    try:
        return _opened(path)
    except FileNotFoundError:
        # Whole or not at all: whoever finds the file finds random numbers in it.
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with open(made, "xb", opener=_private) as file:
            file.write(os.urandom(_BYTES))
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
        return _opened(path)


def _opened(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        if size != _BYTES:
            raise OSError(f"{path} has {size} bytes and not {_BYTES}: remove it, and what is cached is asked for again")
        return mmap.mmap(descriptor, _BYTES)
    finally:
        os.close(descriptor)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
