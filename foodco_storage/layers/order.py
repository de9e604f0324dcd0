"""The order of the layers: the one place that says who stands above whom.

From the caller down to the backends: (telemetry) > (cache) > (compression) > coexistence > backend. What stands in
brackets is to come. The layers of coexistence share the bottom: each takes other operations and sends them to the
route's places itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from foodco_storage.flows.effects import Call
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.layers.conditional_writes import ConditionalWrites
from foodco_storage.layers.copies import Copies, Locate
from foodco_storage.layers.fallback_reads import FallbackReads
from foodco_storage.layers.hidden_reserved import HiddenReserved
from foodco_storage.layers.listing import Side
from foodco_storage.layers.merged_lists import MergedLists
from foodco_storage.layers.object_attributes import ObjectAttributes
from foodco_storage.layers.object_metadata_writes import ObjectMetadataWrites
from foodco_storage.layers.refused_deletes import RefusedDeletes
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note
from foodco_storage.operations import python_name


def layers_of(route: Route, locate: Locate) -> list[Any]:
    """The layers of a route, top first."""
    coexistence: list[Any]
    if route.fallbacks:
        conditions = ConditionalWrites(route.primary, route.fallbacks)
        coexistence = [
            ObjectAttributes(route.primary),
            FallbackReads(route.primary, route.fallbacks, read_when_primary_down=route.read_when_primary_down),
            MergedLists(sides_of([route], "")),
            Copies(route.primary, locate, conditions),
            conditions,
            ObjectMetadataWrites(route.primary, route.fallbacks),
            RefusedDeletes(route.primary, route.fallbacks),
        ]
    else:
        coexistence = [Copies(route.primary, locate)]
    return [HiddenReserved(route.reserved_prefix), *coexistence]


def sides_of(routes: Sequence[Route], prefix: str) -> list[Side]:
    """The sides of a listing of `prefix` over the routes of one bucket, in order of precedence."""
    prefixes = {route.prefix for route in routes}
    sides = []
    for route in routes:
        others = tuple(p for p in prefixes if p != route.prefix and p.startswith(route.prefix))
        own = route.prefix if len(route.prefix) > len(prefix) else ""
        for number, place in enumerate(route.places):
            sides.append(Side(place, own, others, (route.reserved_prefix,), keeps=number == 0))
    return sides


def flow_through(layers: Sequence[Any], operation: str, primary: Place) -> Below | None:
    """The flow of an operation through the layers that handle it; None where none does, and it goes to the primary."""
    name = python_name(operation)
    methods = [method for layer in layers if (method := getattr(layer, name, None)) is not None]
    if not methods:
        return None
    below: Below = partial(_call, primary)
    for method in reversed(methods):
        below = partial(_through, method, below)
    return below


def _through(method: Any, below: Below, request: Request) -> Flow:
    flow: Flow = method(request, below)
    return flow


def _call(place: Place, request: Request) -> Flow:
    return note((yield Call(place, request)), backend=place.backend)
