"""Who is believed about a store: the configuration, then a record, then the preset, then a probe."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from foodco_storage.backends.breaker import Breaker
from foodco_storage.backends.capabilities import (
    CAPABILITIES,
    FAILED_SECONDS,
    PRESET_CAPABILITIES,
    VERSIONING_SECONDS,
    CapabilityBook,
    format_record,
    parse_record,
)
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.config import Capabilities
from foodco_storage.errors import CircuitOpenError
from foodco_storage.testing import LOAD_BALANCER_NOT_FOUND, Answer, FaultProxy, MotoStore

PREFIX = ".foodco-storage/"


class World:
    """A bucket behind a proxy, books about it, and a probe that finds what the test says."""

    def __init__(self, store: MotoStore, bucket: str, stack: ExitStack) -> None:
        self.bucket = bucket
        self.proxy = stack.enter_context(FaultProxy(store.server.host, store.server.port))
        arguments = {**store.server.client_arguments(), "endpoint_url": self.proxy.endpoint_url}
        self.s3 = boto3.client("s3", **arguments, config=Config(retries={"total_max_attempts": 1}))
        stack.callback(self.s3.close)
        self.s3.create_bucket(Bucket=bucket)
        self.now = 0.0
        self.breaker: Breaker | None = None
        self.probed: list[str] = []
        self.found: Mapping[str, bool] | ClientError = {}

    def record(self, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"{PREFIX}capabilities.json", Body=body)

    def versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})

    def book(self, preset: str = "s3", **configured: bool) -> CapabilityBook:
        def probe(call: Any, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
            self.probed.append(bucket)
            assert reserved_prefix == PREFIX
            if isinstance(self.found, ClientError):
                raise self.found
            return self.found

        asked = PlainClient(lambda: self.s3, self.breaker)
        return CapabilityBook("store", preset, configured, asked, probe, clock=lambda: self.now)


@pytest.fixture
def world(moto_store: MotoStore, bucket_name: str) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(moto_store, bucket_name, stack)


def test_the_configuration_is_believed_first_and_nobody_is_asked(world: World) -> None:
    world.record(format_record({"put_if_match": False}))
    world.found = {"put_if_match": False}
    book = world.book(put_if_match=True, checksums=False)
    before = world.proxy.requests
    assert book.able(world.bucket, "put_if_match", PREFIX) is True
    assert book.able(world.bucket, "checksums", PREFIX) is False
    assert world.proxy.requests == before
    assert world.probed == []


@pytest.mark.parametrize("preset", ["aws", "ceph", "s3"])
@pytest.mark.parametrize("recorded", [True, False])
def test_then_the_record(world: World, preset: str, recorded: bool) -> None:
    world.record(format_record({"put_if_match": recorded}))
    world.found = {"put_if_match": not recorded}
    assert world.book(preset).able(world.bucket, "put_if_match", PREFIX) is recorded
    assert world.probed == []


def test_then_the_preset_also_for_what_the_record_leaves_out(world: World) -> None:
    assert world.book("aws").able(world.bucket, "delete_if_match", PREFIX) is True
    assert world.book("ceph").able(world.bucket, "delete_if_match", PREFIX) is False
    world.record(format_record({"put_if_match": False}))
    assert world.book("aws").able(world.bucket, "delete_if_match", PREFIX) is True
    assert world.probed == []


def test_then_one_probe_per_bucket(world: World) -> None:
    world.found = {"put_if_match": True}
    book = world.book("s3")
    for _ in range(3):
        assert book.able(world.bucket, "put_if_match", PREFIX) is True
        assert book.able(world.bucket, "delete_if_match", PREFIX) is False
    assert world.probed == [world.bucket]
    book.able("another", "put_if_match", PREFIX)
    assert world.probed == [world.bucket, "another"]


def test_each_reserved_prefix_of_a_bucket_has_its_own_record(world: World) -> None:
    world.record(format_record({"put_if_match": True}))
    book = world.book("ceph")
    assert book.able(world.bucket, "delete_if_match", "elsewhere/") is False
    world.record(format_record({"delete_if_match": True}))
    assert book.able(world.bucket, "delete_if_match", PREFIX) is True


def test_threads_that_want_to_know_of_one_bucket_probe_it_once_and_hold_up_nobody_else(world: World) -> None:
    probing, go_on = threading.Event(), threading.Event()
    probed: list[str] = []

    def probe(call: Any, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
        probed.append(bucket)
        if bucket == world.bucket:
            probing.set()
            assert go_on.wait(60)
        return {"put_if_match": True}

    book = CapabilityBook("store", "s3", {}, PlainClient(lambda: world.s3), probe)
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(book.able, world.bucket, "put_if_match", PREFIX) for _ in range(4)]
        assert probing.wait(60)
        assert book.able("another", "put_if_match", PREFIX) is True
        go_on.set()
        assert [answer.result(60) for answer in answers] == [True] * 4
    assert sorted(probed) == sorted([world.bucket, "another"])


def test_the_names_of_buckets_do_not_pile_up() -> None:
    class Empty:
        def send(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
            if operation == "GetObject":
                raise error("NoSuchKey", 404)
            return {}

        def close(self) -> None: ...

        def after_fork(self) -> None: ...

    book = CapabilityBook("store", "ceph", {}, Empty(), lambda *_: {})
    for number in range(1100):
        assert book.able(f"bucket-{number}", "conditional_put", PREFIX) is True
    assert len(book._learnt) == len(book._versioned) == 1024
    assert book._turns == {}


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"null", b'{"version": 2, "capabilities": {}}', b'{"version": 1}', b"\xff\xfe", b"x" * 100_000],
)
def test_a_damaged_record_is_told_and_does_not_count(
    world: World, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.record(damaged)
    world.found = {"put_if_match": True}
    with caplog.at_level(logging.WARNING, logger="foodco_storage"):
        assert world.book("s3").able(world.bucket, "put_if_match", PREFIX) is True
        assert world.book("ceph").able(world.bucket, "delete_if_match", PREFIX) is False
    assert world.probed == [world.bucket]
    told = [record.getMessage() for record in caplog.records if "capabilities.json" in record.getMessage()]
    assert told
    assert all("damaged" in message for message in told)
    assert len(caplog.records) == 2


def test_what_the_store_does_not_let_be_probed_counts_as_missing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.found = error("AccessDenied", 403)
    book = world.book("s3")
    with caplog.at_level(logging.WARNING, logger="foodco_storage"):
        assert not any(book.able(world.bucket, name, PREFIX) for name in CAPABILITIES)
    assert "count as missing" in caplog.text
    assert world.probed == [world.bucket]
    world.now += FAILED_SECONDS + 1
    world.found = {"put_if_match": True}
    assert book.able(world.bucket, "put_if_match", PREFIX) is True
    assert world.probed == [world.bucket] * 2


def error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize("preset", ["aws", "ceph", "s3"])
def test_an_outage_teaches_nothing_and_the_next_call_asks_again(world: World, preset: str) -> None:
    """A record may lie there that says otherwise than the preset."""
    world.record(format_record({"put_if_match": preset != "aws"}))
    book = world.book(preset)
    world.proxy.refuse()
    with pytest.raises(EndpointConnectionError):
        book.able(world.bucket, "put_if_match", PREFIX)
    world.proxy.pass_through()
    for answer in (Answer(503), Answer(429), LOAD_BALANCER_NOT_FOUND):
        world.proxy.inject(answer)
        with pytest.raises(ClientError):
            book.able(world.bucket, "put_if_match", PREFIX)
    world.proxy.pass_through()
    assert book.able(world.bucket, "put_if_match", PREFIX) is (preset != "aws")
    assert world.probed == []


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "RequestTimeTooSkewed", "ExpiredToken"])
def test_neither_does_a_mistake_of_the_callers(world: World, code: str) -> None:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    book = world.book("ceph")
    world.proxy.inject(Answer(403, body, {"x-amz-request-id": "1"}))
    with pytest.raises(ClientError, match=code):
        book.able(world.bucket, "put_if_match", PREFIX)
    world.proxy.pass_through()
    world.record(format_record({"put_if_match": False}))
    assert book.able(world.bucket, "put_if_match", PREFIX) is False


def test_a_store_that_is_left_alone_is_not_asked(world: World) -> None:
    world.breaker = Breaker("http://store.invalid", failures=1)
    book = world.book("ceph")
    world.proxy.inject(Answer(503))
    with pytest.raises(ClientError):
        book.able(world.bucket, "put_if_match", PREFIX)
    before = world.proxy.requests
    with pytest.raises(CircuitOpenError):
        book.able(world.bucket, "put_if_match", PREFIX)
    assert world.proxy.requests == before


@pytest.mark.parametrize("code", ["SlowDown", "QuotaExceeded"])
def test_an_outage_during_the_probe_teaches_nothing_either(world: World, code: str) -> None:
    world.found = error(code, 503 if code == "SlowDown" else 403)
    book = world.book("s3")
    with pytest.raises(ClientError, match=code):
        book.able(world.bucket, "put_if_match", PREFIX)
    world.found = {"put_if_match": True}
    assert book.able(world.bucket, "put_if_match", PREFIX) is True


def test_versioning_decides_between_the_two_conditional_puts(world: World) -> None:
    """RGW ignores the condition on a bucket with versioning, and a suspended one keeps its versions."""
    book = world.book("ceph")
    assert book.able(world.bucket, "conditional_put", PREFIX) is True
    world.versioning("Enabled")
    assert book.able(world.bucket, "conditional_put", PREFIX) is True, "believed for a while"
    world.now += VERSIONING_SECONDS + 1
    assert book.able(world.bucket, "conditional_put", PREFIX) is False
    world.versioning("Suspended")
    world.now += VERSIONING_SECONDS + 1
    assert book.able(world.bucket, "conditional_put", PREFIX) is False


def test_versioning_is_not_asked_where_it_makes_no_difference(world: World) -> None:
    book = world.book("s3", conditional_put=True, conditional_put_versioned=True)
    before = world.proxy.requests
    assert book.able(world.bucket, "conditional_put", PREFIX) is True
    assert world.proxy.requests == before


@pytest.mark.parametrize("versioned", [True, False])
def test_versioning_that_can_not_be_read_makes_conditional_writes_impossible(
    world: World, caplog: pytest.LogCaptureFixture, versioned: bool
) -> None:
    book = world.book("s3", conditional_put=not versioned, conditional_put_versioned=versioned)
    world.proxy.inject(Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"x-amz-request-id": "1"}))
    with caplog.at_level(logging.WARNING, logger="foodco_storage"):
        assert book.able(world.bucket, "conditional_put", PREFIX) is False
    assert "can't be read" in caplog.text


def test_a_store_without_versioning_has_no_versioned_buckets(world: World) -> None:
    book = world.book("s3", conditional_put=True, conditional_put_versioned=False)
    world.proxy.inject(Answer(501, b"<Error><Code>NotImplemented</Code></Error>", {"x-amz-request-id": "1"}))
    assert book.able(world.bucket, "conditional_put", PREFIX) is True


def test_a_fork_does_not_inherit_a_held_lock(world: World) -> None:
    book = world.book("ceph")
    with book._lock:
        book.after_fork()
        assert book.able(world.bucket, "put_if_match", PREFIX) is True


def test_a_record_is_read_as_it_was_written() -> None:
    known = {name: bool(number % 2) for number, name in enumerate(CAPABILITIES)}
    assert parse_record(format_record(known)) == known
    # What another version wrote, or a hand garbled, is left out.
    assert parse_record(format_record({"unknown": True})) == {}
    assert parse_record(b'{"version": 1, "capabilities": {"checksums": "yes", "part_number": false}}') == {
        "part_number": False
    }


def test_every_preset_and_the_configuration_speak_of_the_same_capabilities() -> None:
    assert set(PRESET_CAPABILITIES["aws"]) == set(PRESET_CAPABILITIES["ceph"]) == set(CAPABILITIES)
    assert set(Capabilities.__struct_fields__) == set(CAPABILITIES)
