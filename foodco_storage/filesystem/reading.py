"""Reading objects: whole, in part, and what is large in parts at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import is_past_the_end
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store

Write = Callable[[int, bytes], None]
"""Takes bytes of an object, and which byte the first of them is. Called from several threads."""


def cat_file(
    store: Store,
    address: Address,
    start: int | None = None,
    end: int | None = None,
    *,
    pin: str | None = None,
    read: Mapping[str, Any] | None = None,
) -> bytes:
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
        return b""
    piece = open_piece(store, address, start or 0, end, pin=pin, read=read)
    if piece is None:
        return b""
    length = piece.stop - piece.start
    if length <= store.part_bytes or store.concurrency == 1:
        return piece.readall()
    buffer = bytearray(length)
    view, first = memoryview(buffer), piece.start

    def keep(offset: int, data: bytes) -> None:
        view[offset - first : offset - first + len(data)] = data

    in_parts(store, address, piece, keep, read)
    return bytes(buffer)


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


def in_parts(store: Store, address: Address, piece: Piece, write: Write, read: Mapping[str, Any] | None = None) -> None:
    """Read a large piece: its own body from the front, and other requests from the back until they meet.

    Args:
        store: who is asked, and whose threads are used.
        address: of the object.
        piece: just opened; closed at the end.
        write: takes what comes, in no order.
        read: parameters that go with reads.

    Raises:
        OSError: the first failure, once no thread reads any more.
    """
    end, step = piece.stop, store.part_bytes
    parts = deque(range(piece.start, end, step))

    def from_the_back() -> None:
        try:
            while True:
                begin = parts.pop()
                _pass_on(Piece(store, address, begin, min(begin + step, end), pin=piece.etag, read=read), write)
        except IndexError:
            return
        except BaseException:
            parts.clear()
            raise

    helpers = [store.pools.parts.submit(from_the_back) for _ in range(min(store.concurrency, len(parts)) - 1)]
    try:
        while parts:
            try:
                begin = parts.popleft()
            except IndexError:
                break
            stop = min(begin + step, end)
            while piece.position < stop:
                at = piece.position
                write(at, piece.some(stop - at))
    finally:
        parts.clear()
        piece.close()
        failures = [error for helper in helpers if not helper.cancel() and (error := helper.exception()) is not None]
    if failures:
        raise failures[0]


def _pass_on(piece: Piece, write: Write) -> None:
    try:
        while piece.position < piece.stop:
            at = piece.position
            write(at, piece.some(piece.stop - at))
    finally:
        piece.close()
