"""A body that is kept as a caller reads it, and that the caller can't tell from any other."""

from __future__ import annotations

import gc
import hashlib
import io
import tarfile
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.drivers import tee_body
from foodco_storage.drivers.tee_body import TeeBody
from foodco_storage.flows.effects import Spooled


class Body(io.BytesIO):
    """May fail, or come short."""

    failure: Exception | None = None

    def read(self, amt: int | None = None) -> bytes:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return super().read(amt)


class Tee:
    """A teed body, and what became of it."""

    def __init__(self, data: bytes, size: int | None = None) -> None:
        self.finished: list[Spooled] = []
        self.abandoned = 0
        self.source = Body(data)
        self.size = len(data) if size is None else size
        self.body = StreamingBody(TeeBody(self.source, self.size, self.finished.append, self._abandon), self.size)

    def _abandon(self) -> None:
        self.abandoned += 1

    @property
    def kept(self) -> bytes | None:
        """What was handed on; nothing must have been abandoned then."""
        if not self.finished:
            return None
        (spooled,) = self.finished
        assert not self.abandoned
        data = spooled.file.read()
        spooled.file.close()
        assert (spooled.size, spooled.md5) == (len(data), hashlib.md5(data).digest())
        return data


@given(st.binary(max_size=100), st.lists(st.integers(0, 40)))
def test_whatever_pieces_it_is_read_in(data: bytes, pieces: list[int]) -> None:
    tee = Tee(data)
    read = b"".join(tee.body.read(piece) for piece in pieces) + tee.body.read()
    assert read == data
    assert tee.kept == data
    tee.body.close()
    assert len(tee.finished) == 1
    assert not tee.abandoned


def _readinto(body: StreamingBody) -> bytes:
    buffer, data = bytearray(10), b""
    while count := body.readinto(buffer):
        data += buffer[:count]
    return data


READERS: dict[str, Callable[[StreamingBody], bytes]] = {
    "read": lambda body: bytes(body.read()),
    "read(-1)": lambda body: bytes(body.read(-1)),
    "iter_chunks": lambda body: b"".join(body.iter_chunks(7)),
    "iter_lines": lambda body: b"\n".join(body.iter_lines()),
    "for": b"".join,
    "readinto": _readinto,
    "buffered": lambda body: io.BufferedReader(body, 16).read(),
    "text": lambda body: io.TextIOWrapper(io.BufferedReader(body), "ascii", newline="").read().encode(),
}


@pytest.mark.parametrize("reader", READERS)
def test_however_it_is_read(reader: str) -> None:
    data = b"some lines\nof text\nwith no end" * 50
    tee = Tee(data)
    assert READERS[reader](tee.body) == data
    assert tee.kept == data


def test_as_a_file_of_other_libraries() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("soup.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"soup"))
    tee = Tee(packed.getvalue())
    with tarfile.open(fileobj=tee.body, mode="r|") as archive:
        member = archive.next()
        assert member is not None
        file = archive.extractfile(member)
        assert file is not None
        assert file.read() == b"soup"
    assert tee.kept == packed.getvalue()


def test_what_is_empty_needs_no_reading() -> None:
    tee = Tee(b"")
    assert tee.kept == b""
    assert tee.body.read() == b""
    tee.body.close()
    assert not tee.abandoned


def test_it_is_handed_on_before_the_last_byte_is_given_out() -> None:
    tee = Tee(b"12")
    assert tee.body.read(1) == b"1"
    assert not tee.finished
    assert tee.body.read(1) == b"2"
    assert tee.kept == b"12"


@pytest.mark.parametrize("read", [0, 1, 9])
def test_one_that_is_closed_before_its_end_is_abandoned_once(read: int) -> None:
    tee = Tee(b"0123456789")
    tee.body.read(read)
    tee.body.close()
    tee.body.close()
    assert (tee.finished, tee.abandoned) == ([], 1)
    assert tee.source.closed


def test_one_that_is_dropped_is_abandoned() -> None:
    tee = Tee(b"0123456789")
    tee.body.read(3)
    del tee.body
    gc.collect()
    assert tee.abandoned == 1


def test_one_that_comes_short_is_abandoned_and_an_error_as_ever() -> None:
    tee = Tee(b"01234", size=10)
    with pytest.raises(IncompleteReadError):
        tee.body.read()
    tee.body.close()
    assert (tee.finished, tee.abandoned) == ([], 1)


def test_one_that_fails_can_be_read_on() -> None:
    """The body below has taken nothing then."""
    tee = Tee(b"0123456789")
    assert tee.body.read(3) == b"012"
    tee.source.failure = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        tee.body.read(3)
    assert tee.body.read() == b"3456789"
    assert tee.kept == b"0123456789"


class FullDisk(SpooledTemporaryFile):
    """Takes nothing."""

    def write(self, *_: Any) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_does_not_fail_the_reader(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tee_body, "SpooledTemporaryFile", FullDisk)
    tee = Tee(b"0123456789")
    assert tee.body.read(4) + tee.body.read() == b"0123456789"
    tee.body.close()
    assert (tee.finished, tee.abandoned) == ([], 1)
    assert "No space left" in caplog.text


def test_large_ones_are_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee_body, "MEMORY_BYTES", 100)
    tee = Tee(b"x" * 1000)
    tee.body.read()
    (spooled,) = tee.finished
    assert spooled.file._rolled  # type: ignore[attr-defined]
    assert tee.kept == b"x" * 1000


def test_its_position_and_its_socket_are_those_of_the_body_below() -> None:
    class Raw(io.BytesIO):
        _fp = "the socket's file"

    inner = StreamingBody(Raw(b"0123456789"), 10)
    tee = TeeBody(inner, 10, lambda _: None, lambda: None)
    tee.read(4)
    assert tee.tell() == 4
    assert tee._fp == "the socket's file"
    assert tee.readable()
    assert not tee.seekable()
    tee.close()
    assert not tee.readable()
