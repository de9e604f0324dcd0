"""Reads: every way of reading gives the object's bytes, from one object only, over broken connections too."""

from __future__ import annotations

import io
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foodco_storage.filesystem import FileChangedError, FoodcoFileSystem, parts, pieces, streaming
from foodco_storage.testing import Close, FaultProxy, MotoStore, Reset

BODY = random.Random(6).randbytes(300_000)
CACHES = ("stream", "none", "readahead", "bytes", "blockcache", "first", "all", "background")


@pytest.fixture(scope="module")
def store(moto_store: MotoStore) -> Iterator[Any]:
    """A proxy in front of a store, a client around it, a bucket, a filesystem through it."""
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        yield _Store(moto_store, proxy)


class _Store:
    def __init__(self, moto_store: MotoStore, proxy: FaultProxy) -> None:
        server = moto_store.server
        self.proxy = proxy
        self.s3 = boto3.client("s3", **server.client_arguments())
        self.bucket = "reading"
        self.s3.create_bucket(Bucket=self.bucket)
        self.fs = FoodcoFileSystem(
            endpoint_url=proxy.endpoint_url,
            key=server.access_key_id,
            secret=server.secret_access_key,
            skip_instance_cache=True,
            config_kwargs={"retries": {"total_max_attempts": 1}},
        )

    def put(self, key: str, body: bytes = BODY) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"{self.bucket}/{key}"

    def requests(self, action: Callable[[], Any]) -> int:
        before = self.proxy.requests
        action()
        return self.proxy.requests - before


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
    monkeypatch.setattr(store.fs.store, "part_bytes", 40_000)
    # However fast one connection is.
    monkeypatch.setattr(parts, "_FAST", float("inf"))


@pytest.mark.parametrize("cache", CACHES)
def test_any_reads_of_a_file(store: Any, cache: str) -> None:
    path = store.put("any", BODY)

    @settings(max_examples=12)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(BODY) + 10), st.one_of(st.just(-1), st.integers(0, 150_000))), max_size=12
        ),
        st.sampled_from([30_000, 65_536, 1 << 20]),
    )
    def check(steps: list[tuple[int, int]], block: int) -> None:
        with store.fs.open(path, cache_type=cache, block_size=block) as file:
            for offset, length in steps:
                file.seek(offset)
                expected = BODY[offset:] if length < 0 else BODY[offset : offset + length]
                assert file.read(length) == expected
                assert file.tell() == offset + len(expected)

    check()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_a_file_read_on_and_on(store: Any, size: int) -> None:
    path = store.put("on", BODY[:size])
    for step in (1_000, 65_536, 70_000, 300_000):
        with store.fs.open(path, block_size=100_000) as file:
            assert b"".join(iter(lambda: file.read(step), b"")) == BODY[:size]  # noqa: B023
    with store.fs.open(path) as file:
        assert file.size == size
        assert io.BufferedReader(file, 5_000).read() == BODY[:size]


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize(
    ("start", "end"), list(itertools.product((None, 0, 1, 39_999, -100_000), (None, 40_000, 200_001, -1)))
)
def test_cat_file_in_parts(store: Any, start: int | None, end: int | None) -> None:
    assert store.fs.cat_file(store.put("parts"), start=start, end=end) == BODY[start:end]


