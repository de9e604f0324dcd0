"""Listings asked for page by page, as botocore's paginators do."""

from __future__ import annotations

from typing import Any

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.simulation import Simulation
from foodco_storage.flows.request import Below, Request
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.route import Route


def flow_of(operation: str, route: Route) -> Below:
    flow = flow_through(layers_of(route, lambda *_: route), operation, route.authority)
    assert flow is not None
    return flow


def pages(backends: dict[str, MemoryBackend], flow: Any, operation: str, **params: Any) -> list[dict[str, Any]]:
    """Every page of a listing."""
    simulation, found, asked = Simulation(backends), [], dict(params)
    for _ in range(200):
        page = simulation.run(simulation.start(operation, flow(Request(operation, {"Bucket": "b", **asked}))))
        found.append(page)
        if not page["IsTruncated"]:
            return found
        if operation == "ListObjectsV2":
            asked["ContinuationToken"] = page["NextContinuationToken"]
        elif operation == "ListObjects":
            asked["Marker"] = page.get("NextMarker") or page["Contents"][-1]["Key"]
        else:
            asked["KeyMarker"], asked["VersionIdMarker"] = page["NextKeyMarker"], page["NextVersionIdMarker"]
    raise AssertionError("the listing does not end")


def named(page: dict[str, Any]) -> list[str]:
    """The keys and common prefixes of a page, sorted."""
    keys = [item["Key"] for name in ("Contents", "Versions", "DeleteMarkers") for item in page.get(name, [])]
    return sorted(keys + [item["Prefix"] for item in page.get("CommonPrefixes", [])])
