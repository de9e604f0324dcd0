"""What went wrong with the statistics' files, and what an operator can do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from foodco_storage.database_files import problem_of
from foodco_storage.errors import StatisticsError

DATABASE = "access.sqlite3"

_IF_DAMAGED = "move it away; statistics begin anew"


def explained(error: sqlite3.Error | OSError, directory: Path) -> StatisticsError:
    """The error to raise from `error`."""
    return StatisticsError(str(directory), problem_of(error, DATABASE, _IF_DAMAGED))
