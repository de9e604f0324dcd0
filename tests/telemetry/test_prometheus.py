from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from foodco_storage import counting
from foodco_storage.telemetry import hooks, prometheus
from foodco_storage.telemetry.events import Operation
from foodco_storage.telemetry.metric_names import METRICS, prometheus_name
from foodco_storage.telemetry.metrics import Metrics

EXAMPLE = Path(__file__).parents[2] / "examples" / "observability" / "exporters.py"


@pytest.fixture
def registry(fresh_metrics: Metrics) -> Iterator[CollectorRegistry]:
    made = CollectorRegistry()
    prometheus.register(made)
    yield made
    prometheus.unregister(made)


def test_every_metric_is_exported_under_its_name(
    registry: CollectorRegistry, everything_happens: Callable[[], None]
) -> None:
    everything_happens()
    told = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    for metric in METRICS:
        name = prometheus_name(metric)
        # The parser takes the suffix of counters off.
        family = told.pop(name.removesuffix("_total") if metric.kind == "counter" else name)
        assert family.type == metric.kind
        assert family.documentation == metric.description
        assert {sample.name for sample in family.samples} == (
            {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if metric.kind == "histogram" else {name}
        )
        labels = {*metric.labels, "le"} if metric.kind == "histogram" else set(metric.labels)
        assert set().union(*(sample.labels for sample in family.samples)) == labels
    assert told == {}


def test_values(registry: CollectorRegistry, everything_happens: Callable[[], None]) -> None:
    everything_happens()
    of = {"operation": "GetObject", "route": "menu", "backend": "aws", "outcome": "ok"}

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"foodco_storage_{name}", labels)

    assert value("operations_total", **of, phase="drain", cache="miss") == 2
    buckets = {
        bound: value("operation_duration_seconds_bucket", **of, le=bound) for bound in ("0.25", "0.5", "60.0", "+Inf")
    }
    assert buckets == {"0.25": 0, "0.5": 2, "60.0": 2, "+Inf": 2}
    assert value("operation_duration_seconds_count", **of) == 2
    assert value("operation_duration_seconds_sum", **of) == 0.8
    assert (
        value("operations_total", operation="ListBuckets", route="", phase="", backend="", cache="", outcome="denied")
        == 1
    )
    assert value("requests_total", backend="ceph", operation="GetObject", status="4xx") == 2
    assert value("request_retries_total", backend="aws", operation="GetObject") == 4
    assert value("breaker_state", backend="menu") == 2


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_no_bucket_and_no_key_is_told(
    registry: CollectorRegistry, everything_happens: Callable[[], None], generate: Callable[[CollectorRegistry], bytes]
) -> None:
    everything_happens()
    exposed = generate(registry).decode()
    assert "foodco_storage_operations_total" in exposed
    assert "secret" not in exposed


def test_promtool_finds_nothing_to_say(
    registry: CollectorRegistry, everything_happens: Callable[[], None], promtool: str
) -> None:
    everything_happens()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(registry), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_nothing_is_told_of_what_has_not_happened(registry: CollectorRegistry) -> None:
    assert generate_latest(registry) == b""


def test_it_reads_what_is_now(registry: CollectorRegistry) -> None:
    for number in (1, 2):
        counting.add("promotes", "menu")
        assert (
            registry.get_sample_value("foodco_storage_promotes_total", {"route": "menu", "outcome": "done"}) == number
        )


def test_a_registry_has_it_once(fresh_metrics: Metrics) -> None:
    registry = CollectorRegistry()
    first = prometheus.register(registry)
    assert prometheus.register(registry) is first
    assert fresh_metrics in hooks._hooks
    prometheus.unregister(registry)
    assert fresh_metrics not in hooks._hooks
    prometheus.unregister(registry)
    # The names are free again.
    prometheus.register(registry)
    prometheus.unregister(registry)


def test_several_registries_tell_the_same(fresh_metrics: Metrics) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    for registry in registries:
        prometheus.register(registry)
    hooks.emit(Operation(operation="GetObject"))
    first, second = (generate_latest(registry) for registry in registries)
    assert first == second != b""
    prometheus.unregister(registries[0])
    hooks.emit(Operation(operation="GetObject"))
    assert b"foodco_storage_operations_total" in generate_latest(registries[1])
    assert fresh_metrics.points("foodco_storage.operations")[0][1] == 2
    prometheus.unregister(registries[1])


def test_a_name_that_is_taken(fresh_metrics: Metrics) -> None:
    registry = CollectorRegistry()
    Counter("foodco_storage_operations", "Somebody else's.", registry=registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        prometheus.register(registry)
    assert fresh_metrics not in hooks._hooks


def test_a_collector_of_ones_own(fresh_metrics: Metrics) -> None:
    made = prometheus.collector()
    hooks.emit(Operation(operation="GetObject"))
    made.close()
    made.close()
    hooks.emit(Operation(operation="GetObject"))
    (total,) = (family.samples[0].value for family in made.collect() if family.name == "foodco_storage_operations")
    assert total == 1


def test_the_default_registry(fresh_metrics: Metrics) -> None:
    prometheus.register()
    counting.add("tombstones", "menu")
    told = REGISTRY.get_sample_value("foodco_storage_tombstones_total", {"route": "menu"})
    prometheus.unregister()
    assert told == 1
    assert REGISTRY.get_sample_value("foodco_storage_tombstones_total", {"route": "menu"}) is None


@pytest.mark.parametrize("call", [prometheus.register, prometheus.unregister, prometheus.collector])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> None:
    imported = builtins.__import__

    def missing(name: str, *args: object) -> object:
        if name.startswith("prometheus_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"^prometheus_client is missing: pip install 'foodco-storage\[telemetry\]'$"):
        call()


@pytest.mark.slow
def test_the_example() -> None:
    ran = subprocess.run([sys.executable, str(EXAMPLE)], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "span S3.GetObject INTERNAL, route menu, from aws",
        "  span S3.GetObject CLIENT, of ceph: 404",
        "  span S3.GetObject CLIENT, of aws: 200",
        "  and more, of the copy to ceph, and of a first look at what ceph can do",
        'foodco_storage_fallback_reads_total{backend="aws",phase="cutover",route="menu"} 1.0',
        'foodco_storage_promotes_total{outcome="done",route="menu"} 1.0',
    ]
