"""The order of the layers: the one place that says who stands above whom.

From the caller down to the backends: (telemetry) > cache > coexistence > compression > backend. What stands in brackets is to
come. The layers of coexistence take each other operations, and send them to the route's places themselves; a place that keeps
objects compressed translates each call to it (`foodco_storage.layers.compressed_place`), whoever makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from foodco_storage.flows.effects import sent
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.layers.conditional_writes import ConditionalWrites
from foodco_storage.layers.copies import Copies, Locate
from foodco_storage.layers.deletes import Deletes
from foodco_storage.layers.fallback_reads import FallbackReads
from foodco_storage.layers.hidden_reserved import HiddenReserved
from foodco_storage.layers.list_positions import ListPositions
from foodco_storage.layers.listing import Side
from foodco_storage.layers.merged_lists import MergedLists
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.object_attributes import ObjectAttributes
from foodco_storage.layers.object_metadata_writes import ObjectMetadataWrites
from foodco_storage.layers.promote import Promotes
from foodco_storage.layers.refused_deletes import RefusedDeletes
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note
from foodco_storage.layers.uploads import Uploads
from foodco_storage.layers.writes import Writes
from foodco_storage.operations import python_name


def layers_of(route: Route, locate: Locate) -> list[Any]:
    """The layers of a route, top first."""
    if route.phase in {"backfill", "cutover", "drain"}:
        coexistence = _on_the_move(route, locate)
    elif route.phase is not None:
        coexistence = _before_or_after(route, locate)
    elif route.fallbacks:
        coexistence = _reading_through(route, locate)
    else:
        coexistence = [Copies(route.authority, locate)]
    tombstones = route.authority if route.may_hold_tombstones else None
    hidden = HiddenReserved(route.reserved_prefix, tombstones, merged=bool(route.fallbacks))
    return [hidden, *_caching(route), *coexistence]


def _caching(route: Route) -> list[Any]:
    if route.caching is None:
        return []
    from foodco_storage.layers.cached_reads import CachedReads  # noqa: PLC0415 - most routes have no cache

    return [CachedReads(route.name, route.caching)]


def _reading_through(route: Route, locate: Locate) -> list[Any]:
    """A route with fallbacks that does not migrate: it reads from them, and never writes or deletes there."""
    conditions = ConditionalWrites(route)
    return [
        ObjectAttributes(route.authority),
        FallbackReads(route),
        MergedLists(sides_of([route], "")),
        Copies(route.authority, locate, conditions),
        Writes(route, conditions),
        ObjectMetadataWrites(route),
        RefusedDeletes(route.authority, route.fallbacks),
    ]


def _before_or_after(route: Route, locate: Locate) -> list[Any]:
    """One side is everything, but may hold what the migration left on it: marks, and on the primary tombstones."""
    conditions = ConditionalWrites(route)
    # In `source` clients without the library may be given what a page ends with.
    layers: list[Any] = [FallbackReads(route), ListPositions(gives=route.phase != "source")]
    if route.may_hold_tombstones:
        layers = [
            ObjectAttributes(route.authority),
            *layers,
            Copies(route.authority, locate, conditions, keeps_marks=True),
            Writes(route, conditions),
            ObjectMetadataWrites(route),
        ]
    else:
        layers.append(Copies(route.authority, locate, keeps_marks=True))
    return layers


def _on_the_move(route: Route, locate: Locate) -> list[Any]:
    """Two sides, of which one decides and the other follows."""
    conditions = ConditionalWrites(route)
    writes = Mirror(route, follows=route.mirrors_writes)
    promotes = Promotes(route) if route.fallbacks else None
    uploads = Uploads(route, conditions, writes)
    return [
        ObjectAttributes(route.authority),
        FallbackReads(route, promotes),
        MergedLists(sides_of([route], "")) if route.fallbacks else ListPositions(gives=True),
        Copies(route.authority, locate, conditions, writes, uploads, keeps_marks=True),
        uploads,
        Writes(route, conditions, writes),
        ObjectMetadataWrites(route, writes, promotes),
        Deletes(route, conditions, Mirror(route, follows=route.mirrors_deletes)),
    ]


def sides_of(routes: Sequence[Route], prefix: str) -> list[Side]:
    """The sides of a listing of `prefix` over the routes of one bucket, in order of precedence."""
    prefixes = {route.prefix for route in routes}
    sides = []
    for route in routes:
        others = tuple(p for p in prefixes if p != route.prefix and p.startswith(route.prefix))
        own = route.prefix if len(route.prefix) > len(prefix) else ""
        for number, place in enumerate((route.authority, *route.fallbacks)):
            is_authority = number == 0
            sides.append(
                Side(
                    place,
                    own,
                    others,
                    (route.reserved_prefix,),
                    keeps=is_authority,
                    has_tombstones=is_authority and route.may_hold_tombstones,
                )
            )
    return sides


def flow_through(layers: Sequence[Any], operation: str, primary: Place) -> Below | None:
    """The flow of an operation through the layers that handle it; None where none does, and it goes to the primary."""
    name = python_name(operation)
    methods = [method for layer in layers if (method := getattr(layer, name, None)) is not None]
    if not methods and not primary.translates(operation):
        return None
    below: Below = partial(_call, primary)
    for method in reversed(methods):
        below = partial(_through, method, below)
    return below


def _through(method: Any, below: Below, request: Request) -> Flow:
    flow: Flow = method(request, below)
    return flow


def _call(place: Place, request: Request) -> Flow:
    return note((yield from sent(place, request)), backend=place.backend)
