"""A response body that is kept as it is read."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Any

from foodco_storage.drivers.wrapped_body import WrappedBody
from foodco_storage.flows.effects import Body, Spooled

logger = logging.getLogger("foodco_storage")

MEMORY_BYTES = 1024 * 1024
"""What is kept of one body lies in memory up to here, and in an unnamed temporary file beyond."""


class TeeBody(WrappedBody):
    """The stream inside the `StreamingBody` that a caller gets.

    What the caller reads is kept. With the last byte it is handed on, before that byte is given out; a body that is closed or
    dropped before is abandoned. Keeping never fails the reader: a full disk abandons too.

    Args:
        body: the body.
        size: how many bytes it has.
        finished: gets all of it; whoever gets it closes it.
        abandoned: called once where that will never be.
    """

    def __init__(
        self, body: Body, size: int, finished: Callable[[Spooled], None], abandoned: Callable[[], None]
    ) -> None:
        super().__init__(body)
        self._size = size
        self._finished = finished
        self._abandoned = abandoned
        self._kept: Any = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - handed on, or closed by `_give_up`
        self._digest = hashlib.md5(usedforsecurity=False)
        if size == 0:
            # Nobody has to read what is empty.
            self._hand_on()

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        if amt is not None and amt < 0:
            amt = None
        data: bytes = self._body.read(amt)
        self._position += len(data)
        if self._kept is not None and data:
            self._keep(data)
        return data

    def _keep(self, data: bytes) -> None:
        is_whole = self._position == self._size
        try:
            self._kept.write(data)
            if is_whole:
                self._kept.seek(0)
        except OSError as error:
            logger.warning("a body that was read could not be kept for its promotion: %s", error)
            self._give_up()
            return
        self._digest.update(data)
        if is_whole:
            self._hand_on()

    def _hand_on(self) -> None:
        kept, self._kept = self._kept, None
        self._finished(Spooled(kept, self._size, self._digest.digest()))

    def _give_up(self) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            kept.close()
            self._abandoned()

    def close(self) -> None:
        """Close the connection's stream."""
        try:
            self._give_up()
        finally:
            super().close()
