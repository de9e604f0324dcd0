"""Copies while their source, or their destination, migrates."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from phased_world import DELETED, ON_THE_MOVE, PHASES, PhasedWorld, metadata_of

from foodco_storage.config import Mirror
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.layers.copies import Copies
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.route import Route

SOURCE = {"Bucket": "b", "Key": "k"}
OTHER = '"ffffffffffffffffffffffffffffffff"'


@pytest.mark.parametrize("phase", ["cutover", "drain"])
class TestOfWhatOnlyTheSourceHolds:
    def test_brought_over_with_all_that_it_has(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old", Metadata={"dish": "soup"}, ContentType="text/html", Tagging="a=1")
        answer = world.call("CopyObject", Key="copy", CopySource=SOURCE)
        copy = world.p.stored("copy")
        assert (copy.data, copy.tags) == (b"old", [{"Key": "a", "Value": "1"}])
        assert (metadata_of(copy), copy.described["ContentType"]) == ({"dish": "soup"}, "text/html")
        assert answer["CopyObjectResult"]["ETag"] == copy.etag
        assert world.s.holds().get("copy") == (b"old" if phase == "cutover" else None)
        assert world.journal == []

    def test_what_describes_the_copy_is_the_sources(self, phase: str) -> None:
        """S3 ignores what the caller says of it, unless told to replace."""
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        said: dict[str, Any] = {"Metadata": {"dish": "stew"}, "CacheControl": "no-store", "ContentType": "text/html"}
        world.call("CopyObject", Key="copy", CopySource=SOURCE, **said)
        copy = world.call("GetObject", Key="copy")
        assert copy["Metadata"] == {}
        assert "CacheControl" not in copy
        assert copy["ContentType"] == "binary/octet-stream"

    def test_conditions_of_the_source(self, phase: str) -> None:
        world = PhasedWorld(phase)
        etag = world.put(world.s, "k", b"old")
        for failing in ({"CopySourceIfMatch": OTHER}, {"CopySourceIfNoneMatch": etag}):
            for condition in ({}, {"IfNoneMatch": "*"}):
                status = world.fails("CopyObject", Key="c", CopySource=SOURCE, **failing, **condition)
                assert status == ("PreconditionFailed", 412)
        assert world.p.holds() == {}
        assert world.journal == []
        world.call("CopyObject", Key="c", CopySource=SOURCE, CopySourceIfMatch=etag, IfNoneMatch="*")
        assert world.p.holds()["c"] == b"old"

    def test_onto_itself(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old", Metadata={"dish": "soup"})
        assert world.fails("CopyObject", Key="k", CopySource=SOURCE) == ("InvalidRequest", 400)
        assert world.p.holds() == {}
        world.call("CopyObject", Key="k", CopySource=SOURCE, MetadataDirective="REPLACE", Metadata={"dish": "stew"})
        assert world.p.holds()["k"] == b"old"
        assert world.call("HeadObject", Key="k")["Metadata"] == {"dish": "stew"}

    def test_a_part_of_it(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"0123456789")
        upload = world.call("CreateMultipartUpload", Key="big")["UploadId"]
        etag = world.call(
            "UploadPartCopy",
            Key="big",
            UploadId=upload,
            PartNumber=1,
            CopySource=SOURCE,
            CopySourceRange="bytes=2-4",
        )["CopyPartResult"]["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        world.call("CompleteMultipartUpload", Key="big", UploadId=upload, MultipartUpload=parts)
        assert world.read("big") == b"234"


@pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
class TestOfATombstone:
    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}, {"CopySourceIfNoneMatch": OTHER}])
    def test_is_a_copy_of_nothing(self, phase: str, condition: dict[str, str]) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"not deleted yet")
        world.bury("k")
        assert world.fails("CopyObject", Key="c", CopySource=SOURCE, **condition) == ("NoSuchKey", 404)
        assert "c" not in world.p.holds()
        assert world.journal == []

    def test_not_as_a_part_either(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.bury("k")
        upload = world.call("CreateMultipartUpload", Key="big")["UploadId"]
        part = {"Key": "big", "UploadId": upload, "PartNumber": 1, "CopySource": SOURCE}
        assert world.fails("UploadPartCopy", **part) == ("NoSuchKey", 404)

    def test_written_while_it_is_copied(self, phase: str) -> None:
        """Looked at, and deleted before the server copies it."""
        world = PhasedWorld(phase)
        world.put(world.p, "k", b"new")

        def deleted_in_between(request: Request) -> None:
            if request.operation == "CopyObject":
                world.p.before = lambda _: None
                world.bury("k")

        world.p.before = deleted_in_between
        assert world.fails("CopyObject", Key="c", CopySource=SOURCE) == ("NoSuchKey", 404)
        assert "c" not in world.p.holds()

    def test_over_one(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.p, "k", b"new")
        world.bury("c")
        world.call("CopyObject", Key="c", CopySource=SOURCE, IfNoneMatch="*")
        assert world.read("c") == b"new"
        assert world.fails("CopyObject", Key="c", CopySource=SOURCE, IfNoneMatch="*") == ("PreconditionFailed", 412)


@pytest.mark.parametrize("phase", PHASES)
class TestAtTheServer:
    def test_what_the_authority_holds(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"}, Tagging="a=1")
        world.forget()
        answer = world.call("CopyObject", Key="c", CopySource="b/k")
        assert answer["CopyObjectResult"]["ETag"] == world.authority.stored("c").etag
        assert "CopyObject" in world.authority.asked
        assert "PutObject" not in world.authority.asked
        answer = world.call("GetObject", Key="c")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"new", {"dish": "soup"})
        assert world.call("GetObjectTagging", Key="c")["TagSet"] == [{"Key": "a", "Value": "1"}]
        if phase in {"backfill", "cutover"}:
            assert world.other.holds()["c"] == b"new"
            assert world.other.stored("c").tags == [{"Key": "a", "Value": "1"}]
        assert world.journal == []

    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
    def test_of_nothing(self, phase: str, condition: dict[str, str]) -> None:
        world = PhasedWorld(phase)
        assert world.fails("CopyObject", Key="c", CopySource=SOURCE, **condition) == ("NoSuchKey", 404)
        assert world.p.holds() == world.s.holds() == {}
        assert world.journal == []

    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
    def test_under_conditions_of_the_source(self, phase: str, condition: dict[str, str]) -> None:
        world = PhasedWorld(phase)
        etag = world.put(world.authority, "k", b"new")
        for failing in ({"CopySourceIfMatch": OTHER}, {"CopySourceIfNoneMatch": etag}):
            status = world.fails("CopyObject", Key="c", CopySource=SOURCE, **failing, **condition)
            assert status == ("PreconditionFailed", 412)
        world.call("CopyObject", Key="c", CopySource=SOURCE, CopySourceIfMatch=etag, **condition)
        assert world.read("c") == b"new"

    def test_with_other_metadata(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"})
        replaced: dict[str, Any] = {"MetadataDirective": "REPLACE", "Metadata": {"dish": "stew"}}
        world.call("CopyObject", Key="k", CopySource=SOURCE, **replaced, TaggingDirective="REPLACE", Tagging="a=1")
        assert world.call("HeadObject", Key="k")["Metadata"] == {"dish": "stew"}
        if phase in {"backfill", "cutover"}:
            assert world.other.stored("k").described == world.authority.stored("k").described
            assert world.other.stored("k").tags == [{"Key": "a", "Value": "1"}]


def test_a_source_that_changes_meanwhile_is_copied_as_it_is_then() -> None:
    world = PhasedWorld("cutover")
    world.put(world.p, "k", b"1")

    def changes(request: Request) -> None:
        if request.operation == "CopyObject":
            world.p.before = lambda _: None
            world.put(world.p, "k", b"2")

    for condition in ({}, {"IfNoneMatch": "*"}):
        world.p.before = changes
        key = f"copy {condition}"
        world.call("CopyObject", Key=key, CopySource=SOURCE, **condition)
        assert world.read(key) == b"2"
        world.put(world.p, "k", b"1")


def test_a_destination_that_is_written_meanwhile_fails_its_condition() -> None:
    world = PhasedWorld("cutover")
    world.put(world.p, "k", b"1")

    def written(request: Request) -> None:
        if request.operation == "CopyObject":
            world.p.before = lambda _: None
            world.put(world.p, "c", b"theirs")

    world.p.before = written
    assert world.fails("CopyObject", Key="c", CopySource=SOURCE, IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert world.read("c") == b"theirs"


def test_the_origins_etag_holds_for_a_promoted_copy() -> None:
    world = PhasedWorld("cutover")
    etag = world.upload(world.s, "k", b"aaaa", b"bb")
    assert world.read("k") == b"aaaabb"
    world.forget()
    assert world.fails("CopyObject", Key="c", CopySource=SOURCE, CopySourceIfNoneMatch=etag)[1] == 412
    world.call("CopyObject", Key="c", CopySource=SOURCE, CopySourceIfMatch=etag)
    assert world.read("c") == b"aaaabb"
    # The copy is an object of its own: it does not go by the name of an object under another key.
    assert world.fails("GetObject", Key="c", IfMatch=etag) == ("PreconditionFailed", 412)
    assert world.call("HeadObject", Key="c")["LastModified"] == world.p.stored("c").modified


@pytest.mark.parametrize("phase", ON_THE_MOVE)
def test_a_conditional_copy_is_sent_once(phase: str) -> None:
    """botocore would send it again after a lost answer, and fail over what it wrote itself."""
    world = PhasedWorld(phase)
    world.put(world.authority, "k", b"1")
    world.call("CopyObject", Key="c", CopySource=SOURCE, IfNoneMatch="*")
    assert [request.operation for request in world.authority.sent_once] == ["CopyObject"]
    if phase != "backfill":
        world.put(world.s, "old", b"1")
        world.call("CopyObject", Key="d", CopySource="b/old", IfNoneMatch="*")
        assert [request.operation for request in world.p.sent_once] == ["CopyObject", "PutObject"]


def test_a_conditional_copy_whose_answer_was_lost() -> None:
    """Streamed, it carries an id that tells what became of it; copied at the server, nobody knows."""
    world = PhasedWorld("cutover")
    world.put(world.s, "old", b"1")
    world.put(world.p, "k", b"1")

    def lost(request: Request, _: Any) -> None:
        if request.operation in {"PutObject", "CopyObject"}:
            raise world.p.outage(request.operation)

    world.p.after = lost
    answer = world.call("CopyObject", Key="c", CopySource="b/old", IfNoneMatch="*")
    assert answer["CopyObjectResult"]["ETag"] == world.p.stored("c").etag
    assert world.journal == []
    with pytest.raises(ClientError, match="InternalError"):
        world.call("CopyObject", Key="d", CopySource=SOURCE, IfNoneMatch="*")
    # It took place: the other side has to follow.
    assert world.journal == ["d"]


class TestToAnotherRoute:
    """Whoever reads the copy there is not to see what the library writes here."""

    @pytest.mark.parametrize("phase", PHASES)
    @pytest.mark.parametrize("same_store", [True, False])
    def test_no_mark_goes_along(self, phase: str, same_store: bool) -> None:
        world = PhasedWorld(phase)
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"}, ContentType="text/html", Tagging="a=1")
        world.put(world.s, "old", b"old", Metadata={"dish": "soup"}, ContentType="text/html", Tagging="a=1")
        keys = ["k"] if phase == "target" else ["k", "old"]
        for key in keys:
            world.read(key)
        here = world.route.authority.backend
        there = here if same_store else {"p": "s", "s": "p"}[here]
        layers = [Copies(Place(there), lambda *_: world.route)]
        for key in keys:
            params = {"Bucket": "elsewhere", "Key": key, "CopySource": {"Bucket": "b", "Key": key}}
            flow = flow_through(layers, "CopyObject", Place(there))
            assert flow is not None
            world.simulation.run(world.simulation.start("copy", flow(Request("CopyObject", params))))
            store = world.p if there == "p" else world.s
            copy = store.buckets["elsewhere"][key]
            assert copy.described["Metadata"] == {"dish": "soup"}
            assert copy.described["ContentType"] == "text/html"
            assert copy.tags == [{"Key": "a", "Value": "1"}]

    def test_into_one_that_reads_through(self) -> None:
        world = PhasedWorld("cutover")
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"})
        route = Route("other", Place("p"), (Place("s"),))
        flow = flow_through(layers_of(route, lambda *_: world.route), "CopyObject", Place("p"))
        assert flow is not None
        request = Request("CopyObject", {"Bucket": "elsewhere", "Key": "k", "CopySource": SOURCE})
        world.simulation.run(world.simulation.start("copy", flow(request)))
        assert world.p.buckets["elsewhere"]["k"].described["Metadata"] == {"dish": "soup"}


def test_the_mirror_of_a_copy_that_is_down() -> None:
    world = PhasedWorld("cutover", mirror=Mirror())
    world.put(world.p, "k", b"new")
    world.s.fail()
    answer = world.call("CopyObject", Key="c", CopySource=SOURCE)
    assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
    assert world.journal == ["c"]


def test_a_source_that_is_down_is_no_missing_one() -> None:
    world = PhasedWorld("cutover")
    world.s.fail()
    assert world.fails("CopyObject", Key="c", CopySource=SOURCE) == ("InternalError", 500)
    assert world.p.holds().get("c") != DELETED
