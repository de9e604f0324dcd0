"""Making a client: the caller's arguments, the configuration, and what becomes of the two."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from os import register_at_fork
from typing import Any

import boto3.session

from foodco_storage.backends.connections import renew_connections
from foodco_storage.backends.timestamps import read_fast
from foodco_storage.config.load import load
from foodco_storage.front.client import StorageClient
from foodco_storage.front.injection import client_class
from foodco_storage.telemetry.requests import count_attempts

StorageSource = Any
"""A `Configuration`, a mapping of its shape, a path to a file of it, or None."""

_CLIENT_SIGNATURE = inspect.signature(boto3.session.Session.client)

# boto3 does not make clients safely from several threads (boto3 issue 2750).
_creating = threading.RLock()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def open_client(
    session: Any,
    make: Callable[..., Any],
    make_sibling: Callable[..., Any],
    storage: StorageSource,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Make an S3 client or resource that goes through the routes of a configuration.

    Args:
        session: the boto3 session.
        make: its `client` or `resource`.
        make_sibling: its `client`, that makes plain ones.
        storage: the configuration, or where to find it.
        args: the caller's positional arguments after the service's name.
        kwargs: the caller's keyword arguments.
    """
    configuration = load(storage)
    if configuration is None:
        with _creating, client_class(session):
            made = make("s3", *args, **kwargs)
        client = _client_of(made)
        read_fast(client)
        count_attempts(client)
        _clients.add(client)
        return made

    from foodco_storage.front.assembly import Assembly  # noqa: PLC0415 - a client without routes needs none of it

    # `resource` takes the arguments of `client`, in its order.
    caller = dict(_CLIENT_SIGNATURE.bind(session, "s3", *args, **kwargs).arguments)
    del caller["self"], caller["service_name"]
    assembly = Assembly(configuration, caller)
    with _creating:
        with client_class(session):
            made = make("s3", **assembly.arguments)
        client = _client_of(made)
        assembly.attach(client, partial(_safely, make_sibling))
    _clients.add(client)
    return made


def _safely(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make a client, perhaps much later and from another thread."""
    with _creating:
        return make(*args, **kwargs)


def _client_of(made: Any) -> Any:
    return made if isinstance(made, StorageClient) else made.meta.client


def _after_fork_in_child() -> None:
    global _creating  # noqa: PLW0603 - another thread of the parent may have held it
    _creating = threading.RLock()
    for client in list(_clients):
        dispatch = client._dispatch  # noqa: SLF001 - ours
        if dispatch is None:
            renew_connections(client)
        else:
            dispatch.after_fork()


register_at_fork(after_in_child=_after_fork_in_child)
