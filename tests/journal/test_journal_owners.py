"""Whose an entry is, when processes die and when they don't."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.errors import JournalError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import Journal, Taken


def entry(key: object) -> Entry:
    return Entry("images", "id", "foodco-images", str(key))


def keys(taken: list[Taken]) -> list[str]:
    return [one.entry.key for one in taken]


def lock_files(directory: Path) -> set[Path]:
    return set((directory / "owners").iterdir())


def test_what_a_killed_process_was_at_is_taken_by_another(
    journal: Journal, program: Callable[..., Any], directory: Path
) -> None:
    journal.defer(journal.enter([entry("left")]))
    other = program("""
journal = Journal(directory)
say(*journal.enter([entry("at work")]), *journal.enter([entry(n) for n in range(3)]))
say(*(taken.number for taken in journal.take(["id"])))
journal.defer(journal.enter([entry("failed")]), "timeout")
journal.settle(journal.enter([entry("settled")]))
say("done")
sys.stdin.readline()
""")
    entered, taken, _ = other.hear().split(), other.hear().split(), other.hear()
    assert len(entered) == 4
    assert len(taken) == 1
    assert journal.take(["id"]) == []
    assert len(lock_files(directory)) == 2
    other.kill()
    # Those of the dead, but not the one that waits after a failure.
    assert [str(one.number) for one in journal.take(["id"])] == taken + entered
    assert len(lock_files(directory)) == 1
    assert journal.depth() == 6


def test_a_closed_one_leaves_its_entries_to_others(journal: Journal, opened: Callable[..., Journal]) -> None:
    other = opened()
    journal.enter([entry("a")])
    assert other.take(["id"]) == []
    journal.close()
    assert keys(other.take(["id"])) == ["a"]


def test_one_that_is_not_closed_but_forgotten_is_dead(opened: Callable[..., Journal], directory: Path) -> None:
    journal = opened()
    forgotten = Journal(directory)
    forgotten.enter([entry("a")])
    # What the collector does; here without the warnings.
    forgotten._access._disconnect()
    forgotten._access.owner.close()
    assert keys(journal.take(["id"])) == ["a"]


def test_each_entry_is_taken_by_one_process(journal: Journal, program: Callable[..., Any], directory: Path) -> None:
    numbers = journal.enter([entry(n) for n in range(300)])
    others = [
        program("""
journal = Journal(directory)
say("ready")
sys.stdin.readline()
mine = []
while taken := journal.take(["id"], limit=7):
    mine += [one.number for one in taken]
    journal.settle([one.number for one in taken[::2]])
say(*mine)
sys.stdin.readline()
""")
        for _ in range(3)
    ]
    for other in others:
        other.hear()
    journal.defer(numbers)
    for other in others:
        other.tell()
    found = [int(number) for other in others for number in other.hear().split()]
    assert sorted(found) == list(numbers)
    for other in others:
        other.tell()
        other.end()


def test_processes_that_open_a_new_one_at_once(program: Callable[..., Any], opened: Callable[..., Journal]) -> None:
    others = [
        program("""
say("ready")
sys.stdin.readline()
journal = Journal(directory)
for n in range(20):
    journal.defer(journal.enter([entry(n)]))
    journal.settle(journal.enter([entry(n), entry(-n)]))
journal.close()
""")
        for _ in range(4)
    ]
    for other in others:
        other.hear()
    for other in others:
        other.tell()
    for other in others:
        other.end()
    assert len(opened().take(["id"], limit=1000)) == 80


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_many_new_ones_that_are_opened_at_once(program: Callable[..., Any], kind: str) -> None:
    # Races that one try in ten or in six hundred loses: SQLite telling at once that it is locked, tables half made.
    other = program(f"""
import multiprocessing, multiprocessing.dummy
kind = {{"threads": multiprocessing.dummy, "processes": multiprocessing.get_context("fork")}}["{kind}"]
at_once = threading.Barrier(4) if "{kind}" == "threads" else kind.Barrier(4)

def work(number):
    for turn in range(30):
        at_once.wait(60)
        try:
            journal = Journal(directory / str(turn))
            journal.enter([entry(number)])
            journal.close()
        except BaseException:
            at_once.abort()
            raise

