"""Metrics: a hook that adds up events in this process, and what exporters read of it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from os import register_at_fork
from weakref import WeakSet

from foodco_storage.telemetry import hooks, metric_points
from foodco_storage.telemetry.events import BreakerChange, Event, Operation, Request, Step, Work
from foodco_storage.telemetry.metric_cells import (
    ATTEMPTS,
    BYTES,
    COUNT,
    FALLBACKS,
    OPERATION_BUCKETS,
    OPERATION_SECONDS,
    RECEIVED,
    REQUEST_BUCKETS,
    REQUEST_SECONDS,
    RETRIES,
    SENT,
    Cells,
)
from foodco_storage.telemetry.metric_names import DELAY_BOUNDS, DURATION_BOUNDS, METRICS
from foodco_storage.telemetry.metric_points import Distribution, Point

_CLASSES = {kind: f"{kind}xx" for kind in range(1, 6)}


class Metrics:
    """A hook that adds up events, to be read at any time.

    Counts are multiplied by the weight of an event: with half of the operations told of, each counts two. An event that comes
    in the middle of another one's counting, by the garbage collector or a signal, counts as well. What
    `foodco_storage.counting` counts, and what is registered with `foodco_storage.telemetry.gauges`, is read from there.

    Example:
        metrics = Metrics()
        add_hook(metrics)
        ...
        metrics.points("foodco_storage.operations")
    """

    def __init__(self) -> None:
        self._start()
        _alive.add(self)

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._cells = Cells(self._lock)
        self._operations = self._cells.operations.cells
        self._requests = self._cells.requests.cells

    def __call__(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            if type(event) is Operation:
                weight, seconds = event.weight, event.seconds
                key = (event.operation, event.route, event.phase, event.backend, event.cache, event.outcome)
                # Here and not in a function of its own: most operations are told of by nothing else.
                cell = self._operations.get(key) or self._cells.operations.cell(key)
                cell[COUNT] += weight
                cell[BYTES] += event.size * weight
                cell[OPERATION_SECONDS] += seconds * weight
                cell[OPERATION_BUCKETS + bisect_left(DURATION_BOUNDS, seconds)] += weight
                if event.is_fallback:
                    cell[FALLBACKS] += weight
                for request in event.requests:
                    self._count_request(request, weight)
            elif type(event) is Work:
                for request in event.requests:
                    self._count_request(request, 1.0)
            elif type(event) is Step:
                self._count_step(event)
            elif type(event) is BreakerChange:
                self._cells.breakers.cell((event.backend, event.state))[COUNT] += 1

    def _count_request(self, request: Request, weight: float) -> None:
        seconds, attempts, status = request.seconds, request.attempts, request.status
        key = (request.backend, request.operation, _CLASSES.get(status // 100) if status else None)
        cell = self._requests.get(key) or self._cells.requests.cell(key)
        cell[COUNT] += weight
        cell[ATTEMPTS] += attempts * weight
        if attempts > 1:
            cell[RETRIES] += (attempts - 1) * weight
        cell[SENT] += request.sent_bytes * weight
        cell[RECEIVED] += request.received_bytes * weight
        cell[REQUEST_SECONDS] += seconds * weight
        cell[REQUEST_BUCKETS + bisect_left(DURATION_BOUNDS, seconds)] += weight

    def _count_step(self, event: Step) -> None:
        if event.step == "phase":
            self._cells.phases.cell((event.route, event.outcome))[COUNT] += 1
        elif event.step == "mirror" and event.outcome == "deferred":
            self._cells.deferred.cell((event.route, event.outcome))[COUNT] += event.count
        elif event.step == "mirror" and event.outcome == "done" and event.lag_seconds is not None:
            cell = self._cells.delays.cell((event.route,))
            cell[0] += event.lag_seconds * event.count
            cell[1 + bisect_left(DELAY_BOUNDS, event.lag_seconds)] += event.count

    def points(self, name: str) -> list[Point] | list[Distribution]:
        """The values of one metric as they are now, one for each set of labels; none where nothing was counted.

        Args:
            name: of the metric (`foodco_storage.telemetry.metric_names`).

        Returns:
            `Distribution` for a histogram, else `Point`.

        Raises:
            KeyError: there is no such metric.
        """
        return metric_points.points(self._cells, name)

    def snapshot(self) -> dict[str, list[Point] | list[Distribution]]:
        """The values of every metric as they are now, by its name."""
        return {metric.name: self.points(metric.name) for metric in METRICS}

    def after_fork(self) -> None:
        """In a forked child: what the parent counted is the parent's, and its lock may be held for ever."""
        self._start()


_alive: WeakSet[Metrics] = WeakSet()
_users = 0
_changing = threading.RLock()

shared = Metrics()
"""Those of this process, which every exporter reads. They count while somebody uses them, and never go back to zero."""


def use() -> Callable[[], None]:
    """Have events counted in `shared` from now on, until all who use it have released it.

    Returns:
        Releases it; nothing happens the second time.
    """
    global _users  # noqa: PLW0603 - how many there are
    with _changing:
        _users += 1
        hooks.add_hook(shared)
    is_released = False

    def release() -> None:
        global _users  # noqa: PLW0603 - as above
        nonlocal is_released
        with _changing:
            if not is_released:
                is_released = True
                _users -= 1
                if not _users:
                    hooks.remove_hook(shared)

    return release


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread of the parent may have held it
    _changing = threading.RLock()
    for metrics in _alive:
        metrics.after_fork()


register_at_fork(after_in_child=_after_fork_in_child)
