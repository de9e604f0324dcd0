"""What exporters read: the values of every metric as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from foodco_storage.telemetry import gauges
from foodco_storage.telemetry.counted_metrics import COUNTED_METRICS, counted
from foodco_storage.telemetry.metric_cells import (
    ATTEMPTS,
    BYTES,
    COUNT,
    FALLBACKS,
    OPERATION_KEY,
    OPERATION_SECONDS,
    RECEIVED,
    REQUEST_SECONDS,
    RETRIES,
    SENT,
    Cells,
)
from foodco_storage.telemetry.metric_names import BY_NAME

_WRITES = frozenset({"PutObject", "UploadPart"})
_Values: TypeAlias = tuple[float, ...]
_Row: TypeAlias = tuple[tuple[str, ...], _Values]


class Point(NamedTuple):
    """A value of a counter or a gauge.

    Args:
        labels: the values of the metric's labels, in their order; empty for one that does not apply.
        value: in the metric's unit.
    """

    labels: tuple[str, ...]
    value: float


class Distribution(NamedTuple):
    """A value of a histogram.

    Args:
        labels: as in `Point`.
        counts: how many fell into each bucket alone, one more than there are bounds.
        total: the sum of all.
    """

    labels: tuple[str, ...]
    counts: tuple[float, ...]
    total: float


def points(cells: Cells, name: str) -> list[Point] | list[Distribution]:
    """The values of one metric, one for each set of labels; none where nothing was counted.

    Args:
        cells: what was counted of events.
        name: of the metric (`foodco_storage.telemetry.metric_names`).

    Returns:
        `Distribution` for a histogram, else `Point`.

    Raises:
        KeyError: there is no such metric.
    """
    metric = BY_NAME[name]
    if metric.merge is not None:
        return [Point(labels, value) for labels, value in gauges.read_all(name).items()]
    rows: list[_Row] = [(labels, (value,)) for labels, value in counted(name)] if name in COUNTED_METRICS else []
    read = _READERS.get(name)
    if read is not None:
        rows.extend(read(cells))
    found = _sums(rows)
    if metric.kind == "histogram":
        return [Distribution(labels, values[1:], values[0]) for labels, values in found.items()]
    return [Point(labels, values[0]) for labels, values in found.items()]


def _sums(rows: Iterable[_Row]) -> dict[tuple[str, ...], _Values]:
    """Rows with the same labels, added up."""
    sums: dict[tuple[str, ...], _Values] = {}
    for labels, values in rows:
        before = sums.get(labels)
        sums[labels] = values if before is None else tuple(map(sum, zip(before, values, strict=True)))
    return sums


def _of_operations(cells: Cells, labels: Iterable[str], which: slice) -> Iterator[_Row]:
    indexes = [OPERATION_KEY.index(label) for label in labels]
    for key, cell in cells.operations.now():
        yield tuple(key[index] for index in indexes), cell[which]


def _of_requests(cells: Cells, labels: int, which: slice) -> Iterator[_Row]:
    for (backend, operation, status), cell in cells.requests.now():
        yield (backend, operation, status or "none")[:labels], cell[which]


def _io(cells: Cells) -> Iterator[_Row]:
    for (operation, route, _, backend, cache, _), cell in cells.operations.now():
        if cell[BYTES]:
            direction = "written" if operation in _WRITES else "read"
            yield (operation, route, backend, cache, direction), (cell[BYTES],)


def _fallbacks(cells: Cells) -> Iterator[_Row]:
    rows = _of_operations(cells, BY_NAME["foodco_storage.fallback.reads"].labels, _only(FALLBACKS))
    return (row for row in rows if row[1][0])


def _only(column: int) -> slice:
    return slice(column, column + 1)


_DURATION = BY_NAME["foodco_storage.operation.duration"].labels

_READERS: dict[str, Callable[[Cells], Iterable[_Row]]] = {
    "foodco_storage.operations": lambda cells: _of_operations(cells, OPERATION_KEY, _only(COUNT)),
    "foodco_storage.operation.duration": lambda cells: _of_operations(cells, _DURATION, slice(OPERATION_SECONDS, None)),
    "foodco_storage.operation.io": _io,
    "foodco_storage.fallback.reads": _fallbacks,
    "foodco_storage.requests": lambda cells: _of_requests(cells, 3, _only(COUNT)),
    "foodco_storage.request.attempts": lambda cells: _of_requests(cells, 2, _only(ATTEMPTS)),
    "foodco_storage.request.retries": lambda cells: _of_requests(cells, 2, _only(RETRIES)),
    "foodco_storage.request.sent": lambda cells: _of_requests(cells, 2, _only(SENT)),
    "foodco_storage.request.received": lambda cells: _of_requests(cells, 2, _only(RECEIVED)),
    "foodco_storage.request.duration": lambda cells: _of_requests(cells, 2, slice(REQUEST_SECONDS, None)),
    "foodco_storage.mirrors": lambda cells: cells.deferred.now(),
    "foodco_storage.mirror.delay": lambda cells: cells.delays.now(),
    "foodco_storage.phase.changes": lambda cells: cells.phases.now(),
    "foodco_storage.breaker.changes": lambda cells: cells.breakers.now(),
}
