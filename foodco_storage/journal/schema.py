"""The journal's database: its tables, and a connection to it."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from foodco_storage.database_files import BUSY_SECONDS, is_ready, transaction, write_ahead
from foodco_storage.errors import JournalError

APPLICATION_ID = 0x666F6F64
"""Says in the file's header that it is a journal of ours."""

VERSION = 1
"""The version of the tables below; kept in the file's header."""

# Owners: the journals that are, or were, open. Their lock files say whether their processes live.
_OWNERS = "CREATE TABLE owners (number INTEGER PRIMARY KEY)"

# `owner` is the number of an existing owner, or null: deferred. Numbers are never used again, so that settling one twice
# can't hit another entry. Times are seconds since the epoch. Keys are bytes: a `str` may hold what is no Unicode text.
_ENTRIES = """CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER,
    route TEXT NOT NULL,
    identity TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    tags INTEGER NOT NULL,
    entered REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    failed REAL NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT ''
)"""

# Partial: an entry that is settled by who entered it, as nearly every one is, never touches it.
_DEFERRED = "CREATE INDEX deferred ON entries (identity, due) WHERE owner IS NULL"

# Counting a million rows takes long, and every write asks how many there are.
_TALLY = "CREATE TABLE tally (identity TEXT PRIMARY KEY, entries INTEGER NOT NULL) WITHOUT ROWID"
_TALLY_UP = """CREATE TRIGGER tally_up AFTER INSERT ON entries BEGIN
    INSERT INTO tally VALUES (NEW.identity, 1) ON CONFLICT (identity) DO UPDATE SET entries = entries + 1;
END"""
_TALLY_DOWN = """CREATE TRIGGER tally_down AFTER DELETE ON entries BEGIN
    UPDATE tally SET entries = entries - 1 WHERE identity = OLD.identity;
END"""

_TABLES = (
    _OWNERS,
    _ENTRIES,
    _DEFERRED,
    _TALLY,
    _TALLY_UP,
    _TALLY_DOWN,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

# Short: who can't be waited for now is waited for next time.
_CHECKPOINT_WAIT_MILLISECONDS = 100


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, an existing file; fill it with tables if it is empty. The connection is for any thread.

    Raises:
        JournalError: when it is another program's, a newer version's, or on a file system that can't share memory.
        sqlite3.Error: when it is no database, or can't be used.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        write_ahead(connection, path, JournalError)
        connection.execute("PRAGMA synchronous = NORMAL")
        # By `checkpoint` instead.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # Another process may be about to make the tables: looked at in one transaction, or a part of them could be seen.
        with transaction(connection):
            if not is_ready(connection, path, APPLICATION_ID, VERSION, JournalError):
                for statement in _TABLES:
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def checkpoint(connection: sqlite3.Connection) -> None:
    """Move what the log holds into the database. Syncs; a failure means that it is done later.

    SQLite's automatic checkpoints let others write meanwhile, and before 3.51.3 could corrupt the database if the log was
    begun anew just then (https://www.sqlite.org/wal.html#walresetbug). This one keeps writers out for its milliseconds.
    """
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT_MILLISECONDS}")
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
