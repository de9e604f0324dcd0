"""What lies in the store is damaged, cut, swapped or forged: a read fails, or gives the right bytes, and never takes memory
for a number that nobody vouches for."""

from __future__ import annotations

import hashlib
import random
import struct
import tracemalloc
import zlib
from itertools import pairwise
from typing import Any

import pytest
import zstandard
from botocore.exceptions import BotoCoreError, ClientError
from compressed_world import FRAME_BYTES, CompressedWorld, with_mark
from hypothesis import given, settings
from hypothesis import strategies as st

from foodco_storage.errors import CorruptObjectError
from foodco_storage.flows.seek_table import Frame, table_bytes, written
from foodco_storage.flows.stored_form import StoredForm

CHANCE = random.Random(1)
# Frames of one size, so that they can change places.
BODY = b"".join(bytes(CHANCE.choices(b"abcdefgh", k=FRAME_BYTES)) for _ in range(4)) + b"the end"


def world_with(body: bytes = BODY) -> CompressedWorld:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=body)
    world.move_to("target")
    return world


def read(world: CompressedWorld, span: tuple[int, int] | None = None) -> bytes:
    params = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
    return world.read("k", **params)


def never_wrong(world: CompressedWorld, body: bytes = BODY) -> int:
    """Read it whole and in parts; how many of these reads failed."""
    failures = 0
    size = len(body)
    for span in (None, (0, 0), (0, size), (FRAME_BYTES - 5, FRAME_BYTES + 5), (size - 3, size), (100, 40_000)):
        try:
            found = read(world, span)
        except (CorruptObjectError, ClientError, BotoCoreError):
            failures += 1
            continue
        expected = body if span is None else body[span[0] : span[1] + 1]
        assert found == expected, span
    return failures


def table_of(world: CompressedWorld) -> tuple[StoredForm, list[Frame]]:
    form = world.form("k")
    assert form is not None
    raw = world.p.stored("k").data[-table_bytes(form.frames) :]
    return form, [Frame(*struct.unpack("<III", raw[n : n + 12])) for n in range(8, len(raw) - 9, 12)]


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_changed(data: Any) -> None:
    world = world_with()
    lies = bytearray(world.p.stored("k").data)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(lies) - 1))
        lies[where] ^= data.draw(st.integers(1, 255))
    world.p.stored("k").data = bytes(lies)
    never_wrong(world)


@settings(max_examples=100)
@given(st.data())
def test_anything_cut_or_added(data: Any) -> None:
    world = world_with()
    lies = world.p.stored("k").data
    cut = data.draw(st.integers(1, len(lies) - 1))
    for damaged in (lies[:cut], lies[cut:], lies + lies[:cut] + b"x", lies[:cut] + b"x" + lies[cut:]):
        world.p.stored("k").data = damaged
        world.move_to("target")
        assert never_wrong(world) == 6
        with pytest.raises(CorruptObjectError, match="bytes lie there"):
            world.call("HeadObject", Key="k")


@settings(max_examples=100)
@given(st.data())
def test_any_character_of_the_mark_changed(data: Any) -> None:
    world = world_with()
    form = world.form("k")
    assert form is not None
    text = list(form.text)
    where = data.draw(st.integers(0, len(text) - 1))
    text[where] = data.draw(st.sampled_from("0123456789abcdef -=xz"))
    with_mark(world.p.stored("k"), "".join(text))
    never_wrong(world)


def test_every_single_byte_of_a_small_object() -> None:
    body = b'{"dish": "pizza", "kcal": 800}' * 5
    world = world_with(body)
    lies = world.p.stored("k").data
    for where in range(len(lies)):
        for bit in (1, 128):
            damaged = bytearray(lies)
            damaged[where] ^= bit
            world.p.stored("k").data = bytes(damaged)
            never_wrong(world, body)


