"""What is answered from a cache, what is asked for, and what passes untouched."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, FlexibleChecksumError, IncompleteReadError
from botocore.response import StreamingBody
from cached_world import BLOCK, LARGEST, TTL, World

from foodco_storage.counting import counters
from foodco_storage.drivers.held_stream import HeldStream
from foodco_storage.drivers.kept_body import KeptBody
from foodco_storage.flows.cached import Head
from foodco_storage.flows.outcomes import Deleted, Rejected, Unavailable
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers import cached_reads

SMALL = b"1234567"
LARGE = bytes(range(65, 65 + 26))
"""Of four blocks, the last one short."""

HUGE = bytes(LARGEST + 1)


@pytest.fixture(params=["memory", "disk", "both"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(None if request.param == "memory" else tmp_path, memory=None if request.param == "disk" else 1 << 20)


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    body = answer.pop("Body", None)
    metadata = answer.pop("ResponseMetadata")
    headers = {name: value for name, value in metadata["HTTPHeaders"].items() if name != "x-amz-request-id"}
    return answer | {"body": body and body.read(), "status": metadata["HTTPStatusCode"], "headers": headers}


SPANS = ["bytes=0-0", "bytes=3-5", "bytes=2-", "bytes=-2", "bytes=-1000", "bytes=0-1000", "bytes=6-9", "bytes=8-15"]


class TestSmall:
    @pytest.mark.parametrize("span", [None, *SPANS[:6]])
    def test_answered_as_the_store_does(self, world: World, span: str | None) -> None:
        params = {} if span is None else {"Range": span}
        world.put(SMALL, Metadata={"dish": "soup"}, ContentType="image/png", Tagging="a=1")
        expected = shown(world.store.call(Request("GetObject", {"Bucket": "b", "Key": "k", **params})))
        assert shown(world.call("GetObject", **params)) == expected
        world.read()
        before = len(world.store.requests)
        assert shown(world.call("GetObject", **params)) == expected
        assert shown(world.call("GetObject", **params)) == expected
        assert len(world.store.requests) == before

    def test_head_after_a_get(self, world: World) -> None:
        world.put(SMALL, Metadata={"dish": "soup"})
        expected = shown(world.store.call(Request("HeadObject", {"Bucket": "b", "Key": "k"})))
        world.read()
        before = len(world.store.requests)
        assert shown(world.call("HeadObject")) == expected
        assert len(world.store.requests) == before

    def test_a_head_alone_keeps_nothing(self, world: World) -> None:
        world.put(SMALL)
        for _ in range(2):
            world.call("HeadObject")
        assert world.store.asked == ["HeadObject"] * 2

    def test_the_caller_may_change_what_he_gets(self, world: World) -> None:
        world.put(SMALL, Metadata={"dish": "soup"})
        for _ in range(3):
            answer = world.call("GetObject")
            assert answer["Metadata"] == {"dish": "soup"}
            answer["Metadata"].clear()
            answer["ResponseMetadata"]["HTTPHeaders"].clear()
            answer["ResponseMetadata"]["Storage"].clear()
            assert answer["Body"].read() == SMALL

    def test_the_body_behaves(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        body = world.call("GetObject")["Body"]
        assert (body.read(3), body.read(), body.read(), body.read(1)) == (b"123", b"4567", b"", b"")
        assert list(world.call("GetObject")["Body"].iter_chunks(3)) == [b"123", b"456", b"7"]
        closed = world.call("GetObject")["Body"]
        closed.read(1)
        closed.close()
        with world.call("GetObject")["Body"] as entered:
            assert entered.read() == SMALL

    def test_an_empty_object(self, world: World) -> None:
        world.put(b"")
        assert (world.read(), world.read()) == (b"", b"")
        assert world.call("HeadObject")["ContentLength"] == 0
        assert world.store.asked == ["GetObject"]

    def test_a_body_that_breaks_is_asked_for_again(self, world: World) -> None:
        world.put(SMALL)

        def breaks(request: Request, answer: Any) -> None:
            world.store.changed = lambda *_: None
            answer["Body"].read(1)

        world.store.changed = breaks
        assert world.read() == SMALL
        assert world.store.asked == ["GetObject"] * 2


class TestLarge:
    @pytest.mark.parametrize("first", SPANS)
    @pytest.mark.parametrize("second", SPANS)
    def test_parts(self, world: World, first: str, second: str) -> None:
        world.put(LARGE, Metadata={"dish": "soup"})
        for span in (first, second, first, second):
            expected = shown(world.store.call(Request("GetObject", {"Bucket": "b", "Key": "k", "Range": span})))
            assert shown(world.call("GetObject", Range=span)) == expected

    def test_whole_blocks_are_asked_for_once(self, world: World) -> None:
        world.put(LARGE)
        assert world.read(Range="bytes=9-10") == LARGE[9:11]
        assert world.read(Range="bytes=8-15") == LARGE[8:16]
        assert world.read(Range="bytes=15-16") == LARGE[15:17]
        assert world.read(Range="bytes=16-23") == LARGE[16:24]
        assert world.read(Range="bytes=-2") == LARGE[-2:]
        assert world.read(Range="bytes=24-") == LARGE[24:]
        assert world.store.asked == [
            "GetObject bytes=8-15",
            "GetObject bytes=8-23",
            "GetObject bytes=24-25",
        ]

    def test_the_end_of_an_object_of_unknown_size(self, world: World) -> None:
        """As the footer of a parquet file."""
        world.put(LARGE)
        assert world.read(Range="bytes=-2") == LARGE[-2:]
        assert world.read(Range="bytes=-1") == LARGE[-1:]
        assert world.read(Range="bytes=24-25") == LARGE[24:]
        assert world.store.asked == ["GetObject bytes=-8"]

    @pytest.mark.parametrize("at_once", [0, 1000])
    def test_whole(self, world: World, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
        monkeypatch.setattr(cached_reads, "_AT_ONCE", at_once)
        world.put(LARGE)
        assert (world.read(), world.read(), world.read(Range="bytes=7-17")) == (LARGE, LARGE, LARGE[7:18])
        assert world.store.asked == ["GetObject"]

    def test_what_was_not_read_is_not_kept(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cached_reads, "_AT_ONCE", 0)
        world.put(LARGE)
        body = world.call("GetObject")["Body"]
        assert body.read(BLOCK + 1) == LARGE[: BLOCK + 1]
        body.close()
        assert world.read(Range="bytes=0-7") == LARGE[:8]
        assert world.store.asked == ["GetObject"]
        assert world.read(Range="bytes=8-15") == LARGE[8:16]
        assert world.store.asked == ["GetObject", "GetObject bytes=8-15"]

    def test_a_body_that_turns_out_to_be_damaged(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A checksum of the whole is wrong at its end only: what was handed on before is not what the store holds."""
        monkeypatch.setattr(cached_reads, "_AT_ONCE", 0)
        world.put(LARGE)

        class Damaged(io.BytesIO):
            def read(self, amount: int | None = -1) -> bytes:
                data = super().read(amount)
                if self.tell() == len(LARGE):
                    raise FlexibleChecksumError(error_msg="wrong")
                return data

        def damaged(_: Request, answer: Any) -> None:
            answer["Body"] = StreamingBody(Damaged(LARGE.swapcase()), len(LARGE))
            world.store.changed = lambda *_: None

        world.store.changed = damaged
        body = world.call("GetObject")["Body"]
        assert body.read(2 * BLOCK) == LARGE.swapcase()[: 2 * BLOCK]
        with pytest.raises(FlexibleChecksumError):
            body.read()
        assert world.read(Range="bytes=0-7") == LARGE[:8]
        assert world.read(Range="bytes=16-25") == LARGE[16:]
        assert world.read() == LARGE

    def test_blocks_of_two_objects_are_never_mixed(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        other = LARGE[::-1]
        world.put(other)
        # Fresh still; but of the other object, a part is asked for.
        assert world.read(Range="bytes=8-15") == other[8:16]
        assert world.read() == other
        assert world.read(Range="bytes=0-7") == other[:8]

    def test_not_even_where_all_blocks_are_at_hand(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        other = LARGE[::-1]
        world.put(other)
        assert world.read(Range="bytes=8-25") == other[8:26]
        assert world.read() == other

    def test_what_is_too_large_is_not_kept(self, world: World) -> None:
        world.put(HUGE)
        for _ in range(2):
            assert world.read() == HUGE
            assert world.read(Range=f"bytes=0-{LARGEST}") == HUGE
        assert world.store.asked == ["GetObject", f"GetObject bytes=0-{LARGEST}"] * 2
        for _ in range(2):
            assert world.read(Range="bytes=0-1") == HUGE[:2]
        assert world.store.asked[4:] == ["GetObject bytes=0-7"]

    def test_a_part_that_there_is_not(self, world: World) -> None:
        world.put(LARGE)
        for _ in range(2):
            with pytest.raises(ClientError) as caught:
                world.read(Range="bytes=26-30")
            assert caught.value.response["Error"]["Code"] == "InvalidRange"
            assert world.read(Range="bytes=24-30") == LARGE[24:]


@pytest.mark.parametrize(
    "params",
    [
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": "2001-01-01"},
        {"PartNumber": 1},
        {"ResponseContentType": "text/html"},
        {"ChecksumMode": "ENABLED"},
        {"RequestPayer": "requester"},
        {"ExpectedBucketOwner": "123456789012"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
        {"Range": "bytes=0-1,3-4"},
        {"Range": "bytes=-0"},
        {"Range": "bytes=5-4"},
        {"Range": "items=0-1"},
    ],
)
def test_what_passes_untouched(world: World, params: dict[str, Any]) -> None:
    world.put(SMALL)
    world.read()
    world.store.requests.clear()
    for _ in range(2):
        try:
            world.call("GetObject", **params)
        except ClientError:
            continue
    assert [request.params for request in world.store.requests] == [{"Bucket": "b", "Key": "k", **params}] * 2


def test_versions_pass_untouched(world: World) -> None:
    world.put(SMALL)
    world.read()
    world.store.requests.clear()
    world.call("GetObject", VersionId="null")
    assert world.store.asked == ["GetObject"]


def test_if_match(world: World) -> None:
    etag = world.put(SMALL)
    world.read()
    for wanted in (etag, etag.strip('"')):
        assert world.read(IfMatch=wanted) == SMALL
        world.call("HeadObject", IfMatch=wanted)
    assert world.store.asked == ["GetObject"]
    for operation in ("GetObject", "HeadObject"):
        with pytest.raises(ClientError) as caught:
            world.call(operation, IfMatch='"other"')
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


class TestFreshness:
    def test_asked_again_when_too_old(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        world.clock.now += TTL - 1
        assert world.read() == SMALL
        assert world.store.asked == ["GetObject"]
        world.clock.now += 1
        assert world.read() == SMALL
        assert world.store.requests[-1].params["IfNoneMatch"]
        world.clock.now += TTL - 1
        assert world.read() == SMALL
        assert world.store.asked == ["GetObject"] * 2

    def test_counted(self, world: World) -> None:
        world.put(SMALL)
        before = counters().get("r", {})
        for _ in range(2):
            world.read()
        world.clock.now += TTL
        world.read()
        world.clock.now += TTL
        world.put(b"new")
        world.read()
        world.call("HeadObject")
        after = counters()["r"]
        counted = {name: after.get(name, 0) - before.get(name, 0) for name in ("cache_misses", "cache_revalidated")}
        assert counted == {"cache_misses": 2, "cache_revalidated": 1}
        hits = world.process.levels.hits
        assert (hits.memory + hits.disk, hits.saved_requests, hits.saved_bytes) == (3, 2, 2 * len(SMALL))

    @pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
    def test_changed_since(self, world: World, operation: str) -> None:
        world.put(SMALL)
        world.read()
        world.put(b"new")
        world.clock.now += TTL
        assert world.call(operation)["ContentLength"] == 3
        assert world.read() == b"new"

    @pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
    def test_metadata_replaced_in_place(self, world: World, operation: str) -> None:
        """The ETag stays, and so "not modified" says nothing of it."""
        world.put(SMALL, Metadata={"dish": "soup"})
        world.read()
        world.put(SMALL, Metadata={"dish": "salad"})
        for _ in range(9):
            world.clock.now += TTL
            assert world.call(operation)["Metadata"] == {"dish": "soup"}
        world.clock.now += TTL
        assert world.call(operation)["Metadata"] == {"dish": "salad"}
        if operation == "GetObject":
            world.clock.now += TTL
            assert world.process.level() is not None

    def test_a_head_renews(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        world.clock.now += TTL
        world.call("HeadObject")
        assert world.read() == SMALL
        assert world.store.asked == ["GetObject", "HeadObject"]

    def test_deleted_since(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        world.store.buckets["b"].clear()
        assert world.read() == SMALL
        world.clock.now += TTL
        for _ in range(2):
            with pytest.raises(ClientError, match="NoSuchKey"):
                world.read()

    def test_a_part_changed_since(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        world.put(LARGE[::-1])
        world.clock.now += TTL
        assert world.read(Range="bytes=2-3") == LARGE[::-1][2:4]

    def test_shrunk_since(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=16-23")
        world.put(SMALL)
        world.clock.now += TTL
        with pytest.raises(ClientError, match="InvalidRange"):
            world.read(Range="bytes=16-23")
        assert world.read(Range="bytes=1-2") == SMALL[1:3]

    def test_the_clock_is_set_back(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        world.process = world.another()
        world.clock.now -= 3600
        world.read()
        assert len(world.store.requests) == 2

    def test_the_machine_was_started_anew(self, tmp_path: Path) -> None:
        """A power failure may have undone what tells old from new."""
        world = World(tmp_path)
        world.put(SMALL)
        world.read()
        world.clock.now += 1
        world.process = world.another(not_before=world.clock.now)
        assert world.read() == SMALL
        assert world.store.requests[-1].params["IfNoneMatch"]
        assert (world.read(), len(world.store.requests)) == (SMALL, 2)

    def test_nobody_can_be_asked(self, tmp_path: Path) -> None:
        def down(_: Request) -> None:
            raise Unavailable("one", EndpointConnectionError(endpoint_url="http://one"))

        strict, lenient = World(tmp_path), World(stale_if_error=True)
        for world in (strict, lenient):
            world.put(SMALL)
            world.read()
            world.store.before = down
            world.clock.now += TTL
        with pytest.raises(EndpointConnectionError):
            strict.read()
        for operation in ("GetObject", "HeadObject"):
            answer = lenient.call(operation)
            assert answer["ResponseMetadata"]["Storage"] == {"backend": "one", "cache": "memory", "stale": True}
        with pytest.raises(EndpointConnectionError):
            lenient.read(Key="another")
        lenient.store.before = lambda _: None
        assert "stale" not in lenient.call("GetObject")["ResponseMetadata"]["Storage"]


class TestContradicted:
    """What a store has said last is what the next read sees, ttl or not."""

    def test_gone(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        world.store.buckets["b"].clear()
        with pytest.raises(ClientError, match="NoSuchKey"):
            world.read()
        with pytest.raises(ClientError, match="NoSuchKey"):
            world.read(Range="bytes=0-7")
        with pytest.raises(ClientError, match="404"):
            world.call("HeadObject")

    def test_another_that_is_not_kept(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        world.put(HUGE)
        assert world.read() == HUGE
        assert world.read(Range="bytes=0-7") == HUGE[:8]
        assert world.call("HeadObject")["ContentLength"] == len(HUGE)

    def test_a_head_tells(self, world: World) -> None:
        world.put(LARGE)
        world.read(Range="bytes=0-7")
        world.clock.now += TTL
        world.put(HUGE)
        assert world.call("HeadObject")["ContentLength"] == len(HUGE)
        world.clock.now -= 1
        assert world.read(Range="bytes=0-7") == HUGE[:8]

    def test_a_condition_on_what_is_kept(self, world: World) -> None:
        """As a download in parts, which would fail again and again."""
        etag = world.put(LARGE)
        world.read(Range="bytes=0-7")
        world.put(LARGE[::-1])
        with pytest.raises(ClientError, match="PreconditionFailed"):
            world.read(Range="bytes=8-15", IfMatch=etag)
        assert world.call("HeadObject")["ETag"] != etag
        assert world.read(Range="bytes=0-7") == LARGE[::-1][:8]

    def test_nothing_comes_back_when_nobody_can_be_asked(self) -> None:
        world = World(stale_if_error=True)
        world.put(SMALL)
        world.read()
        world.store.buckets["b"].clear()
        world.clock.now += TTL
        with pytest.raises(ClientError, match="NoSuchKey"):
            world.read()

        def down(_: Request) -> None:
            raise Unavailable("one", EndpointConnectionError(endpoint_url="http://one"))

        world.store.before = down
        with pytest.raises(EndpointConnectionError):
            world.read()

    @pytest.mark.parametrize("changed", ["another backend", "degraded", "last-modified"])
    def test_a_confirmation_that_confirms_nothing(self, world: World, changed: str) -> None:
        world.put(SMALL)
        world.read()
        world.clock.now += TTL

        def confirms(request: Request) -> None:
            if "IfNoneMatch" in request.params:
                answer: Any = {"ResponseMetadata": {"HTTPStatusCode": 304}, "Error": {"Code": "304"}}
                if changed == "degraded":
                    answer["ResponseMetadata"]["Storage"] = {"degraded": True}
                elif changed == "last-modified":
                    answer["ResponseMetadata"]["HTTPHeaders"] = {"last-modified": "Tue, 24 Nov 2026 00:00:00 GMT"}
                backend = "other" if changed == "another backend" else "one"
                raise Rejected(backend, ClientError(answer, request.operation))

        world.store.before = confirms
        assert world.process.level() is None
        assert world.store.asked == ["GetObject"] * 3


def test_an_answer_without_a_length(world: World) -> None:
    """As a proxy that compresses gives it."""
    world.put(LARGE)

    def chunked(_: Request, answer: Any) -> None:
        del answer["ContentLength"]

    world.store.changed = chunked
    for _ in range(2):
        assert world.read() == LARGE
        assert world.read(Range="bytes=8-15") == LARGE[8:16]


class TestOpenRanges:
    """Of objects that nobody knows yet."""

    def test_of_a_small_object(self, world: World) -> None:
        world.put(SMALL)
        assert [world.read(Range="bytes=0-") for _ in range(2)] == [SMALL] * 2
        assert world.read(Range="bytes=3-") == SMALL[3:]
        assert world.store.asked == ["GetObject bytes=0-"]

    def test_of_a_large_one(self, world: World) -> None:
        world.put(LARGE)
        assert world.read(Range="bytes=5-") == LARGE[5:]
        assert world.read(Range="bytes=8-") == LARGE[8:]
        assert world.store.asked == ["GetObject bytes=5-"]

    def test_of_a_huge_one(self, world: World) -> None:
        world.put(HUGE)
        for _ in range(2):
            assert world.read(Range="bytes=0-") == HUGE
        assert world.store.asked == ["GetObject bytes=0-"] * 2


def test_the_checksum_of_a_part_is_not_the_objects(world: World) -> None:
    world.put(LARGE)

    def tells(_: Request, answer: Any) -> None:
        answer["ChecksumCRC32"] = "AAAAAA=="
        answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-checksum-crc32"] = "AAAAAA=="

    world.store.changed = tells
    world.read(Range="bytes=0-31")
    answer = world.call("GetObject")
    assert answer["ResponseMetadata"]["Storage"].get("cache")
    assert "ChecksumCRC32" not in answer
    assert "x-amz-checksum-crc32" not in answer["ResponseMetadata"]["HTTPHeaders"]


class TestBodies:
    def test_as_from_a_connection(self, world: World) -> None:
        world.put(SMALL)
        world.read()
        body = world.call("GetObject")["Body"]
        body.set_socket_timeout(1)
        assert (body.read(2), body.tell()) == (SMALL[:2], 2)
        body.close()
        with pytest.raises(IncompleteReadError):
            body.read()

    def test_while_it_is_kept(self) -> None:
        kept: dict[int, bytes] = {}
        inner = StreamingBody(HeldStream(LARGE), len(LARGE))
        head = Head("b", "k", "e", len(LARGE), BLOCK, 0, {})
        body = StreamingBody(KeptBody(inner, head, kept.__setitem__, lambda: None), len(LARGE))
        body.set_socket_timeout(1)
        assert (body.read(9), body.tell()) == (LARGE[:9], 9)
        assert body.read() == LARGE[9:]
        assert kept == {number: LARGE[number * BLOCK :][:BLOCK] for number in range(4)}

    def test_read_by_two_at_once(self) -> None:
        kept: dict[int, bytes] = {}
        inside, go_on = threading.Event(), threading.Event()

        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if not inside.is_set():
                    inside.set()
                    assert go_on.wait(10)
                return super().read(size)

        head = Head("b", "k", "e", len(LARGE), BLOCK, 0, {})
        body = KeptBody(StreamingBody(Slow(LARGE), len(LARGE)), head, kept.__setitem__, lambda: None)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(body.read, BLOCK)
            assert inside.wait(10)
            assert body.read(BLOCK) == LARGE[:BLOCK]
            go_on.set()
            assert first.result() == LARGE[BLOCK : 2 * BLOCK]
        assert kept == {}


WRITES: list[tuple[str, dict[str, Any]]] = [
    ("PutObject", {"Body": b"new"}),
    ("DeleteObject", {}),
    ("DeleteObjects", {"Delete": {"Objects": [{"Key": "other"}, {"Key": "k"}]}}),
    ("CopyObject", {"CopySource": {"Bucket": "b", "Key": "other"}}),
    ("PutObjectTagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}}),
    ("DeleteObjectTagging", {}),
]


class TestWrites:
    @pytest.mark.parametrize(("operation", "params"), WRITES)
    def test_forget(self, world: World, operation: str, params: dict[str, Any]) -> None:
        world.put(b"other", "other")
        world.put(SMALL, Tagging="t=1")
        world.read()
        another = world.another() if world.directory else world.process
        another.read()
        assert another.level() is not None
        asked = len(world.store.requests)
        world.call(operation, **params)
        left = world.store.buckets["b"].get("k")
        for process in (world.process, another):
            if left is None:
                with pytest.raises(ClientError, match="NoSuchKey"):
                    process.read()
            else:
                answer = process.call("GetObject")
                assert answer["Body"].read() == left.data
                assert answer.get("TagCount", 0) == len(left.tags)
        assert len(world.store.requests) > asked + 1

    def test_a_write_that_fails_forgets_too(self, world: World) -> None:
        world.put(SMALL)
        world.read()

        def lost(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                raise Unavailable("one", EndpointConnectionError(endpoint_url="http://one"))

        world.store.changed = lost
        with pytest.raises(EndpointConnectionError):
            world.call("PutObject", Body=b"new")
        assert world.read() == b"new"

    def test_a_read_that_began_before_is_not_kept(self, world: World) -> None:
        world.put(SMALL)

        def overtaken(request: Request, _: Any) -> None:
            world.store.changed = lambda *_: None
            world.call("PutObject", Body=b"new")

        world.store.changed = overtaken
        assert world.read() == SMALL
        assert world.read() == b"new"

    def test_a_read_of_another_process_that_began_before_is_not_kept(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.put(SMALL)
        another = world.another()

        def overtaken(request: Request, _: Any) -> None:
            world.store.changed = lambda *_: None
            world.call("PutObject", Body=b"new")

        world.store.changed = overtaken
        assert another.read() == SMALL
        assert another.read() == b"new"

    def test_a_large_body_that_is_still_read(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cached_reads, "_AT_ONCE", 0)
        world.put(LARGE)
        body = world.call("GetObject")["Body"]
        first = body.read(BLOCK)
        world.call("PutObject", Body=LARGE[::-1])
        assert first + body.read() == LARGE
        assert world.read() == LARGE[::-1]


class TestMissing:
    def test_is_not_remembered_by_default(self, world: World) -> None:
        for _ in range(2):
            with pytest.raises(ClientError, match="NoSuchKey"):
                world.read()
        assert len(world.store.requests) == 2

    def test_for_a_while(self) -> None:
        world = World(missing=5.0)
        for operation, code in (("GetObject", "NoSuchKey"), ("HeadObject", "404")):
            for _ in range(2):
                with pytest.raises(ClientError) as caught:
                    world.call(operation)
                assert caught.value.response["Error"]["Code"] == code
        assert world.store.asked == ["GetObject", "HeadObject"]
        assert caught.value.response["ResponseMetadata"]["Storage"]["cache"] == "memory"
        world.put(SMALL)
        world.clock.now += 5
        assert world.read() == SMALL

    def test_of_a_key_that_was_there(self) -> None:
        world = World(missing=5.0)
        world.put(SMALL)
        world.read()
        world.store.buckets["b"].clear()
        world.clock.now += TTL
        for _ in range(3):
            with pytest.raises(ClientError, match="NoSuchKey"):
                world.read()
        assert world.store.asked == ["GetObject"] * 2

    def test_of_a_key_that_is_marked_as_deleted(self) -> None:
        world = World(missing=5.0)

        def deleted(request: Request) -> None:
            raise Deleted("one", ClientError(error_response("NoSuchKey", 404, "gone"), request.operation))

        world.store.before = deleted
        for _ in range(3):
            with pytest.raises(ClientError, match="NoSuchKey"):
                world.read()
        assert world.store.asked == ["GetObject"]

    def test_until_it_is_written(self) -> None:
        world = World(missing=5.0)
        with pytest.raises(ClientError):
            world.read()
        world.call("PutObject", Body=SMALL)
        assert world.read() == SMALL


class TestSingleFlight:
    def test_nobody_waits_for_what_is_not_kept(self, world: World) -> None:
        world.put(HUGE)
        world.read()
        asked, go_on = threading.Event(), threading.Event()

        def waits(_: Request) -> None:
            if not asked.is_set():
                asked.set()
                assert go_on.wait(10)

        world.store.before = waits
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(world.read)
            assert asked.wait(10)
            assert not world.process.levels.flights._under_way
            assert world.read() == HUGE
            go_on.set()
            assert first.result() == HUGE

    @pytest.mark.parametrize("body", [SMALL, LARGE])
    @pytest.mark.parametrize("params", [{}, {"Range": "bytes=1-2"}])
    def test_of_many_one_asks(self, world: World, params: dict[str, Any], body: bytes) -> None:
        world.put(body)
        asked, go_on = threading.Event(), threading.Event()

        def waits(_: Request) -> None:
            asked.set()
            assert go_on.wait(10)

        world.store.before = waits
        with ThreadPoolExecutor(8) as pool:
            reads = [pool.submit(world.read, **params) for _ in range(8)]
            assert asked.wait(10)
            go_on.set()
            assert {read.result() for read in reads} == {body if not params else body[1:3]}
        assert len(world.store.requests) == 1

    def test_others_are_not_held_up(self, world: World) -> None:
        world.put(SMALL)
        world.put(b"hit", "hit")
        world.put(b"miss", "miss")
        world.read(Key="hit")
        asked, go_on = threading.Event(), threading.Event()

        def waits(request: Request) -> None:
            if request.params["Key"] == "k":
                asked.set()
                assert go_on.wait(10)

        world.store.before = waits
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(world.read)
            assert asked.wait(10)
            assert (world.read(Key="hit"), world.read(Key="miss")) == (b"hit", b"miss")
            go_on.set()
            assert slow.result() == SMALL

    def test_who_leads_fails(self, world: World) -> None:
        world.put(SMALL)
        first = threading.Lock()

        def fails_once(_: Request) -> None:
            if first.acquire(blocking=False):
                raise Unavailable("one", EndpointConnectionError(endpoint_url="http://one"))

        world.store.before = fails_once
        with ThreadPoolExecutor(4) as pool:
            reads = [pool.submit(world.read) for _ in range(4)]
            results = [read.exception() or read.result() for read in reads]
        assert sum(result == SMALL for result in results) == 3
