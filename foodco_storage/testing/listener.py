"""A listening socket that can be closed and opened again on its port; a thread per connection."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import threading
from collections.abc import Callable, Iterator

from foodco_storage.testing.server import LOOPBACK

_NO_LINGER = struct.pack("ii", 1, 0)


def unsent_bytes(connection: socket.socket) -> int:
    """How many bytes the peer's kernel has not taken yet; 0 for a closed connection."""
    try:
        (waiting,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    except (OSError, ValueError):
        return 0
    return int(waiting)


def reset(connection: socket.socket) -> None:
    """Close a connection with an RST: the peer gets ECONNRESET instead of an end of file."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    connection.close()


class Listener:
    """Accepts connections on a port of loopback and serves each on a thread of its own.

    Args:
        port: where to listen; use `free_port()`.
        serve: called with each connection; the connection is closed after it. What it raises of
            `OSError` means that one side went away, and is ignored.
        name: of the threads.
    """

    def __init__(self, port: int, serve: Callable[[socket.socket], None], *, name: str) -> None:
        self.port = port
        self.accepted = 0
        self._serve = serve
        self._name = name
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listening: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether it accepts connections."""
        return self._listening is not None

    def open(self) -> None:
        """Start to listen. Does nothing while it listens."""
        if self._listening is not None:
            return
        listening = socket.create_server((LOOPBACK, self.port), backlog=128)
        self._listening = listening
        thread = threading.Thread(target=self._accept, args=(listening,), name=self._name, daemon=True)
        thread.start()

    def close(self) -> None:
        """Stop to listen and drop the open connections, as the death of a process does.

        Safe to call twice.
        """
        with self._lock:
            listening, self._listening = self._listening, None
            connections = list(self._connections)
            threads = list(self._threads)
        if listening is not None:
            # Closing alone would leave the port open for as long as the other thread sits in
            # accept().
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)

    @contextlib.contextmanager
    def connected(self, host: str, port: int) -> Iterator[socket.socket]:
        """A connection to the server behind, dropped with the others by `close()`."""
        connection = socket.create_connection((host, port), timeout=30)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(connection,), name=self._name, daemon=True)
            with self._lock:
                if self._listening is not listening:
                    reset(connection)
                    return
                self.accepted += 1
                self._connections.add(connection)
                self._threads.add(thread)
                # Under the lock: `close` joins what it finds, and can't join what has not begun.
                thread.start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve(connection)
        finally:
            connection.close()
            with self._lock:
                self._connections.discard(connection)
                self._threads.discard(threading.current_thread())
