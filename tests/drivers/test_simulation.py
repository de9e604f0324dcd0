"""The simulation driver, and that its stores answer as S3 does (moto stands for S3)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.simulation import Fault, Simulation
from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.operations import python_name

KEYS = ["a", "a/b", "a/c", "d"]
keys = st.sampled_from(KEYS)
etags = st.sampled_from(['"0cc175b9c0f1b6a831c399e269772661"', '"d41d8cd98f00b204e9800998ecf8427e"'])
calls = st.lists(
    st.one_of(
        st.tuples(
            st.just("PutObject"),
            st.fixed_dictionaries(
                {"Key": keys, "Body": st.sampled_from([b"", b"a", b"0123456789"])},
                optional={"IfNoneMatch": st.just("*"), "ContentType": st.just("a/b"), "Tagging": st.just("k=v")},
            ),
        ),
        st.tuples(
            st.sampled_from(["GetObject", "HeadObject"]),
            st.fixed_dictionaries({"Key": keys}, optional={"IfMatch": etags, "IfNoneMatch": etags}),
        ),
        st.tuples(
            st.just("GetObject"),
            st.fixed_dictionaries(
                {"Key": keys, "Range": st.sampled_from(["bytes=0-3", "bytes=4-", "bytes=-2", "bytes=0-99"])}
            ),
        ),
        st.tuples(st.sampled_from(["DeleteObject", "GetObjectTagging"]), st.fixed_dictionaries({"Key": keys})),
        st.tuples(
            st.just("CopyObject"),
            st.fixed_dictionaries(
                {"Key": keys, "CopySource": keys}, optional={"MetadataDirective": st.just("REPLACE")}
            ),
        ),
        st.tuples(
            st.just("ListObjectsV2"),
            st.fixed_dictionaries(
                {},
                optional={
                    "Prefix": st.sampled_from(["a", "a/"]),
                    "Delimiter": st.just("/"),
                    "MaxKeys": st.integers(1, 3),
                },
            ),
        ),
    ),
    max_size=10,
)
COMPARED = [
    *("Body", "ETag", "ContentLength", "ContentRange", "ContentType", "Metadata", "TagCount", "TagSet"),
    *("IsTruncated", "KeyCount", "CommonPrefixes", "Key", "Size"),
]


def seen(answer: Any) -> Any:
    if isinstance(answer, dict):
        result = {name: seen(answer[name]) for name in COMPARED if name in answer}
        if "Contents" in answer:
            result["Contents"] = seen(answer["Contents"])
        return result | (seen(answer["CopyObjectResult"]) if "CopyObjectResult" in answer else {})
    if isinstance(answer, list):
        return [seen(item) if isinstance(item, dict) and "Prefix" not in item else item for item in answer]
    return answer.read() if hasattr(answer, "read") else answer


def result(call: Any) -> Any:
    try:
        return seen(call())
    except BackendError as error:
        return (error.code, error.status)
    except ClientError as error:
        return (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@settings(deadline=None)
@given(calls)
def test_a_store_in_memory_answers_as_s3_does(s3: Any, script: list[tuple[str, dict[str, Any]]]) -> None:
    bucket = f"memory-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    memory = MemoryBackend("m", [bucket])
    for operation, given_params in script:
        params = {"Bucket": bucket, **given_params}
        if operation == "CopyObject":
            if params["CopySource"] == params["Key"] and "MetadataDirective" not in params:
                continue  # S3 refuses it; no flow sends it
            params["CopySource"] = {"Bucket": bucket, "Key": params["CopySource"]}
        stored = memory.buckets[bucket].get(given_params.get("Key", ""))
        if "Range" in params and stored is not None and not stored.data:
            continue  # moto answers 200 to a range of nothing, real stores 416
        ours = result(lambda o=operation, p=params: memory.call(Request(o, dict(p))))
        theirs = result(lambda o=operation, p=params: getattr(s3, python_name(o))(**p))
        assert ours == theirs, (operation, params)


def put(place: Place, body: bytes) -> Flow:
    answer: Response = yield Call(place, Request("PutObject", {"Bucket": "b", "Key": "k", "Body": body}))
    return answer


def world() -> tuple[Simulation, MemoryBackend]:
    store = MemoryBackend("p", ["b"])
    return Simulation({"p": store}), store


def test_the_test_chooses_who_moves() -> None:
    simulation, store = world()
    first, second = (simulation.start(name, put(Place("p"), name.encode())) for name in ("first", "second"))
    assert simulation.runnable() == [first, second]
    simulation.step(second)
    simulation.step(first)
    assert store.buckets["b"]["k"].data == b"first"
    assert simulation.runnable() == []


@pytest.mark.parametrize(("fault", "stored"), [(Fault.BEFORE, False), (Fault.AFTER, True)])
def test_a_call_fails_before_or_after_it_took_effect(fault: Fault, stored: bool) -> None:
    simulation, store = world()
    process = simulation.start("put", put(Place("p"), b"x"))
    simulation.step(process, fault)
    assert isinstance(process.error, EndpointConnectionError)
    assert ("k" in store.buckets["b"]) is stored


def test_a_flow_can_go_on_after_a_failure() -> None:
    def twice() -> Flow:
        try:
            return (yield from put(Place("p"), b"1"))
        except Unavailable:
            return (yield from put(Place("p"), b"2"))

    simulation, store = world()
    process = simulation.start("put", twice())
    simulation.step(process, Fault.BEFORE)
    assert not process.ended
    simulation.run(process)
    assert store.buckets["b"]["k"].data == b"2"


def test_a_crashed_client_does_nothing_more() -> None:
    simulation, store = world()
    process = simulation.start("put", put(Place("p"), b"x"))
    simulation.crash(process)
    assert process.ended
    assert simulation.runnable() == []
    assert store.buckets["b"] == {}
    with pytest.raises(RuntimeError, match="put crashed"):
        simulation.run(process)


def test_an_unknown_effect_is_a_mistake() -> None:
    def flow() -> Flow:
        yield "what?"
        return {}

    simulation, _ = world()
    with pytest.raises(TypeError, match="not an effect"):
        simulation.step(simulation.start("flow", flow()))
