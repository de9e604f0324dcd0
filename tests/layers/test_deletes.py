"""Deletes on routes that migrate: what is answered, what is left, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator
from phased_world import DELETED, ON_THE_MOVE, PhasedWorld, Store

from foodco_storage.config import Mirror
from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers import delete_parameters

OTHER = '"ffffffffffffffffffffffffffffffff"'
by_phase = pytest.mark.parametrize("phase", ON_THE_MOVE)
by_marking_phase = pytest.mark.parametrize("phase", ["cutover", "drain"])


def world_with(phase: str, *keys: str, **options: Any) -> PhasedWorld:
    """Both sides hold these keys."""
    world = PhasedWorld(phase, **options)
    for key in keys:
        world.put(world.p, key, b"same")
        world.put(world.s, key, b"same")
    return world


def delete(world: PhasedWorld, *items: Any, **more: Any) -> Any:
    objects = [item if isinstance(item, dict) else {"Key": item} for item in items]
    return world.call("DeleteObjects", Delete={"Objects": objects, **more})


def errors(answer: Any) -> dict[str, str]:
    return {error["Key"]: error["Code"] for error in answer.get("Errors", [])}


class TestOne:
    @by_phase
    def test_the_answer_is_a_deletes(self, phase: str) -> None:
        world = world_with(phase, "k")
        answer = world.call("DeleteObject", Key="k")
        assert answer.keys() == {"ResponseMetadata"}
        if phase != "backfill":
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert answer["ResponseMetadata"]["Storage"] == {"backend": world.route.authority.backend}

    @by_phase
    def test_of_what_nobody_holds(self, phase: str) -> None:
        """No error, as in S3; and a promote that is under way must not make it one."""
        world = PhasedWorld(phase)
        world.call("DeleteObject", Key="k")
        assert world.p.holds() == {"k": DELETED}
        world.call("DeleteObject", Key="k")
        assert world.p.holds() == {"k": DELETED}

    @by_phase
    def test_if_match(self, phase: str) -> None:
        world = world_with(phase, "k")
        etag = world.authority.stored("k").etag
        if phase != "backfill":
            # The source's store decides there; the one in memory ignores the condition, as RGW does.
            assert world.fails("DeleteObject", Key="k", IfMatch=OTHER) == ("PreconditionFailed", 412)
            assert world.fails("DeleteObject", Key="none", IfMatch="*") == ("NoSuchKey", 404)
            assert world.p.holds() == world.s.holds() == {"k": b"same"}
            assert world.journal == []
        world.call("DeleteObject", Key="k", IfMatch=etag)
        assert world.p.holds()["k"] == DELETED
        assert "k" not in world.s.holds()
        if phase != "backfill":
            assert world.fails("DeleteObject", Key="k", IfMatch=etag) == ("NoSuchKey", 404)

    @by_marking_phase
    def test_if_match_of_what_only_the_source_holds(self, phase: str) -> None:
        world = PhasedWorld(phase)
        etag = world.put(world.s, "k")
        assert world.fails("DeleteObject", Key="k", IfMatch=OTHER) == ("PreconditionFailed", 412)
        assert world.s.holds() == {"k": b"body"}
        world.call("DeleteObject", Key="k", IfMatch=etag)
        assert (world.p.holds(), world.s.holds()) == ({"k": DELETED}, {})

    @by_marking_phase
    def test_if_match_by_the_origins_etag(self, phase: str) -> None:
        world = PhasedWorld(phase)
        etag = world.upload(world.s, "k", b"aaaa", b"bb")
        world.read("k")
        world.call("DeleteObject", Key="k", IfMatch=etag)
        assert world.p.holds() == {"k": DELETED}

    @by_marking_phase
    def test_if_match_where_the_store_ignores_it(self, phase: str) -> None:
        world = world_with(phase, "k", lacks=("put_if_match",))
        with pytest.raises(OperationRefusedError):
            world.call("DeleteObject", Key="k", IfMatch=OTHER)
        assert world.p.holds() == {"k": b"same"}

    @by_marking_phase
    @pytest.mark.parametrize(
        "condition", [{"IfMatchSize": 7}, {"IfMatchLastModifiedTime": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}]
    )
    def test_a_condition_that_can_not_be_kept_is_refused_and_not_left_out(
        self, phase: str, condition: dict[str, Any]
    ) -> None:
        world = world_with(phase, "k")
        with pytest.raises(OperationRefusedError, match="use IfMatch"):
            world.call("DeleteObject", Key="k", **condition)
        assert world.p.holds() == world.s.holds() == {"k": b"same"}
        assert world.journal == []

    @by_marking_phase
    def test_of_one_version_is_refused(self, phase: str) -> None:
        world = world_with(phase, "k")
        with pytest.raises(OperationRefusedError, match="one version"):
            world.call("DeleteObject", Key="k", VersionId="v1")
        assert world.p.holds() == world.s.holds() == {"k": b"same"}
        # What an unversioned bucket calls its objects.
        world.call("DeleteObject", Key="k", VersionId="null")
        assert world.p.holds() == {"k": DELETED}

    def test_of_one_version_of_the_source(self) -> None:
        """The key may lie there still, in another version."""
        world = world_with("backfill", "k")

        def keeps(request: Request) -> None:
            if request.operation == "DeleteObject":
                world.put(world.s, "k", b"the version before")

        world.s.after = lambda request, _: keeps(request)
        world.call("DeleteObject", Key="k", VersionId="v2")
        assert world.p.holds() == world.s.holds() == {"k": b"the version before"}
        assert [request.params["VersionId"] for request in world.s.requests if request.operation == "DeleteObject"] == [
            "v2"
        ]
        assert not any("foodco-tombstone" in request.params.get("Metadata", {}) for request in world.p.requests)

    def test_owners_are_told_to_the_primary(self) -> None:
        world = world_with("cutover", "k")
        world.call("DeleteObject", Key="k", ExpectedBucketOwner="123456789012", RequestPayer="requester")
        put = next(request for request in world.p.requests if request.operation == "PutObject")
        assert (put.params["ExpectedBucketOwner"], put.params["RequestPayer"]) == ("123456789012", "requester")


class TestSeveral:
    @by_phase
    def test_the_answer(self, phase: str) -> None:
        world = world_with(phase, "a", "b", "c")
        answer = delete(world, "a", "c", "nobody's")
        assert [item["Key"] for item in answer["Deleted"]] == ["a", "c", "nobody's"]
        assert "Errors" not in answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["Storage"]["backend"] == world.route.authority.backend
        assert world.p.holds() == {"a": DELETED, "b": b"same", "c": DELETED, "nobody's": DELETED}
        assert world.s.holds() == {"b": b"same"}
        assert world.journal == []

    @by_phase
    def test_quietly(self, phase: str) -> None:
        world = world_with(phase, "a")
        answer = delete(world, "a", Quiet=True)
        assert answer.keys() == {"ResponseMetadata"}
        assert world.s.holds() == {}

    @by_phase
    def test_a_key_twice(self, phase: str) -> None:
        world = world_with(phase, "a", "b")
        answer = delete(world, "a", "a", "b")
        assert [item["Key"] for item in answer["Deleted"]] == ["a", "a", "b"]
        assert world.p.holds() == {"a": DELETED, "b": DELETED}
        assert world.s.holds() == {}
        assert world.journal == []

    @by_phase
    @pytest.mark.parametrize("sequence", [list, tuple])
    def test_odd_keys(self, phase: str, sequence: type) -> None:
        keys = ["a b", "é/ü", "a&b<c>", "😀", "%2F", "a//b", "/", " "]
        world = world_with(phase, *keys)
        answer = world.call("DeleteObjects", Delete={"Objects": sequence([{"Key": key} for key in keys])})
        assert [item["Key"] for item in answer["Deleted"]] == keys
        assert world.s.holds() == {}
        assert world.p.holds() == dict.fromkeys(keys, DELETED)

    @pytest.mark.parametrize("mode", ["sync", "async", "off"])
    def test_a_thousand(self, mode: Any) -> None:
        """The source by one request; the primary is looked at by a list or two, not key by key."""
        keys = [f"k{number:04}" for number in range(1000)]
        world = world_with("cutover", *keys, mirror=Mirror(mode=mode))
        answer = delete(world, *keys)
        assert len(answer["Deleted"]) == 1000
        assert set(world.p.holds().values()) == {DELETED}
        if mode == "sync":
            assert world.s.holds() == {}
            assert world.s.asked == ["DeleteObjects"]
            assert len(world.p.asked) < 1010
            assert world.journal == []
        else:
            assert len(world.s.holds()) == 1000
            assert len(world.journal) == (1000 if mode == "async" else 0)
            assert answer["ResponseMetadata"]["Storage"].get("mirror") == ("pending" if mode == "async" else None)

    @by_marking_phase
    def test_each_key_has_its_own_error(self, phase: str) -> None:
        world = world_with(phase, "a", "b", "c", "d")
        refused_puts(world.p, "b")
        etag = world.p.stored("d").etag
        answer = delete(
            world, "a", "b", {"Key": "c", "VersionId": "v1"}, {"Key": "d", "ETag": etag}, {"Key": "none", "ETag": "*"}
        )
        assert [item["Key"] for item in answer["Deleted"]] == ["a", "d"]
        assert errors(answer) == {"b": "AccessDenied", "c": "MethodNotAllowed", "none": "NoSuchKey"}
        assert answer["Errors"][1]["VersionId"] == "v1"
        assert all(error["Message"] for error in answer["Errors"])
        assert world.p.holds() == {"a": DELETED, "b": b"same", "c": b"same", "d": DELETED}
        assert world.s.holds() == {"b": b"same", "c": b"same"}
        assert world.journal == []
        # Also in quiet.
        assert errors(delete(world, "b", Quiet=True)) == {"b": "AccessDenied"}

    @by_marking_phase
    def test_an_etag_that_does_not_match(self, phase: str) -> None:
        world = world_with(phase, "a")
        assert errors(delete(world, {"Key": "a", "ETag": OTHER})) == {"a": "PreconditionFailed"}
        assert world.s.holds() == {"a": b"same"}

    @by_marking_phase
    @pytest.mark.parametrize("condition", [{"Size": 1}, {"LastModifiedTime": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}])
    def test_a_condition_that_can_not_be_kept(self, phase: str, condition: dict[str, Any]) -> None:
        world = world_with(phase, "a", "b")
        assert errors(delete(world, {"Key": "a", **condition}, "b")) == {"a": "MethodNotAllowed"}
        assert world.p.holds() == {"a": b"same", "b": DELETED}

    @by_marking_phase
    def test_an_outage_for_one_key(self, phase: str) -> None:
        """Nobody knows whether it was deleted: the key is looked into."""
        world = world_with(phase, "a", "b")
        refused_puts(world.p, "b", Store.outage)
        answer = delete(world, "a", "b")
        assert errors(answer) == {"b": "InternalError"}
        assert world.journal == ["b"]
        assert world.s.holds() == {"b": b"same"}

    @by_phase
    def test_an_outage_of_the_authority_is_raised(self, phase: str) -> None:
        """As with boto3: nobody looks for it in an answer of status 200."""
        world = world_with(phase, "a", "b")
        world.authority.fail()
        with pytest.raises(ClientError, match="InternalError"):
            delete(world, "a", "b")
        assert world.other.written == []
        assert world.journal == ["a", "b"]

    @by_phase
    def test_a_bucket_that_is_not_there_is_raised(self, phase: str) -> None:
        world = world_with(phase, "a", "b")
        del world.authority.buckets["b"]
        with pytest.raises(ClientError, match="NoSuchBucket"):
            delete(world, "a", "b")
        assert world.journal == []

    @by_phase
    @pytest.mark.parametrize("required", [False, True])
    def test_an_outage_of_the_other_side(self, phase: str, required: bool) -> None:
        world = world_with(phase, "a", "b", mirror=Mirror(required=required))
        world.other.fail()
        if required:
            with pytest.raises(ClientError, match="InternalError"):
                delete(world, "a", "b")
        else:
            answer = delete(world, "a", "b")
            assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
            assert len(answer["Deleted"]) == 2
        assert world.fails("GetObject", Key="a")[1] == 404
        assert world.journal == ["a", "b"]

    def test_one_key_fails_on_the_other_side(self) -> None:
        world = world_with("cutover", "a", "b")

        def fails(request: Request, answer: Any) -> None:
            if request.operation == "DeleteObjects":
                world.put(world.s, "b", b"same")
                answer["Errors"] = [{"Key": "b", "Code": "InternalError"}]
                answer["Deleted"] = [{"Key": "a"}]

        world.s.after = fails
        world.s.fail("DeleteObject")
        answer = delete(world, "a", "b")
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.journal == ["b"]
        assert world.s.holds() == {"b": b"same"}

    def test_the_other_side_tells_of_no_key(self) -> None:
        """As where its answer was cut off."""
        world = world_with("cutover", "a", "b")
        world.s.after = lambda request, answer: answer.clear() if request.operation == "DeleteObjects" else None
        answer = delete(world, "a", "b")
        assert "mirror" not in answer["ResponseMetadata"]["Storage"]
        assert [request.operation for request in world.s.requests].count("DeleteObject") == 2

    def test_written_again_by_others_meanwhile(self) -> None:
        """Their write has reached both sides when the source's delete arrives late."""
        world = world_with("cutover", "a", "b")

        def written(request: Request) -> None:
            if request.operation == "DeleteObjects":
                world.s.before = lambda _: None
                world.put(world.p, "a", b"theirs")
                world.put(world.s, "a", b"theirs")

        world.s.before = written
        delete(world, "a", "b")
        assert world.read("a") == b"theirs"
        assert world.s.holds() == {"a": b"theirs"}
        assert world.journal == []


