"""What callers see of a place that holds marks, tombstones and promoted copies."""

from __future__ import annotations

import datetime as dt
from itertools import accumulate
from typing import Any

import pytest
from botocore.exceptions import ClientError
from phased_world import PhasedWorld, Store

from foodco_storage.flows.marks import TOMBSTONE_ETAG, without_marks
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response

OTHER = '"ffffffffffffffffffffffffffffffff"'
READS = ["GetObject", "HeadObject"]
PARTS = (b"aaaa", b"bbbb", b"cc")
WHOLE = b"".join(PARTS)


def not_found(operation: str) -> tuple[str, int]:
    return ("404" if operation == "HeadObject" else "NoSuchKey", 404)


@pytest.mark.parametrize("operation", READS)
class TestTombstones:
    @pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"IfMatch": TOMBSTONE_ETAG},
            {"IfMatch": OTHER},
            {"IfMatch": "*"},
            {"IfNoneMatch": TOMBSTONE_ETAG},
            {"IfNoneMatch": OTHER},
            {"IfNoneMatch": "*"},
            {"IfModifiedSince": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)},
            {"IfModifiedSince": dt.datetime(2100, 1, 1, tzinfo=dt.UTC)},
            {"IfUnmodifiedSince": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)},
            {"IfUnmodifiedSince": dt.datetime(2100, 1, 1, tzinfo=dt.UTC)},
            {"Range": "bytes=0-9"},
            {"Range": "bytes=600-"},
            {"Range": "bytes=-1"},
            {"PartNumber": 1},
            {"PartNumber": 2},
            {"ChecksumMode": "ENABLED"},
        ],
    )
    def test_are_not_there(self, operation: str, phase: str, params: dict[str, Any]) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"not deleted yet")
        world.bury("k")
        assert world.fails(operation, Key="k", **params) == not_found(operation)
        assert world.s.asked == []
        assert world.p.written == []

    def test_their_body_is_closed(self, operation: str) -> None:
        world = PhasedWorld("cutover")
        world.bury("k")
        bodies = []
        world.p.after = lambda _, answer: bodies.append(answer.get("Body"))
        world.fails(operation, Key="k")
        assert all(body is None or body.closed for body in bodies)
        assert (bodies[0] is not None) is (operation == "GetObject")

    def test_asked_with_a_customers_key(self, operation: str) -> None:
        """Stores refuse such a read of what is not encrypted, as a tombstone never is."""
        world = PhasedWorld("cutover")
        world.put(world.p, "plain")
        world.bury("k")
        encrypted_only(world.p)
        key = {"SSECustomerKey": "0" * 32, "SSECustomerAlgorithm": "AES256"}
        assert world.fails(operation, Key="k", **key) == not_found(operation)
        assert world.fails(operation, Key="plain", **key)[1] == 400


def encrypted_only(store: Store) -> None:
    """Refuse reads with a customer's key: nothing here is encrypted."""

    def before(request: Request) -> None:
        if "SSECustomerKey" in request.params and request.operation in READS:
            response = error_response("InvalidRequest", 400, "The encryption parameters are not applicable")
            raise Rejected(store.name, ClientError(response, request.operation))

    store.before = before


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("GetObjectTagging", {}),
        ("GetObjectAcl", {}),
        ("GetObjectAttributes", {"ObjectAttributes": ["ETag"]}),
        ("GetObjectLegalHold", {}),
        ("GetObjectRetention", {}),
        ("GetObjectTorrent", {}),
        ("SelectObjectContent", {"Expression": "", "ExpressionType": "SQL"}),
        ("PutObjectTagging", {"Tagging": {"TagSet": []}}),
        ("DeleteObjectTagging", {}),
        ("PutObjectAcl", {"ACL": "private"}),
        ("RestoreObject", {}),
        ("CopyObject", {"CopySource": "b/k", "Key": "copy"}),
    ],
)
@pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
def test_other_operations_on_a_tombstone(operation: str, params: dict[str, Any], phase: str) -> None:
    world = PhasedWorld(phase)
    world.put(world.s, "k", b"not deleted yet")
    world.bury("k")
    assert world.fails(operation, **{"Key": "k", **params}) == ("NoSuchKey", 404)
    assert world.p.written == []
    assert world.p.stored("k").tags == []


def promoted(*, lacks: tuple[str, ...] = (), parts: tuple[bytes, ...] = PARTS) -> tuple[PhasedWorld, str, dt.datetime]:
    """A copy of an object that was uploaded in parts; the origin's ETag and date."""
    world = PhasedWorld("cutover", lacks=lacks)
    origin = world.upload(world.s, "k", *parts, Metadata={"dish": "soup"}, ContentType="text/html")
    world.p._ticks = 1000
    assert world.read("k") == b"".join(parts)
    modified = world.s.stored("k").modified
    assert world.p.stored("k").etag != origin
    assert world.p.stored("k").modified > modified
    world.s.buckets["b"].clear()
    world.forget()
    return world, origin, modified


