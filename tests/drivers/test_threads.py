"""The driver that users run: effects of the journal and of several flows at once, failures, interrupts, forks."""

from __future__ import annotations

import contextvars
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.response import StreamingBody

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.background import Background
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.errors import JournalError
from foodco_storage.flows.effects import (
    Call,
    Defer,
    Discard,
    Enter,
    Gather,
    Later,
    NewId,
    Settle,
    Spool,
    Spooled,
    Tee,
    Warn,
)
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import NotThere, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.journal import Journal

A, B = (Entry("r", "id", "b", key) for key in "ab")


class Store(MemoryBackend):
    """For several threads; can be told to wait, or to raise."""

    def __init__(self) -> None:
        super().__init__("p", ["b", "theirs"])
        self._one = threading.Lock()
        self.raises: BaseException | None = None
        self.asked: list[Request] = []

    def call(self, request: Request) -> Any:
        with self._one:
            self.asked.append(request)
            if self.raises is not None:
                raise self.raises
            return super().call(request)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def deferred() -> list[int]:
    """One for each time that somebody was told of entries that were left."""
    return []


@pytest.fixture
def driver(store: Store, journal: Journal, deferred: list[int]) -> ThreadDriver:
    return ThreadDriver({"p": store}, journal, Background(), lambda: deferred.append(1))


def put(key: str, body: bytes = b"x") -> Flow:
    response: Response = yield Call(Place("p"), Request("PutObject", {"Bucket": "b", "Key": key, "Body": body}))
    return response


def mirrored(*, settles: bool = True) -> Flow:
    numbers = yield Enter([A, B])
    response = yield from put("a")
    if settles:
        yield Settle(numbers)
    return response


def keys(journal: Journal) -> list[str]:
    return [taken.entry.key for taken in journal.take(["id"])]


