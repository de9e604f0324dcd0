"""The journal itself: entries go in, are settled, or are left to be taken."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from foodco_storage.database_files import transaction
from foodco_storage.errors import JournalError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import statements
from foodco_storage.journal.access import Access
from foodco_storage.journal.owners import release_dead
from foodco_storage.journal.rows import Row, Summary, Taken

MAX_BACKOFF_SECONDS = 60.0
"""How long an entry whose reconciling failed again and again is left alone; the first time it is one second."""

_MAX_WHY = 1000


class Journal:
    """The writes whose two sides may differ, on this host.

    For any number of threads and processes at once. An entry belongs to the journal that entered or took it, until it is
    settled or deferred, or until that journal is closed or its process dead; then `take` gives it to somebody else.

    Every method waits up to 5 seconds for other processes' transactions, and raises `JournalError` when the directory can't
    be used: a full disk, no permission, a damaged file, a journal that is closed. What fails has then not been done, and
    nothing else is lost.

    Args:
        directory: where it lies, on a local disk; made, for this user only, if it is not there.
        max_entries: how many unfinished writes of all processes are too many.
        clock: seconds since the epoch.

    Raises:
        JournalError: when the directory can't be used, is another user's, could be written by others, or holds something
            else or a newer version's journal. That it can be written has been tried out.
    """

    def __init__(
        self, directory: Path, *, max_entries: int = 1_000_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._access = Access(directory)
        try:
            with self._access.use():
                pass
        except BaseException:
            self.close()
            raise

    def enter(self, entries: Sequence[Entry]) -> tuple[int, ...]:
        """Write down what may differ from now on: all of it or, when it raises, nothing.

        Durable on return: it survives the death of the process. The last entries before a loss of power may be lost.

        Returns:
            The entries' numbers, in order.

        Raises:
            JournalError: also when there would be more than `max_entries`.
        """
        with self._access.use() as connection:
            if len(entries) == 1:
                return (self._insert(connection, entries[0]),)
            with transaction(connection):
                return tuple([self._insert(connection, entry) for entry in entries])

    def _insert(self, connection: sqlite3.Connection, entry: Entry) -> int:
        values = (*_values(entry), self._clock())
        for _ in range(2):
            cursor = connection.execute(statements.ENTER, (*values, self._access.owner.number, self._max_entries))
            if cursor.rowcount == 1:
                return cursor.lastrowid or 0
            if self._access.owner.is_recorded(connection):
                break
            self._access.become_owner(connection)
        raise JournalError(
            str(self._access.directory),
            f"it holds {self._max_entries} unfinished writes, as many as it may: see why they are not reconciled, or raise "
            "max_entries",
        )

    def settle(self, numbers: Sequence[int]) -> None:
        """Take entries out: both sides were seen to be equal after they were entered, or nothing was changed.

        Numbers that are not there are ignored; whose the entries are does not matter.

        Raises:
            JournalError: the entries are still there, and are settled by the next `take` of this journal. No reason to
                fail a write that was acknowledged.
        """
        try:
            with self._access.use() as connection:
                self._settle(connection, numbers)
                self._access.wrote(connection, len(numbers))
        except JournalError:
            self._access.unsettled.update(numbers)
            raise

    def _settle(self, connection: sqlite3.Connection, numbers: Collection[int]) -> None:
        _for_each(connection, statements.SETTLE, [(number,) for number in numbers])

    def defer(self, numbers: Sequence[int], why: str = "") -> None:
        """Leave entries to `take`, this journal's or another's.

        They may be taken at once, or, where `why` is given, after a while: 1 second when it is the first time, twice as long
        each time, at most 60 seconds. Numbers that are not there, or that another journal has taken, are ignored.

        Args:
            numbers: the entries'.
            why: what went wrong, for operators; kept up to 1000 characters.

        Raises:
            JournalError: the entries are still this journal's, and are deferred by its next `take`.
        """
        try:
            with self._access.use() as connection:
                self._defer(connection, numbers, why)
                self._access.wrote(connection, len(numbers))
        except JournalError:
            self._access.undeferred.update(dict.fromkeys(numbers, why))
            raise

    def _defer(self, connection: sqlite3.Connection, numbers: Collection[int], why: str) -> None:
        values = {
            "now": self._clock(),
            "owner": self._access.owner.number,
            "longest": MAX_BACKOFF_SECONDS,
            "why": why[:_MAX_WHY].encode("utf-8", "replace").decode(),
        }
        _for_each(
            connection,
            statements.DEFER_FAILED if why else statements.DEFER,
            [{**values, "number": number} for number in numbers],
        )

    def take(self, identities: Collection[str], limit: int = 100) -> list[Taken]:
        """Claim entries that nobody works on: deferred ones that are due, and those of dead owners.

        Settle or defer each of them. Those that have been due longest come first.

        Args:
            identities: of the routes that the caller can reconcile.
            limit: how many at most.
        """
        with self._access.use() as connection:
            self._catch_up(connection)
            release_dead(connection, self._access.owners, self._access.owner.number, self._clock())
            # Looking needs no lock; mostly there is nothing.
            if not self._due(connection, identities, 1):
                return []
            with transaction(connection):
                due = self._due(connection, identities, limit)
                if not self._access.owner.is_recorded(connection):
                    self._access.become_owner(connection)
                owner = self._access.owner.number
                connection.executemany(statements.CLAIM, [(owner, number) for _, number, *_ in due])
            return [Taken(number, _entry(values), attempts, entered) for _, number, attempts, entered, *values in due]

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """Do what could not be done when it was asked for."""
        access = self._access
        if access.unsettled or access.undeferred:
            # Other threads may add to them meanwhile.
            unsettled, undeferred = list(access.unsettled), list(access.undeferred.items())
            with transaction(connection):
                self._settle(connection, unsettled)
                for number, why in undeferred:
                    self._defer(connection, [number], why)
            access.unsettled.difference_update(unsettled)
            for number, _ in undeferred:
                access.undeferred.pop(number, None)

    def _due(self, connection: sqlite3.Connection, identities: Collection[str], limit: int) -> list[Any]:
        now = self._clock()
        # Nothing is ever deferred for longer: what is due later than that was deferred before the clock was set back.
        spans = (-math.inf, now), (now + MAX_BACKOFF_SECONDS, math.inf)
        found = [
            row
            for identity in set(identities)
            for after, until in spans
            for row in connection.execute(statements.DUE, (identity, after, until, limit)).fetchall()
        ]
        return sorted(found)[:limit]

    def depth(self, identity: str | None = None) -> int:
        """How many entries there are, of one route's identity or of all. Cheap."""
        with self._access.use() as connection:
            (depth,) = connection.execute(statements.DEPTH, {"identity": identity}).fetchone()
            return int(depth)

    def summary(self) -> list[Summary]:
        """What there is, by route: for operators. Looks at every entry."""
        with self._access.use() as connection:
            now = self._clock()
            return [
                Summary(route, identity, entries, deferred, max(0.0, now - entered), last_error)
                for route, identity, entries, deferred, entered, last_error in connection.execute(
                    statements.SUMMARY
                ).fetchall()
            ]

    def entries(self, route: str | None = None, limit: int = 100) -> list[Row]:
        """The oldest entries, of one route or of all: for operators."""
        with self._access.use() as connection:
            now = self._clock()
            found = connection.execute(statements.ROWS, {"route": route, "limit": limit}).fetchall()
        return [
            Row(
                number=number,
                entry=_entry(columns),
                deferred=bool(deferred),
                age_seconds=max(0.0, now - entered),
                due_seconds=max(0.0, due - now) if deferred else 0.0,
                attempts=attempts,
                last_error=last_error,
            )
            for number, deferred, entered, due, attempts, last_error, *columns in found
        ]

    def after_fork(self) -> None:
        """In a forked child: leave connection, lock and entries to the parent.

        Forks by way of Python (`os.fork`, multiprocessing) are seen anyway, and cost the parent a new connection.
        """
        if self._access.pid != os.getpid():
            self._access.after_fork_in_child()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._access.is_closed

    def close(self) -> None:
        """Leave everything that is this journal's to others. Nothing happens if it is closed."""
        self._access.close(self._clock())


def _for_each(connection: sqlite3.Connection, statement: str, values: list[Any]) -> None:
    if len(values) == 1:
        # A transaction by itself, and half the time.
        connection.execute(statement, values[0])
    elif values:
        with transaction(connection):
            connection.executemany(statement, values)


def _values(entry: Entry) -> tuple[str, str, str, bytes, bool]:
    return entry.route, entry.identity, entry.bucket, entry.key.encode("utf-8", "surrogatepass"), entry.tags


def _entry(values: Sequence[Any]) -> Entry:
    route, identity, bucket, key, tags = values
    return Entry(route, identity, bucket, key.decode("utf-8", "surrogatepass"), bool(tags))
