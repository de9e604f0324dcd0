"""Every operation ends in one event, and every request to a store belongs to one event."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ResponseStreamingError
from botocore.stub import Stubber

import foodco_storage
from foodco_storage import telemetry
from foodco_storage.drivers.background import background
from foodco_storage.front import recorded
from foodco_storage.telemetry import hooks
from foodco_storage.telemetry.events import BreakerChange, Operation, Step, Work
from foodco_storage.telemetry.recording import current
from foodco_storage.testing import Close, FaultProxy, MotoStore

ETAG = "841a2d689ad86bd1611447453c22c6fc"
"""Of `body`."""


class Told:
    """A hook that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def of_route(self, *kinds: type) -> list[Any]:
        """But for what the library finds out about its stores."""
        return [event for event in self.events if isinstance(event, kinds) and getattr(event, "route", None)]

    @property
    def operations(self) -> list[Operation]:
        return self.of(Operation)

    @property
    def last(self) -> Operation:
        return self.operations[-1]


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    telemetry.add_hook(told)
    yield told
    telemetry.remove_hook(told)
    assert not hooks.on


def test_without_a_hook_nothing_is_recorded(two: Any) -> None:
    s3 = two.client()
    seen = []
    s3.meta.events.register("before-send.s3", lambda **_: seen.append(current.get()))
    s3.put_object(Bucket=two.bucket, Key="k", Body=b"body")
    assert seen == [None]


def test_a_client_without_configuration(moto_store: MotoStore, bucket_name: str, told: Told) -> None:
    s3 = foodco_storage.client(**moto_store.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    s3.put_object(Bucket=bucket_name, Key="k", Body=b"hello")
    put = told.last
    assert (put.operation, put.bucket, put.key, put.size, put.outcome) == ("PutObject", bucket_name, "k", 5, "ok")
    assert (put.route, put.phase, put.backend, put.status) == (None, None, "caller", 200)
    (request,) = put.requests
    assert (request.operation, request.attempts, request.sent_bytes, request.error) == ("PutObject", 1, 5, None)
    assert put.seconds >= request.seconds > 0
    s3.put_object(Bucket=bucket_name, Key="k", Body=io.BytesIO(b"from a file"))
    assert told.last.size == 11
    s3.close()


class _Named(io.BytesIO):
    """A stream of the caller's own class."""


def _at(stream: io.BytesIO, offset: int) -> io.BytesIO:
    stream.seek(offset)
    return stream


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"hello",
        lambda: b"",
        lambda: "h\u00e9llo",
        lambda: bytearray(b"hello"),
        lambda: io.BytesIO(b"hello"),
        lambda: _at(io.BytesIO(b"not this, hello"), 10),
        lambda: _at(io.BytesIO(b"hello"), 5),
        lambda: _at(_Named(b"not this, hello"), 10),
    ],
)
@pytest.mark.parametrize("checksum", [{}, {"ChecksumAlgorithm": "CRC32"}])
def test_what_goes_out_is_what_lies_there(
    two: Any, told: Told, make: Callable[[], Any], checksum: dict[str, str]
) -> None:
    s3 = two.client(fallbacks=())
    s3.put_object(Bucket=two.bucket, Key="k", Body=make(), **checksum)
    put = told.last
    size = s3.head_object(Bucket=two.bucket, Key="k")["ContentLength"]
    assert [request.sent_bytes for request in put.requests] == [size]
    assert put.size == size


