"""Which route a request belongs to, and what is done with it there. Resolved once, looked up per call."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from foodco_storage.flows.copy_source import CopySource
from foodco_storage.flows.effects import Gate
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below
from foodco_storage.layers.copies import Copies
from foodco_storage.layers.merged_lists import MergedLists
from foodco_storage.layers.order import flow_through, layers_of, sides_of
from foodco_storage.layers.route import NO_PHASES, Moving, Route
from foodco_storage.layers.split_deletes import SplitDeletes
from foodco_storage.operations import OPERATIONS, OperationClass

_COPIES = frozenset({"CopyObject", "UploadPartCopy"})
_BY_PREFIX = frozenset({OperationClass.LIST, OperationClass.AUTHORITY_LIST})


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of an operation: a flow, or a call that goes to the backend of `place` as it is."""

    route: Route
    place: Place
    flow: Below | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The routes of one bucket, the longest prefix first; and the plans of each in each phase, operation by operation."""

    routes: tuple[Route | Moving, ...]
    plans: Mapping[tuple[str, str | None], Mapping[str, Plan]]

    def plan(self, route: Route, operation: str) -> Plan:
        """The plan of an operation on a route; one that botocore has and we don't know goes to the authority."""
        return self.plans[route.name, route.phase].get(operation) or Plan(route, route.authority)

    def route_of(self, key: str, phases: Mapping[str, str] = NO_PHASES) -> Route:
        """The route that speaks for a key, as it is now."""
        for route in self.routes:
            if key.startswith(route.prefix):
                return route.now(phases)
        raise LookupError(key)


