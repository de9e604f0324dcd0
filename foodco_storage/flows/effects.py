"""The effects: each one indivisible thing that a flow asks its driver to do.

A flow never sleeps, locks, opens a socket, reads the clock or logs: it yields one of these and is sent the result, or has
the failure thrown in as a `BackendError`. `foodco_storage.drivers` does them for real or in simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request


class Body(Protocol):
    """What a GET leaves to be read after its flow has ended."""

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes, all that is left by default; empty at the end."""

    def close(self) -> None:
        """Give the connection back, or drop it."""


class Call:
    """Send a request to one backend. Sends back the response; throws a `BackendError`."""

    __slots__ = ("place", "request")

    def __init__(self, place: Place, request: Request) -> None:
        self.place = place
        self.request = request


class Able:
    """Ask whether a backend has a capability on a bucket (`foodco_storage.backends.capabilities`). Sends back a bool."""

    __slots__ = ("bucket", "capability", "place")

    def __init__(self, place: Place, bucket: str, capability: str) -> None:
        self.place = place
        self.bucket = bucket
        self.capability = capability


class Resumable:
    """Make a body that survives its connection. Sends back the body to hand out.

    Args:
        body: the body as the backend answered it.
        reopen: given how many bytes have been read, the flow that asks for the rest.
    """

    __slots__ = ("body", "reopen", "size")

    def __init__(self, body: Body, size: int, reopen: Callable[[int], Flow]) -> None:
        self.body = body
        self.size = size
        self.reopen = reopen


class Spool:
    """Read a whole body into a seekable file (memory first, disk beyond). Sends back a `BinaryIO` at its start."""

    __slots__ = ("body",)

    def __init__(self, body: Body) -> None:
        self.body = body


class Discard:
    """Close a body, or a spooled file, that nobody will read."""

    __slots__ = ("body",)

    def __init__(self, body: Body | BinaryIO) -> None:
        self.body = body


class Warn:
    """Tell the operator, once per `topic`: an oddity that users need not see."""

    __slots__ = ("message", "topic")

    def __init__(self, topic: Any, message: str) -> None:
        self.topic = topic
        self.message = message