class TestRequests:
    def test_a_small_file_is_read_by_one(self, store: Any) -> None:
        path = store.put("small", b"small")
        assert store.requests(lambda: store.fs.open(path).read()) == 1
        assert store.requests(lambda: store.fs.cat_file(path)) == 1
        assert store.requests(lambda: store.fs.info(path)) == 1

    def test_who_jumps_gets_little_more_than_was_asked_for(self, store: Any) -> None:
        path = store.put("jumps", bytes(4_000_000))
        with store.fs.open(path) as file:
            for offset in (3_000_000, 1_000_000, 2_000_000):
                file.seek(offset)
                file.read(10)
            assert file.cache.total_requested_bytes == 3 * streaming.LEAST_BYTES

    def test_who_steps_back_a_little_asks_for_nothing(self, store: Any) -> None:
        path = store.put("back", bytes(4_000_000))
        with store.fs.open(path) as file:
            file.seek(1_000_000)
            file.read(100_000)
            file.seek(1_000_000)
            assert store.requests(lambda: file.read(50_000)) == 0

    def test_a_small_jump_ahead_reads_over(self, store: Any) -> None:
        path = store.put("ahead", bytes(4_000_000))
        with store.fs.open(path) as file:
            # Windows double as long as the reader goes on.
            while file.tell() < 600_000:
                file.read(10_000)
            file.seek(50_000, 1)
            assert store.requests(lambda: file.read(10)) == 0

    def test_a_size_that_is_given_is_not_asked_for(self, store: Any) -> None:
        path = store.put("given")
        assert store.requests(lambda: store.fs.open(path, size=len(BODY)).close()) == 0

    def test_ranges_that_are_near_are_brought_together(self, store: Any) -> None:
        path = store.put("near")
        starts, ends = [0, 150_000, 10_000, 20_000], [10, 150_010, 10_010, 20_010]
        got: list[bytes] = []
        for gap, requests in ((None, 1), (0, 4), (50_000, 2)):
            assert (
                store.requests(lambda gap=gap: got.extend(store.fs.cat_ranges([path] * 4, starts, ends, max_gap=gap)))
                == requests
            )
        assert got == [BODY[s:e] for s, e in zip(starts, ends, strict=True)] * 3


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 300), st.integers(0, 300)), max_size=12),
    st.integers(0, 100),
)
def test_spans_hold_every_range(ranges: list[tuple[str, int, int]], gap: int) -> None:
    from foodco_storage.filesystem.many_ranges import spans  # noqa: PLC0415

    paths, starts, ends = [r[0] for r in ranges], [r[1] for r in ranges], [r[2] for r in ranges]
    found = list(spans(paths, starts, ends, gap, most=150))
    assert sorted(number for span in found for number, _ in span.members) == list(range(len(ranges)))
    for span in found:
        assert span.start is not None
        assert span.end is not None
        assert len(span.members) == 1 or span.end - span.start <= 150
        for number, part in span.members:
            assert span.path == paths[number]
            assert range(span.start, span.end)[part] == range(starts[number], max(starts[number], ends[number]))


