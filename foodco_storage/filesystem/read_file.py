"""Files open for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fsspec.spec import AbstractBufferedFile

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import FileChangedError
from foodco_storage.filesystem.file_attributes import FileAttributes
from foodco_storage.filesystem.information import file_of, look
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.reading import bring, open_piece
from foodco_storage.filesystem.store import Store
from foodco_storage.filesystem.streaming import LEAST_BYTES, StreamCache

STREAM: Final = StreamCache.name

LINE_BYTES: Final = 8 * 1024
"""Read at once where the end of a line is looked for; fsspec would take a block, and step back, for each line."""


class ReadFile(FileAttributes, AbstractBufferedFile):  # type: ignore[misc] # fsspec is untyped
    """An object as a binary file, open for reading.

    Opening asks for the first 64 KiB: whether the object is there, how large it is, and all of a small one, by one request.
    From then on every request is tied to that object's ETag.

    Args:
        fs: the filesystem.
        store: its client.
        path: of the file.
        block_size: bytes that are asked for at once, at most; 0 to 64 KiB is taken as 64 KiB.
        cache_type: `stream` (`filesystem.streaming`), or the name of one of fsspec's caches.
        cache_options: arguments of the latter.
        size: of the file; nothing is asked for then until something is read.
        version_id: of the object.
        read: parameters that go with reads.

    Raises:
        FileNotFoundError: no such object.
        IsADirectoryError: the path names a bucket.
        FileChangedError: from `read`, when the object was written over since.
    """

    def __init__(
        self,
        fs: Any,
        store: Store,
        path: str,
        *,
        block_size: int,
        cache_type: str,
        cache_options: Mapping[str, Any] | None = None,
        size: int | None = None,
        version_id: str | None = None,
        read: Mapping[str, Any] | None = None,
        autocommit: bool = True,
    ) -> None:
        self._store = store
        self._address: Address = store.key(path).with_version(version_id)
        self._read_params = dict(read or {})
        # Of a file that was pickled: the object that it was of.
        self._etag: str | None = self._read_params.pop("IfMatch", None)
        self._head = b""
        if size is None:
            self._look()
        streams = cache_type == STREAM
        super().__init__(
            fs,
            path,
            mode="rb",
            block_size=max(block_size, LEAST_BYTES) if streams else block_size,
            autocommit=autocommit,
            cache_type="none" if streams else cache_type,
            cache_options=dict(cache_options or {}) if not streams else {},
            size=size if size is not None else self._details["size"],
        )
        if streams:
            self.cache = StreamCache(self.blocksize, self._fetch_range, self.size, self._open_piece, self._head)

    def __reduce__(self) -> Any:
        self.kwargs = {"version_id": self._address.version, "IfMatch": self._etag, **self._read_params}
        return super().__reduce__()

    @property
    def version_id(self) -> str | None:
        """The version that is read, where the bucket has versions."""
        return self._address.version or (self._details or {}).get("VersionId")

    def readuntil(self, char: bytes = b"\n", blocks: int | None = None) -> bytes:
        """Read up to a byte and with it, or to the end; what `readline` and iteration do.

        Args:
            char: to look for.
            blocks: bytes to read at once, 8 KiB by default.
        """
        found: bytes = super().readuntil(char, blocks or LINE_BYTES)
        return found

    def _look(self) -> None:
        piece = open_piece(self._store, self._address, 0, LEAST_BYTES, pin=self._etag, read=self._read_params)
        if piece is None:
            # No byte to ask for: the object is empty.
            self._details = look(self._store, self._address, self._read_params)
        else:
            answer = {**piece.answer, "ContentLength": piece.size}
            self._details = file_of(self._address, answer)
            self._head = piece.readall()
            if self._store.version_aware and self._address.version is None and _is_from_primary(answer):
                # Where old versions can be read, this one is read on when another is written.
                self._address = self._address.with_version(answer.get("VersionId"))
        self._etag = self._details["ETag"] or None

    def _fetch_range(self, start: int, end: int) -> bytes:
        # fsspec's caches ask for whole blocks.
        end = min(end, self.size)
        if start >= end:
            return b""
        head = self._head
        if end <= len(head):
            return head[start:end]
        if start < len(head) and end - start <= self._store.part_bytes:
            return head[start:] + self._get(len(head), end)
        return self._get(start, end)

    def _get(self, start: int, end: int) -> bytes:
        if self._etag is None:
            return self._open_piece(start, end).readall()
        data = bring(self._store, self._address, start, end, pin=self._etag, read=self._read_params).data
        if len(data) != end - start:
            raise self._other_size()
        return data

    def _open_piece(self, start: int, end: int) -> Piece:
        piece = Piece(self._store, self._address, start, end, pin=self._etag, read=self._read_params)
        if self._etag is None:
            # Where the size was given, the first answer says which object this is.
            if piece.size != self.size:
                piece.close()
                raise self._other_size()
            self._etag = piece.etag
        return piece

    def _other_size(self) -> FileChangedError:
        message = f"the object has not the {self.size} bytes that it had, or was said to have, when it was opened"
        return FileChangedError(self._address.versioned, self._etag, message)


def _is_from_primary(answer: Mapping[str, Any]) -> bool:
    """Whether the version that an answer tells is one of the store that is asked next: a cache does not say whose it is."""
    told = answer["ResponseMetadata"].get("Storage", {})
    return "fallback" not in told and "cache" not in told