class TestJournal:
    def test_entered_and_settled(self, driver: ThreadDriver, journal: Journal, deferred: list[int]) -> None:
        seen = []

        def flow() -> Flow:
            numbers = yield Enter([A, B])
            seen.append((len(numbers), journal.depth(), keys(journal)))
            yield Settle(numbers)
            return {}

        driver.run(flow())
        # While it is under way it is nobody else's.
        assert seen == [(2, 2, [])]
        assert journal.depth() == 0
        assert deferred == []

    def test_deferred(self, driver: ThreadDriver, journal: Journal, deferred: list[int]) -> None:
        def flow() -> Flow:
            yield Defer((yield Enter([A])))
            return {}

        driver.run(flow())
        assert deferred == [1]
        assert keys(journal) == ["a"]

    def test_a_failure_of_a_store_is_the_flows_to_judge(
        self, driver: ThreadDriver, journal: Journal, store: Store
    ) -> None:
        store.raises = NotThere("p", ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject"))

        def flow() -> Flow:
            numbers = yield Enter([A])
            try:
                yield from put("a")
            except NotThere:
                yield Settle(numbers)
                raise
            return {}

        with pytest.raises(ClientError, match="NoSuchKey"):
            driver.run(flow())
        assert journal.depth() == 0

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt(), SystemExit(1), MemoryError(), TypeError("a mistake of ours")]
    )
    def test_whatever_ends_a_flow_its_entries_are_left_to_be_looked_into(
        self, driver: ThreadDriver, journal: Journal, store: Store, error: BaseException, deferred: list[int]
    ) -> None:
        store.raises = error
        with pytest.raises(type(error)):
            driver.run(mirrored())
        assert deferred == [1]
        rows = journal.entries()
        assert [(row.entry.key, row.deferred) for row in rows] == [("a", True), ("b", True)]
        assert type(error).__name__ in rows[0].last_error

    def test_an_interrupt_after_the_entries_were_settled(self, driver: ThreadDriver, journal: Journal) -> None:
        def flow() -> Flow:
            yield from mirrored()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            driver.run(flow())
        assert journal.depth() == 0

    def test_entries_that_were_left_with_a_reason_keep_it(self, driver: ThreadDriver, journal: Journal) -> None:
        def flow() -> Flow:
            yield Defer((yield Enter([A])), "the other side is down")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            driver.run(flow())
        (row,) = journal.entries()
        assert (row.last_error, row.attempts) == ("the other side is down", 1)

    def test_a_write_that_can_not_be_entered_is_503_and_sends_nothing(
        self, driver: ThreadDriver, journal: Journal, store: Store
    ) -> None:
        journal.close()
        with pytest.raises(ClientError) as caught:
            driver.run(mirrored())
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert str(journal._access.directory) in str(caught.value)
        assert store.asked == []

    def test_a_journal_that_is_full(self, tmp_path: Path, store: Store) -> None:
        journal = Journal(tmp_path / "small", max_entries=1)
        driver = ThreadDriver({"p": store}, journal)
        with pytest.raises(ClientError, match="max_entries"):
            driver.run(mirrored())
        assert (store.asked, journal.depth()) == ([], 0)
        journal.close()

    def test_what_can_not_be_taken_out_is_no_failure_of_the_write(
        self,
        driver: ThreadDriver,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fails(*_: Any) -> None:
            raise JournalError("somewhere", "the disk is full")

        woken: list[int] = []
        monkeypatch.setattr(driver._journal, "deferred", lambda: woken.append(1))
        monkeypatch.setattr(journal, "settle", fails)
        assert driver.run(mirrored())["ETag"]
        # Nobody would come back for them before the process ends.
        assert woken
        assert "the disk is full" in caplog.text
        # Found equal once more by whoever takes it.
        assert keys(journal) == ["a", "b"]

    def test_what_can_not_be_left_is_no_failure_of_the_write(
        self,
        driver: ThreadDriver,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fails(*_: Any) -> None:
            raise JournalError("somewhere", "the disk is full")

        def flow() -> Flow:
            numbers = yield Enter([A])
            response = yield from put("a")
            yield Defer(numbers)
            return response

        monkeypatch.setattr(journal, "defer", fails)
        assert driver.run(flow())["ETag"]
        assert "the disk is full" in caplog.text
        assert journal.depth() == 1

    def test_nothing_to_settle_or_to_leave_touches_no_journal(self, driver: ThreadDriver, journal: Journal) -> None:
        def flow() -> Flow:
            yield Settle([])
            yield Defer([])
            return {}

        journal.close()
        driver.run(flow())


class TestGather:
    def test_results_and_failures_in_order(self, driver: ThreadDriver, store: Store) -> None:
        def fails(what: BaseException) -> Flow:
            yield NewId()
            raise what

        outage = Unavailable("p", EndpointConnectionError(endpoint_url="there"))
        gathered = []

        def flow() -> Flow:
            gathered.extend((yield Gather([put("a"), fails(outage), put("b"), fails(OSError("disk"))])))
            return {}

        driver.run(flow())
        assert "ETag" in gathered[0]
        assert gathered[1] is outage
        assert "ETag" in gathered[2]
        assert isinstance(gathered[3], OSError)
        assert set(store.buckets["b"]) == {"a", "b"}

    @pytest.mark.parametrize("count", [0, 1, 2, 100])
    def test_any_number(self, driver: ThreadDriver, count: int) -> None:
        results = []

        def one(number: int) -> Flow:
            yield NewId()
            return {"number": number}

        def flow() -> Flow:
            results.extend((yield Gather([one(number) for number in range(count)])))
            return {}

        driver.run(flow())
        assert [result["number"] for result in results] == list(range(count))

    def test_while_the_interpreter_ends(self, driver: ThreadDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        """It takes no work for threads any more (`atexit`)."""

        def ended(*_: Any) -> Any:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

        monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", ended)

        def flow() -> Flow:
            return {"results": (yield Gather([put("a"), put("b")]))}

        assert len([result["ETag"] for result in driver.run(flow())["results"]]) == 2

    def test_when_the_system_has_no_thread_left(self, driver: ThreadDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        """The executor has queued the work before it finds out: it must not be done twice."""
        begun: list[int] = []
        start = threading.Thread.start
        started: list[threading.Thread] = []

        def few(thread: threading.Thread) -> None:
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        def one(number: int) -> Flow:
            begun.append(number)
            yield NewId()
            return {"number": number}

        def flow() -> Flow:
            return {"results": (yield Gather([one(number) for number in range(20)]))}

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", few)
            results = driver.run(flow())["results"]
        assert [result["number"] for result in results] == list(range(20))
        assert sorted(begun) == list(range(20))
        assert [result["number"] for result in driver.run(flow())["results"]] == list(range(20))

    def test_gathered_in_what_is_gathered(self, driver: ThreadDriver) -> None:
        """Threads that wait for threads of the same pool would wait forever."""

        def inner(key: str) -> Flow:
            yield Gather([put(f"{key}{number}") for number in range(3)])
            return {}

        def flow() -> Flow:
            yield Gather([inner(str(number)) for number in range(50)])
            return {}

        driver.run(flow())

    def test_in_the_callers_context(self, driver: ThreadDriver) -> None:
        variable = contextvars.ContextVar[str]("variable")
        variable.set("the request's")
        seen = []

        def one() -> Flow:
            yield NewId()
            seen.append(variable.get())
            variable.set("changed")
            return {}

        def flow() -> Flow:
            yield Gather([one() for _ in range(20)])
            return {}

        driver.run(flow())
        assert seen == ["the request's"] * 20

    def test_an_interrupt_ends_all_of_them(self, driver: ThreadDriver, store: Store, journal: Journal) -> None:
        """The entries are left to others then, who must not be overtaken by what goes on behind their back."""
        interrupted, release = threading.Event(), threading.Event()
        running: list[int] = []

        def slow(number: int) -> Flow:
            running.append(number)
            assert interrupted.wait(10)
            release.wait(0.1)
            yield from put(str(number))
            return {}

        def interrupts() -> Flow:
            yield NewId()
            interrupted.set()
            raise KeyboardInterrupt

        def flow() -> Flow:
            numbers = yield Enter([A])
            yield Gather([interrupts(), *(slow(number) for number in range(200))])
            yield Settle(numbers)
            return {}

        with pytest.raises(KeyboardInterrupt):
            driver.run(flow())
        began, wrote = list(running), set(store.buckets["b"])
        assert len(began) < 200
        release.wait(0.3)
        assert running == began
        assert set(store.buckets["b"]) == wrote
        assert [(row.entry.key, row.deferred) for row in journal.entries()] == [("a", True)]

    def test_after_a_fork(self, driver: ThreadDriver, store: Store) -> None:
        def flow(prefix: str) -> Flow:
            yield Gather([put(prefix + str(number)) for number in range(20)])
            return {}

        driver.run(flow("before"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                driver.after_fork()
                driver.run(flow("child"))
                code = 0 if len(store.buckets["b"]) == 40 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        driver.run(flow("after"))


class TestBodies:
    def test_kept_whole(self, driver: ThreadDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("foodco_storage.drivers.body_effects.SPOOL_MEMORY_BYTES", 10)
        body = io.BytesIO(b"x" * 100)
        spooled: list[Spooled] = []

        def flow() -> Flow:
            spooled.append((yield Spool(body)))
            return {}

        driver.run(flow())
        assert (spooled[0].size, spooled[0].file.read()) == (100, b"x" * 100)
        assert len(spooled[0].content_md5) == 24
        assert body.closed

        def discard() -> Flow:
            yield Discard(spooled[0].file)
            return {}

        driver.run(discard())
        assert spooled[0].file.closed

    def test_a_body_that_breaks_while_it_is_kept(self, driver: ThreadDriver) -> None:
        class Broken(io.BytesIO):
            def read(self, _: int | None = None) -> bytes:
                raise ConnectionResetError

        body = Broken(b"x")

        def flow() -> Flow:
            yield Spool(body)
            return {}

        with pytest.raises(ConnectionResetError):
            driver.run(flow())
        assert body.closed

    @pytest.mark.parametrize("inline", [True, False])
    @pytest.mark.parametrize("reads", [True, False])
    def test_teed(self, driver: ThreadDriver, store: Store, inline: bool, reads: bool) -> None:
        def finished(spooled: Spooled) -> Later:
            with spooled.file:
                data = spooled.file.read()
            return Later("r", "t", lambda: put("finished", data), inline=inline)

        def abandoned() -> Later:
            return Later("r", "t", lambda: put("abandoned"), inline=inline)

        def flow() -> Flow:
            return {"Body": (yield Tee(io.BytesIO(b"body"), 4, finished, abandoned))}

        body = driver.run(flow())["Body"]
        assert isinstance(body, StreamingBody)
        if reads:
            assert body.read() == b"body"
            if inline:
                assert store.buckets["b"]["finished"].data == b"body"
        body.close()
        assert driver._background is not None
        assert driver._background.join()
        assert list(store.buckets["b"]) == ["finished" if reads else "abandoned"]

    def test_work_for_later_where_nobody_does_any(self, store: Store) -> None:
        dropped = []

        def flow() -> Flow:
            yield Later("r", "t", lambda: put("k"), dropped=lambda: dropped.append(1))
            return {}

        ThreadDriver({"p": store}).run(flow())
        assert dropped == [1]
        assert store.asked == []


class TestCalls:
    def test_buckets_by_the_names_of_the_store(self, driver: ThreadDriver, store: Store) -> None:
        params = {"Bucket": "ours", "Key": "k", "Body": b"x"}

        def flow() -> Flow:
            yield Call(Place("p", {"ours": "theirs"}), Request("PutObject", params))
            return {}

        driver.run(flow())
        assert list(store.buckets["theirs"]) == ["k"]
        assert params["Bucket"] == "ours"

    def test_answers_name_the_bucket_as_the_caller_does(self, driver: ThreadDriver) -> None:
        seen = []

        def flow() -> Flow:
            for place in (Place("p", {"ours": "theirs"}), Place("p")):
                bucket = "ours" if place.buckets else "b"
                upload = yield Call(place, Request("CreateMultipartUpload", {"Bucket": bucket, "Key": "k"}))
                seen.append(upload["Bucket"])
            return {}

        driver.run(flow())
        assert seen == ["ours", "b"]

    def test_ids_are_short_and_nobody_elses(self, driver: ThreadDriver) -> None:
        ids = []

        def flow() -> Flow:
            for _ in range(1000):
                ids.append((yield NewId()))  # noqa: PERF401 - no generator can be made of it
            return {}

        driver.run(flow())
        assert len(set(ids)) == 1000
        assert all(len(one) <= 20 and one.isascii() for one in ids)

    def test_warnings_once(self, driver: ThreadDriver, caplog: pytest.LogCaptureFixture) -> None:
        def flow() -> Flow:
            for topic in ("a", "b", "a"):
                yield Warn(topic, f"about {topic}")
            return {}

        driver.run(flow())
        driver.run(flow())
        assert [record.getMessage() for record in caplog.records] == ["about a", "about b"]

    def test_errors_are_what_users_of_boto3_see(self, driver: ThreadDriver, store: Store) -> None:
        cause = OSError("the wire")
        error = EndpointConnectionError(endpoint_url="there")
        error.__cause__ = cause
        store.raises = Unavailable("p", error)
        with pytest.raises(EndpointConnectionError) as caught:
            driver.run(put("k"))
        assert caught.value is error
        assert caught.value.__cause__ is cause
