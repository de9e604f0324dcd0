"""The statistics' database: its tables, and connections to it.

A connection is open only while `connected` runs, under one lock of the process, and so never during a fork: SQLite keeps,
once per process and file, which locks the process holds, and a child would inherit that knowledge without the locks
(https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_). To open and close it takes about 2 ms;
that is done every few seconds, in the background.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from foodco_storage.access import rows
from foodco_storage.access.prefixes import prefix_of
from foodco_storage.access.trouble import DATABASE, explained
from foodco_storage.database_files import BUSY_SECONDS, is_ready, prepare, transaction, write_ahead
from foodco_storage.errors import StatisticsError

logger = logging.getLogger("foodco_storage")

_LOG_BYTES = 16 << 20
"""Where the write-ahead log is longer, it is written into the database."""

APPLICATION_ID = 0x666F6163
"""Says in the file's header that it holds access statistics of ours."""

VERSION = 1
"""The version of the tables below; kept in the file's header."""


def _table(name: str, names: tuple[str, ...], sums: tuple[str, ...], rest: tuple[str, ...] = ()) -> str:
    columns = [f"{one} INTEGER NOT NULL" if one in {"number", "depth"} else f"{one} TEXT NOT NULL" for one in names]
    columns += [f"{one} REAL NOT NULL" for one in sums] + [f"{one} REAL" for one in rest]
    return f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(names)})) WITHOUT ROWID"


KINDS = {
    "accesses": (rows.ACCESS_NAMES, rows.ACCESS_SUMS, rows.ACCESS_LATEST),
    "traffic": (rows.TRAFFIC_NAMES, rows.TRAFFIC_SUMS, ()),
    "requests": (rows.REQUEST_NAMES, rows.REQUEST_SUMS, ()),
    "floors": (("day", "source"), ("floor",), ()),
}
"""Of each table that is shipped: what names a row, what is summed, and of what the latest is kept."""

_TABLES = (
    *(_table(name, *columns) for name, columns in KINDS.items()),
    # What is to be shipped: the same rows once more, by the number of their shipment.
    *(_table(f"out_{name}", ("number", *names), sums, latest) for name, (names, sums, latest) in KINDS.items()),
    _table("readers", rows.READER_NAMES, rows.READER_SUMS),
    # `closed_at` is null for the open one, `packed` is 1 once `parcels` has its objects.
    """CREATE TABLE shipments (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        writer TEXT NOT NULL,
        host TEXT NOT NULL,
        opened_at REAL NOT NULL,
        closed_at REAL,
        packed INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE TABLE parcels (number INTEGER NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (number, key))",
    """CREATE TABLE objects (
        bucket TEXT NOT NULL,
        key TEXT NOT NULL,
        size INTEGER NOT NULL,
        modified_at REAL,
        storage_class TEXT NOT NULL,
        seen_at REAL NOT NULL,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID""",
    # An inventory on its way: `load` says which.
    """CREATE TABLE arriving (
        load TEXT NOT NULL,
        key TEXT NOT NULL,
        size INTEGER NOT NULL,
        modified_at REAL,
        storage_class TEXT NOT NULL,
        begun_at REAL NOT NULL,
        PRIMARY KEY (load, key)
    ) WITHOUT ROWID""",
    "CREATE TABLE imported (name TEXT PRIMARY KEY, tag TEXT NOT NULL, day TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE VIEW told AS
        SELECT accesses.*, coalesce(floors.floor, 0.0) AS floor
        FROM accesses LEFT JOIN floors ON floors.day = accesses.day AND floors.source = accesses.source""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

_lock = threading.RLock()


@contextmanager
def connected(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a directory's database, made where it is not there; of this process the only one.

    Raises:
        StatisticsError: for whatever SQLite or the file system can't do in the block.
    """
    with _lock:
        try:
            prepare(directory, DATABASE, StatisticsError)
            connection = _connect(directory / DATABASE)
            try:
                yield connection
                if connection.total_changes:
                    _shorten_log(connection, directory / DATABASE)
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise explained(error, directory) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = _opened(path, BUSY_SECONDS)
    try:
        write_ahead(connection, path, StatisticsError)
        connection.execute("PRAGMA synchronous = NORMAL")
        # The last one to close does, and `_shorten_log`: automatic ones let others write meanwhile, which before SQLite
        # 3.51.3 could corrupt the database (https://www.sqlite.org/wal.html#walresetbug).
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # Once begun anew the log's file is cut, so that its size says how much there is to checkpoint.
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        # Kibibytes: for a flush of many keys.
        connection.execute("PRAGMA cache_size = -16384")
        connection.create_function("prefix_of", 2, prefix_of, deterministic=True)
        if not is_ready(connection, path, APPLICATION_ID, VERSION, StatisticsError):
            # Another process may be at it.
            with transaction(connection):
                if not is_ready(connection, path, APPLICATION_ID, VERSION, StatisticsError):
                    for statement in _TABLES:
                        connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(path: Path, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None)


def _shorten_log(connection: sqlite3.Connection, path: Path) -> None:
    """Checkpoint a long log, since while anybody has the database open no one is the last to close; nobody waits for it.

    Another connection begins to write meanwhile, and so nobody else can: who writes during a checkpoint could corrupt the
    database, and who writes next begins the log anew.
    """
    try:
        if path.with_name(f"{path.name}-wal").stat().st_size <= _LOG_BYTES:
            return
        with closing(_opened(path, 0.0)) as guard, transaction(guard):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except (sqlite3.Error, OSError) as error:
        # What was written is written: who called must not do it again. The next one tries.
        logger.debug("the log of access statistics stays long for now: %s", explained(error, path.parent))


def _before_fork() -> None:
    # Looked up then: a child has another.
    _lock.acquire()


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the child's thread has another identity, and could not release it
    _lock = threading.RLock()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
