"""Who brings up to date what the journal holds, and who refuses to start over it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import foodco_storage
from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.config import Configuration
from foodco_storage.config import Journal as JournalSettings
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.counting import counters
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.errors import ConfigurationError, JournalError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.front import mirroring as module
from foodco_storage.front.assembly import _depth
from foodco_storage.front.mirroring import Mirroring, check_authority, journal_directory, journal_exists, mirroring_of
from foodco_storage.front.routes import route_in_phase
from foodco_storage.journal import Journal
from foodco_storage.layers.route import Route
from foodco_storage.testing import wait_until


class Store(MemoryBackend):
    """For several threads; fails for some keys."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ["b"])
        self._one = threading.Lock()
        self.failing: set[str] = set()
        self.waits: threading.Event | None = None
        self.asked = threading.Event()

    def call(self, request: Request) -> Any:
        self.asked.set()
        if self.waits is not None:
            assert self.waits.wait(10)
        with self._one:
            if request.params.get("Key") in self.failing:
                raise ValueError("a mistake of ours")
            return super().call(request)

    def put(self, *keys: str) -> None:
        for key in keys:
            super().call(Request("PutObject", {"Bucket": "b", "Key": key, "Body": key.encode()}))


class World:
    """A primary and a source in memory, a route, and its journal on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.p, self.s = Store("p"), Store("s")
        self.route = route_of("cutover")
        self.journal = Journal(directory)
        self.mirroring = Mirroring(self.journal)
        self.driver = self.make_driver()

    def make_driver(self) -> ThreadDriver:
        return ThreadDriver({"p": self.p, "s": self.s}, self.journal, None, self.mirroring.wake)

    def serve(self) -> None:
        self.mirroring.serve(self.driver, self.route)

    def leave(self, *keys: str, identity: str | None = None, journal: Journal | None = None) -> None:
        """Entries that nobody works on."""
        journal = journal or self.journal
        entries = [Entry("mirroring", identity or self.route.identity, "b", key) for key in keys]
        journal.defer(journal.enter(entries))


def route_of(phase: str, name: str = "mirroring") -> Route:
    return route_in_phase(name, ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"]), phase, {})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "journal")
    yield world
    wait_until(lambda: world.mirroring._thread is None, what="the thread to end")
    world.journal.close()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.02)


class TestReplay:
    def test_what_was_left(self, world: World) -> None:
        world.p.put("a", "b", "new")
        world.s.put("b")
        world.leave("a", "b", "gone")
        world.serve()
        before = counters().get("mirroring", {}).get("mirrored", 0)
        assert world.mirroring.replay() == (3, 0)
        assert set(world.s.buckets["b"]) == {"a", "b"}
        assert world.journal.depth() == 0
        assert counters()["mirroring"]["mirrored"] == before + 3
        assert world.mirroring.replay() == (0, 0)

    def test_no_more_than_asked_for(self, world: World) -> None:
        world.leave(*(str(number) for number in range(5)))
        world.serve()
        assert world.mirroring.replay(3) == (3, 0)
        assert world.mirroring.replay(3) == (2, 0)

    def test_what_belongs_to_others_stays(self, world: World) -> None:
        """To routes that nobody serves here, and to writes that are under way."""
        world.leave("a", identity="another's")
        world.journal.enter([Entry("mirroring", world.route.identity, "b", "under way")])
        world.serve()
        assert world.mirroring.replay() == (0, 0)
        assert world.journal.depth() == 2

    def test_what_a_process_left_that_is_gone(self, world: World) -> None:
        world.p.put("a")
        theirs = Journal(world.directory)
        theirs.enter([Entry("mirroring", world.route.identity, "b", "a")])
        world.serve()
        assert world.mirroring.replay() == (0, 0)
        theirs.close()
        assert world.mirroring.replay() == (1, 0)
        assert set(world.s.buckets["b"]) == {"a"}

    def test_one_that_fails_does_not_stop_the_others(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.p.put("a", "b", "c")
        world.s.failing = {"b"}
        world.leave("a", "b", "c")
        world.serve()
        assert world.mirroring.replay() == (2, 1)
        (row,) = world.journal.entries()
        assert (row.entry.key, row.deferred, row.last_error) == ("b", True, "a mistake of ours")
        assert "b/b could not be mirrored" in caplog.text
        assert counters()["mirroring"]["mirror_failures"] >= 1

    def test_a_journal_that_fails_for_one_does_not_strand_the_others(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was taken and neither settled nor left would be this process's until it ends."""
        world.p.put("a", "b", "c")
        world.s.failing = {"a", "b"}
        world.leave("a", "b", "c")
        world.serve()
        with monkeypatch.context() as patch:
            patch.setattr(world.journal._access, "wrote", _full_disk)
            world.mirroring.replay()
        assert "c" in world.s.buckets["b"]
        world.s.failing = set()

        def all_are_settled() -> bool:
            world.mirroring.replay()
            return world.journal.depth() == 0

        wait_until(all_are_settled, what="all of them to be settled")
        assert set(world.s.buckets["b"]) == {"a", "b", "c"}

    def test_of_clients_that_are_gone_nothing_is_taken(self, world: World) -> None:
        world.leave("a")
        world.serve()
        world.driver = world.make_driver()
        gc.collect()
        assert world.mirroring.replay() == (0, 0)
        world.serve()
        assert world.mirroring.replay() == (1, 0)

    @pytest.mark.parametrize("phase", ["source", "target"])
    def test_in_phases_that_do_not_mirror_nothing_is_taken(self, world: World, phase: str) -> None:
        world.leave("a")
        world.route = route_of(phase)
        world.serve()
        assert world.mirroring.replay() == (0, 0)


