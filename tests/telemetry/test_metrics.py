from __future__ import annotations

import gc
import os
import re
import signal
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage import counting
from foodco_storage.telemetry import gauges, hooks, metrics
from foodco_storage.telemetry.counted_metrics import COUNTED
from foodco_storage.telemetry.events import BreakerChange, Operation, Request, Step, Work
from foodco_storage.telemetry.metric_names import BY_NAME, DURATION_BOUNDS, METRICS, prometheus_name
from foodco_storage.telemetry.metrics import Metrics

names = st.sampled_from(["a", "b", None])
seconds = st.one_of(st.sampled_from(DURATION_BOUNDS), st.floats(0, 100))
requests = st.builds(
    Request,
    backend=st.sampled_from(["ceph", "aws"]),
    operation=st.sampled_from(["GetObject", "PutObject"]),
    attempts=st.integers(0, 4),
    seconds=seconds,
    status=st.sampled_from([None, 200, 206, 304, 404, 503]),
    sent_bytes=st.integers(0, 9),
    received_bytes=st.integers(0, 9),
)
operations = st.builds(
    Operation,
    operation=st.sampled_from(["GetObject", "PutObject"]),
    route=names,
    phase=st.sampled_from(["drain", None]),
    backend=names,
    cache=st.sampled_from(["memory", "miss", None]),
    outcome=st.sampled_from(["ok", "denied"]),
    requests=st.lists(requests, max_size=3).map(tuple),
    is_fallback=st.booleans(),
    size=st.integers(0, 9),
    seconds=seconds,
    weight=st.sampled_from([1.0, 4.0]),
)


