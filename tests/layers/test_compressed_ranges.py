"""Ranges, parts and conditions of objects that lie compressed."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from compressed_world import FRAME_BYTES, TEXT, CompressedWorld
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.layers.compressed_ranges import TAIL_BYTES


@pytest.fixture(scope="module")
def noise() -> bytes:
    return hashlib.shake_256(b"noise").digest(3 * TAIL_BYTES)


def spans(size: int) -> st.SearchStrategy[str]:
    ends = st.integers(0, size + 50)
    return st.one_of(
        st.builds("bytes={}-{}".format, ends, ends),
        st.builds("bytes={}-".format, ends),
        st.builds("bytes=-{}".format, ends),
        st.sampled_from(["bytes=", "bytes=a-b", "rubbish", "bytes=5-2", "bytes=-"]),
    )


def outcome(world: CompressedWorld, **params: object) -> object:
    try:
        answer = world.call("GetObject", **params)
    except Exception as error:  # noqa: BLE001 - an outcome too
        return type(error).__name__, getattr(error, "response", {}).get("Error", {}).get("Code")
    body = answer["Body"].read()
    return body, answer["ContentLength"], answer.get("ContentRange"), answer["Metadata"]


@given(st.data())
def test_ranges_are_those_of_what_was_stored(data: Any) -> None:
    """Against a store that holds the object as it is."""
    size = data.draw(st.sampled_from([1, 500, FRAME_BYTES, FRAME_BYTES + 1, len(TEXT)]))
    world, plain = CompressedWorld(), CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT[:size])
    plain.put(plain.p, "k", TEXT[:size], Metadata={})
    for _ in range(4):
        span = data.draw(spans(size))
        assert outcome(world, Key="k", Range=span) == outcome(plain, Key="k", Range=span), span
    known = data.draw(spans(size))
    world.move_to("target")  # a client that knows nothing yet
    assert outcome(world, Key="k", Range=known) == outcome(plain, Key="k", Range=known), known


def test_a_range_costs_the_frames_that_it_touches(noise: bytes) -> None:
    body = noise[:20] + TEXT * 10
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=body)
    world.forget()
    assert world.read("k", Range="bytes=100000-100999") == body[100000:101000]
    assert world.p.asked == ["GetObject", "GetObject"], "the end, and the frames"
    world.forget()
    assert world.read("k", Range="bytes=500000-500999") == body[500000:501000]
    (request,) = world.p.requests
    first, last = map(int, request.params["Range"].removeprefix("bytes=").split("-"))
    assert last - first < 2 * FRAME_BYTES
    assert request.params["IfMatch"] == world.p.stored("k").etag
    world.forget()
    # Small ones come whole with the first look.
    world.call("PutObject", Key="small", Body=TEXT[:3000])
    world.forget()
    assert world.read("small", Range="bytes=10-19") == TEXT[10:20]
    assert world.p.asked == ["GetObject"]


def test_a_range_of_what_lies_as_it_is(noise: bytes) -> None:
    world = CompressedWorld()
    world.put(world.p, "large", noise)
    world.put(world.p, "large.jpg", noise)
    world.put(world.p, "small", noise[:100])
    world.put(world.p, "empty", b"")
    for key, times in (("large", 2), ("large", 1), ("large.jpg", 1), ("small", 1), ("small", 1)):
        world.forget()
        assert world.read(key, Range="bytes=3-20") == noise[3:21]
        assert len(world.p.asked) == times, key
    assert world.fails("GetObject", Key="empty", Range="bytes=0-5") == ("InvalidRange", 416)
    assert world.fails("GetObject", Key="none", Range="bytes=0-5") == ("NoSuchKey", 404)


def test_what_was_known_is_of_another_object_by_now(noise: bytes) -> None:
    world, other = CompressedWorld(), TEXT[7:] + TEXT
    world.call("PutObject", Key="k", Body=TEXT)
    assert world.read("k", Range="bytes=0-9") == TEXT[:10]
    world.call("PutObject", Key="k", Body=other)
    assert world.read("k", Range="bytes=20-29") == other[20:30]
    world.put(world.p, "k", noise)
    assert world.read("k", Range="bytes=20-29") == noise[20:30]
    assert world.read("k", Range="bytes=20-29") == noise[20:30]
    world.call("PutObject", Key="k", Body=TEXT)
    assert world.read("k", Range=f"bytes={len(TEXT) - 5}-") == TEXT[-5:]
    # It has grown: the range that it did not have before it has now.
    world.call("PutObject", Key="k", Body=other)
    assert world.read("k", Range=f"bytes={len(TEXT) + 5}-{len(TEXT) + 9}") == other[len(TEXT) + 5 : len(TEXT) + 10]
    world.call("DeleteObject", Key="k")
    assert world.fails("GetObject", Key="k", Range="bytes=0-5") == ("NoSuchKey", 404)


def test_conditions_hold_for_ranges_too() -> None:
    world = CompressedWorld()
    etag = world.call("PutObject", Key="k", Body=TEXT)["ETag"]
    for _ in range(2):
        assert world.read("k", Range="bytes=0-9", IfMatch=etag) == TEXT[:10]
        assert world.fails("GetObject", Key="k", Range="bytes=0-9", IfMatch='"0"') == ("PreconditionFailed", 412)
        assert world.fails("GetObject", Key="k", Range="bytes=0-9", IfNoneMatch=etag) == ("304", 304)
        assert world.fails("GetObject", Key="k", IfNoneMatch=etag) == ("304", 304)
        assert world.fails("HeadObject", Key="k", IfMatch='"0"') == ("412", 412)
    newer = world.call("PutObject", Key="k", Body=TEXT * 2)["ETag"]
    assert world.fails("GetObject", Key="k", Range="bytes=0-9", IfMatch=etag) == ("PreconditionFailed", 412)
    assert world.read("k", Range="bytes=0-9", IfMatch=newer) == TEXT[:10]


def test_a_head_of_a_range() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    world.put(world.p, "plain", TEXT)
    for key in ("k", "plain"):
        head = world.call("HeadObject", Key=key, Range="bytes=5-9")
        assert (head["ContentLength"], head["ContentRange"]) == (5, f"bytes 5-9/{len(TEXT)}")
        assert world.fails("HeadObject", Key=key, Range=f"bytes={len(TEXT)}-") == ("416", 416)


def test_parts_of_an_object_of_one() -> None:
    """Also where the stored form was copied in parts by a program that knows nothing of it."""
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    lies = world.p.stored("k")
    half = len(lies.data) // 2
    described = {**lies.described, "Metadata": dict(lies.described["Metadata"])}
    world.upload(world.p, "copied", lies.data[:half], lies.data[half:], **described)
    for key in ("k", "copied"):
        world.forget()
        assert world.read(key, PartNumber=1) == TEXT
        assert len(world.p.asked) <= 2
        assert world.call("HeadObject", Key=key, PartNumber=1)["ContentLength"] == len(TEXT)
        assert "PartsCount" not in world.call("HeadObject", Key=key, PartNumber=1)
    assert world.fails("GetObject", Key="copied", PartNumber=2) == ("InvalidPartNumber", 416)
    assert world.fails("HeadObject", Key="copied", PartNumber=2) == ("416", 416)
    assert world.read("copied", Range="bytes=5-9") == TEXT[5:10]


def test_a_date_is_judged_for_ranges_of_what_is_known() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    old = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    for _ in range(2):
        assert world.fails("GetObject", Key="k", Range="bytes=0-9", IfUnmodifiedSince=old) == (
            "PreconditionFailed",
            412,
        )
        assert world.read("k", Range="bytes=0-9") == TEXT[:10]
