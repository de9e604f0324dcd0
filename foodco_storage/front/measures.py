"""What is measured when somebody asks for metrics: breakers, and what the journal holds."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence

from foodco_storage.backends.breaker import Breaker
from foodco_storage.journal import Journal
from foodco_storage.journal.rows import Summary
from foodco_storage.telemetry import gauges

_CLOSED, _HALF_OPEN, _OPEN = 0.0, 1.0, 2.0

_FRESH_SECONDS = 1.0
"""Both measures of a journal are read from one look at it, which goes through every entry."""


def watch_breaker(backend: str, breaker: Breaker) -> None:
    """Have the state of a breaker measured, for as long as it is in use."""
    known = weakref.ref(breaker)

    def state() -> float:
        breaker = known()
        if breaker is None or breaker.state == "closed":
            return _CLOSED
        # One that nobody asks stays as it is; but the next request would be let through.
        return _OPEN if breaker.refuses else _HALF_OPEN

    weakref.finalize(breaker, gauges.register("foodco_storage.breaker.state", {"backend": backend}, state))


class Backlog:
    """What a journal holds, measured by route.

    Args:
        journal: the journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = weakref.ref(journal)
        self._routes: set[str] = set()
        self._looked: tuple[float, Sequence[Summary]] | None = None

    def watch(self, route: str) -> None:
        """Have a route's entries measured; several clients of one journal do so once."""
        if route in self._routes:
            return
        self._routes.add(route)
        journal = self._journal()
        for name, measure in (
            ("foodco_storage.journal.depth", lambda one: float(one.entries)),
            ("foodco_storage.mirror.lag", lambda one: one.oldest_seconds),
        ):
            add = sum if name.endswith("depth") else max
            taken_back = gauges.register(name, {"route": route}, self._reader(route, measure, add))
            if journal is not None:
                weakref.finalize(journal, taken_back)

    def _reader(
        self, route: str, measure: Callable[[Summary], float], add: Callable[[Sequence[float]], float]
    ) -> Callable[[], float]:
        def read() -> float:
            # A route has several identities where its configuration, or its authority, has changed.
            return add([0.0, *(measure(one) for one in self._look() if one.route == route)])

        return read

    def _look(self) -> Sequence[Summary]:
        now = time.monotonic()
        if self._looked is None or now - self._looked[0] > _FRESH_SECONDS:
            journal = self._journal()
            self._looked = now, () if journal is None or journal.is_closed else journal.summary()
        return self._looked[1]
