"""The form of a file of the disk level: what it is about, the data, and a checksum over both.

    8 bytes   `FOODCO01`
    8 bytes   length of the description; all numbers are little-endian and unsigned
    8 bytes   length of the data
    8 bytes   XXH3-64 of the data, seeded with that of the description and both lengths
    8 bytes   when it was asked for, or last found unchanged: seconds since 1970, an IEEE 754 double
    8 bytes   XXH3-64 of these, seeded with the checksum above
    then      the description, MessagePack; the data

Whatever is not exactly that is no entry: a file cut short by a crash, a bit that flipped, another version. Only the date
is ever changed in place; one that does not fit its checksum is taken for long ago. XXH3 is no protection against somebody who
may write the directory; the directory's permissions are.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

import xxhash

_HEADER: Final = struct.Struct("<8sQQQdQ")
_DATE: Final = struct.Struct("<dQ")
_DATE_AT: Final = _HEADER.size - _DATE.size
_MAGIC: Final = b"FOODCO01"
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF

MAX_DESCRIPTION_BYTES: Final = 64 * 1024
"""S3 allows 8 KB of headers and 2 KB of metadata."""

_AT_ONCE: Final = 64 * 1024
"""Files up to here are read in one piece."""

LONG_AGO: Final = 0.0


class EntryFile(NamedTuple):
    """What a file holds.

    Args:
        text: the description.
        data: the data.
        asked_at: the date; `LONG_AGO` where it is damaged.
        used_at: the file's mtime, seconds since 1970.
    """

    text: bytes
    data: bytes
    asked_at: float
    used_at: float


def header(text: bytes, data: bytes, asked_at: float) -> bytes:
    """What stands before the data, the description included."""
    checksum = _checksum(text, data)
    return _HEADER.pack(_MAGIC, len(text), len(data), checksum, asked_at, _date_checksum(asked_at, checksum)) + text


def read(path: str, max_data_bytes: int) -> EntryFile | None:
    """Read a file; None where it is no whole entry.

    Args:
        path: of the file.
        max_data_bytes: more is no entry of ours.

    Raises:
        OSError: it can't be read; `FileNotFoundError` where there is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        size = status.st_size
        if not _HEADER.size <= size <= _HEADER.size + MAX_DESCRIPTION_BYTES + max_data_bytes:
            return None
        if size <= _AT_ONCE:
            whole = os.read(descriptor, size)
            if len(whole) != size:
                return None
            head, rest = whole[: _HEADER.size], None
        else:
            # Without copying the data once more.
            head, whole, rest = os.read(descriptor, _HEADER.size), b"", descriptor
        magic, described, length, checksum, asked_at, date_checksum = _HEADER.unpack(head)
        if magic != _MAGIC or described > MAX_DESCRIPTION_BYTES or _HEADER.size + described + length != size:
            return None
        if rest is None:
            start = _HEADER.size + described
            text, data = whole[_HEADER.size : start], whole[start:]
        else:
            text, data = os.read(rest, described), os.read(rest, length)
            if len(text) != described or len(data) != length:
                return None
    finally:
        os.close(descriptor)
    if _checksum(text, data) != checksum:
        return None
    if _date_checksum(asked_at, checksum) != date_checksum:
        asked_at = LONG_AGO
    return EntryFile(text, data, asked_at, status.st_mtime)


def renew(path: str, text: bytes, asked_at: float) -> bool:
    """Give a file another date, if it still has this description; whether it has.

    Raises:
        OSError: it can't be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        head = os.read(descriptor, _HEADER.size)
        if len(head) != _HEADER.size or os.read(descriptor, len(text)) != text:
            return False
        checksum = _HEADER.unpack(head)[3]
        os.pwrite(descriptor, _DATE.pack(asked_at, _date_checksum(asked_at, checksum)), _DATE_AT)
        return True
    finally:
        os.close(descriptor)


def _checksum(text: bytes, data: bytes) -> int:
    seed = xxhash.xxh3_64_intdigest(text, len(text))
    return xxhash.xxh3_64_intdigest(data, (seed ^ len(data)) & _MASK)


def _date_checksum(asked_at: float, checksum: int) -> int:
    return xxhash.xxh3_64_intdigest(struct.pack("<d", asked_at), checksum)
