"""Tombstones in listings: what their pages show of deleted keys, and of folders that hold nothing else."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from foodco_storage.flows.effects import Call, Gather
from foodco_storage.flows.marks import may_be_tombstone
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
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
    """Which of these common prefixes hold at least one key that is there.

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
    ask = Request("ListObjectsV2", {"Bucket": request.params["Bucket"], "Prefix": prefix, "MaxKeys": _FIRST_LOOK})
    while True:
        page: Response = yield Call(place, ask)
        items = [item for item in page.get("Contents", ()) if not item["Key"].startswith(hidden or ("\0",))]
        dead = yield from tombstones_among(place, ask, items)
        if len(dead) < len(items):
            return {_ALIVE: True}
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or not token or token == ask.params.get("ContinuationToken"):
            return {_ALIVE: False}
        ask = ask.with_params(ContinuationToken=token, MaxKeys=_MAX_KEYS)
