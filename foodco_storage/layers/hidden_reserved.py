"""The reserved location of a primary, kept out of listings of one backend (merged listings hide it themselves)."""

from __future__ import annotations

from foodco_storage.flows.request import Below, Flow, Request, Response


class HiddenReserved:
    """Takes what lies under the reserved prefix out of every page; such a page is shorter, as S3 allows."""

    def __init__(self, reserved_prefix: str) -> None:
        self._reserved = reserved_prefix

    def list_objects_v2(self, request: Request, below: Below) -> Flow:
        """List without the reserved location."""
        response: Response = yield from below(request)
        if hidden := self._hide(response, "Contents", "Key") + self._hide(response, "CommonPrefixes", "Prefix"):
            response["KeyCount"] -= hidden
        return response

    def list_objects(self, request: Request, below: Below) -> Flow:
        """List without the reserved location."""
        response: Response = yield from below(request)
        self._hide(response, "Contents", "Key")
        self._hide(response, "CommonPrefixes", "Prefix")
        return response

    def list_object_versions(self, request: Request, below: Below) -> Flow:
        """List versions without those of the reserved location."""
        response: Response = yield from below(request)
        for name, key in (("Versions", "Key"), ("DeleteMarkers", "Key"), ("CommonPrefixes", "Prefix")):
            self._hide(response, name, key)
        return response

    def _hide(self, response: Response, name: str, key: str) -> int:
        items = response.get(name)
        # Most pages hold nothing of it: their lists stay as they are.
        if not items or not any(item[key].startswith(self._reserved) for item in items):
            return 0
        kept = [item for item in items if not item[key].startswith(self._reserved)]
        if kept:
            response[name] = kept
        else:
            del response[name]
        return len(items) - len(kept)
