"""The store keeps what processes add, each piece once, in bounded space, for this user only."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from foodco_storage.access import database
from foodco_storage.access.prefixes import WHOLE
from foodco_storage.access.rests import most_rests
from foodco_storage.access.rows import LIBRARY, SERVER_LOG, AccessRow, ObjectRow, ReaderRow
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.errors import StatisticsError
from foodco_storage.telemetry.events import Operation, Request

AT = 1_700_000_000.0  # 2023-11-14
DAY = "2023-11-14"


def got(key, **changed):
    return Operation(
        **{"operation": "GetObject", "bucket": "b", "key": key, "route": "r", "size": 10, "at": AT, **changed}
    )


def batch(*keys, max_keys=1000, **changed):
    window = Window(max_keys)
    for key in keys:
        window(got(key, **changed))
    return window.take()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state" / "access", clock=lambda: AT)


def asked(store, question, *values):
    with store.use() as connection:
        return connection.execute(question, values).fetchall()


def reads(store, where="1 = 1"):
    return dict(asked(store, f"SELECT key, sum(reads) FROM accesses WHERE {where} GROUP BY key"))


def test_batches_add_up(store):
    store.add(batch("a", "b", "a", at=AT + 9), "web")
    store.add(batch("a", seconds=0.5, requests=(Request(backend="aws", operation="GetObject", status=200),)), "web")
    store.add(batch("c", route=None, bucket=None), "cron")
    store.add(batch(), "nothing")
    assert reads(store) == {"a": 3, "b": 1, "c": 1}
    assert asked(store, "SELECT last_read_at, last_written_at FROM accesses WHERE key = 'a'") == [(AT + 9, None)]
    assert asked(
        store, "SELECT service, route, bucket, why, operations, size, seconds FROM traffic ORDER BY service"
    ) == [
        ("cron", "", "", "no route", 1, 10, 0),
        ("web", "r", "b", "", 4, 40, 0.5),
    ]
    assert asked(store, "SELECT * FROM requests") == [(DAY, "web", "aws", "GetObject", "2xx", 1, 1, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    "key", ["plain", "grün/猫/\U0001f9c0", "a\x00b", "\ud800 alone", "'; DROP TABLE accesses; --", "", "k" * 1024]
)
def test_any_key(store, key):
    store.add(batch(key), "web")
    store.add(batch(key), "web")
    assert list(reads(store).values()) == [2]


STREAMS = st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(0, 14), max_size=40)), min_size=1, max_size=4)


@settings(max_examples=20)
@given(streams=STREAMS)
def test_the_summarys_bounds_hold_over_windows_and_trims(tmp_path_factory, streams):
    """Windows with floors of their own, and a store with room for three keys."""
    store = Store(tmp_path_factory.mktemp("access"), max_keys=3, ships=True, clock=lambda: AT)
    truth: Counter[str] = Counter()
    for window_keys, stream in streams:
        store.add(batch(*(f"d{key % 3}/{key}" for key in stream), max_keys=window_keys), "web")
        truth.update(f"d{key % 3}/{key}" for key in stream)
    for table in ("accesses", "out_accesses"):
        rows = asked(store, f"SELECT key, reads, lost FROM {table} WHERE depth = {WHOLE}")
        floor = sum(value for (value,) in asked(store, f"SELECT floor FROM {table.replace('accesses', 'floors')}"))
        assert len(rows) <= 6
        assert floor <= truth.total() / 2
        found = {key: (count, lost) for key, count, lost in rows}
        for key, true in truth.items():
            count, lost = found.get(key, (0, floor))
            assert count <= true <= count + lost
            assert lost <= floor
        # What is told apart no more is in the rows of prefixes.
        assert asked(store, f"SELECT total(reads) FROM {table}") == [(truth.total(),)]


def test_prefixes_get_shorter_and_stay_few(tmp_path):
    store = Store(tmp_path, max_keys=1, clock=lambda: AT)
    for bucket in range(160):
        store.add(batch(*(f"{n}/{bucket}/{n}/x" for n in range(6)), bucket=f"b{bucket}"), "web")
    ((rests, total),) = asked(store, f"SELECT sum(depth < {WHOLE}), sum(reads) FROM accesses")
    assert 0 < rests <= most_rests(1)
    assert total == 960


def test_traffic_of_very_many_buckets(store, monkeypatch):
    monkeypatch.setattr("foodco_storage.access.merging.MAX_TRAFFIC_ROWS", 10)
    window = Window(1000)
    for n in range(30):
        for _ in range(n):
            window(got("k", bucket=f"b{n}"))
    store.add(window.take(), "web")
    rows = dict(asked(store, "SELECT bucket, operations FROM traffic"))
    assert len(rows) == 11
    assert sum(rows.values()) == sum(range(30))
    assert rows["b29"] == 29


def test_old_days_are_forgotten(tmp_path):
    now = [AT]
    store = Store(tmp_path, retention_days=3, clock=lambda: now[0])
    for age in range(5):
        store.add(batch(f"k{age}", at=AT - 86_400 * age), "web")
    assert set(reads(store)) == {"k0", "k1", "k2"}
    now[0] += 2 * 86_400
    store.add(batch("new"), "web")
    assert set(reads(store)) == {"k0", "new"}


def test_a_record_counts_once(store):
    rows = [
        AccessRow(day=DAY, bucket="b", key="k", reads=2.0),
        AccessRow(day=DAY, bucket="b", key="k", reads=3.0, last_read_at=AT),
    ]
    who = [
        ReaderRow(
            day=DAY, bucket="b", requester="-", agent="curl", operation="REST.GET.OBJECT", operations=5.0, size=9.0
        )
    ]
    assert store.imported("log-1") is None
    assert store.add_accesses(rows, SERVER_LOG, name="log-1", tag="x", readers=who)
    assert not store.add_accesses(rows, SERVER_LOG, name="log-1", tag="x", readers=who)
    assert store.imported("log-1") == "x"
    store.add(batch("k"), "web")
    assert reads(store, "source = 'server log'") == {"k": 5}
    assert reads(store, f"source = '{LIBRARY}'") == {"k": 1}
    assert asked(store, "SELECT operations, size FROM readers") == [(5, 9)]
    with pytest.raises(StatisticsError, match="log-1 was read before, and has changed since"):
        store.add_accesses(rows, SERVER_LOG, name="log-1", tag="y")


def test_a_record_that_fails_leaves_nothing(store):
    rows = [AccessRow(day=DAY, bucket="b", key="k", reads=2.0)]
    wrong = [ReaderRow(day=None, bucket="b", requester="-", agent="curl", operation="x")]  # type: ignore[arg-type] # wrong
    with pytest.raises(StatisticsError, match="it can't be used: NOT NULL constraint failed"):
        store.add_accesses(rows, SERVER_LOG, name="log-1", tag="x", readers=wrong)
    assert reads(store) == {}
    assert store.imported("log-1") is None


def test_inventories_replace_each_other(store, monkeypatch):
    monkeypatch.setattr("foodco_storage.access.store._AT_ONCE", 3)
    assert store.replace_objects("b", (ObjectRow(key=f"k{n}", size=n) for n in range(10)), AT) == 10
    assert store.replace_objects("other", [ObjectRow(key="k0", size=7)], AT) == 1

    def breaks():
        yield from (ObjectRow(key=f"new{n}") for n in range(5))
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        store.replace_objects("b", breaks(), AT)
    assert asked(store, "SELECT count(*), sum(size) FROM objects WHERE bucket = 'b'") == [(10, 45)]
    assert store.replace_objects("b", [ObjectRow(key="only", storage_class="GLACIER", modified_at=AT)], AT) == 1
    assert asked(store, "SELECT * FROM objects ORDER BY bucket") == [
        ("b", "only", 0, AT, "GLACIER", AT),
        ("other", "k0", 7, None, "", AT),
    ]
    assert asked(store, "SELECT count(*) FROM arriving") == [(0,)]


def test_processes_add_up(tmp_path):
    program = """
