"""The client that a filesystem's arguments ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3.session
from botocore import UNSIGNED
from botocore.config import Config

from foodco_storage.filesystem.pools import FILE_THREADS
from foodco_storage.session import Session, client, client_of

_SECRETS: Final = ("key", "secret", "token")


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to reach the stores; names and meanings are s3fs's, but for `storage`.

    Args:
        storage: the configuration: a `Configuration`, a mapping of its shape, or a path; None to look for one.
        anon: send requests unsigned.
        endpoint_url: of one store. With this, or with keys, only routes apply whose primary is `caller`.
        key: access key id.
        secret: secret access key.
        token: session token.
        use_ssl: False for `http` where no endpoint is given.
        profile: of the AWS configuration.
        session: a boto3 session in place of the default one.
        client_kwargs: more arguments of `boto3.client`.
        config_kwargs: of `botocore.config.Config`.
        connections: how many requests are sent at once, at most.
    """

    storage: Any = field(default=None, repr=False)
    anon: bool = False
    endpoint_url: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    use_ssl: bool = True
    profile: str | None = None
    session: Any = None
    client_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    config_kwargs: Mapping[str, Any] = field(default_factory=dict)
    connections: int = FILE_THREADS

    def __post_init__(self) -> None:
        if self.session is not None and not isinstance(self.session, boto3.session.Session):
            raise TypeError(
                "session must be a foodco_storage.Session or a boto3 session, "
                f"not {type(self.session).__module__}.{type(self.session).__qualname__}"
            )
        if self.session is not None and self.profile is not None:
            raise ValueError("profile says which session to make: give profile or session, not both")
        if (self.key is None) != (self.secret is None):
            given, missing = ("key", "secret") if self.secret is None else ("secret", "key")
            raise ValueError(f"{given} is given without {missing}: give both, or neither to look for credentials")

    def open(self) -> Any:
        """Make the client.

        Raises:
            ConfigurationError: with every mistake in the configuration.
        """
        arguments: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
            "aws_session_token": self.token,
        }
        arguments = {name: value for name, value in arguments.items() if value is not None}
        if not self.use_ssl:
            arguments["use_ssl"] = False
        arguments |= self.client_kwargs
        config = Config(**{"max_pool_connections": self.connections, **self.config_kwargs})
        if self.anon:
            config = config.merge(Config(signature_version=UNSIGNED))
        given = arguments.pop("config", None)
        arguments["config"] = config if given is None else config.merge(given)
        session = Session(profile_name=self.profile) if self.profile is not None else self.session
        if session is None:
            return client("s3", storage=self.storage, **arguments)
        return client_of(session, storage=self.storage, **arguments)
