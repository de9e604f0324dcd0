"""The seek table: what the format says, and nothing that anybody else says."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foodco_storage.flows.seek_table import BadTableError, Frame, SeekTable, table_bytes, written
from foodco_storage.flows.stored_form import LARGEST_FRAME_BYTES, StoredForm

frames = st.builds(Frame, st.integers(1, 900), st.integers(1000, 5000), st.integers(0, 2**32 - 1))
tables = st.lists(frames, min_size=2, max_size=30)


def form_for(entries: list[Frame], data: bytes) -> StoredForm:
    size, stored = sum(one.size for one in entries), sum(one.stored_size for one in entries) + len(data)
    return StoredForm(size, stored, 0, "0" * 32, len(entries), zlib.crc32(data))


@given(tables)
def test_it_is_written_as_the_format_says(entries):
    # zstd_seekable_compression_format.md, read by hand.
    data = written(entries)
    magic, rest = struct.unpack("<II", data[:8])
    assert magic == 0x184D2A5E
    assert rest == len(data) - 8
    count, descriptor, end = struct.unpack("<IBI", data[-9:])
    assert (count, end) == (len(entries), 0x8F92EAB1)
    assert descriptor >> 7 == 1, "with checksums"
    assert descriptor & 0b01111111 == 0, "reserved and unused bits"
    rows = [struct.unpack("<III", data[start : start + 12]) for start in range(8, len(data) - 9, 12)]
    assert rows == [(one.stored_size, one.size, one.checksum) for one in entries]
    assert len(data) == table_bytes(len(entries))


@given(tables, st.data())
def test_a_cut_is_the_frames_that_hold_a_part(entries, data):
    table = SeekTable.read(written(entries), form_for(entries, written(entries)))
    size = sum(one.size for one in entries)
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    cut = table.cut(start, end)
    # One after the other, without any arithmetic of ours.
    position = stored = 0
    wanted, begin, before = [], None, None
    for one in entries:
        if position < end and start < position + one.size:
            if begin is None:
                begin, before = stored, position
            wanted.append(one)
        position += one.size
        stored += one.stored_size
    assert list(cut.frames) == wanted
    assert cut.start == begin
    assert cut.skip == start - (before or 0)
    assert cut.end == cut.start + sum(one.stored_size for one in wanted)


@given(tables, st.data())
def test_a_changed_table_is_refused(entries, data):
    table = bytearray(written(entries))
    form = form_for(entries, bytes(table))
    where = data.draw(st.integers(0, len(table) - 1))
    table[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadTableError):
        SeekTable.read(bytes(table), form)


@given(tables, st.data())
@example([Frame(10, 1000, 0)] * 2, None)
def test_a_table_that_was_made_up_is_never_believed_beyond_its_object(entries, data):
    """Even by somebody who can change the mark as well: every number is checked before anything is done by it."""
    table = bytearray(written(entries))
    form = form_for(entries, bytes(table))
    if data is not None:
        for _ in range(data.draw(st.integers(1, 4))):
            table[data.draw(st.integers(0, len(table) - 1))] = data.draw(st.integers(0, 255))
    forged = StoredForm(form.size, form.stored_size, 0, form.md5, form.frames, zlib.crc32(bytes(table)))
    try:
        read = SeekTable.read(bytes(table), forged)
    except BadTableError:
        return
    cut = read.cut(0, form.size)
    assert sum(one.size for one in cut.frames) == form.size
    assert cut.end + len(table) == form.stored_size


@given(st.binary(max_size=200), st.integers(1, 12))
def test_any_bytes_for_a_table(data, count):
    form = StoredForm(10**9, 10**6, 0, "0" * 32, count, zlib.crc32(data))
    with pytest.raises(BadTableError):
        SeekTable.read(data, form)


@pytest.mark.parametrize(
    "odd",
    [
        Frame(10, 0, 0),
        Frame(0, 1000, 0),
        Frame(10, LARGEST_FRAME_BYTES + 1, 0),
        Frame(1000 + 1000 // 128 + 1025, 1000, 0),
    ],
    ids=["empty", "nothing stored", "too large", "grown"],
)
def test_a_frame_that_none_can_be(odd):
    entries = [Frame(100, 1000, 0), odd]
    data = written(entries)
    with pytest.raises(BadTableError, match="of a size that none has"):
        SeekTable.read(data, form_for(entries, data))


def test_a_table_of_an_object_of_another_size():
    entries = [Frame(100, 1000, 0), Frame(100, 1000, 0)]
    data = written(entries)
    form = form_for(entries, data)
    for size, stored in ((form.size + 1, form.stored_size), (form.size, form.stored_size + 1)):
        other = StoredForm(size, stored, 0, form.md5, form.frames, form.table_crc32)
        with pytest.raises(BadTableError, match="do not add up"):
            SeekTable.read(data, other)
