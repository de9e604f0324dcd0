"""Spans through OpenTelemetry's API: one for each operation of a caller, and below it one for each request to a store.

Names and attributes are those of the conventions for AWS's SDK and S3
(https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/, https://opentelemetry.io/docs/specs/semconv/object-stores/s3/);
our own begin with `foodco_storage.`. Two kinds:

* a request to a store is a `CLIENT` span, as the conventions say: it goes to one server. All attempts of it are one span.
* an operation is an `INTERNAL` one. It goes to several stores, or to none where a cache answers; as a `CLIENT` it would be
  counted as another request to S3 by whoever draws maps of services.

The status is an error where the outcome is one of `foodco_storage.telemetry.outcomes.FAILURES`. The conventions
(https://opentelemetry.io/docs/specs/semconv/general/recording-errors/) leave that to whoever knows the context: of a store
that is asked first, "no such key" is an answer, as are "not modified" and a condition that does not hold; and an error that
was handled, by a fallback or a retry, is none of the operation. Errors are told by their codes, never by their texts, which
may hold URLs with signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider

from foodco_storage.telemetry.events import Operation, Request
from foodco_storage.telemetry.otel_current import Entered, enter, leave
from foodco_storage.telemetry.outcomes import FAILURES, of_error

SCOPE = "foodco_storage"
"""The instrumentation scope of all spans and metrics."""

_CAN_BE_TOLD = {"PartNumber": "aws.s3.part_number"}
"""The only parameters that say nothing of keys, bodies or secrets."""


class Spans:
    """Makes spans (`foodco_storage.telemetry.hooks.Tracing`).

    Args:
        provider: None for the global one, also where that is set later; until then nothing is made.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer: Tracer | None = None

    def operation_started(self, operation: str, bucket: str | None, key: str | None) -> Entered | None:
        """Start a span, the current one until `operation_returned`; None where nobody wants spans."""
        tracer = self._tracer or self._find()
        if tracer is None:
            return None
        attributes = _rpc(operation)
        if bucket is not None:
            attributes["aws.s3.bucket"] = bucket
        if key is not None:
            attributes["aws.s3.key"] = key
        return enter(tracer.start_span(f"S3.{operation}", kind=SpanKind.INTERNAL, attributes=attributes))

    def operation_returned(self, state: Entered) -> None:
        """The span is the current one no longer."""
        leave(state)

    def operation_ended(self, state: Entered, event: Operation) -> None:
        """End the span, from any thread."""
        span = state.span
        if span.is_recording():
            span.set_attributes(_attributes(event))
            if event.outcome in FAILURES:
                _failed(span, event.error or event.outcome)
        span.end()

    def request_started(
        self, backend: str, operation: str, parameters: Mapping[str, Any], client_meta: Any
    ) -> Entered | None:
        """Start a span, the current one until `request_ended`; None where nobody wants spans."""
        tracer = self._tracer or self._find()
        if tracer is None:
            return None
        attributes = _rpc(operation) | _server(client_meta.endpoint_url) | {"foodco_storage.backend": backend}
        if client_meta.region_name:
            attributes["cloud.region"] = client_meta.region_name
        for parameter, attribute in _CAN_BE_TOLD.items():
            if parameter in parameters:
                attributes[attribute] = parameters[parameter]
        return enter(tracer.start_span(f"S3.{operation}", kind=SpanKind.CLIENT, attributes=attributes))

    def request_ended(self, state: Entered, request: Request, response_metadata: Mapping[str, Any]) -> None:
        """End the span."""
        leave(state)
        span = state.span
        if span.is_recording():
            span.set_attribute("foodco_storage.attempts", request.attempts)
            told = {
                "http.response.status_code": request.status,
                "aws.request_id": response_metadata.get("RequestId"),
                "aws.extended_request_id": response_metadata.get("HostId"),
            }
            span.set_attributes({name: value for name, value in told.items() if value})
            if request.error is not None and _is_failure(request):
                _failed(span, request.error)
        span.end()

    def _find(self) -> Tracer | None:
        provider = self._provider or trace.get_tracer_provider()
        # The API's own make no spans.
        if type(provider).__module__.startswith("opentelemetry.trace"):
            return None
        self._tracer = provider.get_tracer(SCOPE)
        return self._tracer


def _rpc(operation: str) -> dict[str, Any]:
    # The first is what the conventions for AWS require, the second what the ones for RPC replace it by.
    return {
        "rpc.system": "aws-api",
        "rpc.system.name": "aws-api",
        "rpc.service": "S3",
        "rpc.method": operation,
    }


@lru_cache(maxsize=64)
def _server(endpoint_url: str) -> dict[str, Any]:
    url = urlsplit(endpoint_url)
    return {"server.address": url.hostname or "", "server.port": url.port or (80 if url.scheme == "http" else 443)}


def _attributes(event: Operation) -> dict[str, Any]:
    told = {
        "foodco_storage.route": event.route,
        "foodco_storage.phase": event.phase,
        "foodco_storage.backend": event.backend,
        "foodco_storage.cache": event.cache,
        "foodco_storage.outcome": event.outcome,
        "foodco_storage.size": event.size,
        "foodco_storage.answer_seconds": event.answer_seconds,
        "foodco_storage.fallback": event.is_fallback or None,
        "foodco_storage.degraded": event.is_degraded or None,
        "foodco_storage.stale": event.is_stale or None,
        "foodco_storage.mirror_pending": event.is_mirror_pending or None,
        "http.response.status_code": event.status,
        "aws.request_id": event.request_id,
    }
    return {name: value for name, value in told.items() if value is not None}


def _is_failure(request: Request) -> bool:
    if request.status is None:
        return True
    answer = {"Error": {"Code": request.error}, "ResponseMetadata": {"HTTPStatusCode": request.status}}
    return of_error(ClientError(answer, request.operation)).outcome in FAILURES


def _failed(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)
