"""One route outside of a client: its stores, its phase and a driver, for commands that work on both of its sides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

import boto3.session
import msgspec

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.config import Backend, Configuration
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.config.model import CALLER
from foodco_storage.config.read import suggestion
from foodco_storage.drivers.threads import THREADS, ThreadDriver
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Response
from foodco_storage.front.control_access import held_phase
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.router import Router
from foodco_storage.front.routes import PHASES, patterns, route_in_phase, specificity
from foodco_storage.front.siblings import MakeClient, client_arguments, finish_client, plain_client, real_backend
from foodco_storage.journal import Journal
from foodco_storage.layers.route import Route

_WILDCARDS = frozenset("*?[")
_CONNECTIONS = THREADS + 6
"""The driver's threads, and whoever lists meanwhile."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A route that was opened.

    Args:
        route: in its phase.
        primary: the place that objects move to.
        source: the place that they come from; None for a route in `target` without fallbacks.
        driver: runs flows over both.
    """

    route: Route
    primary: Place
    source: Place | None
    driver: ThreadDriver


@contextmanager
def opened(
    configuration: Configuration, name: str, *, phase: str | None = None, journal: Journal | None = None
) -> Iterator[Standalone]:
    """Open a route: clients of its backends, without a user's handlers, that retry as the backends' presets say.

    Args:
        configuration: validated.
        name: the route's name in it.
        phase: where the route's migration stands; by default as the configuration says.
        journal: for flows that enter, settle or defer entries.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or nobody says in which phase it is.
    """
    route = configured(configuration, name)
    phase = phase_of(configuration, name, phase)
    names = dict.fromkeys((route.primary, *route.fallbacks))
    settings = {one: _settings(configuration, one) for one in names if one != CALLER}
    # In a phase without another side the layers know one place only; where the other would be does not change.
    sides = route_in_phase(name, route, "cutover" if route.fallbacks else "target", settings)
    make_client = boto3.session.Session().client
    backends: dict[str, BotoBackend] = {}
    try:
        for one in names:
            backends[one] = _backend(make_client, one, settings.get(one))
        driver = ThreadDriver(backends, journal)
        yield Standalone(route_in_phase(name, route, phase, settings), sides.authority, sides.other, driver)
    finally:
        for backend in backends.values():
            backend.close()


def _settings(configuration: Configuration, name: str) -> Backend:
    found = with_profile(name, configuration.backends[name])
    return msgspec.structs.replace(found, max_pool_connections=found.max_pool_connections or _CONNECTIONS)


def _backend(make_client: MakeClient, name: str, settings: Backend | None) -> BotoBackend:
    """The backend of a plain client; of what boto3 resolves by itself where there are no settings."""
    arguments = client_arguments(settings, {}) if settings is not None else {}
    client = make_client("s3", **arguments)
    if settings is not None:
        finish_client(client, name, settings)
    make_plain = partial(plain_client, make_client, name, settings, arguments)
    return real_backend(name, client, client._make_api_call, settings, make_plain)  # noqa: SLF001


def configured(configuration: Configuration, name: str) -> ConfiguredRoute:
    """A route of a configuration.

    Raises:
        ConfigurationError: there is no such route.
    """
    if name not in configuration.routes:
        message = f"there is no such route{suggestion(name, configuration.routes)}"
        raise ConfigurationError([Problem(f"routes.{name}", message)])
    return configuration.routes[name]


def phase_of(configuration: Configuration, name: str, phase: str | None = None) -> str:
    """The phase to work in.

    Args:
        configuration: validated.
        name: the route's name in it.
        phase: by default as the configuration, or the control object, says.

    Raises:
        ConfigurationError: there is no such route or phase, or nobody says the phase.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the control object can't be read.
    """
    route = configured(configuration, name)
    path = f"routes.{name}.phase"
    if phase is None and route.control.enabled:
        phase = held_phase(configuration, name, route)
    phase = phase or route.phase
    if phase is None:
        raise ConfigurationError([Problem(path, "is missing: the route does not migrate, so it has no two sides")])
    if phase not in PHASES:
        raise ConfigurationError([Problem(path, f"there is no phase {phase!r}{suggestion(phase, PHASES)}")])
    if not route.fallbacks and phase != "target":
        raise ConfigurationError([Problem(f"routes.{name}.fallbacks", f"is empty: phase {phase!r} needs a source")])
    return phase


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


def server_date(answer: Response) -> dt.datetime | None:
    """The clock of the store that answered; None where it does not tell."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)
