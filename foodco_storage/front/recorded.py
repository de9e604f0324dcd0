"""One operation of a caller, recorded from its call to its end, and told of in one event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from foodco_storage.drivers.held_stream import HeldStream
from foodco_storage.drivers.measured_body import measure
from foodco_storage.flows.request import Parameters, Response
from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.outcomes import Ended, of_error
from foodco_storage.telemetry.recording import IGNORED, Recording, clock, current
from foodco_storage.telemetry.telling import Telling

_NOTHING: Mapping[str, Any] = {}
_CACHEABLE = frozenset({"GetObject", "HeadObject"})
_GIVES_A_BODY = frozenset({"PutObject", "UploadPart"})
_BYTES = (bytes, bytearray)


def recorded(
    call: Callable[[str, Parameters], Response], operation: str, params: Parameters, telling: Telling
) -> Response:
    """Carry out an operation, and tell of it.

    Args:
        call: carries it out.
        operation: botocore's name of it.
        params: its parameters.
        telling: what may be told.
    """
    if not telling.takes_all and not telling.takes():
        return _ignored(call, operation, params)
    recording = _Operation(telling, operation, params)
    if hooks.tracing is not None:
        recording.start_span(hooks.tracing)
    token = current.set(recording)
    try:
        response = call(operation, params)
    except BaseException as error:
        current.reset(token)
        try:
            recording.failed(error, params)
        except Exception:  # noqa: BLE001 - a mistake in telemetry is no failure of the operation
            hooks.report(recording)
        raise
    current.reset(token)
    try:
        recording.answered(response, params)
    except Exception:  # noqa: BLE001 - as above
        hooks.report(recording)
    return response


def _ignored(call: Callable[[str, Parameters], Response], operation: str, params: Parameters) -> Response:
    token = current.set(IGNORED)
    try:
        return call(operation, params)
    finally:
        current.reset(token)


class _Operation(Recording):
    """An operation that is recorded, and the span that it has."""

    _tracing: hooks.Tracing | None = None
    _span: Any = None
    _metadata: Mapping[str, Any] = _NOTHING
    _answer_seconds: float | None = None
    """None until the call has returned."""

    def __init__(self, telling: Telling, operation: str, params: Parameters) -> None:
        # What `Recording` does, and no call more.
        self.telling = telling
        self.begun = clock()
        self.requests = []
        bucket, key = params.get("Bucket"), params.get("Key")
        self._operation = operation
        self._bucket = bucket if type(bucket) is str else _text(bucket)
        self._key = telling.key(key if type(key) is str else _text(key))

    def start_span(self, tracing: hooks.Tracing) -> None:
        """Begin a span, which is the current one until the call returns."""
        self._tracing = tracing
        try:
            self._span = tracing.operation_started(self._operation, self._bucket, self._key)
        except Exception:  # noqa: BLE001 - it is no failure of the operation
            hooks.report(tracing)

    def answered(self, response: Response, params: Parameters) -> None:
        """The call returns; its event comes now, or at the end of its body."""
        if self._span is not None:
            self._leave_span()
        metadata = self._metadata = response.get("ResponseMetadata") or _NOTHING
        size = 0
        body = response.get("Body")
        # Looked at first: StreamingBody is abstract, and asking whether None is one takes a third of a microsecond.
        if body is not None and isinstance(body, StreamingBody):
            stream, length = body._raw_stream, response.get("ContentLength")  # noqa: SLF001 - the one way to it
            if type(stream) is HeldStream:
                # In memory whole: handed out is served.
                size = len(stream.getbuffer())
            elif length != 0:
                self._answer_seconds = clock() - self.begun
                if measure(body, length, self._body_ended):
                    return
        elif self._operation in _GIVES_A_BODY:
            size = self._given(params)
        self._tell("ok", metadata.get("HTTPStatusCode"), None, size)

    def failed(self, error: BaseException, params: Parameters) -> None:
        """The call raises."""
        if self._span is not None:
            self._leave_span()
        if isinstance(error, ClientError):
            self._metadata = error.response.get("ResponseMetadata") or _NOTHING
        self._tell(*of_error(error), self._given(params) if self._operation in _GIVES_A_BODY else 0)

    def _leave_span(self) -> None:
        if self._tracing is not None:
            try:
                self._tracing.operation_returned(self._span)
            except Exception:  # noqa: BLE001 - it is no failure of the operation
                hooks.report(self._tracing)

    def _body_ended(self, size: int, failure: Ended | None, is_whole: bool) -> None:  # noqa: FBT001 - `Told`
        if failure is not None:
            self._tell(*failure, size)
        else:
            self._tell("ok" if is_whole else "abandoned", self._metadata.get("HTTPStatusCode"), None, size)

    def _given(self, params: Parameters) -> int:
        """Bytes of the object that the caller gave."""
        if self.size is not None:
            return self.size
        body = params.get("Body", b"")
        return len(body) if isinstance(body, _BYTES) else self.sent_bytes

    def _tell(self, outcome: str, status: int | None, error: str | None, size: int) -> None:
        metadata = self._metadata
        storage: Mapping[str, Any] = metadata.get("Storage") or _NOTHING
        requests = tuple(self.requests)
        cache, backend = storage.get("cache"), storage.get("backend")
        if cache is None and self.has_cache and self._operation in _CACHEABLE:
            cache = "miss"
        if backend is None and requests and status is not None:
            backend = requests[-1].backend
        seconds = clock() - self.begun
        answer_seconds = seconds if self._answer_seconds is None else self._answer_seconds
        # By position, which takes a fifth of the time that names take.
        event = hooks.events.Operation(
            self._operation,
            self._bucket,
            self._key,
            self.route,
            self.phase,
            backend,
            requests,
            cache,
            "stale" in storage,
            "fallback" in storage,
            "degraded" in storage,
            "mirror" in storage,
            size,
            storage.get("stored_size"),
            answer_seconds,
            seconds,
            self.wait_seconds,
            self.pack_seconds,
            outcome,
            status,
            error,
            metadata.get("RequestId"),
            time.time() - seconds,
            self.telling.weight,
        )
        hooks.emit(event)
        if self._span is not None and self._tracing is not None:
            try:
                self._tracing.operation_ended(self._span, event)
            except Exception:  # noqa: BLE001 - it is no failure of the operation
                hooks.report(self._tracing)


def _text(name: Any) -> str | None:
    """A name as botocore sends it; None where it is none."""
    # An enumeration's member: its characters, whatever `str()` makes of it.
    return str.__str__(name) if isinstance(name, str) else None
