from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError
from memory_world import World

from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers.order import flow_through
from foodco_storage.layers.route import Route
from foodco_storage.layers.split_deletes import SplitDeletes


def failed(world: World, operation: str, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        world.call(operation, **params)
    return str(caught.value.response["Error"]["Code"])


def bodies(store: Any) -> dict[str, bytes]:
    return {key: stored.data for key, stored in store.buckets["b"].items()}


def test_put_goes_to_the_primary_alone() -> None:
    world = World()
    world.put(world.f, "k", b"old")
    world.call("PutObject", Key="k", Body=b"new")
    assert (bodies(world.p), bodies(world.f)) == ({"k": b"new"}, {"k": b"old"})
    assert world.f.asked == []


def test_put_if_absent_counts_the_fallback() -> None:
    world = World()
    world.put(world.f, "k", b"old")
    assert failed(world, "PutObject", Key="k", Body=b"new", IfNoneMatch="*") == "PreconditionFailed"
    world.call("PutObject", Key="new", Body=b"1", IfNoneMatch="*")
    assert failed(world, "PutObject", Key="new", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert bodies(world.p) == {"new": b"1"}


def test_put_if_match_counts_the_fallback() -> None:
    world = World()
    etag = world.put(world.f, "k", b"old")
    assert failed(world, "PutObject", Key="k", Body=b"no", IfMatch='"0"') == "PreconditionFailed"
    assert failed(world, "PutObject", Key="nobody", Body=b"no", IfMatch='"0"') == "NoSuchKey"
    assert bodies(world.p) == {}
    world.call("PutObject", Key="k", Body=b"new", IfMatch=etag)
    # From now on the primary's object counts.
    assert failed(world, "PutObject", Key="k", Body=b"no", IfMatch=etag) == "PreconditionFailed"
    assert bodies(world.p) == {"k": b"new"}


def test_put_if_match_does_not_overwrite_what_came_in_between() -> None:
    world = World()
    etag = world.put(world.f, "k", b"old")
    writer = world.simulation.start("put", world.flow("PutObject", Key="k", Body=b"mine", IfMatch=etag))
    while not (isinstance(writer.effect, Call) and writer.effect.request.operation == "PutObject"):
        world.simulation.step(writer)
    world.put(world.p, "k", b"theirs")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        world.simulation.run(writer)
    assert bodies(world.p) == {"k": b"theirs"}


@pytest.mark.parametrize("condition", [{"IfNoneMatch": "*"}, {"IfMatch": "*"}])
def test_a_condition_that_the_primary_would_ignore_is_refused(condition: dict[str, str]) -> None:
    world = World(lacks=("conditional_put", "put_if_match"))
    with pytest.raises(OperationRefusedError, match="ignores IfNoneMatch"):
        world.call("PutObject", Key="k", Body=b"", **condition)
    assert world.p.asked == []


def test_put_if_match_over_a_fallbacks_object_needs_a_conditional_put() -> None:
    world = World(lacks=("conditional_put",))
    etag = world.put(world.f, "k", b"old")
    with pytest.raises(OperationRefusedError, match="in between"):
        world.call("PutObject", Key="k", Body=b"new", IfMatch=etag)
    assert bodies(world.p) == {}


def test_a_key_that_the_primary_knows_to_be_deleted_is_absent_for_conditions() -> None:
    world = World()
    etag = world.put(world.f, "k", b"old")
    world.p.deleted = {"k"}
    assert failed(world, "PutObject", Key="k", Body=b"no", IfMatch=etag) == "NoSuchKey"
    assert bodies(world.p) == {}
    world.call("PutObject", Key="k", Body=b"new", IfNoneMatch="*")
    assert bodies(world.p) == {"k": b"new"}


def test_a_key_that_the_fallback_knows_to_be_deleted_is_absent_for_conditions() -> None:
    world = World()
    world.f.deleted = {"k"}
    assert failed(world, "PutObject", Key="k", Body=b"no", IfMatch="*") == "NoSuchKey"
    world.call("PutObject", Key="k", Body=b"new", IfNoneMatch="*")
    assert bodies(world.p) == {"k": b"new"}


@pytest.mark.parametrize(("lacks", "sent"), [((), '"{}"'), (("put_if_match_quoted",), "{}")])
def test_quotes_that_the_primary_does_not_understand_are_left_out(lacks: tuple[str, ...], sent: str) -> None:
    world = World(lacks=lacks)
    etag = world.put(world.p, "k", b"old")
    world.call("PutObject", Key="k", Body=b"new", IfMatch=etag)
    assert world.p.requests[-1].params["IfMatch"] == sent.format(etag.strip('"'))
    assert bodies(world.p) == {"k": b"new"}


@pytest.mark.parametrize("condition", [{"IfNoneMatch": None}, {"IfMatch": 7}])
def test_a_condition_that_is_no_text_is_left_to_botocore(condition: dict[str, Any]) -> None:
    world = World()
    flow = world.flow("PutObject", Key="k", Body=b"", **condition)
    sent = next(flow)
    assert isinstance(sent, Call)
    assert sent.request.params.items() >= condition.items()


def test_a_fallback_that_is_down_does_not_let_a_condition_pass() -> None:
    world = World()
    world.simulation.down = {"f"}
    with pytest.raises(Exception, match="Could not connect"):
        world.call("PutObject", Key="k", Body=b"", IfNoneMatch="*")
    assert bodies(world.p) == {}


@pytest.mark.parametrize("sequence", [list, tuple])
def test_of_several_routes_each_gets_its_own_deletes(sequence: type) -> None:
    world = World()
    routes = {"thumbs/": Route("thumbs", Place("f"), prefix="thumbs/"), "": Route("rest", Place("p"))}
    refusing = Route("rest", Place("p"), (Place("f"),))
    for where, key in ((world.p, "k"), (world.p, "thumbs/k"), (world.f, "k"), (world.f, "thumbs/k")):
        world.put(where, key, b"")
    delete = {"Objects": sequence([{"Key": "k"}, {"Key": "thumbs/k"}])}

    def run(routes: dict[str, Route]) -> Any:
        layer = SplitDeletes(lambda key: routes["thumbs/" if key.startswith("thumbs/") else ""], lambda _: None)
        flow = flow_through([layer], "DeleteObjects", Place("p"))
        assert flow is not None
        request = Request("DeleteObjects", {"Bucket": "b", "Delete": delete})
        return world.simulation.run(world.simulation.start("delete", flow(request)))

    with pytest.raises(OperationRefusedError, match="still holds"):
        run(routes | {"": refusing})
    assert (set(bodies(world.p)), set(bodies(world.f))) == ({"k", "thumbs/k"}, {"k", "thumbs/k"})
    assert [item["Key"] for item in run(routes)["Deleted"]] == ["k", "thumbs/k"]
    assert (set(bodies(world.p)), set(bodies(world.f))) == ({"thumbs/k"}, {"k"})


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DeleteObject", {"Key": "k"}),
        ("DeleteObjects", {"Delete": {"Objects": [{"Key": "k"}]}}),
        ("RenameObject", {"Key": "k", "RenameSource": "x"}),
        ("DeleteBucket", {}),
    ],
)
def test_deletes_are_refused(operation: str, params: dict[str, Any]) -> None:
    world = World()
    world.put(world.p, "k", b"new")
    with pytest.raises(OperationRefusedError, match="still holds") as caught:
        world.call(operation, **params)
    assert caught.value.response["Error"]["Code"] == "MethodNotAllowed"
    assert (world.p.asked, world.f.asked) == ([], [])


