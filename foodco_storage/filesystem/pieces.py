"""Ranges of objects, each read by one request, or by more where a body breaks.

A read of several requests is tied to one object by its ETag: a body that breaks is gone on with, and an object that is
written over meanwhile raises `FileChangedError`, so no caller ever gets bytes of two.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from urllib3.exceptions import HTTPError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import FileChangedError, fail, is_past_the_end, is_precondition
from foodco_storage.filesystem.store import FAILURES, Store

ATTEMPTS: Final = 5
"""Requests for one piece of a body that keeps breaking, as s3fs makes."""

CHUNK_BYTES: Final = 1024 * 1024

_BROKEN: Final = (HTTPClientError, HTTPError, IncompleteReadError, ConnectionError, TimeoutError)
"""What reading a body may raise when its connection breaks."""


class Piece:
    """A range of an object that was asked for and is being read.

    Args:
        store: who is asked.
        address: of the object.
        start: its first byte.
        end: the byte after its last (exclusive); None for the object's end.
        pin: the ETag that the object must have; None for whatever is there.
        read: parameters that go with reads (SSE-C keys, `RequestPayer`).

    Raises:
        OSError: by the table of `failures`; `FileChangedError` where the pin does not hold.
    """

    def __init__(
        self,
        store: Store,
        address: Address,
        start: int = 0,
        end: int | None = None,
        *,
        pin: str | None = None,
        read: Mapping[str, Any] | None = None,
    ) -> None:
        self._store = store
        self._address = address
        self._read = read or {}
        self._pin = pin
        self._attempts = 0
        self._pid = os.getpid()
        self.position = start
        """The byte of the object that comes next."""
        self._asked_to = end
        self.answer = self._ask()
        """What the store told of the object: the response of GetObject."""
        self._body: Any = self.answer["Body"]
        self.start, self.stop, self.size = _extent(self.answer)
        if end is not None:
            self.stop = min(self.stop, end)
        """Its first byte, the byte after its last, the size of the whole object."""
        self._asked_to = self.stop
        self.position = self.start
        self.etag: str | None = self.answer.get("ETag")
        self._pin = pin or self.etag

    def read(self, length: int) -> bytes:
        """The next bytes: as many as asked for, fewer only at the end."""
        length = min(length, self.stop - self.position)
        pieces = []
        while length > 0:
            data = self.some(length)
            pieces.append(data)
            length -= len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readall(self) -> bytes:
        """All that is left, and close."""
        try:
            return self.read(self.stop - self.position)
        finally:
            self.close()

    def some(self, length: int) -> bytes:
        """At least one of the next bytes, at most `CHUNK_BYTES`. Not to be asked for at the end."""
        while True:
            try:
                data: bytes = self._opened().read(min(length, CHUNK_BYTES))
                self._check(len(data))
                self.position += len(data)
            except _BROKEN as error:
                self._break(error)
            except FAILURES as error:
                # What came is not what was stored.
                self._drop()
                fail(error, self._address.versioned)
            except BaseException:
                # An interrupt may come after bytes were taken and before they were counted.
                self._drop()
                raise
            else:
                self._attempts = 0
                return data

    def _opened(self) -> Any:
        if self._pid != os.getpid():
            # The parent reads from the same socket. Closing it here would be heard there, where it is TLS's.
            self._body, self._pid = None, os.getpid()
        if self._body is None:
            self._body = self._ask()["Body"]
        return self._body

    def _check(self, count: int) -> None:
        if count == 0:
            expected = self.stop - self.start
            raise IncompleteReadError(actual_bytes=self.position - self.start, expected_bytes=expected)

    def _break(self, error: Exception) -> None:
        """The connection broke: the rest is asked for anew, unless this happened too often with nothing read between."""
        self._drop()
        self._attempts += 1
        if self._attempts >= ATTEMPTS:
            fail(error, self._address.versioned)

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self) -> None:
        """Let go of the connection, which serves again if all was read."""
        body, self._body = self._body, None
        if body is None or self._pid != os.getpid():
            return
        if self.position >= self.stop:
            # What follows the last byte: checks of botocore, and urllib3's return of the connection.
            try:
                body.read()
            except FAILURES as error:
                fail(error, self._address.versioned)
        body.close()

    def _is_another(self) -> bool:
        """Whether the object is no longer the one of the pin, where the store was not told of it."""
        if not self._store.compares_etags:
            return False
        head = self._store.call("head_object", self._address.versioned, self._address.params, self._read)
        return bool(head.get("ETag") != self._pin)

    def _ask(self) -> dict[str, Any]:
        params: dict[str, Any] = dict(self._address.params)
        if self.position or self._asked_to is not None:
            params["Range"] = f"bytes={self.position}-{'' if self._asked_to is None else self._asked_to - 1}"
        if self._pin is not None and not self._store.compares_etags:
            params["IfMatch"] = self._pin
        try:
            answer = self._store.send("get_object", params, self._read)
        except ClientError as error:
            if self._pin is not None and (is_precondition(error) or (is_past_the_end(error) and self._is_another())):
                raise FileChangedError(self._address.versioned, self._pin) from error
            fail(error, self._address.versioned)
        except FAILURES as error:
            fail(error, self._address.versioned)
        try:
            first, stop, size = _extent(answer)
        except ValueError as error:
            answer["Body"].close()
            raise OSError(
                errno.EIO, "the store answered a range that can't be read", self._address.versioned
            ) from error
        if first != self.position or stop < min(size if self._asked_to is None else self._asked_to, size):
            answer["Body"].close()
            raise OSError(errno.EIO, "the store answered another range than it was asked for", self._address.versioned)
        if self._store.compares_etags and self._pin not in {None, answer.get("ETag")}:
            answer["Body"].close()
            raise FileChangedError(self._address.versioned, self._pin)
        return answer


def _extent(answer: Mapping[str, Any]) -> tuple[int, int, int]:
    """First byte, end and size of the object, of an answer."""
    length = int(answer["ContentLength"])
    said = answer.get("ContentRange")
    if not said:
        return 0, length, length
    span, _, size = said.removeprefix("bytes ").partition("/")
    first, _, last = span.partition("-")
    return int(first), int(last) + 1, int(size)
