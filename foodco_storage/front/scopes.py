"""Which keys of which buckets are a route's: what commands have to know that go through whole buckets."""

from __future__ import annotations

from dataclasses import dataclass

from foodco_storage.config import Configuration
from foodco_storage.config.read import suggestion
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.flows.place import Place
from foodco_storage.front.router import Router
from foodco_storage.front.routes import patterns, specificity
from foodco_storage.front.standalone import configured
from foodco_storage.layers.route import Route

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Scope:
    """The keys of a route in one bucket.

    Args:
        bucket: as callers say it.
        prefix: they start with it.
        others: prefixes under it that are not the route's: other routes', and the reserved location.
    """

    bucket: str
    prefix: str
    others: tuple[str, ...]

    def holds(self, key: str) -> bool:
        """Whether a key that starts with the prefix is the route's."""
        return not key.startswith(self.others)


def scopes(configuration: Configuration, name: str, bucket: str | None = None) -> list[Scope]:
    """The buckets of a route, in the order of the configuration.

    Args:
        configuration: validated.
        name: the route's name in it.
        bucket: only this one; needed where the route names its buckets by patterns.

    Raises:
        ConfigurationError: there is no such route, the bucket is not the route's, or nobody says which one is meant.
    """
    route = configured(configuration, name)
    names = [bucket] if bucket is not None else list(patterns(route))
    path = f"routes.{name}.bucket"
    if any(_WILDCARDS & set(one) for one in names):
        raise ConfigurationError([Problem(path, "is a pattern; say which bucket to work on (--bucket NAME)")])
    router = _router(configuration)
    found = []
    for one in names:
        owner = router.route(one, route.prefix)
        if owner is None or owner.name != name:
            whose = f"belongs to route {owner.name!r}" if owner is not None else "belongs to no route"
            known = suggestion(one, [each for each in patterns(route) if not _WILDCARDS & set(each)])
            raise ConfigurationError([Problem(path, f"bucket {one!r} {whose}{known if owner is None else ''}")])
        others = {
            other.prefix
            for other_name, other in configuration.routes.items()
            if other_name != name
            and other.prefix.startswith(route.prefix)
            and getattr(router.route(one, other.prefix), "name", None) == other_name
        }
        found.append(Scope(one, route.prefix, (*sorted(others), route.reserved_prefix)))
    return found


def _router(configuration: Configuration) -> Router:
    """Who owns a key. Phases don't matter for that."""
    routes = [
        (pattern, Route(name, Place(route.primary), prefix=route.prefix))
        for name, route in configuration.routes.items()
        for pattern in patterns(route)
    ]
    routes.sort(key=lambda item: specificity(item[0]), reverse=True)
    return Router(routes, Route("", Place(configuration.default.backend)))
