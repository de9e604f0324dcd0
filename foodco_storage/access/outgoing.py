"""The shipments' books: which one is open, under whose name. All within a transaction of the caller."""

# ruff: noqa: S608 - what is put into statements are names of tables, of this package

from __future__ import annotations

import secrets
import socket
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from foodco_storage.access.database import KINDS

_FINGERPRINTS = Path("/proc/sys/kernel/random/boot_id"), Path("/etc/machine-id")


def this_place(connection: sqlite3.Connection) -> str:
    """Tells this database from copies of it: this host, and the file. One that is moved may be taken for a copy."""
    path = next(path for _, name, path in connection.execute("PRAGMA database_list") if name == "main")
    status = Path(path).stat()
    return f"{this_host()} {status.st_dev}:{status.st_ino}"


@cache
def this_host() -> str:
    """Tells this host from others: of its kernel's start, so that all its containers agree, and copies of it do not."""
    for path in _FINGERPRINTS:
        try:
            found = path.read_text("ascii").strip()
        except OSError:
            # Not Linux, or hidden by a sandbox.
            continue
        if found:
            return found
    return socket.gethostname()


def open_number(connection: sqlite3.Connection, now: float) -> int:
    """The open shipment, made if there is none.

    One that was begun in another place, a host or a file, is closed, and stays that place's: it keeps its names, so if the
    database is a copy and the original sends it as well, it counts once.
    """
    host = this_place(connection)
    found = connection.execute("SELECT number, host FROM shipments WHERE closed_at IS NULL").fetchone()
    if found is not None and found[1] == host:
        return int(found[0])
    if found is not None:
        connection.execute("UPDATE shipments SET closed_at = ? WHERE closed_at IS NULL", (now,))
    cursor = connection.execute(
        "INSERT INTO shipments (writer, host, opened_at) VALUES (?, ?, ?)", (_writer(connection, host), host, now)
    )
    return cursor.lastrowid or 0


def _writer(connection: sqlite3.Connection, host: str) -> str:
    if read_meta(connection, "host") != host:
        # Numbers go on, and the name is another: never two shipments of one name.
        write_meta(connection, "host", host)
        write_meta(connection, "writer", secrets.token_hex(8))
    return str(read_meta(connection, "writer"))


def is_waiting(connection: sqlite3.Connection) -> bool:
    """Whether there are closed shipments."""
    return connection.execute("SELECT 1 FROM shipments WHERE closed_at IS NOT NULL").fetchone() is not None


def close_due(connection: sqlite3.Connection, now: float, every_seconds: float) -> None:
    """Close the open shipment if it was opened so long ago; or later than now, where the clock was set back."""
    connection.execute(
        "UPDATE shipments SET closed_at = ? WHERE closed_at IS NULL AND NOT (opened_at <= ? AND opened_at > ?)",
        (now, now, now - every_seconds),
    )


def forget(connection: sqlite3.Connection, number: int) -> None:
    """Take away a shipment, and all that it holds."""
    for kind in KINDS:
        connection.execute(f"DELETE FROM out_{kind} WHERE number = ?", (number,))
    connection.execute("DELETE FROM parcels WHERE number = ?", (number,))
    connection.execute("DELETE FROM shipments WHERE number = ?", (number,))


def read_meta(connection: sqlite3.Connection, name: str) -> Any:
    """Something that is written down once; None where it was not."""
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return found[0] if found else None


def write_meta(connection: sqlite3.Connection, name: str, value: str | float | None) -> None:
    """Write something down."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
