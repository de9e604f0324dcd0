"""What the library's SQLite databases have in common: a directory of the user's own, a write-ahead log, a header of ours.

Each is in a directory that all processes of a host share, and has an error of its own, made of the directory and what is
wrong with it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Trouble = Callable[[str, str], Exception]
"""Makes the database's error, given its directory, and what is wrong and the fix."""

BUSY_SECONDS = 5.0
"""How long to wait for a transaction of another process. They take some milliseconds."""

_A_FILE = "it is a file: name another directory"
_FULL = "the disk is full: make room on it"
_READ_ONLY = "it can't be written: let this process's user write there, or name another directory"
_LOCKED = (
    f"another process has kept it locked for {BUSY_SECONDS:.0f} s: look for one that is stopped, or for a program that "
    "has the database open"
)

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_IOERR: "reading or writing failed: look at the disk, its quota and the limit on the size of files",
}
_DAMAGES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOTDIR: "a part of its path is a file: name another directory",
}


def problem_of(error: sqlite3.Error | OSError, database: str, if_damaged: str) -> str:
    """What is wrong, and what an operator can do about it.

    Args:
        error: what SQLite or the system said.
        database: the file's name.
        if_damaged: what to do where it is damaged.
    """
    problem: str | None
    if isinstance(error, OSError):
        problem = _BY_ERRNO.get(error.errno or 0)
    elif code(error) in _DAMAGES:
        problem = f"{database} is damaged, or no database: {if_damaged}"
    elif code(error) == sqlite3.SQLITE_CANTOPEN:
        problem = f"{database} can't be opened: look at its permissions and at the limit on open files"
    else:
        problem = _BY_SQLITE_CODE.get(code(error))
    return f"{problem} ({error})" if problem else f"it can't be used: {error}"


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is Python's own."""
    # The upper bits say more: which read or write it was.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def prepare(directory: Path, database: str, trouble: Trouble) -> None:
    """Make what is not there: the directory for its owner only, the database's file as well.

    Raises:
        Exception: `trouble`'s, when others could write to it.
        OSError: when it can't be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise trouble(str(directory), _A_FILE) from error
    judge(directory, trouble)
    with suppress(FileExistsError):
        # Not by opening it: closing any descriptor of the file would drop the locks that SQLite, in another thread, holds on
        # it. SQLite gives its log the same permissions.
        os.mknod(directory / database, 0o600 | stat.S_IFREG)


def judge(directory: Path, trouble: Trouble) -> None:
    """Look at a directory that is there.

    Raises:
        Exception: `trouble`'s, when it is none, or others could write to it.
        OSError: when it can't be looked at.
    """
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise trouble(str(directory), _A_FILE)
    if status.st_uid != os.geteuid():
        problem = (
            f"it belongs to user {status.st_uid}, and this process is user {os.geteuid()}: name a directory that this user "
            "alone has, or one that is not there yet"
        )
        raise trouble(str(directory), problem)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = (
            f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}): `chmod go-w` it, or name one below it that "
            "is not there yet"
        )
        raise trouble(str(directory), problem)


def write_ahead(connection: sqlite3.Connection, path: Path, trouble: Trouble) -> None:
    """Have a database keep a write-ahead log.

    Raises:
        Exception: `trouble`'s, on a file system that can't share memory.
        sqlite3.Error: it can't be used.
    """
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            # Where several processes open a new file at once, SQLite does not wait by itself here.
            if code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise trouble(str(path.parent), "its file system can't share memory: name a directory on a local disk")


def is_ready(connection: sqlite3.Connection, path: Path, application_id: int, known: int, trouble: Trouble) -> bool:
    """Whether a database has its tables; not where it is empty.

    Args:
        connection: to it.
        path: its file.
        application_id: says in the file's header whose it is.
        known: the newest version of the tables that this code knows.
        trouble: makes the error.

    Raises:
        Exception: `trouble`'s, when it is another program's, or a newer version's.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != application_id:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) != (0, 0, 0):
            raise trouble(str(path.parent), f"{path.name} is another program's database: name another directory")
    if version > known:
        problem = (
            f"it was made by a newer version of foodco_storage (version {version} of the tables, this one knows {known}): "
            "update this one, or name another directory"
        )
        raise trouble(str(path.parent), problem)
    return bool(version)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that writes; within one, a part of it."""
    if connection.in_transaction:
        # A finalizer that the garbage collector ran in the midst of this thread's transaction.
        yield
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have done so by itself.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
