"""A response body whose end is told: how much was read of it, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import IncompleteReadError

from foodco_storage.drivers.wrapped_body import WrappedBody

Ended = Callable[[int, BaseException | None, bool], None]
"""Given the bytes that were read, the error that reading failed with, and whether it was read to its end."""


class MeasuredBody(WrappedBody):
    """The stream inside a `StreamingBody`.

    Told once: when the last byte was read, when reading fails, or when it is closed or dropped before.

    Args:
        stream: what was inside.
        size: how many bytes it has; None where nobody knows.
        ended: is told.
    """

    def __init__(self, stream: Any, size: int | None, ended: Ended) -> None:
        super().__init__(stream)
        self._size = size
        self._ended: Ended | None = ended

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes; all that is left when None or negative."""
        try:
            data: bytes = self._body.read(amt)
        except BaseException as error:
            self._end(error)
            raise
        self._position += len(data)
        if self._position == self._size:
            self._end(None, is_whole=True)
        elif not data and amt != 0:
            # `StreamingBody` will say so.
            missing = self._size is not None and self._position < self._size
            self._end(_short(self._position, self._size) if missing else None, is_whole=not missing)
        return data

    def _end(self, error: BaseException | None, *, is_whole: bool = False) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._position, error, is_whole)

    def close(self) -> None:
        """Close the connection's stream."""
        try:
            super().close()
        finally:
            self._end(None)

    @property
    def _fp(self) -> Any:
        # The stream's own: there is no `StreamingBody` between.
        return self._body._fp  # noqa: SLF001


def _short(size: int, expected: int | None) -> IncompleteReadError:
    return IncompleteReadError(actual_bytes=size, expected_bytes=expected)