def values(counted: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return {point.labels: point.value for point in counted.points(f"foodco_storage.{name}")}  # type: ignore[union-attr]


@given(
    st.lists(st.one_of(operations, st.builds(Work, work=st.just("promote"), requests=st.lists(requests).map(tuple))))
)
def test_sums_are_those_of_the_events(events: list[Operation | Work]) -> None:
    counted = Metrics()
    expected: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    buckets: Counter[Any] = Counter()
    for event in events:
        counted(event)
        weight: Any = event.weight if isinstance(event, Operation) else 1.0
        for request in event.requests:
            which = (request.backend, request.operation)
            status = "none" if request.status is None else f"{request.status // 100}xx"
            expected["requests"][*which, status] += weight
            expected["request.attempts"][which] += request.attempts * weight
            expected["request.retries"][which] += max(0, request.attempts - 1) * weight
            expected["request.sent"][which] += request.sent_bytes * weight
            expected["request.received"][which] += request.received_bytes * weight
            buckets[which, bisect_left(DURATION_BOUNDS, request.seconds)] += weight
        if isinstance(event, Operation):
            operation, route, backend = event.operation, event.route or "", event.backend or ""
            phase, cache = event.phase or "", event.cache or ""
            expected["operations"][operation, route, phase, backend, cache, event.outcome] += weight
            direction = "read" if operation == "GetObject" else "written"
            expected["operation.io"][operation, route, backend, cache, direction] += event.size * weight
            expected["fallback.reads"][route, phase, backend] += weight * event.is_fallback
            buckets[(operation, route, backend, event.outcome), bisect_left(DURATION_BOUNDS, event.seconds)] += weight
    for name in ("operations", "requests", "request.attempts", "request.retries", "request.sent", "request.received"):
        assert values(counted, name) == expected[name]
    for name in ("operation.io", "fallback.reads"):
        assert values(counted, name) == +expected[name]
    seen: Counter[Any] = Counter()
    for name in ("operation.duration", "request.duration"):
        for labels, counts, _ in counted.points(f"foodco_storage.{name}"):  # type: ignore[misc]
            seen.update({(labels, index): count for index, count in enumerate(counts) if count})
    assert seen == +buckets


def test_a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_last() -> None:
    counted = Metrics()
    for duration in (0.0, 0.0005, 0.00051, 60.0, 60.1):
        counted(Operation(operation="GetObject", seconds=duration))
    ((_, counts, total),) = counted.points("foodco_storage.operation.duration")  # type: ignore[misc]
    assert counts == (2, 1, *(0,) * 13, 1, 1)
    assert total == pytest.approx(120.10101)


def test_every_thread_counts() -> None:
    counted = Metrics()
    event = Operation(operation="GetObject", route="menu", requests=(Request(backend="ceph", operation="GetObject"),))

    def count() -> None:
        for number in range(500):
            counted(event)
            counted(Operation(operation="GetObject", route=f"{number}"))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    counted.snapshot()
    for thread in threads:
        thread.join()
    found = values(counted, "operations")
    assert found["GetObject", "menu", "", "", "", "ok"] == 2000
    assert sum(found.values()) == 4000
    assert values(counted, "requests") == {("ceph", "GetObject", "none"): 2000}


class Disturbed(dict):
    """Cells that something else counts in whenever one is made, or all are copied; as the garbage collector may."""

    def __init__(self, disturb: Callable[[], None]) -> None:
        super().__init__()
        self.disturb = disturb

    def setdefault(self, key: object, default: object = None) -> object:
        disturb, self.disturb = self.disturb, lambda: None
        disturb()
        self.disturb = disturb
        return super().setdefault(key, default)

    def copy(self) -> dict[object, object]:
        self.disturb()
        return super().copy()


def test_what_comes_in_the_midst_of_counting_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Metrics()
    event = Operation(operation="GetObject", route="menu")
    cells = Disturbed(lambda: counted(event))
    monkeypatch.setattr(counted._cells.operations, "cells", cells)
    monkeypatch.setattr(counted, "_operations", cells)
    counted(event)
    assert values(counted, "operations") == {("GetObject", "menu", "", "", "", "ok"): 3}


def test_a_collected_body_counts_while_others_are_read(fresh_metrics: Metrics) -> None:
    class Dropped:
        def __del__(self) -> None:
            fresh_metrics(Operation(operation="GetObject", route=f"of {id(self)}"))

    for number in range(200):
        dropped = Dropped()
        dropped.itself = dropped  # type: ignore[attr-defined]
        del dropped
        fresh_metrics(Operation(operation="GetObject", route=f"{number}"))
        fresh_metrics.points("foodco_storage.operations")
    gc.collect()
    assert len(values(fresh_metrics, "operations")) > 200
    assert sum(values(fresh_metrics, "operations").values()) == 400


def test_steps_and_breakers() -> None:
    counted = Metrics()
    for event in (
        Step(step="mirror", outcome="done", route="menu", lag_seconds=5.0, count=2),
        Step(step="mirror", outcome="done", route="menu"),
        Step(step="mirror", outcome="failed", route="menu", lag_seconds=9.0),
        Step(step="phase", outcome="drain", route="menu"),
        Step(step="promote", outcome="done", route="menu"),
        BreakerChange(backend="ceph", state="open", failures=5),
        BreakerChange(backend="ceph", state="open", failures=6),
    ):
        counted(event)
    assert counted.points("foodco_storage.mirror.delay") == [(("menu",), (0, 2, *(0,) * 8), 10.0)]
    assert values(counted, "phase.changes") == {("menu", "drain"): 1}
    assert values(counted, "breaker.changes") == {("ceph", "open"): 2}


def test_mirrors_are_counted_once(fresh_metrics: Metrics) -> None:
    fresh_metrics(Step(step="mirror", outcome="deferred", route="menu", count=3))
    fresh_metrics(Step(step="mirror", outcome="done", route="menu"))
    counting.add("mirrored", "menu", 5)
    assert values(fresh_metrics, "mirrors") == {("menu", "deferred"): 3, ("menu", "done"): 5}


def test_every_counter_is_told() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", counting.counters.__doc__ or "")) - {"counters"}
    assert len(documented) > 20
    assert documented == set(COUNTED)
    assert {name for told in counting._STEPS.values() for name, _ in told} <= set(COUNTED)


@pytest.mark.parametrize("counter", COUNTED)
def test_counters_are_read_as_they_are(fresh_metrics: Metrics, counter: str) -> None:
    counting.add(counter, "menu", 7)
    name, labels = COUNTED[counter]
    metric = BY_NAME[name]
    assert len(metric.labels) == 1 + len(labels)
    assert metric.labels[0] == "route"
    assert fresh_metrics.points(name) == [(("menu", *labels), 7)]


def test_everything_has_a_value(fresh_metrics: Metrics, everything_happens: Callable[[], None]) -> None:
    release = metrics.use()
    try:
        everything_happens()
        found = fresh_metrics.snapshot()
    finally:
        release()
    assert [name for name, points in found.items() if not points] == []
    assert set(found) == set(BY_NAME)
    for name, points in found.items():
        for point in points:
            assert len(point.labels) == len(BY_NAME[name].labels)
            assert "secret" not in "".join(point.labels)


def test_nothing_has_no_value(fresh_metrics: Metrics) -> None:
    assert {name: points for name, points in fresh_metrics.snapshot().items() if points} == {}
    with pytest.raises(KeyError):
        fresh_metrics.points("foodco_storage.nothing")


def test_the_shared_ones_count_while_somebody_uses_them(fresh_metrics: Metrics) -> None:
    event = Operation(operation="GetObject")
    hooks.emit(event)
    one, other = metrics.use(), metrics.use()
    hooks.emit(event)
    one()
    one()
    hooks.emit(event)
    other()
    hooks.emit(event)
    assert sum(values(fresh_metrics, "operations").values()) == 2


def test_a_forked_child_begins_at_zero(fresh_metrics: Metrics) -> None:
    fresh_metrics(Operation(operation="GetObject"))
    # Another thread of the parent may hold it at that moment.
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with fresh_metrics._lock:
            holds.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait()
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(20)
        try:
            fresh_metrics(Operation(operation="PutObject"))
            gauges.register("foodco_storage.journal.depth", {"route": "menu"}, lambda: 1.0)
            metrics.use()()
            status = 0 if values(fresh_metrics, "operations") == {("PutObject", "", "", "", "", "ok"): 1} else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert values(fresh_metrics, "operations") == {("GetObject", "", "", "", "", "ok"): 1}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("operations", "operations_total"),
            ("operation.duration", "operation_duration_seconds"),
            ("operation.io", "operation_io_bytes_total"),
            ("mirror.lag", "mirror_lag_seconds"),
            ("cache.size", "cache_size_bytes"),
            ("breaker.state", "breaker_state"),
            ("cache.saved_requests", "cache_saved_requests_total"),
        ],
    )
    def test_of_prometheus(self, name: str, expected: str) -> None:
        assert prometheus_name(BY_NAME[f"foodco_storage.{name}"]) == f"foodco_storage_{expected}"

    def test_are_unique_and_no_namespace_of_another(self) -> None:
        told = [metric.name for metric in METRICS]
        assert len(set(told)) == len(told)
        assert len({prometheus_name(metric) for metric in METRICS}) == len(METRICS)

    def test_say_all(self) -> None:
        for metric in METRICS:
            assert re.fullmatch(r"foodco_storage(\.[a-z_]+)+", metric.name)
            assert metric.description.endswith(".")
            assert (metric.kind == "histogram") == bool(metric.bounds)
            assert list(metric.bounds) == sorted(set(metric.bounds))
            assert metric.merge is None or metric.kind != "histogram"
            assert not {"bucket", "key", "le", "job", "instance"} & set(metric.labels)