class TestOfTheSourcesOwnAnswer:
    """In backfill the source knows the operation itself: what it answers is what callers get."""

    def test_what_only_it_knows(self) -> None:
        world = world_with("backfill", "a")

        def versioned(request: Request, answer: Any) -> None:
            if request.operation == "DeleteObjects":
                answer["Deleted"][0] |= {"DeleteMarker": True, "DeleteMarkerVersionId": "m1"}

        world.s.after = versioned
        assert delete(world, "a")["Deleted"] == [{"Key": "a", "DeleteMarker": True, "DeleteMarkerVersionId": "m1"}]
        assert world.p.holds() == {"a": DELETED}

    @pytest.mark.parametrize("quiet", [False, True])
    def test_errors_of_single_keys(self, quiet: bool) -> None:
        world = world_with("backfill", "a", "b", "c")

        def fails(request: Request, answer: Any) -> None:
            if request.operation == "DeleteObjects":
                for key in ("b", "c"):
                    world.put(world.s, key, b"same")
                answer["Errors"] = [
                    {"Key": "b", "Code": "AccessDenied", "Message": "no"},
                    {"Key": "c", "VersionId": "v1", "Code": "InternalError", "Message": "again"},
                ]

        world.s.after = fails
        answer = delete(world, "a", "b", {"Key": "c", "VersionId": "v1"}, {"Key": "c", "VersionId": "v2"}, Quiet=quiet)
        assert errors(answer) == {"b": "AccessDenied", "c": "InternalError"}
        assert world.p.holds() == {"a": DELETED, "b": b"same", "c": b"same"}

    def test_an_error_that_leaves_it_open_is_looked_into(self) -> None:
        world = world_with("backfill", "a", "b")

        def fails(request: Request, answer: Any) -> None:
            if request.operation == "DeleteObjects":
                answer["Deleted"] = []
                answer["Errors"] = [{"Key": key, "Code": code} for key, code in told.items()]

        told = {"a": "InternalError", "b": "AccessDenied"}
        world.s.after = fails
        assert errors(delete(world, "a", "b")) == told
        assert world.journal == ["a"]

    def test_a_refusal_of_the_whole_request_is_raised(self) -> None:
        world = world_with("backfill", "a")
        world.s.fail("DeleteObjects", error=world.s.refusal)
        with pytest.raises(ClientError, match="AccessDenied"):
            delete(world, "a")
        assert world.p.holds() == {"a": b"same"}
        assert world.journal == []