def test_a_get_ends_with_its_body(two: Any, told: Told) -> None:
    two.put("new", "k", b"0123456789")
    s3 = two.client(fallbacks=())
    for read, outcome, size in [
        (lambda body: body.read(), "ok", 10),
        (lambda body: [body.read(5), body.read(5)], "ok", 10),
        (lambda body: list(body.iter_chunks(3)), "ok", 10),
        (lambda body: [body.read(4), body.close()], "abandoned", 4),
        (lambda body: body.close(), "abandoned", 0),
        (lambda body: body.read(4), "abandoned", 4),
        (lambda body: body.readinto(bytearray(20)), "ok", 10),
    ]:
        before = len(told.operations)
        response = s3.get_object(Bucket=two.bucket, Key="k")
        assert len(told.operations) == before
        read(response["Body"])
        del response
        gc.collect()
        assert len(told.operations) == before + 1
        assert (told.last.operation, told.last.outcome, told.last.size) == ("GetObject", outcome, size)
        assert told.last.answer_seconds <= told.last.seconds
        assert told.last.requests[0].received_bytes == 10


def test_an_empty_body_has_ended(two: Any, told: Told) -> None:
    two.put("new", "k", b"")
    two.client(fallbacks=()).get_object(Bucket=two.bucket, Key="k")
    assert (told.last.operation, told.last.outcome) == ("GetObject", "ok")


@pytest.mark.parametrize(
    ("operation", "params", "outcome", "status", "error"),
    [
        ("get_object", {"Key": "missing"}, "missing", 404, "NoSuchKey"),
        ("head_object", {"Key": "missing"}, "missing", 404, "404"),
        ("get_object", {"Key": "k", "IfNoneMatch": f'"{ETAG}"'}, "not_modified", 304, "304"),
        ("get_object", {"Key": "k", "IfMatch": '"0"'}, "condition_failed", 412, "PreconditionFailed"),
        ("get_object", {"Key": "k", "Range": "bytes=99-"}, "invalid", 416, "InvalidRange"),
        ("get_object", {"Key": 1}, "invalid", None, "ParamValidationError"),
    ],
)
def test_what_an_operation_came_to(
    two: Any, told: Told, operation: str, params: dict[str, Any], outcome: str, status: int | None, error: str
) -> None:
    two.put("new", "k", b"body")
    s3 = two.client(fallbacks=())
    with pytest.raises((ClientError, ParamValidationError)):
        getattr(s3, operation)(Bucket=two.bucket, **params)
    assert (told.last.outcome, told.last.status, told.last.error) == (outcome, status, error)
    assert len(told.operations) == 1


def test_what_a_fallback_served_and_its_promotion(two: Any, told: Told) -> None:
    two.put("old", "k", b"from the source")
    s3 = two.client(phase="cutover")
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert background.join()
    get = told.last
    assert (get.route, get.phase, get.backend, get.is_fallback) == ("ours", "cutover", "old", True)
    # Last whether the bucket is versioned, which decides whether to promote.
    assert [(request.backend, request.operation, request.status) for request in get.requests] == [
        ("new", "GetObject", 404),
        ("old", "GetObject", 200),
        ("new", "GetBucketVersioning", 200),
    ]
    assert (get.backends, get.attempts) == (("new", "old"), 3)
    (step,) = told.of(Step)
    assert (step.step, step.outcome, step.route, step.key, step.size) == ("promote", "done", "ours", "k", 15)
    (work,) = told.of_route(Work)
    assert work.work == "promote"
    assert (work.outcome, work.route, work.key) == ("ok", "ours", "k")
    assert "PutObject" in [request.operation for request in work.requests]


def test_writes_and_deletes_of_a_route_that_mirrors(two: Any, told: Told, tmp_path: Any) -> None:
    storage = two.storage(phase="cutover") | {"journal": {"directory": str(tmp_path)}}
    s3 = foodco_storage.client(storage=storage)
    s3.put_object(Bucket=two.bucket, Key="k", Body=b"body")
    assert {"new", "old"} <= set(told.last.backends)
    assert [(s.step, s.outcome) for s in told.of(Step)] == [("mirror", "done")]
    s3.delete_objects(Bucket=two.bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "l"}]})
    steps = [(s.step, s.outcome, s.key, s.count) for s in told.of(Step)][1:]
    # Both at once, in threads.
    assert sorted(steps[:2]) == [("tombstone", "done", "k", 1), ("tombstone", "done", "l", 1)]
    assert steps[2:] == [("mirror", "done", None, 2)]
    s3.close()