class Router:
    """Finds the plan of a request.

    Args:
        routes: pairs of a bucket pattern and its route, most specific first.
        unrouted: stands for every bucket, and every key of a bucket, that no route speaks for.
    """

    def __init__(self, routes: Sequence[tuple[str, Route | Moving]], unrouted: Route) -> None:
        self._routes = routes
        self.moves = any(isinstance(route, Moving) for _, route in routes)
        """Whether the phase of some route moves."""
        self._unrouted = unrouted
        self._copies_to_unrouted = Copies(unrouted.authority, self.locate)
        # Buckets are few, but their names come from callers: bounded.
        self._bucket: Callable[[str], Bucket | None] = lru_cache(maxsize=1024)(self._resolve)

    def plan(self, operation: str, params: Mapping[str, Any], phases: Mapping[str, str] = NO_PHASES) -> Plan | None:
        """The plan of a request; None where it is the default backend's, untouched.

        Args:
            operation: botocore's name of it.
            params: its parameters.
            phases: by names of routes, the phases that it holds on to.
        """
        name = params.get("Bucket")
        if type(name) is not str:
            if not isinstance(name, str):
                return None
            # An enumeration's member, numpy's string: botocore sends the characters, whatever `str()` makes of them.
            name = str.__str__(name)
        bucket = self._bucket(name)
        if bucket is None:
            return self._unrouted_copy(operation, params) if operation in _COPIES else None
        routes = bucket.routes
        if len(routes) == 1:
            return bucket.plan(routes[0].now(phases), operation)
        return self._plan_among(bucket, operation, params, phases)

    def names(self, bucket: Any) -> set[str]:
        """What callers and stores call a bucket; nothing where that is no name."""
        if not isinstance(bucket, str):
            return set()
        name = str.__str__(bucket)
        found = self._bucket(name)
        routes = found.routes if found is not None else ()
        variants = [
            one for route in routes for one in (route.phases.values() if isinstance(route, Moving) else (route,))
        ]
        return {name}.union(*(route.names(name) for route in variants))

    def gates(self, operation: str, params: Mapping[str, Any]) -> dict[str, Gate]:
        """By names of routes, the gates of those whose phase moves and that a request may have to do with."""
        names = [params.get("Bucket")]
        if operation in _COPIES and (source := CopySource.of(params.get("CopySource"))) is not None:
            names.append(source.bucket)
        buckets = [self._bucket(str.__str__(name)) for name in names if isinstance(name, str)]
        routes = [route for bucket in buckets if bucket is not None for route in bucket.routes]
        return {route.name: route.gate for route in routes if isinstance(route, Moving)}

    def route(self, name: str, key: str | None) -> Route | None:
        """The route of a bucket and key; None for the default backend."""
        bucket = self._bucket(str.__str__(name))
        if bucket is None:
            return None
        route = bucket.route_of(key or "")
        return None if route is self._unrouted else route

    def name_of_route(self, params: Mapping[str, Any]) -> str | None:
        """The name of the route that a request's key, or else its prefix, belongs to, in whatever phase that is."""
        name, key = params.get("Bucket"), params.get("Key", params.get("Prefix", ""))
        bucket = self._bucket(str.__str__(name)) if isinstance(name, str) else None
        if bucket is not None:
            for route in bucket.routes:
                if not isinstance(key, str) or key.startswith(route.prefix):
                    return route.name or None
        return None

    def locate(self, bucket: str, key: str) -> Route:
        """The route that says who is asked when a key is read."""
        return self.route(bucket, key) or self._unrouted

    def _plan_among(
        self, bucket: Bucket, operation: str, params: Mapping[str, Any], phases: Mapping[str, str]
    ) -> Plan | None:
        if operation == "DeleteObjects":
            route_of = partial(bucket.route_of, phases=phases)
            layer = SplitDeletes(route_of, lambda route: bucket.plan(route, operation).flow)
            return self._plan_with(layer, operation, bucket.routes[-1].now(phases))
        operation_class = OPERATIONS.get(operation)
        name = params.get("Prefix" if operation_class in _BY_PREFIX else "Key", "")
        if not isinstance(name, str):
            return bucket.plan(bucket.routes[-1].now(phases), operation)
        route = bucket.route_of(name, phases)
        if operation_class is OperationClass.LIST:
            routes = [r.now(phases) for r in reversed(bucket.routes) if r.prefix.startswith(name)]
            under = [r for r in routes if r is not route]
            if under:
                return self._plan_with(MergedLists(sides_of([route, *under], name)), operation, route)
        plan = bucket.plan(route, operation)
        return None if route is self._unrouted and plan.flow is None else plan

    def _unrouted_copy(self, operation: str, params: Mapping[str, Any]) -> Plan | None:
        source = CopySource.of(params.get("CopySource"))
        if source is None or self.route(source.bucket, source.key) is None:
            return None
        return self._plan_with(self._copies_to_unrouted, operation, self._unrouted)

    def _plan_with(self, layer: Any, operation: str, route: Route) -> Plan:
        return Plan(route, route.authority, flow_through([layer], operation, route.authority))

    def _resolve(self, name: str) -> Bucket | None:
        routes: dict[str, Route | Moving] = {}
        for pattern, route in self._routes:
            if route.prefix not in routes and _matches(name, pattern):
                routes[route.prefix] = route
        if not routes:
            return None
        if "" not in routes:
            routes[""] = self._unrouted
        ordered = tuple(sorted(routes.values(), key=lambda route: len(route.prefix), reverse=True))
        variants = [
            one for route in ordered for one in (route.phases.values() if isinstance(route, Moving) else (route,))
        ]
        return Bucket(ordered, {(route.name, route.phase): self._plans(route) for route in variants})

    def _plans(self, route: Route) -> dict[str, Plan]:
        layers = layers_of(route, self.locate)
        return {
            operation: Plan(route, route.authority, flow_through(layers, operation, route.authority))
            for operation in OPERATIONS
        }


def _matches(name: str, pattern: str) -> bool:
    if name == pattern:
        return True
    # An access point's ARN stands where a bucket's name does, and is none.
    return not name.startswith("arn:") and fnmatch.fnmatchcase(name, pattern)
