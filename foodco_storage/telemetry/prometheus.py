"""Metrics for prometheus_client (https://prometheus.github.io/client_python/collector/custom/); needs the extra `telemetry`.

Several processes, as gunicorn's workers: prometheus_client's multiprocess mode does not take custom collectors, ours among
them (https://prometheus.github.io/client_python/multiprocess/), and a scrape that any of the workers answers would tell of
that one alone. So let each worker be scraped by itself, at a port of its own:

    # gunicorn.conf.py
    def post_fork(server, worker):
        from prometheus_client import CollectorRegistry, start_http_server
        from foodco_storage.telemetry import prometheus
        registry = CollectorRegistry()
        prometheus.register(registry)
        start_http_server(9100 + worker.age % 64, registry=registry)

or have every worker send its metrics to a collector (`foodco_storage.telemetry.opentelemetry`). A forked process begins at
zero; values that belong to the host (`foodco_storage_journal_depth`) are told by each, so take their maximum by host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from os import register_at_fork
from typing import TYPE_CHECKING, Any

from foodco_storage.telemetry import metrics
from foodco_storage.telemetry.metric_names import METRICS, Metric, prometheus_name
from foodco_storage.telemetry.metric_points import Distribution

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import CollectorRegistry


class Collector:
    """A custom collector of prometheus_client: it reads the metrics of this process whenever it is scraped.

    Events count from when it is made until it is closed.
    """

    def __init__(self) -> None:
        self._release = metrics.use()

    def describe(self) -> Iterator[Family]:
        """Every metric without its values, which a registry asks for when the collector is registered."""
        for metric in METRICS:
            yield _family(metric)

    def collect(self) -> Iterator[Family]:
        """Every metric with its values as they are now; those that have none are left out."""
        for metric in METRICS:
            points = metrics.shared.points(metric.name)
            if not points:
                continue
            family = _family(metric)
            for point in points:
                if isinstance(point, Distribution):
                    family.add_metric(point.labels, _buckets(metric, point), point.total)
                else:
                    family.add_metric(point.labels, point.value)
            yield family

    def close(self) -> None:
        """Have events no longer counted for it; nothing happens the second time."""
        self._release()


def collector() -> Collector:
    """A collector, for a registry of your own.

    Raises:
        ImportError: prometheus_client is not installed.
    """
    _need_client()
    return Collector()


_registered: dict[CollectorRegistry, Collector] = {}
_changing = threading.RLock()


def register(registry: CollectorRegistry | None = None) -> Collector:
    """Have a registry tell the metrics of this process; one that does already is left as it is.

    Args:
        registry: None for prometheus_client's default.

    Returns:
        What was registered.

    Raises:
        ImportError: prometheus_client is not installed.
        ValueError: somebody else has registered a metric of the same name.

    Example:
        from foodco_storage.telemetry import prometheus

        prometheus.register()
        prometheus_client.start_http_server(9100)
    """
    target = _target(registry)
    with _changing:
        known = _registered.get(target)
        if known is not None:
            return known
        made = Collector()
        try:
            target.register(made)
        except BaseException:
            made.close()
            raise
        _registered[target] = made
        return made


def unregister(registry: CollectorRegistry | None = None) -> None:
    """Undo `register`; nothing happens where nothing was registered.

    Args:
        registry: None for prometheus_client's default.

    Raises:
        ImportError: prometheus_client is not installed.
    """
    target = _target(registry)
    with _changing:
        known = _registered.pop(target, None)
        if known is not None:
            target.unregister(known)
            known.close()


def _need_client() -> None:
    try:
        import prometheus_client  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise ImportError("prometheus_client is missing: pip install 'foodco-storage[telemetry]'") from error


def _target(registry: CollectorRegistry | None) -> CollectorRegistry:
    _need_client()
    from prometheus_client import REGISTRY  # noqa: PLC0415 - an extra

    return REGISTRY if registry is None else registry


def _family(metric: Metric) -> Any:
    from prometheus_client import core  # noqa: PLC0415 - an extra

    families: dict[str, Callable[..., Any]] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    return families[metric.kind](prometheus_name(metric), metric.description, labels=metric.labels)


def _buckets(metric: Metric, point: Distribution) -> list[tuple[str, float]]:
    # As prometheus_client's own histograms have them: each bucket with all that is smaller.
    bounds = [*map(str, metric.bounds), "+Inf"]
    return list(zip(bounds, accumulate(point.counts), strict=True))


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread of the parent may have held it
    _changing = threading.RLock()


register_at_fork(after_in_child=_after_fork_in_child)