def test_frames_that_changed_places() -> None:
    world = world_with()
    form, frames = table_of(world)
    lies = world.p.stored("k").data
    starts = [sum(frame.stored_size for frame in frames[:n]) for n in range(len(frames) + 1)]
    parts = [lies[a:b] for a, b in pairwise(starts)]
    order = [1, 0, 2, 3, 4]
    swapped = b"".join(parts[n] for n in order)
    # With the old table; with a table that fits them; and with a mark that vouches for that.
    table = written([frames[n] for n in order])
    forged = StoredForm(
        form.size, form.stored_size, form.crc32, form.md5, form.frames, zlib.crc32(table), form.dictionary
    )
    for tail, mark in ((lies[starts[-1] :], form), (table, form)):
        world.p.stored("k").data = swapped + tail
        with_mark(world.p.stored("k"), mark.text)
        world.move_to("target")
        assert never_wrong(world) >= 4
        with pytest.raises(CorruptObjectError):
            read(world)
    # Who can change the mark can change the object; a read of the whole still finds that it is not what was written.
    world.p.stored("k").data = swapped + table
    with_mark(world.p.stored("k"), forged.text)
    world.move_to("target")
    with pytest.raises(CorruptObjectError, match="checksum that was recorded"):
        read(world)


def test_frames_of_one_size_that_changed_places() -> None:
    """Noise is stored as it is, so that nothing but the checksums in the table tells two frames of it apart."""
    noise = hashlib.shake_256(b"noise").digest(2 * FRAME_BYTES)
    body = bytes(4 * FRAME_BYTES) + noise
    world = world_with(body)
    form, frames = table_of(world)
    assert frames[-1].stored_size == frames[-2].stored_size
    lies = world.p.stored("k").data
    start = sum(frame.stored_size for frame in frames[:-2])
    middle, end = start + frames[-2].stored_size, start + 2 * frames[-2].stored_size
    world.p.stored("k").data = lies[:start] + lies[middle:end] + lies[start:middle] + lies[end:]
    with pytest.raises(CorruptObjectError, match="is not the one that the seek table names"):
        read(world, (len(body) - 10, len(body) - 1))
    with pytest.raises(CorruptObjectError, match="checksum that was recorded"):
        read(world)
    assert form.frames == 6


def test_small_objects_that_changed_places() -> None:
    """Of one size, stored in one size."""
    bodies = [b'{"dish": "pizza", "kcal": %d}' % kcal * 20 for kcal in (801, 802)]
    world = CompressedWorld()
    for key, body in zip("ab", bodies, strict=True):
        world.call("PutObject", Key=key, Body=body)
    a, b = world.p.stored("a"), world.p.stored("b")
    assert len(a.data) == len(b.data)
    a.data, b.data = b.data, a.data
    for key in "ab":
        for params in ({}, {"Range": "bytes=0-5"}):
            with pytest.raises(CorruptObjectError, match="checksum that was recorded"):
                world.read(key, **params)


def test_a_whole_that_has_more_or_less_than_its_mark_says() -> None:
    """Frames that are right by themselves, under a mark of another size; the sizes in the store fit."""
    for size in (-1, 1):
        world = world_with()
        form, _ = table_of(world)
        crc32 = zlib.crc32(BODY[:size] if size < 0 else BODY)
        told = StoredForm(form.size + size, form.stored_size, crc32, form.md5, form.frames, form.table_crc32)
        with_mark(world.p.stored("k"), told.text)
        world.move_to("target")
        with pytest.raises(CorruptObjectError, match=r"its content (ends|goes on) after"):
            read(world)


def test_bytes_behind_the_only_frame() -> None:
    body = b"pizza" * 500
    world = world_with(body)
    stored = world.p.stored("k")
    stored.data += b"more"
    form = world.form("k")
    assert form is not None
    with_mark(stored, StoredForm(form.size, len(stored.data), form.crc32, form.md5).text)
    with pytest.raises(CorruptObjectError, match="unused data"):
        read(world)


def test_a_store_that_answers_another_part_or_another_object() -> None:
    world = world_with()
    assert read(world, (0, 9)) == BODY[:10]

    def shifted(request: Any, answer: Any) -> None:
        if request.params.get("Range", "").startswith("bytes=0-"):
            answer["ContentRange"] = answer["ContentRange"].replace("bytes 0-", "bytes 1-")

    world.p.after = shifted
    with pytest.raises(CorruptObjectError, match="another part of it than was asked for"):
        read(world, (0, 9))
    world.p.after = lambda *_: None
    other = CompressedWorld()
    other.call("PutObject", Key="k", Body=BODY[::-1])
    # It ignores If-Match, as some do.
    world.p.buckets["b"]["k"] = other.p.stored("k")
    world.p._head_of = lambda stored, params: type(world.p)._head_of(  # type: ignore[method-assign]
        world.p, stored, {name: value for name, value in params.items() if name != "IfMatch"}
    )
    assert read(world, (0, 9)) == BODY[::-1][:10]


