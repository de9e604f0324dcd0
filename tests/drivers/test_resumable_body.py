"""The resumable body on its own: every failure that botocore's bodies have, at every place."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody

from foodco_storage.drivers.resumable_body import MAX_RESUMES_WITHOUT_PROGRESS, ResumableBody

DATA = bytes(range(256)) * 40

FAILURES: dict[str, Callable[[], Exception]] = {
    "reset": lambda: ResponseStreamingError(error=ConnectionResetError("reset by peer")),
    "timeout": lambda: ReadTimeoutError(endpoint_url="http://store", error=TimeoutError()),
    "short": lambda: IncompleteReadError(actual_bytes=1, expected_bytes=2),
}
failures = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


class Connection:
    """The rest of DATA from an offset, over a connection that breaks after some bytes."""

    def __init__(
        self, offset: int, breaks_after: int | None, failure: Callable[[], Exception], pieces: int = 1000
    ) -> None:
        self._stream = io.BytesIO(DATA[offset:])
        self._left = breaks_after
        self._failure = failure
        self._pieces = pieces
        self.closed = False

    def read(self, amt: int | None = None) -> bytes:
        if self._left is None:
            return self._stream.read(amt)
        # As sockets do: what has arrived is given first, and a read of all loses it.
        if amt is None or self._left == 0:
            raise self._failure()
        data = self._stream.read(min(amt, self._left, self._pieces))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self.closed = True


class Store:
    """Opens connections, each of which breaks after so many bytes (None: never); then refuses."""

    def __init__(
        self, breaks: Sequence[int | None], failure: Callable[[], Exception], refusal: Exception | None = None
    ) -> None:
        self._breaks = iter(breaks)
        self._failure = failure
        self._refusal = refusal or EndpointConnectionError(endpoint_url="http://store")
        self.opened: list[Connection] = []
        self.offsets: list[int] = []

    def open(self, offset: int) -> Connection:
        try:
            breaks_after = next(self._breaks)
        except StopIteration:
            raise self._refusal from None
        connection = Connection(offset, breaks_after, self._failure)
        self.opened.append(connection)
        self.offsets.append(offset)
        return connection

    def body(self) -> ResumableBody:
        return ResumableBody(self.open(0), len(DATA), self.open)


@failures
@pytest.mark.parametrize("amount", [1, 7, 1000, 4096, len(DATA), 10 * len(DATA), None, -1])
@pytest.mark.parametrize("breaks", [[0], [1], [999, 1, 1000], [len(DATA)], [5000, 0, 0, 10]])
def test_the_bytes_are_exact_wherever_it_breaks(failure: Any, amount: int | None, breaks: list[int]) -> None:
    store = Store([*breaks, None], failure)
    body = store.body()
    pieces = list(iter(lambda: body.read(amount), b""))
    assert b"".join(pieces) == DATA
    if amount is not None and 0 < amount < len(DATA):
        assert {len(piece) for piece in pieces[:-1]} == {amount}
    assert body.tell() == len(DATA)
    assert all(connection.closed for connection in store.opened[:-1])


@failures
def test_readinto(failure: Any) -> None:
    body = Store([999, 1, 5000, None], failure).body()
    buffer = bytearray(700)
    data = bytearray()
    while size := body.readinto(buffer):
        data += buffer[:size]
    assert bytes(data) == DATA


def test_readinto_takes_any_writable_buffer() -> None:
    import array  # noqa: PLC0415

    numbers = array.array("i", [0] * 10)
    assert Store([3, None], FAILURES["reset"]).body().readinto(memoryview(numbers)) == numbers.itemsize * 10
    assert numbers.tobytes() == DATA[: numbers.itemsize * 10]


@failures
def test_it_gives_up_when_nothing_comes(failure: Any) -> None:
    store = Store([10] + [0] * 20, failure)
    body = store.body()
    with pytest.raises(type(failure())) as raised:
        body.read()
    assert len(store.opened) == 1 + MAX_RESUMES_WITHOUT_PROGRESS
    assert not hasattr(raised.value, "__notes__")


@failures
@pytest.mark.parametrize(
    "refusal",
    [
        EndpointConnectionError(endpoint_url="http://store"),
        ClientError({"Error": {"Code": "PreconditionFailed", "Message": ""}}, "GetObject"),
        ValueError("another range"),
    ],
    ids=["down", "changed", "nonsense"],
)
def test_the_failure_of_the_body_is_what_the_caller_sees(failure: Any, refusal: Exception) -> None:
    body = Store([5000], failure, refusal).body()
    assert body.read(2000) == DATA[:2000]
    with pytest.raises(type(failure())) as raised:
        body.read(9000)
    assert raised.value.__notes__ == [f"foodco_storage: could not resume after 5000 bytes: {refusal}"]
    assert raised.value.__cause__ is refusal
    assert body.tell() == 2000


def test_after_a_failed_read_the_next_one_leaves_no_hole() -> None:
    store = Store([5000], FAILURES["reset"])
    body = store.body()
    assert body.read(2000) == DATA[:2000]
    with pytest.raises(ResponseStreamingError):
        body.read(9000)
    store._breaks = iter([None])
    # What a closed connection answers, with botocore's body around it.
    store.opened[0]._left = 0
    assert body.read() == DATA[2000:]


@pytest.mark.parametrize("error", [FlexibleChecksumError(error_msg="mismatch"), OSError("disk"), KeyboardInterrupt()])
def test_what_is_no_broken_connection_is_not_resumed(error: BaseException) -> None:
    def fail() -> Any:
        raise error

    store = Store([100, None], fail)
    body = store.body()
    body.read(100)
    with pytest.raises(type(error)):
        body.read(1)
    assert len(store.opened) == 1


def test_a_closed_body_is_not_resumed() -> None:
    store = Store([100, None], FAILURES["reset"])
    body = store.body()
    body.read(100)
    body.close()
    body.close()
    assert body.closed
    assert not body.readable()
    with pytest.raises(ResponseStreamingError):
        body.read(1)
    assert len(store.opened) == 1


def test_dropping_it_closes_the_connection() -> None:
    store = Store([None], FAILURES["reset"])
    body = StreamingBody(store.body(), len(DATA))
    del body
    assert store.opened[0].closed


def test_text_and_buffers_on_top_of_it() -> None:
    body = Store([999, 1, None], FAILURES["reset"]).body()
    assert io.BufferedReader(body, 512).read() == DATA
    body = Store([999, 1, None], FAILURES["reset"]).body()
    assert b"".join(body) == DATA


def test_the_length_is_still_verified() -> None:
    """A store that lies about the length is botocore's error, as before."""
    store = Store([None], FAILURES["reset"])
    body = StreamingBody(ResumableBody(store.open(0), len(DATA) + 5, store.open), len(DATA) + 5)
    with pytest.raises(IncompleteReadError):
        body.read()
