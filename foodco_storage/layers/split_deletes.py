"""DeleteObjects on a bucket whose prefixes belong to several routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foodco_storage.flows.effects import sent
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.layers.refused_deletes import RefusedDeletes
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note


class SplitDeletes:
    """Gives each route its keys; all or nothing where one of the routes refuses deletes.

    Args:
        route_of: the route of a key.
        flow_of: the flow of DeleteObjects on a route; None where it goes to the authority as it is.
    """

    def __init__(self, route_of: Callable[[str], Route], flow_of: Callable[[Route], Below | None]) -> None:
        self._route_of = route_of
        self._flow_of = flow_of

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
            if route.fallbacks and route.phase is None:
                yield from RefusedDeletes(route.authority, route.fallbacks).delete_objects(request, below)
        merged: Response = {}
        for route, items in groups.values():
            part = request.with_params(Delete={**delete, "Objects": items})
            flow = self._flow_of(route)
            response: Response = yield from (flow(part) if flow is not None else sent(route.authority, part))
            if not merged:
                merged = note(response, backend=route.authority.backend)
                continue
            for name in ("Deleted", "Errors"):
                if name in response:
                    merged.setdefault(name, []).extend(response[name])
        return merged or (yield from below(request))
