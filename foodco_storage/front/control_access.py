"""The way to a route's control object, for commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3.session

from foodco_storage.backends.capabilities import PRESET_CAPABILITIES
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.backends.presets import preset_of
from foodco_storage.config import Backend, Configuration, Route
from foodco_storage.control.look import show
from foodco_storage.control.place import ControlPlace, place_of
from foodco_storage.control.steps import Call
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.siblings import client_arguments, configured_capabilities, plain_client


@dataclass(frozen=True, slots=True)
class ControlAccess:
    """Where a route's control object lies, and how to ask for it.

    Args:
        place: where.
        call: sends a request to the primary, once, without retries.
        quoted: whether the primary wants the ETag of `If-Match` in quotes.
    """

    place: ControlPlace
    call: Call
    quoted: bool


@contextmanager
def control_access(configuration: Configuration, name: str, route: Route) -> Iterator[ControlAccess]:
    """Open the way to a route's control object.

    Raises:
        ConfigurationError: the route has no control object, or no one bucket for it.
    """
    if not route.control.enabled:
        message = "is false: the configuration says the phase, and moving it means to change that everywhere"
        raise ConfigurationError([Problem(f"routes.{name}.control.enabled", message)])
    place = place_of(name, route)
    backend = with_profile(route.primary, configuration.backends[route.primary])
    make = boto3.session.Session().client
    client = PlainClient(
        lambda: plain_client(make, route.primary, backend, client_arguments(backend, {})), backend=route.primary
    )
    try:
        yield ControlAccess(place, client.send, _quoted(backend))
    finally:
        client.close()


def held_phase(configuration: Configuration, name: str, route: Route) -> str:
    """The phase that a route's control object says.

    Raises:
        ConfigurationError: there is no control object.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be read.
    """
    with control_access(configuration, name, route) as access:
        shown = show(access.place, access.call)
    if shown is None:
        message = f"there is none; `foodco-storage phase init {name} PHASE` makes it"
        raise ConfigurationError([Problem(f"routes.{name}.control", message)])
    return shown.record.phase


def _quoted(backend: Backend) -> bool:
    """As configured, or as the preset knows: of stores that nobody knows, most want them."""
    configured = configured_capabilities(backend).get("put_if_match_quoted")
    return (
        PRESET_CAPABILITIES[preset_of(backend)].get("put_if_match_quoted", True) if configured is None else configured
    )
