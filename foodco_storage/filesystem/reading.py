"""Reading objects: whole, in part, and what is large in parts at once."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import is_past_the_end
from foodco_storage.filesystem.parts import in_parts
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a range: bytes, fewer where the object ends before, and of which object; None where none was asked."""

    data: bytes
    etag: str | None


_NOTHING = Brought(b"", None)


def bring(
    store: Store,
    address: Address,
    start: int | None = None,
    end: int | None = None,
    *,
    pin: str | None = None,
    read: Mapping[str, Any] | None = None,
) -> Brought:
    """The bytes of an object from `start` to `end` (exclusive); negative ones count from its end, as in a slice.

    Args:
        store: who is asked.
        address: of the object.
        start: None for its beginning.
        end: None for its end; what lies past the end is left out.
        pin: the ETag that it must have.
        read: parameters that go with reads.

    Raises:
        OSError: by the table of `failures`; `FileChangedError` when the object changed meanwhile.
    """
    if (start is not None and start < 0) or (end is not None and end < 0):
        head = store.call("head_object", address.path, address.params, read or {})
        start, end, _ = slice(start, end).indices(int(head["ContentLength"]))
        pin = pin or head.get("ETag")
    if end is not None and end <= (start or 0):
        return _NOTHING
    piece = open_piece(store, address, start or 0, end, pin=pin, read=read)
    if piece is None:
        return _NOTHING
    length = piece.stop - piece.start
    if length <= store.part_bytes or store.concurrency == 1:
        return Brought(piece.readall(), piece.etag)
    # One allocation, which the system gives as it is filled, and no copy at the end: `getvalue` hands out what BytesIO holds.
    # Not by `getbuffer`: when a connection breaks, urllib3's errors hold views of it, and their collection crashes CPython
    # 3.12.1 (`bytesiobuf_releasebuffer`, of a buffer that is gone).
    memory, one_at_a_time = io.BytesIO(bytes(length)), threading.Lock()
    first = piece.start

    def take(part: Piece, stop: int) -> None:
        while part.position < stop:
            offset = part.position - first
            data = part.some(stop - part.position)
            with one_at_a_time:
                memory.seek(offset)
                memory.write(data)

    in_parts(store, address, piece, take, read)
    return Brought(memory.getvalue(), piece.etag)


def open_piece(
    store: Store,
    address: Address,
    start: int,
    end: int | None,
    *,
    pin: str | None = None,
    read: Mapping[str, Any] | None = None,
) -> Piece | None:
    """A range; None where the object ends before it begins."""
    try:
        return Piece(store, address, start, end, pin=pin, read=read)
    except OSError as error:
        if isinstance(error.__cause__, ClientError) and is_past_the_end(error.__cause__):
            return None
        raise
