"""Multipart uploads stay with the store that gave their id, wherever the migration has come meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from phased_world import DELETED, ON_THE_MOVE, PhasedWorld, Store, metadata_of

from foodco_storage.config import Mirror
from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import NoBucket, NotThere
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response

by_phase = pytest.mark.parametrize("phase", ON_THE_MOVE)
FLIPS = [("backfill", "cutover"), ("backfill", "drain"), ("cutover", "backfill")]


def begin(world: PhasedWorld, *bodies: bytes, **params: Any) -> dict[str, Any]:
    """An upload with its parts; what a Complete needs."""
    upload = world.call("CreateMultipartUpload", Key="k", **params)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, start=1):
        etag = world.call("UploadPart", Key="k", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    return {"UploadId": upload, "MultipartUpload": {"Parts": parts}}


@by_phase
@pytest.mark.parametrize("fresh", [False, True])
def test_an_upload(phase: str, fresh: bool) -> None:
    world = PhasedWorld(phase)
    upload = begin(world, b"aaaa", b"bb", Metadata={"dish": "soup"}, ContentType="text/html", Tagging="a=1")
    if fresh:
        # Another process.
        world.move_to(phase)
    listed = world.call("ListParts", Key="k", UploadId=upload["UploadId"])
    assert [part["PartNumber"] for part in listed["Parts"]] == [1, 2]
    assert world.p.holds() == world.s.holds() == {}
    answer = world.call("CompleteMultipartUpload", Key="k", **upload)
    assert (answer["Bucket"], answer["Key"], answer["ETag"]) == ("b", "k", world.authority.stored("k").etag)
    for store in (world.p, world.s) if world.route.mirrors_writes else (world.authority,):
        assert store.holds() == {"k": b"aaaabb"}
        assert metadata_of(store.stored("k")) == {"dish": "soup"}
        assert store.stored("k").described["ContentType"] == "text/html"
        assert store.stored("k").tags == [{"Key": "a", "Value": "1"}]
    assert world.call("HeadObject", Key="k")["Metadata"] == {"dish": "soup"}
    assert world.journal == []


@by_phase
def test_nothing_is_asked_of_the_other_side_for_an_upload_that_began_here(phase: str) -> None:
    world = PhasedWorld(phase)
    begin(world, b"aaaa", b"bb")
    assert world.other.asked == []
    assert world.authority.asked == ["CreateMultipartUpload", "UploadPart", "UploadPart"]


@by_phase
def test_an_abort(phase: str) -> None:
    world = PhasedWorld(phase)
    upload = begin(world, b"aaaa")
    world.call("AbortMultipartUpload", Key="k", UploadId=upload["UploadId"])
    assert world.fails("CompleteMultipartUpload", Key="k", **upload) == ("NoSuchUpload", 404)
    assert world.p.holds() == world.s.holds() == {}
    assert world.journal == []


@by_phase
@pytest.mark.parametrize("trouble", ["none", "no bucket", "no such key", "down"])
def test_an_id_that_nobody_gave(phase: str, trouble: str) -> None:
    """The authority's own error, whatever the other side says of it."""
    world = PhasedWorld(phase)

    def trouble_there(request: Request) -> None:
        code, status = {"no bucket": ("NoSuchBucket", 404), "no such key": ("NoSuchKey", 404)}[trouble]
        error = ClientError(error_response(code, status, ""), request.operation)
        raise (NoBucket if status == 404 and trouble == "no bucket" else NotThere)("", error)

    if trouble == "down":
        world.other.fail()
    elif trouble != "none":
        world.other.before = trouble_there
    params = {"Key": "k", "UploadId": "nobody's"}
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}}
    assert world.fails("UploadPart", **params, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    assert world.fails("ListParts", **params) == ("NoSuchUpload", 404)
    assert world.fails("AbortMultipartUpload", **params) == ("NoSuchUpload", 404)
    assert world.fails("CompleteMultipartUpload", **params, **parts) == ("NoSuchUpload", 404)
    assert world.journal == []


@pytest.mark.parametrize("upload_id", [None, 7, ["x"], {}])
def test_an_id_of_no_type_that_botocore_takes_is_left_to_it(upload_id: Any) -> None:
    world = PhasedWorld("cutover")
    for operation in ("UploadPart", "ListParts", "AbortMultipartUpload"):
        process = world.start(operation, Key="k", UploadId=upload_id)
        assert isinstance(process.effect, Call)
        assert process.effect.request.params["UploadId"] is upload_id


class TestAfterAFlip:
    """The upload began when the other side was the authority."""

    @pytest.mark.parametrize(("before", "after"), FLIPS)
    def test_parts_go_where_the_upload_is(self, before: str, after: str) -> None:
        world = PhasedWorld(before)
        upload = begin(world, b"aaaa")
        began, other = world.authority, world.other
        world.move_to(after)
        etag = world.call("UploadPart", Key="k", UploadId=upload["UploadId"], PartNumber=2, Body=b"bb")["ETag"]
        assert began.asked.count("UploadPart") == 2
        assert "UploadPart" not in other.asked
        upload["MultipartUpload"]["Parts"].append({"PartNumber": 2, "ETag": etag})
        answer = world.call("CompleteMultipartUpload", Key="k", **upload)
        assert world.read("k") == b"aaaabb"
        assert answer["ETag"] == world.authority.stored("k").etag
        assert "Metadata" not in answer
        assert world.journal == []

    @pytest.mark.parametrize(("before", "after"), FLIPS)
    def test_it_overwrites_what_the_authority_holds(self, before: str, after: str) -> None:
        world = PhasedWorld(before)
        upload = begin(world, b"new", Metadata={"dish": "soup"})
        world.move_to(after)
        world.call("PutObject", Key="k", Body=b"older")
        world.call("CompleteMultipartUpload", Key="k", **upload)
        assert world.read("k") == b"new"
        assert world.call("HeadObject", Key="k")["Metadata"] == {"dish": "soup"}
        if after != "drain":
            assert world.other.holds()["k"] == b"new"

    def test_over_a_tombstone(self) -> None:
        world = PhasedWorld("backfill")
        upload = begin(world, b"new")
        world.move_to("cutover")
        world.call("DeleteObject", Key="k")
        world.call("CompleteMultipartUpload", Key="k", **upload)
        assert world.read("k") == b"new"

    def test_an_abort(self) -> None:
        world = PhasedWorld("backfill")
        upload = begin(world, b"new")
        world.move_to("cutover")
        world.call("AbortMultipartUpload", Key="k", UploadId=upload["UploadId"])
        assert world.s._uploads == {}

    def test_a_condition_is_refused(self) -> None:
        world = PhasedWorld("backfill")
        upload = begin(world, b"new")
        world.move_to("cutover")
        with pytest.raises(OperationRefusedError, match="Begin the upload anew"):
            world.call("CompleteMultipartUpload", Key="k", **upload, IfNoneMatch="*")
        assert world.s.holds() == {}
        assert world.journal == []

    @pytest.mark.parametrize("failure", [Store.outage, Store.refusal])
    def test_what_could_not_be_brought_over_is_not_acknowledged(self, failure: Any) -> None:
        """The source holds it then, so the key has to be looked into."""
        world = PhasedWorld("backfill")
        upload = begin(world, b"new")
        world.move_to("cutover")
        world.call("PutObject", Key="k", Body=b"older")
        world.p.fail("PutObject", error=lambda operation: failure(world.p, operation))
        with pytest.raises(ClientError):
            world.call("CompleteMultipartUpload", Key="k", **upload)
        assert (world.p.holds(), world.s.holds()) == ({"k": b"older"}, {"k": b"new"})
        assert world.journal == ["k"]

    def test_overwritten_there_by_others(self) -> None:
        """What they wrote is not brought over in this upload's name."""
        world = PhasedWorld("backfill")
        upload = begin(world, b"mine")
        world.move_to("cutover")

        def overwritten(request: Request, _: Any) -> None:
            if request.operation == "CompleteMultipartUpload":
                world.put(world.s, "k", b"theirs")

        world.s.after = overwritten
        with pytest.raises(ClientError, match="upload the object again"):
            world.call("CompleteMultipartUpload", Key="k", **upload)
        assert world.p.holds() == {}
        assert world.journal == ["k"]

    def test_in_parts_of_more_than_one_put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("foodco_storage.layers.object_copy.WHOLE_BYTES", 4)
        world = PhasedWorld("backfill")
        upload = begin(world, b"aaaa", b"bb", Metadata={"dish": "soup"})
        world.move_to("cutover")
        world.call("CompleteMultipartUpload", Key="k", **upload)
        assert world.read("k") == b"aaaabb"
        # The layout stays, and so the ETag.
        assert world.p.stored("k").etag == world.s.stored("k").etag
        assert metadata_of(world.p.stored("k")) == {"dish": "soup"}


def test_deleted_uploads_that_nobody_completes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foodco_storage.layers.uploads._MAX_KNOWN", 3)
    world = PhasedWorld("cutover")
    uploads = [begin(world, b"x") for _ in range(5)]
    for upload in uploads:
        world.call("CompleteMultipartUpload", Key="k", **upload)
    assert world.read("k") == b"x"


def test_the_other_side_follows_later() -> None:
    world = PhasedWorld("cutover", mirror=Mirror(mode="async"))
    answer = world.call("CompleteMultipartUpload", Key="k", **begin(world, b"x"))
    assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
    assert world.s.holds() == {}
    assert world.journal == ["k"]


def test_reserved_metadata() -> None:
    world = PhasedWorld("cutover")
    with pytest.raises(OperationRefusedError, match="reserved"):
        begin(world, b"x", Metadata={"Foodco-Write": "mine"})
    assert world.p.asked == []


def test_a_complete_of_what_is_deleted_afterwards_stays_deleted() -> None:
    world = PhasedWorld("cutover")
    world.call("CompleteMultipartUpload", Key="k", **begin(world, b"x"))
    world.call("DeleteObject", Key="k")
    assert world.p.holds()["k"] == DELETED
    assert world.s.holds() == {}
