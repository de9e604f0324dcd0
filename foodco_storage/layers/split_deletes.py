"""DeleteObjects on a bucket whose prefixes belong to several routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foodco_storage.flows.effects import Call
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.refused_deletes import RefusedDeletes
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note


class SplitDeletes:
    """Sends each key to the primary of its route; all or nothing where one of the routes refuses deletes.

    Args:
        route_of: the route of a key.
    """

    def __init__(self, route_of: Callable[[str], Route]) -> None:
        self._route_of = route_of

    def delete_objects(self, request: Request, below: Below) -> Flow:
        """Delete up to 1000 keys."""
        delete: Any = request.params.get("Delete")
        objects = delete.get("Objects") if isinstance(delete, dict) else None
        if not isinstance(objects, list | tuple) or not all(
            isinstance(item, dict) and "Key" in item for item in objects
        ):
            # Not of the form that botocore takes: it says so better than we could.
            return (yield from below(request))
        groups: dict[str, tuple[Route, list[Any]]] = {}
        for item in objects:
            route = self._route_of(str(item["Key"]))
            groups.setdefault(route.name, (route, []))[1].append(item)
        for route, _ in groups.values():
            if route.fallbacks:
                yield from RefusedDeletes(route.primary, route.fallbacks).delete_objects(request, below)
        merged: Response = {}
        for route, items in groups.values():
            part = request.with_params(Delete={**delete, "Objects": items})
            response: Response = yield Call(route.primary, part)
            if not merged:
                merged = note(response, backend=route.primary.backend)
                continue
            for name in ("Deleted", "Errors"):
                if name in response:
                    merged.setdefault(name, []).extend(response[name])
        return merged or (yield from below(request))
