"""Any body, in any form that botocore takes, and back: whole and in parts. `zstd -d` reads what we store."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import subprocess
import tempfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s3transfer.utils import ReadFileChunk

from foodco_storage.compression.packer import SAMPLE_BYTES, pack
from foodco_storage.compression.unpacking import pieces
from foodco_storage.drivers.unpacked_body import UnpackedBody
from foodco_storage.flows.compression_effects import DICTIONARY_FOR_BYTES, Dictionary, Pack, Packed, Packing, Unpack
from foodco_storage.flows.seek_table import SeekTable, table_bytes

ANY = Packing(min_bytes=1, min_gain=0.0)


class Once(io.RawIOBase):
    """Can be read once, in pieces of any size that it likes."""

    def __init__(self, data: bytes, most: int = 1000) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._most) if size >= 0 else -1)

    def tell(self) -> int:
        raise OSError("a pipe")


def text_of(count: int) -> bytes:
    chance = random.Random(count)
    rows = ({"id": n, "dish": chance.choice(["pizza", "pasta", "soup"]), "kcal": n * 7 % 900} for n in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def noise_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def stored(packed: Packed) -> bytes:
    body = packed.body
    if isinstance(body, bytes):
        data = body
    else:
        with body:
            data = body.read()
    assert packed.size == len(data)
    return bytes(data)


def unpacked(data: bytes, form, *, start: int = 0, end: int | None = None, dictionary=None) -> bytes:
    """A part of an object, from its stored form."""
    end = form.size if end is None else end
    frames, skip, body = None, start, data
    if form.frames > 1 and (start, end) != (0, form.size):
        table = SeekTable.read(data[-table_bytes(form.frames) :], form)
        cut = table.cut(start, end)
        frames, skip, body = cut.frames, cut.skip, data[cut.start : cut.end]
    effect = Unpack(
        io.BytesIO(body), form, ("b", "k"), dictionary=dictionary, frames=frames, skip=skip, size=end - start
    )
    return UnpackedBody(effect.body, pieces(effect)).read()


bodies = st.one_of(
    st.binary(min_size=1, max_size=3000),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=40), st.integers(1, 4000)),
    st.integers(1, 3000).map(text_of),
)


@settings(max_examples=200)
@given(bodies, st.integers(1, 30_000), st.sampled_from([-3, 1, 3, 9]), st.data())
def test_any_body_any_frame_size_any_part(body, frame_bytes, level, data):
    packed = pack(Pack(body, Packing(level, 1, 0.0, frame_bytes)))
    if packed.form is None:
        assert packed.body is body
        return
    form, lies = packed.form, stored(packed)
    assert (form.size, form.stored_size) == (len(body), len(lies))
    assert len(lies) <= len(body)
    assert form.md5 == hashlib.md5(body, usedforsecurity=False).hexdigest()
    assert packed.md5 == hashlib.md5(lies, usedforsecurity=False).digest()
    assert unpacked(lies, form) == body
    start = data.draw(st.integers(0, len(body) - 1))
    end = data.draw(st.integers(start + 1, len(body)))
    assert unpacked(lies, form, start=start, end=end) == body[start:end]


@settings(max_examples=50)
@given(st.integers(20, 4000), st.lists(st.integers(0, 70_000), max_size=20))
def test_a_body_is_read_in_pieces_of_any_size(rows, sizes):
    body = text_of(rows)
    packed = pack(Pack(body, Packing(3, 1, 0.0, 16 * 1024)))
    assert packed.form is not None
    effect = Unpack(io.BytesIO(stored(packed)), packed.form, ("b", "k"), size=len(body))
    reader = UnpackedBody(effect.body, pieces(effect))
    expected = io.BytesIO(body)
    for size in sizes:
        assert reader.read(size) == expected.read(size)
        assert reader.tell() == expected.tell()
    assert reader.read() == expected.read()
    assert reader.read() == reader.read(10) == b""


SOURCES = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "text": lambda data: data.decode(),
    "file": io.BytesIO,
    "once": Once,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rows", [60, 2000, 20_000])
def test_every_kind_of_body(source, rows):
    body = text_of(rows)
    packed = pack(Pack(SOURCES[source](body), Packing(frame_bytes=64 * 1024)))
    assert packed.form is not None
    assert unpacked(stored(packed), packed.form) == body


class Chunks:
    """Gives what it has, however much is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self._chunks = iter([data[start : start + size] for start in range(0, len(data), size)])

    def read(self, _: int = -1) -> bytes:
        return next(self._chunks, b"")


