"""The stores and buckets that a configuration names, with clients made for looking at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import boto3.session
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError

from foodco_storage.backends.presets import preset_of
from foodco_storage.config import Backend, Configuration, Route
from foodco_storage.front.profiles import with_profile
from foodco_storage.front.siblings import client_arguments

CALLER = "caller"
_WILDCARDS = frozenset("*?[")
_CONNECTIONS = 16


class NotS3Error(BotoCoreError):  # type: ignore[misc] # botocore is untyped
    """Something answers that is no S3 store. botocore's own error for it is none of botocore's family."""

    fmt = "{endpoint_url} answers, but not as S3 does"


@dataclass(frozen=True)
class Store:
    """A backend, and a plain client of it.

    The client never retries, so that what a store answers is seen as it is, and has none of the library's repairs.
    """

    name: str
    backend: Backend | None
    client: Any

    @property
    def subject(self) -> str:
        """Its place in the configuration."""
        return f"backends.{self.name}"

    @property
    def preset(self) -> str:
        """Its preset, named or by its endpoint."""
        return preset_of(self.backend) if self.backend is not None else "aws"

    def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request, given botocore's name of the operation.

        Raises:
            botocore.exceptions.ClientError: the store's answer.
            botocore.exceptions.BotoCoreError: anything else.
        """
        try:
            response: dict[str, Any] = self.client._make_api_call(operation, params)  # noqa: SLF001
        except ResponseParserError as error:
            raise NotS3Error(endpoint_url=self.client.meta.endpoint_url) from error
        return response


@dataclass(frozen=True)
class Place:
    """A bucket of a route on one backend; of a pattern the name is not known (`bucket` is None)."""

    route_name: str
    route: Route
    backend: str
    pattern: str
    bucket: str | None

    @property
    def role(self) -> Literal["primary", "fallback"]:
        """What the backend is to the route."""
        return "primary" if self.backend == self.route.primary else "fallback"

    @property
    def takes_part(self) -> bool:
        """Whether the route's phase lets anything go there."""
        return self.route.phase != ("source" if self.role == "primary" else "target")

    @property
    def subject(self) -> str:
        """Its place in the configuration, and which of the route's stores it is."""
        return f"routes.{self.route_name}, {self.bucket or self.pattern!r} on {self.backend}"


def open_store(name: str, backend: Backend | None) -> Store:
    """Make the client of a backend; None stands for `caller`, which is what boto3 resolves by itself.

    Raises:
        ConfigurationError: the backend's profile does not exist.
        botocore.exceptions.BotoCoreError: botocore can't make a client of the settings.
    """
    only_once = Config(retries={"total_max_attempts": 1})
    if backend is None:
        return Store(name, None, boto3.session.Session().client("s3", config=only_once))
    backend = with_profile(name, backend)
    settings = msgspec.structs.replace(backend, max_attempts=1, max_pool_connections=_CONNECTIONS)
    session = boto3.session.Session(profile_name=backend.profile)
    return Store(name, backend, session.client("s3", **client_arguments(settings, {})))


def used_backends(configuration: Configuration) -> dict[str, Backend | None]:
    """Every backend that is configured, and `caller` where something names it."""
    names: dict[str, Backend | None] = dict(configuration.backends)
    for route in configuration.routes.values():
        if CALLER in (route.primary, *route.fallbacks):
            names[CALLER] = None
    return names


def places(configuration: Configuration) -> Iterator[Place]:
    """Every bucket of every route, on every backend of the route."""
    for name, route in configuration.routes.items():
        patterns = [route.bucket] if isinstance(route.bucket, str) else route.bucket
        for pattern in patterns:
            for backend in (route.primary, *route.fallbacks):
                bucket = route.buckets.get(backend, pattern)
                yield Place(name, route, backend, pattern, None if _WILDCARDS & set(bucket) else bucket)
