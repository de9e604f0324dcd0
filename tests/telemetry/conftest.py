"""Metrics of a process in which nothing has happened yet, and events in which everything does."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from foodco_storage import counting
from foodco_storage.telemetry import gauges, hooks, metrics
from foodco_storage.telemetry.counted_metrics import COUNTED
from foodco_storage.telemetry.events import BreakerChange, Operation, Request, Step, Work
from foodco_storage.telemetry.metric_names import METRICS

# Read before the fixture of all tests removes it.
_SERVERS_ARE_REQUIRED = os.environ.get("FOODCO_STORAGE_REQUIRE_SERVERS") == "1"


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of the program `promtool`."""
    found = shutil.which("promtool")
    missing = "no promtool on PATH: apt-get install --no-install-recommends prometheus"
    if found is None and _SERVERS_ARE_REQUIRED:
        pytest.fail(f"FOODCO_STORAGE_REQUIRE_SERVERS=1, but: {missing}", pytrace=False)
    if found is None:
        pytest.skip(missing)
    return found


@pytest.fixture
def fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[metrics.Metrics]:
    """The metrics of this process, all of them empty."""
    monkeypatch.setattr(counting, "_counts", Counter())
    monkeypatch.setattr(counting, "_watched", [])
    monkeypatch.setattr(gauges, "_registered", ())
    metrics.shared.after_fork()
    yield metrics.shared
    assert metrics.shared not in hooks._hooks, "a test has left an exporter"
    metrics.shared.after_fork()


@pytest.fixture
def everything_happens(fresh_metrics: metrics.Metrics) -> Callable[[], None]:
    """Has every metric count something, on the route `menu` with the backends `ceph` and `aws`."""

    def happen() -> None:
        asked = Request(backend="ceph", operation="GetObject", status=404, seconds=0.002, error="NoSuchKey")
        found = Request(
            backend="aws", operation="GetObject", status=200, attempts=3, seconds=0.3, received_bytes=700, sent_bytes=1
        )
        for event in (
            Operation(
                operation="GetObject",
                bucket="secret-bucket",
                key="secret-key",
                route="menu",
                phase="drain",
                backend="aws",
                cache="miss",
                requests=(asked, found),
                is_fallback=True,
                size=700,
                seconds=0.4,
                weight=2.0,
            ),
            Operation(operation="PutObject", route="menu", phase="drain", backend="ceph", size=9, seconds=0.02),
            Operation(operation="ListBuckets", outcome="denied", error="AccessDenied", status=403, seconds=100.0),
            Work(work="promote", route="menu", requests=(Request(backend="ceph", operation="PutObject", seconds=1.0),)),
            Step(step="mirror", outcome="deferred", route="menu"),
            Step(step="mirror", outcome="done", route="menu", lag_seconds=20.0, count=2),
            Step(step="phase", outcome="target", route="menu"),
            BreakerChange(backend="ceph", state="open", failures=5),
        ):
            hooks.emit(event)
        for number, name in enumerate(COUNTED, 1):
            counting.add(name, "menu", number)
        for metric in METRICS:
            if metric.merge is not None:
                gauges.register(metric.name, dict.fromkeys(metric.labels, "menu"), lambda: 2.0)

    return happen
