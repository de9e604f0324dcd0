"""Forked processes: the parent's stays the parent's, and the child is somebody else."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import Journal, Taken


def entry(key: object) -> Entry:
    return Entry("images", "id", "foodco-images", str(key))


def keys(taken: list[Taken]) -> list[str]:
    return [one.entry.key for one in taken]


class Child:
    """A forked child: works, tells, waits until it is let go, may work again, and ends without cleaning up."""

    def __init__(self, work: Callable[[], Any], then: Callable[[], Any]) -> None:
        (told, telling), (waiting, self._letting) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                try:
                    work()
                finally:
                    os.write(telling, b"x")
                    os.read(waiting, 1)
                then()
                code = 0
            except BaseException:  # noqa: BLE001 - told, and then the exit code tells
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(telling)
        os.close(waiting)
        os.read(told, 1)
        os.close(told)

    def end(self) -> None:
        os.write(self._letting, b"x")
        assert os.waitstatus_to_exitcode(self._wait()) == 0

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        os.close(self._letting)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status


Forking = Callable[..., Child]


@pytest.fixture
def fork() -> Iterator[Forking]:
    """Forks children, and kills those that a failed test has not ended."""
    with ExitStack() as stack:

        def one(work: Callable[[], Any], then: Callable[[], Any] = lambda: None) -> Child:
            child = Child(work, then)
            stack.callback(child.kill)
            return child

        yield one


def test_parent_and_child_are_two_owners(journal: Journal, directory: Path, fork: Forking) -> None:
    (mine,) = journal.enter([entry("parent's")])

    def work() -> None:
        journal.after_fork()
        assert journal.take(["id"]) == []
        journal.defer([mine], "not the child's to give away")
        journal.enter([entry("child's")])
        journal.defer(journal.enter([entry("left")]))
        journal.after_fork()
        assert journal.depth() == 3

    child = fork(work)
    assert keys(journal.take(["id"])) == ["left"]
    assert len(list((directory / "owners").iterdir())) == 2
    child.end()
    assert keys(journal.take(["id"])) == ["child's"]
    journal.settle([mine])
    assert journal.depth() == 2


def test_a_child_that_never_uses_it_and_one_that_closes_it(journal: Journal, fork: Forking) -> None:
    journal.enter([entry("parent's")])
    idle, closing = fork(lambda: None), fork(journal.close)
    assert journal.take(["id"]) == []
    journal.enter([entry("more")])
    idle.end()
    closing.end()
    assert journal.depth() == 2


def test_what_the_parent_could_not_settle_is_no_business_of_the_child(journal: Journal, fork: Forking) -> None:
    (mine,) = journal.enter([entry("a")])
    journal._access.unsettled.add(mine)
    journal._access.undeferred[mine] = "timeout"

    def work() -> None:
        journal.take(["id"])
        assert journal.depth() == 1

    fork(work).end()
    journal.take(["id"])
    assert journal.depth() == 0


def test_a_closed_one_stays_closed(journal: Journal, fork: Forking) -> None:
    journal.close()

    def work() -> None:
        with pytest.raises(Exception, match="is closed"):
            journal.depth()

    fork(work).end()


def test_a_child_does_not_keep_its_parent_alive(journal: Journal, program: Callable[..., Any]) -> None:
    other = program("""
journal = Journal(directory)
journal.enter([entry("a")])
if os.fork() == 0:
    say(os.getpid())
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
""")
    child = int(other.hear())
    try:
        other.process.wait(60)
        assert keys(journal.take(["id"])) == ["a"]
    finally:
        os.kill(child, 9)


def test_the_log_is_not_deleted_under_the_child(opened: Callable[..., Journal], fork: Forking) -> None:
    # SQLite in a child believes that it holds the locks that the parent held: see foodco_storage.journal.forks.
    journal = opened()
    journal.enter([entry("parent's")])
    child = fork(lambda: journal.enter([entry("before")]), lambda: journal.enter([entry("after")]))
    assert journal._access._connection is None
    # Were the parent alone with it, this would delete the log.
    journal.close()
    child.end()
    assert [row.entry.key for row in opened().entries()] == ["parent's", "before", "after"]


def test_forks_in_the_midst_of_the_work_of_threads(journal: Journal, fork: Forking) -> None:
    stop = False

    def work() -> int:
        pairs = 0
        while not stop:
            journal.settle(journal.enter([entry("a"), entry("b")]))
            journal.take(["none"])
            pairs += 1
        return pairs

    def in_child() -> None:
        for _ in range(3):
            journal.settle(journal.enter([entry("child's")]))
        journal.close()

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(work) for _ in range(3)]
        try:
            for _ in range(8):
                fork(in_child).end()
        finally:
            stop = True
        assert all(pairs.result() for pairs in working)
    assert journal.depth() == 0


def test_threads_that_fork_at_once(opened: Callable[..., Journal], fork: Forking) -> None:
    journals = [opened() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: fork(journals[1].close).end(), range(6)))
    assert [journal.depth() for journal in journals] == [0, 0, 0]


FORK_LIKE_UWSGI = """
import ctypes

def fork_in_c():
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        journal.after_fork()
    return child

journal = Journal(directory)
"""


def test_a_fork_that_python_did_not_make(journal: Journal, program: Callable[..., Any]) -> None:
    other = program(
        FORK_LIKE_UWSGI
        + """
journal.enter([entry("parent's")])
if fork_in_c() == 0:
    assert journal.take(["id"]) == []
    journal.enter([entry("child's")])
    say("child")
    sys.stdin.readline()
    journal.enter([entry("later")])
    os._exit(0)
os.wait()
journal.enter([entry("more")])
say("parent")
sys.stdin.readline()
"""
    )
    assert other.hear() == "child"
    assert journal.take(["id"]) == []
    other.tell()
    assert other.hear() == "parent"
    assert keys(journal.take(["id"])) == ["child's", "later"]
    other.kill()
    assert keys(journal.take(["id"])) == ["parent's", "more"]


def test_a_fork_that_python_did_not_make_while_it_is_in_use(program: Callable[..., Any]) -> None:
    other = program(
        FORK_LIKE_UWSGI
        + """
held, over = threading.Event(), threading.Event()
def use():
    with journal._access.use():
        held.set()
        over.wait(60)
thread = threading.Thread(target=use)
thread.start()
held.wait(60)
if fork_in_c() == 0:
    try:
        journal.enter([entry("child's")])
    except JournalError as error:
        say(error)
    os._exit(0)
os.wait()
over.set()
thread.join()
journal.enter([entry("parent's")])
say(journal.depth())
journal.close()
"""
    )
    assert "fork before making clients" in other.hear()
    assert other.hear() == "1"
    other.end()