def test_what_the_cache_answers(two: Any, told: Told) -> None:
    two.put("new", "k", b"0123456789")
    s3 = two.client(fallbacks=(), cache={"memory_max_bytes": "8MiB"})
    for cache, requests in [("miss", 1), ("memory", 0)]:
        s3.get_object(Bucket=two.bucket, Key="k")
        # Handed out is served: its bytes were in memory.
        assert (told.last.cache, len(told.last.requests), told.last.size) == (cache, requests, 10)
        assert told.last.backend == "new"
    s3.list_objects_v2(Bucket=two.bucket)
    assert told.last.cache is None


def test_what_was_compressed(two: Any, told: Told) -> None:
    s3 = two.client(fallbacks=(), compression={"codec": "zstd"})
    text = b"soup, " * 10_000
    s3.put_object(Bucket=two.bucket, Key="k", Body=text, ContentType="text/plain")
    (step,) = told.of(Step)
    assert (step.step, step.size) == ("compress", len(text))
    assert step.stored_size < len(text)
    assert (told.last.size, told.last.stored_size) == (len(text), step.stored_size)
    assert told.last.pack_seconds > 0
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert (told.last.size, told.last.stored_size) == (len(text), step.stored_size)
    assert told.last.requests[0].received_bytes == step.stored_size


def test_a_body_that_is_resumed_and_one_that_breaks(two: Any, told: Told) -> None:
    two.put("new", "k", bytes(3_000_000))
    server = two.servers["new"]
    with FaultProxy(server.host, server.port) as proxy:
        two.backends["new"]["endpoint_url"] = proxy.endpoint_url
        s3 = two.client()
        proxy.inject(Close(after_bytes=1_000_000), times=1, methods=["GET"])
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
        assert (told.last.outcome, told.last.size, len(told.last.requests)) == ("ok", 3_000_000, 2)
        assert proxy.requests == told.last.attempts
        plain = two.client(fallbacks=())
        proxy.inject(Close(after_bytes=1_000_000), times=1, methods=["GET"])
        body = plain.get_object(Bucket=two.bucket, Key="k")["Body"]
        with pytest.raises(ResponseStreamingError):
            body.read()
        assert (told.last.outcome, told.last.error) == ("broken", "ResponseStreamingError")


def test_retries_and_a_breaker(two: Any, told: Told) -> None:
    server = two.servers["new"]
    with FaultProxy(server.host, server.port) as proxy:
        proxy.refuse()
        two.backends["new"] |= {
            "endpoint_url": proxy.endpoint_url, "max_attempts": 2, "breaker": {"failures": 1, "open_seconds": 3600}
        }  # fmt: skip
        s3 = two.client(fallbacks=())
        for attempts in (2, 0):
            with pytest.raises(Exception, match="Could not connect"):
                s3.head_object(Bucket=two.bucket, Key="k")
            assert (told.last.outcome, told.last.status, told.last.attempts) == ("unavailable", None, attempts)
        assert told.last.error == "CircuitOpenError"
    assert [(c.backend, c.state) for c in told.of(BreakerChange)] == [("new", "open")]


