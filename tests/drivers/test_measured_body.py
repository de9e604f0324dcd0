"""The end of a caller's body is told once, and the body stays what it was."""

from __future__ import annotations

import base64
import gc
import io
import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ResponseStreamingError
from botocore.httpchecksum import Crc32Checksum, StreamingChecksumBody
from botocore.response import StreamingBody
from urllib3.exceptions import ProtocolError

from foodco_storage.drivers.measured_body import measure
from foodco_storage.drivers.resumable_body import ResumableBody
from foodco_storage.telemetry.outcomes import Ended

DATA = b"0123456789"


class Told:
    def __init__(self) -> None:
        self.ends: list[tuple[int, str | None, bool]] = []

    def __call__(self, size: int, failure: Ended | None, is_whole: bool) -> None:
        self.ends.append((size, None if failure is None else failure.error, is_whole))


def plain(told: Told, data: bytes = DATA, size: int | None = len(DATA)) -> StreamingBody:
    body = StreamingBody(io.BytesIO(data), size)
    assert measure(body, size, told)
    return body


def checked(told: Told, expected: bytes = DATA) -> StreamingChecksumBody:
    digest = base64.b64encode(zlib.crc32(expected).to_bytes(4, "big")).decode()
    body = StreamingChecksumBody(io.BytesIO(DATA), len(DATA), Crc32Checksum(), digest)
    assert measure(body, len(DATA), told)
    return body


READS: list[Callable[[Any], Any]] = [
    lambda body: body.read(),
    lambda body: list(body.iter_chunks(3)),
    lambda body: list(body.iter_lines()),
    lambda body: list(body),  # noqa: PLW0108 - as the others
    lambda body: [body.readinto(bytearray(8)) for _ in range(3)],
    lambda body: [body.read(4), body.read()],
]


@pytest.mark.parametrize("make", [plain, checked])
@pytest.mark.parametrize("read", READS)
def test_read_to_its_end(make: Callable[[Told], Any], read: Callable[[Any], Any]) -> None:
    told = Told()
    body = make(told)
    read(body)
    assert told.ends == [(10, None, True)]
    body.close()
    del body
    assert len(told.ends) == 1


def test_the_last_byte_is_the_end_unless_a_checksum_is_still_to_be_judged() -> None:
    told = Told()
    body, with_checksum = plain(told), checked(told)
    body.read(10)
    assert told.ends == [(10, None, True)]
    with_checksum.read(10)
    assert len(told.ends) == 1
    with_checksum.close()
    assert told.ends[1:] == [(10, None, True)]


@pytest.mark.parametrize("read", READS)
def test_a_wrong_checksum(read: Callable[[Any], Any]) -> None:
    told = Told()
    body = checked(told, b"something else")
    with pytest.raises(FlexibleChecksumError):
        read(body)
    assert told.ends == [(10, "FlexibleChecksumError", False)]


@pytest.mark.parametrize("leave", ["close", "drop", "with"])
@pytest.mark.parametrize("make", [plain, checked])
def test_left_before_its_end(make: Callable[[Told], Any], leave: str) -> None:
    told = Told()
    body = make(told)
    body.read(4)
    if leave == "close":
        body.close()
    elif leave == "with":
        with body:
            pass
    del body
    gc.collect()
    assert told.ends == [(4, None, False)]


def test_the_stream_inside_is_the_stream_inside() -> None:
    told = Told()
    body = plain(told)
    stream = body._raw_stream
    with body as inside:
        assert inside is stream
        assert inside.read(7) == DATA[:7]
    assert told.ends == [(7, None, False)]
    assert isinstance(body, StreamingBody)
    # A body that is dropped leaves the stream to whoever took it.
    again = plain(told)
    stream = again._raw_stream
    del again
    assert stream.read() == DATA


def test_of_unknown_length() -> None:
    told = Told()
    plain(told, size=None).read()
    body = plain(told, size=None)
    body.read(10)
    assert told.ends == [(10, None, True)]
    body.read(1)
    assert told.ends == [(10, None, True)] * 2


def test_one_that_comes_short() -> None:
    told = Told()
    with pytest.raises(IncompleteReadError):
        plain(told, b"0123").read()
    assert told.ends == [(4, "IncompleteReadError", False)]


class Breaking(io.BytesIO):
    def read(self, amt: int | None = None) -> bytes:
        raise ProtocolError("broken")


def test_one_that_breaks() -> None:
    told = Told()
    body = StreamingBody(Breaking(), 10)
    assert measure(body, 10, told)
    for _ in range(2):
        with pytest.raises(ResponseStreamingError):
            body.read()
    assert told.ends == [(0, "ResponseStreamingError", False)]


def test_one_that_is_read_again_after_a_failure() -> None:
    streams = [StreamingBody(Breaking(), 10) for _ in range(5)]
    for dropped in (True, False):
        told = Told()
        body = StreamingBody(ResumableBody(streams[0], 10, lambda _: streams[1]), 10)
        assert measure(body, 10, told)
        with pytest.raises(ResponseStreamingError):
            body.read()
        assert told.ends == []
        if dropped:
            del body
            # What was raised holds it.
            gc.collect()
            assert told.ends == [(0, "ResponseStreamingError", False)]
        else:
            body._raw_stream._body = StreamingBody(io.BytesIO(DATA), 10)
            assert body.read() == DATA
            assert told.ends == [(10, None, True)]


def test_a_forked_child_tells_of_none() -> None:
    told = Told()
    body = plain(told)
    child = os.fork()
    if not child:
        body.read()
        os._exit(len(told.ends))
    assert os.waitpid(child, 0)[1] == 0
    body.read()
    assert told.ends == [(10, None, True)]


def test_a_class_of_somebody_elses_is_left_alone() -> None:
    class Own(StreamingBody):  # type: ignore[misc] # botocore is untyped
        pass

    told = Told()
    assert not measure(Own(io.BytesIO(DATA), 10), 10, told)
