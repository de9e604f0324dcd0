"""What telemetry must be beyond the types of its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from foodco_storage.config.model import CALLER, Configuration
from foodco_storage.config.plain import joined
from foodco_storage.config.read import suggestion
from foodco_storage.errors import Problem

_SHORTEST_SECRET = 16
"""Characters: digests under a shorter one could be guessed."""


def telemetry(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in telemetry, of all and of each route."""
    settings = configuration.telemetry
    yield from _secret(configuration)
    directory = settings.access.directory
    if directory is not None and (not (PurePath(directory).is_absolute() or directory[:1] == "~") or "\0" in directory):
        message = "must be an absolute path, or begin with '~': processes meet there wherever they were started"
        yield Problem("telemetry.access.directory", message)
    yield from _shipping(configuration)


def _secret(configuration: Configuration) -> Iterator[Problem]:
    settings = configuration.telemetry
    hashing: list[tuple[str, str | None]] = [("telemetry", settings.keys)]
    hashing += [
        (f"{joined('routes', name)}.telemetry", route.telemetry.keys) for name, route in configuration.routes.items()
    ]
    secret = settings.hash_secret
    for path, keys in hashing:
        if keys == "hash" and secret is None:
            message = "'hash' needs telemetry.hash_secret, the same wherever statistics are to be joined; or 'drop'"
            yield Problem(f"{path}.keys", message)
    if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET:
        yield Problem("telemetry.hash_secret", f"is shorter than {_SHORTEST_SECRET} characters, and could be guessed")


def _shipping(configuration: Configuration) -> Iterator[Problem]:
    shipping = configuration.telemetry.shipping
    if shipping.backend is None:
        if shipping.bucket is not None:
            yield Problem("telemetry.shipping.backend", "is missing: name the backend of the bucket")
        return
    if shipping.backend not in configuration.backends:
        names = sorted(configuration.backends)
        reason = "has no settings of its own to be asked with" if shipping.backend == CALLER else "is no backend"
        yield Problem(
            "telemetry.shipping.backend", f"{shipping.backend!r} {reason}{suggestion(shipping.backend, names)}"
        )
    if shipping.bucket is None:
        yield Problem("telemetry.shipping.bucket", "is missing: name the bucket, as the backend calls it")
    if not configuration.telemetry.access.enabled:
        yield Problem("telemetry.shipping.backend", "sends nothing: set telemetry.access.enabled")
    if shipping.prefix.startswith("/") or (shipping.prefix and not shipping.prefix.endswith("/")):
        yield Problem("telemetry.shipping.prefix", "must end with '/', and not begin with it")
