"""A place that keeps objects compressed, as its callers and as its store see it."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
from typing import Any

import msgspec
import pytest
from compressed_world import FRAME_BYTES, CompressedWorld, form_of, with_mark
from hypothesis import given
from hypothesis import strategies as st
from phased_world import metadata_of

from foodco_storage.config import Compression
from foodco_storage.errors import CorruptObjectError, OperationRefusedError
from foodco_storage.flows.effects import Call
from foodco_storage.flows.marks import CODEC
from foodco_storage.flows.request import Request
from foodco_storage.layers.compressed_ranges import TAIL_BYTES
from foodco_storage.layers.compressible import Compressing

TEXT = b"".join(json.dumps({"id": n, "kcal": n * 7 % 900}).encode() + b"\n" for n in range(5000))
FRAMES = -(-len(TEXT) // FRAME_BYTES)


def digest(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


@pytest.fixture(scope="module")
def noise() -> bytes:
    return hashlib.shake_256(b"noise").digest(3 * TAIL_BYTES)


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
        asked = world.call(operation, Key="k", ResponseContentEncoding="br")
        # The memory store has no such overrides; a store that has them answers what was asked for.
        assert asked["ContentLength"] == len(TEXT)


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


def asked_bytes(world: CompressedWorld) -> int:
    """Bytes that the store was asked for."""
    return sum(
        int(world.p.call(request)["ContentLength"]) for request in list(world.p.requests) if "Range" in request.params
    )


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


class TestCopies:
    def world(self, phase: str = "target") -> CompressedWorld:
        world = CompressedWorld(phase)
        world.call("PutObject", Key="k", Body=TEXT, Metadata={"a": "b"}, ContentEncoding="utf-8")
        world.put(world.p, "plain", TEXT, Metadata={"a": "b"})
        world.forget()
        return world

    @pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
    def test_at_the_server(self, phase: str) -> None:
        world = self.world(phase)
        world.call("CopyObject", Key="copy", CopySource={"Bucket": "b", "Key": "k"})
        assert "GetObject" not in world.p.asked or phase == "cutover", "the mirror reads it"
        assert world.p.stored("copy").data == world.p.stored("k").data
        got = world.call("GetObject", Key="copy")
        assert (got["Body"].read(), got["Metadata"], got["ContentEncoding"]) == (TEXT, {"a": "b"}, "utf-8")
        if phase == "cutover":
            assert world.s.holds()["copy"] == TEXT

    @pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
    def test_with_other_metadata(self, phase: str) -> None:
        world = self.world(phase)
        for key in ("k", "copy"):
            world.forget()
            world.call(
                "CopyObject",
                Key=key,
                CopySource="b/k",
                MetadataDirective="REPLACE",
                Metadata={"c": "d"},
                ContentType="text/csv",
            )
            assert "GetObject" not in world.p.asked or phase == "cutover"
            got = world.call("GetObject", Key=key)
            assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (TEXT, {"c": "d"}, "text/csv")
            assert "ContentEncoding" not in got
            assert world.form(key) is not None

    @pytest.mark.parametrize("key", ["k", "plain"])
    def test_to_where_nothing_is_compressed(self, key: str) -> None:
        world = self.world()
        world.call("CopyObject", Bucket="b", Key="copy", CopySource=f"b/{key}")
        flow = world.layers_of_elsewhere()
        world.simulation.run(
            world.simulation.start(
                "copy", flow(Request("CopyObject", {"Bucket": "elsewhere", "Key": "out", "CopySource": f"b/{key}"}))
            )
        )
        lies = world.p.buckets["elsewhere"]["out"]
        assert lies.data == TEXT
        assert metadata_of(lies) == lies.described["Metadata"] == {"a": "b"}
        assert lies.described.get("ContentEncoding") == ("utf-8" if key == "k" else None)

    def test_a_part_of_a_copy(self) -> None:
        world = self.world()
        upload = world.call("CreateMultipartUpload", Key="big")["UploadId"]
        parts = []
        for number, span in ((1, None), (2, "bytes=100-299")):
            more = {} if span is None else {"CopySourceRange": span}
            part = world.call("UploadPartCopy", Key="big", UploadId=upload, PartNumber=number, CopySource="b/k", **more)
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        world.call("CompleteMultipartUpload", Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
        assert world.read("big") == TEXT + TEXT[100:300]

    def test_conditions_on_the_source(self) -> None:
        world = self.world()
        etag = world.p.stored("k").etag
        world.call("CopyObject", Key="copy", CopySource="b/k", CopySourceIfMatch=etag, MetadataDirective="REPLACE")
        assert world.read("copy") == TEXT
        for directive in ("COPY", "REPLACE"):
            refused = world.fails(
                "CopyObject", Key="c", CopySource="b/k", CopySourceIfNoneMatch=etag, MetadataDirective=directive
            )
            assert refused == ("PreconditionFailed", 412)
        assert world.fails("CopyObject", Key="copy", CopySource="b/none")[0] == "NoSuchKey"

    @pytest.mark.parametrize(
        ("operation", "more"),
        [
            ("CopyObject", {"Bucket": "elsewhere"}),
            ("CopyObject", {"MetadataDirective": "REPLACE", "Metadata": {"c": "d"}}),
            ("UploadPartCopy", {"PartNumber": 1}),
        ],
    )
    def test_a_source_that_is_compressed_meanwhile(self, operation: str, more: dict[str, Any]) -> None:
        """A look says that it lies as it is; then it is written anew."""
        world = self.world()
        if operation == "UploadPartCopy":
            more = {**more, "UploadId": world.call("CreateMultipartUpload", Key="out")["UploadId"]}

        def after(request: Request, answer: Any) -> None:
            del answer
            if request.operation == "HeadObject" and request.params["Key"] == "plain":
                world.p.after = lambda *_: None
                world.call("PutObject", Key="plain", Body=TEXT + b"newer")

        world.p.after = after
        if more.get("Bucket") == "elsewhere":
            flow = world.layers_of_elsewhere()
            params = {"Bucket": "elsewhere", "Key": "out", "CopySource": "b/plain"}
            world.simulation.run(world.simulation.start("copy", flow(Request("CopyObject", params))))
            assert world.p.buckets["elsewhere"]["out"].data == TEXT + b"newer"
            return
        done = world.call(operation, Key="out", CopySource="b/plain", **more)
        if operation == "UploadPartCopy":
            parts = [{"PartNumber": 1, "ETag": done["CopyPartResult"]["ETag"]}]
            world.call(
                "CompleteMultipartUpload", Key="out", UploadId=more["UploadId"], MultipartUpload={"Parts": parts}
            )
        assert world.read("out") == TEXT + b"newer"

    def test_metadata_that_leave_no_room_for_the_mark(self) -> None:
        world = self.world()
        large = {"a": "x" * 1900}
        world.call("CopyObject", Key="out", CopySource="b/k", MetadataDirective="REPLACE", Metadata=large)
        assert world.p.stored("out").data == TEXT
        assert world.call("GetObject", Key="out")["Metadata"] == large
        with pytest.raises(OperationRefusedError, match="is reserved"):
            world.call(
                "CopyObject", Key="out", CopySource="b/k", MetadataDirective="REPLACE", Metadata={"foodco-codec": "x"}
            )

    def test_checksums_of_a_copy_are_those_of_the_object(self) -> None:
        world = self.world()

        def after(request: Request, answer: Any) -> None:
            if request.operation == "CopyObject":
                answer["CopyObjectResult"]["ChecksumSHA256"] = "of what lies there"

        world.p.after = after
        result = world.call("CopyObject", Key="out", CopySource="b/k", ChecksumAlgorithm="SHA256")["CopyObjectResult"]
        assert "ChecksumSHA256" not in result
        form = world.form("k")
        assert form is not None
        assert result["ChecksumCRC32"] == base64.b64encode(form.crc32.to_bytes(4, "big")).decode()


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
