"""Steps of flows, and changes of breakers: counted, and told to hooks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from foodco_storage.counting import add, counters_of
from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.outcomes import of_error
from foodco_storage.telemetry.telling import PLAIN, Telling


def tell_step(  # noqa: PLR0913 - all but five by name
    step: str,
    outcome: str,
    route: str,
    which: Mapping[str, Any] | None = None,
    telling: Telling = PLAIN,
    *,
    count: int = 1,
    size: int = 0,
    stored_size: int = 0,
    since: float | None = None,
    why: Exception | str = "",
) -> None:
    """Count a step, and tell hooks of it.

    Args:
        step: as in `foodco_storage.telemetry.events.Step`, and so the others.
        outcome: what it came to.
        route: the route's name.
        which: bucket and key, as callers say them.
        telling: what may be told of the route.
        count: how many objects.
        size: bytes of them.
        stored_size: bytes that lie in the store.
        since: of a mirror that was journalled, when that was, in seconds since the epoch.
        why: the error; its text is not told, which may hold a key.
    """
    for name, amount in counters_of(step, outcome, count=count, size=size, stored_size=stored_size):
        add(name, route, amount)
    if hooks.on and telling.enabled:
        now = time.time()
        hooks.emit(
            hooks.events.Step(
                step=step,
                outcome=outcome,
                route=route,
                bucket=None if which is None else which["Bucket"],
                key=None if which is None else telling.key(which["Key"]),
                count=count,
                size=size,
                stored_size=stored_size,
                # The clock may have been set back meanwhile.
                lag_seconds=None if since is None else max(0.0, now - since),
                why=why if isinstance(why, str) else of_error(why).error or "",
                at=now,
            )
        )


def tell_breaker(backend: str, telling: Telling, state: str, failures: int) -> None:
    """Tell hooks that a breaker has changed."""
    if hooks.on and telling.enabled:
        hooks.emit(hooks.events.BreakerChange(backend=backend, state=state, failures=failures, at=time.time()))
