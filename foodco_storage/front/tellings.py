"""What may be told of operations, as a configuration says."""

from __future__ import annotations

from collections.abc import Mapping

from foodco_storage.config import Configuration
from foodco_storage.config.telemetry_model import RouteTelemetry
from foodco_storage.telemetry.telling import PLAIN, Telling


def tellings_of(configuration: Configuration) -> tuple[Telling, Mapping[str, Telling]]:
    """What may be told of buckets without a route, and of each route by its name; no routes where all is told of all."""
    telemetry = configuration.telemetry
    secret = telemetry.hash_secret.reveal().encode() if telemetry.hash_secret is not None else b""

    def telling(route: RouteTelemetry) -> Telling:
        enabled = telemetry.enabled and route.enabled
        sample, keys = route.sample or telemetry.sample, route.keys or telemetry.keys
        if enabled and sample >= 1 and keys == "plain":
            return PLAIN
        return Telling(enabled=enabled, sample=sample, keys=keys, secret=secret)

    default = telling(RouteTelemetry())
    routes = {name: telling(route.telemetry) for name, route in configuration.routes.items()}
    # Else a route need not be looked for before each operation.
    is_plain = default is PLAIN and all(one is PLAIN for one in routes.values())
    return default, {} if is_plain else routes
