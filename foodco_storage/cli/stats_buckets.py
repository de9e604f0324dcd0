"""What callers call a bucket of which a store's own records tell: statistics are kept under their name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from foodco_storage.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from foodco_storage.config import Configuration
    from foodco_storage.config.model import Route

_NO_NAME: Final = re.compile(r"[*?\[\]/\s]|^$")


def naming(configuration: Configuration, given: str | None) -> str | Callable[[str], str]:
    """What tells the name that callers have for a bucket.

    Args:
        configuration: whose routes say what a store calls the buckets of callers (`routes.NAME.buckets`). A bucket of which
            they say nothing, or that a pattern covers, has one name.
        given: the name, by the operator; None to look for it.

    Returns:
        The name given, or what looks for one. That raises a `ConfigurationError` where callers have several.

    Raises:
        ConfigurationError: what was given is no bucket's name.
    """
    if given is None:
        return lambda found: _called(configuration, found)
    if _NO_NAME.search(given):
        raise ConfigurationError([Problem("--as", f"{given!r} is no bucket's name: say the one that callers use")])
    return given


def _called(configuration: Configuration, found: str) -> str:
    names = {name: bucket for name, route in configuration.routes.items() for bucket in _buckets(route, found)}
    buckets = sorted(set(names.values()))
    if len(buckets) > 1:
        routes = ", ".join(f"{bucket} of routes.{name}" for name, bucket in names.items())
        message = f"is missing: by the configuration, bucket {found} may be {routes}; say which one its records are of"
        raise ConfigurationError([Problem("--as", message)])
    return buckets[0] if buckets else found


def _buckets(route: Route, found: str) -> Iterator[str]:
    """The buckets of callers that a store of the route calls so. One that is called otherwise has a route of its own."""
    patterns = [route.bucket] if isinstance(route.bucket, str) else route.bucket
    for pattern in patterns:
        if found in {route.buckets.get(backend, pattern) for backend in (route.primary, *route.fallbacks)}:
            yield pattern
