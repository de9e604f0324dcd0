"""Compression in a migration: the source holds what users stored, whoever writes and whichever way it goes."""

from __future__ import annotations

import hashlib
import io

import msgspec
import pytest
from compressed_world import TEXT, CompressedWorld
from phased_world import metadata_of

from foodco_storage.config import Compression
from foodco_storage.flows.effects import Spooled
from foodco_storage.flows.marks import CODEC
from foodco_storage.layers.object_copy import is_whole
from foodco_storage.layers.sameness import described


@pytest.mark.parametrize("phase", ["source", "backfill"])
def test_nothing_is_compressed_while_others_read_the_source(phase: str) -> None:
    world = CompressedWorld(phase)
    world.call("PutObject", Key="k", Body=TEXT)
    assert world.s.holds() == {"k": TEXT}
    assert world.p.holds() == ({} if phase == "source" else {"k": TEXT})


def test_there_and_back_again() -> None:
    """Cutover, back to backfill, and over once more: the source holds what users stored, in every phase."""
    world = CompressedWorld("cutover")
    etag = world.call("PutObject", Key="k", Body=TEXT, ContentEncoding="utf-8")["ETag"]
    world.call("PutObject", Key="other", Body=TEXT * 2)
    world.move_to("backfill")
    assert world.read("k") == TEXT
    world.call("PutObject", Key="k2", Body=TEXT)
    world.call("CopyObject", Key="k", CopySource="b/k", MetadataDirective="REPLACE", Metadata={"x": "y"})
    assert not world.journal
    assert {key: world.p.stored(key).data == TEXT for key in ("k", "k2")} == {"k": True, "k2": True}
    world.move_to("cutover")
    assert (world.read("k"), world.read("k2"), world.read("other")) == (TEXT, TEXT, TEXT * 2)
    assert world.s.stored("other").data == TEXT * 2
    assert etag


def test_a_mirrored_stream_is_brought_by_reading_it_back() -> None:
    world = CompressedWorld("cutover")
    etag = world.call("PutObject", Key="k", Body=io.BytesIO(TEXT), ContentEncoding="utf-8", Metadata={"a": "b"})["ETag"]
    assert world.form("k") is not None
    lies = world.s.stored("k")
    assert lies.data == TEXT
    assert lies.described["ContentEncoding"] == "utf-8"
    assert metadata_of(lies) == {"a": "b"}
    assert not world.journal
    # Whoever holds the ETag goes on after a way back.
    world.move_to("backfill")
    assert world.read("k", IfMatch=etag) == TEXT


@pytest.mark.parametrize("phase", ["cutover", "drain"])
def test_what_is_promoted_is_compressed(phase: str) -> None:
    world = CompressedWorld(phase)
    etag = world.put(world.s, "k", TEXT, Metadata={"a": "b"}, ContentType="text/plain")
    assert world.read("k") == TEXT
    form = world.form("k")
    assert form is not None
    assert form.md5 == etag.strip('"')
    got = world.call("GetObject", Key="k", IfMatch=etag)
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (TEXT, {"a": "b"}, "text/plain")
    assert world.read("k", Range="bytes=5-9") == TEXT[5:10]


@pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
def test_a_process_without_the_table_carries_nothing_compressed_to_anybody(phase: str) -> None:
    """Its configuration is older than others', in a rolling deploy: it reads what they write, and so does the source."""
    world = CompressedWorld(phase)
    world.call("PutObject", Key="k", Body=TEXT, ContentEncoding="utf-8")
    world.configured = msgspec.structs.replace(world.configured, compression=Compression())
    world.move_to(phase)
    got = world.call("GetObject", Key="k")
    assert (got["Body"].read(), got["ContentEncoding"]) == (TEXT, "utf-8")
    assert world.call("HeadObject", Key="k")["ContentLength"] == len(TEXT)
    assert world.read("k", Range="bytes=70000-70009") == TEXT[70000:70010]
    world.call("PutObjectTagging", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    world.call("CopyObject", Key="copy", CopySource="b/k")
    world.call("CopyObject", Key="new", CopySource="b/k", MetadataDirective="REPLACE", Metadata={})
    world.call("PutObject", Key="plain", Body=TEXT)
    assert world.p.stored("plain").data == TEXT
    for key in ("k", "copy", "new"):
        assert world.read(key) == TEXT
    assert all(body == TEXT for body in world.s.holds().values())
    assert len(world.s.holds()) == (4 if phase == "cutover" else 0)
    world.forget()
    world.put(world.p, "large", TEXT)
    assert world.read("large", Range="bytes=5-9") == TEXT[5:10]
    assert world.p.asked == ["GetObject"], "a range of what lies as it is costs nothing more"


@pytest.mark.parametrize("phase", ["source", "backfill", "cutover", "drain"])
def test_a_source_that_holds_compressed_objects(phase: str) -> None:
    """It was the primary of another migration."""
    before = CompressedWorld("target")
    before.call("PutObject", Key="k", Body=TEXT, Metadata={"a": "b"})
    world = CompressedWorld(phase)
    world.s.buckets["b"]["k"] = before.p.stored("k")
    assert world.read("k") == TEXT
    assert world.read("k", Range="bytes=70000-70009") == TEXT[70000:70010]
    assert world.call("HeadObject", Key="k")["ContentLength"] == len(TEXT)
    if phase in {"cutover", "drain"}:
        assert metadata_of(world.p.stored("k")) == {"a": "b"}


def test_a_route_that_compresses_no_more() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    world.recompressed(codec="none")
    assert world.read("k") == TEXT
    world.call("PutObject", Key="new", Body=TEXT)
    assert world.p.stored("new").data == TEXT


def test_both_sides_are_known_to_be_the_same_by_the_recorded_md5() -> None:
    world = CompressedWorld("cutover")
    world.call("PutObject", Key="k", Body=TEXT)
    world.forget()
    world.call("PutObjectTagging", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert world.s.stored("k").tags == [{"Key": "a", "Value": "b"}]
    assert "PutObject" not in world.s.asked, "only the tags differ"
    assert "GetObject" not in world.p.asked


def test_what_is_read_back_to_be_mirrored_has_the_recorded_md5() -> None:
    data = b"what a user stored"
    told = {"ContentLength": len(data), "ETag": '"of something else"'}
    for md5, is_right in ((hashlib.md5(data, usedforsecurity=False).hexdigest(), True), ("0" * 32, False)):
        answer = {**told, "ResponseMetadata": {"Storage": {"md5": md5}}}
        spooled = Spooled(io.BytesIO(data), len(data), hashlib.md5(data, usedforsecurity=False).digest())
        assert is_whole(answer, spooled) == is_right


@pytest.mark.parametrize("phase", ["cutover", "drain"])
def test_a_mark_that_was_written_back_keeps_nothing_from_moving(phase: str) -> None:
    """By a program without the library, with other content: it says nothing, and is carried nowhere."""
    world = CompressedWorld(phase)
    world.call("PutObject", Key="k", Body=TEXT)
    metadata = dict(world.p.stored("k").described["Metadata"])
    for store in (world.p, world.s):
        world.put(store, f"on {store.name}", b"other", Metadata=metadata)
    world.call("PutObjectTagging", Key="on p", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert not world.journal
    for key in ("on p", "on s"):
        got = world.call("GetObject", Key=key)
        assert (got["Body"].read(), got["Metadata"]) == (b"other", {})
    assert world.p.stored("on s").data == b"other", "promoted"
    assert CODEC not in world.p.stored("on s").described["Metadata"]
    if phase == "cutover":
        assert world.s.stored("on p").data == b"other"


def test_what_nobody_said_a_type_of_is_the_same_on_every_store() -> None:
    kinds = [{}, {"ContentType": "binary/octet-stream"}, {"ContentType": "application/octet-stream"}]
    assert len({str(described(head)) for head in kinds}) == 1
    assert described({"ContentType": "text/plain"}) != described({})
