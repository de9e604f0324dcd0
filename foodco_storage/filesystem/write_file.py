"""Files open for writing."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from fsspec.spec import AbstractBufferedFile

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.attributes import encoded_tags
from foodco_storage.filesystem.carried import KEPT
from foodco_storage.filesystem.failures import FileChangedError
from foodco_storage.filesystem.file_attributes import FileAttributes
from foodco_storage.filesystem.information import is_file
from foodco_storage.filesystem.reading import bring
from foodco_storage.filesystem.store import Store
from foodco_storage.filesystem.uploads import LEAST_PART_BYTES, MOST_PART_BYTES, Upload, even_ranges
from foodco_storage.filesystem.writing import condition, put

logger = logging.getLogger("foodco_storage")

CONCURRENCY: Final = 4
"""Parts on their way at once: so many, and the one that is being written, are held in memory."""

_GROWS_AFTER: Final = 1000
"""Parts, after which they become twice as large: 5 TiB are reached with fewer than 10,000."""


class WriteFile(FileAttributes, AbstractBufferedFile):  # type: ignore[misc] # fsspec is untyped
    """An object as a binary file, open for writing.

    The object appears when the file is closed, whole; what is larger than a block is sent in parts before. An exception in
    the `with` block of the file leaves no object and no parts.

    Args:
        fs: the filesystem.
        store: its client.
        path: of the file.
        mode: `wb`; `xb`, which fails if there is an object; `ab`, which copies the object that is there and goes on.
        block_size: bytes of a part, 5 MiB or more.
        params: of PutObject.
        autocommit: False: the object appears on `commit()`.
        grows: whether parts become larger when there are many.

    Raises:
        FileExistsError: mode `xb`, on opening or on closing.
        ValueError: a block size that S3 does not take.
    """

    def __init__(
        self,
        fs: Any,
        store: Store,
        path: str,
        mode: str,
        *,
        block_size: int,
        params: Mapping[str, Any],
        autocommit: bool = True,
        grows: bool = True,
    ) -> None:
        if not LEAST_PART_BYTES <= block_size <= MOST_PART_BYTES:
            raise ValueError(f"block_size must be between 5 MiB ({LEAST_PART_BYTES}) and 5 GiB, not {block_size}")
        self._store = store
        self._address: Address = store.writable_key(path)
        self._params = dict(params)
        self._grows = grows
        self._upload: Upload | None = None
        self.buffer = io.BytesIO()
        self._match = condition("create" if mode == "xb" else "overwrite")
        self._done = False
        self._goes_on_from: str | None = None
        self.ignores_writes = False
        """Set when it was discarded and a text file above it is still to be closed."""
        if mode == "xb" and is_file(store, self._address.path):
            raise FileExistsError(17, "there is an object or a directory already", self._address.path)
        super().__init__(fs, path, mode=mode, block_size=block_size, autocommit=autocommit)
        if mode == "ab":
            try:
                self._take_over()
            except BaseException:
                # Whoever collects this file must not make an object of the nothing that it holds.
                self.discard()
                self.closed = True
                raise

    def _take_over(self) -> None:
        """Begin with what is there."""
        try:
            head = self._store.call("head_object", self._address.path, self._address.params, self._params)
        except FileNotFoundError:
            return
        self._params = {name: head[name] for name in KEPT if name in head} | self._params
        if head.get("TagCount") and "Tagging" not in self._params:
            self._params["Tagging"] = encoded_tags(self._store, self._address)
        size, etag = int(head["ContentLength"]), head.get("ETag")
        self._goes_on_from = etag
        if size < LEAST_PART_BYTES:
            self.write(bring(self._store, self._address, pin=etag, read=self._params).data)
            return
        self.offset = self.loc = size
        upload = self._started()
        for start, end in even_ranges(size, MOST_PART_BYTES):
            upload.add_range(self._address, start, end, etag)

    def _started(self) -> Upload:
        if self._upload is None:
            self._upload = Upload(self._store, self._address, self._params, CONCURRENCY)
        return self._upload

    def write(self, data: Any) -> int:
        """Take bytes; sends them when a block is full.

        Raises:
            OSError: what was written before could not be sent; nothing is left of it.
        """
        if self.ignores_writes:
            return memoryview(data).nbytes
        if self._done and not self.closed:
            raise ValueError("this file was committed or discarded")
        written: int = super().write(data)
        return written

    def _upload_chunk(self, final: bool = False) -> bool:
        """Send what is buffered: called by fsspec for each full block, and at the end."""
        try:
            return self._send_buffered(final=final)
        except BaseException:
            self.discard()
            self.closed = True
            raise

    def _send_buffered(self, *, final: bool) -> bool:
        if final and self._upload is None:
            # All there is: one PUT, when it is committed.
            if self.autocommit:
                self.commit()
            return False
        upload = self._started()
        # Of bytes: a view of the buffer itself that an error keeps would keep the buffer from being written to.
        view = memoryview(self.buffer.getvalue())
        size = self._part_bytes(upload)
        position = 0
        while len(view) - position >= size:
            upload.add(view[position : position + size])
            position += size
            size = self._part_bytes(upload)
        if final and position < len(view):
            upload.add(view[position:])
            position = len(view)
        self.buffer = io.BytesIO()
        self.buffer.write(view[position:])
        self.offset += position
        if final and self.autocommit:
            self.commit()
        return False  # fsspec shall keep the buffer

    def _part_bytes(self, upload: Upload) -> int:
        doubled: int = self.blocksize << (upload.count // _GROWS_AFTER) if self._grows else self.blocksize
        return min(doubled, MOST_PART_BYTES)

    def commit(self) -> None:
        """Make the object; after this the file is done with."""
        if self._done:
            return
        if self._goes_on_from is not None:
            self._check_unchanged()
        self._done = True
        if self._upload is not None and self.buffer.tell():
            # Its transaction ends while it is open.
            self._upload.add(self.buffer.getvalue())
        if self._upload is None:
            body = self.buffer.getvalue()
            answer = put(self._store, self._address, body, self._params, self._match)
        else:
            answer = self._upload.complete(self._match)
        self.version_id = answer.get("VersionId")
        self.buffer = io.BytesIO()
        self._store.written(self._address.path)

    def _check_unchanged(self) -> None:
        """Of an append: nobody has written the object since.

        Raises:
            FileChangedError: somebody has, and it stays; what was added is lost.
        """
        try:
            head = self._store.call("head_object", self._address.path, self._address.params, self._params)
        except FileNotFoundError:
            head = {}
        if head.get("ETag") != self._goes_on_from:
            self.discard()
            raise FileChangedError(
                self._address.path,
                self._goes_on_from,
                "the object changed while it was appended to, and stays as it is now: what was added is not in it",
            )

    def discard(self) -> None:
        """Leave no object and no parts; after this the file is done with."""
        if self._done:
            return
        self._done = True
        self.buffer = io.BytesIO()
        if self._upload is not None:
            self._upload.abort()

    def close(self) -> None:
        """Write the rest and, unless a transaction will, make the object.

        Raises:
            OSError: it could not be written; nothing is left of it.
        """
        if self.closed:
            return
        if self._done:
            self.closed = True
            return
        try:
            super().close()
        except BaseException:
            self.discard()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self.closed:
            self.discard()
        self.close()

    def __del__(self) -> None:
        if self.closed:
            return
        if sys.is_finalizing():
            # There are no threads any more that could send it.
            logger.warning("%s was not closed before the program ended, and is not written", self.path)
            return
        self.close()
