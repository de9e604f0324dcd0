"""What is sent to a telemetry bucket: everything that was added to the store, once.

What is added goes into the open shipment in the same transaction. One that is due is closed, and changes no more; it is
packed into objects, which are kept until each was put. So a crash at any point leaves either rows of an open shipment, or
rows that are packed anew, or objects that are put again: the same bytes under the same keys.

Keys are `{prefix}v1/{table}/date={closing date}/{writer}-{number}.jsonl.gz` or `.parquet`, the number with ten digits. Who
reads them takes each `{writer}-{number}` of a table once, wherever it lies (`foodco_storage.access.fleet`).
"""

# ruff: noqa: S608 - what is put into statements are names of tables and columns, of this package

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime

from foodco_storage.access.database import KINDS
from foodco_storage.access.formats import SUFFIXES, Format, encode, must_have_pyarrow
from foodco_storage.access.outgoing import close_due, forget, is_waiting, read_meta, write_meta
from foodco_storage.access.store import Store
from foodco_storage.database_files import transaction

logger = logging.getLogger("foodco_storage")

LEASE_SECONDS = 120.0
"""So long others leave it to a process that ships, after its last object."""


class Shipments:
    """Ships what a store holds.

    Args:
        store: made with `ships`.
        put: puts an object into the telemetry bucket, over what lies there, or raises. It is given the key and the bytes.
        prefix: of all keys.
        every_seconds: shipments are closed so long after they were opened; a process that ends ships what there is.
        form: `jsonl` or `parquet`.
        max_pending: so many closed shipments are kept while none can be put; then the oldest is dropped.

    Raises:
        ModuleNotFoundError: Parquet needs pyarrow.
    """

    def __init__(
        self,
        store: Store,
        put: Callable[[str, bytes], None],
        *,
        prefix: str = "",
        every_seconds: float = 3600.0,
        form: Format = "jsonl",
        max_pending: int = 336,
    ) -> None:
        if form == "parquet":
            must_have_pyarrow()
        self._store = store
        self._put = put
        self._prefix = prefix
        self._every_seconds = every_seconds
        self._form = form
        self._max_pending = max_pending
        self._holder = secrets.token_hex(8)

    def ship(self, *, everything: bool = False, until: float | None = None) -> int:
        """Close what is due, and put what is closed; nothing where another process of this host is at it.

        Args:
            everything: close the open shipment even if it is not due, once no closed one waits: where none can be put, as
                many processes as may end make no more of them than there would be anyway.
            until: nothing is packed and no object begun after that, in seconds of `time.monotonic`; None for no end.

        Returns:
            How many objects were put.

        Raises:
            StatisticsError: the store can't be used.
            Exception: whatever `put` raises; what was not put is put the next time.
        """
        with self._store.change() as connection:
            close_due(connection, self._store.clock(), self._every_seconds)
            if everything:
                self._close_unless_waiting(connection)
            self._drop_excess(connection)
            if not self._is_ours(connection):
                return 0
        try:
            count = self._send(until)
            if everything and self._close_the_rest(until):
                count += self._send(until)
            return count
        finally:
            with self._store.change() as connection:
                if self._holder == read_meta(connection, "shipper"):
                    write_meta(connection, "shipper", None)

    def pending(self) -> tuple[int, int]:
        """How many closed shipments wait, and how many were dropped so far."""
        with self._store.use() as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM shipments WHERE closed_at IS NOT NULL").fetchone()
            return int(waiting), int(read_meta(connection, "dropped") or 0)

    def lag_seconds(self) -> float:
        """The age of the oldest closed shipment that waits; 0 where none does."""
        with self._store.use() as connection:
            (oldest,) = connection.execute("SELECT min(closed_at) FROM shipments").fetchone()
        return 0.0 if oldest is None else max(0.0, self._store.clock() - oldest)

    def _close_unless_waiting(self, connection: sqlite3.Connection) -> bool:
        if is_waiting(connection):
            return False
        close_due(connection, self._store.clock(), 0.0)
        return is_waiting(connection)

    def _close_the_rest(self, until: float | None) -> bool:
        """Close what came while others waited, and is left open; whether there is something to send."""
        if _is_over(until):
            return False
        with self._store.change() as connection:
            return self._close_unless_waiting(connection) and self._is_ours(connection)

    def _send(self, until: float | None) -> int:
        while not _is_over(until) and self._pack_one():
            pass
        return self._put_all(until)

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Take or keep the lease. Without it nothing would be wrong: two would put the same objects."""
        now = self._store.clock()
        holder, until = read_meta(connection, "shipper"), read_meta(connection, "shipping_until") or 0.0
        # One that lasts longer than any was taken before the clock was set back.
        if holder not in {None, self._holder} and now < until <= now + LEASE_SECONDS:
            return False
        write_meta(connection, "shipper", self._holder)
        write_meta(connection, "shipping_until", now + LEASE_SECONDS)
        return True

    def _drop_excess(self, connection: sqlite3.Connection) -> None:
        excess = connection.execute(
            "SELECT number FROM shipments WHERE closed_at IS NOT NULL ORDER BY number DESC LIMIT -1 OFFSET ?",
            (self._max_pending,),
        ).fetchall()
        for (number,) in excess:
            forget(connection, number)
        if excess:
            write_meta(connection, "dropped", int(read_meta(connection, "dropped") or 0) + len(excess))
            logger.warning(
                "%d shipments of access statistics were dropped: %d others wait for the telemetry bucket",
                len(excess),
                self._max_pending,
            )

    def _pack_one(self) -> bool:
        """Make the objects of a closed shipment; whether there was one."""
        with self._store.use() as connection:
            found = connection.execute(
                "SELECT number, writer, closed_at FROM shipments WHERE closed_at IS NOT NULL AND NOT packed LIMIT 1"
            ).fetchone()
            if found is None:
                return False
            number, writer, closed_at = found
            date = datetime.fromtimestamp(closed_at, UTC).strftime("%Y-%m-%d")
            # They don't change, so it is no transaction: others can write while they are packed.
            parcels = []
            for table, (names, sums, latest) in KINDS.items():
                rows = connection.execute(
                    f"SELECT {', '.join((*names, *sums, *latest))}, ?, number FROM out_{table} WHERE number = ? "
                    f"ORDER BY {', '.join(names)}",
                    (writer, number),
                ).fetchall()
                if rows:
                    key = f"v1/{table}/date={date}/{writer}-{number:010d}{SUFFIXES[self._form]}"
                    parcels.append((number, key, encode(table, rows, self._form)))
            with transaction(connection):
                marked = connection.execute(
                    "UPDATE shipments SET packed = 1 WHERE number = ? AND NOT packed", (number,)
                )
                # Otherwise another process has packed it meanwhile.
                if marked.rowcount:
                    connection.executemany("INSERT INTO parcels VALUES (?, ?, ?)", parcels)
                    for table in KINDS:
                        connection.execute(f"DELETE FROM out_{table} WHERE number = ?", (number,))
        return True

    def _put_all(self, until: float | None) -> int:
        count = 0
        after = (-1, "")
        while not _is_over(until):
            with self._store.use() as connection:
                found = connection.execute(
                    "SELECT number, key, data FROM parcels WHERE (number, key) > (?, ?) ORDER BY number, key LIMIT 1",
                    after,
                ).fetchone()
            if found is None:
                break
            number, key, data = found
            self._put(self._prefix + key, data)
            count += 1
            after = number, key
            with self._store.change() as connection:
                connection.execute("DELETE FROM parcels WHERE (number, key) = (?, ?)", after)
                if connection.execute("SELECT 1 FROM parcels WHERE number = ?", (number,)).fetchone() is None:
                    forget(connection, number)
                if not self._is_ours(connection):
                    break
        return count


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until
