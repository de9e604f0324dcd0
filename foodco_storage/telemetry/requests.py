"""Requests to stores, noted: how often each went out, how long it took, what it came to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.outcomes import of_error
from foodco_storage.telemetry.recording import IGNORED, clock, current, tell_own_request

Send = Callable[[str, dict[str, Any]], dict[str, Any]]
"""`BaseClient._make_api_call` of one client."""

_NOTHING: Mapping[str, Any] = {}


_ATTEMPTS, _BODY_BYTES, _LAST_BODY_BYTES = range(3)


class _Thread(threading.local):
    """What a thread is sending; botocore sends in the thread that called."""

    sending: list[int] | None = None
    """How often it went out, the bytes of all bodies, and of the last."""


_thread = _Thread()


def count_attempts(client: Any) -> None:
    """Have a botocore client tell how often it sends a request over HTTP; retries and redirects are told nowhere else."""
    client.meta.events.register("before-send.s3", _before_send, unique_id="foodco-storage-attempts")


def _before_send(request: Any, **_: Any) -> None:
    sending = _thread.sending
    if sending is not None:
        sending[_ATTEMPTS] += 1
        body = request.body
        if body is not None:
            # What most objects are that callers give whole. To look for headers takes longer than all else that is done here.
            size = body.getbuffer().nbytes - body.tell() if type(body) is BytesIO else _announced(request.headers)
            sending[_LAST_BODY_BYTES] = size
            sending[_BODY_BYTES] += size


def _announced(headers: Mapping[str, Any]) -> int:
    # One of them: botocore takes Content-Length away where it sends in chunks.
    length = headers.get("Content-Length") or headers.get("X-Amz-Decoded-Content-Length")
    return int(length) if length and str(length).isdecimal() else 0


def noted(backend: str, client_meta: Any, send: Send) -> Send:
    """Send as `send` does, and note the request where somebody listens.

    Args:
        backend: the store's name in the configuration.
        client_meta: of the botocore client that sends: where it goes.
        send: sends a request, given botocore's name of the operation and its parameters.
    """

    def send_noted(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        return note(backend, client_meta, send, operation, params) if hooks.on else send(operation, params)

    return send_noted


def note(backend: str, client_meta: Any, send: Send, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Send one request, and note it."""
    recording = current.get()
    if recording is IGNORED:
        return send(operation, params)
    tracing = hooks.tracing
    span = None if tracing is None else _started(tracing, backend, operation, params, client_meta)
    # A handler of the caller's may send a request in the midst of another.
    outer = _thread.sending
    sending = _thread.sending = [0, 0, 0]
    begun = clock()
    metadata: Mapping[str, Any] = _NOTHING
    status: int | None = None
    error: str | None = None
    try:
        response = send(operation, params)
        metadata = response.get("ResponseMetadata") or _NOTHING
        status = metadata.get("HTTPStatusCode")
    except BaseException as raised:
        if isinstance(raised, ClientError):
            metadata = raised.response.get("ResponseMetadata") or _NOTHING
        _, status, error = of_error(raised)
        raise
    else:
        return response
    finally:
        seconds = clock() - begun
        _thread.sending = outer
        # A HEAD's answer has no body, whatever it says of its length.
        length = "" if operation[:4] == "Head" else (metadata.get("HTTPHeaders") or _NOTHING).get("content-length", "")
        # What a Stubber or a handler answers may be of any type.
        received = int(length) if str(length).isdecimal() else 0
        attempts, body_bytes, last_body_bytes = sending
        request = hooks.events.Request(backend, operation, attempts, seconds, status, error, body_bytes, received)
        if span is not None and tracing is not None:
            _ended(tracing, span, request, metadata)
        if recording is not None:
            # Several threads may do so at once: an append is one step.
            recording.requests.append(request)
            if last_body_bytes:
                recording.sent_bytes = last_body_bytes
        else:
            tell_own_request(request)


def _started(tracing: hooks.Tracing, backend: str, operation: str, params: Mapping[str, Any], client_meta: Any) -> Any:
    try:
        return tracing.request_started(backend, operation, params, client_meta)
    except Exception:  # noqa: BLE001 - as with hooks
        hooks.report(tracing)
        return None


def _ended(tracing: hooks.Tracing, span: Any, request: Any, metadata: Mapping[str, Any]) -> None:
    try:
        tracing.request_ended(span, request, metadata)
    except Exception:  # noqa: BLE001 - as with hooks
        hooks.report(tracing)
