"""What stands behind a routed client: backends, routes, and the events that join them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.backends.presets import unshared
from foodco_storage.config import Configuration
from foodco_storage.config.telemetry_model import Telemetry
from foodco_storage.drivers.background import background
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.effects import Gate
from foodco_storage.flows.place import Place
from foodco_storage.front.caching import caches, scope_of
from foodco_storage.front.client import StorageClient
from foodco_storage.front.dispatch import Dispatch
from foodco_storage.front.events import SharedEvents
from foodco_storage.front.held import hold
from foodco_storage.front.mirroring import Mirroring, check_authority, journal_exists, mirroring_of
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.router import Router
from foodco_storage.front.routes import (
    MIRRORED,
    PHASES,
    account_of,
    caching_of,
    patterns,
    route_in_phase,
    specificity,
    stores,
)
from foodco_storage.front.siblings import (
    SAYS_WHICH_STORE,
    client_arguments,
    finish_client,
    make_sibling,
    plain_client,
    real_backend,
)
from foodco_storage.front.tellings import tellings_of
from foodco_storage.layers.route import Moving, Route

_NO_LISTENERS = Telemetry()

CALLER = "caller"
"""The backend that the caller's own arguments, or boto3's defaults, resolve to."""


class Assembly:
    """A client in the making.

    Args:
        configuration: validated.
        caller: boto3's arguments as the caller gave them.
    """

    def __init__(self, configuration: Configuration, caller: Mapping[str, Any]) -> None:
        self._configuration = configuration
        self._caller = dict(caller)
        explicit = any(caller.get(name) is not None for name in SAYS_WHICH_STORE)
        # Never one store's request to another behind explicit arguments.
        self._routes = {
            name: route for name, route in configuration.routes.items() if not explicit or route.primary == CALLER
        }
        self._default = CALLER if explicit else configuration.default.backend
        self._telling, self._tellings = tellings_of(configuration)
        # Only those in use: a profile that nobody needs here may well be missing here.
        self._backends = {
            name: with_profile(name, configuration.backends[name]) for name in self._names() if name != CALLER
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """boto3's arguments for the client of the default backend, which is the one that the caller gets."""
        return self._arguments(self._default)

    def attach(self, client: Any, make_client: Callable[..., Any]) -> None:
        """Put routes and siblings behind a client that was made with `arguments`.

        Raises:
            JournalError: a route mirrors, and the journal can't be used.
            ConfigurationError: the journal says that a phase was moved too early.
        """
        if self._default != CALLER:
            finish_client(client, self._default, self._backends[self._default])
        own = super(StorageClient, client)._make_api_call  # type: ignore[misc]
        backends, plain = {}, {}
        siblings = []
        for name in self._names():
            configured, arguments = self._backends.get(name), self._arguments(name)
            if name == self._default:
                make_api_call, behind = own, client
            else:
                behind = make_sibling(make_client, client, name, configured, arguments)
                make_api_call = behind._make_api_call  # noqa: SLF001
                siblings.append(behind)
            plain[name] = partial(plain_client, make_client, name, configured, arguments)
            backends[name] = real_backend(name, behind, make_api_call, configured, plain[name], self._telling)
        client.meta.events = client._events = SharedEvents(  # noqa: SLF001
            client.meta.events, [sibling.meta.events for sibling in siblings]
        )
        mirroring = self._mirroring()
        routes = {name: self._resolved(client, name, plain, mirroring) for name in self._routes}
        client._dispatch = self._dispatch(backends, routes, mirroring)  # noqa: SLF001
        if self._configuration.telemetry != _NO_LISTENERS:
            from foodco_storage.front.listeners import listeners  # noqa: PLC0415 - most configurations name none

            listeners.begin(self._configuration)

    def router(self, routes: Mapping[str, Route | Moving] | None = None) -> Router:
        """The routes that apply to this client; by default as the configuration alone says them."""
        if routes is None:
            routes = {name: self._in_phase(name, route.phase) for name, route in self._routes.items()}
        pairs = [(pattern, routes[name]) for name, route in self._routes.items() for pattern in patterns(route)]
        pairs.sort(key=lambda item: specificity(item[0]), reverse=True)
        return Router(pairs, Route("", Place(self._default)))

    def _in_phase(self, name: str, phase: str | None, gate: Gate | None = None) -> Route:
        return route_in_phase(name, self._routes[name], phase, self._backends, gate)

    def _mirroring(self) -> Mirroring | None:
        """What looks after the journal, where a route has something to do with it."""
        routes = self._routes.values()
        if any(route.control.enabled or route.phase in MIRRORED for route in routes):
            return mirroring_of(self._configuration)
        # A route that has ended its migration may have left something there.
        has_ended = any(route.phase for route in routes) and journal_exists(self._configuration)
        return mirroring_of(self._configuration) if has_ended else None

    def _resolved(
        self, client: Any, name: str, plain: Mapping[str, Callable[[], Any]], mirroring: Mirroring | None
    ) -> Route | Moving:
        """A route as it is served: in the phase that the configuration says, or in that which the control object says."""
        route = self._routes[name]
        if not route.control.enabled or mirroring is None:
            return self._in_phase(name, route.phase)
        digest = stores(name, route, self._backends)
        identities = {phase: self._in_phase(name, phase).identity for phase in PHASES}
        account = account_of(self._backends[route.primary])
        gate = hold(name, route, digest, account, plain[route.primary], partial(_depth, mirroring, identities))
        weakref.finalize(client, gate.release)
        return Moving(
            name, route.prefix, {phase: self._in_phase(name, phase, gate.held) for phase in PHASES}, gate.held
        )

    def _dispatch(
        self, backends: Mapping[str, BotoBackend], routes: Mapping[str, Route | Moving], mirroring: Mirroring | None
    ) -> Dispatch:
        """Router and driver, and what serves the routes that mirror beside the caller's own requests."""
        router = self.router(routes)
        kept = self._caches(backends)
        telling, tellings = self._telling, self._tellings
        if mirroring is None:
            driver = ThreadDriver(backends, background=background, caches=kept, tellings=tellings)
            return Dispatch(router, backends, driver, self._default, telling)
        driver = ThreadDriver(backends, mirroring.journal, background, mirroring.wake, kept, tellings)
        for name, route in routes.items():
            if isinstance(route, Route):
                check_authority(mirroring.journal, route, stores(name, self._routes[name], self._backends))
            mirroring.serve(driver, route)
        mirroring.take_up()
        return Dispatch(router, backends, driver, self._default, telling)

    def _caches(self, backends: Mapping[str, BotoBackend]) -> dict[str, Any]:
        """The caches of the routes that have one."""
        kept = {}
        for name, route in self._routes.items():
            if caching_of(route) is not None:
                clients = [backends[one].client for one in (route.primary, *route.fallbacks)]
                translates = route.compression.codec is not None or route.phase is not None or route.control.enabled
                digest = stores(name, route, self._backends)
                scope = scope_of(digest, clients, route.cache.block_bytes, translates=translates)
                # Of all its places, in whatever phase it is.
                names = self._in_phase(name, None).names
                kept[name] = caches.open(self._configuration, name, scope, names)
        return kept

    def _names(self) -> Sequence[str]:
        names = [self._default]
        for route in self._routes.values():
            names += [name for name in (route.primary, *route.fallbacks) if name not in names]
        return names

    def _arguments(self, name: str) -> dict[str, Any]:
        caller = dict(self._caller)
        if caller.get("config") is not None:
            caller["config"] = unshared(caller["config"])
        return caller if name == CALLER else client_arguments(self._backends[name], caller)


def _depth(mirroring: Mirroring, identities: Mapping[str, str], phase: str | None) -> int:
    """What the journal of this host holds that was written while the side that decides now did.

    What is left from before the last move was answered for then, and is nobody's to bring over now.
    """
    if phase is not None:
        return mirroring.journal.depth(identities[phase])
    return sum(mirroring.journal.depth(identity) for identity in set(identities.values()))
