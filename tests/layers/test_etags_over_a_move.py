"""Callers hold ETags while the phase moves: those of unchanged objects go on being good."""

from __future__ import annotations

from phased_world import PhasedWorld


def test_of_a_mirrored_upload() -> None:
    world = PhasedWorld("backfill")
    upload = world.call("CreateMultipartUpload", Key="k")["UploadId"]
    parts = []
    for number in (1, 2):
        answer = world.call("UploadPart", Key="k", UploadId=upload, PartNumber=number, Body=bytes([number]) * 6)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    done = world.call("CompleteMultipartUpload", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    modified = world.call("HeadObject", Key="k")["LastModified"]
    assert world.journal == []
    world.move_to("cutover")
    assert world.p.stored("k").etag != done["ETag"]
    assert world.read("k", IfMatch=done["ETag"]) == bytes([1]) * 6 + bytes([2]) * 6
    assert world.fails("GetObject", Key="k", IfNoneMatch=done["ETag"]) == ("304", 304)
    assert world.read("k", PartNumber=2) == bytes([2]) * 6
    assert world.call("HeadObject", Key="k")["LastModified"] == modified
    world.call("PutObject", Key="k", Body=b"new", IfMatch=done["ETag"])
    assert world.s.holds() == {"k": b"new"}
