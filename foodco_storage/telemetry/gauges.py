"""Values that are read when somebody asks: the depth of a journal, the state of a breaker."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from os import register_at_fork

from foodco_storage.telemetry.metric_names import BY_NAME, Metric

logger = logging.getLogger("foodco_storage")

_LOSSES = "foodco_storage.telemetry.losses"


class _Registration:
    """One value of one metric."""

    __slots__ = ("has_warned", "labels", "metric", "read")

    def __init__(self, metric: Metric, labels: tuple[str, ...], read: Callable[[], float]) -> None:
        self.metric = metric
        self.labels = labels
        self.read = read
        self.has_warned = False

    def now(self) -> float | None:
        """The value; None where there is none."""
        try:
            value = float(self.read())
        except Exception:
            # Whatever it is, the other values are still worth telling.
            global _failures  # noqa: PLW0603 - one number of the process
            _failures += 1
            if not self.has_warned:
                self.has_warned = True
                logger.warning(
                    "%s of %s can't be read, and is left out; it is not reported again",
                    self.metric.name,
                    dict(zip(self.metric.labels, self.labels, strict=True)),
                    exc_info=True,
                )
            return None
        return None if math.isnan(value) else value


_failures = 0
"""How often a value could not be read: told as a loss, since who watches the value sees nothing where it is left out."""

_registered: tuple[_Registration, ...] = ()
# Reentrant: whoever is dropped by the garbage collector takes back what it registered.
_lock = threading.RLock()


def register(name: str, labels: Mapping[str, str], read: Callable[[], float]) -> Callable[[], None]:
    """Have a value told as it is whenever somebody asks for metrics.

    Several may be registered with the same name and labels, by several clients of one process. Of depths and losses the sum
    is told, so a journal that two clients share is to be registered once; of states and ages the maximum, which is the worst
    (`Metric.merge`). A counter must only grow: one that is taken back takes its count with it.

    Args:
        name: of a metric that is registered: `foodco_storage.journal.depth`.
        labels: a value for each of the metric's labels.
        read: tells the value, in the metric's unit, from any thread. NaN is left out. Where it raises, the value is left out,
            and that is logged once.

    Returns:
        Takes it back; nothing happens the second time.

    Raises:
        ValueError: there is no such metric, it is not one that is registered, or its labels are others.

    Example:
        unregister = register("foodco_storage.breaker.state", {"backend": "ceph"}, lambda: 2.0)
    """
    global _registered  # noqa: PLW0603 - replaced whole: whoever goes through the old one is not disturbed
    metric = BY_NAME.get(name)
    if metric is None or metric.merge is None:
        known = ", ".join(known.name for known in BY_NAME.values() if known.merge is not None)
        raise ValueError(f"name: {name!r} is no metric that can be registered; those are {known}")
    if set(labels) != set(metric.labels):
        raise ValueError(f"labels: {name} has {list(metric.labels)}, not {sorted(labels)}")
    registration = _Registration(metric, tuple(labels[label] for label in metric.labels), read)
    with _lock:
        _registered = (*_registered, registration)

    def unregister() -> None:
        global _registered  # noqa: PLW0603 - as above
        with _lock:
            _registered = tuple(one for one in _registered if one is not registration)

    return unregister


def read_all(name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric as they are now, by those of its labels."""
    values: dict[tuple[str, ...], float] = {}
    # Not under the lock: reading them takes others.
    for registration in _registered:
        if registration.metric.name == name and (value := registration.now()) is not None:
            before = values.get(registration.labels)
            values[registration.labels] = value if before is None else _merged(registration.metric, before, value)
    if name == _LOSSES and _registered:
        # Also while there are none: where a series begins, PromQL sees no increase.
        values[("measures",)] = float(_failures)
    return values


def _merged(metric: Metric, one: float, other: float) -> float:
    return max(one, other) if metric.merge == "max" else one + other


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.RLock()


register_at_fork(after_in_child=_after_fork_in_child)
