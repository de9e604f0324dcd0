"""Every metric: its name, kind, unit and labels, and what Prometheus calls it.

Names and units are OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/general/metrics/). Labels are few, with few
values each: never a bucket, never a key. A label that does not apply is empty, which to Prometheus is the same as none.
They have the same names for both exporters, so that a dashboard fits both.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from foodco_storage.telemetry.outcomes import FAILURES

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

DURATION_BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Seconds: from what a cache answers at once to what is about to time out."""

DELAY_BOUNDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Seconds: from a mirror that is late by a retry to one that waited for a day's outage."""

ERROR_OUTCOMES = FAILURES
"""The values of the label `outcome` of operations that are errors; the others are answers."""


class Metric(NamedTuple):
    """One metric.

    Args:
        name: OpenTelemetry's.
        kind: a counter only grows, in one process; a gauge is what is now; a histogram counts by size.
        unit: in UCUM; `s`, `By`, or what is counted, in braces.
        description: one sentence.
        labels: in the order of the values in `foodco_storage.telemetry.metrics.Point`.
        merge: how several registered for the same labels become one; None for what nobody registers (`gauges`).
        bounds: of a histogram: the upper ends of its buckets, each within its bucket.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    merge: Literal["sum", "max"] | None = None
    bounds: tuple[float, ...] = ()


_PREFIX = "foodco_storage."


def _counter(name: str, unit: str, description: str, *labels: str, merge: Literal["sum"] | None = None) -> Metric:
    return Metric(_PREFIX + name, "counter", unit, description, labels, merge)


def _gauge(name: str, unit: str, description: str, *labels: str, merge: Literal["sum", "max"] | None) -> Metric:
    return Metric(_PREFIX + name, "gauge", unit, description, labels, merge)


def _histogram(name: str, description: str, *labels: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(_PREFIX + name, "histogram", "s", description, labels, None, bounds)


METRICS: tuple[Metric, ...] = (
    _counter(
        "operations",
        "{operation}",
        "Operations of callers that have ended.",
        *("operation", "route", "phase", "backend", "cache", "outcome"),
    ),
    _histogram(
        "operation.duration",
        "From the call to its end; of a GET to the end of its body, the caller's time between reads included.",
        *("operation", "route", "backend", "outcome"),
        bounds=DURATION_BOUNDS,
    ),
    _counter(
        "operation.io",
        "By",
        "Bytes of objects that callers read or have written.",
        *("operation", "route", "backend", "cache", "direction"),
    ),
    _counter(
        "fallback.reads",
        "{operation}",
        "Operations that a fallback served, degraded ones among them.",
        *("route", "phase", "backend"),
    ),
    _counter("degraded.reads", "{operation}", "Reads that a fallback served since the primary could not.", "route"),
    _counter(
        "requests",
        "{request}",
        "Requests to stores, retries of one counted as one; for callers and on the library's own account.",
        *("backend", "operation", "status"),
    ),
    _counter("request.attempts", "{attempt}", "HTTP requests that went out.", "backend", "operation"),
    _counter("request.retries", "{attempt}", "HTTP requests after the first of each request.", "backend", "operation"),
    _counter("request.sent", "By", "Bytes of bodies that were sent, retries among them.", "backend", "operation"),
    _counter("request.received", "By", "Bytes of bodies that answers announced.", "backend", "operation"),
    _histogram(
        "request.duration",
        "From a request to its answer, retries included; the body of a GET comes after.",
        *("backend", "operation"),
        bounds=DURATION_BOUNDS,
    ),
    _counter("cache.hits", "{read}", "Reads that a cache answered.", "route", "level"),
    _counter("cache.misses", "{read}", "Reads that no level of the cache could answer.", "route"),
    _counter("cache.revalidations", "{read}", "Reads for which a store was asked if an entry still holds.", "route"),
    _counter("cache.stale", "{read}", "Reads answered with what was too old, since no store could be asked.", "route"),
    _counter("cache.evictions", "{entry}", "Entries that made room for others.", "route", "level"),
    _gauge(
        "cache.size",
        "By",
        "What is held; on disk by all processes of the host together.",
        *("route", "level"),
        merge=None,
    ),
    _gauge("cache.disk.off", "{state}", "1 while the cache on disk is not written.", "route", merge="max"),
    _counter("cache.saved", "By", "Bytes that no store was asked for, thanks to the cache.", "route"),
    _counter("cache.saved_requests", "{request}", "Requests not made, thanks to the cache.", "route"),
    _counter("promotes", "{object}", "Copies of what a read found in a fallback alone.", "route", "outcome"),
    _counter("promoted", "By", "Bytes of objects that were promoted.", "route"),
    _counter("mirrors", "{object}", "Writes brought to the other side.", "route", "outcome"),
    _histogram(
        "mirror.delay", "From a journalled write to its mirror, of those that are done.", "route", bounds=DELAY_BOUNDS
    ),
    _gauge("mirror.lag", "s", "The age of the oldest write that is not mirrored.", "route", merge="max"),
    _gauge("journal.depth", "{entry}", "Writes of this host that are not mirrored.", "route", merge="sum"),
    _counter("tombstones", "{object}", "Deletes marked in the primary.", "route"),
    _counter("presigned_writes", "{object}", "Presigned writes, which pass the mirror.", "route"),
    _counter("phase.changes", "{change}", "Moves to a phase that this process saw.", "route", "phase"),
    _gauge("breaker.state", "{state}", "0 closed, 1 half-open, 2 open.", "backend", merge="max"),
    _counter("breaker.changes", "{change}", "Changes of breakers to a state.", "backend", "state"),
    _counter("compression.objects", "{object}", "Objects that were stored compressed.", "route"),
    _counter("compression.logical", "By", "Bytes of these objects as callers gave them.", "route"),
    _counter("compression.stored", "By", "Bytes of these objects as they are stored.", "route"),
    _counter("telemetry.losses", "{item}", "What telemetry itself has lost, by what was lost.", "what", merge="sum"),
    _gauge("telemetry.shipments.pending", "{shipment}", "Shipments that wait for the telemetry bucket.", merge="max"),
    _gauge("telemetry.shipments.lag", "s", "The age of the oldest shipment that waits.", merge="max"),
)

BY_NAME = MappingProxyType({metric.name: metric for metric in METRICS})

_UNITS = {"s": "seconds", "By": "bytes"}


def prometheus_name(metric: Metric) -> str:
    """What Prometheus calls a metric: with its unit, and `_total` for a counter; of a histogram the name without `_bucket`.

    The rules are those of https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/: what stands in
    braces is no unit.

    Example:
        >>> prometheus_name(BY_NAME["foodco_storage.operation.duration"])
        'foodco_storage_operation_duration_seconds'
    """
    parts = [metric.name.replace(".", "_")]
    unit = _UNITS.get(metric.unit)
    if unit is not None and not parts[0].endswith(f"_{unit}"):
        parts.append(unit)
    if metric.kind == "counter":
        parts.append("total")
    return "_".join(parts)
