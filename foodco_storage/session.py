"""`Session`, `client()` and `resource()` with boto3's signatures, over the routes of a configuration.

Everything takes one keyword more than boto3, `storage`: a `foodco_storage.Configuration`, a path to one, or a mapping of the
same shape. Without it, the configuration is looked for (`foodco_storage.config.load`); where none is found a client behaves
as boto3's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
import boto3.session

from foodco_storage.front.injection import being_made
from foodco_storage.front.opening import open_client

if TYPE_CHECKING:
    from foodco_storage.front.opening import StorageSource
    from foodco_storage.front.stubs import S3Client, S3ServiceResource

_default_storage: StorageSource = None


class Session(boto3.session.Session):  # type: ignore[misc] # boto3 is untyped
    """A boto3 session whose S3 clients and resources go through the routes of a configuration.

    Args:
        storage: the configuration; None to look for one whenever a client is made.

    The other arguments are boto3's. Example:

        session = foodco_storage.Session(profile_name="photos", storage="storage.toml")
        s3 = session.client("s3")
    """

    def __init__(self, *args: Any, storage: StorageSource = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._storage = storage

    @overload
    def client(
        self, service_name: Literal["s3"] = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any
    ) -> S3Client: ...
    @overload
    def client(self, service_name: str, *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any: ...
    def client(self, service_name: str = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any:
        """`boto3.session.Session.client`; for `s3` through the routes."""
        if service_name != "s3" or being_made():
            return super().client(service_name, *args, **kwargs)
        return open_client(
            self, super().client, super().client, self._storage if storage is None else storage, args, kwargs
        )

    @overload
    def resource(
        self, service_name: Literal["s3"] = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any
    ) -> S3ServiceResource: ...
    @overload
    def resource(self, service_name: str, *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any: ...
    def resource(self, service_name: str = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any:
        """`boto3.session.Session.resource`; for `s3` through the routes."""
        if service_name != "s3":
            return super().resource(service_name, *args, **kwargs)
        return open_client(
            self, super().resource, super().client, self._storage if storage is None else storage, args, kwargs
        )


def setup_default_session(*, storage: StorageSource = None, **kwargs: Any) -> None:
    """`boto3.setup_default_session`, and the configuration that `client()` and `resource()` use from now on.

    The default session is boto3's own, shared with code that uses boto3 directly (and with moto, which resets it).
    """
    global _default_storage  # noqa: PLW0603 - boto3 keeps its default session the same way
    boto3.setup_default_session(**kwargs)
    _default_storage = storage


def default_storage() -> StorageSource:
    """The configuration that `client()` and `resource()` use; None to look for one."""
    return _default_storage


@overload
def client(
    service_name: Literal["s3"] = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any
) -> S3Client: ...


@overload
def client(service_name: str, *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any: ...


def client(service_name: str = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any:
    """`boto3.client`; an S3 client, which is also the default, goes through the routes of a configuration.

    Args:
        service_name: as in boto3. A service other than S3 is plain boto3.
        *args: boto3's.
        storage: the configuration: a `Configuration`, a mapping of its shape or a path; None to look for one.
        **kwargs: boto3's. `endpoint_url` or credentials among them say which store to talk to: then only routes whose
            primary is `caller` apply.

    Returns:
        A real botocore client.

    Raises:
        ConfigurationError: with every mistake in the configuration.

    Example:
        s3 = foodco_storage.client()
        s3.get_object(Bucket="foodco-images", Key="pizza.jpg")["Body"].read()
    """
    session = boto3._get_default_session()  # noqa: SLF001 - the session that `mock_aws` resets
    storage = _default_storage if storage is None else storage
    if service_name != "s3":
        return session.client(service_name, *args, **kwargs)
    return client_of(session, *args, storage=storage, **kwargs)


def client_of(session: boto3.session.Session, *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any:
    """An S3 client of a session, boto3's or ours, that goes through the routes of a configuration."""
    if isinstance(session, Session):
        # Its `client` would put routes behind the siblings as well.
        return session.client("s3", *args, storage=storage, **kwargs)
    return open_client(session, session.client, session.client, storage, args, kwargs)


@overload
def resource(
    service_name: Literal["s3"] = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any
) -> S3ServiceResource: ...


@overload
def resource(service_name: str, *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any: ...


def resource(service_name: str = "s3", *args: Any, storage: StorageSource = None, **kwargs: Any) -> Any:
    """`boto3.resource`; an S3 resource, which is also the default, goes through the routes of a configuration.

    Arguments and errors are those of `client`.

    Example:
        foodco_storage.resource().Object("foodco-images", "pizza.jpg").download_file("pizza.jpg")
    """
    session = boto3._get_default_session()  # noqa: SLF001 - the session that `mock_aws` resets
    storage = _default_storage if storage is None else storage
    if service_name != "s3":
        return session.resource(service_name, *args, **kwargs)
    if isinstance(session, Session):
        return session.resource(service_name, *args, storage=storage, **kwargs)
    return open_client(session, session.resource, session.client, storage, args, kwargs)