def test_tags_of_an_object_that_only_the_fallback_holds() -> None:
    world = World()
    world.put(world.f, "old", b"")
    world.put(world.p, "new", b"")
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    world.call("PutObjectTagging", Key="new", Tagging=tags)
    assert world.call("GetObjectTagging", Key="new")["TagSet"] == tags["TagSet"]
    with pytest.raises(OperationRefusedError, match="only in the fallback 'f'") as caught:
        world.call("PutObjectTagging", Key="old", Tagging=tags)
    assert "copy_object with StorageClass='STANDARD'" in str(caught.value)
    assert failed(world, "PutObjectTagging", Key="nobody", Tagging=tags) == "NoSuchKey"
    assert world.f.buckets["b"]["old"].tags == []


def test_the_advice_about_tags_of_an_object_that_only_the_fallback_holds_keeps_the_object_as_it_is() -> None:
    world = World()
    world.put(world.f, "old", b"body", Metadata={"dish": "pizza"}, ContentType="image/jpeg", Tagging="a=1")
    world.call("CopyObject", Key="old", CopySource={"Bucket": "b", "Key": "old"}, StorageClass="STANDARD")
    ours, theirs = world.p.buckets["b"]["old"], world.f.buckets["b"]["old"]
    assert (ours.data, ours.tags) == (theirs.data, theirs.tags)
    assert ours.described == theirs.described | {"StorageClass": "STANDARD"}


