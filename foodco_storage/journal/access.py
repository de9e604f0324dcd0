"""An open journal's access to its directory: the connection, shared by all threads, and the proof that it is alive."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foodco_storage.database_files import prepare, transaction
from foodco_storage.errors import JournalError
from foodco_storage.journal import forks
from foodco_storage.journal.owners import Owner, forget
from foodco_storage.journal.schema import checkpoint, connect
from foodco_storage.journal.trouble import DATABASE, explained

OWNERS = "owners"
"""The directory of the owners' lock files."""

# About a thousand pages of the log, SQLite's own measure. A checkpoint takes some milliseconds, mostly syncing.
_CHECKPOINT_ROWS = 300

_unclosable: list[sqlite3.Connection] = []
"""Kept, since to be forgotten closes a connection."""


class Access:
    """Opens at the first use, and again at the first one after a fork.

    Args:
        directory: the journal's.
    """

    def __init__(self, directory: Path) -> None:
        # Opened again later, from whatever working directory.
        self.directory = directory.absolute()
        self.owners = self.directory / OWNERS
        self._database = self.directory / DATABASE
        # One connection and a lock, not one for each thread: threads that wait for SQLite's own lock sleep for milliseconds.
        # Reentrant: the garbage collector may run a finalizer that uses the journal while this thread does.
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._owner: Owner | None = None
        self.is_closed = False
        self._refusal: str | None = None
        self._written = 0
        self.pid = os.getpid()
        self.unsettled: set[int] = set()
        """Entries that could not be settled when it was asked for."""
        self.undeferred: dict[int, str] = {}
        """Entries that could not be deferred, and why they are to be."""
        forks.watch(self)

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time.

        Raises:
            JournalError: for whatever SQLite or the file system can't do in the block.
        """
        with self._lock:
            if self._refusal is not None:
                raise JournalError(str(self.directory), self._refusal)
            try:
                yield self._connected()
            except (sqlite3.Error, OSError) as error:
                raise explained(error, self.directory) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._open()
        else:
            self._must_be_there()
        assert self._connection is not None  # noqa: S101 - for mypy
        return self._connection

    def _open(self) -> None:
        prepare(self.directory, DATABASE, JournalError)
        connection = connect(self._database)
        try:
            found = self._must_be_there()
            if self._owner is None:
                self.become_owner(connection)
            # Processes that end after a few entries leave their log to the next one.
            checkpoint(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._file = connection, found

    def _must_be_there(self) -> tuple[int, int]:
        """Which file the database is; it must be the same as ever: what goes into a removed one is durable nowhere."""
        with suppress(FileNotFoundError):
            status = os.stat(self._database)  # noqa: PTH116 - on the way of every write
            found = status.st_dev, status.st_ino
            if self._file in {None, found}:
                return found
        raise JournalError(
            str(self.directory), "its database was removed or replaced while in use: start this process again"
        )

    @property
    def owner(self) -> Owner:
        """The owner of what this journal enters and takes. For use in a block of `use`."""
        assert self._owner is not None  # noqa: S101 - for mypy
        return self._owner

    def become_owner(self, connection: sqlite3.Connection) -> None:
        """Be an owner, or another one where the former was taken for dead: somebody removed its file."""
        owner = Owner(self.owners)
        try:
            owner.record(connection)
        except BaseException:
            owner.remove()
            raise
        if self._owner is not None:
            self._owner.remove()
        self._owner = owner

    def wrote(self, connection: sqlite3.Connection, rows: int) -> None:
        """Tell of rows that were written, so that the log does not grow for ever."""
        self._written += rows
        if self._written >= _CHECKPOINT_ROWS:
            self._written = 0
            checkpoint(connection)

    def close(self, now: float) -> None:
        """Close it for good, and leave what it owns to others; nothing happens if it is closed."""
        with self._lock:
            if self._refusal is None and self._owner is not None:
                # If it fails, they learn from the lock, which ends below.
                with suppress(JournalError), self.use() as connection:
                    with transaction(connection):
                        forget(connection, [self.owner.number], now)
                    self.owner.remove()
            if self._owner is not None:
                self._owner.close()
            self._owner = None
            self._disconnect()
            self._refusal = self._refusal or "it is closed: make another client"
            self.is_closed = True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def before_fork(self) -> None:
        """Close the connection, and let no thread open another until the fork is over."""
        self._lock.acquire()
        self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Be another owner, at the next use."""
        self.pid = os.getpid()
        if self._connection is not None:
            # Forked behind Python's back, as uWSGI does. Closing is harmless if nobody was in the midst of using it.
            if self._lock.acquire(blocking=False):
                self._disconnect()
            else:
                _unclosable.append(self._connection)
                self._connection = None
                self._refusal = "the process was forked, not by Python, while it was in use: fork before making clients"
        self._lock = threading.RLock()
        self._file = None
        self.unsettled, self.undeferred = set(), {}
        if self._owner is not None:
            self._owner.close()
            self._owner = None
