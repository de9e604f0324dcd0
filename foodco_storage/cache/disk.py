"""The level on disk: one file for each object, or for each block of a large one, shared by the processes of a host.

A scope says who sees a file: which stores were asked, as whom.

A file is written under another name and then renamed, so it is there whole or not at all; what a crash leaves is swept up.
Names of files are digests: a key never becomes a path. Reading takes no lock; what is read is believed by its checksum alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import msgspec
from dateutil.tz import tzutc

from foodco_storage.cache import entry_file
from foodco_storage.cache.usage import UNIT, Usage
from foodco_storage.flows.cached import Head

logger = logging.getLogger("foodco_storage")

REST_SECONDS: Final = 60.0
"""How long nothing is stored after the disk has failed: it may be full, or read-only."""

USED_SECONDS: Final = 60.0
"""How exactly a file remembers when it was last used."""

_DECODED: Final = 500
_SHORT: Final = 8192
_PATHS: Final = 4000
"""Of what is read often."""


class BlockOf(msgspec.Struct, frozen=True):
    """What a file with one block of an object of several is about."""

    bucket: str
    key: str
    etag: str
    generation: int
    block: int
    block_bytes: int


_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(Head)
_UTC = tzutc()


class Disk:
    """Objects and blocks, up to a number of bytes.

    Args:
        directory: of ours alone.
        max_bytes: of all files together.
        max_data_bytes: of one file's data.
        unit: a file takes a multiple of that.
        clock: seconds since 1970.

    Raises:
        OSError: the directory can't be used.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int,
        max_data_bytes: int,
        *,
        unit: int = UNIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path: Callable[..., str] = lru_cache(_PATHS)(partial(_path, str(directory / "data")))
        self._max_data_bytes = max_data_bytes
        self._clock = clock
        self.usage = Usage(directory, max_bytes, unit)
        # When this process has last told the file system that it used a file.
        self._used: dict[str, float] = {}
        self._rests_until = 0.0
        self._has_warned = False
        # Of what is read often: making it out of bytes takes as long as reading the file.
        self._decoded: dict[str, tuple[bytes, Head]] = {}

    def head(self, scope: str, bucket: str, key: str) -> tuple[Head, bytes, float] | None:
        """An object's head, its only block where it has one, and when it was asked for."""
        path = self._path(scope, bucket, key)
        found = self._read(path)
        if found is None:
            return None
        text, data, asked_at = found
        known = self._decoded.get(path)
        if known is not None and known[0] == text:
            head = known[1]
        else:
            try:
                head = _heads.decode(text)
            except (msgspec.DecodeError, ValueError):
                return None
            _restore_dates(head.response)
            if len(text) <= _SHORT:
                if len(self._decoded) >= _DECODED:
                    self._decoded.clear()
                self._decoded[path] = text, head
        if head.bucket != bucket or head.key != key:
            return None
        return head, data, asked_at

    def block(self, scope: str, head: Head, block: int) -> bytes | None:
        """One block of an object of several."""
        found = self._read(self._path(scope, head.bucket, head.key, head.etag, block))
        if found is None or found[0] != _encoded(_block_of(head, block)):
            return None
        return found[1] if len(found[1]) == head.length_of(block) else None

    def put_head(self, scope: str, head: Head, data: bytes, asked_at: float) -> None:
        """Keep a head, with its only block where it has one."""
        self._write(self._path(scope, head.bucket, head.key), head, data, asked_at)

    def put_block(self, scope: str, head: Head, block: int, data: bytes) -> None:
        """Keep one block of an object of several."""
        path = self._path(scope, head.bucket, head.key, head.etag, block)
        self._write(path, _block_of(head, block), data, entry_file.LONG_AGO)

    def renew(self, scope: str, head: Head, asked_at: float) -> None:
        """The object was found unchanged."""
        text = _encoded(head)
        if text is None:
            return
        try:
            entry_file.renew(self._path(scope, head.bucket, head.key), text, asked_at)
        except FileNotFoundError:
            return
        except OSError as error:
            self._rest(error)

    def drop(self, scope: str, bucket: str, key: str) -> None:
        """Forget an object: its head, without which its blocks are not found."""
        with suppress(OSError):
            self.usage.remove(self._path(scope, bucket, key))

    def _read(self, path: str) -> entry_file.EntryFile | None:
        try:
            found = entry_file.read(path, self._max_data_bytes)
        except OSError:
            # Gone, or not to be read: a miss like any other.
            return None
        if found is None:
            with suppress(OSError):
                self.usage.remove(path)
            return None
        now = self._clock()
        if abs(now - self._used.get(path, 0.0)) > USED_SECONDS:
            self._touch(path, now)
        return found

    def _touch(self, path: str, now: float) -> None:
        if len(self._used) >= _PATHS:
            self._used.clear()
        self._used[path] = now
        with suppress(OSError):
            os.utime(path, (now, now))

    def _write(self, path: str, description: Any, data: bytes, asked_at: float) -> None:
        if self._rests_until and time.monotonic() < self._rests_until:
            return
        text = _encoded(description)
        if text is None or len(text) > entry_file.MAX_DESCRIPTION_BYTES or len(data) > self._max_data_bytes:
            return
        try:
            self.usage.write(path, [entry_file.header(text, data, asked_at), data])
        except TimeoutError:
            # Somebody holds the lock and stands still.
            return
        except OSError as error:
            self._rest(error)

    @property
    def is_resting(self) -> bool:
        """Whether nothing is written for a while, since the disk is full or can't be written."""
        return time.monotonic() < self._rests_until

    def _rest(self, error: OSError) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "the cache on disk is not written for now, and tried again every %g s: %s", REST_SECONDS, error
            )

    def after_fork(self) -> None:
        """In a forked child."""
        self.usage.after_fork()


def _path(folder: str, scope: str, bucket: str, key: str, etag: str = "", block: int = -1) -> str:
    # In this order no two things have one name: neither a number nor an ETag holds a line's end.
    name = f"{block}\n{etag}\n{scope}/{bucket}/{key}"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{folder}/{digest[:2]}/{digest}"


def _block_of(head: Head, block: int) -> BlockOf:
    return BlockOf(head.bucket, head.key, head.etag, head.generation, block, head.block_bytes)


def _encoded(description: Any) -> bytes | None:
    """None where something in an answer has no form in MessagePack that it comes back from as it was: that is not kept."""
    if isinstance(description, Head):
        for value in description.response.values():
            if isinstance(value, datetime) and not isinstance(value.tzinfo, tzutc):
                return None
    try:
        return _encoder.encode(description)
    except (TypeError, ValueError):
        return None


def _restore_dates(response: dict[str, Any]) -> None:
    """Botocore's dates have dateutil's time zone."""
    for name, value in response.items():
        if isinstance(value, datetime):
            response[name] = value.replace(tzinfo=_UTC)
