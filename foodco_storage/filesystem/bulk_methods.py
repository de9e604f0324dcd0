"""Methods on many objects at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from foodco_storage.filesystem import deleting, many_ranges
from foodco_storage.filesystem.store import Store


class BulkMethods:
    """What `FoodcoFileSystem` does with many objects; synchronously by the names without `_`.

    `cat`, `pipe`, `get`, `put`, `copy` and `mv` are fsspec's, over the methods of single objects.
    """

    store: Store

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
        out: list[Any] = [None] * len(paths)
        plain = [number for number in range(len(paths)) if _is_plain(first[number], last[number])]
        others = [number for number in range(len(paths)) if not _is_plain(first[number], last[number])]
        begins, stops = [first[number] or 0 for number in plain], [int(last[number] or 0) for number in plain]
        gap = many_ranges.DEFAULT_GAP_BYTES if max_gap is None else max_gap
        spans = list(many_ranges.spans([paths[number] for number in plain], begins, stops, gap))
        run = self.store.pools.run
        calls = [run(many_ranges.bring, self.store, span, kwargs) for span in spans]
        rest = [self._cat_file(paths[n], start=first[n], end=last[n], **kwargs) for n in others]  # type: ignore[attr-defined]
        results: list[Any] = await asyncio.gather(*calls, *rest, return_exceptions=True)
        brought = results[: len(spans)]
        for number, etag in many_ranges.changed(spans, brought).items():
            try:
                brought[number] = await run(many_ranges.bring, self.store, spans[number], kwargs, etag)
            except OSError as error:
                brought[number] = error
        for number, data in zip(plain, many_ranges.cut(spans, brought, begins, stops), strict=True):
            out[number] = data
        for number, data in zip(others, results[len(spans) :], strict=True):
            out[number] = data
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
        run, store = self.store.pools.run, self.store
        if recursive and isinstance(path, str):
            address = store.parse(path)
            if address.bucket and not address.key and await self._is_bucket_versioned(address.bucket):  # type: ignore[attr-defined]
                await run(deleting.remove_versions, store, address.bucket)
        paths: Sequence[str] = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)  # type: ignore[attr-defined]
        addresses = [store.parse(one) for one in paths]
        batches = deleting.batches(address for address in addresses if address.key)
        results: list[Any] = await asyncio.gather(
            *(run(deleting.remove_batch, store, batch) for batch in batches), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await asyncio.gather(*(self._rmdir(a.bucket) for a in addresses if not a.key))  # type: ignore[attr-defined]
        return [removed for result in results for removed in result]


def _one_each(name: str, given: Any, count: int) -> list[int | None]:
    values = list(given) if isinstance(given, Iterable) else [given] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} entries for {count} paths: give one each, or one number for all")
    return values


def _is_plain(start: int | None, end: int | None) -> bool:
    """Whether a range is told by two numbers from the object's beginning."""
    return end is not None and end >= 0 and (start or 0) >= 0
