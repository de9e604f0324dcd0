"""The seek table of zstd's seekable format: where each frame of an object begins.

A skippable frame at the end of the object, which `zstd -d` passes over. Little-endian: magic number 0x184D2A5E, size of the
rest; for each frame its stored size, its size and the low 32 bits of the XXH64 of its content; number of frames, descriptor
(bit 7: with checksums), magic number 0x8F92EAB1.
https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from foodco_storage.flows.stored_form import LARGEST_FRAME_BYTES, StoredForm

_SKIPPABLE: Final = 0x184D2A5E
_SEEKABLE: Final = 0x8F92EAB1
_WITH_CHECKSUMS: Final = 0x80
_HEADER: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_ENTRY: Final = struct.Struct("<III")


class BadTableError(ValueError):
    """A seek table is not that of its object."""


class Frame(NamedTuple):
    """One frame.

    Args:
        stored_size: bytes of it.
        size: bytes of its content.
        checksum: the low 32 bits of the XXH64 of its content.
    """

    stored_size: int
    size: int
    checksum: int


class Cut(NamedTuple):
    """The frames that hold a part of an object.

    Args:
        frames: in order.
        start: the first byte of them that lies in the store.
        skip: bytes of their content before the part.
    """

    frames: Sequence[Frame]
    start: int
    skip: int

    @property
    def end(self) -> int:
        """The byte in the store after the last of them."""
        return self.start + sum(frame.stored_size for frame in self.frames)


def table_bytes(frames: int) -> int:
    """The size of the table of so many frames."""
    return _HEADER.size + frames * _ENTRY.size + _FOOTER.size


def written(frames: Sequence[Frame]) -> bytes:
    """A seek table."""
    entries = b"".join(_ENTRY.pack(*frame) for frame in frames)
    head = _HEADER.pack(_SKIPPABLE, len(entries) + _FOOTER.size)
    return head + entries + _FOOTER.pack(len(frames), _WITH_CHECKSUMS, _SEEKABLE)


class SeekTable:
    """Where the frames of an object lie.

    Args:
        entries: the table's, as they stand in it.
    """

    __slots__ = ("_entries", "_starts", "_stored_starts")

    def __init__(self, entries: bytes) -> None:
        self._entries = entries
        stored, sizes = array("Q", [0]), array("Q", [0])
        for stored_size, size, _ in _ENTRY.iter_unpack(entries):
            stored.append(stored[-1] + stored_size)
            sizes.append(sizes[-1] + size)
        self._starts, self._stored_starts = sizes, stored

    @classmethod
    def read(cls, data: bytes, form: StoredForm) -> SeekTable:
        """Read the table of an object.

        Args:
            data: the object's last `table_bytes(form.frames)` bytes.
            form: what the object's metadata say. Nothing in the table is believed that is at odds with it.

        Raises:
            BadTableError: it is another object's, or damaged.
        """
        if len(data) != table_bytes(form.frames) or zlib.crc32(data) != form.table_crc32:
            raise BadTableError("its seek table is not the one that was written")
        magic, rest = _HEADER.unpack_from(data)
        count, descriptor, end_magic = _FOOTER.unpack_from(data, len(data) - _FOOTER.size)
        told = (magic, rest, count, descriptor, end_magic)
        if told != (_SKIPPABLE, len(data) - _HEADER.size, form.frames, _WITH_CHECKSUMS, _SEEKABLE):
            raise BadTableError(f"what lies at its end is no seek table of {form.frames} frames")
        entries = data[_HEADER.size : -_FOOTER.size]
        for stored_size, size, _ in _ENTRY.iter_unpack(entries):
            # What can't be compressed grows by a little (ZSTD_COMPRESSBOUND).
            if not (0 < size <= LARGEST_FRAME_BYTES and 0 < stored_size <= size + size // 128 + 1024):
                raise BadTableError("its seek table has a frame of a size that none has")
        table = cls(entries)
        if table._starts[-1] != form.size or table._stored_starts[-1] + len(data) != form.stored_size:
            raise BadTableError("the frames of its seek table do not add up to the object")
        return table

    @property
    def memory_bytes(self) -> int:
        """What it takes, about."""
        return len(self._entries) + 8 * (len(self._starts) + len(self._stored_starts))

    def cut(self, start: int, end: int) -> Cut:
        """The frames that hold a part.

        Args:
            start: its first byte.
            end: the byte after its last.
        """
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, end - 1) - 1
        entries = self._entries[first * _ENTRY.size : (last + 1) * _ENTRY.size]
        frames = tuple(Frame(*entry) for entry in _ENTRY.iter_unpack(entries))
        return Cut(frames, self._stored_starts[first], start - self._starts[first])
