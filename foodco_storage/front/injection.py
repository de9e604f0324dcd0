"""How our class gets into the clients that this library makes, and into no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from foodco_storage.front.client import StorageClient

_wanted: ContextVar[bool] = ContextVar("foodco_storage_client_wanted", default=False)
_HANDLER_ID = "foodco-storage-client-class"


@contextmanager
def client_class(session: Any) -> Iterator[None]:
    """S3 clients that `session` (a boto3 session) makes inside this context get our class.

    The handler stays on the session, once, but does nothing outside: `boto3.client()` of the same process stays plain.
    """
    session.events.register("creating-client-class.s3", _put_in_front, unique_id=_HANDLER_ID)
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def _put_in_front(base_classes: list[type], **_: Any) -> None:
    if _wanted.get():
        base_classes.insert(0, StorageClient)


def being_made() -> bool:
    """Whether this thread is inside `client_class`: boto3's `resource()` makes its client by calling `client()` again."""
    return _wanted.get()
