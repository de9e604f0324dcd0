"""A place that keeps objects compressed, as its callers and as its store see it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from compressed_world import TEXT, CompressedWorld, form_of, with_mark

from foodco_storage.errors import CorruptObjectError, OperationRefusedError
from foodco_storage.flows.effects import Call
from foodco_storage.flows.marks import CODEC
from foodco_storage.flows.request import Request
from foodco_storage.layers.compressible import Compressing


def digest(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def test_an_object_lies_as_zstd_and_is_what_it_was() -> None:
    world = CompressedWorld()
    answer = world.call("PutObject", Key="k", Body=TEXT, Metadata={"dish": "pizza"}, ContentType="application/json")
    lies = world.p.stored("k")
    assert lies.data.startswith(b"\x28\xb5\x2f\xfd")
    assert lies.described["ContentEncoding"] == "zstd"
    assert answer["ETag"] == lies.etag
    md5 = hashlib.md5(TEXT, usedforsecurity=False).hexdigest()
    told = {"backend": "p", "codec": "zstd", "stored_size": len(lies.data), "md5": md5}
    assert answer["ResponseMetadata"]["Storage"] == told
    got = world.call("GetObject", Key="k")
    assert got["Body"].read() == TEXT
    for seen in (got, world.call("HeadObject", Key="k")):
        assert seen["ContentLength"] == len(TEXT)
        assert seen["Metadata"] == {"dish": "pizza"}
        assert seen["ContentType"] == "application/json"
        assert "ContentEncoding" not in seen
        assert seen["ResponseMetadata"]["Storage"] == told
    assert world.counts["compressed"] == 1
    assert world.counts["compressed_bytes"] == len(TEXT)
    assert world.counts["compressed_stored_bytes"] == len(lies.data)


@pytest.mark.parametrize("encoding", ["utf-8", "x;y=\u00e4, z", "identity"])
def test_a_content_encoding_of_the_users_own_comes_back(encoding: str) -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT, ContentEncoding=encoding)
    assert world.form("k") is not None
    assert world.p.stored("k").described["ContentEncoding"] == f"{encoding},zstd"
    for operation in ("GetObject", "HeadObject"):
        assert world.call(operation, Key="k")["ContentEncoding"] == encoding

        def overridden(request: Request, answer: Any) -> None:
            if "ResponseContentEncoding" in request.params:
                answer["ContentEncoding"] = request.params["ResponseContentEncoding"]

        # Which the memory store does not do by itself.
        world.p.after = overridden
        asked = world.call(operation, Key="k", ResponseContentEncoding="br")
        assert asked["ContentLength"] == len(TEXT)
        assert asked["ContentEncoding"] == "br"
        world.p.after = lambda *_: None


@pytest.mark.parametrize(
    "params",
    [
        {"ContentEncoding": "gzip"},
        {"ContentEncoding": "utf-8, BR"},
        {"ContentType": "image/jpeg"},
        {"ContentType": "Video/MP4; codecs=x"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k"},
        {"ChecksumAlgorithm": "CRC64NVME"},
        {"ChecksumCRC32C": "AAAAAA=="},
        {"ChecksumAlgorithm": ["SHA256"]},
        {"ContentLength": str(len(TEXT))},
        {"Metadata": {"a": "x" * 1600}},
        {"Key": "photo.JPG"},
        {"Key": "photo.jpg", "ContentType": "binary/octet-stream"},
        {"Key": ".foodco-storage/x"},
    ],
    ids=str,
)
def test_what_is_left_as_it_is(params: Any) -> None:
    world = CompressedWorld()
    world.call("PutObject", **{"Key": "k", "Body": TEXT, **params})
    key = params.get("Key", "k")
    assert world.p.stored(key).data == TEXT
    assert CODEC not in world.p.stored(key).described.get("Metadata", {})


@pytest.mark.parametrize("params", [{"ContentType": "image/svg+xml"}, {"Key": "a.jpg", "ContentType": "text/plain"}])
def test_what_is_compressed_all_the_same(params: Any) -> None:
    world = CompressedWorld()
    world.call("PutObject", **{"Key": "k", "Body": TEXT, **params})
    assert world.form(params.get("Key", "k")) is not None


def test_types_as_they_are_configured() -> None:
    only_json = Compressing(None, include_types=("application/JSON",), exclude_types=("*",))
    assert only_json.is_of_a_type("application/json; charset=utf-8", "k")
    assert not only_json.is_of_a_type("text/plain", "k")
    assert not only_json.is_of_a_type("", "k"), "nobody says what it is"
    all_of_it = Compressing(None, include_types=(), exclude_types=())
    assert all_of_it.is_of_a_type("image/jpeg", "k")


def test_a_name_that_is_reserved() -> None:
    world = CompressedWorld()
    for operation, more in (("PutObject", {"Body": b"x"}), ("CreateMultipartUpload", {})):
        with pytest.raises(OperationRefusedError, match="is reserved on routes that compress"):
            world.call(operation, Key="k", Metadata={"Foodco-Codec": "1 zstd"}, **more)
    assert not world.p.holds()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"ContentMD5": digest(b"other")}, "BadDigest"),
        ({"ChecksumSHA256": base64.b64encode(hashlib.sha256(b"other").digest()).decode()}, "BadDigest"),
    ],
)
def test_a_digest_that_is_not_that_of_the_body(said: Any, code: str) -> None:
    world = CompressedWorld("cutover")
    world.put(world.p, "k", b"before")
    assert world.fails("PutObject", Key="k", Body=TEXT, **said) == (code, 400)
    assert world.p.holds() == {"k": b"before"}
    assert not world.journal


def test_a_digest_that_is() -> None:
    world = CompressedWorld()
    sha256 = base64.b64encode(hashlib.sha256(TEXT).digest()).decode()
    world.call("PutObject", Key="k", Body=TEXT, ContentMD5=digest(TEXT), ChecksumSHA256=sha256)
    form = world.form("k")
    assert form is not None
    assert form.checksum == f"SHA256:{sha256}"
    sent = world.p.requests[-1].params
    assert sent["ContentMD5"] == digest(world.p.stored("k").data), "the way to the store is checked as well"
    assert "ChecksumSHA256" not in sent


def test_objects_that_merely_look_like_ours_are_not_touched() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    lies = world.p.stored("k")
    # A user's own zstd; and what a program without the library writes with the metadata that it has read.
    world.put(world.p, "own", lies.data, ContentEncoding="zstd")
    world.put(world.p, "written back", b"other", Metadata=dict(lies.described["Metadata"]))
    for key, body in (("own", lies.data), ("written back", b"other")):
        got = world.call("GetObject", Key=key)
        assert got["Body"].read() == body
        assert got["ContentLength"] == len(body)
        assert world.read(key, Range="bytes=1-3") == body[1:4]
    assert world.call("HeadObject", Key="own")["ContentEncoding"] == "zstd"


def test_attributes_are_those_of_what_was_stored() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    world.put(world.p, "plain", TEXT)

    world.p._get_object_attributes = lambda params: {  # type: ignore[attr-defined]
        "ObjectSize": len(world.p.stored(params["Key"]).data),
        "Checksum": {"ChecksumCRC32": "stored"},
    }
    wanted = {"ObjectAttributes": ["ObjectSize", "Checksum"]}
    answer = world.call("GetObjectAttributes", Key="k", **wanted)
    assert answer["ObjectSize"] == len(TEXT)
    assert answer["Checksum"]["ChecksumCRC32"] != "stored"
    assert world.call("GetObjectAttributes", Key="plain", **wanted)["Checksum"] == {"ChecksumCRC32": "stored"}
    told = CompressedWorld(lacks=("object_attributes",))
    told.call("PutObject", Key="k", Body=TEXT)
    assert told.call("GetObjectAttributes", Key="k", **wanted)["ObjectSize"] == len(TEXT)


def test_a_select_is_refused_where_the_store_would_look_at_zstd() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    world.put(world.p, "plain", TEXT)
    world.p._select_object_content = lambda _: {"Payload": "rows"}  # type: ignore[attr-defined]
    with pytest.raises(OperationRefusedError, match="read it by get_object"):
        world.call("SelectObjectContent", Key="k", Expression="", ExpressionType="SQL")
    assert world.call("SelectObjectContent", Key="plain")["Payload"] == "rows"


class TestListings:
    def test_sizes_as_they_lie(self) -> None:
        world = CompressedWorld()
        world.call("PutObject", Key="k", Body=TEXT)
        (item,) = world.call("ListObjectsV2")["Contents"]
        assert item["Size"] == len(world.p.stored("k").data)

    @pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
    def test_exact_sizes(self, phase: str) -> None:
        world = CompressedWorld(phase)
        world.recompressed(exact_sizes=True)
        for number in range(5):
            world.call("PutObject", Key=f"k{number}", Body=TEXT * (number + 1))
        world.put(world.p, "plain", b"12345")
        world.forget()
        for operation in ("ListObjectsV2", "ListObjects"):
            sizes = {item["Key"]: item["Size"] for item in world.call(operation)["Contents"]}
            assert sizes == {f"k{n}": len(TEXT) * (n + 1) for n in range(5)} | {"plain": 5}
        assert world.p.asked.count("HeadObject") == 6, "each is looked at once"
        world.call("PutObject", Key="k0", Body=TEXT[:2000])
        assert world.call("ListObjectsV2")["Contents"][0]["Size"] == 2000
        urls = world.call("ListObjectsV2", EncodingType="url")["Contents"]
        assert urls[0]["Size"] == 2000

    def test_an_object_that_can_not_be_looked_at_is_listed_all_the_same(self) -> None:
        world = CompressedWorld()
        world.recompressed(exact_sizes=True)
        world.call("PutObject", Key="k", Body=TEXT)
        world.put(world.p, "later", b"x" * 3000, ContentEncoding="zstd", Metadata={CODEC: "2 zstd later"})
        world.put(world.p, "damaged", b"x" * 3000, ContentEncoding="zstd", Metadata={CODEC: "1 zstd damaged"})
        sizes = {item["Key"]: item["Size"] for item in world.call("ListObjectsV2")["Contents"]}
        assert sizes == {"k": len(TEXT), "later": 3000, "damaged": 3000}
        world.p.fail("HeadObject", error=world.p.refusal)
        world.move_to("target")
        assert len(world.call("ListObjectsV2")["Contents"]) == 3

    def test_an_object_that_is_written_between_the_list_and_the_look(self) -> None:
        world = CompressedWorld()
        world.recompressed(exact_sizes=True)
        world.call("PutObject", Key="k", Body=TEXT)
        stored = len(world.p.stored("k").data)

        def after(request: Request, answer: Any) -> None:
            if request.operation == "ListObjectsV2":
                world.p.after = lambda *_: None
                world.call("PutObject", Key="k", Body=TEXT * 2)

        world.p.after = after
        assert world.call("ListObjectsV2")["Contents"][0]["Size"] == stored, "of the one that was listed"
        assert world.call("ListObjectsV2")["Contents"][0]["Size"] == len(TEXT) * 2

    def test_the_librarys_own_lists_look_at_nothing(self) -> None:
        world = CompressedWorld("cutover")
        world.recompressed(exact_sizes=True)
        for number in range(5):
            world.call("PutObject", Key=f"folder/{number}", Body=TEXT)
        world.s.buckets["b"].clear()
        world.forget()
        assert len(world.call("ListObjectsV2", Delimiter="/")["CommonPrefixes"]) == 1
        assert "HeadObject" not in world.p.asked

    def test_a_store_that_fails_is_told(self) -> None:
        world = CompressedWorld()
        world.recompressed(exact_sizes=True)
        world.call("PutObject", Key="k", Body=TEXT)
        world.p.fail("HeadObject")
        assert world.fails("ListObjectsV2")[1] == 500


def test_tombstones_are_never_compressed() -> None:
    world = CompressedWorld("cutover")
    world.put(world.s, "k", b"old")
    world.call("DeleteObject", Key="k")
    assert world.p.holds() == {"k": "a tombstone"}
    assert form_of(world.p.stored("k")) is None
    assert "Contents" not in world.call("ListObjectsV2")


def test_what_a_file_holds_is_sent_once_and_let_go() -> None:
    world = CompressedWorld()
    closed = []

    def before(request: Request) -> None:
        if request.operation == "PutObject" and hasattr(request.params["Body"], "close"):
            body = request.params["Body"]
            closed.append(body)

    world.p.before = before
    world.call("PutObject", Key="k", Body=TEXT)
    world.p.fail("PutObject")
    assert world.fails("PutObject", Key="k", Body=TEXT)[1] == 500
    assert closed
    assert all(body.closed for body in closed)


def test_a_call_that_is_to_be_sent_once_is() -> None:
    world = CompressedWorld()
    place = world.route.authority
    assert place.translation is not None
    flow = place.translation.call(
        Call(place, Request("PutObject", {"Bucket": "b", "Key": "k", "Body": TEXT}), once=True)
    )
    world.simulation.run(world.simulation.start("put", flow))
    assert [request.operation for request in world.p.sent_once] == ["PutObject"]


def test_a_mark_of_another_version_is_told() -> None:
    world = CompressedWorld()
    world.call("PutObject", Key="k", Body=TEXT)
    form = world.form("k")
    assert form is not None
    with_mark(world.p.stored("k"), "2" + form.text[1:])
    for operation, params in (("GetObject", {}), ("HeadObject", {}), ("GetObject", {"Range": "bytes=0-5"})):
        with pytest.raises(OperationRefusedError, match="another version of foodco_storage has written; upgrade"):
            world.call(operation, Key="k", **params)
    with_mark(world.p.stored("k"), form.text + "x")
    with pytest.raises(CorruptObjectError, match="it has been changed"):
        world.call("GetObject", Key="k")