import sys
from pathlib import Path
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.telemetry.events import Operation
store = Store(Path(sys.argv[1]), ships=True, clock=lambda: 1_700_000_000.0)
for n in range(15):
    window = Window(100)
    for k in range(20):
        window(Operation(operation="GetObject", bucket="b", key=f"k{k}", at=1_700_000_000.0))
    store.add(window.take(), sys.argv[2])
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name]) for name in ("one", "two")]
    assert [process.wait(60) for process in running] == [0, 0]
    store = Store(tmp_path, clock=lambda: AT)
    assert reads(store) == {f"k{k}": 30 for k in range(20)}
    assert asked(store, "SELECT service, operations FROM traffic ORDER BY service") == [("one", 300), ("two", 300)]
    assert asked(store, "SELECT count(DISTINCT number), total(reads) FROM out_accesses") == [(1, 600)]


@pytest.fixture
def log(store, monkeypatch):
    """The write-ahead log, while somebody has the database open: nobody is the last to close it."""
    monkeypatch.setattr(database, "_LOG_BYTES", 200_000)
    store.add(batch("a"), "web")
    somebody = sqlite3.connect(store.directory / "access.sqlite3")
    somebody.execute("SELECT count(*) FROM accesses").fetchall()
    yield store.directory / "access.sqlite3-wal"
    somebody.close()


