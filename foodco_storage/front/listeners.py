"""Who hears of events, as a configuration says: logs, metrics, spans, access statistics. Each once in a process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from os import register_at_fork
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3.session

from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.config import Configuration
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.siblings import client_arguments, plain_client
from foodco_storage.front.state_directory import state_directory
from foodco_storage.telemetry import gauges, hooks

if TYPE_CHECKING:
    # Most processes keep no statistics.
    from foodco_storage.access.recorder import Recorder
    from foodco_storage.access.shipments import Shipments
    from foodco_storage.access.store import Store

logger = logging.getLogger("foodco_storage")

SERVICE_VARIABLE = "OTEL_SERVICE_NAME"
"""https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/"""

_SHIP_TIMEOUT_SECONDS = 10.0

_LOSSES = "foodco_storage.telemetry.losses"


class Listeners:
    """Those of a process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._begun: dict[Any, Callable[[], None]] = {}
        self._clients: list[PlainClient] = []
        self._recorded_at: Path | None = None
        """Where access statistics are kept: one recorder hears of all clients, and two would count, and ship, all twice."""

    def begin(self, configuration: Configuration) -> None:
        """Have those hear of events that a configuration names, and do not yet.

        Raises:
            ConfigurationError: what one of them needs is not installed, or nothing says where it keeps what it keeps.
        """
        settings = configuration.telemetry
        if not settings.enabled:
            return
        with self._lock:
            if settings.logs != "off":
                self._log(settings.logs)
            if settings.opentelemetry:
                self._once("opentelemetry", partial(_needs, "telemetry.opentelemetry", _instrument))
            if settings.prometheus:
                self._once("prometheus", partial(_needs, "telemetry.prometheus", _register))
            if settings.access.enabled:
                directory = access_directory(configuration, os.environ)
                self._once("access", lambda: self._record(configuration, directory))
                if directory != self._recorded_at:
                    self._once(("not recorded at", directory), lambda: self._warn_of_another(directory))

    def end(self) -> None:
        """Have nobody hear of events any more who was begun here; what was counted is written down, and sent."""
        with self._lock:
            begun, self._begun = self._begun, {}
            clients, self._clients = self._clients, []
            self._recorded_at = None
        for end in begun.values():
            end()
        for client in clients:
            client.close()

    def after_fork(self) -> None:
        """In a forked child: what the parent's threads hold is held for ever."""
        self._lock = threading.RLock()
        for client in self._clients:
            client.after_fork()

    def _once(self, key: Any, begin: Callable[[], Callable[[], None]]) -> None:
        if key not in self._begun:
            self._begun[key] = begin()

    def _log(self, which: Any) -> None:
        # Where all are logged, failures are among them.
        if which == "all" or ("logs", "all") not in self._begun:
            self._once(("logs", which), lambda: _log(which))
        if which == "all":
            self._begun.pop(("logs", "failures"), lambda: None)()

    def _record(self, configuration: Configuration, directory: Path) -> Callable[[], None]:
        from foodco_storage.access.ending import install_sigterm  # noqa: PLC0415 - as above
        from foodco_storage.access.recorder import Recorder  # noqa: PLC0415

        settings = configuration.telemetry
        store = store_of(configuration, directory)
        shipments = _needs("telemetry.shipping.format", partial(self._shipments, configuration, store))
        recorder = Recorder(
            store,
            service_name(configuration, os.environ),
            max_keys=settings.access.max_keys,
            flush_seconds=settings.access.flush_seconds,
            shipments=shipments,
        )
        hooks.add_hook(recorder)
        self._recorded_at = directory
        taken_back = _watch(recorder, shipments)
        if settings.access.on_sigterm:
            install_sigterm(recorder)

        def end() -> None:
            hooks.remove_hook(recorder)
            recorder.close()
            for take_back in taken_back:
                take_back()

        return end

    def _warn_of_another(self, directory: Path) -> Callable[[], None]:
        logger.warning(
            "telemetry.access.directory: the access statistics of this process, of all its clients, are kept in %s, as the "
            "first client said; %s is not used",
            self._recorded_at,
            directory,
        )
        return lambda: None

    def _shipments(self, configuration: Configuration, store: Store) -> Shipments | None:
        from foodco_storage.access.shipments import Shipments  # noqa: PLC0415 - as above

        shipping = configuration.telemetry.shipping
        if shipping.backend is None or shipping.bucket is None:
            return None
        client = telemetry_client(configuration, shipping.backend)
        self._clients.append(client)
        bucket = shipping.bucket

        def put(key: str, data: bytes) -> None:
            client.send("PutObject", {"Bucket": bucket, "Key": key, "Body": data})

        return Shipments(store, put, prefix=shipping.prefix, every_seconds=shipping.every_seconds, form=shipping.format)


