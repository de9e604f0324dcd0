"""Who is alive: every open journal holds an exclusive lock on a file of its own.

The kernel drops the lock when the process dies, however it dies: unlike a process id, it can't come to mean another
process, and it means the same in every container that shares the directory.

A lock (`flock`) belongs to the open file, which a forked child shares: the child must close its copy, and never unlock.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Collection
from contextlib import ExitStack, suppress
from io import FileIO
from itertools import islice
from pathlib import Path

from foodco_storage.database_files import transaction
from foodco_storage.journal import statements

# Each one holds a file open; the rest comes next time.
_MAX_DEAD_AT_ONCE = 64


class Owner:
    """The proof that a journal is open.

    Args:
        directory: of the lock files; made if it is not there.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self.number, self._file = _lock_new_file(directory)
        self._path = _path(directory, self.number)

    def record(self, connection: sqlite3.Connection) -> None:
        """Let the database know it."""
        connection.execute("INSERT INTO owners VALUES (?)", (self.number,))

    def is_recorded(self, connection: sqlite3.Connection) -> bool:
        """Whether nobody took it for dead."""
        return connection.execute("SELECT 1 FROM owners WHERE number = ?", (self.number,)).fetchone() is not None

    def close(self) -> None:
        """Be dead; in a forked child, leave the parent alive."""
        self._file.close()

    def remove(self) -> None:
        """Be dead, and leave no file."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.close()


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:016x}.lock"


def _lock_new_file(directory: Path) -> tuple[int, FileIO]:
    while True:
        # Random, and so never used again: not by an owner whose row was rolled back, nor with a new database.
        number = secrets.randbits(63)
        file = FileIO(_path(directory, number), "x", opener=_open_private)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                return number, file
        except BlockingIOError:
            pass
        except BaseException:
            file.close()
            raise
        # Somebody took it for a dead one's, between the making and the locking.
        file.close()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def release_dead(connection: sqlite3.Connection, directory: Path, own: int, now: float) -> None:
    """Make the entries of dead owners anyone's, and remove what is left of them.

    Args:
        connection: to the database.
        directory: of the lock files.
        own: the number of who asks, and lives.
        now: seconds since the epoch.
    """
    recorded = {number for (number,) in connection.execute("SELECT number FROM owners").fetchall()}
    suspects = (recorded | _numbers_of_files(directory)) - {own}
    with ExitStack() as held:
        dead = list(
            islice((number for number in suspects if _is_dead(_path(directory, number), held)), _MAX_DEAD_AT_ONCE)
        )
        if recorded.intersection(dead):
            with transaction(connection):
                forget(connection, dead, now)
        # After the database has forgotten them: a file without a row is found again, by its name.
        for number in dead:
            _path(directory, number).unlink(missing_ok=True)


def _numbers_of_files(directory: Path) -> set[int]:
    numbers = set()
    for path in directory.glob("*.lock"):
        with suppress(ValueError):
            numbers.add(int(path.stem, 16))
    return numbers


def forget(connection: sqlite3.Connection, numbers: Collection[int], now: float) -> None:
    """Take owners out of the database, within a transaction. Their entries are anyone's at once."""
    connection.executemany(statements.FORGET_OWNER, [(number,) for number in numbers])
    connection.execute(statements.RELEASE, (now,))


def _is_dead(path: Path, held: ExitStack) -> bool:
    """Whether an owner is dead; its file is then kept from being locked by its maker while it is held."""
    try:
        file = FileIO(path, "r", opener=_open_private)
    except FileNotFoundError:
        return True
    except OSError:
        # Another user's, say: nobody is robbed on a guess.
        return False
    try:
        # Shared: if a child that is forked just now keeps the file open, it keeps nobody else from looking.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    held.enter_context(file)
    return True
