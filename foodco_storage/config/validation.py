"""What a configuration must be beyond the types of its keys. Each check is a function; all are run, all they find is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from foodco_storage.config.model import CALLER, PHASES_NOT_IN_THIS_VERSION, Backend, Configuration, Route, to_document
from foodco_storage.config.read import read, suggestion
from foodco_storage.errors import ConfigurationError, Problem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# S3's names and, beyond them, what Ceph takes (https://docs.ceph.com/en/latest/radosgw/s3/bucketops/); `*?[]` in patterns.
_BUCKET = re.compile(r"[A-Za-z0-9*?\[][A-Za-z0-9._*?\[\]!-]{0,254}")
_WILDCARD = re.compile(r"[*?\[]")

Check = Callable[[Configuration], Iterator[Problem]]


def check(source: Configuration | Mapping[str, Any], problems: list[Problem] | None = None) -> Configuration:
    """Validate a configuration, given as objects or as the mapping that a file holds.

    Args:
        source: the configuration.
        problems: mistakes found before, to be told with the others.

    Raises:
        ConfigurationError: with every mistake.
    """
    found = list(problems or ())
    configuration = read(to_document(source), found)
    # What could not be read has been told; a check sees its default, and would tell of a second mistake.
    told = {problem.path for problem in found}
    for one in _CHECKS:
        found += (problem for problem in one(configuration) if problem.path not in told)
    if found:
        raise ConfigurationError(found)
    return configuration


def _names(configuration: Configuration) -> Iterator[Problem]:
    for kind, names in (("backends", configuration.backends), ("routes", configuration.routes)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield Problem(f"{kind}.{name}", "a name is made of letters, digits, '-' and '_'")
    if CALLER in configuration.backends:
        yield Problem(f"backends.{CALLER}", "'caller' is reserved for the caller's own arguments; choose another name")


def _backends(configuration: Configuration) -> Iterator[Problem]:
    for name, backend in configuration.backends.items():
        yield from _backend(f"backends.{name}", backend)


def _backend(path: str, backend: Backend) -> Iterator[Problem]:
    url = backend.endpoint_url
    if url is None:
        if backend.preset in ("ceph", "s3"):
            yield Problem(f"{path}.endpoint_url", f"is missing: preset {backend.preset!r} needs the store's URL")
    elif (why := _wrong_url(url)) is not None:
        yield Problem(f"{path}.endpoint_url", why)
    pair = (backend.access_key_id, backend.secret_access_key)
    if pair.count(None) == 1:
        missing = "secret_access_key" if backend.secret_access_key is None else "access_key_id"
        yield Problem(f"{path}.{missing}", "is missing: a key pair needs both")
    keys = any(value is not None for value in (*pair, backend.session_token))
    if backend.session_token is not None and None in pair:
        yield Problem(f"{path}.session_token", "needs access_key_id and secret_access_key beside it")
    if keys and backend.profile is not None:
        yield Problem(f"{path}.profile", "stands beside keys; keep one of the two")
    if backend.anonymous and (keys or backend.profile is not None):
        yield Problem(f"{path}.anonymous", "stands beside credentials; keep one of the two")
    if backend.verify == "":
        yield Problem(f"{path}.verify", "is empty; name a CA bundle, or leave it out")


def _wrong_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        return "must be a URL as in 'https://rgw.example.internal:8443'"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or a password; use access_key_id and secret_access_key"
    if parts.query or parts.fragment:
        return "must not hold a query or a fragment"
    return None


def _default(configuration: Configuration) -> Iterator[Problem]:
    yield from _known(configuration, "default.backend", configuration.default.backend)


def _routes(configuration: Configuration) -> Iterator[Problem]:
    for name, route in configuration.routes.items():
        path = f"routes.{name}"
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


def _known(configuration: Configuration, path: str, backend: str) -> Iterator[Problem]:
    if backend != CALLER and backend not in configuration.backends:
        yield Problem(path, f"no backend {backend!r}{suggestion(backend, [*configuration.backends, CALLER])}")


def _bucket_names(path: str, route: Route) -> Iterator[Problem]:
    patterns = bucket_patterns(route)
    if not patterns:
        yield Problem(f"{path}.bucket", "is empty; name a bucket, or '*' for all")
    for pattern in patterns:
        if not _BUCKET.fullmatch(pattern):
            yield Problem(f"{path}.bucket", f"{pattern!r} can't be the name of a bucket")
    for backend, bucket in route.buckets.items():
        where = f"{path}.buckets.{backend}"
        if backend not in (route.primary, *route.fallbacks):
            yield Problem(
                where, f"{backend!r} has no part in this route{suggestion(backend, [route.primary, *route.fallbacks])}"
            )
        if len(patterns) > 1 or any(_WILDCARD.search(pattern) for pattern in patterns):
            yield Problem(where, "would put several buckets into one; give each bucket a route of its own")
        if not _BUCKET.fullmatch(bucket) or _WILDCARD.search(bucket):
            yield Problem(where, f"{bucket!r} can't be the name of a bucket")


def _phase(path: str, route: Route) -> Iterator[Problem]:
    if route.phase is None:
        return
    if route.phase in PHASES_NOT_IN_THIS_VERSION:
        yield Problem(
            f"{path}.phase",
            f"{route.phase!r} is not available in this version of foodco_storage; leave phase out to read through from "
            "the fallbacks, or use 'source' or 'target'",
        )
    if not route.fallbacks and route.phase != "target":
        yield Problem(f"{path}.fallbacks", f"is empty, but phase {route.phase!r} needs the source of the migration")


def _same_place(configuration: Configuration, path: str, route: Route) -> Iterator[Problem]:
    seen: dict[tuple[Any, ...], str] = {}
    for name in (route.primary, *route.fallbacks):
        backend = configuration.backends.get(name)
        if backend is None or backend.endpoint_url is None:
            continue
        # Other credentials may mean another tenant of the same Ceph, with buckets of its own.
        place = (backend.endpoint_url.rstrip("/"), route.buckets.get(name), backend.access_key_id, backend.profile)
        if place in seen and seen[place] != name:
            yield Problem(path, f"{seen[place]!r} and {name!r} are the same bucket of the same endpoint")
        seen.setdefault(place, name)


def _twice(configuration: Configuration) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for name, route in configuration.routes.items():
        for pattern in bucket_patterns(route):
            first = seen.setdefault((pattern, route.prefix), name)
            if first != name:
                prefix = f" and prefix {route.prefix!r}" if route.prefix else ""
                yield Problem(f"routes.{name}.bucket", f"bucket {pattern!r}{prefix} belongs to routes.{first} already")


def bucket_patterns(route: Route) -> list[str]:
    """The bucket names, or patterns of them, of a route."""
    return [route.bucket] if isinstance(route.bucket, str) else route.bucket


_CHECKS: tuple[Check, ...] = (_names, _backends, _default, _routes, _twice)
