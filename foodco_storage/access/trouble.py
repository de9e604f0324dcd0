"""What went wrong with the statistics' files, and what an operator can do about it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from foodco_storage.errors import StatisticsError

BUSY_SECONDS = 5.0
"""How long to wait for a transaction of another process. They take some milliseconds."""

_FULL = "the disk is full: make room on it"
_READ_ONLY = "it can't be written: let this process's user write there, or name another directory"
_LOCKED = (
    f"another process has kept it locked for {BUSY_SECONDS:.0f} s: look for one that is stopped, or for a program that "
    "has the database open"
)
_DAMAGED = "access.sqlite3 is damaged, or no database: move it away; statistics begin anew"
_FAILING = "reading or writing failed: look at the disk, its quota and the limit on the size of files"
_UNOPENABLE = "access.sqlite3 can't be opened: look at its permissions and at the limit on open files"

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _FAILING,
    sqlite3.SQLITE_CANTOPEN: _UNOPENABLE,
}
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOTDIR: "a part of its path is a file: name another directory",
}


def explained(error: sqlite3.Error | OSError, directory: Path) -> StatisticsError:
    """The error to raise from `error`."""
    problem = _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else _BY_SQLITE_CODE.get(code(error))
    return StatisticsError(str(directory), f"{problem} ({error})" if problem else f"it can't be used: {error}")


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is Python's own."""
    # The upper bits say more: which read or write it was.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
