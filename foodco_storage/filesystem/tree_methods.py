"""Methods on paths: what lies where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from foodco_storage.filesystem import buckets, information, listing
from foodco_storage.filesystem.in_thread import in_thread
from foodco_storage.filesystem.information import Info
from foodco_storage.filesystem.store import Store


class TreeMethods:
    """What `FoodcoFileSystem` tells of paths; each also as a coroutine, with `_` in front of its name.

    `sizes=False` where a listing tells details: sizes need not be those before compression, which where objects lie
    compressed costs one request for each.
    """

    store: Store

    def info(self, path: str, refresh: bool = False, version_id: str | None = None, **_: Any) -> Info:
        """What lies at a path: `name`, `size` in bytes, `type`, and of objects `ETag`, `LastModified` and more.

        Args:
            path: of an object, a directory, a bucket.
            refresh: ask, whatever listings are kept.
            version_id: of the object.

        Raises:
            FileNotFoundError: nothing lies there.
            PermissionError: the store does not tell.
        """
        return information.info(self.store, path, refresh=refresh, version_id=version_id)

    _info = in_thread(info)

    def exists(self, path: str, version_id: str | None = None, **_: Any) -> bool:
        """Whether anything lies at a path.

        Raises:
            OSError: the store does not tell, or could not be asked.
        """
        return information.exists(self.store, path, version_id=version_id)

    _exists = in_thread(exists)

    def isdir(self, path: str) -> bool:
        """Whether keys lie below a path; of a path that is an object too, both."""
        return information.is_directory(self.store, path)

    _isdir = in_thread(isdir)

    def isfile(self, path: str) -> bool:
        """Whether an object lies at a path.

        Raises:
            OSError: the store does not tell, or could not be asked.
        """
        return information.is_file(self.store, path)

    _isfile = in_thread(isfile)

    def size(self, path: str) -> int:
        """Bytes of an object."""
        found: int = self.info(path)["size"]
        return found

    _size = in_thread(size)

    def ls(
        self,
        path: str,
        detail: bool = False,
        refresh: bool = False,
        versions: bool = False,
        *,
        sizes: bool = True,
        **_: Any,
    ) -> list[Any]:
        """What lies directly below a path, in order of names; of an object, itself; of the root, the buckets.

        Args:
            path: of a directory.
            detail: tell what `info` tells, in place of names.
            refresh: ask, whatever listings are kept.
            versions: every version of every object, as `bucket/key?versionId=...`.
            sizes: see the class.

        Raises:
            FileNotFoundError: nothing lies there.
        """
        found = listing.ls(self.store, path, refresh=refresh, versions=versions, sizes=sizes and detail)
        return [dict(entry) for entry in found] if detail else sorted(entry["name"] for entry in found)

    _ls = in_thread(ls)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool | None = False,
        detail: bool = False,
        prefix: str = "",
        *,
        sizes: bool = True,
        **_: Any,
    ) -> Any:
        """Every object below a path, in order of names; of an object, itself.

        Args:
            path: of a directory.
            maxdepth: levels to go down; all by default.
            withdirs: directories too.
            detail: a dictionary from names to what `info` tells.
            prefix: only what begins so, after the path's slash.
            sizes: see the class.

        Raises:
            ValueError: the root: it has no end.
        """
        found = listing.find(
            self.store, path, maxdepth=maxdepth, prefix=prefix, withdirs=bool(withdirs), sizes=sizes and detail
        )
        return found if detail else sorted(found)

    _find = in_thread(find)

    async def _walk(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Directories below a path with what lies in them, as `os.walk`; `walk` in synchronous code.

        Raises:
            ValueError: the root: it has no end.
        """
        if self.store.parse(path).bucket in {"", "*"}:
            raise ValueError("name a bucket: without one all there are would be read")
        kwargs.setdefault("sizes", kwargs.get("detail", False))
        # fsspec would take whatever can't be listed for empty.
        kwargs.setdefault("on_error", _raise_unless_missing)
        async for found in super()._walk(path, maxdepth=maxdepth, **kwargs):  # type: ignore[misc]
            yield found

    async def _glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        if self._strip_protocol(path).startswith("*"):  # type: ignore[attr-defined]
            raise ValueError("name a bucket: patterns do not reach buckets")
        kwargs.setdefault("sizes", kwargs.get("detail", False))
        return await super()._glob(path, maxdepth=maxdepth, **kwargs)  # type: ignore[misc]

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **_: Any,
    ) -> Any:
        """Bytes of all objects below a path, by one listing; `total=False`: of each."""
        found = listing.find(self.store, path, maxdepth=maxdepth, withdirs=withdirs)
        sizes = {name: entry["size"] for name, entry in found.items()}
        return sum(sizes.values()) if total else sizes

    _du = in_thread(du)

    def modified(self, path: str, version_id: str | None = None, refresh: bool = False) -> Any:
        """When an object was written, in UTC.

        Raises:
            IsADirectoryError: directories have no time.
        """
        return information.modified(self.info(path, refresh=refresh, version_id=version_id), path)

    _modified = in_thread(modified)

    def created(self, path: str) -> Any:
        """When an object was written: objects are never changed, so this is `modified`."""
        return self.modified(path)

    _created = in_thread(created)

    def checksum(self, path: str, refresh: bool = False) -> int:
        """A number that changes when the object does."""
        return information.checksum(self.info(path, refresh=refresh))

    _checksum = in_thread(checksum)

    def mkdir(
        self,
        path: str,
        acl: str | None = None,
        create_parents: bool = True,
        region_name: str | None = None,
        **_: Any,
    ) -> None:
        """Make a bucket. Directories in a bucket are there while keys lie below them, and are not made.

        Args:
            path: of a bucket, or of a directory.
            acl: canned ACL of the bucket.
            create_parents: make the bucket of a directory, if there is none.
            region_name: where; that of the client by default.

        Raises:
            FileExistsError: the bucket is there.
        """
        address = self.store.parse(path)
        region = region_name or self.store.client.meta.region_name
        buckets.make(self.store, address, create_parents=create_parents, acl=acl or None, region=region)

    _mkdir = in_thread(mkdir)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """`mkdir` that says nothing of a bucket that is there, where `exist_ok`."""
        try:
            self.mkdir(path, create_parents=True)
        except FileExistsError:
            if not exist_ok:
                raise

    _makedirs = in_thread(makedirs)

    def rmdir(self, path: str) -> None:
        """Remove an empty bucket.

        Raises:
            OSError: objects lie in it (`ENOTEMPTY`).
            FileExistsError: a directory in a bucket: it is gone with the last key below it.
        """
        buckets.remove(self.store, self.store.place(path))

    _rmdir = in_thread(rmdir)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
