"""What went wrong with the journal's files, and what an operator can do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from foodco_storage.database_files import problem_of
from foodco_storage.errors import JournalError

DATABASE = "journal.sqlite3"

_IF_DAMAGED = "stop what uses it, move the directory away, start again, and verify the routes"


def explained(error: sqlite3.Error | OSError, directory: Path) -> JournalError:
    """The error to raise from `error`."""
    return JournalError(str(directory), problem_of(error, DATABASE, _IF_DAMAGED))
