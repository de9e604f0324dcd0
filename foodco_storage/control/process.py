"""The phases that a process holds, one for each route, however many clients it makes."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from foodco_storage.control.held_phase import HeldPhase, Watching
from foodco_storage.control.steps import Call
from foodco_storage.control.watcher import Watcher


class Connection(Protocol):
    """A client of the primary that never retries (`foodco_storage.backends.plain_client`)."""

    @property
    def send(self) -> Call:
        """Sends a request."""

    def close(self) -> None:
        """Close its connections."""

    def after_fork(self) -> None:
        """Leave the parent its connections and locks."""


Hold = Callable[[Call, Watching], HeldPhase]
"""Makes a held phase of what sends its requests, and who watches it."""


@dataclass
class _Entry:
    held: HeldPhase
    connection: Connection
    users: int = 1


class Process:
    """The phases of one process. Those that nobody gave back are closed at its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._watchers: dict[Hashable, Watcher] = {}
        self._given_back: deque[Hashable] = deque()
        self._pid_of_hook = 0

    def acquire(self, key: Hashable, store: Hashable, connect: Callable[[], Connection], hold: Hold) -> HeldPhase:
        """The phase of a route; made by the first that asks for it.

        Args:
            key: what tells this route from all others, its store, bucket, reserved prefix and name included.
            store: the primary. One thread re-reads the phases of each.
            connect: makes a connection that no client of the user's owns.
            hold: makes the phase.
        """
        self._settle()
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.users += 1
                return entry.held
            connection = connect()
            watcher = self._watchers.setdefault(store, Watcher(started=self._close_at_exit, meanwhile=self._settle))
            held = hold(connection.send, watcher)
            self._entries[key] = _Entry(held, connection)
            return held

    def release(self, key: Hashable) -> None:
        """Give a phase back; once for every `acquire`. A moment after the last one it is closed, in another thread.

        Takes no lock and sends nothing: it may be called by the garbage collector, in the middle of anything.
        """
        self._given_back.append(key)

    def close(self) -> None:
        """Close all phases: take this process's reports away."""
        with self._lock:
            entries = list(self._entries.values())
            self._entries.clear()
        for entry in entries:
            self._close(entry)

    def _settle(self) -> None:
        """Close what nobody uses any more."""
        while self._given_back:
            with self._lock:
                # Another thread may have been quicker.
                entry = self._entry_without_users(self._given_back.popleft()) if self._given_back else None
            if entry is not None:
                self._close(entry)

    def _entry_without_users(self, key: Hashable) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.users -= 1
        return None if entry.users else self._entries.pop(key)

    def after_fork(self) -> None:
        """In a forked child: the same phases, as another client, with connections of its own."""
        self._lock = threading.Lock()
        for watcher in self._watchers.values():
            watcher.after_fork()
        for entry in self._entries.values():
            entry.connection.after_fork()
            entry.held.after_fork()

    def _close_at_exit(self) -> None:
        # Whoever has a thread to re-read phases may have a report as well.
        if self._pid_of_hook == os.getpid():
            return
        self._pid_of_hook = os.getpid()
        atexit.unregister(self.close)
        atexit.register(self.close)
        # Children of multiprocessing end without atexit, but with this.
        if (util := sys.modules.get("multiprocessing.util")) is not None:
            util.Finalize(None, self.close, exitpriority=0)

    @staticmethod
    def _close(entry: _Entry) -> None:
        entry.held.close()
        entry.connection.close()


this_process = Process()
"""The phases of this process."""

os.register_at_fork(after_in_child=this_process.after_fork)