workers = [kind.Process(target=work, args=(number,)) for number in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
assert all(worker.exitcode == 0 for worker in workers)
""")
    other.end()


def test_a_program_that_it_starts_does_not_keep_it_alive(journal: Journal, program: Callable[..., Any]) -> None:
    other = program("""
journal = Journal(directory)
journal.enter([entry("a")])
sleeper = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
say(sleeper.pid)
os.kill(os.getpid(), signal.SIGKILL)
""")
    sleeper = int(other.hear())
    try:
        other.process.wait(60)
        assert keys(journal.take(["id"])) == ["a"]
    finally:
        os.kill(sleeper, 9)


def test_files_of_the_dead_that_own_nothing_are_removed(
    journal: Journal, program: Callable[..., Any], directory: Path
) -> None:
    other = program("""
journal = Journal(directory)
say("ready")
sys.stdin.readline()
""")
    other.hear()
    # Of one that died before the database knew it; of somebody else.
    (directory / "owners" / f"{7:016x}.lock").touch()
    (directory / "owners" / "readme.lock").touch()
    before = lock_files(directory)
    journal.take(["id"])
    assert len(before - lock_files(directory)) == 1
    other.kill()
    journal.take(["id"])
    assert len(lock_files(directory)) == 2
    assert journal._access._owner is not None
    assert journal._access.owner._path in lock_files(directory)


def test_many_dead_at_once(journal: Journal, directory: Path) -> None:
    for number in range(150):
        (directory / "owners" / f"{number:016x}.lock").touch()
    for _ in range(3):
        journal.take(["id"])
    assert len(lock_files(directory)) == 1


def test_one_whose_file_was_removed_goes_on(journal: Journal, opened: Callable[..., Journal], directory: Path) -> None:
    (a,) = journal.enter([entry("a")])
    for path in lock_files(directory):
        path.unlink()
    (directory / "owners").rmdir()
    other = opened()
    assert keys(other.take(["id"])) == ["a"]
    b, _ = journal.enter([entry("b"), entry("c")])
    journal.enter([entry("d")])
    assert other.take(["id"]) == []
    journal.defer([b])
    other.settle([a])
    assert keys(other.take(["id"])) == ["b"]
    journal.close()
    assert keys(other.take(["id"])) == ["c", "d"]
    assert len(lock_files(directory)) == 1


def test_one_whose_file_was_removed_takes_nothing_of_its_own(journal: Journal) -> None:
    journal.enter([entry("a")])
    journal._access.owner._path.unlink()
    assert journal.take(["id"]) == []


def test_one_whose_file_was_removed_takes_as_its_new_self(
    journal: Journal, opened: Callable[..., Journal], directory: Path
) -> None:
    journal.defer(journal.enter([entry("a")]))
    journal._access.owner._path.unlink()
    other = opened()
    other.take([])
    assert keys(journal.take(["id"])) == ["a"]
    assert other.take(["id"]) == []
    assert len(lock_files(directory)) == 2


def test_a_full_journal_does_not_hide_that_its_owner_was_forgotten(
    opened: Callable[..., Journal], directory: Path
) -> None:
    journal = opened(max_entries=2)
    journal.enter([entry("a")])
    journal._access.owner._path.unlink()
    other = opened()
    other.take([])
    with pytest.raises(JournalError, match="2 unfinished writes"):
        journal.enter([entry("b"), entry("c")])
    journal.enter([entry("b")])
    assert keys(other.take(["id"])) == ["a"]
    assert journal.depth() == 2


@contextmanager
def looked_at(path: Path) -> Iterator[None]:
    """As `release_dead` does, in between another's making its file and locking it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        real_flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


real_flock = fcntl.flock


@pytest.mark.parametrize("still", [True, False], ids=["being-looked-at", "already-removed"])
def test_a_file_that_is_taken_for_a_dead_ones_while_it_is_made(
    opened: Callable[..., Journal], directory: Path, monkeypatch: pytest.MonkeyPatch, still: bool
) -> None:
    seen: list[Path] = []

    def flock(file: Any, how: int) -> None:
        if how & fcntl.LOCK_EX and not seen:
            (path,) = lock_files(directory)
            seen.append(path)
            with looked_at(path):
                path.unlink()
                if still:
                    real_flock(file, how)
        real_flock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal = opened()
    monkeypatch.undo()
    (path,) = lock_files(directory)
    assert path not in seen
    other = opened()
    journal.enter([entry("a")])
    assert other.take(["id"]) == []


def test_a_file_is_not_free_until_it_is_removed(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of one that is only about to lock it.
    making = directory / "owners" / f"{7:016x}.lock"
    making.touch()
    refused: list[bool] = []
    real_unlink = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        with making.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                refused.append(path == making)
        real_unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    journal.take([])
    assert refused == [True]
    assert not making.exists()


def test_those_who_look_do_not_hinder_each_other(
    journal: Journal, opened: Callable[..., Journal], directory: Path
) -> None:
    other = opened()
    other.enter([entry("a")])
    other._access._disconnect()
    other._access.owner.close()
    with looked_at(other._access.owner._path):
        assert keys(journal.take(["id"])) == ["a"]


def test_a_file_that_cannot_be_looked_into_is_a_living_ones(
    journal: Journal, opened: Callable[..., Journal], directory: Path
) -> None:
    other = opened()
    other.enter([entry("a")])
    other._access.owner._path.unlink()
    # As unreadable as another user's, for root too.
    other._access.owner._path.symlink_to(other._access.owner._path)
    assert journal.take(["id"]) == []
    other._access.owner._path.unlink()
    assert keys(journal.take(["id"])) == ["a"]


def test_owners_come_and_go_while_others_look(directory: Path, opened: Callable[..., Journal]) -> None:
    watcher = opened()
    stop = threading.Event()
    stolen: set[int] = set()

    def watch() -> None:
        while not stop.is_set():
            stolen.update(one.number for one in watcher.take(["id"]))

    def come_and_go(_: int) -> None:
        for _ in range(8):
            journal = Journal(directory)
            try:
                numbers = journal.enter([entry("a"), entry("b")])
                journal.enter([entry("c")])
                assert not stolen.intersection(numbers)
                journal.settle(numbers)
                assert not stolen.intersection(numbers)
            finally:
                journal.close()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(come_and_go, range(4)))
    finally:
        stop.set()
        thread.join()
    stolen.update(one.number for one in watcher.take(["id"]))
    assert len(stolen) == watcher.depth() == 32
    assert len(lock_files(directory)) == 1