def test_a_hook_that_raises_harms_nothing_and_is_reported_once(
    two: Any, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    class Raising:
        def __call__(self, event: Any) -> None:
            raise ValueError("of the hook")

    raising = Raising()
    telemetry.add_hook(raising)
    try:
        s3 = two.client()
        for _ in range(3):
            s3.put_object(Bucket=two.bucket, Key="k", Body=b"body")
    finally:
        telemetry.remove_hook(raising)
    assert len(told.operations) == 3
    assert sum("telemetry hook" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("where", ["telemetry", "route"])
def test_keys_are_hashed_or_dropped_everywhere(two: Any, told: Told, where: str) -> None:
    seen = {}
    for keys in ("hash", "drop"):
        key = f"secret/{keys}"
        two.put("old", key, b"body")
        storage = two.storage(phase="cutover")
        storage["telemetry"] = {"hash_secret": "long enough for that"}
        (storage["telemetry"] if where == "telemetry" else storage["routes"]["ours"].setdefault("telemetry", {}))[
            "keys"
        ] = keys
        s3 = foodco_storage.client(storage=storage)
        told.events.clear()
        s3.get_object(Bucket=two.bucket, Key=key)["Body"].read()
        assert background.join()
        s3.put_object(Bucket=two.bucket, Key=key, Body=b"new")
        s3.delete_object(Bucket=two.bucket, Key=key)
        s3.close()
        assert {type(event) for event in told.events} == {Operation, Step, Work}
        assert key not in repr(told.events)
        seen[keys] = {event.key for event in told.events if event.route is not None}
    assert seen["drop"] == {None}
    (digest,) = seen["hash"]
    assert digest.startswith("hmac:")
    assert digest == telemetry_key("secret/hash", "long enough for that")


def telemetry_key(key: str, secret: str) -> str:
    keyed = hashlib.blake2b(secret.encode()).digest()
    return "hmac:" + hashlib.blake2b(key.encode(), key=keyed, digest_size=16).hexdigest()


def test_a_route_that_is_off_and_one_that_is_sampled(two: Any, told: Told) -> None:
    s3 = two.client(telemetry={"enabled": False}, phase="cutover")
    two.put("old", "k", b"body")
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert background.join()
    s3.put_object(Bucket=two.bucket, Key="k", Body=b"body")
    assert told.of_route(Operation, Step, Work) == []
    sampled = two.client(telemetry={"sample": 0.25}, fallbacks=())
    for _ in range(200):
        sampled.head_object(Bucket=two.bucket, Key="k")
    assert 20 <= len(told.operations) <= 90
    assert {event.weight for event in told.operations} == {4.0}


def test_many_keys_at_once_are_counted_in_one_event(two: Any, told: Told) -> None:
    server = two.servers["new"]
    with FaultProxy(server.host, server.port) as proxy:
        two.backends["new"]["endpoint_url"] = proxy.endpoint_url
        s3 = two.client(phase="drain")
        s3.delete_objects(Bucket=two.bucket, Delete={"Objects": [{"Key": str(n)} for n in range(30)]})
        (event,) = told.operations
        assert sum(r.attempts for r in event.requests if r.backend == "new") == proxy.requests


def test_a_presigned_url_asks_who_holds_the_object(two: Any, told: Told) -> None:
    two.put("old", "k", b"body")
    s3 = two.client(phase="cutover")
    s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    s3.generate_presigned_url("put_object", {"Bucket": two.bucket, "Key": "k"})
    (work,) = told.of(Work)
    assert (work.work, [r.backend for r in work.requests]) == ("presign", ["new", "old"])
    assert [(s.step, s.outcome) for s in told.of(Step)] == [("presign", "done")]


def test_logs_hold_no_secrets(two: Any, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "foodco_storage")
    hook = telemetry.LogHook()
    telemetry.add_hook(hook)
    try:
        s3 = two.client()
        customer_key = "0123456789abcdef0123456789abcdef"
        with pytest.raises(ClientError):
            s3.get_object(Bucket=two.bucket, Key="a\nb", SSECustomerAlgorithm="AES256", SSECustomerKey=customer_key)
        s3.put_object(Bucket=two.bucket, Key="k", Body=b"the body itself", Metadata={"m": "private"})
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    finally:
        telemetry.remove_hook(hook)
    formatter = telemetry.JsonFormatter()
    records = [r for r in caplog.records if r.name == "foodco_storage.operations"]
    assert len(records) == 3
    lines = [formatter.format(record) for record in records] + [record.getMessage() for record in records]
    whole = "\n".join(lines) + repr(told.events)
    for secret in (customer_key, "the body itself", "private", two.servers["new"].secret_access_key):
        assert secret not in whole
    first = json.loads(lines[0])
    assert (first["event"], first["operation"], first["key"]) == ("Operation", "GetObject", "a\nb")
    assert first["level"] == "WARNING"
    assert all("\n" not in line for line in lines)


def test_an_error_of_the_callers_own_goes_through(two: Any, told: Told) -> None:
    class Refused(Exception):  # noqa: N818 - as others name theirs
        response = object()

    def refuse(**_: Any) -> None:
        raise Refused

    s3 = two.client(fallbacks=())
    s3.meta.events.register("before-call.s3", refuse)
    with pytest.raises(Refused):
        s3.head_object(Bucket=two.bucket, Key="k")
    assert (told.last.outcome, told.last.error) == ("failed", "Refused")


def test_answers_of_a_stubber(told: Told) -> None:
    s3 = foodco_storage.client(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(s3) as stubber:
        for headers in ({"content-length": 7}, {"content-length": "x"}, {}):
            stubber.add_response("list_buckets", {"ResponseMetadata": {"HTTPHeaders": headers}})
            s3.list_buckets()
        stubber.add_response("list_buckets", {})
        s3.list_buckets()
    assert [event.outcome for event in told.operations] == ["ok"] * 4
    assert told.operations[0].requests[0].received_bytes == 7
    s3.close()


def test_a_mistake_in_telemetry_is_no_failure(
    two: Any, told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two.put("new", "k")
    s3 = two.client(fallbacks=())
    monkeypatch.setattr(recorded._Operation, "_tell", lambda *_: 1 / 0)
    monkeypatch.setattr(hooks, "_reported", set())
    assert s3.head_object(Bucket=two.bucket, Key="k")["ContentLength"] == 4
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=two.bucket, Key="missing")
    assert sum("raises" in record.getMessage() for record in caplog.records) == 1


def test_several_routes_in_one_delete(two: Any, told: Told) -> None:
    storage = two.storage(fallbacks=())
    storage["routes"]["off"] = storage["routes"]["ours"] | {"prefix": "off/", "telemetry": {"enabled": False}}
    s3 = foodco_storage.client(storage=storage)
    for keys, events in ((["off/a"], 0), (["off/a", "b"], 0), (["a", "b"], 1)):
        told.events.clear()
        s3.delete_objects(Bucket=two.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert len(told.events) == events
    told.events.clear()
    s3.list_objects_v2(Bucket=two.bucket, Prefix="off/")
    assert told.events == []
    nonsense: Any = "none"
    with pytest.raises(ParamValidationError):
        s3.delete_objects(Bucket=two.bucket, Delete={"Objects": nonsense})
    s3.close()


def test_what_is_off_is_off_for_the_library_too(two: Any, told: Told) -> None:
    two.put("old", "k")
    storage = two.storage(phase="cutover") | {"telemetry": {"enabled": False}}
    s3 = foodco_storage.client(storage=storage)
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert background.join()
    assert told.of(Operation) == told.of(Step) == []
    assert [work for work in told.of(Work) if work.work == "probe"] == []
    s3.close()


def test_a_url_for_what_is_yet_to_be_written(two: Any, told: Told) -> None:
    two.client(phase="cutover").generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "not yet"})
    (work,) = told.of(Work)
    assert (work.work, work.outcome) == ("presign", "ok")


def test_an_operation_that_waited_in_vain_for_a_phase(two: Any, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = two.client(phase="cutover")

    class Gate:
        def writing(self, operation: str) -> Any:
            raise ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, operation)

    monkeypatch.setattr(s3._dispatch.router, "moves", True)
    monkeypatch.setattr(s3._dispatch.router, "gates", lambda *_: {"ours": Gate()})
    with pytest.raises(ClientError, match="SlowDown"):
        s3.put_object(Bucket=two.bucket, Key="k", Body=b"")
    assert (told.last.outcome, told.last.route) == ("throttled", "ours")
    assert told.last.wait_seconds > 0
