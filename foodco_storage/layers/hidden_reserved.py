"""What callers must not see in listings of one backend: the reserved location, and tombstones.

Merged listings hide both themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.listed_tombstones import tombstones_among, without_ghosts

_CURRENT = ("Contents", "CommonPrefixes")
_VERSIONS = ("Versions", "DeleteMarkers", "CommonPrefixes")
_WHERE_TO_GO_ON = ("IsTruncated", "NextContinuationToken", "NextKeyMarker", "NextMarker", "NextVersionIdMarker")

_Following = Callable[[Request, Response], Request | None]
"""The request for the page after an answer that the store gave; None where the answer does not lead on."""


class HiddenReserved:
    """Takes what lies under the reserved prefix, and tombstones, out of every page, and fills the page up from behind it.

    So code that asks for one key (`MaxKeys=1`) to see whether a prefix is empty gets the first of the others, and a paginator
    of `ListObjects` always has a last key to go on from. Pages in which nothing is hidden cost no request more.

    Args:
        reserved_prefix: keys that start with it are the library's own.
        tombstones: the backend, where some of its objects say that their key was deleted; else None.
        merged: whether lists of current objects come from a layer below that has taken its tombstones out already.
    """

    def __init__(self, reserved_prefix: str, tombstones: Place | None = None, *, merged: bool = False) -> None:
        self._reserved = reserved_prefix
        self._tombstones = {_CURRENT: None if merged else tombstones, _VERSIONS: tombstones}

    def list_objects_v2(self, request: Request, below: Below) -> Flow:
        """List without the reserved location."""
        response: Response = yield from self._list(request, below, _CURRENT, _by_token)
        if "KeyCount" in response:
            response["KeyCount"] = _count(response, _CURRENT)
        return response

    def list_objects(self, request: Request, below: Below) -> Flow:
        """List without the reserved location."""
        return (yield from self._list(request, below, _CURRENT, _by_marker))

    def list_object_versions(self, request: Request, below: Below) -> Flow:
        """List versions without those of the reserved location."""
        return (yield from self._list(request, below, _VERSIONS, _by_version))

    def _list(self, request: Request, below: Below, names: tuple[str, ...], following: _Following) -> Flow:
        response: Response = yield from below(request)
        if "Name" in response:
            # Callers know it by their own name.
            response["Name"] = request.params["Bucket"]
        shown = yield from self._shown(request, response, names)
        missing = _count(response, names) - _count(shown, names)
        if not missing:
            return response
        page, hidden, asked = response, missing, request
        while hidden and missing > 0 and page.get("IsTruncated"):
            # Never for more than are missing: no page is longer than was asked for.
            ask = following(request, page)
            if ask is None or ask.params == asked.params:
                # The caller gets the page as short as it is, and what the store says of the next.
                break
            asked = ask
            page = yield from below(ask.with_params(MaxKeys=missing))
            more = yield from self._shown(request, page, names)
            hidden = _count(page, names) - _count(more, names)
            missing -= _count(more, names)
            for name, items in more.items():
                shown[name] += items
        filled = {name: value for name, value in response.items() if name not in (*names, *_WHERE_TO_GO_ON)}
        filled |= {name: items for name, items in shown.items() if items}
        return filled | {name: page[name] for name in _WHERE_TO_GO_ON if name in page}

    def _shown(
        self, request: Request, page: Response, names: tuple[str, ...]
    ) -> Generator[Any, Any, dict[str, list[Any]]]:
        shown = {name: [item for item in page.get(name, ()) if not self._is_reserved(request, item)] for name in names}
        place = self._tombstones[names]
        if place is None:
            return shown
        for name in names:
            if name == "CommonPrefixes":
                prefixes = [_decoded(request, item["Prefix"]) for item in shown[name]]
                alive = yield from without_ghosts(place, request, prefixes, (self._reserved,))
                shown[name] = [item for item in shown[name] if _decoded(request, item["Prefix"]) in alive]
            elif name != "DeleteMarkers":
                items = [{**item, "Key": _decoded(request, item["Key"])} for item in shown[name]]
                dead = yield from tombstones_among(place, request, items)
                shown[name] = [
                    item
                    for item, decoded in zip(shown[name], items, strict=True)
                    if (decoded["Key"], str(item.get("VersionId", ""))) not in dead
                ]
        return shown

    def _is_reserved(self, request: Request, item: Mapping[str, Any]) -> bool:
        name: str = item["Key"] if "Key" in item else item["Prefix"]
        return _decoded(request, name).startswith(self._reserved)


def _count(response: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return sum(len(response.get(name, ())) for name in names)


def _by_token(request: Request, page: Response) -> Request | None:
    token = page.get("NextContinuationToken")
    return request.without_params("StartAfter").with_params(ContinuationToken=token) if token else None


def _by_marker(request: Request, page: Response) -> Request | None:
    # Without a delimiter S3 gives no NextMarker, and no common prefixes either.
    marker = page.get("NextMarker") or (page["Contents"][-1]["Key"] if page.get("Contents") else None)
    return request.with_params(Marker=_decoded(request, marker)) if marker else None


def _by_version(request: Request, page: Response) -> Request | None:
    if not page.get("NextKeyMarker"):
        return None
    markers = {"KeyMarker": _decoded(request, page["NextKeyMarker"])}
    if page.get("NextVersionIdMarker"):
        markers["VersionIdMarker"] = page["NextVersionIdMarker"]
    return request.without_params("VersionIdMarker").with_params(**markers)


def _decoded(request: Request, name: str) -> str:
    """A name as it is: botocore decodes those of an answer unless the caller asked for an encoding."""
    return unquote_plus(name) if request.params.get("EncodingType") == "url" else name