def telemetry_client(configuration: Configuration, backend: str) -> PlainClient:
    """A client of the backend of the telemetry bucket, that does not retry: who ships tries again later."""
    settings = with_profile(backend, configuration.backends[backend])
    make = boto3.session.Session().client
    arguments = client_arguments(settings, {})
    plain = partial(plain_client, make, backend, settings, arguments, timeout_seconds=_SHIP_TIMEOUT_SECONDS)
    return PlainClient(plain, backend=backend)


def access_directory(configuration: Configuration, environ: Mapping[str, str]) -> Path:
    """Where access statistics are kept: as configured, or under the user's state directory.

    Raises:
        ConfigurationError: there is no such directory, since the process has no home.
    """
    configured = configuration.telemetry.access.directory
    return state_directory(configured, environ, "access", "telemetry.access.directory")


def store_of(configuration: Configuration, directory: Path) -> Store:
    """The store of a host's access statistics."""
    from foodco_storage.access.store import Store  # noqa: PLC0415 - as above

    settings = configuration.telemetry
    return Store(
        directory,
        max_keys=settings.access.max_keys,
        retention_days=settings.access.retention_days,
        ships=settings.shipping.backend is not None,
    )


def service_name(configuration: Configuration, environ: Mapping[str, str]) -> str:
    """What this program is called."""
    program = Path(sys.argv[0] if sys.argv else "").name
    return configuration.telemetry.service or environ.get(SERVICE_VARIABLE) or program or "python"


def _watch(recorder: Recorder, shipments: Shipments | None) -> list[Callable[[], None]]:
    losses = {
        "flushes": lambda: recorder.failed_flushes,
        "days": lambda: recorder.lost_days,
    }
    taken_back = []
    if shipments is not None:
        losses["shipments"] = lambda: shipments.pending()[1]
        taken_back = [
            gauges.register("foodco_storage.telemetry.shipments.pending", {}, lambda: shipments.pending()[0]),
            gauges.register("foodco_storage.telemetry.shipments.lag", {}, shipments.lag_seconds),
        ]
    return taken_back + [gauges.register(_LOSSES, {"what": what}, read) for what, read in losses.items()]


def _log(which: Any) -> Callable[[], None]:
    from foodco_storage.telemetry.logs import LogHook  # noqa: PLC0415 - most processes log no operations

    hook = LogHook(which)
    hooks.add_hook(hook)
    return partial(hooks.remove_hook, hook)


def _instrument() -> Callable[[], None]:
    from foodco_storage.telemetry import opentelemetry  # noqa: PLC0415 - an extra

    opentelemetry.instrument()
    return opentelemetry.uninstrument


def _register() -> Callable[[], None]:
    from foodco_storage.telemetry import prometheus  # noqa: PLC0415 - an extra

    prometheus.register()
    return prometheus.unregister


def _needs(path: str, begin: Callable[[], Any]) -> Any:
    """Begin; what is not installed is a mistake of the configuration."""
    try:
        return begin()
    except ImportError as error:
        raise ConfigurationError([Problem(path, f"needs what is not installed: {error}")]) from error


listeners = Listeners()
"""Those of this process."""

register_at_fork(after_in_child=listeners.after_fork)