def refused_puts(store: Store, key: str, error: Any = Store.refusal) -> None:
    def before(request: Request) -> None:
        if request.operation == "PutObject" and request.params["Key"] == key:
            raise error(store, request.operation)

    store.before = before


class TestParameters:
    """A tombstone is sent in place of a delete, so botocore never sees what is wrong with that."""

    MODEL = botocore.session.get_session().get_service_model("s3")

    def test_every_parameter_is_known(self) -> None:
        """One that botocore brings has to be honoured, or refused."""
        one = self.MODEL.operation_model("DeleteObject").input_shape
        several = self.MODEL.operation_model("DeleteObjects").input_shape
        bulk = several.members["Delete"]
        assert tuple(one.members) == delete_parameters.ONE
        assert tuple(several.members) == delete_parameters.SEVERAL
        assert tuple(bulk.members) == delete_parameters.DELETE
        assert tuple(bulk.members["Objects"].member.members) == delete_parameters.ITEM

    @by_marking_phase
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"Key": ""},
            {"Key": None},
            {"Key": 7},
            {"Key": b"k"},
            {"Key": "k", "Versionid": "v1"},
            {"Key": "k", "VersionId": 7},
            {"Key": "k", "IfMatch": None},
            {"Key": "k", "IfNoneMatch": "*"},
            {"Version": "v1", "Other": 2},
        ],
    )
    def test_of_one(self, phase: str, params: dict[str, Any]) -> None:
        self._check(phase, "DeleteObject", params)

    @by_marking_phase
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"Delete": None},
            {"Delete": []},
            {"Delete": {}},
            {"Delete": {"Objects": "k"}},
            {"Delete": {"Objects": None}},
            {"Delete": {"Objects": ["k"]}},
            {"Delete": {"Objects": [{"Key": "k"}, {}]}},
            {"Delete": {"Objects": [{"Key": "k"}, {"Key": ""}]}},
            {"Delete": {"Objects": [{"Key": 7}]}},
            {"Delete": {"Objects": [{"Key": "k", "Versionid": "v1"}]}},
            {"Delete": {"Objects": [{"Key": "k", "VersionId": 7}, {"Key": "k", "ETag": None}]}},
            {"Delete": {"Objects": [{"Key": "k"}], "Quite": True}},
            {"Delete": {"Objects": [{"Key": "k"}]}, "Quiet": True},
        ],
    )
    def test_of_several(self, phase: str, params: dict[str, Any]) -> None:
        self._check(phase, "DeleteObjects", params)

    def _check(self, phase: str, operation: str, params: dict[str, Any]) -> None:
        shape = self.MODEL.operation_model(operation).input_shape
        report = ParamValidator().validate({"Bucket": "b", **params}, shape).generate_report()
        world = world_with(phase, "k")
        with pytest.raises(ParamValidationError) as caught:
            world.call(operation, **params)
        assert str(caught.value) == str(ParamValidationError(report=report))
        assert world.p.asked == world.s.asked == world.journal == []

    @by_phase
    def test_no_keys_at_all_are_the_stores_to_refuse(self, phase: str) -> None:
        world = world_with(phase, "k")

        def malformed(request: Request) -> None:
            raise Rejected("", ClientError(error_response("MalformedXML", 400, ""), request.operation))

        world.authority.before = malformed
        assert world.fails("DeleteObjects", Delete={"Objects": []}) == ("MalformedXML", 400)
        assert world.journal == []
