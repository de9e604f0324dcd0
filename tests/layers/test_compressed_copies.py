"""Copies of objects that lie compressed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from compressed_world import TEXT, CompressedWorld
from phased_world import metadata_of

from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.request import Request


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
