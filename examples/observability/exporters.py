"""A read that falls back, as OpenTelemetry and Prometheus see it: `python exporters.py`, with two stores of its own.

In production the program sets up OpenTelemetry's SDK and prometheus_client as it always does, and says `opentelemetry = true`
or `prometheus = true` under `[telemetry]` of the configuration; nothing else is needed.
"""

from contextlib import ExitStack, closing
from tempfile import TemporaryDirectory

import boto3
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import foodco_storage
from foodco_storage.telemetry import opentelemetry, prometheus
from foodco_storage.testing import MotoStore

BUCKET = "foodco-menu"

spans = InMemorySpanExporter()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
registry = CollectorRegistry()

with ExitStack() as stack:
    backends = {}
    for name in ("aws", "ceph"):
        server = stack.enter_context(MotoStore()).server
        keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
        backends[name] = {"endpoint_url": server.endpoint_url, **keys}
        plain = stack.enter_context(closing(boto3.client("s3", **server.client_arguments())))
        plain.create_bucket(Bucket=BUCKET)
        if name == "aws":
            plain.put_object(Bucket=BUCKET, Key="soup", Body=b"tomato soup")
    storage = {
        "backends": backends,
        "journal": {"directory": stack.enter_context(TemporaryDirectory())},
        "routes": {
            "menu": {
                "bucket": BUCKET,
                "primary": "ceph",
                "fallbacks": ["aws"],
                "phase": "cutover",
                # In the foreground, so that the copy is made before anything is printed.
                "promote": {"background": False},
            },
        },
    }
    opentelemetry.instrument(tracer_provider=tracers)
    stack.callback(opentelemetry.uninstrument)
    prometheus.register(registry)
    stack.callback(prometheus.unregister, registry)

    with closing(foodco_storage.client(storage=storage)) as service:
        assert service.get_object(Bucket=BUCKET, Key="soup")["Body"].read() == b"tomato soup"

    finished = spans.get_finished_spans()
    (operation,) = (span for span in finished if span.name == "S3.GetObject" and span.kind.name == "INTERNAL")
    told = operation.attributes or {}
    print(
        f"span {operation.name} INTERNAL, route {told['foodco_storage.route']}, from {told['foodco_storage.backend']}"
    )
    children = [
        span for span in finished if span.parent is not None and span.parent.span_id == operation.context.span_id
    ]
    for child in children[:2]:
        told = child.attributes or {}
        print(f"  span {child.name} CLIENT, of {told['foodco_storage.backend']}: {told['http.response.status_code']}")
    print("  and more, of the copy to ceph, and of a first look at what ceph can do")
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith(("foodco_storage_fallback_reads", "foodco_storage_promotes")):
            print(line)
