"""Reading objects: whole, in part, and what is large in parts at once."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import is_past_the_end
from foodco_storage.filesystem.pieces import Piece
from foodco_storage.filesystem.store import Store

_FAST: Final = 400 * 1024**2
"""Bytes a second of one connection, beyond which more of them only get in each other's way: measured on loopback, where
one reads 256 MiB in 0.15 s and ten in 0.6 s."""

Take = Callable[[Piece, int], None]
"""Reads a piece on until a byte of the object (exclusive)."""


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
    # One allocation, which the system gives as it is filled, and no copy at the end: `getvalue` hands out what BytesIO holds.
    memory = io.BytesIO(bytes(length))
    first = piece.start
    with memory.getbuffer() as view:

        def fill(part: Piece, stop: int) -> None:
            part.fill(view[part.position - first : stop - first])

        in_parts(store, address, piece, fill, read)
    return memory.getvalue()


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


def in_parts(store: Store, address: Address, piece: Piece, take: Take, read: Mapping[str, Any] | None = None) -> None:
    """Read a large piece: its own body from the front, and other requests from the back until they meet.

    A store that fills one connection as fast as Python can read is asked for nothing more.

    Args:
        store: who is asked, and whose threads are used.
        address: of the object.
        piece: just opened; closed at the end.
        take: reads a piece as far as a byte; called from several threads.
        read: parameters that go with reads.

    Raises:
        OSError: the first failure, once no thread reads any more.
    """
    end, step = piece.stop, store.part_bytes
    parts = deque(range(piece.start, end, step))

    helpers: list[Future[None]] = []
    began = time.monotonic()
    try:
        while parts:
            try:
                begin = parts.popleft()
            except IndexError:
                break
            take(piece, min(begin + step, end))
            if not helpers and step > (time.monotonic() - began) * _FAST:
                began = time.monotonic()
            elif not helpers:
                # One by one: those that were begun are waited for, also when the system gives no more threads.
                for _ in range(min(store.concurrency - 1, len(parts))):
                    helpers.append(store.pools.parts.submit(_from_the_back, store, address, piece, parts, take, read))  # noqa: PERF401
    finally:
        parts.clear()
        piece.close()
        failures = [error for helper in helpers if not helper.cancel() and (error := helper.exception()) is not None]
    if failures:
        raise failures[0]


def _from_the_back(
    store: Store, address: Address, piece: Piece, parts: deque[int], take: Take, read: Mapping[str, Any] | None
) -> None:
    """Take parts until none is left; a failure leaves none to anybody."""
    while True:
        try:
            begin = parts.pop()
        except IndexError:
            return
        try:
            stop = min(begin + store.part_bytes, piece.stop)
            part = Piece(store, address, begin, stop, pin=piece.etag, read=read)
            try:
                take(part, part.stop)
            finally:
                part.close()
        except BaseException:
            parts.clear()
            raise
