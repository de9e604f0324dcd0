"""A response body whose blocks are kept as it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable

from foodco_storage.drivers.wrapped_body import WrappedBody
from foodco_storage.flows.cached import Head
from foodco_storage.flows.effects import Body


class KeptBody(WrappedBody):
    """The stream inside the `StreamingBody` that a caller gets.

    Each block is handed on once its last byte was read; what the caller leaves unread is not kept. Where two threads read at
    once, who knows which bytes are whose: from then on nothing is kept.

    Args:
        body: of the whole object.
        head: the object's.
        keep: gets the number of a block, and its bytes.
        spoil: called when reading fails: a checksum of the whole that is wrong is seen at the end only.
    """

    def __init__(self, body: Body, head: Head, keep: Callable[[int, bytes], None], spoil: Callable[[], None]) -> None:
        super().__init__(body)
        self._head = head
        self._keep = keep
        self._spoil = spoil
        self._reading = threading.Lock()
        self._keeps = True
        self._number = 0
        self._begun = bytearray()

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        if amt is not None and amt < 0:
            amt = None
        if not self._reading.acquire(blocking=False):
            self._keeps = False
            return self._read(amt)
        try:
            data = self._read(amt)
            if self._keeps and self._number < self._head.blocks:
                self._collect(memoryview(data))
        finally:
            self._reading.release()
        return data

    def _read(self, amt: int | None) -> bytes:
        try:
            data: bytes = self._body.read(amt)
        except Exception:
            self._keeps = False
            self._spoil()
            raise
        self._position += len(data)
        return data

    def _collect(self, data: memoryview) -> None:
        while len(data):
            missing = self._head.length_of(self._number) - len(self._begun)
            if len(data) < missing:
                self._begun += data
                return
            block = bytes(data[:missing]) if not self._begun else bytes(self._begun + data[:missing])
            self._begun = bytearray()
            self._keep(self._number, block)
            self._number += 1
            data = data[missing:]
