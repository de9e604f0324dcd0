"""Tombstones in listings: what their pages show of deleted keys, and of folders that hold nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from posixpath import commonprefix
from typing import Any

from foodco_storage.flows.effects import Call, Gather
from foodco_storage.flows.marks import may_be_tombstone
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.layers.sight import find

_FIRST_LOOK = 10
"""Entries asked for first when looking whether a folder holds anything: mostly the first key is one."""

_MAX_KEYS = 1000


def tombstones_among(
    place: Place, request: Request, items: Iterable[Mapping[str, Any]]
) -> Generator[Any, Any, set[tuple[str, str]]]:
    """Which entries of a page are tombstones, by key and version id (empty where the page tells none).

    Size and ETag tell at once where ETags are MD5; the rest, of exactly that size, costs one HEAD each.
    """
    dead, doubtful = set(), []
    for item in items:
        verdict = may_be_tombstone(item)
        if verdict:
            dead.add(_id(item))
        elif verdict is None:
            doubtful.append(item)
    if doubtful:
        looks = [_look(place, request, item) for item in doubtful]
        results: Sequence[Any] = yield Gather(looks)
        for item, result in zip(doubtful, results, strict=True):
            if isinstance(result, Exception):
                raise result
            if result[_DELETED]:
                dead.add(_id(item))
    return dead


def without_ghosts(
    place: Place, request: Request, prefixes: Sequence[str], hidden: tuple[str, ...] = ()
) -> Generator[Any, Any, set[str]]:
    """Which of these common prefixes hold at least one key that is there; in a listing of versions, one version.

    Args:
        place: the only one that told of them.
        request: the listing.
        prefixes: as the store says them.
        hidden: prefixes that callers must not see.
    """
    if not prefixes:
        return set()
    results: Sequence[Any] = yield Gather([_holds_any(place, request, prefix, hidden) for prefix in prefixes])
    alive = set()
    for prefix, result in zip(prefixes, results, strict=True):
        if isinstance(result, Exception):
            raise result
        if result[_ALIVE]:
            alive.add(prefix)
    return alive


def tombstoned(place: Place, bucket: str, keys: Collection[str]) -> Generator[Any, Any, set[str]]:
    """Which of these keys are tombstones, as far as a few pages of a listing tell.

    Args:
        place: where they lie.
        bucket: as callers say it.
        keys: any number; what lies far apart from the others is not looked for.

    Returns:
        Keys that are tombstones beyond doubt. The others may be too.
    """
    wanted = sorted(keys)
    prefix = commonprefix([wanted[0], wanted[-1]])
    ask = Request("ListObjectsV2", {"Bucket": bucket, "Prefix": prefix, "MaxKeys": _MAX_KEYS})
    found: set[str] = set()
    # `StartAfter` excludes its own name: the prefix itself may be a key, and comes first then.
    if wanted[0] != prefix:
        ask = ask.with_params(StartAfter=wanted[0][:-1])
    while wanted:
        page: Response = yield Call(place.as_stored, ask)
        items = page.get("Contents", ())
        found |= {item["Key"] for item in items if may_be_tombstone(item)}
        if not page.get("IsTruncated") or not items:
            break
        passed = bisect_right(wanted, items[-1]["Key"])
        if passed < _MAX_KEYS // 10:
            # Too many others between them for listing to be cheaper than asking.
            break
        wanted = wanted[passed:]
        ask = ask.with_params(StartAfter=items[-1]["Key"])
    return found & set(keys)


_CURRENT = ("Contents",)
_VERSIONS = ("Versions", "DeleteMarkers")
_MARKERS = {
    "ContinuationToken": "NextContinuationToken",
    "KeyMarker": "NextKeyMarker",
    "VersionIdMarker": "NextVersionIdMarker",
}
_DELETED = "deleted"
_ALIVE = "alive"


def _id(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["Key"], str(item.get("VersionId", ""))


def _look(place: Place, request: Request, item: Mapping[str, Any]) -> Flow:
    which = {"Bucket": request.params["Bucket"], "Key": item["Key"]}
    if item.get("VersionId"):
        which["VersionId"] = item["VersionId"]
    found = yield from find([place], Request("HeadObject", which))
    return {_DELETED: found is not None and found.is_deleted}


def _holds_any(place: Place, request: Request, prefix: str, hidden: tuple[str, ...]) -> Flow:
    versions = request.operation == "ListObjectVersions"
    operation, names = ("ListObjectVersions", _VERSIONS) if versions else ("ListObjectsV2", _CURRENT)
    ask = Request(operation, {"Bucket": request.params["Bucket"], "Prefix": prefix, "MaxKeys": _FIRST_LOOK})
    while True:
        page: Response = yield Call(place.as_stored, ask)
        items = [item for name in names for item in page.get(name, ()) if not _is_hidden(item["Key"], hidden)]
        dead = yield from tombstones_among(place, ask, items)
        if len(dead) < len(items):
            return {_ALIVE: True}
        ask_next = ask.with_params(MaxKeys=_MAX_KEYS, **_after(page))
        if not page.get("IsTruncated") or not _after(page) or ask_next.params == ask.params:
            return {_ALIVE: False}
        ask = ask_next


def _is_hidden(key: str, hidden: tuple[str, ...]) -> bool:
    return bool(hidden) and key.startswith(hidden)


def _after(page: Response) -> Parameters:
    """Where the next page begins, as parameters."""
    markers = {ours: page.get(theirs) for ours, theirs in _MARKERS.items()}
    return {name: value for name, value in markers.items() if value}
