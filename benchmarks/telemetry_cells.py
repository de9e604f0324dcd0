"""What telemetry costs: who listens, and to what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.endpoint import Endpoint

import foodco_storage
from benchmarks.cells import BOTO3, CONTROL, Actions, one_backend
from benchmarks.telemetry_answers import NOWHERE, OPERATIONS, bare, listened_to, whole
from foodco_storage.access.recorder import Recorder
from foodco_storage.access.store import Store
from foodco_storage.backends.presets import client_config
from foodco_storage.config import Backend
from foodco_storage.telemetry import LogHook, Operation, add_hook, metrics, remove_hook
from foodco_storage.telemetry.hooks import set_tracing

OFF = "library, telemetry off"
OFF_AGAIN = "off once more (noise)"
NOTHING = "a hook that does nothing"
PEER = "boto3, opentelemetry-instrumentation-botocore"
API, SDK = "opentelemetry.trace", "opentelemetry.sdk"
PEERS = {
    API: "opentelemetry-api",
    SDK: "opentelemetry-sdk",
    "opentelemetry.instrumentation.botocore": "opentelemetry-instrumentation-botocore",
}
"""Packages by a module of theirs; those that are not installed have no rows."""

UNROUTED, ROUTED = "no route", "a route"
ALONE, BETWEEN = "telemetry alone", "telemetry alone, after botocore has sent a HEAD"
"""In a loop all that telemetry needs is in the processor's caches; between two operations botocore takes their room."""

Listening = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Cell:
    """What is done, and who listens.

    Args:
        name: of the row.
        actions: by operation, what is done once.
        listening: in it, somebody listens; entered and left again and again.
        is_told: whether hooks are told.
        before: what is done before each action, and not measured.
    """

    name: str
    actions: Actions
    listening: Listening = nullcontext
    is_told: bool = True
    before: Callable[[], object] | None = None


def cells(kind: str, directory: Path, stack: ExitStack) -> list[Cell]:
    """The rows of a table.

    Args:
        kind: `UNROUTED` or `ROUTED`, whole clients beside boto3; `ALONE` and `BETWEEN`, what telemetry adds and nothing else.
        directory: for statistics.
        stack: closes what is to be closed.
    """
    if kind in {ALONE, BETWEEN}:
        found, own = [Cell(name, bare(), is_told=False) for name in (OFF, OFF_AGAIN)], listened_to()
    else:
        store = Backend(preset="ceph", endpoint_url=NOWHERE, region="us-east-1")
        plain = {"endpoint_url": NOWHERE, "region_name": "us-east-1", "config": client_config(store)}
        one = (
            foodco_storage.client(storage=one_backend(store))
            if kind == ROUTED
            else foodco_storage.client("s3", **plain)
        )
        own = whole(one)
        found = [Cell(name, whole(boto3.client("s3", **plain)), is_told=False) for name in (BOTO3, CONTROL)]
        if all(is_installed(name) for name in PEERS):
            found.append(_peer(boto3.client("s3", **plain), stack))
        found.append(Cell(OFF, own))
    found += [Cell(name, own, listening) for name, listening in _listenings(directory, stack).items()]
    for cell in found:
        _expect(cell)
    if kind == BETWEEN:
        before = whole(boto3.client("s3", endpoint_url=NOWHERE, region_name="us-east-1"))["head"]
        found = [replace(cell, before=before) for cell in found]
    return found


def is_installed(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # Not even the package that it would be in.
        return False


def _expect(cell: Cell) -> None:
    """A cell must do what its name says before it is measured."""
    told: list[Any] = []
    with _hooked(told.append), cell.listening():
        for action in cell.actions.values():
            action()
    got = [one.operation for one in told if type(one) is Operation and [r.attempts for r in one.requests] == [1]]
    if got != ([OPERATIONS[name] for name in cell.actions] if cell.is_told else []):
        raise RuntimeError(f"{cell.name}: hooks were told of {told}")


def _listenings(directory: Path, stack: ExitStack) -> dict[str, Listening]:
    recorder = Recorder(Store(directory / "statistics"), "benchmark", flush_seconds=3600.0)
    stack.callback(recorder.close)
    found: dict[str, Listening] = {
        NOTHING: partial(_hooked, _do_nothing),
        "LogHook, level off": partial(_hooked, LogHook()),
        "metrics": _counted,
        "access statistics": partial(_hooked, recorder),
    }
    if not is_installed(API):
        return found
    found["OpenTelemetry without an SDK"] = _opentelemetry()
    if is_installed(SDK):
        found["OpenTelemetry with an SDK"] = _opentelemetry(_Sdk(stack))
    return found


def _do_nothing(event: Any) -> None:
    pass


@contextmanager
def _hooked(hook: Any) -> Iterator[None]:
    add_hook(hook)
    try:
        yield
    finally:
        remove_hook(hook)


@contextmanager
def _counted() -> Iterator[None]:
    release = metrics.use()
    try:
        yield
    finally:
        release()


class _Sdk:
    """OpenTelemetry's SDK as programs set it up: spans are handed over to a thread in batches, metrics wait to be read.

    What the exporter does in its own thread is no part of the caller's time: spans are exported in `drain`.
    """

    def __init__(self, stack: ExitStack) -> None:
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - may be missing
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        # Longer than any sample: the thread shall not come in between.
        self.tracers.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=3_600_000))
        self.meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
        stack.callback(self.tracers.shutdown)
        stack.callback(self.meters.shutdown)

    def drain(self) -> None:
        """Export what has been recorded, and forget it."""
        self.tracers.force_flush()
        if not self._exporter.get_finished_spans():
            raise RuntimeError("there were no spans")
        self._exporter.clear()


def _opentelemetry(sdk: _Sdk | None = None) -> Listening:
    """What `foodco_storage.telemetry.opentelemetry.instrument` sets up, made once: the API takes no instrument back."""
    spans = import_module("foodco_storage.telemetry.otel_spans").Spans(sdk and sdk.tracers)
    instruments = import_module("foodco_storage.telemetry.otel_metrics").Instruments(sdk and sdk.meters)

    @contextmanager
    def listening() -> Iterator[None]:
        instruments.activate()
        set_tracing(spans)
        try:
            with _counted(), _hooked(instruments):
                yield
        finally:
            set_tracing(None)
            instruments.deactivate()
            if sdk is not None:
                sdk.drain()

    return listening


def _peer(client: Any, stack: ExitStack) -> Cell:
    """One client that is instrumented. The instrumentation is botocore's classes', and would be every client's."""
    sdk, peer = _Sdk(stack), import_module("opentelemetry.instrumentation.botocore").BotocoreInstrumentor()
    peer.instrument(tracer_provider=sdk.tracers, meter_provider=sdk.meters)
    call, prepare = BaseClient.__dict__["_make_api_call"], Endpoint.__dict__["prepare_request"]
    peer.uninstrument()
    for one, name, wrapper in ((client, "_make_api_call", call), (client._endpoint, "prepare_request", prepare)):  # noqa: SLF001 - where the wrappers go
        one.__class__ = type(type(one).__name__, (type(one),), {name: wrapper})

    @contextmanager
    def listening() -> Iterator[None]:
        try:
            yield
        finally:
            sdk.drain()

    return Cell(PEER, whole(client), listening, is_told=False)