class TestGauges:
    def test_several_are_merged(self, fresh_metrics: Metrics) -> None:
        for value in (1.0, 2.0):
            for name in ("journal.depth", "mirror.lag"):
                gauges.register(f"foodco_storage.{name}", {"route": "menu"}, lambda value=value: value)  # type: ignore[misc]
        gauges.register("foodco_storage.journal.depth", {"route": "other"}, lambda: 9)
        assert values(fresh_metrics, "journal.depth") == {("menu",): 3, ("other",): 9}
        assert values(fresh_metrics, "mirror.lag") == {("menu",): 2}

    def test_are_taken_back_one_by_one(self, fresh_metrics: Metrics) -> None:
        def read() -> float:
            return 4.0

        first = gauges.register("foodco_storage.journal.depth", {"route": "menu"}, read)
        second = gauges.register("foodco_storage.journal.depth", {"route": "menu"}, read)
        first()
        first()
        assert values(fresh_metrics, "journal.depth") == {("menu",): 4}
        second()
        assert values(fresh_metrics, "journal.depth") == {}

    def test_one_that_raises_is_left_out_and_reported_once(
        self, fresh_metrics: Metrics, caplog: pytest.LogCaptureFixture
    ) -> None:
        gauges.register("foodco_storage.breaker.state", {"backend": "ceph"}, lambda: 1 / 0)
        gauges.register("foodco_storage.breaker.state", {"backend": "aws"}, lambda: 2)
        gauges.register("foodco_storage.breaker.state", {"backend": "unknown"}, lambda: float("nan"))
        for _ in range(3):
            assert values(fresh_metrics, "breaker.state") == {("aws",): 2}
        (record,) = caplog.records
        assert record.getMessage() == (
            "foodco_storage.breaker.state of {'backend': 'ceph'} can't be read, and is left out; it is not reported again"
        )

    @pytest.mark.parametrize(
        ("name", "labels", "message"),
        [
            (
                "nothing",
                {},
                r"^name: 'foodco_storage\.nothing' is no metric that can be registered; those are .*journal\.depth",
            ),
            ("operations", {}, "^name: "),
            (
                "journal.depth",
                {"backend": "x"},
                r"^labels: foodco_storage\.journal\.depth has \['route'\], not \['backend'\]$",
            ),
            ("journal.depth", {}, "^labels: "),
        ],
    )
    def test_wrong_ones_are_refused(self, name: str, labels: dict[str, str], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            gauges.register(f"foodco_storage.{name}", labels, lambda: 0.0)
