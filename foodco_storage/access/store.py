"""The store: access statistics of a host, in one directory that all its processes share."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from foodco_storage.access.database import connected
from foodco_storage.access.merging import ADD_READERS, Merging, with_service
from foodco_storage.access.outgoing import open_number
from foodco_storage.access.prefixes import as_text
from foodco_storage.access.rows import LIBRARY, AccessRow, Batch, Counts, Day, ObjectRow, ReaderRow, added, counts
from foodco_storage.database_files import transaction
from foodco_storage.errors import StatisticsError

_AT_ONCE = 10_000
"""Objects of an inventory in a transaction: others wait meanwhile."""

_ABANDONED_SECONDS = 86_400.0
"""What is left of an inventory that has been on its way for longer is taken away."""


class Store:
    """Statistics of all processes of a host; for any number of threads and processes at once.

    Nothing is open between calls. Every method waits up to 5 seconds for other processes' transactions.

    Args:
        directory: on a local disk; made, for this user only, if it is not there.
        max_keys: so many keys are told apart for each day and source, at least; of lighter ones only the prefixes. There are
            up to twice as many rows.
        retention_days: older days are forgotten.
        ships: whether what is added is to be shipped too (`foodco_storage.access.shipments`).
        clock: seconds since the epoch.

    Raises:
        StatisticsError: by every method: the directory can't be used, is another user's, could be written by others, or
            holds something else. What fails has then not been done, and nothing else is lost.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_keys: int = 100_000,
        retention_days: int = 90,
        ships: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Opened again and again, from whatever working directory.
        self.directory = directory.absolute()
        self.retention_days = retention_days
        self.clock = clock
        self._max_keys = max_keys
        self._ships = ships

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """A connection to the database, for questions. Others can read and write meanwhile; this process's threads wait."""
        with connected(self.directory) as connection:
            yield connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """The same, in one transaction that writes."""
        with connected(self.directory) as connection, transaction(connection):
            yield connection

    def add(self, batch: Batch, service: str) -> None:
        """Add what a process has seen: all of it or, when it raises, nothing.

        Args:
            batch: a window's.
            service: what the program is called.
        """
        if not batch:
            return
        service = as_text(service)
        with self.change() as connection:
            self._add(Merging(connection, self._max_keys), batch, service)
            if self._ships:
                number = open_number(connection, self.clock())
                self._add(Merging(connection, self._max_keys, number), batch, service)
            self._forget_old(connection)

    def _add(self, merging: Merging, batch: Batch, service: str) -> None:
        for day, seen in batch.days.items():
            merging.add_day(day, LIBRARY, seen)
        if batch.traffic:
            merging.add_traffic(with_service(batch.traffic, service))
        if batch.requests:
            merging.add_requests(with_service(batch.requests, service))

    def add_accesses(
        self,
        rows: Iterable[AccessRow],
        source: str,
        name: str,
        tag: str,
        readers: Iterable[ReaderRow] = (),
    ) -> bool:
        """Add what another record tells, a log for one, once: it and the mark are written in one transaction.

        It is not shipped: several hosts may read the same logs.

        Args:
            rows: what was done; of one key and day there may be several.
            source: what the record is, `server log`; not `library`.
            name: of the record, never the same for two.
            tag: tells whether it has changed: its ETag, or its size.
            readers: who did it.

        Returns:
            Whether it was added; False where it was before.

        Raises:
            StatisticsError: also where it was added before and has changed since.
        """
        days: dict[str, dict[tuple[str | None, str | None, str, int], Counts]] = defaultdict(dict)
        for row in rows:
            key = row.route, row.bucket, row.key, row.depth
            before = days[row.day].setdefault(key, more := counts(row))
            if before is not more:
                added(before, more)
        with self.change() as connection:
            known = self._imported(connection, name)
            if known is not None:
                if known == tag:
                    return False
                raise StatisticsError(
                    str(self.directory),
                    f"{name} was read before, and has changed since ({known!r}, now {tag!r}): leave it out",
                )
            merging = Merging(connection, self._max_keys)
            for day, seen in days.items():
                merging.add_day(day, source, Day(seen))
            connection.executemany(
                ADD_READERS,
                [
                    (r.day, *map(as_text, (r.bucket, r.requester, r.agent, r.operation)), r.operations, r.size)
                    for r in readers
                ],
            )
            connection.execute("INSERT INTO imported VALUES (?, ?, ?)", (as_text(name), tag, self.today()))
            self._forget_old(connection)
        return True

    def imported(self, name: str) -> str | None:
        """The tag under which a record was added; None where it was not."""
        with self.use() as connection:
            return self._imported(connection, name)

    def _imported(self, connection: sqlite3.Connection, name: str) -> str | None:
        found = connection.execute("SELECT tag FROM imported WHERE name = ?", (as_text(name),)).fetchone()
        return found[0] if found else None

    def replace_objects(self, bucket: str, objects: Iterable[ObjectRow], seen_at: float) -> int:
        """Replace what is known of the objects in a bucket: all of it or, when it raises, nothing.

        Args:
            bucket: as callers say it, to be found again by those names.
            objects: all that are there, as many as you like: they are not held in memory.
            seen_at: when they were seen there, in seconds since the epoch.

        Returns:
            How many there are.
        """
        load = secrets.token_hex(8)
        try:
            coming = iter(objects)
            # Not within a transaction: making them may take long.
            while some := list(islice(coming, _AT_ONCE)):
                values = [
                    (load, as_text(one.key), one.size, one.modified_at, one.storage_class, self.clock()) for one in some
                ]
                with self.change() as connection:
                    connection.executemany("INSERT OR REPLACE INTO arriving VALUES (?, ?, ?, ?, ?, ?)", values)
            with self.change() as connection:
                connection.execute("DELETE FROM objects WHERE bucket = ?", (bucket,))
                cursor = connection.execute(
                    "INSERT INTO objects SELECT ?, key, size, modified_at, storage_class, ? FROM arriving WHERE load = ?",
                    (bucket, seen_at, load),
                )
                connection.execute("DELETE FROM arriving WHERE load = ?", (load,))
                return cursor.rowcount
        except BaseException:
            with self.change() as connection:
                connection.execute("DELETE FROM arriving WHERE load = ?", (load,))
            raise

    def today(self, days_ago: int = 0) -> str:
        """The UTC date, `YYYY-MM-DD`, so many days ago."""
        return (datetime.fromtimestamp(self.clock(), UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d")

    def _forget_old(self, connection: sqlite3.Connection) -> None:
        first = self.today(self.retention_days - 1)
        for table in ("accesses", "floors", "traffic", "requests", "readers", "imported"):
            connection.execute(f"DELETE FROM {table} WHERE day < ?", (first,))  # noqa: S608 - a table's name
        connection.execute("DELETE FROM arriving WHERE begun_at < ?", (self.clock() - _ABANDONED_SECONDS,))
