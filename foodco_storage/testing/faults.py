"""A proxy that misbehaves on demand, in front of a real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection
from typing import Literal

from foodco_storage.testing.fault_connection import FaultyConnection
from foodco_storage.testing.fault_kinds import Answer, Fault
from foodco_storage.testing.http_framing import RequestHead
from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.listener import Listener
from foodco_storage.testing.server import LOOPBACK, free_port


class FaultProxy(Started):
    """A proxy on loopback in front of one server, passing everything through until told otherwise.

    Args:
        target_host: of the server behind.
        target_port: of the server behind.
        scheme: "https" when the server behind speaks TLS: then the proxy sees only bytes, a
            connection counts as one request, `of="body"` is the same as `of="stream"`, and `Answer`
            and `methods` can't be used.

    Attributes:
        port: where it listens.
        requests: how many requests it has seen.
        faults: how many times a fault took effect.

    Example:
        >>> with FaultProxy(ceph.server.host, ceph.server.port) as proxy:
        ...     server = replace(ceph.server, endpoint_url=proxy.endpoint_url)
        ...     s3 = boto3.client("s3", **server.client_arguments())
        ...     proxy.inject(Reset(after_bytes=1000), times=1, methods=["GET"])
    """

    def __init__(self, target_host: str, target_port: int, *, scheme: Literal["http", "https"] = "http") -> None:
        self.port = free_port()
        self.requests = 0
        self.faults = 0
        self._target = (target_host, target_port)
        self._scheme = scheme
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._times: int | None = None
        self._methods: Collection[str] = ()
        self._closing = threading.Event()
        self._listener = Listener(self.port, self._serve, name="fault-proxy")

    def _start(self) -> None:
        self._listener.open()

    def close(self) -> None:
        """Stop listening and drop every connection. Safe to call twice."""
        self._closing.set()
        self._listener.close()

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:PORT`, or `https://` as asked for."""
        return f"{self._scheme}://{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections it has accepted."""
        return self._listener.accepted

    def inject(self, fault: Fault, *, times: int | None = None, methods: Collection[str] = ()) -> None:
        """Misbehave from the next request on, in place of what was injected before.

        Args:
            fault: what to do.
            times: for how many requests; then pass through again. Until told otherwise by default.
            methods: only for these HTTP methods; all by default.

        Raises:
            ValueError: the fault needs to understand the requests, which an https proxy can't.
        """
        if self._scheme == "https" and (isinstance(fault, Answer) or methods):
            message = "an https proxy sees only encrypted bytes: no answers, no choice of methods"
            raise ValueError(message)
        with self._lock:
            self._fault, self._times, self._methods = fault, times, methods
        self._listener.open()

    def pass_through(self) -> None:
        """Behave again: the next requests go to the server, and new connections are accepted."""
        with self._lock:
            self._fault = None
        self._listener.open()

    def refuse(self) -> None:
        """Close the listening socket and every connection, until told otherwise.

        What a dead server does: ECONNREFUSED.
        """
        self._listener.close()

    def take(self, head: RequestHead) -> Fault | None:
        """The fault for one request that begins now. For the proxy's own connections."""
        with self._lock:
            self.requests += 1
            if self._fault is None or (self._methods and head.method not in self._methods) or self._times == 0:
                return None
            if self._times is not None:
                self._times -= 1
            return self._fault

    def took_effect(self) -> None:
        """Count a fault. For the proxy's own connections."""
        with self._lock:
            self.faults += 1

    def pause(self, seconds: float) -> None:
        """Wait; an `OSError` if the proxy is closed meanwhile. For the proxy's own connections."""
        if self._closing.wait(seconds):
            raise ConnectionAbortedError

    def _serve(self, client: socket.socket) -> None:
        FaultyConnection(self, client, self._listener, self._target, encrypted=self._scheme == "https").run()
