"""OpenTelemetry: spans and metrics through its API, for whatever SDK the program has set up. Needs the extra `telemetry`.

What is made is described in `foodco_storage.telemetry.otel_spans` and `foodco_storage.telemetry.metric_names`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from os import register_at_fork
from typing import TYPE_CHECKING

from foodco_storage.telemetry import hooks, metrics

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_undo: Callable[[], None] | None = None
_changing = threading.RLock()


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Make spans and metrics from now on; what an earlier call has set up is replaced.

    A span of an operation is a child of the caller's current span, and ends when the operation does: of a GET at the end of
    its body, after the call has returned. Spans of requests to stores are its children.

    Without an SDK no span is made and nothing is recorded. One that is set up later, as the global provider, is used from
    then on. With `opentelemetry-instrumentation-botocore` as well, every request has two spans: one of them is enough.

    Args:
        tracer_provider: None for the global one.
        meter_provider: None for the global one.

    Raises:
        ImportError: OpenTelemetry's API is not installed.

    Example:
        from foodco_storage.telemetry import opentelemetry

        opentelemetry.instrument()
    """
    global _undo  # noqa: PLW0603 - a process's providers are its own
    try:
        import opentelemetry.trace  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise ImportError("opentelemetry-api is missing: pip install 'foodco-storage[telemetry]'") from error
    from foodco_storage.telemetry.otel_metrics import Instruments  # noqa: PLC0415 - the same
    from foodco_storage.telemetry.otel_spans import Spans  # noqa: PLC0415 - the same

    with _changing:
        uninstrument()
        spans, instruments = Spans(tracer_provider), Instruments(meter_provider)
        release = metrics.use()
        instruments.activate()
        hooks.add_hook(instruments)
        hooks.set_tracing(spans)

        def undo() -> None:
            if hooks.tracing is spans:
                hooks.set_tracing(None)
            hooks.remove_hook(instruments)
            instruments.deactivate()
            release()

        _undo = undo


def uninstrument() -> None:
    """Make nothing more; nothing happens where nothing was set up. Spans that have begun are ended as usual."""
    global _undo
    with _changing:
        undo, _undo = _undo, None
        if undo is not None:
            undo()


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - another thread of the parent may have held it
    _changing = threading.RLock()


register_at_fork(after_in_child=_after_fork_in_child)