def _full_disk(*_: Any) -> None:
    raise OSError(28, "No space left on device")


class Phase:
    """A route whose phase an operator moves, and the gate of it."""

    name = "mirroring"

    def __init__(self, phase: str | None, now: str = "cutover") -> None:
        self.phase = phase
        self.moves_to = now

    def now(self) -> Route:
        if self.phase is None:
            raise ClientError(error_response("ServiceUnavailable", 503, "who knows"), "GetObject")
        gate: Any = self
        configured = ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"])
        return route_in_phase("mirroring", configured, self.phase, {}, gate)

    def try_reconciling(self) -> Any:
        return nullcontext(self.moves_to) if self.moves_to else None


class TestPhasesThatMove:
    def test_one_that_nobody_knows_keeps_no_other_waiting(self, world: World) -> None:
        world.leave("a")
        world.serve()
        world.mirroring.serve(world.driver, Phase(None))
        assert world.mirroring.replay() == (1, 0)

    @pytest.mark.parametrize(("moves_to", "settled"), [("cutover", 1), ("drain", 0), ("", 0)])
    def test_an_entry_is_brought_up_to_date_by_the_phase_that_it_is_held_in(
        self, world: World, moves_to: str, settled: int
    ) -> None:
        world.p.put("a")
        moving = Phase("cutover", moves_to)
        world.leave("a", identity=moving.now().identity)
        world.mirroring.serve(world.driver, moving)
        assert world.mirroring.replay() == (settled, 1 - settled)
        assert ("a" in world.s.buckets["b"]) is bool(settled)
        assert world.journal.depth() == 1 - settled


