"""Forks: SQLite's connections must be closed before one.

It isn't enough that the child leaves the inherited connection alone and opens another. SQLite keeps, once per process and
file, which locks the process holds; a child inherits that knowledge and not the locks, so it would take none. Another
process would then believe itself alone with the database, and delete the log that the child writes to.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """What is told of forks."""

    def before_fork(self) -> None:
        """Come to rest, until one of the others is called."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is the parent's. Also called where a program forked without `before_fork`."""


class _Forks:
    def __init__(self) -> None:
        self.watched: WeakSet[Forked] = WeakSet()
        self._resting: list[Forked] = []
        # Held from before to after: threads that fork at once would otherwise wait for each other's.
        self._lock = threading.RLock()

    def watch(self, forked: Forked) -> None:
        with self._lock:
            self.watched.add(forked)

    def before(self) -> None:
        self._lock.acquire()
        self._resting = list(self.watched)
        for forked in self._resting:
            forked.before_fork()

    def after_in_parent(self) -> None:
        for forked in self._resting:
            forked.after_fork_in_parent()
        self._resting = []
        self._lock.release()

    def after_in_child(self) -> None:
        self._lock = threading.RLock()
        for forked in list(self.watched):
            forked.after_fork_in_child()
        self._resting = []


_forks = _Forks()
os.register_at_fork(before=_forks.before, after_in_parent=_forks.after_in_parent, after_in_child=_forks.after_in_child)

watch = _forks.watch
"""Tell an object of forks for as long as it lives."""
