"""A response body that goes on after its connection broke."""

from __future__ import annotations

import logging
from collections.abc import Callable

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from foodco_storage.drivers.wrapped_body import WrappedBody
from foodco_storage.flows.effects import Body

logger = logging.getLogger("foodco_storage")

MAX_RESUMES_WITHOUT_PROGRESS = 3
"""So many times in a row a body is asked for again when not one byte has come in between."""

_PIECE_BYTES = 64 * 1024

_BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class ResumableBody(WrappedBody):
    """The stream inside the `StreamingBody` that a caller gets.

    When reading fails it asks for the rest of the same object, once per failure, and reads on. When that can't be done (the
    object has changed, the store is down) the caller sees the failure that the body had, as with boto3.

    A read is short at the end of the object only, never where a connection ended. A read that fails takes nothing: the
    next one starts where it did.

    Args:
        body: the body as it was first answered.
        size: how many bytes it has.
        reopen: given the number of bytes read so far, the body of the bytes after them.
    """

    def __init__(self, body: Body, size: int, reopen: Callable[[int], Body]) -> None:
        super().__init__(body)
        self._size = size
        self._reopen = reopen
        self._failures = 0

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        if amt is not None and amt < 0:
            amt = None
        left = self._size - self._position
        missing = left if amt is None else min(amt, left)
        start = self._position
        try:
            data = self._read(amt)
            if len(data) >= missing:
                return data
            pieces = [data]
            while data and (missing := missing - len(data)) > 0:
                data = self._read(min(missing, _PIECE_BYTES))
                pieces.append(data)
        except BaseException:
            if self._position != start:
                # What came before the failure is lost with it; going on behind it would leave a hole.
                self._body.close()
                self._position = start
            raise
        return b"".join(pieces)

    def _read(self, amt: int | None) -> bytes:
        """Read once, from as many connections as it takes."""
        while True:
            try:
                data: bytes = self._body.read(amt)
            except _BROKEN as failure:
                self._resume(failure)
                # In small pieces: the next connection that breaks shall take little with it.
                amt = _PIECE_BYTES if amt is None else min(amt, _PIECE_BYTES)
                continue
            if data:
                self._position += len(data)
                self._failures = 0
            return data

    def _resume(self, failure: BotoCoreError) -> None:
        self._failures += 1
        if self.closed or self._failures > MAX_RESUMES_WITHOUT_PROGRESS:
            raise failure
        self._body.close()
        try:
            self._body = self._reopen(self._position)
        except (BotoCoreError, ClientError, ValueError) as refusal:
            # The failure of the body is what a boto3 user knows how to handle; why it stayed is said beside it.
            failure.add_note(f"foodco_storage: could not resume after {self._position} bytes: {refusal}")
            raise failure from refusal
        logger.info("resumed a body after %d bytes: %s", self._position, failure)
