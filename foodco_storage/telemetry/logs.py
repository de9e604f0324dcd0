"""Events as records of `logging`, and a formatter that writes records as JSON."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any, Literal

from msgspec.structs import asdict

from foodco_storage.telemetry.events import BreakerChange, Event, Operation, Step, Work
from foodco_storage.telemetry.outcomes import FAILURES

operations = logging.getLogger("foodco_storage.operations")
"""One record for each operation: a warning where it failed, else an information."""

steps = logging.getLogger("foodco_storage.steps")
"""Steps, the library's own work, and breakers."""


class LogHook:
    """A hook that logs events; add handlers to the logger `foodco_storage` to see them.

    Each record has the event as its attribute `event`. Neither it nor the message holds parameters, bodies, URLs or the
    texts of errors.

    Args:
        which: `all`, or `failures` alone.

    Example:
        logging.basicConfig(level=logging.INFO)
        foodco_storage.telemetry.add_hook(LogHook())
    """

    def __init__(self, which: Literal["failures", "all"] = "all") -> None:
        self._all = which == "all"

    def __call__(self, event: Event) -> None:
        """Log an event."""
        failed = is_failure(event)
        if not failed and not self._all:
            return
        logger = operations if isinstance(event, Operation) else steps
        level = logging.WARNING if failed else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, "%s", _Message(event), extra={"event": event})


def is_failure(event: Event) -> bool:
    """Whether somebody should look at it when there are many."""
    if isinstance(event, Operation):
        return event.outcome in FAILURES or event.is_degraded
    if isinstance(event, BreakerChange):
        return event.state == "open"
    return event.outcome in {"dropped", "failed", "stopped"}


class _Message:
    """An event as a line, made when somebody reads it."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        self._event = event

    def __str__(self) -> str:
        event = self._event
        if isinstance(event, Operation):
            return _of_operation(event)
        if isinstance(event, BreakerChange):
            return f"breaker of {event.backend}: {event.state} after {event.failures} outages in a row"
        name = event.work if isinstance(event, Work) else event.step
        told = [name, _object(event.bucket, event.key), f"{event.outcome}", f"route={event.route or '-'}"]
        if isinstance(event, Step):
            told += [f"count={event.count}"] if event.count != 1 else []
            told += [f"size={event.size}"] if event.size else []
            told += [f"lag={event.lag_seconds:.3f}s"] if event.lag_seconds is not None else []
            told += [f"why={event.why!r}"] if event.why else []
        else:
            told.append(f"{event.seconds * 1000:.1f}ms requests={len(event.requests)}")
        return " ".join(told)


def _of_operation(event: Operation) -> str:
    told = [event.operation, _object(event.bucket, event.key), event.outcome]
    told += [event.error] if event.error else []
    told += [f"{event.seconds * 1000:.1f}ms", f"size={event.size}", f"backend={event.backend or '-'}"]
    told += [f"route={event.route}"] if event.route else []
    told += [f"phase={event.phase}"] if event.phase else []
    told += [f"cache={event.cache}"] if event.cache else []
    told.append(f"attempts={event.attempts}")
    told += [name for name in ("degraded", "fallback", "stale") if getattr(event, f"is_{name}")]
    told += ["mirror-pending"] if event.is_mirror_pending else []
    return " ".join(told)


def _object(bucket: str | None, key: str | None) -> str:
    # As a literal: a key may hold line breaks, and forge a record.
    return json.dumps(f"{bucket or '-'}/{key or ''}" if key is not None else bucket or "-", ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    Keys: `time` (RFC 3339, UTC), `level`, `logger`, `message`, `process`, `thread`; of an event `event` (its kind) and its
    fields, those at their defaults left out; `exception`; and with OpenTelemetry's API installed and a span current
    `trace_id` and `span_id`.

    Example:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.getLogger("foodco_storage").addHandler(handler)
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "thread": record.threadName,
        }
        event = getattr(record, "event", None)
        if isinstance(event, Operation | Work | Step | BreakerChange):
            line |= {"event": type(event).__name__, **_fields(event)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= _span()
        return json.dumps(line, ensure_ascii=False, default=str)


def _fields(event: Any) -> dict[str, Any]:
    defaults = dict(zip(reversed(event.__struct_fields__), reversed(event.__struct_defaults__), strict=False))
    told = {name: value for name, value in asdict(event).items() if name not in defaults or value != defaults[name]}
    if "requests" in told:
        told["requests"] = [_fields(request) for request in told["requests"]]
    return told


def _span() -> dict[str, str]:
    try:
        from opentelemetry.trace import get_current_span  # noqa: PLC0415 - an extra
    except ImportError:
        return {}
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
