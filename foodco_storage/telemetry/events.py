"""The events that hooks are told: what an operation, a step of the library's own work, or a breaker came to.

They are frozen, and hold no parameters, bodies or credentials: a bucket and a key at most, and those as the configuration
lets them be told (`telemetry.keys`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct


class Request(Struct, frozen=True, gc=False):
    """One request to one store, its retries included.

    Args:
        backend: the store's name in the configuration; `caller` for what boto3 resolves.
        operation: botocore's name of the operation that was sent.
        attempts: how often it went out over HTTP; 0 where it never did (a breaker that is open, a wrong parameter).
        seconds: until it was answered; the body of a GET comes after.
        status: the HTTP status of the last answer; None where there was none.
        error: S3's error code, or the class of an error without an answer; None for a success.
        sent_bytes: of bodies, all attempts together, by their Content-Length.
        received_bytes: of the last answer's body, as its Content-Length announced it; 0 where it did not.
    """

    backend: str
    operation: str
    attempts: int = 1
    seconds: float = 0.0
    status: int | None = None
    error: str | None = None
    sent_bytes: int = 0
    received_bytes: int = 0


class Operation(Struct, frozen=True, gc=False):
    """One operation of a caller, from its call to its end: for a GET the end of the body, its close, or its drop.

    A body that the library had in memory whole (a cache's) counts as read when it is handed out.

    Args:
        operation: botocore's name, `GetObject`.
        bucket: as the caller said it; None where the operation names none.
        key: the object's, as `telemetry.keys` lets it be told: itself, its digest (`hmac:...`), or None.
        route: the route's name; None for a bucket without a route.
        phase: of the route's migration; None where it does not migrate.
        backend: who served; where a cache did, who had served it. None where nobody did.
        requests: every request made for it, in order of their ends; the background's are in `Work`.
        cache: `memory` or `disk`, the level that answered; `miss` where the route has a cache and a store was asked for the
            object; None where no cache takes part.
        is_stale: a cache answered with what was too old, since no store could be asked.
        is_fallback: a fallback served.
        is_degraded: a fallback served because the primary could not answer.
        is_mirror_pending: the authority took the write, the other side follows later.
        size: bytes of the object that the caller got (of a body: that were read) or gave.
        stored_size: bytes of the whole object in the store where it lies compressed; None elsewhere.
        answer_seconds: from the call to its return.
        seconds: from the call to the end of the body; for all but a GET as `answer_seconds`.
        wait_seconds: of these, waiting for a phase on the move.
        pack_seconds: of these, compressing.
        outcome: `ok`; `abandoned` (a body that was not read to its end); `not_modified`, `missing`, `condition_failed`,
            `denied` (403), `throttled` (503 SlowDown, 429); `unavailable` (no answer, or 5xx), `broken` (the body broke, or
            is damaged), `invalid` (other 4xx, wrong parameters), `failed` (anything else).
        status: the HTTP status that the caller saw; None where he saw none.
        error: the error's code (`NoSuchKey`), or its class where it has none; None for a success.
        request_id: the store's, of the answer that the caller got.
        at: when it was called, in seconds since the epoch.
        weight: of how many operations it tells: 1, or 1 / `telemetry.sample`.
    """

    operation: str
    bucket: str | None = None
    key: str | None = None
    route: str | None = None
    phase: str | None = None
    backend: str | None = None
    requests: tuple[Request, ...] = ()
    cache: str | None = None
    is_stale: bool = False
    is_fallback: bool = False
    is_degraded: bool = False
    is_mirror_pending: bool = False
    size: int = 0
    stored_size: int | None = None
    answer_seconds: float = 0.0
    seconds: float = 0.0
    wait_seconds: float = 0.0
    pack_seconds: float = 0.0
    outcome: str = "ok"
    status: int | None = None
    error: str | None = None
    request_id: str | None = None
    at: float = 0.0
    weight: float = 1.0

    @property
    def backends(self) -> tuple[str, ...]:
        """Who was asked, in order, each once."""
        return tuple(dict.fromkeys(request.backend for request in self.requests))

    @property
    def attempts(self) -> int:
        """HTTP requests that went out for it."""
        return sum(request.attempts for request in self.requests)

    @property
    def backend_seconds(self) -> float:
        """Time that its requests took until they were answered; of requests at the same time the sum."""
        return sum(request.seconds for request in self.requests)

    @property
    def body_seconds(self) -> float:
        """From the return of the call to the end of the body: the caller's own time between reads included."""
        return self.seconds - self.answer_seconds


class Work(Struct, frozen=True, kw_only=True, gc=False):
    """Requests that the library made on its own account: no caller waited for them.

    Args:
        work: `promote`, `mirror` (an entry of the journal), `presign` (a look at who holds an object), `probe` (what a store
            can do on a bucket), or `library` (control objects, shipments).
        route: the route's name; None where it is not of one route.
        bucket: as callers say it, of a probe as the store does; None where it is not of one bucket.
        key: as in `Operation`.
        requests: as in `Operation`.
        seconds: from its beginning to its end.
        outcome: `ok` or `failed`; what it came to, a `Step` tells.
        at: when it began, in seconds since the epoch.
    """

    work: str
    route: str | None = None
    bucket: str | None = None
    key: str | None = None
    requests: tuple[Request, ...] = ()
    seconds: float = 0.0
    outcome: str = "ok"
    at: float = 0.0


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """Something that a flow has done, or could not do, beside answering.

    Args:
        step: `promote`, `mirror`, `tombstone`, `compress`, `presign` (a presigned write goes past the mirror), `phase`.
        outcome: `done` or `failed`. Of a promote also `overtaken` (somebody wrote first), `too_large`, `dropped` (too much to
            do), `stopped` (none in this process any more). Of a mirror also `deferred`. Of a phase the new one.
        route: the route's name.
        bucket: as callers say it; None where it is about no one object.
        key: as in `Operation`.
        count: how many objects.
        size: bytes of them, of a promote or a compression.
        stored_size: bytes that lie in the store after a compression.
        lag_seconds: of a mirror that was journalled: from the write to now; None elsewhere.
        why: the error, for a step that failed; else empty.
        at: when, in seconds since the epoch.
    """

    step: str
    outcome: str
    route: str
    bucket: str | None = None
    key: str | None = None
    count: int = 1
    size: int = 0
    stored_size: int = 0
    lag_seconds: float | None = None
    why: str = ""
    at: float = 0.0


class BreakerChange(Struct, frozen=True, kw_only=True, gc=False):
    """A circuit breaker has changed.

    Args:
        backend: the store's name in the configuration.
        state: `closed`, `open` or `half-open`.
        failures: outages in a row so far.
        at: when, in seconds since the epoch.
    """

    backend: str
    state: str
    failures: int
    at: float = 0.0


Event: TypeAlias = Operation | Work | Step | BreakerChange

Hook: TypeAlias = Callable[[Event], None]
"""Is told of every event, in the thread in which it happened, before the caller goes on.

It may be called at any time and from several threads at once, also by the garbage collector where a body is dropped unread: a
lock that it takes must be reentrant. One that raises harms nothing: it is reported once, by a warning.
"""
