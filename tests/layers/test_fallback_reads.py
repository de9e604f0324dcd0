from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from memory_world import World


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
    world = World(lacks=("part_number",))
    world.put(world.p, "whole", b"whole")
    world.put(world.p, "parts", b"parts")
    world.p.buckets["b"]["parts"].etag = '"0123-2"'
    assert world.call("GetObject", Key="whole", PartNumber=1)["ContentLength"] == 5
    with pytest.raises(ClientError) as caught:
        world.call("GetObject", Key="whole", PartNumber=2)
    assert code(caught) == "InvalidPartNumber"
    with pytest.raises(ClientError, match="ignores PartNumber"):
        world.call("GetObject", Key="parts", PartNumber=1)
