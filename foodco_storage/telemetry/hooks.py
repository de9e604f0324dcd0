"""Who is told of events: hooks, and at most one tracing.

They are the process's own, as loggers are. While there are none, nothing is recorded (`on`).
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from inspect import iscoroutinefunction
from os import register_at_fork
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # Whoever listens to nothing needs none of it.
    from foodco_storage.telemetry.events import Event, Hook, Operation, Request

logger = logging.getLogger("foodco_storage")

on = False
"""Whether anybody listens. Read on the way of every operation."""

tracing: Tracing | None = None
"""Who makes spans."""

events: Any = None
"""The module `foodco_storage.telemetry.events`, loaded once somebody listens; what makes events finds it here for less."""

_hooks: tuple[Hook, ...] = ()
_reported: set[Any] = set()
_changing = threading.RLock()


class Tracing(Protocol):
    """Makes spans: told of beginnings too, so that what happens within is nested below."""

    def operation_started(self, operation: str, bucket: str | None, key: str | None) -> Any:
        """An operation begins; what is returned is given to the other two. Its span becomes the current one."""

    def operation_returned(self, state: Any) -> None:
        """Its call returns, in the same context: its span is the current one no longer. A body may still be read."""

    def operation_ended(self, state: Any, event: Operation) -> None:
        """It has ended; perhaps in another thread."""

    def request_started(self, backend: str, operation: str, parameters: Mapping[str, Any], client_meta: Any) -> Any:
        """A request to a store begins; what is returned is given to `request_ended`.

        Args:
            backend: the store's name in the configuration.
            operation: botocore's name of what is sent.
            parameters: boto3's. They may hold keys, bodies and secrets that are not to be told.
            client_meta: of the botocore client: `endpoint_url`, `region_name`.
        """

    def request_ended(self, state: Any, request: Request, response_metadata: Mapping[str, Any]) -> None:
        """It was answered, or failed, in the same thread; with botocore's `ResponseMetadata`, empty where there is none."""


def add_hook(hook: Hook) -> None:
    """Tell a hook of every event from now on; one that is told already is told once.

    Args:
        hook: any callable that takes one event (`foodco_storage.telemetry`).

    Raises:
        TypeError: it can't be called, or what it returns would have to be awaited.

    Example:
        def slow(event):
            if isinstance(event, Operation) and event.seconds > 1:
                print(event.operation, event.bucket, event.key, event.backends)

        add_hook(slow)
    """
    global _hooks  # noqa: PLW0603 - replaced whole: whoever goes through the old one is not disturbed
    _check(hook)
    # Not under the lock: it takes a while.
    _load()
    with _changing:
        if hook not in _hooks:
            _hooks = (*_hooks, hook)
        _switch()


def _check(hook: Any) -> None:
    if not callable(hook) or iscoroutinefunction(hook) or iscoroutinefunction(type(hook).__call__):
        raise TypeError(f"hook: {hook!r} is not a function of one event: give a callable that is not async")


def remove_hook(hook: Hook) -> None:
    """Tell a hook no more; nothing happens where it was not told."""
    global _hooks  # noqa: PLW0603 - as above
    with _changing:
        _hooks = tuple(one for one in _hooks if one != hook)
        _switch()


def set_tracing(new: Tracing | None) -> None:
    """Let somebody make spans; None for nobody."""
    global tracing  # noqa: PLW0603 - as above
    _load()
    with _changing:
        tracing = new
        _switch()


def _switch() -> None:
    global on  # noqa: PLW0603 - a bare name is what costs least to read
    on = bool(_hooks) or tracing is not None


def _load() -> None:
    global events  # noqa: PLW0603 - as above
    events = import_module("foodco_storage.telemetry.events")


def emit(event: Event) -> None:
    """Tell every hook of an event."""
    for hook in _hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - whatever it is, it is no failure of the operation
            report(hook)


def report(culprit: Any) -> None:
    """Tell once that a hook, or a tracing, raises; to be called where it has."""
    code = culprit.func if isinstance(culprit, partial) else culprit
    known = code if hasattr(code, "__qualname__") else type(code)
    name = f"{known.__module__}.{known.__qualname__}"
    # By name: two clients may have a bound method each, and a closure is another object every time.
    if name not in _reported:
        _reported.add(name)
        logger.warning("the telemetry hook %s raises; it is not reported again", name, exc_info=sys.exc_info())


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread of the parent may have held it
    _changing = threading.RLock()


register_at_fork(after_in_child=_after_fork_in_child)