class TestCopies:
    def test_at_the_server_where_the_primary_holds_the_source(self) -> None:
        world = World()
        world.put(world.p, "k", b"new")
        answer = world.call("CopyObject", Key="copy", CopySource={"Bucket": "b", "Key": "k"})
        assert answer["ResponseMetadata"]["Storage"] == {"backend": "p", "copied_from": "p"}
        assert (world.p.asked, world.f.asked) == (["CopyObject"], [])

    def test_streamed_from_the_fallback(self) -> None:
        world = World()
        world.put(
            world.f,
            "k",
            b"old",
            ContentType="image/jpeg",
            ContentEncoding="gzip,aws-chunked",
            Metadata={"dish": "pizza"},
        )
        world.f.buckets["b"]["k"].tags = [{"Key": "a b", "Value": "1&2"}]
        answer = world.call("CopyObject", Key="copy", CopySource="b/k")
        copy = world.p.buckets["b"]["copy"]
        assert (copy.data, answer["CopyObjectResult"]["ETag"]) == (b"old", copy.etag)
        assert copy.described == {"ContentType": "image/jpeg", "ContentEncoding": "gzip", "Metadata": {"dish": "pizza"}}
        assert copy.tags == [{"Key": "a b", "Value": "1&2"}]
        assert answer["ResponseMetadata"]["Storage"]["copied_from"] == "f"
        assert bodies(world.f) == {"k": b"old"}

    def test_replaced_metadata(self) -> None:
        world = World()
        world.put(world.f, "k", b"old", Metadata={"dish": "pizza"}, ContentType="image/jpeg")
        source = {"Bucket": "b", "Key": "k"}
        world.call("CopyObject", Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"moved": "yes"})
        assert world.p.buckets["b"]["k"].described["Metadata"] == {"moved": "yes"}
        assert world.p.buckets["b"]["k"].described["ContentType"] == "binary/octet-stream"

    def test_onto_itself_without_a_change(self) -> None:
        world = World()
        world.put(world.f, "k", b"old")
        assert failed(world, "CopyObject", Key="k", CopySource={"Bucket": "b", "Key": "k"}) == "InvalidRequest"

    def test_conditions_on_the_source(self) -> None:
        world = World()
        etag = world.put(world.f, "k", b"old")
        source = {"Bucket": "b", "Key": "k"}
        for condition in ({"CopySourceIfMatch": '"0"'}, {"CopySourceIfNoneMatch": etag}):
            assert failed(world, "CopyObject", Key="c", CopySource=source, **condition) == "PreconditionFailed"
        assert bodies(world.p) == {}
        world.call("CopyObject", Key="c", CopySource=source, CopySourceIfMatch=etag)

    def test_condition_on_the_destination(self) -> None:
        world = World()
        world.put(world.p, "k", b"new")
        world.put(world.f, "held", b"old")
        source = {"Bucket": "b", "Key": "k"}
        assert failed(world, "CopyObject", Key="held", CopySource=source, IfNoneMatch="*") == "PreconditionFailed"

    def test_nobody_holds_the_source(self) -> None:
        world = World()
        assert failed(world, "CopyObject", Key="c", CopySource={"Bucket": "b", "Key": "k"}) == "NoSuchKey"

    def test_the_fallback_is_down(self) -> None:
        world = World()
        world.simulation.down = {"f"}
        with pytest.raises(Exception, match="Could not connect"):
            world.call("CopyObject", Key="c", CopySource={"Bucket": "b", "Key": "k"})

    def test_what_is_missing_on_writing_is_not_the_source(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fallback further down may hold an older copy: it must not be written instead."""
        world = World()
        world.put(world.f, "k", b"old")
        call = world.p.call

        def answer(request: Any) -> Any:
            if request.operation == "PutObject":
                del world.p.buckets["b"]
            return call(request)

        monkeypatch.setattr(world.p, "call", answer)
        assert failed(world, "CopyObject", Key="c", CopySource={"Bucket": "b", "Key": "k"}) == "NoSuchBucket"
        assert world.f.asked == ["GetObject", "GetObjectTagging"]

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"date": "Tue, 24 Nov 2026 03:00:00 GMT"}, dt.datetime(2026, 11, 24, 3, tzinfo=dt.UTC)),
            ({"date": "yesterday"}, None),
            ({}, None),
        ],
    )
    def test_nothing_is_asked_after_it_is_written(
        self, headers: dict[str, str], expected: dt.datetime | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        world.put(world.f, "k", b"old")
        call = world.p.call

        def with_date(request: Any) -> Any:
            response = call(request)
            response["ResponseMetadata"]["HTTPHeaders"] = headers
            return response

        monkeypatch.setattr(world.p, "call", with_date)
        answer = world.call("CopyObject", Key="c", CopySource={"Bucket": "b", "Key": "k"})
        assert answer["CopyObjectResult"].get("LastModified") == expected
        assert answer["CopyObjectResult"]["ETag"] == world.p.buckets["b"]["c"].etag
        assert world.p.asked[-1] == "PutObject"

    @pytest.mark.parametrize("code", ["NotImplemented", "NoSuchTagSet", "AccessDenied"])
    def test_tags_are_asked_for_even_where_the_read_counted_none(
        self, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """S3 leaves the count out for who may not read tags."""
        world = World()
        world.put(world.f, "k", b"old")
        call = world.f.call

        def answer(request: Any) -> Any:
            if request.operation == "GetObjectTagging":
                raise Rejected("f", ClientError(error_response(code, 403, "m"), request.operation))
            return call(request)

        monkeypatch.setattr(world.f, "call", answer)
        copy = {"Key": "c", "CopySource": {"Bucket": "b", "Key": "k"}}
        if code == "AccessDenied":
            assert failed(world, "CopyObject", **copy) == "AccessDenied"
            assert bodies(world.p) == {}
            world.call("CopyObject", **copy, TaggingDirective="REPLACE", Tagging="a=1")
        else:
            world.call("CopyObject", **copy)
        assert bodies(world.p) == {"c": b"old"}

    def test_a_part_from_the_fallback(self) -> None:
        world = World()
        world.put(world.f, "k", b"0123456789")
        upload = world.p.call(_request("CreateMultipartUpload", Key="big"))["UploadId"]
        answer = world.call(
            "UploadPartCopy",
            Key="big",
            UploadId=upload,
            PartNumber=1,
            CopySource={"Bucket": "b", "Key": "k"},
            CopySourceRange="bytes=2-4",
        )
        part = {"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}
        world.call("CompleteMultipartUpload", Key="big", UploadId=upload, MultipartUpload={"Parts": [part]})
        assert bodies(world.p)["big"] == b"234"


def _request(operation: str, **params: Any) -> Any:
    from foodco_storage.flows.request import Request  # noqa: PLC0415

    return Request(operation, {"Bucket": "b", **params})
