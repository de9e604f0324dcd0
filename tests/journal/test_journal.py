"""What goes in is settled, or left and taken by one."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, overload

import pytest

from foodco_storage.errors import JournalError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import Journal, Row, Summary, Taken


def entry(key: object, identity: str = "id", route: str = "images", *, tags: bool = False) -> Entry:
    return Entry(route, identity, "foodco-images", str(key), tags)


def keys(taken: list[Taken]) -> list[str]:
    return [one.entry.key for one in taken]


def test_numbers_are_given_in_order_and_never_again(journal: Journal) -> None:
    first = journal.enter([entry("a"), entry("b")])
    assert list(first) == sorted(set(first))
    journal.settle(first)
    (third,) = journal.enter([entry("c")])
    assert third > first[1]
    journal.settle([*first, 10**15])
    assert [row.number for row in journal.entries()] == [third]


def test_nothing_in_nothing_out(journal: Journal) -> None:
    assert journal.enter([]) == ()
    journal.settle([])
    journal.defer([])
    assert journal.take([]) == []
    assert journal.take(["id"]) == []
    assert journal.take(["id"], limit=0) == []
    assert journal.depth() == 0
    assert journal.summary() == []
    assert journal.entries() == []


@pytest.mark.parametrize(
    "key",
    [
        "plain",
        "grün/猫/\U0001f9c0",
        "e\u0301",
        "a\x00b",
        " ",
        "\ud800 alone",
        "'; DROP TABLE entries; --",
        "k" * 1024,
        "\n",
    ],
)
def test_keys_come_back_as_they_went_in(journal: Journal, key: str) -> None:
    written = Entry("a route", "an identity", "a-bucket", key, tags=True)
    numbers = journal.enter([written])
    assert journal.entries()[0].entry == written
    journal.defer(numbers)
    [taken] = journal.take(["an identity"])
    assert (taken.number, taken.entry, taken.attempts) == (numbers[0], written, 0)


def test_who_works_on_an_entry_keeps_it(journal: Journal, opened: Callable[..., Journal]) -> None:
    other = opened()
    numbers = journal.enter([entry("a"), entry("b")])
    assert journal.take(["id"]) == []
    assert other.take(["id"]) == []
    journal.defer(numbers[:1])
    assert keys(other.take(["id"])) == ["a"]
    assert other.take(["id"]) == []
    assert journal.take(["id"]) == []
    # Not the first one's any more: it can't be given away over the head of who works on it.
    journal.defer(numbers[:1])
    assert journal.take(["id"]) == []
    # But what was seen to be equal is equal, whoever has seen it.
    journal.settle(numbers[:1])
    assert journal.depth() == 1


def test_one_takes_what_its_routes_are(journal: Journal) -> None:
    journal.defer(journal.enter([entry(n, f"id{n % 3}") for n in range(9)]))
    assert keys(journal.take(["id1", "id1"])) == ["1", "4", "7"]
    assert keys(journal.take(["id0", "id2", "other"], limit=4)) == ["0", "2", "3", "5"]
    assert keys(journal.take({"id0", "id2"})) == ["6", "8"]


def test_what_has_been_due_longest_is_taken_first(journal: Journal, clock: Any) -> None:
    numbers = journal.enter([entry(n) for n in range(4)])
    journal.defer(numbers[2:3], "timeout")
    clock.now += 1.5
    journal.defer(numbers[3:])
    clock.now += 1
    journal.defer(numbers[:2])
    assert keys(journal.take(["id"])) == ["2", "3", "0", "1"]


def test_an_entry_that_fails_again_and_again_waits_longer_and_longer(journal: Journal, clock: Any) -> None:
    numbers, entered = journal.enter([entry("a")]), clock.now
    for attempts, seconds in enumerate([1, 2, 4, 8, 16, 32, 60, 60, 60]):
        journal.defer(numbers, f"failure {attempts}")
        clock.now += seconds - 0.25
        assert journal.take(["id"]) == []
        clock.now += 0.25
        assert journal.take(["id"]) == [Taken(numbers[0], entry("a"), attempts + 1, entered)]
    # Given back: no failure.
    journal.defer(numbers)
    assert journal.take(["id"]) == [Taken(numbers[0], entry("a"), 9, entered)]


def test_one_that_waits_can_be_made_due(journal: Journal) -> None:
    numbers = journal.enter([entry("a")])
    journal.defer(numbers, "timeout")
    assert journal.take(["id"]) == []
    journal.defer(numbers)
    assert keys(journal.take(["id"])) == ["a"]


def test_a_clock_that_is_set_back_holds_nothing_up(journal: Journal, clock: Any) -> None:
    journal.defer(journal.enter([entry("a"), entry("b")]), "timeout")
    clock.now -= 86400
    assert keys(journal.take(["id"])) == ["a", "b"]
    assert [row.age_seconds for row in journal.entries()] == [0, 0]


def test_for_operators(journal: Journal, clock: Any) -> None:
    a, b = journal.enter([entry("a", "old"), entry("b")])
    clock.now += 10
    (c,) = journal.enter([entry("c", route="docs", tags=True)])
    journal.defer([a], "timeout")
    clock.now += 0.5
    journal.defer([b], "\ud800" + "x" * 5000)
    clock.now += 100
    assert journal.take(["id"])[0].number == b
    error = "?" + "x" * 999
    assert journal.entries() == [
        Row(a, entry("a", "old"), deferred=True, age_seconds=110.5, due_seconds=0, attempts=1, last_error="timeout"),
        Row(b, entry("b"), deferred=False, age_seconds=110.5, due_seconds=0, attempts=1, last_error=error),
        Row(c, entry("c", route="docs", tags=True), False, 100.5, 0, 0, ""),
    ]
    assert [row.number for row in journal.entries("images", limit=1)] == [a]
    assert [row.number for row in journal.entries("docs")] == [c]
    assert journal.summary() == [
        Summary("docs", "id", entries=1, deferred=0, oldest_seconds=100.5, last_error=""),
        Summary("images", "id", entries=1, deferred=0, oldest_seconds=110.5, last_error=error),
        Summary("images", "old", entries=1, deferred=1, oldest_seconds=110.5, last_error="timeout"),
    ]
    journal.defer([b], "again")
    assert journal.entries()[1].due_seconds == 2
    assert (journal.depth(), journal.depth("id"), journal.depth("old"), journal.depth("none")) == (3, 2, 1, 0)
    journal.settle([a, b, c])
    assert (journal.depth(), journal.depth("id")) == (0, 0)


def test_the_last_error_is_the_latest(journal: Journal, clock: Any) -> None:
    numbers = journal.enter([entry(n) for n in range(3)])
    for number in (numbers[1], numbers[0], numbers[2]):
        clock.now += 1
        journal.defer([number], f"of {number}")
    assert journal.summary()[0].last_error == f"of {numbers[2]}"


def test_it_is_there_after_a_restart(opened: Callable[..., Journal], clock: Any) -> None:
    journal = opened()
    (a, b, c), entered = journal.enter([entry("a"), entry("b"), entry("c")]), clock.now
    journal.defer([a], "timeout")
    journal.settle([b])
    journal.close()
    again = opened()
    # Left over: anyone's at once. Deferred: when its time has come.
    assert [taken.number for taken in again.take(["id"])] == [c]
    clock.now += 1
    assert again.take(["id"]) == [Taken(a, entry("a"), 1, entered)]
    assert again.enter([entry("d")])[0] > c


def test_full(opened: Callable[..., Journal]) -> None:
    journal = opened(max_entries=3)
    wide = opened(max_entries=4)
    first = journal.enter([entry("a"), entry("b")])
    with pytest.raises(JournalError, match=r"3 unfinished writes, as many as it may.*max_entries"):
        journal.enter([entry("c"), entry("d")])
    assert journal.depth() == 2
    journal.enter([entry("c")])
    with pytest.raises(JournalError, match="3 unfinished writes"):
        journal.enter([entry("d")])
    wide.enter([entry("d", "another")])
    with pytest.raises(JournalError, match="4 unfinished writes"):
        wide.enter([entry("e")])
    journal.settle(first)
    journal.enter([entry("e")])
    assert [row.entry.key for row in journal.entries()] == ["c", "d", "e"]


def test_closed(journal: Journal, directory: Path) -> None:
    journal.enter([entry("a")])
    journal.close()
    journal.close()
    for use in (
        lambda: journal.enter([entry("b")]),
        lambda: journal.settle([1]),
        lambda: journal.defer([1], "timeout"),
        lambda: journal.take(["id"]),
        journal.depth,
    ):
        with pytest.raises(JournalError, match="is closed"):
            use()
    assert list((directory / "owners").iterdir()) == []
    # Nothing of it is open: the last one to close it has moved the log into the database.
    assert {path.name for path in directory.iterdir()} == {"journal.sqlite3", "owners"}


def test_each_entry_is_taken_by_one_thread(opened: Callable[..., Journal]) -> None:
    journals = [opened() for _ in range(2)]
    numbers = journals[0].enter([entry(n) for n in range(400)])
    journals[1].defer(numbers)
    journals[0].defer(numbers)
    at_once = threading.Barrier(8)

    def work(worker: int) -> list[int]:
        journal = journals[worker % 2]
        mine: list[int] = []
        at_once.wait(60)
        while taken := journal.take(["id"], limit=7):
            mine += (one.number for one in taken)
            journal.settle([one.number for one in taken[::2]])
        return mine

    with ThreadPoolExecutor(8) as pool:
        assert sorted(number for mine in pool.map(work, range(8)) for number in mine) == list(numbers)


def test_threads_share_one(journal: Journal) -> None:
    def work(worker: int) -> None:
        for n in range(50):
            numbers = journal.enter([entry(f"{worker}/{n}/{m}") for m in range(1 + n % 2)])
            journal.settle(numbers) if n % 3 else journal.defer(numbers)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert journal.depth() == 8 * sum(1 + n % 2 for n in range(0, 50, 3))
    assert len(journal.take(["id"], limit=1000)) == journal.depth()


class Interrupting(Sequence[Entry]):
    """Entries that use the journal while they are read, as a finalizer may at any moment."""

    def __init__(self, entries: list[Entry], use: Callable[[], None]) -> None:
        self.entries = entries
        self.use = use

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self.entries[index]

    def __iter__(self) -> Iterator[Entry]:
        for one in self.entries:
            self.use()
            yield one


def test_a_finalizer_may_use_it_in_the_midst_of_a_transaction(journal: Journal) -> None:
    numbers = list(journal.enter([entry(n) for n in range(6)]))

    def use() -> None:
        journal.defer([numbers.pop(0)])
        journal.settle([numbers.pop(), numbers.pop()])

    journal.enter(Interrupting([entry("x"), entry("y")], use))
    assert [(row.entry.key, row.deferred) for row in journal.entries()] == [
        ("0", True),
        ("1", True),
        ("x", False),
        ("y", False),
    ]


def log_bytes(directory: Path) -> int:
    return (directory / "journal.sqlite3-wal").stat().st_size


def test_its_log_does_not_grow_for_ever(journal: Journal, directory: Path) -> None:
    for _ in range(20):
        for _ in range(100):
            journal.settle(journal.enter([entry("a")]))
        assert log_bytes(directory) < 10_000_000
    before = log_bytes(directory)
    for _ in range(2000):
        journal.settle(journal.enter([entry("a")]))
    assert log_bytes(directory) < before + 1_000_000


def test_nor_by_processes_that_end_soon(journal: Journal, directory: Path, opened: Callable[..., Journal]) -> None:
    for _ in range(30):
        short = opened()
        for _ in range(10):
            short.settle(short.enter([entry("a")]))
        short.close()
    assert log_bytes(directory) < 500_000


def test_the_database_is_one_that_sqlite_finds_no_fault_with(journal: Journal, directory: Path) -> None:
    journal.defer(journal.enter([entry(n) for n in range(500)])[::2], "timeout")
    journal.close()
    connection = sqlite3.connect(directory / "journal.sqlite3")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"food", "big"),)
    finally:
        connection.close()