@pytest.mark.parametrize("operation", READS)
class TestPromotedCopies:
    def test_seen_as_their_origin(self, operation: str) -> None:
        world, _, modified = promoted()
        answer = world.call(operation, Key="k")
        assert answer["LastModified"] == modified
        assert answer["Metadata"] == {"dish": "soup"}
        assert answer["ContentType"] == "text/html"
        # The ETag is the stored object's, as in lists.
        assert answer["ETag"] == world.p.stored("k").etag
        assert world.p.asked == [operation]

    def test_conditions_hold_under_both_names(self, operation: str) -> None:
        world, origin, modified = promoted()
        copied = world.p.stored("k").modified
        second = dt.timedelta(seconds=1)
        for etag in (origin, origin.strip('"'), world.p.stored("k").etag, "*", f"{OTHER}, {origin}"):
            answer = world.call(operation, Key="k", IfMatch=etag)
            assert (answer["ContentLength"], answer["LastModified"]) == (len(WHOLE), modified)
            assert answer["Metadata"] == {"dish": "soup"}
            assert world.fails(operation, Key="k", IfNoneMatch=etag) == ("304", 304)
        for holding in (
            {"IfNoneMatch": OTHER},
            {"IfUnmodifiedSince": modified},
            {"IfUnmodifiedSince": copied},
            {"IfModifiedSince": modified - second},
            {"IfMatch": origin, "IfUnmodifiedSince": modified - second},
            {"IfNoneMatch": OTHER, "IfModifiedSince": copied},
            {"IfMatch": origin, "IfNoneMatch": OTHER},
        ):
            assert world.call(operation, Key="k", **holding)["ContentLength"] == len(WHOLE), holding
        failing: dict[str, Any]
        for failing, status in (
            ({"IfMatch": OTHER}, 412),
            ({"IfUnmodifiedSince": modified - second}, 412),
            ({"IfModifiedSince": modified}, 304),
            # The copy's own date counts for nothing.
            ({"IfModifiedSince": copied - second}, 304),
            ({"IfMatch": OTHER, "IfUnmodifiedSince": modified}, 412),
            ({"IfMatch": origin, "IfNoneMatch": origin}, 304),
            ({"IfUnmodifiedSince": modified, "IfNoneMatch": origin}, 304),
        ):
            assert world.fails(operation, Key="k", **failing)[1] == status, failing

    def test_the_error_is_as_the_stores_own(self, operation: str) -> None:
        world, origin, _ = promoted()
        own = world.fails(operation, Key="k", IfMatch=OTHER)
        world.put(world.p, "plain", b"x")
        assert own == world.fails(operation, Key="plain", IfMatch=OTHER)
        assert world.fails(operation, Key="k", IfNoneMatch=origin) == world.fails(
            operation, Key="plain", IfNoneMatch="*"
        )

    def test_a_range_under_a_condition_of_the_origin(self, operation: str) -> None:
        world, origin, _ = promoted()
        answer = world.call(operation, Key="k", IfMatch=origin, Range="bytes=2-5")
        assert answer["ContentRange"] == f"bytes 2-5/{len(WHOLE)}"
        if operation == "GetObject":
            assert answer["Body"].read() == WHOLE[2:6]
        assert world.fails(operation, Key="k", IfMatch=origin, Range="bytes=99-")[1] == 416

    def test_the_bodies_of_failed_conditions_are_closed(self, operation: str) -> None:
        world, origin, modified = promoted()
        bodies = []
        world.p.after = lambda _, answer: bodies.append(answer.get("Body"))
        world.fails(operation, Key="k", IfNoneMatch=origin)
        world.fails(operation, Key="k", IfModifiedSince=modified)
        assert all(body is None or body.closed for body in bodies)

    def test_a_revalidation_costs_one_request(self, operation: str) -> None:
        world, origin, _ = promoted()
        world.put(world.p, "plain", b"x")
        for key, etag in (("k", world.p.stored("k").etag), ("k", origin), ("plain", world.p.stored("plain").etag)):
            world.forget()
            assert world.fails(operation, Key=key, IfNoneMatch=etag) == ("304", 304)
            assert world.p.asked == [operation]
        assert world.s.asked == []

    @pytest.mark.parametrize("lacks", [(), ("part_number",)])
    def test_parts_as_the_origin_had_them(self, operation: str, lacks: tuple[str, ...]) -> None:
        world, origin, modified = promoted(lacks=lacks)
        for number, (part, end) in enumerate(zip(PARTS, accumulate(map(len, PARTS)), strict=True), start=1):
            for condition in ({}, {"IfMatch": origin}, {"IfMatch": world.p.stored("k").etag}):
                answer = world.call(operation, Key="k", PartNumber=number, **condition)
                assert answer["PartsCount"] == 3
                assert answer["ContentLength"] == len(part)
                assert answer["ContentRange"] == f"bytes {end - len(part)}-{end - 1}/{len(WHOLE)}"
                assert (answer["LastModified"], answer["Metadata"]) == (modified, {"dish": "soup"})
                if operation == "GetObject":
                    assert answer["Body"].read() == part
        assert world.fails(operation, Key="k", PartNumber=4)[1] == 416
        assert world.fails(operation, Key="k", PartNumber=1, IfMatch=OTHER)[1] == 412
        assert world.fails(operation, Key="k", PartNumber=1, IfNoneMatch=origin)[1] == 304

    def test_parts_on_a_store_that_knows_them_itself(self, operation: str) -> None:
        """It answers 416 for all but the first part, since the copy was one PUT."""
        world, origin, _ = promoted()

        def before(request: Request) -> None:
            if request.params.get("PartNumber", 1) > 1:
                raise Rejected("p", ClientError(error_response("InvalidPartNumber", 416, "no"), request.operation))

        world.p.before = before
        answer = world.call(operation, Key="k", PartNumber=2)
        assert (answer["ContentLength"], answer["PartsCount"]) == (4, 3)
        assert world.call(operation, Key="k", PartNumber=3, IfMatch=origin)["ContentLength"] == 2
        assert world.fails(operation, Key="k", PartNumber=4)[1] == 416

    def test_a_layout_that_can_not_be_the_objects(self, operation: str) -> None:
        """Somebody wrote it, or the object after it."""
        world, _, _ = promoted()
        metadata = world.p.stored("k").described["Metadata"]
        metadata["foodco-origin"] = metadata["foodco-origin"].rpartition(" ")[0] + " 4x9"
        assert world.fails(operation, Key="k", PartNumber=2)[1] == 416
        assert world.call(operation, Key="k", PartNumber=1)["ContentLength"] == len(WHOLE)

    def test_overwritten_while_a_condition_is_judged(self, operation: str) -> None:
        world, origin, _ = promoted()

        def overwritten(request: Request) -> None:
            if request.operation == "HeadObject" and "IfMatch" not in request.params:
                world.p.after = lambda *_: None
                world.put(world.p, "k", b"later")

        world.p.after = lambda request, _: overwritten(request)
        assert world.fails(operation, Key="k", IfMatch=origin)[1] == 412

    def test_deleted_while_a_condition_is_judged(self, operation: str) -> None:
        world, origin, _ = promoted()

        def buried(request: Request) -> None:
            if request.operation == "HeadObject" and "IfMatch" not in request.params:
                world.p.after = lambda *_: None
                world.bury("k")

        world.p.after = lambda request, _: buried(request)
        assert world.fails(operation, Key="k", IfMatch=origin) == not_found(operation)


