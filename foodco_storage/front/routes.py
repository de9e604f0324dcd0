"""A configured route, and what it is in a phase of its migration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from foodco_storage.config import Backend
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.flows.compression_effects import Packing
from foodco_storage.flows.effects import Gate
from foodco_storage.flows.place import Place
from foodco_storage.layers.compressed_place import CompressedPlace
from foodco_storage.layers.compressible import EXCLUDED_TYPES, INCLUDED_TYPES, Compressing
from foodco_storage.layers.dictionaries import Dictionaries
from foodco_storage.layers.route import Caching, Mirroring, Promoting, Route

PHASES = ("source", "backfill", "cutover", "drain", "target")

MIRRORED = frozenset({"backfill", "cutover", "drain"})
"""Phases in which the journal has a part."""

_PLAIN = frozenset({"source", "backfill"})
"""Phases in which nothing is compressed: clients without the library still read the bucket."""

_dictionaries = Dictionaries()

_WILDCARDS = frozenset("*?[")


def route_in_phase(
    name: str, route: ConfiguredRoute, phase: str | None, backends: Mapping[str, Backend], gate: Gate | None = None
) -> Route:
    """A configured route with a phase applied: who decides, who is read after, who follows.

    Args:
        name: the route's name.
        route: its configuration.
        phase: where its migration stands; None for a route that does not migrate.
        backends: the configuration's, by name.
        gate: lets writes through, where the phase may move.
    """
    primary, fallbacks = _place(route.primary, route), tuple(_place(fallback, route) for fallback in route.fallbacks)
    compressing = compressing_of(route, phase)
    if compressing is not None:
        primary = _compressed(name, primary, compressing)
        # They may hold what was compressed when they were the primary, of this route or of another.
        only_read = replace(compressing, packing=None)
        fallbacks = tuple(_compressed(name, fallback, only_read) for fallback in fallbacks)
    authority, read_after, other = primary, fallbacks, None
    if phase in {"source", "backfill"}:
        # The primary takes no part in reads yet.
        authority, read_after = fallbacks[0], ()
        other = primary if phase == "backfill" else None
    elif phase in {"cutover", "drain"}:
        other = fallbacks[0]
    elif phase == "target":
        read_after = ()
    return Route(
        name=name,
        authority=authority,
        fallbacks=read_after,
        prefix=route.prefix,
        reserved_prefix=route.reserved_prefix,
        read_when_primary_down=route.read_when_primary_down,
        presign=route.presign or ("holder" if read_after else "authority"),
        phase=phase,
        other=other,
        mirroring=Mirroring(route.mirror.mode, route.mirror.required),
        promoting=Promoting(
            enabled=route.promote.enabled,
            background=route.promote.background,
            max_object_bytes=route.promote.max_object_bytes,
            deadline_seconds=route.promote.deadline_seconds,
        ),
        identity="" if phase is None else identity(name, route, backends, authority.backend),
        caching=caching_of(route),
        compressing=compressing,
        gate=gate,
    )


def caching_of(route: ConfiguredRoute) -> Caching | None:
    """How a route's reads are cached; None where no level has a size."""
    cache = route.cache
    if cache.memory_max_bytes is None and cache.disk_max_bytes is None:
        return None
    return Caching(int(cache.block_bytes), int(cache.max_object_bytes), cache.ttl_seconds, cache.stale_if_error)


def compressing_of(route: ConfiguredRoute, phase: str | None) -> Compressing | None:
    """How a route's objects are compressed in a phase; None where what lies there is nothing to look at.

    On a route that migrates it is, table or no table: a process whose configuration is older than others' must not carry a
    stored form to the other side, where clients without the library read.
    """
    options = route.compression
    if options.codec is None and phase is None:
        return None
    writes = options.codec == "zstd" and phase not in _PLAIN
    packing = Packing(options.level, int(options.min_bytes), options.min_gain, int(options.frame_bytes))
    return Compressing(
        packing if writes else None,
        include_types=tuple(options.include_types) if options.include_types is not None else INCLUDED_TYPES,
        exclude_types=tuple(options.exclude_types) if options.exclude_types is not None else EXCLUDED_TYPES,
        dictionary=options.dictionary or "",
        exact_sizes=options.exact_sizes,
        presigned=options.presigned == "encoded",
        table=options.codec is not None,
    )


def identity(name: str, route: ConfiguredRoute, backends: Mapping[str, Backend], authority: str) -> str:
    """Which stores and buckets a route joins, and who of them decides: what an entry of the journal is good for.

    Another configuration may have a route of the same name over other stores, and share the journal's directory. An entry
    made under one authority must never be brought up to date under another: the newer side would be overwritten.
    """
    return f"{stores(name, route, backends)}:{authority}"


def stores(name: str, route: ConfiguredRoute, backends: Mapping[str, Backend]) -> str:
    """Which stores and buckets a route joins, as a short digest."""
    joined = [[name, route.prefix, sorted(patterns(route))]]
    for backend in (route.primary, *route.fallbacks):
        settings = backends.get(backend)
        where = [settings.endpoint_url, settings.region, settings.profile] if settings is not None else [None] * 3
        joined.append([backend, str(where), [route.buckets.get(backend, "")]])
    return hashlib.sha256(json.dumps(joined).encode()).hexdigest()[:16]


def account_of(backend: Backend) -> Hashable:
    """As whom a store is asked; not to be shown to anybody."""
    key = backend.access_key_id
    return (key.reveal() if key is not None else None, backend.profile, backend.anonymous)


def patterns(route: ConfiguredRoute) -> Sequence[str]:
    """The bucket names, or patterns of them, of a route."""
    return (route.bucket,) if isinstance(route.bucket, str) else tuple(route.bucket)


def specificity(pattern: str) -> tuple[bool, int]:
    """A bucket's own name before a pattern, a longer pattern before a shorter one."""
    return not _WILDCARDS & set(pattern), len(pattern.strip("*"))


def _compressed(name: str, place: Place, options: Compressing) -> Place:
    return replace(place, translation=CompressedPlace(name, place, options, _dictionaries))


def _place(backend: str, route: ConfiguredRoute) -> Place:
    theirs = route.buckets.get(backend)
    renamed = dict.fromkeys(patterns(route), theirs) if theirs is not None else {}
    return Place(backend, renamed, route.reserved_prefix)
