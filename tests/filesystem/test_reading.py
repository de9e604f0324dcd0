"""Reads: every way of reading gives the object's bytes, from one object only, over broken connections too."""

from __future__ import annotations

import hashlib
import io
import itertools
import pickle
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxied import ProxiedStore

from foodco_storage.filesystem import FileChangedError, parts, pieces, streaming
from foodco_storage.filesystem.recent import Recent
from foodco_storage.testing import Answer, Close, Reset

BODY = random.Random(6).randbytes(300_000)
CACHES = ("stream", "none", "readahead", "bytes", "blockcache", "first", "all", "background")


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch, store: ProxiedStore) -> None:
    monkeypatch.setattr(store.fs.store, "part_bytes", 40_000)
    # However fast one connection is.
    monkeypatch.setattr(parts, "_FAST", float("inf"))


@pytest.mark.parametrize("cache", CACHES)
def test_any_reads_of_a_file(store: ProxiedStore, cache: str) -> None:
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
def test_a_file_read_on_and_on(store: ProxiedStore, size: int) -> None:
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
def test_cat_file_in_parts(store: ProxiedStore, start: int | None, end: int | None) -> None:
    assert store.fs.cat_file(store.put("parts", BODY), start=start, end=end) == BODY[start:end]


class TestRequests:
    def test_a_small_file_is_read_by_one(self, store: ProxiedStore) -> None:
        path = store.put("small", b"small")
        assert store.requests(lambda: store.fs.open(path).read()) == 1
        assert store.requests(lambda: store.fs.cat_file(path)) == 1
        assert store.requests(lambda: store.fs.info(path)) == 1

    def test_who_jumps_gets_little_more_than_was_asked_for(self, store: ProxiedStore) -> None:
        path = store.put("jumps", bytes(4_000_000))
        with store.fs.open(path) as file:
            for offset in (3_000_000, 1_000_000, 2_000_000):
                file.seek(offset)
                file.read(10)
            assert file.cache.total_requested_bytes == 3 * streaming.LEAST_BYTES

    def test_who_steps_back_a_little_asks_for_nothing(self, store: ProxiedStore) -> None:
        path = store.put("back", bytes(4_000_000))
        with store.fs.open(path) as file:
            file.seek(1_000_000)
            file.read(100_000)
            file.seek(1_000_000)
            assert store.requests(lambda: file.read(50_000)) == 0

    def test_also_after_many_small_reads(self, store: ProxiedStore) -> None:
        path = store.put("back", BODY * 10)
        with store.fs.open(path) as file:
            for _ in range(300):
                file.read(5_000)
            file.seek(600_000)
            got: list[bytes] = []
            assert store.requests(lambda: got.append(file.read(900_000))) == 0
            assert got == [(BODY * 10)[600_000:1_500_000]]

    def test_lines(self, store: ProxiedStore) -> None:
        lines = [b"%d %s\n" % (number, b"x" * (number % 300)) for number in range(20_000)]
        path = store.put("lines", b"".join(lines))
        got: list[bytes] = []
        assert store.requests(lambda: got.extend(store.fs.open(path))) < 10
        assert got == lines

    def test_a_small_jump_ahead_reads_over(self, store: ProxiedStore) -> None:
        path = store.put("ahead", bytes(4_000_000))
        with store.fs.open(path) as file:
            # Windows double as long as the reader goes on.
            while file.tell() < 600_000:
                file.read(10_000)
            file.seek(50_000, 1)
            assert store.requests(lambda: file.read(10)) == 0

    def test_a_size_that_is_given_is_not_asked_for(self, store: ProxiedStore) -> None:
        path = store.put("given", BODY)
        assert store.requests(lambda: store.fs.open(path, size=len(BODY)).close()) == 0

    def test_ranges_that_are_near_are_brought_together(self, store: ProxiedStore) -> None:
        path = store.put("near", BODY)
        starts, ends = [0, 150_000, 10_000, 20_000], [10, 150_010, 10_010, 20_010]
        got: list[bytes] = []
        for gap, requests in ((None, 1), (0, 4), (50_000, 2)):
            assert (
                store.requests(lambda gap=gap: got.extend(store.fs.cat_ranges([path] * 4, starts, ends, max_gap=gap)))
                == requests
            )
        assert got == [BODY[s:e] for s, e in zip(starts, ends, strict=True)] * 3


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60), st.booleans()), max_size=30))
def test_what_was_read_last(most: int, steps: list[tuple[int, int, bool]]) -> None:
    """Never a wrong byte, and the last ones always."""
    whole = bytes(range(256))
    recent = Recent(most, whole[:5])
    for place, length, goes_on in steps:
        start = recent.end if goes_on else place
        recent.add(start, whole[start : start + length])
        end = recent.end
        assert recent.get(end - min(most, len(whole[start:end])), end) is not None
        for first, last in ((place, place + length), (max(end - length, 0), end), (end - 1, end + 1)):
            assert recent.get(first, last) in {None, whole[first:last]}


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
    def test_a_file_that_is_written_over_raises(self, store: ProxiedStore) -> None:
        path = store.put("changing", BODY)
        for cache in set(CACHES) - {"all"}:  # which reads it all on opening
            store.put("changing", BODY)
            with store.fs.open(path, cache_type=cache, block_size=65_536) as file:
                assert file.read(10) == BODY[:10]
                store.put("changing", BODY[::-1])
                file.seek(200_000)
                with pytest.raises(FileChangedError) as caught:
                    file.read(10)
                assert caught.value.filename == path

    def test_also_with_a_size_given(self, store: ProxiedStore) -> None:
        path = store.put("changing", BODY)
        with store.fs.open(path, size=len(BODY), block_size=65_536) as file:
            file.read(10)
            store.put("changing", BODY[::-1])
            file.seek(200_000)
            with pytest.raises(FileChangedError):
                file.read(10)

    def test_also_a_body_that_breaks_where_the_store_knows_no_conditions(
        self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store.fs.store, "compares_etags", True)
        path = store.put("changing", BODY)
        store.proxy.inject(Reset(after_bytes=100_000), times=1, methods=["GET"])
        piece = pieces.Piece(store.fs.store, store.fs.store.key(path))
        store.put("changing", BODY[::-1])
        with pytest.raises(FileChangedError):
            piece.readall()

    @pytest.mark.parametrize("cache", sorted(set(CACHES) - {"all"}))
    def test_also_of_a_shorter_one_where_the_store_knows_no_conditions(
        self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch, cache: str
    ) -> None:
        monkeypatch.setattr(store.fs.store, "compares_etags", True)
        path = store.put("shorter", BODY)
        with store.fs.open(path, cache_type=cache, block_size=70_000) as file:
            store.put("shorter", BODY[:100])
            file.seek(200_000)
            with pytest.raises(FileChangedError):
                file.read(50_000)

    @pytest.mark.parametrize("said", [len(BODY) - 10, len(BODY) + 100_000])
    @pytest.mark.parametrize("cache", sorted(set(CACHES) - {"all"}))
    def test_also_one_of_another_size_than_was_said(self, store: ProxiedStore, cache: str, said: int) -> None:
        path = store.put("said", BODY)
        with store.fs.open(path, size=said, cache_type=cache, block_size=70_000) as file:
            with pytest.raises(FileChangedError, match="has not the"):
                file.read()
            file.seek(100_000)
            with pytest.raises(FileChangedError, match="has not the"):
                file.read(10)

    def test_also_where_the_store_knows_no_conditions(
        self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store.fs.store, "compares_etags", True)
        path = store.put("changing", BODY)
        with store.fs.open(path, block_size=65_536) as file:
            store.put("changing", BODY[::-1])
            file.seek(200_000)
            with pytest.raises(FileChangedError):
                file.read(10)

    @pytest.mark.usefixtures("_small_parts")
    def test_also_parts_that_are_read_at_once(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        path = store.put("changing", BODY)
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

    def test_also_ranges(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        path = store.put("changing", BODY)
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
        first, *others = fs.cat_ranges([path] * 4, [0, 200_000, 5, -5], [10, 200_010, None, None], max_gap=0)
        fs.store.pools.after_fork()
        # Open ranges are begun first.
        assert others[1] == BODY[5:]
        assert [type(one) for one in (first, others[0], others[2])] == [FileChangedError] * 3


class TestBrokenConnections:
    @pytest.mark.parametrize("fault", [Reset(after_bytes=100_000), Close(after_bytes=100_000)])
    def test_a_body_that_breaks_is_gone_on_with(self, store: ProxiedStore, fault: Any, tmp_path: Any) -> None:
        path = store.put("breaks", BODY)
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
    def test_also_in_parts(self, store: ProxiedStore) -> None:
        path = store.put("breaks", BODY)
        store.proxy.inject(Reset(after_bytes=10_000), times=3, methods=["GET"])
        assert store.fs.cat_file(path) == BODY

    def test_one_that_breaks_often_but_comes_on(self, store: ProxiedStore) -> None:
        faults = store.proxy.faults
        store.proxy.inject(Close(after_bytes=20_000), methods=["GET"])
        assert store.fs.cat_file(store.put("breaks", BODY)) == BODY
        store.proxy.pass_through()
        assert store.proxy.faults > faults + 2 * pieces.ATTEMPTS

    def test_one_that_always_breaks_is_given_up(self, store: ProxiedStore, tmp_path: Any) -> None:
        path = store.put("breaks", BODY)
        faults = store.proxy.faults
        store.proxy.inject(Reset(), methods=["GET"])
        with pytest.raises(ConnectionError) as caught:
            store.fs.get_file(path, str(tmp_path / "x"))
        store.proxy.pass_through()
        assert caught.value.filename == path
        assert store.proxy.faults == faults + pieces.ATTEMPTS
        assert list(tmp_path.iterdir()) == []

    def test_one_that_was_written_over_meanwhile_is_not_gone_on_with(self, store: ProxiedStore) -> None:
        path = store.put("breaks", BODY)
        file = store.fs.open(path)
        store.proxy.inject(Reset(after_bytes=100_000), times=1, methods=["GET"])
        with closing(file):
            store.put("breaks", BODY[::-1])
            with pytest.raises(FileChangedError):
                file.read()


class TestLocalFiles:
    def test_a_file_appears_whole(self, store: ProxiedStore, tmp_path: Any) -> None:
        path = store.put("local", BODY)
        (tmp_path / "x").write_bytes(b"old")
        (tmp_path / "x").chmod(0o640)
        store.fs.get_file(path, str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == BODY
        assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640

    def test_a_missing_object_leaves_what_was_there(self, store: ProxiedStore, tmp_path: Any) -> None:
        (tmp_path / "x").write_bytes(b"old")
        with pytest.raises(FileNotFoundError):
            store.fs.get_file(f"{store.bucket}/missing", str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 1

    @pytest.mark.usefixtures("_small_parts")
    def test_in_parts(self, store: ProxiedStore, tmp_path: Any) -> None:
        store.fs.get_file(store.put("local", BODY), str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == BODY

    def test_a_link_stays_one(self, store: ProxiedStore, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "x").symlink_to(tmp_path / "deep" / "y")
        for body in (BODY, BODY[:10]):
            store.fs.get_file(store.put("local", body), str(tmp_path / "x"))
            assert (tmp_path / "x").is_symlink()
            assert (tmp_path / "deep" / "y").read_bytes() == body
        assert [len(list(place.iterdir())) for place in (tmp_path, tmp_path / "deep")] == [2, 1]

    @pytest.mark.parametrize("parts", [False, True])
    def test_what_does_not_fit_its_checksum_replaces_nothing(
        self, store: ProxiedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool
    ) -> None:
        (tmp_path / "x").write_bytes(b"old")
        path = store.put("sum", BODY)
        if parts:
            monkeypatch.setattr(store.fs.store, "part_bytes", len(BODY) // 2)
            # However slow the one connection is, no other helps it: what is read by two has no checksum of the whole.
            monkeypatch.setattr("foodco_storage.filesystem.parts._FAST", 0)
        etag = f'"{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag, "x-amz-checksum-crc32": "AAAAAA==", "Content-Length": str(len(BODY))}
        store.proxy.inject(Answer(200, BODY, headers), times=1)
        with pytest.raises(OSError, match="checksum"):
            store.fs.get_file(path, str(tmp_path / "x"))
        assert (tmp_path / "x").read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 1

    @pytest.mark.usefixtures("_small_parts")
    @pytest.mark.parametrize("told", [1, 4])
    def test_an_error_in_a_callback_is_told(self, store: ProxiedStore, tmp_path: Path, told: int) -> None:
        class Fails(fsspec.Callback):  # type: ignore[misc] # fsspec is untyped
            calls = 0

            def relative_update(self, inc: int = 1) -> None:
                self.calls += 1
                if self.calls == told:
                    raise IndexError(inc)

        (tmp_path / "x").write_bytes(b"old")
        with pytest.raises(IndexError):
            store.fs.get_file(store.put("local", BODY), str(tmp_path / "x"), callback=Fails())
        assert (tmp_path / "x").read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.usefixtures("_small_parts")
class TestHelpers:
    def test_a_system_without_more_threads(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        pool = store.fs.store.pools.parts

        class Refuses:
            def submit(self, *args: Any) -> Future[None]:
                # As ThreadPoolExecutor does: what was queued may run all the same.
                pool.submit(*args)
                raise RuntimeError("can't start new thread")

        monkeypatch.setattr(type(store.fs.store.pools), "parts", Refuses())
        path = store.put("refused", BODY)
        for _ in range(5):
            assert store.fs.cat_file(path) == BODY

    def test_nobody_writes_after_the_end(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """The reader at the front fails while another, at the back, has a part half read."""
        path = store.put("late", BODY)
        address = store.fs.store.key(path)
        begun, go_on = threading.Event(), threading.Event()
        taken: list[int] = []
        # One helper, which leaves parts to the front.
        monkeypatch.setattr(store.fs.store, "concurrency", 2)

        def take(piece: pieces.Piece, stop: int) -> None:
            if piece.start:
                begun.set()
                assert go_on.wait(30)
            elif piece.position:
                assert begun.wait(30)
                threading.Timer(0.1, go_on.set).start()
                raise ZeroDivisionError
            taken.append(len(piece.read(stop - piece.position)))

        with pytest.raises(ZeroDivisionError):
            parts.in_parts(store.fs.store, address, pieces.Piece(store.fs.store, address), take)
        before = list(taken)
        assert go_on.is_set()
        store.fs.store.pools.parts.submit(bool).result()
        assert taken == before


class TestInterrupts:
    """An exception that comes between the taking of bytes and their counting, as a signal's may."""

    @pytest.mark.parametrize("cache", CACHES)
    def test_shift_nothing(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
        path = store.put("interrupted", BODY)
        check = pieces.Piece._check
        due = iter([False, False, True, False, True, True])

        def and_interrupt(piece: pieces.Piece, count: int) -> None:
            check(piece, count)
            if next(due, False):
                raise KeyboardInterrupt

        got: list[bytes] = []
        interrupts = 0
        with store.fs.open(path, cache_type=cache, block_size=70_000) as file:
            monkeypatch.setattr(pieces.Piece, "_check", and_interrupt)
            while len(got) < 30:
                assert file.tell() == 10_000 * len(got)
                try:
                    got.append(file.read(10_000))
                except KeyboardInterrupt:
                    interrupts += 1
        assert b"".join(got) == BODY
        assert interrupts > 0 or cache == "all"


class TestAnswersThatDoNotFit:
    @pytest.mark.parametrize("in_parts", [False, True])
    def test_a_store_that_gives_less_than_was_asked_for(
        self, store: ProxiedStore, tmp_path: Path, request: pytest.FixtureRequest, in_parts: bool
    ) -> None:
        if in_parts:
            request.getfixturevalue("_small_parts")
        path = store.put("less", BODY)
        file = store.fs.open(path)
        headers = {"Content-Range": f"bytes 0-99999/{len(BODY)}", "ETag": file._etag}
        store.proxy.inject(Answer(206, BODY[:100_000], headers), methods=["GET"])
        reads: list[Callable[[], Any]] = [
            lambda: store.fs.cat_file(path),
            lambda: store.fs.cat_file(path, 0, 200_000),
            lambda: store.fs.get_file(path, str(tmp_path / "x")),
            lambda: file.read(200_000),
        ]
        for read in reads:
            with pytest.raises(OSError, match="another range"):
                read()
        store.proxy.pass_through()
        file.close()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("cache", CACHES)
    def test_caches_that_ask_past_the_end(self, store: ProxiedStore, cache: str) -> None:
        with store.fs.open(store.put("past", BODY), cache_type=cache, block_size=70_000) as file:
            assert file._fetch_range(len(BODY) - 10, len(BODY) + 10) == BODY[-10:]
            assert file._fetch_range(len(BODY), len(BODY) + 10) == b""
            assert file._fetch_range(len(BODY) + 5, len(BODY) + 10) == b""

    @pytest.mark.parametrize("told", ["nonsense", "bytes */300000", "bytes 0-9/*"])
    def test_a_range_that_can_not_be_read(self, store: ProxiedStore, told: str) -> None:
        path = store.put("garbage", BODY)
        store.proxy.inject(Answer(206, BODY[:10], {"Content-Range": told, "ETag": '"1"'}), times=1, methods=["GET"])
        with pytest.raises(OSError, match="range that can't be read") as caught:
            store.fs.cat_file(path, 0, 10)
        assert caught.value.filename == path

    def test_a_store_that_knows_no_ranges(self, store: ProxiedStore) -> None:
        path = store.put("whole", BODY)
        store.proxy.inject(Answer(200, BODY, {"ETag": '"1"'}), methods=["GET"])
        assert store.fs.cat_file(path, 0, 10) == BODY[:10]
        with pytest.raises(OSError, match="another range"):
            store.fs.cat_file(path, 10, 20)
        store.proxy.pass_through()

    def test_a_body_that_is_shorter_when_it_is_gone_on_with(
        self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = store.put("shorter", BODY)
        send = store.fs.store.send
        answers: list[Any] = []

        def and_cut(operation: str, params: Any, *more: Any) -> Any:
            if answers:
                params = {**params, "Range": params["Range"].rpartition("-")[0] + "-200000"}
            answers.append(send(operation, params, *more))
            return answers[-1]

        monkeypatch.setattr(store.fs.store, "send", and_cut)
        store.proxy.inject(Reset(after_bytes=100_000), times=1, methods=["GET"])
        with pytest.raises(OSError, match="another range"):
            store.fs.cat_file(path)


def test_versions_are_read_on_where_paths_name_them(store: ProxiedStore) -> None:
    fs = store.open(version_aware=True)
    store.s3.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    try:
        path = store.put("versions", BODY)
        with fs.open(path, block_size=65_536) as file, store.fs.open(path, block_size=65_536) as other:
            store.put("versions", BODY[::-1])
            assert file.read() == BODY
            assert pickle.loads(pickle.dumps(file)).read(0) == b""
            with pytest.raises(FileChangedError):
                other.read()
        with fs.open(path) as file:
            assert file.read() == BODY[::-1]
    finally:
        store.s3.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Suspended"})
        fs.s3.close()


def test_a_pickled_file_is_of_its_object(store: ProxiedStore) -> None:
    path = store.put("pickled", BODY)
    with store.fs.open(path) as file:
        text = pickle.dumps(file)
    with pickle.loads(text) as again:
        assert again.read() == BODY
    store.put("pickled", BODY[::-1])
    with pickle.loads(text) as again, pytest.raises(FileChangedError):
        again.read()
