"""One route outside of a client: its stores, its phase and a driver, for commands that work on both of its sides."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import boto3.session
import msgspec

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.config import Backend, Configuration
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.config.model import CALLER
from foodco_storage.config.read import suggestion
from foodco_storage.drivers.gathering import THREADS
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.errors import ConfigurationError, PhaseMovedError, Problem
from foodco_storage.flows.effects import Gate, Gather, Pause
from foodco_storage.flows.outcomes import Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Response
from foodco_storage.front.control_access import held_phase
from foodco_storage.front.held import hold
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.routes import PHASES, account_of, route_in_phase, stores
from foodco_storage.front.siblings import MakeClient, client_arguments, finish_client, plain_client, real_backend
from foodco_storage.journal import Journal
from foodco_storage.layers.route import Route

_CONNECTIONS = THREADS + 6
"""The driver's threads, and whoever lists meanwhile."""

PATIENCE_SECONDS: tuple[float, ...] = (1.0, 4.0, 16.0)
"""Pauses before what a store could not answer is asked again; together longer than a breaker stays open."""

_REGISTRATION_SECONDS = 10.0
"""Reading the control object and making a report are two requests."""

_LOOK_AGAIN_SECONDS = 0.05


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
    def changing(self, what: str) -> Iterator[None]:
        """Change something that is right in this phase only: the phase does not move before that has ended.

        Waits while the phase is on the move. To be entered again for each piece of work: a move waits for its end.

        Args:
            what: for errors.

        Raises:
            PhaseMovedError: the phase has moved since the route was opened.
            botocore.exceptions.ClientError: `SlowDown`: the phase did not come to rest in time, or can't be read.
        """
        if self.route.gate is None:
            yield
            return
        with self.route.gate.writing(what) as phase:
            if phase != self.route.phase:
                raise PhaseMovedError(self.route.name, str(self.route.phase), phase)
            yield

    def wait_to_reconcile(self) -> None:
        """Wait until entries of the journal may be brought up to date, also in a pause; no longer than it takes to begin."""
        until = time.monotonic() + _REGISTRATION_SECONDS
        while self.route.gate is not None and time.monotonic() < until:
            leave = self.route.gate.try_reconciling()
            if leave is not None:
                with leave:
                    return
            time.sleep(_LOOK_AGAIN_SECONDS)

    def gather(self, flows: Sequence[Callable[[], Flow]]) -> list[Any]:
        """Run several flows at once, each again after a pause, and another, where a store could not answer.

        A run over millions of keys is not to end with one request that a busy store has turned away. When a store is down
        its breaker ends the flows quickly.

        Args:
            flows: make the flows; made anew each time.

        Returns:
            What each returned, or the exception that it ended with.
        """
        results: list[Any] = self.driver.run(_gathered([make() for make in flows]))[_RESULTS]
        for pause in PATIENCE_SECONDS:
            again = [number for number, result in enumerate(results) if isinstance(result, Unavailable)]
            if not again:
                break
            self.driver.run(_pause(pause))
            for number, result in zip(
                again, self.driver.run(_gathered([flows[number]() for number in again]))[_RESULTS], strict=True
            ):
                results[number] = result
        return results


_RESULTS = "results"


def _gathered(flows: Sequence[Flow]) -> Flow:
    return {_RESULTS: list((yield Gather(flows)))}


def _pause(seconds: float) -> Flow:
    yield Pause(seconds)
    return {}


@contextmanager
def opened(
    configuration: Configuration,
    name: str,
    *,
    phase: str | None = None,
    journal: Journal | None = None,
    changes: bool = False,
) -> Iterator[Standalone]:
    """Open a route: clients of its backends, without a user's handlers, that retry as the backends' presets say.

    Args:
        configuration: validated.
        name: the route's name in it.
        phase: where the route's migration stands; by default as the configuration says.
        journal: for flows that enter, settle or defer entries.
        changes: whether objects are to be changed. The phase that a control object says does not move while that is under
            way, as for any other client.

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
    with ExitStack() as stack:
        backends = _backends(stack, make_client, names, settings)
        gate: Gate | None = None
        if changes and route.control.enabled:
            primary = settings[route.primary]
            make_plain = partial(plain_client, make_client, route.primary, primary, client_arguments(primary, {}))
            held = hold(name, route, stores(name, route, settings), account_of(primary), make_plain, None)
            stack.callback(held.release)
            gate = held.held
        driver = ThreadDriver(backends, journal)
        yield Standalone(route_in_phase(name, route, phase, settings, gate), sides.authority, sides.other, driver)


@contextmanager
def opened_places(configuration: Configuration, name: str) -> Iterator[tuple[tuple[Place, ...], ThreadDriver]]:
    """Every place of a route, the primary first, whether or not it migrates; and a driver over them.

    Args:
        configuration: validated.
        name: the route's name in it.

    Raises:
        ConfigurationError: there is no such route.
    """
    route = configured(configuration, name)
    names = dict.fromkeys((route.primary, *route.fallbacks))
    settings = {one: _settings(configuration, one) for one in names if one != CALLER}
    with ExitStack() as stack:
        backends = _backends(stack, boto3.session.Session().client, names, settings)
        resolved = route_in_phase(name, route, None, settings)
        yield (resolved.authority, *resolved.fallbacks), ThreadDriver(backends)


def _backends(
    stack: ExitStack, make_client: MakeClient, names: Iterable[str], settings: Mapping[str, Backend]
) -> dict[str, BotoBackend]:
    backends: dict[str, BotoBackend] = {}
    for one in names:
        backends[one] = _backend(make_client, one, settings.get(one))
        stack.callback(backends[one].close)
    return backends


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


def server_date(answer: Response) -> dt.datetime | None:
    """The clock of the store that answered; None where it does not tell."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)
