"""The form of a file of the disk level: what it is about, the data, and a checksum over both.

    8 bytes   `FOODCO01`
    8 bytes   length of the description; all numbers are little-endian and unsigned
    8 bytes   length of the data
    8 bytes   XXH3-64 of the data, seeded with that of what stands before it, and with the lengths of both
    8 bytes   when it was asked for, or last found unchanged: seconds since 1970, an IEEE 754 double
    8 bytes   XXH3-64 of these, seeded with the checksum above
    then      the description, MessagePack; where the data is more than 64 KiB, nulls up to a multiple of 8192 bytes; the data

Whatever is not exactly that is no entry: a file cut short by a crash, a bit that flipped, another version. Only the date
is ever changed in place; one that does not fit its checksum is taken for long ago. XXH3 is no protection against somebody who
may write the directory; the directory's permissions are.
"""

from __future__ import annotations

import os
import struct
from typing import Final

import xxhash

_HEADER: Final = struct.Struct("<8sQQQdQ")
_DATE_AT: Final = _HEADER.size - 16
_DATE_CHECKSUM_AT: Final = _HEADER.size - 8
_MAGIC: Final = b"FOODCO01"
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF

MAX_DESCRIPTION_BYTES: Final = 64 * 1024
"""S3 allows 8 KB of headers and 2 KB of metadata."""

_BEGIN: Final = 8192
"""What is read first: all of a small object."""

_LARGE: Final = 64 * 1024
"""More data than that begins where a second read begins: it comes in one piece, and is not copied once more."""

LONG_AGO: Final = 0.0


EntryFile = tuple[bytes, bytes, float]
"""What a file holds: the description; the data; the date, `LONG_AGO` where it is damaged."""


def header(text: bytes, data: bytes, asked_at: float) -> bytes:
    """What stands before the data, the description included."""
    padded = text.ljust(_start(len(text), len(data)) - _HEADER.size, b"\0")
    checksum = _checksum(padded, data)
    date_checksum = xxhash.xxh3_64_intdigest(struct.pack("<d", asked_at), checksum)
    return _HEADER.pack(_MAGIC, len(text), len(data), checksum, asked_at, date_checksum) + padded


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
        begin = os.read(descriptor, _BEGIN)
        if len(begin) < _HEADER.size:
            return None
        magic, described, length, checksum, asked_at, date_checksum = _HEADER.unpack_from(begin)
        if magic != _MAGIC or described > MAX_DESCRIPTION_BYTES or length > max_data_bytes:
            return None
        start = _start(described, length)
        missing = start + length - len(begin)
        if missing <= 0:
            data = begin[start : start + length]
        elif len(begin) == start:
            data = os.read(descriptor, missing)
        else:
            begin += os.read(descriptor, missing)
            data = begin[start:]
    finally:
        os.close(descriptor)
    if len(data) != length or _checksum(begin[_HEADER.size : start], data) != checksum:
        return None
    if xxhash.xxh3_64_intdigest(begin[_DATE_AT:_DATE_CHECKSUM_AT], checksum) != date_checksum:
        asked_at = LONG_AGO
    return begin[_HEADER.size : _HEADER.size + described], data, asked_at


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
        date = struct.pack("<d", asked_at)
        os.pwrite(descriptor, date + xxhash.xxh3_64_digest(date, checksum)[::-1], _DATE_AT)
        return True
    finally:
        os.close(descriptor)


def _start(described: int, length: int) -> int:
    """Where the data begins."""
    start = _HEADER.size + described
    return start if length <= _LARGE else start + -start % _BEGIN


def _checksum(before: bytes, data: bytes) -> int:
    seed = xxhash.xxh3_64_intdigest(before, len(before))
    return xxhash.xxh3_64_intdigest(data, (seed ^ len(data)) & _MASK)
