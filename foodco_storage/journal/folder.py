"""The journal's directory: ours alone, and the database's empty file in it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from foodco_storage.errors import JournalError

DATABASE = "journal.sqlite3"
OWNERS = "owners"


def prepare(directory: Path) -> None:
    """Make what is not there: the directory for its owner only, the database's file as well.

    Raises:
        JournalError: when others could write to it.
        OSError: when it can't be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise JournalError(str(directory), "it is a file: name another directory") from error
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise JournalError(
            str(directory),
            f"it belongs to user {status.st_uid}, and this process is user {os.geteuid()}: name a directory that this user "
            "alone has, or one that is not there yet",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalError(
            str(directory),
            f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}): `chmod go-w` it, or name one below it that "
            "is not there yet",
        )
    with suppress(FileExistsError):
        # Not by opening it: closing any descriptor of the file would drop the locks that SQLite, in another thread, holds on
        # it. SQLite gives its log the same permissions.
        os.mknod(directory / DATABASE, 0o600 | stat.S_IFREG)
