"""The cache that files are read through unless another is asked for: `cache_type="stream"`.

fsspec's caches fetch blocks whole, and wait for each: a reader of four bytes waits for five megabytes, one who reads on
waits at the end of every block. This one reads on in a body that stays open, as long as the reader does; who jumps about gets
what was asked for and little more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from fsspec.caching import BaseCache

from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.recent import Recent

LEAST_BYTES: Final = 64 * 1024
"""Asked for after a jump, even if less is wanted: readers of headers and footers go on from there."""

KEPT_BYTES: Final = 1024 * 1024
"""Of what was read last, for readers that step back."""

SKIPPED_BYTES: Final = 128 * 1024
"""A jump ahead that is no longer is read over in the body that is open."""


class StreamCache(BaseCache):  # type: ignore[misc] # fsspec is untyped
    """Bytes of one file for one reader at a time.

    Args:
        blocksize: the most that is asked for by one request; half of it where the reader stepped back meanwhile.
        fetcher: reads a range at once: what is longer than a block.
        size: of the file.
        open_piece: opens a range.
        head: bytes of the file's beginning that are there already.
    """

    name: ClassVar[str] = "stream"

    def __init__(
        self,
        blocksize: int,
        fetcher: Callable[[int, int], bytes],
        size: int,
        open_piece: Callable[[int, int], Piece],
        head: bytes = b"",
    ) -> None:
        super().__init__(blocksize, fetcher, size)
        self._open_piece = open_piece
        self._piece: Piece | None = None
        self._recent = Recent(KEPT_BYTES, head)
        self._window = LEAST_BYTES

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        first = max(start or 0, 0)
        end = self.size if stop is None else min(stop, self.size)
        if first >= end:
            return b""
        recent = self._recent
        if (kept := recent.get(first, end)) is not None:
            self.hit_count += 1
            return kept
        self.miss_count += 1
        if first < recent.end and end - first <= self.blocksize and (head := recent.get(first, recent.end)) is not None:
            # Who stepped back, as readers of lines do, will do so again: more is taken from the body than is wanted now.
            kept_end = recent.end
            more = self._read(kept_end, max(end, min(kept_end + LEAST_BYTES, self.size)))
            return head + more[: end - kept_end]
        return self._read(first, end)

    def _read(self, start: int, end: int) -> bytes:
        if end - start > max(self.blocksize, LEAST_BYTES):
            self.close()
            self.total_requested_bytes += end - start
            data: bytes = self.fetcher(start, end)
            self._recent.add(start, data)
            return data
        begin = start
        pieces = []
        while start < end:
            piece = self._piece_at(start, end)
            data = piece.read(end - start)
            pieces.append(data)
            start += len(data)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._read_ahead(begin, data, end)
        return data

    def _piece_at(self, start: int, end: int) -> Piece:
        """An open body whose next byte is `start`."""
        piece = self._piece
        if piece is not None and piece.position <= start < piece.stop and start - piece.position <= SKIPPED_BYTES:
            piece.read(start - piece.position)
            return piece
        # Who comes to the end of what was asked for reads on, and is given more at once.
        goes_on = start == self._recent.end
        self.close()
        self._window = min(self._window * 2, self.blocksize) if goes_on else LEAST_BYTES
        stop = min(max(end, start + self._window), self.size)
        self.total_requested_bytes += stop - start
        self._piece = self._open_piece(start, stop)
        return self._piece

    def _read_ahead(self, start: int, data: bytes, end: int) -> None:
        """Keep what was read; take in what is left of a short piece, so that its connection serves others."""
        piece = self._piece
        if piece is not None and piece.stop - end <= LEAST_BYTES:
            data += piece.read(piece.stop - end)
            piece.close()
        self._recent.add(start, data)

    def close(self) -> None:
        """Let go of the body."""
        piece, self._piece = self._piece, None
        if piece is not None:
            piece.close()

    def __getstate__(self) -> Any:
        raise TypeError("the cache of an open file can't be pickled; pickle the file")
