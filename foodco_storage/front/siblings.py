"""The clients behind a client: one for every backend that its routes name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.config import Config

from foodco_storage.backends import quirks
from foodco_storage.backends.boto import BotoBackend
from foodco_storage.backends.breaker import Breaker
from foodco_storage.backends.capabilities import PRESET_CAPABILITIES, Call, CapabilityBook
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.backends.presets import client_config, preset_of
from foodco_storage.backends.timestamps import read_fast
from foodco_storage.backends.watched import MakeApiCall
from foodco_storage.config import Backend
from foodco_storage.front.measures import watch_breaker
from foodco_storage.front.profiles import profile_session
from foodco_storage.telemetry.requests import count_attempts
from foodco_storage.telemetry.steps import tell_breaker
from foodco_storage.telemetry.telling import PLAIN, Telling

MakeClient = Callable[..., Any]
"""`boto3.session.Session.client` of the session that the caller's client came from."""


SAYS_WHICH_STORE = ("endpoint_url", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_account_id")
"""boto3's arguments that say which store to talk to, and as whom."""


def client_arguments(backend: Backend, caller: Mapping[str, Any]) -> dict[str, Any]:
    """boto3's arguments for the client of a backend.

    What the backend's configuration says wins over what the caller passed, which was meant for any store; both win over
    the preset.

    Args:
        backend: its configuration, its profile's included (`front.profiles`).
        caller: the caller's arguments (`config`, `region_name`, `verify`, ...).
    """
    # Where to go and as whom, the caller said of one store; it must not reach another.
    arguments = {name: value for name, value in caller.items() if value is not None and name not in SAYS_WHICH_STORE}
    arguments["config"] = client_config(backend, arguments.get("config"))
    # AWS_ENDPOINT_URL and the endpoint of the caller's profile speak of the caller's store as well.
    arguments["config"] = arguments["config"].merge(Config(ignore_configured_endpoint_urls=True))
    if backend.endpoint_url is not None:
        arguments["endpoint_url"] = backend.endpoint_url
    if backend.region is not None:
        arguments["region_name"] = backend.region
        # Of the two, botocore takes the `Config`'s where the argument is us-east-1.
        arguments["config"] = arguments["config"].merge(Config(region_name=backend.region))
    elif preset_of(backend) != "aws" and arguments["config"].region_name is None:
        # Other stores don't care, but botocore can't sign without one.
        arguments.setdefault("region_name", "us-east-1")
    if backend.verify is not None:
        arguments["verify"] = backend.verify
    if backend.access_key_id is not None and backend.secret_access_key is not None:
        arguments["aws_access_key_id"] = backend.access_key_id.reveal()
        arguments["aws_secret_access_key"] = backend.secret_access_key.reveal()
        if backend.session_token is not None:
            arguments["aws_session_token"] = backend.session_token.reveal()
    return arguments


def finish_client(client: Any, name: str, backend: Backend) -> None:
    """What boto3's arguments can't say of a backend's client: its profile's credentials, its store's quirks."""
    _take_credentials(client, name, backend)
    checksums = client.meta.config.request_checksum_calculation
    quirks.register(client.meta.events, _lacks(backend), checksums=checksums)


def _take_credentials(client: Any, name: str, backend: Backend) -> None:
    if backend.profile is not None:
        # Not resolved to keys: what the profile gives (SSO, an assumed role) may have to be refreshed.
        client._request_signer._credentials = profile_session(name, backend.profile).get_credentials()  # noqa: SLF001


def _lacks(backend: Backend) -> set[str]:
    """What requests have to be repaired for, without asking the store."""
    known = dict(PRESET_CAPABILITIES[preset_of(backend)])
    if preset_of(backend) != "aws":
        # RGW 16 needs no Content-MD5, older stores do; with it none of them goes wrong.
        known["delete_objects_without_md5"] = False
    known.update(configured_capabilities(backend))
    return {capability for capability, able in known.items() if not able}


def make_sibling(
    make_client: MakeClient, owner: Any, name: str, backend: Backend | None, arguments: dict[str, Any]
) -> Any:
    """A plain client for a backend (None for `caller`), that raises the exception classes of the owner."""
    sibling = make_client("s3", **arguments)
    sibling._exceptions_factory = owner._exceptions_factory  # noqa: SLF001 - one `client.exceptions` for all backends
    if backend is not None:
        finish_client(sibling, name, backend)
    return sibling


def real_backend(
    name: str,
    client: Any,
    make_api_call: MakeApiCall,
    backend: Backend | None,
    make_plain: Callable[[], Any],
    telling: Telling = PLAIN,
) -> BotoBackend:
    """The backend of a client.

    Args:
        name: its name in the configuration.
        client: the client.
        make_api_call: sends a request through the client.
        backend: its configuration; None for `caller`, which is as the caller set it up.
        make_plain: makes another client of the same store (`plain_client`).
        telling: whether anything may be told of what the library asks it on its own account.
    """
    read_fast(client)
    count_attempts(client)
    breaker = None
    if backend is not None and backend.breaker.enabled:
        settings = backend.breaker
        breaker = Breaker(
            client.meta.endpoint_url,
            settings.failures,
            settings.open_seconds,
            changed=partial(tell_breaker, name, telling),
        )
        watch_breaker(name, breaker)
    book = CapabilityBook(
        name,
        preset_of(backend) if backend is not None else "s3",
        configured_capabilities(backend) if backend is not None else {},
        PlainClient(make_plain, breaker, name, telling),
        _probe,
        telling=telling,
    )
    return BotoBackend(
        name,
        client,
        make_api_call,
        book,
        breaker,
        forbidden_means_missing=backend is not None and backend.forbidden_means_missing,
    )


def plain_client(
    make_client: MakeClient,
    name: str,
    backend: Backend | None,
    arguments: Mapping[str, Any],
    *,
    timeout_seconds: float | None = None,
) -> Any:
    """A client of a backend that does not retry and repairs nothing.

    Args:
        make_client: makes it.
        name: the backend's name.
        backend: its configuration; None for `caller`.
        arguments: boto3's arguments.
        timeout_seconds: the longest that it waits for a connection, and for an answer; None for what the arguments say.
    """
    config = (arguments.get("config") or Config()).merge(Config(retries={"total_max_attempts": 1}))
    if timeout_seconds is not None:
        waits = [min(timeout_seconds, own or timeout_seconds) for own in (config.connect_timeout, config.read_timeout)]
        config = config.merge(Config(connect_timeout=waits[0], read_timeout=waits[1]))
    client = make_client("s3", **{**arguments, "config": config})
    if backend is not None:
        _take_credentials(client, name, backend)
    return client


def _probe(call: Call, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
    from foodco_storage.backends.probe import probe  # noqa: PLC0415 - few stores are ever probed

    return probe(call, bucket, reserved_prefix)


def configured_capabilities(backend: Backend) -> dict[str, bool]:
    """The capabilities that the configuration settles."""
    names = (name for name in backend.capabilities.__struct_fields__)
    return {name: able for name in names if (able := getattr(backend.capabilities, name)) is not None}