def test_the_log_stays_short(store, log):
    sizes = []
    for _ in range(40):
        store.add(batch(*(f"k{n}" for n in range(100))), "web")
        sizes.append(log.stat().st_size)
    assert max(sizes) < 400_000
    # It was cut, to where the next ones need no checkpoint.
    assert sizes[-1] <= 200_000 or min(sizes[20:]) <= 200_000
    assert reads(store) == {"a": 1, **{f"k{n}": 40 for n in range(100)}}
    assert asked(store, "PRAGMA integrity_check") == [("ok",)]


def test_a_long_log_is_left_to_others_while_they_write(store, log, monkeypatch):
    """As where another process comes between a commit and the checkpoint: who writes meanwhile could corrupt all."""
    store.add(batch("b"), "web")
    monkeypatch.setattr(database, "_LOG_BYTES", 0)
    path = store.directory / "access.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        with store.use() as connection:
            done: list[str] = []
            connection.set_trace_callback(done.append)
            writer.execute("BEGIN IMMEDIATE")
            database._shorten_log(connection, path)
            assert done == []
            writer.execute("ROLLBACK")
            database._shorten_log(connection, path)
            assert done == ["PRAGMA wal_checkpoint(PASSIVE)"]
    finally:
        writer.close()
    assert log.exists()


def test_nobody_else_can_read_it(store):
    before = os.umask(0)
    try:
        store.add(batch("a"), "web")
        with store.use():
            files = [path for path in store.directory.iterdir() if path.is_file()]
            assert {path.name for path in files} > {"access.sqlite3"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def refusal(store):
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(StatisticsError) as raised:
        store.add(batch("a"), "web")
    assert set(Path("/proc/self/fd").iterdir()) == before
    error = pickle.loads(pickle.dumps(raised.value))
    assert (error.place, error.problem) == (str(store.directory), raised.value.problem)
    return error.problem


def test_directories_that_can_not_be_used(tmp_path):
    (tmp_path / "file").touch()
    assert refusal(Store(tmp_path / "file")) == "it is a file: name another directory"
    assert "a part of its path is a file" in refusal(Store(tmp_path / "file" / "below"))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert "others may write to it (mode 0777): `chmod go-w` it" in refusal(Store(tmp_path / "open"))


def test_databases_that_can_not_be_used(store):
    store.add(batch("a"), "web")
    path = store.directory / "access.sqlite3"
    with store.use() as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "made by a newer version of foodco_storage (version 99" in refusal(store)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    assert "another program's database" in refusal(store)
    path.write_bytes(b"no database" * 1000)
    assert "access.sqlite3 is damaged, or no database: move it away" in refusal(store)
    path.unlink()
    store.add(batch("a"), "web")
    assert reads(store) == {"a": 1}
