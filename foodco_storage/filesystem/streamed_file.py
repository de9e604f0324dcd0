"""Files that are read in coroutines, from their beginning to their end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any, Self

from fsspec.asyn import AbstractAsyncStreamedFile

from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store


class StreamedFile(AbstractAsyncStreamedFile):  # type: ignore[misc] # fsspec is untyped
    """An object, read by one request that begins with the first `read`.

    A read that is cancelled loses nothing: the next one goes on where the last that came back ended.

    Args:
        fs: the filesystem.
        store: its client.
        path: of the file.
        version_id: of the object.
        read: parameters that go with reads.

    Example:
        async with await fs.open_async("foodco-images/pizza.jpg") as file:
            while chunk := await file.read(65536):
                ...
    """

    # For `__del__`, where `__init__` was not done.
    _piece: Piece | None = None

    def __init__(
        self,
        fs: Any,
        store: Store,
        path: str,
        version_id: str | None = None,
        read: Mapping[str, Any] | None = None,
    ) -> None:
        self.fs = fs
        self.path = path
        self.mode = "rb"
        self.loc = 0
        self.size: int | None = None
        self.closed = False
        self._store = store
        self._address = store.key(path).with_version(version_id)
        self._read_params = dict(read or {})
        self._etag: str | None = None
        self._in_order = asyncio.Lock()
        # The read in a thread, which goes on for a moment when its coroutine is cancelled.
        self._reading: asyncio.Future[bytes] | None = None
        self._given_up = threading.Event()

    async def read(self, length: int | None = -1) -> bytes:
        """The next bytes; all that are left where no number is given.

        Raises:
            FileNotFoundError: no such object.
            FileChangedError: it was written over since the first read.
            ValueError: the file is closed.
        """
        async with self._in_order:
            if self._reading is not None and not self.closed:
                # Of a read that was cancelled: it ends with what it is receiving.
                await asyncio.wait([self._reading])
            if self.closed:
                raise ValueError("I/O operation on closed file.")
            self._given_up = threading.Event()
            run = self._store.pools.run(self._read, self.loc, -1 if length is None else int(length), self._given_up)
            reading = self._reading = asyncio.ensure_future(run)
            reading.add_done_callback(_heard)
            try:
                data = await asyncio.shield(reading)
            except asyncio.CancelledError:
                self._given_up.set()
                raise
            if self.closed:
                # Closed by another task meanwhile: what came may not be all.
                raise ValueError("I/O operation on closed file.")
            self._reading = None
            self.loc += len(data)
            return data

    def _read(self, start: int, length: int, given_up: threading.Event) -> bytes:
        if given_up.is_set() or length == 0 or (self.size is not None and start >= self.size):
            return b""
        piece = self._piece
        if piece is None or piece.position != start:
            # The first read, or bytes went to a read that was cancelled.
            self._let_go()
            piece = self._piece = Piece(self._store, self._address, start, pin=self._etag, read=self._read_params)
            self.size, self._etag = piece.size, piece.etag
        stop = piece.stop if length < 0 else min(piece.stop, start + length)
        found = []
        while piece.position < stop and not given_up.is_set():
            found.append(piece.some(stop - piece.position))
        return found[0] if len(found) == 1 else b"".join(found)

    def seek(self, loc: int, whence: int = 0) -> int:
        """Not for this file: `open` gives one that can.

        Raises:
            OSError: always.
        """
        raise OSError(f"{self.path} was opened as a stream, which can't be moved in (to {loc}, {whence}); use open()")

    def seekable(self) -> bool:
        """False."""
        return False

    async def close(self) -> None:
        """Let go of the connection; not waiting for a read that was cancelled."""
        self.closed = True
        reading = self._reading
        if reading is None or reading.done():
            await self._store.pools.run(self._let_go)
        else:
            self._given_up.set()
            reading.add_done_callback(lambda _: self._let_go())

    def _let_go(self) -> None:
        piece, self._piece = self._piece, None
        if piece is not None:
            piece.close()

    def __del__(self) -> None:
        self._let_go()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.close()


def _heard(reading: asyncio.Future[bytes]) -> None:
    """The failure of a read that nobody waits for any more is nobody's."""
    if not reading.cancelled():
        reading.exception()
