"""Requests, responses and failures as values: hashable, never changed, made into fresh mutable ones at every use.

Flows change the responses that they get, and read bodies to their end, so each run of a flow needs ones of its own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError, EndpointConnectionError

from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.s3_errors import error_response

Frozen: TypeAlias = Any
"""What `freeze` makes: nested tuples, each with its kind in front, and plain values."""


def freeze(value: Any) -> Frozen:
    """The value of a request's parameters or of a response; a file is read to its end, as a backend would."""
    if isinstance(value, dict):
        return "dict", tuple((name, freeze(held)) for name, held in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return "list", tuple(map(freeze, value))
    if isinstance(value, bytearray):
        return bytes(value)
    if hasattr(value, "read"):
        return "body", value.read()
    return value


def thaw(frozen: Frozen) -> Any:
    """A fresh copy: dicts, lists, and files at their start."""
    match frozen:
        case ("dict", items):
            return {name: thaw(held) for name, held in items}
        case ("list", items):
            return [thaw(held) for held in items]
        case ("body", data):
            return io.BytesIO(data)
    return frozen


def shown(frozen: Frozen) -> str:
    """A frozen value for readers, long bodies cut."""
    match frozen:
        case ("dict", items):
            return "{" + ", ".join(f"{name}: {shown(held)}" for name, held in items) + "}"
        case ("list", items):
            return "[" + ", ".join(map(shown, items)) + "]"
        case ("body", data):
            return shown(data)
        case bytes() if len(frozen) > _SHOWN_BYTES:
            return f"{frozen[:_SHOWN_BYTES]!r}... {len(frozen)} bytes"
    return repr(frozen)


_SHOWN_BYTES = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A `BackendError` that a call ended with.

    Args:
        kind: its class.
        backend: whose it is.
        operation: which failed; empty where nothing was answered.
        response: what was answered, frozen.
    """

    kind: type[BackendError]
    backend: str
    operation: str = ""
    response: Frozen = None

    @classmethod
    def of(cls, error: BackendError) -> Failure:
        """The value of an error that a store raised."""
        if not isinstance(error.error, ClientError):
            raise TypeError(f"a store in memory answers, or it is made not to: {error.error!r}")
        return cls(type(error), error.backend, error.error.operation_name, freeze(error.error.response))

    def thaw(self) -> BackendError:
        """A fresh error to throw."""
        if not self.operation:
            return self.kind(self.backend, EndpointConnectionError(endpoint_url=f"memory://{self.backend}"))
        return self.kind(self.backend, ClientError(thaw(self.response), self.operation))

    def __str__(self) -> str:
        if not self.operation:
            return "no answer"
        error = thaw(self.response)
        return f"{error['ResponseMetadata']['HTTPStatusCode']} {error['Error']['Code']}"


def no_answer(backend: str) -> Failure:
    """The request, or its answer, was lost."""
    return Failure(Unavailable, backend)


def internal_error(backend: str, operation: str) -> Failure:
    """500, as RGW gives to an If-Match PUT that lost a race."""
    return Failure(Unavailable, backend, operation, freeze(error_response("InternalError", 500, "Internal error")))
