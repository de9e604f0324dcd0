"""What routes must be beyond the types of their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from foodco_storage.config.backend_checks import store_of
from foodco_storage.config.model import CALLER, Configuration, Route
from foodco_storage.config.plain import joined
from foodco_storage.config.read import suggestion
from foodco_storage.errors import Problem

# What S3 takes today or took once, and Ceph takes (https://docs.ceph.com/en/latest/radosgw/s3/bucketops/).
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9*?\[][A-Za-z0-9._*?\[\]!-]{0,254}", re.ASCII)
_WILDCARD = re.compile(r"[*?\[]")


def default(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in what becomes of buckets without a route."""
    yield from _known(configuration, "default.backend", configuration.default.backend)


def routes(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in each route by itself."""
    for name, route in configuration.routes.items():
        path = joined("routes", name)
        yield from _known(configuration, f"{path}.primary", route.primary)
        for number, fallback in enumerate(route.fallbacks):
            where = f"{path}.fallbacks[{number}]"
            yield from _known(configuration, where, fallback)
            if fallback == route.primary:
                yield Problem(where, f"{fallback!r} is the primary already")
            elif fallback in route.fallbacks[:number]:
                yield Problem(where, f"{fallback!r} stands there twice")
        yield from _bucket_names(path, route)
        yield from _phase(path, route)
        yield from _same_place(configuration, path, route)
        if not route.reserved_prefix.endswith("/") or route.reserved_prefix.startswith("/"):
            yield Problem(
                f"{path}.reserved_prefix", "must end with '/', and not begin with it, as in '.foodco-storage/'"
            )


def twice(configuration: Configuration) -> Iterator[Problem]:
    """Routes for the same bucket and prefix."""
    seen: dict[tuple[str, str], str] = {}
    for name, route in configuration.routes.items():
        for pattern in _patterns(route):
            first = seen.setdefault((pattern, route.prefix), name)
            if first != name:
                prefix = f" and prefix {route.prefix!r}" if route.prefix else ""
                yield Problem(
                    f"{joined('routes', name)}.bucket",
                    f"bucket {pattern!r}{prefix} belongs to {joined('routes', first)} already",
                )


def _known(configuration: Configuration, path: str, backend: str) -> Iterator[Problem]:
    if backend != CALLER and backend not in configuration.backends:
        yield Problem(path, f"no backend {backend!r}{suggestion(backend, [*configuration.backends, CALLER])}")


def _bucket_names(path: str, route: Route) -> Iterator[Problem]:
    patterns = _patterns(route)
    if not patterns:
        yield Problem(f"{path}.bucket", "is empty; name a bucket, or '*' for all")
    for number, pattern in enumerate(patterns):
        where = f"{path}.bucket" if isinstance(route.bucket, str) else f"{path}.bucket[{number}]"
        if not (_PATTERN if _WILDCARD.search(pattern) else _BUCKET).fullmatch(pattern):
            yield Problem(where, f"{pattern!r} can't be the name of a bucket")
        elif pattern in patterns[:number]:
            yield Problem(where, f"{pattern!r} stands there twice")
    parties = [name for name in (route.primary, *route.fallbacks) if name]
    for backend, bucket in route.buckets.items():
        where = joined(f"{path}.buckets", backend)
        # Without a primary, which is told elsewhere, nobody knows who takes part.
        if route.primary and backend not in parties:
            yield Problem(where, f"{backend!r} has no part in this route{suggestion(backend, parties)}")
        if len(patterns) > 1 or any(_WILDCARD.search(pattern) for pattern in patterns):
            yield Problem(where, "would put several buckets into one; give each bucket a route of its own")
        if not _BUCKET.fullmatch(bucket):
            yield Problem(where, f"{bucket!r} can't be the name of a bucket")


def _phase(path: str, route: Route) -> Iterator[Problem]:
    moves = route.phase is not None or route.control.enabled
    if route.control.enabled and route.phase is not None:
        yield Problem(
            f"{path}.phase",
            "is the control object's to say while control.enabled is true; leave it out (`foodco-storage phase init` makes "
            "the control object)",
        )
    if not moves:
        return
    said = f"phase {route.phase!r}" if route.phase else "a phase held by the control object"
    if not route.fallbacks and route.phase != "target":
        yield Problem(f"{path}.fallbacks", f"is empty, but {said} needs the source of the migration")
    if len(route.fallbacks) > 1:
        yield Problem(f"{path}.fallbacks", f"names {len(route.fallbacks)} backends, but {said} moves from one source")
    if route.phase in {"source", "target"}:
        return
    for name, where in ((route.primary, "primary"), *((one, "fallbacks[0]") for one in route.fallbacks[:1])):
        if name == CALLER:
            yield Problem(
                f"{path}.{where}",
                f"{CALLER!r} can't take part in {said}: its writes are finished by whoever finds them in the journal, and so "
                "need a backend of the configuration",
            )
    if route.control.lease_seconds < 2 * route.control.refresh_seconds:
        yield Problem(f"{path}.control.lease_seconds", "must be at least twice refresh_seconds")


def _same_place(configuration: Configuration, path: str, route: Route) -> Iterator[Problem]:
    seen: dict[Any, str] = {}
    for number, name in enumerate((route.primary, *route.fallbacks), start=-1):
        backend = configuration.backends.get(name)
        store = None if backend is None else store_of(backend)
        if store is None:
            continue
        first = seen.setdefault((store, str(route.buckets.get(name, route.bucket))), name)
        if first != name:
            yield Problem(f"{path}.fallbacks[{number}]", f"{name!r} is the same bucket of the same store as {first!r}")


def _patterns(route: Route) -> list[str]:
    """The bucket names, or patterns of them, of a route."""
    return [route.bucket] if isinstance(route.bucket, str) else route.bucket
