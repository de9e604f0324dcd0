"""A response body whose end is told: how much was read of it, and what went wrong.

The caller's `StreamingBody` stays the object that it is, with the stream inside that it has; it is made to be of a class that
looks at its own reads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.httpchecksum import StreamingChecksumBody
from botocore.response import StreamingBody

from foodco_storage.drivers.wrapped_body import WrappedBody
from foodco_storage.telemetry.outcomes import Ended, of_error

Told = Callable[[int, Ended | None, bool], None]
"""Given the bytes that were read, what reading failed with, and whether it was read to its end."""


class _Measuring:
    """Told once: when the last byte was read, when reading fails for good, or when it is closed or dropped before."""

    _ends_at_its_size = True
    # An interrupt may come before they are set.
    _ended: Told | None = None
    _size: int | None = None
    _born: int = 0
    # Not the error itself, whose traceback holds this body: it would not be dropped.
    _failure: Ended | None = None
    _amount_read: int
    _raw_stream: Any

    def read(self, amt: int | None = None) -> bytes:
        try:
            data: bytes = super().read(amt)  # type: ignore[misc] # botocore's
        except BaseException as error:
            self._failed(error)
            raise
        if amt is None or amt < 0 or (not data and amt > 0) or self._is_over():
            self._end(is_whole=True)
        return data

    def readinto(self, b: Any) -> int:
        try:
            amount: int = super().readinto(b)  # type: ignore[misc] # botocore's
        except BaseException as error:
            self._failed(error)
            raise
        if (not amount and len(b)) or self._is_over():
            self._end(is_whole=True)
        return amount

    def close(self) -> None:
        self._look_inside()
        try:
            super().close()  # type: ignore[misc] # botocore's
        finally:
            self._left()

    def __exit__(self, *raised: object) -> None:
        self._look_inside()
        try:
            super().__exit__(*raised)  # type: ignore[misc] # botocore's
        finally:
            self._left()

    def __del__(self) -> None:
        # As botocore's, which lets the stream inside live on: nothing is closed. At the end of the interpreter who would be
        # told may be gone.
        if self._ended is not None and not sys.is_finalizing():
            self._look_inside()
            self._left()

    def _is_over(self) -> bool:
        return self._ends_at_its_size and self._amount_read == self._size

    def _failed(self, error: BaseException) -> None:
        self._failure = of_error(error, in_body=True)
        # Streams of ours stand where they stood before, and may be read again.
        if not isinstance(self._raw_stream, WrappedBody):
            self._end()

    def _look_inside(self) -> None:
        """See whether it was read past this object: `with body as stream` gives the stream inside."""
        if self._ended is not None and not self._amount_read:
            # Some streams say nothing any more once they are closed.
            with suppress(ValueError):
                self._amount_read = getattr(self._raw_stream, "tell", int)()

    def _left(self) -> None:
        if self._ended is not None:
            self._end(is_whole=self._amount_read == self._size)

    def _end(self, *, is_whole: bool = False) -> None:
        ended, self._ended = self._ended, None
        # A forked child has the parent's bodies, and the parent tells of them.
        if ended is not None and self._born == _generation:
            ended(self._amount_read, None if is_whole else self._failure, is_whole)


class _Measured(_Measuring, StreamingBody):  # type: ignore[misc] # botocore is untyped
    pass


class _MeasuredChecksum(_Measuring, StreamingChecksumBody):  # type: ignore[misc] # botocore is untyped
    # The checksum is judged by the read after the last byte.
    _ends_at_its_size = False


_CLASSES: dict[type, type] = {StreamingBody: _Measured, StreamingChecksumBody: _MeasuredChecksum}

_generation = 0


def measure(body: StreamingBody, size: int | None, ended: Told) -> bool:
    """Have the end of a body told.

    Args:
        body: the caller's.
        size: how many bytes it has; None where nobody knows.
        ended: is told.

    Returns:
        Whether it will be; a body of a class that is not botocore's own is left alone.
    """
    measured = _CLASSES.get(type(body))
    if measured is None:
        return False
    body.__class__ = measured
    body._ended = ended  # noqa: SLF001 - this module's
    body._size = size  # noqa: SLF001
    body._born = _generation  # noqa: SLF001
    return True


def _after_fork_in_child() -> None:
    global _generation  # noqa: PLW0603 - one number of the process
    _generation += 1


os.register_at_fork(after_in_child=_after_fork_in_child)
