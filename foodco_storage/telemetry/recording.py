"""What is gathered while an operation runs: the requests made for it, and what they took.

Whoever sends a request notes it in the recording of its context, wherever it runs: contexts are copied to the threads that
gather, and kept with a body that is read later.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.telling import PLAIN, Telling

if TYPE_CHECKING:
    # Nobody may be listening.
    from foodco_storage.telemetry.events import Request

clock = time.perf_counter


class Recording:
    """One operation of a caller, or one piece of the library's own work, under way.

    Args:
        telling: what may be told of it.
    """

    # On the class, since most operations change none of these: setting each would cost.
    route: str | None = None
    phase: str | None = None
    has_cache: bool = False
    """Whether the route has a cache."""
    size: int | None = None
    """What the caller gave, where it became another size on the way; None elsewhere."""
    sent_bytes: int = 0
    """Of the last body that went out for it."""
    wait_seconds: float = 0.0
    pack_seconds: float = 0.0

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.begun = clock()
        self.requests: list[Request] = []


class _Ignored(Recording):
    """Keeps nothing that is written on it: it is one for all."""

    def __setattr__(self, name: str, value: object) -> None:
        pass


IGNORED = _Ignored(PLAIN)
"""Stands for what nobody is told of."""

current: ContextVar[Recording | None] = ContextVar("foodco_storage_recording", default=None)
"""What requests are noted in; None for what the library does on its own account."""


@contextmanager
def work(kind: str, route: str | None, bucket: str | None, key: str | None, telling: Telling) -> Iterator[None]:
    """Do work of the library's own, and tell of the requests that it took (`Work`).

    Args:
        kind: as `Work.work`.
        route: the route's name.
        bucket: as callers say it.
        key: the object's.
        telling: what may be told of the route.
    """
    if not hooks.on:
        # What was recorded in the context that this one is a copy of is another matter.
        token = current.set(None)
        try:
            yield
        finally:
            current.reset(token)
        return
    recording = Recording(telling) if telling.enabled else IGNORED
    token = current.set(recording)
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    finally:
        current.reset(token)
        if recording is not IGNORED and recording.requests:
            _tell(kind, recording, outcome, route, bucket, telling.key(key))


def tell_own_request(request: Request) -> None:
    """Tell of a request that the library made on its own account, outside of any work."""
    recording = Recording(PLAIN)
    recording.requests.append(request)
    recording.begun -= request.seconds
    _tell("library", recording, "ok" if request.error is None else "failed", None, None, None)


def _tell(
    kind: str, recording: Recording, outcome: str, route: str | None, bucket: str | None, key: str | None
) -> None:
    seconds = clock() - recording.begun
    hooks.emit(
        hooks.events.Work(
            work=kind,
            route=route,
            bucket=bucket,
            key=key,
            requests=tuple(recording.requests),
            seconds=seconds,
            outcome=outcome,
            at=time.time() - seconds,
        )
    )
