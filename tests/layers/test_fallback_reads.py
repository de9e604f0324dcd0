from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from memory_world import World

from foodco_storage.flows.effects import Call
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.layers.resume import reopening


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_the_primary_answers_alone() -> None:
    world = World()
    world.put(world.p, "k", b"new")
    world.put(world.f, "k", b"old")
    answer = world.call("GetObject", Key="k")
    assert answer["Body"].read() == b"new"
    assert answer["ResponseMetadata"]["Storage"] == {"backend": "p"}
    assert world.f.asked == []


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "GetObjectTagging"])
def test_what_the_primary_does_not_hold_comes_from_the_fallback(operation: str) -> None:
    world = World()
    world.put(world.f, "k", b"old")
    answer = world.call(operation, Key="k")
    assert answer["ResponseMetadata"]["Storage"] == {"backend": "f", "fallback": True}
    assert (world.p.asked, world.f.asked) == ([operation], [operation])


def test_nobody_holds_it() -> None:
    world = World()
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="k")
    assert code(caught) == "NoSuchKey"


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
def test_what_was_deleted_on_the_primary_is_not_read_from_the_fallback(operation: str) -> None:
    world = World()
    world.put(world.f, "k", b"old")
    world.p.deleted = {"k"}
    with pytest.raises(ClientError):
        world.call(operation, Key="k")
    assert world.f.asked == []


def test_what_was_deleted_on_the_fallback_is_missing_and_no_failure() -> None:
    world = World()
    world.f.deleted = {"k"}
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="k")
    assert code(caught) == "NoSuchKey"
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("params", [{"IfNoneMatch": "*"}, {"IfMatch": '"other"'}, {"Range": "bytes=9-"}])
def test_a_condition_or_range_that_fails_on_the_primary_never_falls_back(params: dict[str, str]) -> None:
    world = World()
    world.put(world.p, "k", b"new")
    world.put(world.f, "k", b"a much longer old one")
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="k", **params)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {304, 412, 416}
    assert world.f.asked == []


def test_conditions_hold_for_the_object_in_the_fallback() -> None:
    world = World()
    etag = world.put(world.f, "k", b"old")
    assert world.call("GetObject", Key="k", IfMatch=etag)["ContentLength"] == 3
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="k", IfMatch='"other"')
    assert code(caught) == "PreconditionFailed"


def test_an_unreachable_primary_is_an_error() -> None:
    world = World()
    world.put(world.f, "k", b"old")
    world.simulation.down = {"p"}
    with pytest.raises(EndpointConnectionError):
        world.call("GetObject", Key="k")
    assert world.f.asked == []


def test_an_unreachable_fallback_is_an_error_and_no_missing_key() -> None:
    world = World()
    world.simulation.down = {"f"}
    with pytest.raises(EndpointConnectionError) as caught:
        world.call("GetObject", Key="k")
    assert "could not be read" in caught.value.__notes__[0]


def test_reads_go_on_from_the_fallback_where_the_route_says_so() -> None:
    world = World(read_when_primary_down=True)
    world.put(world.f, "k", b"old")
    world.simulation.down = {"p"}
    answer = world.call("GetObject", Key="k")
    assert answer["ResponseMetadata"]["Storage"] == {"backend": "f", "fallback": True, "degraded": True}
    with pytest.raises(EndpointConnectionError):
        world.call("GetObject", Key="nobody holds it, as far as is known")


def test_a_missing_bucket_on_the_primary_falls_back_and_is_told() -> None:
    world = World()
    world.put(world.f, "k", b"old")
    del world.p.buckets["b"]
    assert world.call("GetObject", Key="k")["Body"].read() == b"old"
    assert "has no bucket for 'b'" in world.simulation.warnings[0]


def test_a_missing_bucket_of_a_fallback_is_an_error() -> None:
    world = World()
    del world.f.buckets["b"]
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="k")
    assert code(caught) == "NoSuchBucket"


def test_part_numbers_on_a_store_that_ignores_them() -> None:
    world = World()
    world.put(world.p, "whole", b"whole")
    world.put(world.f, "parts", b"parts")
    world.f.buckets["b"]["parts"].etag = '"0123-2"'
    assert world.call("GetObject", Key="whole", PartNumber=1)["ContentLength"] == 5
    for key, number, expected in (("whole", 2, "InvalidPartNumber"), ("parts", 1, "MethodNotAllowed")):
        for operation in ("GetObject", "HeadObject"):
            with pytest.raises(ClientError) as caught:
                world.call(operation, Key=key, PartNumber=number)
            assert code(caught) == expected
    # A range that shows in the answer is the one that was asked for.
    with pytest.raises(ClientError, match="ignores PartNumber"):
        world.call("GetObject", Key="parts", PartNumber=1, Range="bytes=0-1")


@pytest.mark.parametrize("shown", [{"PartsCount": 2}, {"ContentRange": "bytes 0-4/9"}])
def test_an_answer_that_shows_its_part_is_believed(shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    answer = world.p.call
    monkeypatch.setattr(world.p, "call", lambda request: answer(request) | shown)
    world.put(world.p, "parts", b"parts")
    world.p.buckets["b"]["parts"].etag = '"0123-2"'
    assert world.call("GetObject", Key="parts", PartNumber=1)["Body"].read() == b"parts"


@pytest.mark.parametrize("holder", ["p", "f"])
def test_attributes_on_a_store_that_does_not_tell_them(holder: str) -> None:
    world = World(lacks=("object_attributes",))
    store = world.backends[holder]
    world.put(store, "k", b"hello")
    wanted = ["ETag", "ObjectSize", "StorageClass", "ObjectParts", "Checksum"]
    store.buckets["b"]["k"].etag = '"0123"'
    answer = world.call("GetObjectAttributes", Key="k", ObjectAttributes=wanted, MaxParts=3)
    assert answer["ResponseMetadata"]["Storage"]["backend"] == holder
    assert {name: answer[name] for name in wanted if name in answer} == {
        "ETag": "0123",
        "ObjectSize": 5,
        "StorageClass": "STANDARD",
    }
    store.buckets["b"]["k"].etag = '"0123-7"'
    answer = world.call("GetObjectAttributes", Key="k", ObjectAttributes=["ObjectParts"])
    assert answer["ObjectParts"] == {"TotalPartsCount": 7}
    assert not {"ETag", "ObjectSize"} & set(answer)
    with pytest.raises(ClientError) as caught:
        world.call("GetObjectAttributes", Key="absent", ObjectAttributes=wanted)
    # Not HEAD's nameless 404.
    assert (code(caught), caught.value.operation_name) == ("NoSuchKey", "GetObjectAttributes")


@pytest.mark.parametrize("wanted", [{}, {"ObjectAttributes": None}])
def test_attributes_that_are_not_named_are_left_to_botocore(wanted: dict[str, Any]) -> None:
    world = World(lacks=("object_attributes",))
    sent = next(world.flow("GetObjectAttributes", Key="k", **wanted))
    assert isinstance(sent, Call)
    assert sent.request.operation == "GetObjectAttributes"


@pytest.mark.parametrize(("told", "resumes"), [({}, False), ({"ContentRange": "bytes 10-19/30"}, True)])
def test_a_part_is_gone_on_with_only_where_its_place_is_told(told: dict[str, str], resumes: bool) -> None:
    """Else the rest would be taken from the object's beginning."""
    part = Request("GetObject", {"Bucket": "b", "Key": "k", "PartNumber": 2})
    answer = {"ETag": '"e-3"', "ContentLength": 10, "PartsCount": 3, **told}
    assert (reopening(Place("p"), part, answer) is not None) is resumes