def test_another_objects_bytes() -> None:
    world = world_with()
    other = CompressedWorld()
    other.call("PutObject", Key="k", Body=BODY[::-1])
    theirs = other.p.stored("k").data
    world.p.stored("k").data = theirs
    with pytest.raises(CorruptObjectError):
        read(world)
    form = world.form("k")
    assert form is not None
    # Even of the same size.
    with_mark(world.p.stored("k"), StoredForm(form.size, len(theirs), form.crc32, form.md5, form.frames).text)
    world.move_to("target")
    assert never_wrong(world) == 6


def forged(world: CompressedWorld, lies: bytes, size: int, frames: int, table: bytes = b"") -> None:
    """An object whose mark says what an enemy wants it to say."""
    stored = world.p.stored("k")
    stored.data = lies + table
    with_mark(stored, StoredForm(size, len(stored.data), 0, "0" * 32, frames, zlib.crc32(table)).text)
    world.move_to("target")


@pytest.mark.parametrize("reads", ["whole", "range"])
class TestBombs:
    def attempt(self, world: CompressedWorld, reads: str) -> None:
        tracemalloc.start()
        try:
            with pytest.raises((CorruptObjectError, ClientError)):
                read(world, None if reads == "whole" else (0, 10))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64 * 1024 * 1024, "of what would have been gigabytes"

    def test_a_frame_that_says_it_is_huge(self, reads: str) -> None:
        bomb = zstandard.ZstdCompressor(write_checksum=True).compress(b"\0" * (256 * 1024 * 1024))
        world = world_with()
        forged(world, bomb, 16 * 1024 * 1024, 1)
        self.attempt(world, reads)

    def test_a_stream_that_does_not_end(self, reads: str) -> None:
        frame = zstandard.ZstdCompressor(write_checksum=True).compress(b"\0" * (16 * 1024 * 1024))
        world = world_with()
        frames = 40
        table = written([Frame(len(frame), 1000, 0)] * frames)
        forged(world, frame * frames, frames * 1000 + len(frame) * frames, frames, table)
        self.attempt(world, reads)

    def test_a_frame_without_its_size(self, reads: str) -> None:
        compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        bomb = compressor.compress(b"\0" * (64 * 1024 * 1024)) + compressor.flush()
        world = world_with()
        forged(world, bomb, 16 * 1024 * 1024, 1)
        self.attempt(world, reads)

    def test_a_window_that_needs_much_memory(self, reads: str) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_content_size=False)
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        bomb = compressor.compress(hashlib.shake_256(b"").digest(1000) * 40_000) + compressor.flush()
        world = world_with()
        table = written([Frame(len(bomb), 40_000_000 // 4, 0)] * 4)
        forged(world, bomb, 40_000_000, 4, table)
        self.attempt(world, reads)

    def test_a_table_of_very_many_frames(self, reads: str) -> None:
        world = world_with()
        forged(world, b"\x28\xb5\x2f\xfd" * 10, 10**12, 1)
        form = world.form
        with pytest.raises(ValueError, match="has been changed"):
            form("k")
        stored = world.p.stored("k")
        with_mark(stored, StoredForm(10**12, len(stored.data), 0, "0" * 32, 40).text.replace(" 40 ", " 900000000 "))
        world.move_to("target")
        self.attempt(world, reads)


def test_a_failure_stays_one() -> None:
    """Whoever reads on after it must not take what is missing for the end."""
    world = world_with()
    lies = bytearray(world.p.stored("k").data)
    lies[len(lies) // 2] ^= 1
    world.p.stored("k").data = bytes(lies)
    body = world.call("GetObject", Key="k")["Body"]
    for _ in range(3):
        with pytest.raises(CorruptObjectError):
            list(iter(lambda: body.read(1000), b""))
