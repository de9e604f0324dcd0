"""A response body of an object that lies compressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from foodco_storage.drivers.wrapped_body import WrappedBody
from foodco_storage.flows.effects import Body


class UnpackedBody(WrappedBody):
    """The stream inside the `StreamingBody` that a caller gets.

    A read that fails fails again whenever it is repeated: behind it nobody knows where the stream stands.

    Args:
        body: what comes from the store; closed with this one.
        pieces: what the user stored, made of it.
    """

    def __init__(self, body: Body, pieces: Iterator[Any]) -> None:
        super().__init__(body)
        self._pieces = pieces
        self._piece: Any = b""
        self._failure: Exception | None = None

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        if self._failure is not None:
            raise self._failure
        if self.closed:
            return b""
        left = -1 if amt is None or amt < 0 else amt
        taken: list[Any] = []
        while left:
            if not self._piece and not self._next():
                break
            if 0 <= left < len(self._piece):
                view = memoryview(self._piece)
                taken.append(view[:left])
                self._piece = view[left:]
                break
            taken.append(self._piece)
            left = left - len(self._piece) if left > 0 else left
            self._piece = b""
        data = taken[0] if len(taken) == 1 and isinstance(taken[0], bytes) else b"".join(taken)
        self._position += len(data)
        return data

    def _next(self) -> bool:
        try:
            self._piece = next(self._pieces, None)
        except Exception as error:
            self._failure = error
            raise
        if self._piece is None:
            self._piece, self._pieces = b"", iter(())
            return False
        return True