@pytest.mark.parametrize("size", [1000, 100_000, 10_000_000])
@pytest.mark.parametrize("frame_bytes", [16 * 1024, 256 * 1024])
def test_a_body_that_gives_more_than_it_is_asked_for(size, frame_bytes):
    body = text_of(20_000)
    packed = pack(Pack(Chunks(body, size), Packing(frame_bytes=frame_bytes)))
    assert packed.form is not None
    assert packed.form.frames == -(-len(body) // frame_bytes)
    assert unpacked(stored(packed), packed.form) == body
    untouched = pack(Pack(Chunks(noise_of(300_000), size), Packing(frame_bytes=frame_bytes)))
    with untouched.body as kept:
        assert kept.read() == noise_of(300_000)


@pytest.mark.parametrize("source", ["bytes", "file", "once"])
def test_no_room_for_what_is_made(source, monkeypatch, caplog):
    """What boto3 would have sent is sent; a pipe can't be read again."""
    body = noise_of(12_000_000).hex().encode()
    given_body = SOURCES[source](body) if source != "once" else Once(body, 10**9)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    if source == "once":
        with pytest.raises(OSError, match="No such file"):
            pack(Pack(given_body, Packing()))
        return
    packed = pack(Pack(given_body, Packing()))
    assert packed.body is given_body
    assert packed.form is None
    assert source == "bytes" or given_body.read() == body
    assert "no room to compress it" in caplog.text


class Liar(io.BytesIO):
    """Tells another length than it has."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(offset, whence) - (100 if whence == 2 else 0)


def test_a_body_that_is_not_as_long_as_it_says():
    assert pack(Pack(Liar(text_of(5000)), ANY)).failed == "length"


def test_a_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"left out" + text_of(1000))
    file.seek(8)
    packed = pack(Pack(file, ANY))
    assert packed.form is not None
    assert unpacked(stored(packed), packed.form) == text_of(1000)


@pytest.mark.parametrize("size", [100, SAMPLE_BYTES - 1, SAMPLE_BYTES + 1, 700_000])
@pytest.mark.parametrize("source", ["bytes", "bytearray", "file", "once"])
def test_what_gains_nothing_stays_as_it_is(size, source):
    body = noise_of(size)
    given_body = SOURCES[source](body)
    packed = pack(Pack(given_body, Packing(min_bytes=1)))
    assert packed.form is None
    if source == "once":
        assert packed.size == size
        assert packed.body.read() == body
        packed.body.close()
    else:
        assert packed.body is given_body
        assert source != "file" or given_body.read() == body, "at its beginning again"


@pytest.mark.parametrize("source", ["bytes", "file", "once"])
def test_what_looks_good_at_first_and_gains_nothing_in_all(source):
    body = text_of(1000)[: SAMPLE_BYTES // 2] + noise_of(3_000_000)
    # The sample is half of it, and gains.
    assert pack(Pack(body[:SAMPLE_BYTES], Packing())).form is not None
    given_body = SOURCES[source](body)
    packed = pack(Pack(given_body, Packing()))
    assert packed.form is None
    if source == "once":
        assert packed.body.read() == body
        assert packed.size == len(body)
        packed.body.close()
    elif source == "file":
        assert packed.body.read() == body
    else:
        assert packed.body is body


@pytest.mark.parametrize("source", ["bytes", "file", "once"])
def test_small_bodies_stay_as_they_are(source):
    for size in (0, 1, 1023):
        body = b"x" * size
        packed = pack(Pack(SOURCES[source](body), Packing()))
        assert packed.form is None
        if source == "bytes":
            assert packed.body is body
        else:
            assert packed.body.read() == body
            packed.body.close()
    assert pack(Pack(b"x" * 1024, Packing())).form is not None


@pytest.mark.parametrize("size", [64 * 1024, 128 * 1024, 128 * 1024 + 1])
def test_bodies_of_whole_frames(size):
    for source in ("bytes", "file", "once"):
        packed = pack(Pack(SOURCES[source](b"ab" * (size // 2) + b"c" * (size % 2)), Packing(frame_bytes=64 * 1024)))
        assert packed.form is not None
        assert packed.form.frames == -(-size // (64 * 1024))
        assert len(unpacked(stored(packed), packed.form)) == size


def test_what_botocore_has_something_to_say_about_is_left_to_it():
    for odd in (None, 5, ["a"], "\ud800"):
        assert pack(Pack(odd, ANY)).body is odd
    text = io.StringIO("text")
    assert pack(Pack(text, ANY)).body is text
    assert text.read() == "text"


def test_a_length_that_is_wrong():
    assert pack(Pack(b"x" * 5000, ANY, length=5001)).form is None
    assert pack(Pack(Once(b"x" * 5000), ANY, length=5001)).failed == "length"
    assert pack(Pack(Once(b"x" * 5000), ANY, length=5000)).form is not None


def digests(body: bytes) -> dict[str, str]:
    raw = {
        "MD5": hashlib.md5(body, usedforsecurity=False).digest(),
        "CRC32": zlib.crc32(body).to_bytes(4, "big"),
        "SHA1": hashlib.sha1(body, usedforsecurity=False).digest(),
        "SHA256": hashlib.sha256(body).digest(),
    }
    return {name: base64.b64encode(digest).decode() for name, digest in raw.items()}


@pytest.mark.parametrize("algorithm", ["MD5", "CRC32", "SHA1", "SHA256"])
@pytest.mark.parametrize("rows", [20, 20_000])
def test_a_callers_digest_is_of_what_the_caller_sends(algorithm, rows):
    body = text_of(rows)
    right, wrong = digests(body)[algorithm], digests(body + b"x")[algorithm]
    packed = pack(Pack(body, ANY, checks={algorithm: right}))
    assert packed.form is not None
    assert not packed.failed
    assert unpacked(stored(packed), packed.form) == body
    assert packed.form.checksum == (f"{algorithm}:{right}" if algorithm.startswith("SHA") else "")
    assert pack(Pack(body, ANY, checks={algorithm: wrong})).failed == algorithm
    asked = pack(Pack(body, ANY, checks={algorithm: ""}))
    assert asked.form is not None
    stored(asked)
    assert asked.form.checksum == packed.form.checksum


def test_progress_of_a_managed_upload_is_told():
    body = text_of(5000)
    seen: list[int] = []

    def told(bytes_transferred: int) -> None:
        seen.append(bytes_transferred)

    chunk = ReadFileChunk(io.BytesIO(body), len(body), len(body), callbacks=[told], enable_callbacks=False)
    packed = pack(Pack(chunk, ANY))
    assert packed.form is not None
    stored(packed)
    assert sum(seen) == len(body)


def test_a_dictionary_is_for_small_bodies():
    samples = [text_of(20)[n : n + 1200] for n in range(0, 900, 100)]
    dictionary = Dictionary("0" * 32, b"".join(samples))
    small, large = samples[0], text_of(3000)
    assert len(large) > DICTIONARY_FOR_BYTES
    plain, packed = pack(Pack(small, ANY)), pack(Pack(small, ANY, dictionary=dictionary))
    assert plain.form is not None
    assert packed.form is not None
    assert packed.form.stored_size < plain.form.stored_size / 2
    assert packed.form.dictionary == dictionary.id
    assert unpacked(stored(packed), packed.form, dictionary=dictionary) == small
    other = pack(Pack(large, ANY, dictionary=dictionary))
    assert other.form is not None
    assert not other.form.dictionary


@pytest.mark.parametrize("rows", [60, 20_000])
def test_zstd_itself_reads_it(rows, tmp_path, zstd_program):
    body = text_of(rows)
    packed = pack(Pack(body, Packing(frame_bytes=32 * 1024)))
    assert packed.form is not None
    assert (packed.form.frames > 1) == (rows > 60)
    file = tmp_path / "object.zst"
    file.write_bytes(stored(packed))
    assert subprocess.run([zstd_program, "-dc", file], check=True, capture_output=True).stdout == body
    assert subprocess.run([zstd_program, "-lv", file], check=True, capture_output=True).returncode == 0
