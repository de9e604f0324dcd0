"""Moves bytes between a TLS client and a plain server."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl

_CHUNK_BYTES = 1 << 16


def relay(client: socket.socket, upstream: socket.socket, context: ssl.SSLContext) -> None:
    """Speak TLS with the client, plain bytes with the server behind, until one of them closes.

    TLS runs in memory rather than through `SSLContext.wrap_socket`, so that the sockets stay the
    caller's: another thread can shut them down to end the relay.

    Raises:
        OSError: a side went away; a failed handshake (`ssl.SSLError` is one).
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    with selectors.DefaultSelector() as selector:
        for one in (client, upstream):
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is client:
                    received = client.recv(_CHUNK_BYTES)
                    if not received:
                        return
                    incoming.write(received)
                    for plain in _decrypted(tls):
                        upstream.sendall(plain)
                else:
                    received = upstream.recv(_CHUNK_BYTES)
                    if not received:
                        with contextlib.suppress(ssl.SSLError):
                            tls.unwrap()
                        client.sendall(outgoing.read())
                        return
                    tls.write(received)
                client.sendall(outgoing.read())


def _decrypted(tls: ssl.SSLObject) -> list[bytes]:
    pieces = []
    with contextlib.suppress(ssl.SSLWantReadError):
        while True:
            # The first read carries out the handshake.
            piece = tls.read(_CHUNK_BYTES)
            if not piece:
                break
            pieces.append(piece)
    return pieces