def test_what_only_a_condition_of_the_origin_lets_through_is_promoted_with_its_metadata() -> None:
    """An object of the source that has an origin itself: it was copied back."""
    world, origin, _ = promoted()
    copy = world.p.stored("k")
    described = {name: value for name, value in copy.described.items() if value is not None}
    world.put(world.s, "k", copy.data, **described)
    world.p.buckets["b"].clear()
    assert world.read("k", IfMatch=origin) == WHOLE
    assert world.p.stored("k").described["Metadata"]["dish"] == "soup"


@pytest.mark.parametrize("phase", ["source", "backfill", "cutover", "drain", "target"])
def test_no_mark_is_seen_in_any_phase(phase: str) -> None:
    world = PhasedWorld("cutover")
    world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"})
    world.put(world.s, "old", b"old", Metadata={"dish": "soup"})
    world.read("old")
    world.move_to(phase)
    for store in (world.p, world.s):
        store.after = with_headers
    for key in ("k", "old"):
        for operation in READS:
            answer = world.call(operation, Key=key)
            assert answer["Metadata"] == {"dish": "soup"}
            assert answer["ResponseMetadata"]["HTTPHeaders"] == {"x-amz-meta-dish": "soup"}


def with_headers(request: Request, answer: Any) -> None:
    headers = {f"x-amz-meta-{name}": value for name, value in (answer.get("Metadata") or {}).items()}
    answer["ResponseMetadata"]["HTTPHeaders"] = headers


def test_users_metadata_that_looks_like_ours_is_theirs() -> None:
    answer = {"Metadata": {"foodco-dish": "soup", "foodco-writer": "me"}, "ResponseMetadata": {}}
    assert without_marks(dict(answer))["Metadata"] == answer["Metadata"]
