"""Metrics through OpenTelemetry's API: counters and gauges are read when they are collected, histograms recorded at once.

The API has no histogram that is read. So the buckets that Prometheus gets are our own, and those that OpenTelemetry gets are
of the SDK that is set up, by default with the same bounds; and an operation that stands for several, where only a sample is
told of, is recorded once in them: right in their shape, not in their counts. Counters have the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation

from foodco_storage.telemetry import metrics
from foodco_storage.telemetry.events import Event, Operation, Request, Step, Work
from foodco_storage.telemetry.metric_names import METRICS, Metric
from foodco_storage.telemetry.metric_points import Distribution
from foodco_storage.telemetry.otel_spans import SCOPE

_active: Instruments | None = None


class Instruments:
    """The instruments of all metrics, and a hook that records the histograms.

    Args:
        provider: None for the global one, also where that is set later; until then nothing is recorded.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        self._given = provider
        self._is_real = False
        self._attributes: dict[tuple[str | None, ...], dict[str, str]] = {}
        meter = self.provider.get_meter(SCOPE)
        histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            if metric.kind == "histogram":
                histograms[metric.name] = _histogram(meter, metric)
            else:
                self._observe(meter, metric)
        self._durations = histograms["foodco_storage.operation.duration"]
        self._requests = histograms["foodco_storage.request.duration"]
        self._delays = histograms["foodco_storage.mirror.delay"]

    @property
    def provider(self) -> MeterProvider:
        """Who has the instruments."""
        return self._given or api.get_meter_provider()

    def activate(self) -> None:
        """Have counters and gauges told, by these and no others: the API can't take an instrument back."""
        global _active  # noqa: PLW0603 - who is told by
        _active = self

    def deactivate(self) -> None:
        """Have nothing told any more."""
        global _active  # noqa: PLW0603 - as above
        if _active is self:
            _active = None

    def _observe(self, meter: Meter, metric: Metric) -> None:
        def read(_: CallbackOptions) -> Iterator[Observation]:
            # An SDK gives out an instrument that it has already: whoever is active with it may be another one of us.
            if _active is not None and _active.provider is self.provider:
                for point in metrics.shared.points(metric.name):
                    if not isinstance(point, Distribution):
                        labels = zip(metric.labels, point.labels, strict=True)
                        yield Observation(point.value, {name: value for name, value in labels if value})

        create: Callable[..., Any] = (
            meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        )
        create(metric.name, callbacks=[read], unit=metric.unit, description=metric.description)

    def __call__(self, event: Event) -> None:
        """Record what belongs into histograms."""
        if not (self._is_real or self._find()):
            return
        if isinstance(event, Operation):
            labels = (event.operation, event.route, event.backend, event.outcome)
            self._durations.record(event.seconds, self._known(labels, _OPERATION_LABELS))
            self._record_requests(event.requests)
        elif isinstance(event, Work):
            self._record_requests(event.requests)
        elif isinstance(event, Step) and (event.step, event.outcome) == ("mirror", "done"):
            for _ in range(event.count if event.lag_seconds is not None else 0):
                self._delays.record(event.lag_seconds or 0.0, self._known((event.route,), ("route",)))

    def _record_requests(self, requests: tuple[Request, ...]) -> None:
        for request in requests:
            labels = (request.backend, request.operation)
            self._requests.record(request.seconds, self._known(labels, _REQUEST_LABELS))

    def _known(self, labels: tuple[str | None, ...], names: tuple[str, ...]) -> dict[str, str]:
        """The attributes of these labels, made once."""
        # One dictionary for all histograms: each has another number of labels.
        known = self._attributes.get(labels)
        if known is None:
            known = self._attributes[labels] = {name: value for name, value in zip(names, labels, strict=True) if value}
        return known

    def _find(self) -> bool:
        # The API's own record nothing.
        self._is_real = not type(self.provider).__module__.startswith("opentelemetry.metrics")
        return self._is_real


_OPERATION_LABELS = ("operation", "route", "backend", "outcome")
_REQUEST_LABELS = ("backend", "operation")


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.bounds
    )