class TestThread:
    def test_comes_when_it_is_woken_and_goes_when_there_is_nothing(self, world: World) -> None:
        for key in ("a", "b"):
            world.p.put(key)
            world.serve()
            world.leave(key)
            world.mirroring.wake()
            wait_until(lambda: world.journal.depth() == 0, what="the entry to be settled")
            wait_until(lambda: world.mirroring._thread is None, what="the thread to end")
        assert set(world.s.buckets["b"]) == {"a", "b"}

    def test_takes_up_what_is_there_already(self, world: World) -> None:
        world.mirroring.take_up()
        assert world.mirroring._thread is None
        world.p.put("a")
        world.leave("a")
        world.serve()
        world.mirroring.take_up()
        wait_until(lambda: world.journal.depth() == 0, what="the entry to be settled")

    def test_tries_again_what_failed(self, world: World) -> None:
        world.p.put("a")
        world.s.failing = {"a"}
        world.leave("a")
        world.serve()
        world.mirroring.wake()
        wait_until(lambda: bool(world.journal.entries()[0].attempts), what="the first failure")
        world.s.failing = set()
        wait_until(lambda: world.journal.depth() == 0, what="the entry to be settled")

    def test_many_more_than_are_taken_at_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.serve()
        world.leave(*(str(number) for number in range(250)))
        world.mirroring.wake()
        wait_until(lambda: world.journal.depth() == 0, what="the entries to be settled")

    def test_a_driver_that_leaves_entries_wakes_it(self, world: World) -> None:
        from foodco_storage.flows.effects import Defer, Enter  # noqa: PLC0415

        def flow() -> Any:
            yield Defer((yield Enter([world.route.entry({"Bucket": "b", "Key": "a"})])))
            return {}

        world.p.put("a")
        world.serve()
        world.driver.run(flow())
        wait_until(lambda: "a" in world.s.buckets["b"], what="the entry to be reconciled")
        wait_until(lambda: world.journal.depth() == 0, what="the entry to be settled")

    def test_it_ends_with_its_journal(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        # Something that keeps it busy.
        world.p.failing = {"a"}
        world.leave("a")
        world.serve()
        world.mirroring.wake()
        wait_until(lambda: bool(world.journal.entries()[0].attempts), what="the first failure")
        thread = world.mirroring._thread
        assert thread is not None
        world.journal.close()
        thread.join(10)
        assert not thread.is_alive()
        assert not [record for record in caplog.records if "can't be replayed" in record.getMessage()]

    def test_trouble_that_lasts_is_told_once(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = []

        def fails(*_: Any) -> Any:
            tries.append(1)
            raise JournalError("d", "the disk is full")

        monkeypatch.setattr("foodco_storage.front.mirroring.WAIT_SECONDS", 0.01)
        with monkeypatch.context() as patch:
            patch.setattr(world.journal, "take", fails)
            world.mirroring.wake()
            wait_until(lambda: len(tries) > 3, what="several tries")
        wait_until(lambda: world.mirroring._thread is None, what="the thread to end")
        assert sum("the disk is full" in record.getMessage() for record in caplog.records) == 1

    def test_a_journal_that_can_not_be_read_is_told_and_tried_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.p.put("a")
        world.leave("a")
        world.serve()
        take, failed = world.journal.take, threading.Event()

        def fails(*_: Any) -> Any:
            failed.set()
            raise JournalError("somewhere", "the disk is full")

        monkeypatch.setattr(world.journal, "take", fails)
        world.mirroring.wake()
        assert failed.wait(10)
        monkeypatch.setattr(world.journal, "take", take)
        wait_until(lambda: world.journal.depth() == 0, what="the entry to be settled")
        assert "can't be replayed now" in caplog.text

    def test_an_interpreter_that_ends_starts_none(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            world.mirroring.wake()
        assert world.mirroring._thread is None


class TestForks:
    def test_a_child_reconciles_what_it_leaves_itself(self, world: World) -> None:
        world.serve()
        world.p.waits = threading.Event()
        world.p.put("parent's", "child's")
        world.leave("parent's")
        world.mirroring.wake()
        # Its entry is taken, and not to be had by the child.
        assert world.p.asked.wait(10)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                world.p.waits = None
                world.mirroring.after_fork()
                world.driver.after_fork()
                assert world.mirroring._thread is None
                world.leave("child's")
                world.mirroring.wake()
                wait_until(lambda: "child's" in world.s.buckets["b"], what="the child's entry", timeout_seconds=20)
                wait_until(lambda: len(world.journal.entries()) <= 1, what="it to be settled", timeout_seconds=20)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        world.p.waits.set()
        wait_until(lambda: world.journal.depth() == 0, what="the parent's entry")
        assert set(world.s.buckets["b"]) == {"parent's"}


class TestAuthorities:
    @pytest.mark.parametrize(
        ("left_in", "started_in", "refused"),
        [
            ("backfill", "cutover", True),
            ("cutover", "backfill", True),
            ("backfill", "target", True),
            ("cutover", "source", True),
            ("cutover", "drain", False),
            ("cutover", "target", False),
            ("backfill", "source", False),
        ],
    )
    def test_what_another_authority_took(self, world: World, left_in: str, started_in: str, refused: bool) -> None:
        """The newer side would be overwritten by the older one."""
        left = route_of(left_in)
        world.leave("a", "b", identity=left.identity)
        stores = left.identity.rpartition(":")[0]
        if not refused:
            check_authority(world.journal, route_of(started_in), stores)
        else:
            with pytest.raises(ConfigurationError) as caught:
                check_authority(world.journal, route_of(started_in), stores)
            message = str(caught.value)
            assert message.startswith("routes.mirroring.phase: ")
            assert repr(started_in) in message
            assert "2 writes" in message
            assert repr(left.authority.backend) in message
        # It is there still, for whoever goes back.
        assert world.journal.depth() == 2

    def test_what_other_stores_have_to_do_with_is_none_of_it(self, world: World) -> None:
        world.leave("a", identity="other stores:s")
        check_authority(world.journal, world.route, world.route.identity.rpartition(":")[0])

    def test_a_route_that_does_not_migrate(self, world: World) -> None:
        world.leave("a")
        plain = route_in_phase("mirroring", ConfiguredRoute(bucket="b", primary="p", fallbacks=["s"]), None, {})
        check_authority(world.journal, plain, world.route.identity.rpartition(":")[0])


class TestDirectory:
    @pytest.mark.parametrize(
        ("configured", "environ", "expected"),
        [
            ("/var/lib/ours", {}, "/var/lib/ours"),
            ("~/ours", {"HOME": "/root"}, str(Path("~/ours").expanduser())),
            (None, {"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/foodco_storage/journal"),
            (None, {"HOME": "/home/me"}, "/home/me/.local/state/foodco_storage/journal"),
        ],
    )
    def test_where_it_lies(self, configured: str | None, environ: dict[str, str], expected: str) -> None:
        configuration = Configuration(journal=JournalSettings(directory=configured))
        assert journal_directory(configuration, environ) == Path(expected)

    @pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"XDG_STATE_HOME": "relative"}])
    def test_a_process_without_a_home(self, environ: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError, match=r"journal\.directory"):
            journal_directory(Configuration(), environ)

    def test_opened_once_in_a_process(self, tmp_path: Path) -> None:
        configuration = Configuration(journal=JournalSettings(directory=str(tmp_path / "j")))
        assert not journal_exists(configuration)
        first = mirroring_of(configuration)
        assert mirroring_of(configuration) is first
        assert journal_exists(configuration)
        first.journal.close()


@contextmanager
def storage_in(tmp_path: Path, phase: str, **more: Any) -> Iterator[dict[str, Any]]:
    """A configuration of stores that nobody can reach."""
    backends = {
        name: {
            "preset": "s3",
            "endpoint_url": f"http://127.0.0.1:{port}",
            "access_key_id": "a",
            "secret_access_key": "b",
            "allow_plaintext_secrets": True,
        }
        for port, name in enumerate(("p", "s"), start=1)
    }
    route = {"bucket": "bbb", "primary": "p", "fallbacks": ["s"], "phase": phase}
    yield {"backends": backends, "routes": {"r": route}, "journal": {"directory": str(tmp_path / "j")}, **more}


class TestStartUp:
    def test_over_what_another_authority_took(self, tmp_path: Path) -> None:
        with storage_in(tmp_path, "backfill") as storage:
            s3 = foodco_storage.client("s3", storage=storage)
            entry = s3._dispatch.router.route("bbb", "k").entry({"Bucket": "bbb", "Key": "k"})
            journal = mirroring_of(_configured(tmp_path)).journal
            journal.enter([entry])
            s3.close()
        with storage_in(tmp_path, "cutover") as storage, pytest.raises(ConfigurationError, match="'s' took"):
            foodco_storage.client("s3", storage=storage)
        # Also when the migration is said to have ended.
        with storage_in(tmp_path, "target") as storage, pytest.raises(ConfigurationError, match="'s' took"):
            foodco_storage.client("s3", storage=storage)
        with storage_in(tmp_path, "backfill") as storage:
            foodco_storage.client("s3", storage=storage).close()
        journal.close()

    def test_a_journal_that_can_not_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "j").write_text("no directory")
        with storage_in(tmp_path, "cutover") as storage, pytest.raises(JournalError, match=str(tmp_path / "j")):
            foodco_storage.client("s3", storage=storage)

    @pytest.mark.parametrize("phase", ["source", "target"])
    def test_phases_that_do_not_mirror_make_none(self, tmp_path: Path, phase: str) -> None:
        with storage_in(tmp_path, phase) as storage:
            foodco_storage.client("s3", storage=storage).close()
        assert not (tmp_path / "j").exists()


def _configured(tmp_path: Path) -> Configuration:
    return Configuration(journal=JournalSettings(directory=str(tmp_path / "j")))


def test_what_is_left_from_before_a_move_holds_up_no_later_one(world: World) -> None:
    identities = {phase: route_of(phase).identity for phase in ("source", "backfill", "cutover", "drain", "target")}
    world.leave("a", "b", identity=identities["backfill"])
    for phase, left in (("backfill", 2), ("cutover", 0), ("drain", 0), (None, 2)):
        assert _depth(world.mirroring, identities, phase) == left
