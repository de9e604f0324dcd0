"""Bodies as botocore takes them: bytes, text, files, and what can only be read once."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import Any, Final, TypeAlias

from foodco_storage.flows.compression_effects import Packed

SPOOL_MEMORY_BYTES: Final = 8 * 1024 * 1024
"""What is made of a body is held in memory up to here, and in an unnamed temporary file beyond (s3transfer's part size)."""

_CHUNK_BYTES: Final = 1024 * 1024


class Held:
    """A body in memory."""

    def __init__(self, body: Any, data: bytes | bytearray) -> None:
        self._body = body
        self._view = memoryview(data)
        self._position = 0
        self.size: int | None = len(data)

    def read(self, size: int) -> Any:
        """The next bytes; fewer only at the end."""
        start, self._position = self._position, self._position + size
        return self._view[start : self._position]

    def untouched(self, _: Any) -> Packed:
        """As it was given."""
        return Packed(self._body)

    def again(self) -> Packed | None:
        """The same."""
        return Packed(self._body)


class Stream:
    """A body that is read.

    Args:
        body: a file, or anything with a `read`.
    """

    def __init__(self, body: Any) -> None:
        self._body = body
        self._start, self.size = _extent(body)
        self._surplus = b""
        # s3transfer counts what is read of an upload while it is being sent: which is what happens to it here.
        if hasattr(body, "signal_transferring"):
            body.signal_transferring()

    def read(self, size: int) -> Any:
        """The next bytes; fewer only at the end. None for a file of text, at its beginning again."""
        pieces, length = [self._surplus], len(self._surplus)
        while length < size and (data := self._body.read(size - length)):
            if isinstance(data, str):
                if self._start is None:
                    raise TypeError("Body must give bytes: open the file in binary mode")
                self._body.seek(self._start)
                return None
            pieces.append(data)
            length += len(data)
        read = pieces[1] if len(pieces) == 2 and not pieces[0] else b"".join(pieces)  # noqa: PLR2004 - one read brought it
        # Some give what they have, however much was asked for.
        self._surplus = read[size:] if length > size else b""
        return read[:size] if length > size else read

    def untouched(self, begun: Any) -> Packed:
        """As it was given: from where it began, or what was read of it and the rest."""
        if (again := self.again()) is not None:
            return again
        kept: Any = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES)  # noqa: SIM115 - handed on
        try:
            kept.write(begun)
            kept.write(self._surplus)
            while data := self._body.read(_CHUNK_BYTES):
                kept.write(data)
            size = kept.tell()
            kept.seek(0)
        except BaseException:
            kept.close()
            raise
        return Packed(kept, size)

    def again(self) -> Packed | None:
        """From its beginning once more; None where that can't be."""
        if self._start is None:
            return None
        self._body.seek(self._start)
        self._surplus = b""
        return Packed(self._body)


Given: TypeAlias = Held | Stream


def given(body: Any) -> Given | None:
    """A body; None for what botocore has to say something about."""
    if isinstance(body, bytes | bytearray):
        return Held(body, body)
    if isinstance(body, str):
        try:
            return Held(body, body.encode())
        except UnicodeEncodeError:
            return None
    return Stream(body) if hasattr(body, "read") else None


def _extent(body: Any) -> tuple[int | None, int | None]:
    """Where a file stands, and how much of it is left; None where it can't be read twice."""
    try:
        start = body.tell()
        end = body.seek(0, 2)
        # s3transfer's return nothing.
        end = body.tell() if end is None else end
        body.seek(start)
    except (AttributeError, OSError, ValueError, TypeError):
        return None, None
    return start, max(0, end - start)
