"""A response body that goes on after its connection broke."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from foodco_storage.flows.effects import Body

logger = logging.getLogger("foodco_storage")

MAX_RESUMES_WITHOUT_PROGRESS = 3
"""So many times in a row a body is asked for again when not one byte has come in between."""

_BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class ResumableBody(io.RawIOBase):
    """The stream inside the `StreamingBody` that a caller gets.

    When reading fails it asks for the rest of the same object, once per failure, and reads on. When that can't be done (the
    object has changed, the store is down) the caller sees the failure that the body had, as with boto3.

    Args:
        body: the body as it was first answered.
        reopen: given the number of bytes read so far, the body of the bytes after them.
    """

    def __init__(self, body: Body, reopen: Callable[[int], Body]) -> None:
        self._body: Any = body
        self._reopen = reopen
        self._position = 0
        self._failures = 0

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        if amt is not None and amt < 0:
            amt = None
        while True:
            try:
                data: bytes = self._body.read(amt)
            except _BROKEN as failure:
                self._resume(failure)
                continue
            self._position += len(data)
            self._failures = 0
            return data

    def readinto(self, buffer: Any) -> int:
        """Fill a writable buffer; returns the number of bytes, 0 at the end."""
        while True:
            try:
                size: int = self._body.readinto(buffer)
            except _BROKEN as failure:
                self._resume(failure)
                continue
            self._position += size
            self._failures = 0
            return size

    def _resume(self, failure: BotoCoreError) -> None:
        self._failures += 1
        if self._failures > MAX_RESUMES_WITHOUT_PROGRESS:
            raise failure
        self._body.close()
        try:
            self._body = self._reopen(self._position)
        except (BotoCoreError, ClientError, ValueError) as refusal:
            # The failure of the body is what a boto3 user knows how to handle; why it stayed is said beside it.
            failure.add_note(f"foodco_storage: could not resume after {self._position} bytes: {refusal}")
            raise failure from refusal
        logger.info("resumed a body after %d bytes: %s", self._position, failure)

    def readable(self) -> bool:
        """True until closed."""
        return not self.closed

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def close(self) -> None:
        """Close the connection's stream."""
        if not self.closed:
            self._body.close()
        super().close()

    @property
    def _fp(self) -> Any:
        # StreamingBody.set_socket_timeout reaches for the socket by this path (botocore.compat.set_socket_timeout).
        return self._body._raw_stream._fp  # noqa: SLF001
