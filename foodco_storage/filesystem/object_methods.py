"""Methods on one object: its bytes."""

from __future__ import annotations

from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK

from foodco_storage.filesystem import copying, deleting, downloading, reading, writing
from foodco_storage.filesystem.in_thread import in_thread
from foodco_storage.filesystem.information import exists
from foodco_storage.filesystem.store import Store


class ObjectMethods:
    """What `FoodcoFileSystem` does with one object; each also as a coroutine, with `_` in front of its name."""

    store: Store

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        version_id: str | None = None,
        **kwargs: Any,
    ) -> bytes:
        """The bytes of an object, or those from `start` to `end` (exclusive; negative ones count from the object's end).

        Args:
            path: of the object.
            start: first byte.
            end: the byte after the last.
            version_id: of the object.
            **kwargs: parameters of GetObject; others are left out.

        Raises:
            FileNotFoundError: no such object.
            FileChangedError: it was written over meanwhile, in a read that took several requests.

        Example:
            fs.cat_file("foodco-images/pizza.jpg", start=-4)
        """
        address = self.store.key(path).with_version(version_id)
        return reading.bring(self.store, address, start, end, read=kwargs).data

    _cat_file = in_thread(cat_file)

    def pipe_file(
        self,
        path: str,
        value: bytes,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Write bytes.

        Args:
            path: of the object.
            value: its bytes.
            chunksize: bytes of a part, 16 MiB by default; what is shorter than two goes by one request.
            max_concurrency: parts sent at once.
            mode: `create` fails if there is an object.
            **kwargs: parameters of PutObject.

        Raises:
            FileExistsError: mode `create`, and there is an object.
            ValueError: a parameter that PutObject does not take.
        """
        address = self.store.writable_key(path)
        try:
            return writing.pipe_file(
                self.store, address, value, kwargs, mode=mode, chunksize=chunksize, concurrency=max_concurrency
            )
        finally:
            self.store.written(address.path)

    _pipe_file = in_thread(pipe_file)

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        """Write what a local file holds; of a local directory nothing, since directories are where keys are.

        Args:
            lpath: the local file.
            rpath: of the object.
            callback: fsspec's; told of bytes.
            chunksize: bytes of a part, 16 MiB by default.
            max_concurrency: parts sent at once.
            mode: `create` fails if there is an object.
            **kwargs: parameters of PutObject; `ContentType` is guessed from the name of the file.

        Raises:
            FileExistsError: mode `create`, and there is an object.
            FileNotFoundError: no such local file, or no such bucket.
        """
        if writing.is_directory(lpath):
            return
        address = self.store.writable_key(rpath)
        callback.set_size(writing.size_of(lpath))
        try:
            writing.put_file(
                self.store,
                address,
                lpath,
                kwargs,
                callback.relative_update,
                mode=mode,
                chunksize=chunksize,
                concurrency=max_concurrency,
            )
        finally:
            self.store.written(address.path)

    _put_file = in_thread(put_file)

    def get_file(
        self,
        rpath: str,
        lpath: str,
        callback: Any = DEFAULT_CALLBACK,
        version_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Read an object into a local file, which appears when all of it is there.

        Args:
            rpath: of the object.
            lpath: the local file.
            callback: fsspec's; told of bytes.
            version_id: of the object.
            **kwargs: parameters of GetObject; others are left out.

        Raises:
            FileNotFoundError: no such object.
        """
        if not self.store.parse(rpath).key:
            # A bucket, the directory above what is fetched with it.
            downloading.make_directory(lpath)
            return
        address = self.store.key(rpath).with_version(version_id)
        downloading.get_file(self.store, address, lpath, callback.set_size, callback.relative_update, kwargs)

    _get_file = in_thread(get_file)

    def cp_file(
        self,
        path1: str,
        path2: str,
        preserve_etag: bool | None = None,
        block: int = copying.PART_BYTES,
        **kwargs: Any,
    ) -> None:
        """Copy an object with its metadata, in the store where the two lie in one.

        Args:
            path1: of the object.
            path2: where to.
            preserve_etag: copy the parts it was written in, so that the copy has the same ETag.
            block: bytes of a part, of what is larger than 150 MiB.
            **kwargs: parameters of CopyObject.

        Raises:
            FileNotFoundError: no such object.
        """
        if not self.store.parse(path1).key:
            # A bucket, the directory above what is copied with it.
            return
        target = self.store.writable_key(path2)
        try:
            copying.copy_file(
                self.store, self.store.key(path1), target, kwargs, preserve_etag=bool(preserve_etag), block=block
            )
        finally:
            self.store.written(target.path)

    _cp_file = in_thread(cp_file)

    def rm_file(self, path: str, **_: Any) -> None:
        """Remove an object. That there is none is no error, as in S3."""
        deleting.remove(self.store, self.store.key(path))

    _rm_file = in_thread(rm_file)

    def touch(
        self,
        path: str,
        truncate: bool = True,
        data: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Make an empty object.

        Args:
            path: of the object.
            truncate: whether one that is there may be emptied.
            data: must be left out, or empty.
            **kwargs: parameters of PutObject.

        Raises:
            ValueError: `truncate=False`, and there is an object: S3 can't change its time.
        """
        address = self.store.writable_key(path)
        if data:
            raise ValueError("touch writes empty objects; pipe_file writes data")
        if not truncate and exists(self.store, address.path):
            raise ValueError(f"{path} is there, and S3 can't change its time; truncate=True empties it")
        try:
            return writing.put(self.store, address, b"", kwargs, {})
        finally:
            self.store.written(address.path)

    _touch = in_thread(touch)

    def merge(self, path: str, filelist: list[str], **kwargs: Any) -> None:
        """Make one object of several, in order; all but the last must have 5 MiB or more.

        Args:
            path: of the new object.
            filelist: paths of the others, which stay.
            **kwargs: parameters of CreateMultipartUpload.
        """
        target = self.store.writable_key(path)
        try:
            copying.merge(self.store, target, [self.store.key(one) for one in filelist], kwargs)
        finally:
            self.store.written(target.path)

    _merge = in_thread(merge)
