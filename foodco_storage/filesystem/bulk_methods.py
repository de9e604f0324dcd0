"""Methods on many objects at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from glob import has_magic
from typing import Any

from fsspec.asyn import sync_wrapper
from fsspec.utils import other_paths

from foodco_storage.filesystem import deleting, many_ranges
from foodco_storage.filesystem.addresses import Address, without_protocol
from foodco_storage.filesystem.store import Store


class BulkMethods:
    """What `FoodcoFileSystem` does with many objects; synchronously by the names without `_`.

    `cat`, `pipe`, `get`, `put` and `copy` are fsspec's, over the methods of single objects.
    """

    store: Store

    # Of the other bases.
    _cp_file: Callable[..., Awaitable[None]]
    _exists: Callable[..., Awaitable[bool]]
    _find: Callable[..., Awaitable[Any]]
    _glob: Callable[..., Awaitable[Any]]
    _is_bucket_versioned: Callable[..., Awaitable[bool]]
    _isdir: Callable[..., Awaitable[bool]]
    _isfile: Callable[..., Awaitable[bool]]
    _rmdir: Callable[..., Awaitable[None]]
    _strip_protocol: Callable[[Any], Any]

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: int | Iterable[int | None] | None,
        ends: int | Iterable[int | None] | None,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Many ranges of many objects. Ranges of an object that lie near each other are brought by one request.

        Args:
            paths: of each range.
            starts: first byte of each, or of all.
            ends: the byte after the last of each, or of all (exclusive).
            max_gap: bytes between two ranges that may be brought for nothing: 512 KiB by default, 0 for none.
            batch_size: requests that are begun at once.
            on_error: `return` puts an error in the place of its range, `raise` raises the first.
            **kwargs: parameters of GetObject; others are left out.

        Returns:
            The bytes of each range, in order; fewer where an object ends before.

        Raises:
            TypeError: paths are not a list.
            ValueError: there are more or fewer starts or ends than paths.
        """
        if not isinstance(paths, list):
            raise TypeError(f"paths must be a list, not {type(paths).__name__}")
        first = _one_each("starts", starts, len(paths))
        last = _one_each("ends", ends, len(paths))
        gap = many_ranges.DEFAULT_GAP_BYTES if max_gap is None else max_gap
        spans = list(many_ranges.spans(paths, first, last, gap))
        run = self.store.pools.run
        calls = (run(many_ranges.bring_span, self.store, span, kwargs) for span in spans)
        brought: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        for number, etag in many_ranges.changed(spans, brought).items():
            try:
                brought[number] = await run(many_ranges.bring_span, self.store, spans[number], kwargs, etag)
            except OSError as error:
                brought[number] = error
        out = many_ranges.cut(spans, brought, len(paths))
        if on_error != "return":
            for result in out:
                if isinstance(result, BaseException):
                    raise result
        return out

    async def _rm(
        self,
        path: str | list[str],
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **_: Any,
    ) -> list[str]:
        """Remove objects, a thousand by one request, and then the buckets among the paths.

        Args:
            path: of an object, or patterns; a list of them.
            recursive: what lies below too.
            batch_size: of no effect.
            maxdepth: levels to go down.

        Returns:
            The paths of what was removed.

        Raises:
            FileNotFoundError: nothing matches.
            OSError: something could not be removed; what could is.
        """
        _roots, paths = await self._roots_and_objects(path, recursive=recursive, maxdepth=maxdepth)
        addresses = [self.store.parse(one) for one in paths]
        removed = await self._remove([address for address in addresses if address.key])
        if maxdepth is None:
            for bucket in (address.bucket for address in addresses if not address.key):
                if recursive and await self._is_bucket_versioned(bucket):
                    await self.store.pools.run(deleting.remove_versions, self.store, bucket)
                await self._rmdir(bucket)
        return removed

    async def _remove(self, addresses: Iterable[Address]) -> list[str]:
        run, store = self.store.pools.run, self.store
        batches = deleting.batches(addresses)
        results: list[Any] = await asyncio.gather(
            *(run(deleting.remove_batch, store, batch) for batch in batches), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [removed for result in results for removed in result]

    async def _mv(
        self,
        path1: str | list[str],
        path2: str | list[str],
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move objects: copy them, and when all are copied remove exactly those that were.

        Args:
            path1: of an object, or patterns; a list of them.
            path2: where to; a path that ends with `/` is a directory.
            recursive: what lies below too.
            maxdepth: levels to go down.
            **kwargs: parameters of CopyObject.

        Raises:
            FileNotFoundError: there is nothing to move.
            ValueError: into itself, or several to one path.
            OSError: something could not be copied; nothing is removed then.
        """
        if isinstance(path1, list) and isinstance(path2, list):
            if len(path1) != len(path2):
                raise ValueError(f"mv needs one path to move to for each: {len(path1)} paths, {len(path2)} targets")
            pairs = list(zip(path1, path2, strict=True))
        else:
            roots, found = await self._roots_and_objects(path1, recursive=recursive, maxdepth=maxdepth)
            literal = [self._strip_protocol(path1)] if isinstance(path1, str) else []
            targets = await self._targets(
                path1, [*roots, *found], path2, is_pattern=has_magic(str(path1)) and roots != literal
            )
            pairs = [(source, targets[source]) for source in found if self.store.parse(source).key]
        addressed = [(self.store.key(source), self.store.writable_key(target)) for source, target in pairs]
        if twice := [path for path, count in Counter(target.path for _, target in addressed).items() if count > 1]:
            raise ValueError(f"more than one object would be moved to {twice[0]}: all but one would be lost")
        moved = [(source, target) for source, target in addressed if source != target]
        if {source.path for source, _ in moved} & {target.path for _, target in moved}:
            raise ValueError(f"{path1} can't be moved to {path2}: objects would take each other's places")
        if recursive and isinstance(path1, str):
            root = self.store.parse(path1)
            if any(_is_below(root, target) for _, target in moved):
                raise ValueError(f"{path1} can't be moved into itself ({path2})")
        copies = (self._cp_file(source.versioned, target.path, **kwargs) for source, target in moved)
        for result in await asyncio.gather(*copies, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        await self._remove([source for source, _ in moved])

    mv = sync_wrapper(_mv)

    async def _targets(self, path1: Any, sources: list[str], path2: Any, *, is_pattern: bool) -> dict[str, str]:
        """Where each goes, by the rules of fsspec's `copy`."""
        base = list(dict.fromkeys(sources))
        is_text = isinstance(path1, str)
        into = isinstance(path2, str) and (path2.endswith("/") or await self._isdir(path2))
        exists = (is_pattern and len(base) == 1) or (is_text and not is_pattern and into and not path1.endswith("/"))
        return dict(zip(base, other_paths(base, path2, exists=exists, flatten=not is_text), strict=True))

    async def _roots_and_objects(
        self, path: str | list[str], *, recursive: bool, maxdepth: int | None
    ) -> tuple[list[str], list[str]]:
        """What paths and patterns name, and the objects and buckets that they stand for.

        A path with `*`, `?` or `[` that an object has for its name is that object, and no pattern: what is removed or moved
        must be what was named.

        Raises:
            FileNotFoundError: one stands for nothing.
        """
        roots: list[str] = []
        for one in [path] if isinstance(path, str) else path:
            name = self._strip_protocol(one)
            if has_magic(name) and not await self._isfile(name):
                matches = await self._glob(name, maxdepth=maxdepth)
                if not matches:
                    raise FileNotFoundError(2, "nothing matches", name)
                roots += matches
            else:
                # A slash at its end is part of a key.
                roots.append(name if recursive else without_protocol(one).lstrip("/"))
        if not recursive:
            return roots, list(dict.fromkeys(roots))
        found: dict[str, None] = {}
        for root in roots:
            found.update(dict.fromkeys(await self._below(root, maxdepth)))
        return roots, list(found)

    async def _below(self, root: str, maxdepth: int | None) -> list[str]:
        """The objects below a path, and at it; of a bucket, the bucket last.

        Raises:
            FileNotFoundError: nothing lies there.
        """
        below: list[str] = await self._find(root, maxdepth=maxdepth)
        if not self.store.parse(root).key:
            if not below and not await self._exists(root):
                raise FileNotFoundError(2, "there is no bucket of this name", root)
            return [*below, root]
        if root not in below and await self._isfile(root):
            # An object may have the name of a directory.
            below.append(root)
        if not below:
            raise FileNotFoundError(2, "nothing lies there", root)
        return below


def _is_below(root: Address, target: Address) -> bool:
    above = f"{root.key.rstrip('/')}/" if root.key else ""
    return target.bucket == root.bucket and target.key.startswith(above)


def _one_each(name: str, given: Any, count: int) -> list[int | None]:
    values = list(given) if isinstance(given, Iterable) else [given] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} entries for {count} paths: give one each, or one number for all")
    return values
