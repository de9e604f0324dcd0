"""Objects into local files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.parts import in_parts
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store


def get_file(
    store: Store,
    address: Address,
    local: str,
    told_size: Callable[[int], Any],
    told: Callable[[int], Any],
    read: Mapping[str, Any] | None = None,
) -> None:
    """Read an object into a file, which appears when all of it is there.

    Args:
        store: who is asked.
        address: of the object.
        local: the file's path; what is there is replaced. A directory is left as it is.
        told_size: called with the object's size.
        told: called with the bytes that were written since the last call.
        read: parameters that go with reads.

    Raises:
        OSError: it could not be read or written; the file is as it was.
    """
    if Path(local).is_dir():
        return
    piece = Piece(store, address, read=read)
    try:
        told_size(piece.size)
        # What a link leads to is replaced, and not the link.
        target = Path(os.path.realpath(local))
        temporary = target.with_name(f".foodco-{secrets.token_hex(8)}")
        try:
            handle = _made(temporary, target)
        except PermissionError:
            if not target.exists():
                raise
            handle = None
        if handle is None:
            # A pipe, a device, a file in a directory that takes no other: written as it lies.
            with target.open("wb") as file:
                _one_by_one(piece, file.write, told)
            piece.close()
            return
        try:
            with os.fdopen(handle, "wb") as file:
                if piece.size <= store.part_bytes or store.concurrency == 1:
                    _one_by_one(piece, file.write, told)
                else:
                    _at_once(store, address, piece, file.fileno(), told, read)
            # Checks what was read: before it is put in the place of what is there.
            piece.close()
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    finally:
        piece.close()


def _made(temporary: Path, target: Path) -> int | None:
    """A new file beside the target, with its permissions if it is there; None where the target can't be replaced."""
    if target.exists() and not target.is_file():
        return None
    # The system takes the mask of the process away from this, without a moment in which another thread has none.
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        error.filename = str(target)
        raise
    with suppress(OSError):
        # Some file systems have no permissions to set.
        os.fchmod(handle, target.stat().st_mode & 0o7777)
    return handle


def make_directory(local: str) -> None:
    """Make a local directory, unless it is there."""
    Path(local).mkdir(parents=True, exist_ok=True)


def _one_by_one(piece: Piece, write: Callable[[bytes], Any], told: Callable[[int], Any]) -> None:
    while piece.position < piece.stop:
        data = piece.some(piece.stop - piece.position)
        write(data)
        told(len(data))


def _at_once(
    store: Store,
    address: Address,
    piece: Piece,
    handle: int,
    told: Callable[[int], Any],
    read: Mapping[str, Any] | None,
) -> None:
    def take(part: Piece, stop: int) -> None:
        while part.position < stop:
            offset = part.position
            data = part.some(stop - offset)
            view = memoryview(data)
            while view:
                done = os.pwrite(handle, view, offset)
                offset, view = offset + done, view[done:]
            told(len(data))

    in_parts(store, address, piece, take, read)
