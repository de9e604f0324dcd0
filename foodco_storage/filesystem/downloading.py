"""Objects into local files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.reading import in_parts
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
        target = Path(local)
        if target.exists() and not target.is_file():
            # A pipe, a device: nothing to put in its place.
            with target.open("wb") as file:
                _one_by_one(piece, file.write, told)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _mode(target))
                if piece.size <= store.part_bytes or store.concurrency == 1:
                    _one_by_one(piece, file.write, told)
                else:
                    _at_once(store, address, piece, file.fileno(), told, read)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    finally:
        piece.close()


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


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, else those that a new one gets."""
    if target.exists():
        return target.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
