"""From a caller's body to its stored form, in the memory of a frame and a spool, however large it is."""

from __future__ import annotations

import base64
import hashlib
import logging
import zlib
from collections.abc import Callable, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from foodco_storage.compression.codecs import compressor, decompressor
from foodco_storage.compression.sources import SPOOL_MEMORY_BYTES, Given, given
from foodco_storage.flows.compression_effects import DICTIONARY_FOR_BYTES, Dictionary, Pack, Packed, Packing
from foodco_storage.flows.seek_table import Frame, written
from foodco_storage.flows.stored_form import MOST_FRAMES, StoredForm

SAMPLE_BYTES: Final = 64 * 1024
"""So much of a body tells whether it is worth compressing."""

_FRAME_CHECKSUM: Final = 4

logger = logging.getLogger("foodco_storage")


def pack(effect: Pack) -> Packed:
    """Make the stored form of a body, where that pays."""
    packing, body = effect.packing, given(effect.body)
    if body is None or _is_too_small(body, effect):
        return Packed(effect.body)
    first = body.read(packing.frame_bytes)
    if first is None:
        return Packed(effect.body)
    if len(first) < packing.min_bytes:
        return body.untouched(first)
    is_small = len(first) <= DICTIONARY_FOR_BYTES and len(first) < packing.frame_bytes
    dictionary = effect.dictionary if is_small else None
    compress = compressor(packing.level, dictionary).compress
    if len(first) > SAMPLE_BYTES and not _gains(len(compress(first[:SAMPLE_BYTES])), SAMPLE_BYTES, packing):
        return body.untouched(first)
    return _Form(effect, body, compress, dictionary).made(first)


def _is_too_small(body: Given, effect: Pack) -> bool:
    size = body.size
    # One whose length is not what the caller says is botocore's to fail with.
    return size is not None and (size < effect.packing.min_bytes or effect.length not in {None, size})


def _gains(stored: int, size: int, packing: Packing) -> bool:
    return stored <= size * (1 - packing.min_gain)


class _Form:
    """A stored form in the making."""

    def __init__(
        self,
        effect: Pack,
        body: Given,
        compress: Callable[[Any], bytes],
        dictionary: Dictionary | None,
    ) -> None:
        self._effect = effect
        self._body = body
        self._compress = compress
        self._dictionary = dictionary
        self._digests = Digests(effect.checks)
        self._frames: list[Frame] = []
        self._out: Any = None

    def made(self, first: Any) -> Packed:
        """Compress everything, of which the first frame's content is at hand."""
        frame_bytes = self._effect.packing.frame_bytes
        try:
            head, content = self._compressed(first), first
            following = self._body.read(frame_bytes)
            if not following:
                return self._judged(head, b"") or self._body.untouched(first)
            self._out = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115 - handed on, or closed below
            self._out.write(head)
            del head, first
            while following:
                content = following
                self._out.write(self._compressed(content))
                following = self._body.read(frame_bytes)
            return self._judged(None, written(self._frames)) or self._as_it_was()
        except OSError as error:
            # No room for the spool, or the body can't be read: then botocore says so.
            self._close()
            if (again := self._body.again()) is None:
                raise
            logger.warning("a body is sent as it is, since there is no room to compress it: %s", error)
            return again
        except BaseException:
            self._close()
            raise

    def _compressed(self, content: Any) -> bytes:
        self._digests.update(content)
        frame = self._compress(content)
        # zstd's own checksum at the end of a frame is the one that the seek table wants.
        self._frames.append(Frame(len(frame), len(content), int.from_bytes(frame[-_FRAME_CHECKSUM:], "little")))
        return frame

    def _judged(self, only: bytes | None, table: bytes) -> Packed | None:
        """What has been made; None where it was not worth it after all."""
        effect, digests = self._effect, self._digests
        size = digests.size
        stored = sum(frame.stored_size for frame in self._frames) + len(table)
        # A body may give more, or less, than it has told.
        is_wrong = effect.length not in {None, size} or self._body.size not in {None, size}
        failed = "length" if is_wrong else digests.failed()
        if failed:
            self._close()
            return Packed(None, failed=failed)
        if not _gains(stored, size, effect.packing) or len(self._frames) > MOST_FRAMES:
            return None
        form = StoredForm(
            size,
            stored,
            digests.crc32,
            digests.md5.hex(),
            len(self._frames),
            zlib.crc32(table) if table else 0,
            self._dictionary.id if self._dictionary is not None else "",
            effect.content_encoding,
            digests.own_checksum(),
        )
        if only is not None:
            return Packed(only, stored, form, hashlib.md5(only, usedforsecurity=False).digest())
        self._out.write(table)
        self._out.seek(0)
        digest = hashlib.file_digest(self._out, _md5).digest()
        self._out.seek(0)
        return Packed(self._out, stored, form, digest)

    def _close(self) -> None:
        if self._out is not None:
            self._out.close()

    def _as_it_was(self) -> Packed:
        if (again := self._body.again()) is not None:
            self._close()
            return again
        # It can't be read a second time: what was made of it is turned back.
        plain: Any = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115 - handed on
        try:
            self._out.seek(0)
            for frame in self._frames:
                plain.write(decompressor(self._dictionary).decompress(self._out.read(frame.stored_size)))
            plain.seek(0)
        except BaseException:
            plain.close()
            raise
        self._close()
        return Packed(plain, self._digests.size)


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


class Digests:
    """What a body's digests are, and what the caller says that they are.

    Args:
        checks: by algorithm, in base64; empty where it is to be found out.
    """

    def __init__(self, checks: Mapping[str, str]) -> None:
        self._checks = checks
        self._md5 = _md5()
        self._others = {name: hashlib.new(name.lower(), usedforsecurity=False) for name in checks if name in _SECURE}
        self.crc32 = 0
        self.size = 0

    @property
    def md5(self) -> bytes:
        """Of all that has passed."""
        return bytes(self._md5.digest())

    def update(self, data: Any) -> None:
        """Let more pass."""
        self.size += len(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        self._md5.update(data)
        for other in self._others.values():
            other.update(data)

    def failed(self) -> str:
        """The algorithm whose digest is not what the caller says; empty for none."""
        for name, said in self._checks.items():
            if said and said != self._told(name):
                return name
        return ""

    def own_checksum(self) -> str:
        """The caller's, beyond those that are kept of everything."""
        return next((f"{name}:{self._told(name)}" for name in self._others), "")

    def _told(self, name: str) -> str:
        if name == "MD5":
            digest = self.md5
        elif name == "CRC32":
            digest = self.crc32.to_bytes(4, "big")
        else:
            digest = self._others[name].digest()
        return base64.b64encode(digest).decode("ascii")


_SECURE: Final = frozenset({"SHA1", "SHA256"})
"""S3's names of what hashlib computes, beside the two that are kept of everything."""
