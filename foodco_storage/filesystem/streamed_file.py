"""Files that are read in coroutines, from their beginning to their end."""

from __future__ import annotations

from typing import Any, Self

from fsspec.asyn import AbstractAsyncStreamedFile

from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store


class StreamedFile(AbstractAsyncStreamedFile):  # type: ignore[misc] # fsspec is untyped
    """An object, read by one request that begins with the first `read`.

    Args:
        fs: the filesystem.
        store: its client.
        path: of the file.
        version_id: of the object.

    Example:
        async with await fs.open_async("foodco-images/pizza.jpg") as file:
            while chunk := await file.read(65536):
                ...
    """

    def __init__(self, fs: Any, store: Store, path: str, version_id: str | None = None) -> None:
        self.fs = fs
        self.path = path
        self.mode = "rb"
        self.loc = 0
        self.size: int | None = None
        self.closed = False
        self._store = store
        self._address = store.key(path).with_version(version_id)
        self._piece: Piece | None = None

    async def read(self, length: int = -1) -> bytes:
        """The next bytes; all that are left where no number is given."""
        data: bytes = await self._store.pools.run(self._read, length)
        self.loc += len(data)
        return data

    def _read(self, length: int) -> bytes:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        if self._piece is None:
            self._piece = Piece(self._store, self._address)
            self.size = self._piece.size
        left = self._piece.stop - self._piece.position
        return self._piece.read(left if length < 0 else length)

    async def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        piece, self._piece = self._piece, None
        if piece is not None:
            await self._store.pools.run(piece.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.close()
