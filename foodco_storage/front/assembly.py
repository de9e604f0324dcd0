"""What stands behind a routed client: backends, routes, and the events that join them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.backends.presets import unshared
from foodco_storage.config import Configuration
from foodco_storage.drivers.background import background
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.place import Place
from foodco_storage.front.client import StorageClient
from foodco_storage.front.dispatch import Dispatch
from foodco_storage.front.events import SharedEvents
from foodco_storage.front.mirroring import check_authority, mirroring_of
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.router import Router
from foodco_storage.front.routes import patterns, route_in_phase, specificity, stores
from foodco_storage.front.siblings import (
    SAYS_WHICH_STORE,
    client_arguments,
    finish_client,
    make_sibling,
    plain_client,
    real_backend,
)
from foodco_storage.layers.route import Route

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
        # Only those in use: a profile that nobody needs here may well be missing here.
        self._backends = {
            name: with_profile(name, configuration.backends[name]) for name in self._names() if name != CALLER
        }
        self._resolved = {
            name: route_in_phase(name, route, route.phase, self._backends) for name, route in self._routes.items()
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """boto3's arguments for the client of the default backend, which is the one that the caller gets."""
        return self._arguments(self._default)

    def attach(self, client: Any, make_client: Callable[..., Any]) -> None:
        """Put routes and siblings behind a client that was made with `arguments`."""
        if self._default != CALLER:
            finish_client(client, self._default, self._backends[self._default])
        own = super(StorageClient, client)._make_api_call  # type: ignore[misc]
        backends = {}
        siblings = []
        for name in self._names():
            configured, arguments = self._backends.get(name), self._arguments(name)
            if name == self._default:
                make_api_call, behind = own, client
            else:
                behind = make_sibling(make_client, client, name, configured, arguments)
                make_api_call = behind._make_api_call  # noqa: SLF001
                siblings.append(behind)
            make_plain = partial(plain_client, make_client, name, configured, arguments)
            backends[name] = real_backend(name, behind, make_api_call, configured, make_plain)
        client.meta.events = client._events = SharedEvents(  # noqa: SLF001
            client.meta.events, [sibling.meta.events for sibling in siblings]
        )
        client._dispatch = self._dispatch(backends)  # noqa: SLF001

    def router(self) -> Router:
        """The routes that apply to this client."""
        routes = [(pattern, self._resolved[name]) for name, route in self._routes.items() for pattern in patterns(route)]
        routes.sort(key=lambda item: specificity(item[0]), reverse=True)
        return Router(routes, Route("", Place(self._default)))

    def _dispatch(self, backends: Mapping[str, BotoBackend]) -> Dispatch:
        """Router and driver, and what serves the routes that mirror beside the caller's own requests."""
        if not any(route.other for route in self._resolved.values()):
            return Dispatch(self.router(), backends, ThreadDriver(backends, background=background))
        mirroring = mirroring_of(self._configuration)
        driver = ThreadDriver(backends, mirroring.journal, background, mirroring.wake)
        for name, route in self._resolved.items():
            check_authority(mirroring.journal, route, stores(name, self._routes[name], self._backends))
            mirroring.serve(driver, route)
        # What processes that died have left.
        mirroring.wake()
        return Dispatch(self.router(), backends, driver)

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
