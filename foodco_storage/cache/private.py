"""Directories that are this user's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from foodco_storage.errors import CacheError


def make_private(directory: Path) -> None:
    """Make a directory for its owner only, if it is not there.

    Raises:
        CacheError: others could write it, or it is none.
        OSError: it can't be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise CacheError(str(directory), "it is a file: name another directory") from error
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise CacheError(str(directory), "it is a link: name the directory itself")
    if status.st_uid != os.geteuid():
        raise CacheError(
            str(directory),
            f"it belongs to user {status.st_uid}, and this process is user {os.geteuid()}: name a directory of this user's",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(
            str(directory),
            f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}): `chmod go-w` it, or name another",
        )
