"""One client's connection through a `foodco_storage.testing.faults.FaultProxy`."""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import Protocol

from foodco_storage.testing.fault_kinds import Answer, Close, Delay, Fault, Hang, Reset
from foodco_storage.testing.http_framing import (
    RequestFraming,
    RequestHead,
    RequestPiece,
    ResponseFraming,
)
from foodco_storage.testing.listener import Listener, reset, unsent_bytes

_CHUNK_BYTES = 1 << 16


class Owner(Protocol):
    """What a connection asks of its proxy."""

    def take(self, head: RequestHead) -> Fault | None:
        """The fault for a request that begins now."""

    def took_effect(self) -> None:
        """Count a fault."""

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            OSError: the proxy was closed meanwhile.
        """


class _Cut(Exception):  # noqa: N818 - ends a connection; no error
    """The connection is over."""


class FaultyConnection:
    """Moves bytes both ways until a side closes or a fault cuts it.

    Args:
        owner: the proxy; asked for a fault at the start of every request.
        client: the accepted connection.
        listener: opens the connection to the server behind.
        target: host and port of the server behind.
        encrypted: the bytes are TLS: the connection is one request.
    """

    def __init__(
        self,
        owner: Owner,
        client: socket.socket,
        listener: Listener,
        target: tuple[str, int],
        *,
        encrypted: bool,
    ) -> None:
        self._owner = owner
        self._client = client
        self._listener = listener
        self._target = target
        self._encrypted = encrypted
        self._begun = False
        self._requests = RequestFraming()
        self._responses = ResponseFraming()
        self._head = RequestHead()
        self._fault: Fault | None = None
        self._passed_bytes = 0
        self._upstream: socket.socket | None = None

    def run(self) -> None:
        """Serve the connection to its end.

        Raises:
            OSError: a side went away.
        """
        with (
            contextlib.suppress(_Cut),
            contextlib.ExitStack() as stack,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(self._client, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._client:
                        received = self._client.recv(_CHUNK_BYTES)
                        if not received:
                            return
                        for piece in self._pieces(received):
                            self._from_client(piece, stack, selector)
                    elif self._upstream is not None:
                        received = self._upstream.recv(_CHUNK_BYTES)
                        if not received:
                            return
                        self._from_upstream(received)

    def _pieces(self, received: bytes) -> list[RequestPiece]:
        if not self._encrypted:
            return self._requests.feed(received)
        head = None if self._begun else RequestHead()
        self._begun = True
        return [RequestPiece(received, head, ends=False)]

    def _from_client(self, piece: RequestPiece, stack: contextlib.ExitStack, selector: selectors.BaseSelector) -> None:
        if piece.head is not None:
            self._head, self._fault = piece.head, self._owner.take(piece.head)
            self._responses, self._passed_bytes = ResponseFraming(), 0
        fault = self._fault
        if isinstance(fault, Hang):
            if piece.head is not None:
                self._owner.took_effect()
        elif isinstance(fault, Answer):
            self._answer(fault, piece)
        else:
            data = piece.data
            cuts = isinstance(fault, Reset | Close) and fault.of == "request"
            if isinstance(fault, Reset | Close) and cuts:
                if piece.head is None or self._encrypted:
                    data = data[: fault.after_bytes - self._passed_bytes]
                    self._passed_bytes += len(data)
                if fault.after_bytes == 0:
                    self._cut(fault)
            self._connected(stack, selector).sendall(data)
            if isinstance(fault, Reset | Close) and cuts and self._passed_bytes >= fault.after_bytes:
                self._cut(fault)

    def _answer(self, fault: Answer, piece: RequestPiece) -> None:
        # A client that waits for `100 Continue` gets the answer at once; then it may or may not
        # send the body, so the connection can't be used again.
        early = self._head.expects_continue
        if not piece.ends and not early:
            return
        self._client.sendall(fault.encoded(with_body=self._head.method != "HEAD", close=early))
        self._owner.took_effect()
        if early:
            raise _Cut

    def _connected(self, stack: contextlib.ExitStack, selector: selectors.BaseSelector) -> socket.socket:
        if self._upstream is None:
            self._upstream = stack.enter_context(self._listener.connected(*self._target))
            selector.register(self._upstream, selectors.EVENT_READ)
        return self._upstream

    def _from_upstream(self, received: bytes) -> None:
        fault = self._fault
        if self._encrypted:
            if isinstance(fault, Delay) and not self._passed_bytes:
                self._delay(fault)
            self._to_client(received, counted=True)
            return
        for kind, data in self._responses.feed(received):
            if kind == "interim":
                self._client.sendall(data)
                continue
            if kind == "head" and isinstance(fault, Delay):
                self._delay(fault)
            counted = kind == "body" or (isinstance(fault, Reset | Close) and fault.of == "stream")
            self._to_client(data, counted=counted)

    def _delay(self, fault: Delay) -> None:
        self._owner.took_effect()
        self._owner.pause(fault.seconds)

    def _to_client(self, data: bytes, *, counted: bool) -> None:
        fault = self._fault
        if not isinstance(fault, Reset | Close) or fault.of == "request":
            self._client.sendall(data)
            self._passed_bytes += len(data)
            return
        if counted:
            data = data[: fault.after_bytes - self._passed_bytes]
            self._passed_bytes += len(data)
        self._client.sendall(data)
        if self._passed_bytes >= fault.after_bytes:
            self._cut(fault)

    def _cut(self, fault: Reset | Close) -> None:
        self._owner.took_effect()
        if isinstance(fault, Reset):
            # An RST throws away what is still in our buffer, and the client is to have all of
            # `after_bytes`.
            while unsent_bytes(self._client):
                self._owner.pause(0.001)
            reset(self._client)
        else:
            # Closing with bytes of the request still unread would send an RST after all.
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_WR)
                self._client.setblocking(False)  # noqa: FBT003 - the standard library's argument
                while self._client.recv(_CHUNK_BYTES):
                    pass
        raise _Cut
