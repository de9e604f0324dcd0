"""A journal that can't be used says so, and how to mend it; what it holds stays."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.errors import JournalError, StorageError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.journal import Journal

PAGE = 4096


def entry(key: object) -> Entry:
    return Entry("images", "id", "foodco-images", str(key))


def refusal(directory: Path) -> str:
    """What a journal says that can't be opened; nothing of it stays open."""
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(JournalError) as raised:
        Journal(directory)
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert isinstance(raised.value, StorageError)
    assert raised.value.directory == str(directory)
    assert str(raised.value) == f"journal {directory}: {raised.value.problem}"
    return raised.value.problem


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_it(directory: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        journal = Journal(directory)
        try:
            journal.enter([entry("a")])
            assert mode(directory) == mode(directory / "owners") == 0o700
            files = [path for path in directory.rglob("*") if path.is_file()]
            assert {path.name.partition("-")[2] or path.suffix for path in files} == {".sqlite3", "wal", "shm", ".lock"}
            assert {mode(path) for path in files} == {0o600}
        finally:
            journal.close()
    finally:
        os.umask(before)


def test_a_directory_that_is_there(directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o755)
    (directory / "notes.txt").touch()
    Journal(directory).close()


def test_a_relative_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal(Path("here, with % and ?"))
    monkeypatch.chdir("/")
    journal._access._disconnect()
    journal.enter([entry("a")])
    journal.close()
    assert (tmp_path / "here, with % and ?" / "journal.sqlite3").exists()


@pytest.mark.parametrize("others", [0o770, 0o707, 0o777])
def test_a_directory_that_others_may_write_to(directory: Path, others: int) -> None:
    directory.mkdir(parents=True)
    directory.chmod(others)
    assert f"others may write to it (mode {others:04o}): `chmod go-w` it" in refusal(directory)
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_directory(directory: Path) -> None:
    directory.mkdir(parents=True)
    os.chown(directory, 65534, 65534)
    assert "it belongs to user 65534, and this process is user 0: name a directory" in refusal(directory)


def test_a_file_in_its_place(directory: Path) -> None:
    directory.parent.mkdir()
    directory.touch()
    assert refusal(directory) == "it is a file: name another directory"


def test_a_file_on_its_way(directory: Path) -> None:
    directory.parent.touch()
    assert "a part of its path is a file: name another directory" in refusal(directory)


# Root may write anywhere; without this one of its rights it is like everybody.
NO_OVERRIDE = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.mark.parametrize("locked", ["directory", "database", "owners"])
def test_without_the_right_to_write(directory: Path, program: Callable[..., Any], locked: str) -> None:
    if locked == "directory":
        directory.mkdir(parents=True)
        directory.chmod(0o500)
    else:
        Journal(directory).close()
        (directory / {"database": "journal.sqlite3", "owners": "owners"}[locked]).chmod(0o400)
    try:
        other = program(
            """
try:
    Journal(directory)
except JournalError as error:
    say(error)
""",
            prefix=[sys.executable, "-c", NO_OVERRIDE],
        )
        assert "it can't be written: let this process's user write there, or name another directory" in other.hear()
        other.end()
    finally:
        for path in (directory, *directory.iterdir()):
            path.chmod(0o700)


def test_no_database(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "journal.sqlite3").write_bytes(b"no database" * 1000)
    assert "journal.sqlite3 is damaged, or no database: stop what uses it" in refusal(directory)


def test_an_empty_file(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "journal.sqlite3").touch()
    journal = Journal(directory)
    journal.enter([entry("a")])
    journal.close()


def test_a_damaged_database(directory: Path) -> None:
    Journal(directory).close()
    with (directory / "journal.sqlite3").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(PAGE)
        file.write(b"\xff" * (size - PAGE))
    assert "verify the routes (database disk image is malformed)" in refusal(directory)


def test_one_that_is_damaged_while_it_is_in_use(directory: Path, opened: Callable[..., Journal]) -> None:
    opened().close()
    journal = opened()
    path = directory / "journal.sqlite3"
    # Not through this process: closing a file drops the locks that SQLite has on it.
    size = path.stat().st_size
    assert (
        os.system(f"dd if=/dev/zero of={path} bs={PAGE} seek=1 count={size // PAGE - 1} conv=notrunc 2>/dev/null") == 0
    )
    journal._access._disconnect()
    with pytest.raises(JournalError, match="is damaged"):
        journal.enter([entry("a")])


def change(directory: Path, *statements: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(directory / "journal.sqlite3")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def test_a_newer_version(directory: Path) -> None:
    Journal(directory).close()
    change(directory, "PRAGMA user_version = 2")
    assert "made by a newer version of foodco_storage (version 2 of the tables, this one knows 1)" in refusal(directory)


@pytest.mark.parametrize("statement", ["CREATE TABLE mine (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_another_programs_database(directory: Path, statement: str) -> None:
    change(directory, statement)
    assert refusal(directory) == "journal.sqlite3 is another program's database: name another directory"


@pytest.mark.parametrize("replaced", [False, True])
def test_one_that_is_moved_away_while_it_is_in_use(directory: Path, journal: Journal, replaced: bool) -> None:
    (number,) = journal.enter([entry("a")])
    moved = directory.rename(directory.with_name("moved"))
    if replaced:
        Journal(directory).close()
    for _ in range(2):
        with pytest.raises(JournalError, match="was removed or replaced while in use: start this process again"):
            journal.enter([entry("b")])
        with pytest.raises(JournalError, match="was removed or replaced"):
            journal.settle([number])
        # As after a fork.
        journal._access._disconnect()
    journal.close()
    left = Journal(moved)
    assert [taken.entry.key for taken in left.take(["id"])] == ["a"]
    left.close()


def in_sqlite(journal: Journal, statement: str) -> None:
    with journal._access.use() as connection:
        connection.execute(statement).fetchall()


def test_a_database_that_may_not_grow(journal: Journal) -> None:
    in_sqlite(journal, "PRAGMA max_page_count = 1")
    count = 0
    with pytest.raises(JournalError, match="the disk is full: make room on it") as raised:  # noqa: PT012 - at some page
        while True:
            journal.enter([entry("k" * 500)])
            count += 1
    assert isinstance(raised.value.__cause__, sqlite3.Error)
    assert count
    assert journal.depth() == count
    with pytest.raises(JournalError, match="the disk is full"):
        journal.enter([entry("k" * 500) for _ in range(100)])
    assert journal.depth() == count
    in_sqlite(journal, "PRAGMA max_page_count = 100000")
    journal.enter([entry("k" * 500) for _ in range(100)])
    assert journal.depth() == count + 100


def test_a_lock_that_is_held_too_long(directory: Path, journal: Journal, opened: Callable[..., Journal]) -> None:
    first, second, third = journal.enter([entry("a"), entry("b"), entry("c")])
    in_sqlite(journal, "PRAGMA busy_timeout = 20")
    holder = sqlite3.connect(directory / "journal.sqlite3", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another process has kept it locked for 5 s: look for one"):
            journal.enter([entry("d")])
        with pytest.raises(JournalError, match="kept it locked"):
            journal.settle([first])
        with pytest.raises(JournalError, match="kept it locked"):
            journal.defer([second], "timeout")
        with pytest.raises(JournalError, match="kept it locked"):
            journal.defer([third])
        with pytest.raises(JournalError, match="kept it locked"):
            journal.take(["id"])
        # Looking is free.
        assert journal.depth() == 3
    finally:
        holder.close()
    # What could not be done is made up for.
    assert [taken.number for taken in journal.take(["id"])] == [third]
    assert journal.depth() == 2
    assert [row.last_error for row in journal.entries()] == ["timeout", ""]
    assert not journal._access.unsettled
    assert not journal._access.undeferred


def test_one_that_cannot_be_left_in_order_is_left_to_whoever_looks(
    directory: Path, journal: Journal, opened: Callable[..., Journal]
) -> None:
    journal.enter([entry("a")])
    in_sqlite(journal, "PRAGMA busy_timeout = 20")
    holder = sqlite3.connect(directory / "journal.sqlite3", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        journal.close()
    finally:
        holder.close()
    other = opened()
    assert len(list((directory / "owners").iterdir())) == 2
    assert [taken.entry.key for taken in other.take(["id"])] == ["a"]
    assert len(list((directory / "owners").iterdir())) == 1


FULL = """
numbers = []
def enter_until_it_fails():
    try:
        while True:
            numbers.extend(journal.enter([entry("k" * 500)]))
    except JournalError as error:
        say(error)

def settle_until_it_fails():
    settled = []
    for number in numbers:
        settled.append(number)
        try:
            journal.settle([number])
        except JournalError as error:
            say(error)
            return settled

def defer_one():
    number = numbers[-1]
    try:
        journal.defer([number])
    except JournalError:
        pass
    return [number]
"""

AFTERWARDS = """
assert [taken.number for taken in journal.take(["id"])] == deferred, "not made up for"
assert journal.depth() == len(numbers) - len(settled), "lost"
journal.enter([entry(n) for n in range(1000)])
say(journal.depth() - len(numbers) + len(settled))
journal.close()
"""


def test_files_that_may_not_grow(program: Callable[..., Any]) -> None:
    other = program(
        FULL
        + """
import resource
journal = Journal(directory)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
enter_until_it_fails()
settled, deferred = settle_until_it_fails(), defer_one()
assert journal.depth() == len(numbers) - len(settled) + 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
        + AFTERWARDS
    )
    for _ in range(2):
        assert (
            "reading or writing failed: look at the disk, its quota and the limit on the size of files" in other.hear()
        )
    assert other.hear() == "1000"
    other.end()


def test_a_disk_that_is_full(program: Callable[..., Any], directory: Path) -> None:
    other = program(
        FULL
        + """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
directory.mkdir(parents=True)
mount = str(directory).encode()
# A file system of this process's own: new namespace, nothing passed on, one megabyte.
if libc.unshare(0x20000) or libc.mount(None, b"/", None, 0x44000, None) or libc.mount(b"x", mount, b"tmpfs", 0, b"size=1m"):
    say("skip")
    sys.exit()
say("mounted")
filler = directory / "filler"
filler.write_bytes(bytes(1_000_000))
try:
    Journal(directory / "in")
except JournalError as error:
    say(error)
filler.write_bytes(bytes(600_000))
journal = Journal(directory / "in")
enter_until_it_fails()
settled, deferred = settle_until_it_fails(), defer_one()
assert journal.depth() == len(numbers) - len(settled) + 1
filler.unlink()
libc.mount(None, mount, None, 32, b"size=8m")
"""
        + AFTERWARDS
    )
    if other.hear() == "skip":
        pytest.skip("only root can mount a file system")
    for _ in range(3):
        assert "the disk is full" in other.hear()
    assert other.hear() == "1000"
    other.end()


def test_the_error_can_be_sent_between_processes() -> None:
    error = JournalError("/var/lib/x", "the disk is full")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is JournalError
    assert (str(again), again.directory, again.problem) == (str(error), error.directory, error.problem)
