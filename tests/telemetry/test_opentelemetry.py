from __future__ import annotations

import builtins
import contextvars
import gc
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

import foodco_storage
from foodco_storage import counting
from foodco_storage.telemetry import hooks, opentelemetry
from foodco_storage.telemetry.events import Operation, Request, Step
from foodco_storage.telemetry.metric_names import METRICS
from foodco_storage.telemetry.metrics import Metrics

META = SimpleNamespace(
    endpoint_url="https://user:secret@rgw.example:8443/base?X-Amz-Signature=secret", region_name="eu-west-1"
)


class Told:
    """Spans and metrics that were exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])
        self.tracer = self.tracers.get_tracer("the caller's")

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def span(self, kind: SpanKind = SpanKind.INTERNAL) -> ReadableSpan:
        (found,) = (span for span in self.spans() if span.kind is kind and span.name.startswith("S3."))
        return found

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def told(fresh_metrics: Metrics) -> Iterator[Told]:
    told = Told()
    opentelemetry.instrument(told.tracers, told.meters)
    yield told
    opentelemetry.uninstrument()
    told.tracers.shutdown()
    told.meters.shutdown()
    assert trace.get_current_span() is trace.INVALID_SPAN


def tracing() -> hooks.Tracing:
    assert hooks.tracing is not None
    return hooks.tracing


def ended(**fields: Any) -> Operation:
    return Operation(**{"operation": "GetObject", **fields})


def run(event: Operation, key: str | None = "k") -> None:
    """An operation without requests."""
    state = tracing().operation_started(event.operation, "b", key)
    tracing().operation_returned(state)
    tracing().operation_ended(state, event)


def ask(request: Request, metadata: Mapping[str, Any] | None = None, **parameters: Any) -> None:
    state = tracing().request_started(request.backend, request.operation, parameters, META)
    tracing().request_ended(state, request, metadata or {})


class TestSpans:
    def test_of_an_operation(self, told: Told) -> None:
        run(
            ended(
                route="menu",
                phase="drain",
                backend="aws",
                cache="miss",
                status=206,
                size=7,
                answer_seconds=0.5,
                request_id="R1",
                is_fallback=True,
            )
        )
        span = told.span()
        assert span.name == "S3.GetObject"
        assert span.instrumentation_scope.name == "foodco_storage"  # type: ignore[union-attr]
        assert dict(span.attributes or {}) == {
            "rpc.system": "aws-api",
            "rpc.system.name": "aws-api",
            "rpc.service": "S3",
            "rpc.method": "GetObject",
            "aws.s3.bucket": "b",
            "aws.s3.key": "k",
            "aws.request_id": "R1",
            "http.response.status_code": 206,
            "foodco_storage.route": "menu",
            "foodco_storage.phase": "drain",
            "foodco_storage.backend": "aws",
            "foodco_storage.cache": "miss",
            "foodco_storage.outcome": "ok",
            "foodco_storage.fallback": True,
            "foodco_storage.size": 7,
            "foodco_storage.answer_seconds": 0.5,
        }
        assert span.status.status_code is StatusCode.UNSET

    def test_of_a_request(self, told: Told) -> None:
        ask(
            Request(backend="ceph", operation="UploadPart", status=200, attempts=2),
            {"RequestId": "R2", "HostId": "H2", "HTTPHeaders": {"x-secret": "secret"}},
            Bucket="secret",
            Key="secret",
            UploadId="U",
            PartNumber=3,
            Body=b"secret",
            CopySource="secret/secret",
            SSECustomerKey="secret",
        )
        span = told.span(SpanKind.CLIENT)
        assert span.name == "S3.UploadPart"
        assert dict(span.attributes or {}) == {
            "rpc.system": "aws-api",
            "rpc.system.name": "aws-api",
            "rpc.service": "S3",
            "rpc.method": "UploadPart",
            "aws.s3.part_number": 3,
            "aws.request_id": "R2",
            "aws.extended_request_id": "H2",
            "cloud.region": "eu-west-1",
            "server.address": "rgw.example",
            "server.port": 8443,
            "http.response.status_code": 200,
            "foodco_storage.backend": "ceph",
            "foodco_storage.attempts": 2,
        }
        assert "secret" not in span.to_json()

    @pytest.mark.parametrize(("url", "port"), [("http://x", 80), ("https://x", 443), ("http://[::1]:9000", 9000)])
    def test_ports(self, told: Told, url: str, port: int) -> None:
        meta = SimpleNamespace(endpoint_url=url, region_name=None)
        state = tracing().request_started("ceph", "GetObject", {}, meta)
        tracing().request_ended(state, Request(backend="ceph", operation="GetObject"), {})
        attributes = told.span(SpanKind.CLIENT).attributes or {}
        assert attributes["server.port"] == port
        assert "cloud.region" not in attributes

    def test_a_key_that_is_not_to_be_told(self, told: Told) -> None:
        run(ended(), key=None)
        assert "aws.s3.key" not in (told.span().attributes or {})

    @pytest.mark.parametrize(
        ("outcome", "is_error"),
        [
            *((outcome, False) for outcome in ("ok", "abandoned", "not_modified", "missing", "condition_failed")),
            *((outcome, True) for outcome in ("denied", "throttled", "unavailable", "broken", "invalid", "failed")),
        ],
    )
    def test_which_outcomes_are_errors(self, told: Told, outcome: str, is_error: bool) -> None:
        run(ended(outcome=outcome, error=None if outcome == "ok" else "SomeCode"))
        span = told.span()
        assert span.status.status_code is (StatusCode.ERROR if is_error else StatusCode.UNSET)
        assert (span.attributes or {}).get("error.type") == ("SomeCode" if is_error else None)
        assert not span.events

    @pytest.mark.parametrize(
        ("status", "error", "is_error"),
        [
            (200, None, False),
            (304, "304", False),
            (404, "NoSuchKey", False),
            (404, "404", False),
            (412, "PreconditionFailed", False),
            (409, "ConditionalRequestConflict", False),
            (404, "NoSuchBucket", True),
            (403, "AccessDenied", True),
            (503, "SlowDown", True),
            (500, "InternalError", True),
            (None, "ConnectTimeoutError", True),
        ],
    )
    def test_which_answers_are_errors(self, told: Told, status: int | None, error: str | None, is_error: bool) -> None:
        ask(Request(backend="ceph", operation="GetObject", status=status, error=error))
        span = told.span(SpanKind.CLIENT)
        assert span.status.status_code is (StatusCode.ERROR if is_error else StatusCode.UNSET)
        assert (span.attributes or {}).get("error.type") == (error if is_error else None)
        assert (span.attributes or {}).get("http.response.status_code") == status

    def test_nesting(self, told: Told) -> None:
        with told.tracer.start_as_current_span("caller") as caller:
            state = tracing().operation_started("GetObject", "b", "k")
            ask(Request(backend="ceph", operation="GetObject", status=404, error="NoSuchKey"))
            ask(Request(backend="aws", operation="GetObject", status=200))
            tracing().operation_returned(state)
            assert trace.get_current_span() is caller
            with told.tracer.start_as_current_span("between"):
                pass
            tracing().operation_ended(state, ended())
        ceph, aws, between, operation, _ = told.spans()
        assert operation.parent == caller.get_span_context()
        assert ceph.parent == aws.parent == operation.context
        assert between.parent == caller.get_span_context()
        assert [ceph.kind, aws.kind, operation.kind] == [SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.INTERNAL]

    def test_what_is_made_while_a_request_is_sent_is_below_it(self, told: Told) -> None:
        state = tracing().request_started("ceph", "GetObject", {}, META)
        with told.tracer.start_as_current_span("urllib3's"):
            pass
        tracing().request_ended(state, Request(backend="ceph", operation="GetObject"), {})
        inner, request = told.spans()
        assert inner.parent == request.context

    def test_times_are_in_order(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        ask(Request(backend="ceph", operation="GetObject"))
        tracing().operation_returned(state)
        tracing().operation_ended(state, ended())
        request, operation = told.spans()
        times = [operation.start_time, request.start_time, request.end_time, operation.end_time]
        assert times == sorted(times)  # type: ignore[type-var]

    def test_ends_in_another_thread(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        tracing().operation_returned(state)
        assert told.spans() == []
        thread = threading.Thread(target=lambda: tracing().operation_ended(state, ended(outcome="abandoned")))
        thread.start()
        thread.join()
        assert (told.span().attributes or {})["foodco_storage.outcome"] == "abandoned"

    def test_requests_of_a_thread_with_a_copy_of_the_context(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        copy = contextvars.copy_context()
        tracing().operation_returned(state)
        tracing().operation_ended(state, ended())

        def promote() -> None:
            for _ in range(2):
                ask(Request(backend="ceph", operation="PutObject"))

        thread = threading.Thread(target=copy.run, args=(promote,))
        thread.start()
        thread.join()
        # And in this thread, as the rest of a body that is asked for again.
        copy.run(promote)
        operation, *requests = told.spans()
        assert [request.parent for request in requests] == [operation.context] * 4

    def test_an_operation_that_returns_while_a_copy_of_its_context_is_at_work(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        copy = contextvars.copy_context()
        started, returned = threading.Event(), threading.Event()

        def promote() -> None:
            request = tracing().request_started("ceph", "HeadObject", {}, META)
            started.set()
            returned.wait()
            tracing().request_ended(request, Request(backend="ceph", operation="HeadObject"), {})
            ask(Request(backend="ceph", operation="PutObject"))

        thread = threading.Thread(target=copy.run, args=(promote,))
        thread.start()
        started.wait()
        tracing().operation_returned(state)
        returned.set()
        thread.join()
        tracing().operation_ended(state, ended())
        head, put, operation = told.spans()
        assert head.parent == put.parent == operation.context

    def test_another_operation_in_the_midst(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        within = trace.get_current_span()
        run(ended(operation="HeadObject"))
        assert trace.get_current_span() is within
        tracing().operation_returned(state)
        tracing().operation_ended(state, ended())
        assert [span.name for span in told.spans()] == ["S3.HeadObject", "S3.GetObject"]

    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    def test_ends_in_any_order(self, told: Told, caplog: pytest.LogCaptureFixture, order: tuple[int, ...]) -> None:
        with told.tracer.start_as_current_span("caller") as caller:
            states = [tracing().operation_started("GetObject", "b", f"{number}") for number in range(3)]
            for number in order:
                tracing().operation_returned(states[number])
            assert trace.get_current_span() is caller
            for state in states:
                tracing().operation_ended(state, ended())
        assert trace.get_current_span() is trace.INVALID_SPAN
        assert caplog.records == []

    def test_a_span_of_the_caller_between_two_operations(self, told: Told) -> None:
        outer = tracing().operation_started("GetObject", "b", "k")
        token = context.attach(trace.set_span_in_context(told.tracer.start_span("between")))
        between = trace.get_current_span()
        inner = tracing().operation_started("GetObject", "b", "k")
        tracing().operation_returned(outer)
        tracing().operation_returned(inner)
        # It has not ended: only what is ours is left out.
        assert trace.get_current_span() is between
        context.detach(token)
        tracing().operation_ended(inner, ended())
        tracing().operation_ended(outer, ended())
        context.attach(context.Context())

    def test_a_span_that_the_caller_has_left_current(self, told: Told) -> None:
        state = tracing().operation_started("GetObject", "b", "k")
        # By a handler of botocore's events.
        context.attach(trace.set_span_in_context(told.tracer.start_span("left")))
        tracing().operation_returned(state)
        assert trace.get_current_span() is trace.INVALID_SPAN
        tracing().operation_ended(state, ended())

    def test_nothing_is_kept_alive(self, told: Told) -> None:
        gc.collect()
        gc.disable()
        try:
            run(ended())
            assert gc.collect() == 0
        finally:
            gc.enable()

    def test_a_trace_that_is_not_sampled(self, fresh_metrics: Metrics) -> None:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_OFF)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        opentelemetry.instrument(provider)
        state = tracing().operation_started("GetObject", "b", "k")
        # Whoever is called from here sees that it is not.
        assert trace.get_current_span().get_span_context().is_valid
        ask(Request(backend="ceph", operation="GetObject"))
        tracing().operation_returned(state)
        tracing().operation_ended(state, ended())
        opentelemetry.uninstrument()
        assert exporter.get_finished_spans() == ()
        provider.shutdown()


class TestClient:
    @pytest.fixture
    def client(self, told: Told) -> Iterator[Any]:
        with closing(foodco_storage.client("s3", region_name="eu-west-1")) as client:
            yield client

    def answer(self, client: Any, body: bytes) -> Stubber:
        stubber = Stubber(client)
        raw = io.BytesIO(body)
        stubber.add_response(
            "get_object",
            {
                "Body": StreamingBody(raw, len(body)),
                "ContentLength": len(body),
                "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "R3", "HTTPHeaders": {}},
            },
        )
        return stubber

    def test_a_get_ends_with_its_body(self, told: Told, client: Any) -> None:
        with self.answer(client, b"soup"), told.tracer.start_as_current_span("caller") as caller:
            body = client.get_object(Bucket="b", Key="k")["Body"]
            assert trace.get_current_span() is caller
        assert [span.name for span in told.spans() if span.kind is SpanKind.INTERNAL] == ["caller"]
        thread = threading.Thread(target=body.read)
        thread.start()
        thread.join()
        operation, request = told.span(), told.span(SpanKind.CLIENT)
        assert operation.parent == caller.get_span_context()
        assert request.parent == operation.context
        attributes = operation.attributes or {}
        assert attributes["foodco_storage.size"] == 4
        assert attributes["aws.request_id"] == "R3"

    def test_a_body_that_is_dropped(self, told: Told, client: Any) -> None:
        with self.answer(client, b"soup"):
            body = client.get_object(Bucket="b", Key="k")["Body"]
        del body
        gc.collect()
        assert (told.span().attributes or {})["foodco_storage.outcome"] == "abandoned"

    def test_an_error(self, told: Told, client: Any) -> None:
        stubber = Stubber(client)
        stubber.add_client_error("get_object", "AccessDenied", "of https://x/?X-Amz-Signature=secret", 403)
        with stubber, pytest.raises(ClientError):
            client.get_object(Bucket="b", Key="k")
        for span in (told.span(), told.span(SpanKind.CLIENT)):
            assert (span.attributes or {})["error.type"] == "AccessDenied"
            assert span.status.status_code is StatusCode.ERROR
            assert "secret" not in span.to_json()
        assert trace.get_current_span() is trace.INVALID_SPAN

    def test_no_answer(self, told: Told) -> None:
        url = "http://127.0.0.1:1"
        config = boto3.session.Config(retries={"max_attempts": 0})
        with (
            closing(foodco_storage.client("s3", endpoint_url=url, region_name="x", config=config)) as client,
            pytest.raises(EndpointConnectionError),
        ):
            client.get_object(Bucket="b", Key="k")
        span = told.span(SpanKind.CLIENT)
        assert (span.attributes or {})["error.type"] == "EndpointConnectionError"
        assert (span.attributes or {})["server.port"] == 1
        assert (told.span().attributes or {})["foodco_storage.outcome"] == "unavailable"


class TestMetrics:
    def test_every_metric_is_exported_under_its_name(self, told: Told, everything_happens: Callable[[], None]) -> None:
        everything_happens()
        found = told.metrics()
        assert set(found) == {metric.name for metric in METRICS}
        for metric in METRICS:
            exported = found[metric.name]
            assert (exported.unit, exported.description) == (metric.unit, metric.description)
            kind = {"Sum": "counter", "Gauge": "gauge", "Histogram": "histogram"}[type(exported.data).__name__]
            assert kind == metric.kind
            if kind == "counter":
                assert exported.data.is_monotonic
            points = exported.data.data_points
            assert set().union(*(point.attributes for point in points)) == set(metric.labels)
            assert "secret" not in repr(points)
            if metric.bounds:
                assert all(tuple(point.explicit_bounds) == metric.bounds for point in points)

    def test_values_are_those_that_prometheus_gets(
        self, told: Told, fresh_metrics: Metrics, everything_happens: Callable[[], None]
    ) -> None:
        everything_happens()
        found = told.metrics()
        for metric in METRICS:
            if metric.kind != "histogram":
                exported = {
                    tuple(point.attributes.get(label, "") for label in metric.labels): point.value
                    for point in found[metric.name].data.data_points
                }
                assert exported == dict(fresh_metrics.points(metric.name))  # type: ignore[arg-type]

    def test_histograms_count_what_was_told(self, told: Told) -> None:
        hooks.emit(ended(seconds=0.02, weight=10.0))
        hooks.emit(Step(step="mirror", outcome="done", route="menu", lag_seconds=20.0, count=3))
        hooks.emit(Step(step="mirror", outcome="done", route="menu"))
        found = told.metrics()
        (point,) = found["foodco_storage.operation.duration"].data.data_points
        assert (point.count, point.sum) == (1, 0.02)
        assert dict(point.attributes) == {"operation": "GetObject", "outcome": "ok"}
        (point,) = found["foodco_storage.mirror.delay"].data.data_points
        assert (point.count, point.sum) == (3, 60.0)
        (point,) = found["foodco_storage.operations"].data.data_points
        assert point.value == 10

    def test_after_uninstrument_nothing_is_told(self, fresh_metrics: Metrics) -> None:
        told = Told()
        opentelemetry.instrument(told.tracers, told.meters)
        counting.add("promotes", "menu")
        assert "foodco_storage.promotes" in told.metrics()
        opentelemetry.uninstrument()
        opentelemetry.uninstrument()
        assert hooks.tracing is None
        assert not hooks.on
        assert not any(metric.data.data_points for metric in told.metrics().values())
        # Once more with the same provider, which has the instruments already.
        opentelemetry.instrument(told.tracers, told.meters)
        counting.add("promotes", "menu")
        hooks.emit(ended())
        found = told.metrics()
        opentelemetry.uninstrument()
        (point,) = found["foodco_storage.promotes"].data.data_points
        assert point.value == 2
        (point,) = found["foodco_storage.operation.duration"].data.data_points
        assert point.count == 1
        told.meters.shutdown()

    def test_others_in_their_place(self, fresh_metrics: Metrics) -> None:
        one, other = Told(), Told()
        opentelemetry.instrument(one.tracers, one.meters)
        opentelemetry.instrument(other.tracers, other.meters)
        counting.add("promotes", "menu")
        run(ended())
        hooks.emit(ended())
        assert not any(metric.data.data_points for metric in one.metrics().values())
        assert one.spans() == []
        assert {"foodco_storage.promotes", "foodco_storage.operations"} <= set(other.metrics())
        assert len(other.spans()) == 1
        opentelemetry.uninstrument()
        for told in (one, other):
            told.meters.shutdown()

    def test_somebody_elses_tracing_is_left_alone(self, told: Told) -> None:
        theirs = tracing()
        another: Any = object()
        hooks.set_tracing(another)
        opentelemetry.uninstrument()
        assert hooks.tracing is another
        hooks.set_tracing(None)
        assert theirs is not another


WITHOUT_AN_SDK = """
import sys
from foodco_storage.telemetry import hooks, opentelemetry
from foodco_storage.telemetry.events import Operation, Request
opentelemetry.instrument()
def operation():
    state = hooks.tracing.operation_started("GetObject", "b", "k")
    if state is not None:
        hooks.tracing.operation_returned(state)
        hooks.tracing.operation_ended(state, Operation(operation="GetObject"))
    hooks.emit(Operation(operation="GetObject", requests=(Request(backend="ceph", operation="GetObject"),)))
    return state
assert operation() is None
assert hooks.tracing.request_started("ceph", "GetObject", {}, None) is None
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
def counted():
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
    points = {metric.name: metric.data.data_points for scope in scopes for metric in scope.metrics}
    return points["foodco_storage.operations"][0].value, points["foodco_storage.operation.duration"][0].count
operation()
print([span.name for span in exporter.get_finished_spans()], *counted())
# The global one is another object now, and the instruments are the same.
opentelemetry.instrument()
operation()
print(*counted())
"""


def test_without_an_sdk_and_with_one_that_is_set_up_later() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_AN_SDK], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["['S3.GetObject'] 2.0 1", "3.0 2"]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def missing(name: str, *args: object) -> object:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"^opentelemetry-api is missing: pip install 'foodco-storage\[telemetry\]'$"):
        opentelemetry.instrument()
    assert not hooks.on


def test_nothing_is_logged(
    told: Told, caplog: pytest.LogCaptureFixture, everything_happens: Callable[[], None]
) -> None:
    with caplog.at_level(logging.WARNING):
        everything_happens()
        run(ended())
        told.metrics()
    assert caplog.records == []