class TestOneObjectOnly:
    def test_a_file_that_is_written_over_raises(self, store: Any) -> None:
        path = store.put("changing")
        for cache in set(CACHES) - {"all"}:  # which reads it all on opening
            store.put("changing")
            with store.fs.open(path, cache_type=cache, block_size=65_536) as file:
                assert file.read(10) == BODY[:10]
                store.put("changing", BODY[::-1])
                file.seek(200_000)
                with pytest.raises(FileChangedError) as caught:
                    file.read(10)
                assert caught.value.filename == path

    def test_also_with_a_size_given(self, store: Any) -> None:
        path = store.put("changing")
        with store.fs.open(path, size=len(BODY), block_size=65_536) as file:
            file.read(10)
            store.put("changing", BODY[::-1])
            file.seek(200_000)
            with pytest.raises(FileChangedError):
                file.read(10)

    def test_also_where_the_store_knows_no_conditions(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store.fs.store, "compares_etags", True)
        path = store.put("changing")
        with store.fs.open(path, block_size=65_536) as file:
            store.put("changing", BODY[::-1])
            file.seek(200_000)
            with pytest.raises(FileChangedError):
                file.read(10)

    @pytest.mark.usefixtures("_small_parts")
    def test_also_parts_that_are_read_at_once(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        path = store.put("changing")
        send = store.fs.store.send
        asked: list[Any] = []

        some, helped = pieces.Piece.some, threading.Event()

        def and_overwrite(operation: str, params: Any, *more: Any) -> Any:
            asked.append(params)
            if len(asked) > 1:
                helped.set()
            answer = send(operation, params, *more)
            if len(asked) == 1:
                store.put("changing", BODY[::-1])
            return answer

        def and_wait(piece: pieces.Piece, length: int) -> bytes:
            # The first part is read, then others are asked to help.
            assert piece.position < store.fs.store.part_bytes or helped.wait(30)
            return some(piece, length)

        monkeypatch.setattr(store.fs.store, "send", and_overwrite)
        monkeypatch.setattr(pieces.Piece, "some", and_wait)
        with pytest.raises(FileChangedError):
            store.fs.cat_file(path)
        assert len(asked) > 1

    def test_also_ranges(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        path = store.put("changing")
        send = store.fs.store.send
        asked: list[Any] = []

        def and_overwrite(operation: str, params: Any, *more: Any) -> Any:
            asked.append(params)
            answer = send(operation, params, *more)
            if len(asked) == 1:
                store.put("changing", BODY[::-1])
            return answer

        monkeypatch.setattr(store.fs.store, "send", and_overwrite)
        monkeypatch.setattr("foodco_storage.filesystem.pools.FILE_THREADS", 1)
        fs = store.fs
        fs.store.pools.after_fork()
        first, second = fs.cat_ranges([path] * 2, [0, 200_000], [10, 200_010], max_gap=0)
        fs.store.pools.after_fork()
        assert first == BODY[:10]
        assert isinstance(second, FileChangedError)


class TestBrokenConnections:
    @pytest.mark.parametrize("fault", [Reset(after_bytes=100_000), Close(after_bytes=100_000)])
    def test_a_body_that_breaks_is_gone_on_with(self, store: Any, fault: Any, tmp_path: Any) -> None:
        path = store.put("breaks")
        file = store.fs.open(path)
        lines = store.fs.open(path, block_size=200_000)
        ways: list[Callable[[], bytes]] = [
            lambda: store.fs.cat_file(path),
            file.read,
            lambda: b"".join(iter(lines.readline, b"")),
            lambda: store.fs.get_file(path, str(tmp_path / "x")) or (tmp_path / "x").read_bytes(),
        ]
        for read in ways:
            faults = store.proxy.faults
            store.proxy.inject(fault, times=1, methods=["GET"])
            assert read() == BODY
            assert store.proxy.faults == faults + 1

    @pytest.mark.usefixtures("_small_parts")
    def test_also_in_parts(self, store: Any) -> None:
        path = store.put("breaks")
        store.proxy.inject(Reset(after_bytes=10_000), times=3, methods=["GET"])
        assert store.fs.cat_file(path) == BODY

    def test_one_that_always_breaks_is_given_up(self, store: Any, tmp_path: Any) -> None:
        path = store.put("breaks")
        faults = store.proxy.faults
        store.proxy.inject(Reset(after_bytes=1_000), methods=["GET"])
        with pytest.raises(ConnectionError) as caught:
            store.fs.get_file(path, str(tmp_path / "x"))
        store.proxy.pass_through()
        assert caught.value.filename == path
        assert store.proxy.faults == faults + pieces.ATTEMPTS
        assert list(tmp_path.iterdir()) == []

    def test_one_that_was_written_over_meanwhile_is_not_gone_on_with(self, store: Any) -> None:
        path = store.put("breaks")
        file = store.fs.open(path)
        store.proxy.inject(Reset(after_bytes=100_000), times=1, methods=["GET"])
        with closing(file):
            store.put("breaks", BODY[::-1])
            with pytest.raises(FileChangedError):
                file.read()


class TestLocalFiles:
    def test_a_file_appears_whole(self, store: Any, tmp_path: Any) -> None:
        path = store.put("local")
        (tmp_path / "x").write_bytes(b"old")
        (tmp_path / "x").chmod(0o640)
        store.fs.get_file(path, str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == BODY
        assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640

    def test_a_missing_object_leaves_what_was_there(self, store: Any, tmp_path: Any) -> None:
        (tmp_path / "x").write_bytes(b"old")
        with pytest.raises(FileNotFoundError):
            store.fs.get_file(f"{store.bucket}/missing", str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 1

    @pytest.mark.usefixtures("_small_parts")
    def test_in_parts(self, store: Any, tmp_path: Any) -> None:
        store.fs.get_file(store.put("local"), str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == BODY
