"""What is added arrives in the telemetry bucket, all of it, once, whatever fails."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from foodco_storage.access import outgoing, shipments
from foodco_storage.access.formats import columns, encode
from foodco_storage.access.shipments import Shipments
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.telemetry.events import Operation, Request

AT = 1_700_000_000.0  # 2023-11-14


def batch(*keys, max_keys=1000):
    window = Window(max_keys)
    for key in keys:
        request = Request(backend="aws", operation="GetObject", status=200)
        window(Operation(operation="GetObject", bucket="b", key=key, route="r", at=AT, size=10, requests=(request,)))
    return window.take()


@cache
def unpacked(data):
    return [json.loads(line) for line in gzip.decompress(data).splitlines()]


def rows_of(objects, table):
    return [row for key, data in objects.items() if f"/{table}/" in f"/{key}" for row in unpacked(data)]


class Crash(BaseException):
    """As a kill: nothing catches it."""


class Bucket:
    """A telemetry bucket that remembers what was put, and may fail before or after."""

    def __init__(self):
        self.objects = {}
        self.fails_before, self.fails_after = None, None

    @classmethod
    def failing(cls, error):
        bucket = cls()
        bucket.fails_before = error
        return bucket

    def __call__(self, key, data):
        if self.fails_before:
            raise self.fails_before
        assert self.objects.get(key, data) == data, "another object under the same key"
        self.objects[key] = data
        if self.fails_after:
            raise self.fails_after


def asked(store, question):
    with store.use() as connection:
        return connection.execute(question).fetchall()


@pytest.fixture
def clock():
    return [AT]


@pytest.fixture
def store(tmp_path, clock):
    return Store(tmp_path, ships=True, clock=lambda: clock[0])


@pytest.fixture
def bucket():
    return Bucket()


def test_keys_and_rows(store, bucket):
    store.add(batch("b", "a", "a"), "web")
    assert Shipments(store, bucket, prefix="t/").ship(everything=True) == 3
    shape = r"t/v1/(accesses|traffic|requests)/date=2023-11-14/([0-9a-f]{16})-0000000001\.jsonl\.gz"
    matches: list[Any] = [re.fullmatch(shape, key) for key in bucket.objects]
    assert {match[1] for match in matches} == {"accesses", "traffic", "requests"}
    (writer,) = {match[2] for match in matches}
    rows = rows_of(bucket.objects, "accesses")
    assert [(row["key"], row["reads"], row["writer"], row["number"]) for row in rows] == [
        ("a", 2, writer, 1),
        ("b", 1, writer, 1),
    ]
    assert tuple(rows[0]) == columns("accesses")
    assert rows_of(bucket.objects, "requests")[0]["requests"] == 3


def test_when_it_is_due(store, bucket, clock):
    ships = Shipments(store, bucket, every_seconds=60)
    assert ships.ship(everything=True) == 0
    store.add(batch("a"), "web")
    clock[0] += 59
    assert ships.ship() == 0
    store.add(batch("b"), "web")
    clock[0] += 1
    assert ships.ship() == 3
    assert ships.ship(everything=True) == 0
    # The clock was set back: not never.
    store.add(batch("c"), "web")
    clock[0] -= 3600
    assert ships.ship() == 3
    assert sorted(row["key"] for row in rows_of(bucket.objects, "accesses")) == ["a", "b", "c"]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_after_a_crash_the_same_is_put_again(store, bucket, clock, form, when):
    """The bucket checks that it is the same. The other rows that came meanwhile are another shipment."""
    store.add(batch("a", "b"), "web")
    setattr(bucket, when, Crash())
    with pytest.raises(Crash):
        Shipments(store, bucket, form=form).ship(everything=True)
    setattr(bucket, when, None)
    clock[0] += 86_400
    store.add(batch("a", "c"), "web")
    other = Shipments(Store(store.directory, ships=True, clock=store.clock), bucket, form=form)
    assert other.ship() == 3
    assert len(bucket.objects) == 3
    clock[0] += 3600
    assert other.ship() == 3
    assert len(bucket.objects) == 6
    assert other.pending() == (0, 0)


def test_one_process_at_a_time(store, bucket, clock):
    store.add(batch("a"), "web")
    other = Shipments(store, bucket)

    def put(key, data):
        assert other.ship() == 0
        clock[0] += shipments.LEASE_SECONDS - 1
        assert other.ship() == 0
        bucket(key, data)

    assert Shipments(store, put).ship(everything=True) == 3
    # Who died with the lease does not keep it.
    store.add(batch("b"), "web")
    with store.change() as connection:
        outgoing.write_meta(connection, "shipper", "dead")
        outgoing.write_meta(connection, "shipping_until", clock[0] + shipments.LEASE_SECONDS)
    assert other.ship(everything=True) == 0
    clock[0] += shipments.LEASE_SECONDS
    assert other.ship() == 3


def test_two_that_pack_at_once(store, bucket, monkeypatch):
    """As where one stood still until its lease was over."""
    store.add(batch("a"), "web")
    other = Shipments(store, bucket)
    packed = []

    def pack_by_another_first(*arguments):
        monkeypatch.setattr(shipments, "encode", encode)
        packed.append(other._pack_one())
        return encode(*arguments)

    monkeypatch.setattr(shipments, "encode", pack_by_another_first)
    assert Shipments(store, bucket).ship(everything=True) == 3
    assert packed == [True]
    assert [row["reads"] for row in rows_of(bucket.objects, "accesses")] == [1]


def test_a_deadline(store, bucket):
    store.add(batch("a"), "web")
    assert Shipments(store, bucket).ship(everything=True, until=0.0) == 0
    assert Shipments(store, bucket).pending() == (1, 0)


def test_processes_that_end_use_up_no_shipments(store, bucket, clock):
    """Each ships everything, and can't: what waits grows by time, not by processes."""
    bucket.fails_before = OSError("unreachable")
    for n in range(25):
        store.add(batch("a"), "web")
        with suppress(OSError):
            Shipments(store, bucket, every_seconds=600).ship(everything=True)
        clock[0] += 60
        assert Shipments(store, bucket).pending() == (1 + n // 11, 0)
    bucket.fails_before = None
    assert Shipments(store, bucket).ship(everything=True) == 12
    assert sum(row["reads"] for row in rows_of(bucket.objects, "accesses")) == 25
    assert asked(store, "SELECT count(*) FROM shipments") == [(0,)]


def test_what_waits_goes_first(store, bucket):
    store.add(batch("a"), "web")
    with pytest.raises(Crash):
        Shipments(store, Bucket.failing(Crash())).ship(everything=True)
    store.add(batch("b"), "web")
    assert Shipments(store, bucket).ship(everything=True, until=0.0) == 0
    assert asked(store, "SELECT number FROM shipments WHERE closed_at IS NULL") == [(2,)]
    assert Shipments(store, bucket).ship(everything=True) == 6
    assert [row["number"] for row in rows_of(bucket.objects, "accesses")] == [1, 2]


def test_too_many_that_wait(store, bucket, caplog, clock):
    ships = Shipments(store, bucket, max_pending=2)
    bucket.fails_before = OSError("unreachable")
    for n in range(4):
        store.add(batch(f"k{n}"), "web")
        clock[0] += 3600
        with pytest.raises(OSError, match="unreachable"):
            ships.ship()
    assert ships.pending() == (2, 2)
    assert "1 shipments of access statistics were dropped: 2 others wait" in caplog.text
    bucket.fails_before = None
    assert ships.ship() == 6
    assert [row["key"] for row in rows_of(bucket.objects, "accesses")] == ["k2", "k3"]


def test_another_host(store, bucket, monkeypatch):
    """A database that is moved: what it holds is sent under the old name, what is added then under another."""
    store.add(batch("a"), "web")
    monkeypatch.setattr(outgoing, "this_host", lambda: "another")
    store.add(batch("b"), "web")
    store.add(batch("c"), "web")
    assert Shipments(store, bucket).ship(everything=True) == 6
    rows = rows_of(bucket.objects, "accesses")
    assert [(row["key"], row["number"]) for row in rows] == [("a", 1), ("b", 2), ("c", 2)]
    assert rows[0]["writer"] != rows[1]["writer"] == rows[2]["writer"]


def test_a_copy_on_the_same_host(store, bucket, tmp_path):
    """As a volume that was cloned. The bucket checks that no object is put over another."""
    store.add(batch("before"), "web")
    assert Shipments(store, bucket).ship(everything=True) == 3
    shutil.copytree(tmp_path, tmp_path / "copied")
    copied = Store(tmp_path / "copied", ships=True, clock=store.clock)
    for _ in range(2):
        store.add(batch("original"), "web")
        copied.add(batch("copy"), "web")
    for one in (store, copied):
        assert Shipments(one, bucket).ship(everything=True) == 3
    rows = rows_of(bucket.objects, "accesses")
    assert {row["key"]: row["reads"] for row in rows} == {"before": 1, "original": 2, "copy": 2}
    writers = {row["key"]: row["writer"] for row in rows}
    assert writers["before"] == writers["original"] != writers["copy"]


def test_floors_are_shipped(tmp_path, bucket):
    store = Store(tmp_path, ships=True, max_keys=2, clock=lambda: AT)
    store.add(batch(*"aaabbbcdefg"), "web")
    Shipments(store, bucket).ship(everything=True)
    assert [row["floor"] for row in rows_of(bucket.objects, "floors")] == [1]
    assert sum(row["reads"] for row in rows_of(bucket.objects, "accesses")) == 11


def test_parquet_holds_the_same_as_lines():
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    rows = [
        (
            "2023-11-14",
            "library",
            "r",
            "b",
            f"grün/{n}",
            1025,
            0.0,
            n / 3,
            1e300,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            AT,
            None,
            "w",
            7,
        )
        for n in range(5)
    ]
    lines = [json.loads(line) for line in gzip.decompress(encode("accesses", rows, "jsonl")).splitlines()]
    assert parquet.read_table(io.BytesIO(encode("accesses", rows, "parquet"))).to_pylist() == lines
    for form in ("jsonl", "parquet"):
        assert encode("accesses", rows, form) == encode("accesses", rows, form)


KEYS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12)


class ShippingMachine(RuleBasedStateMachine):
    """Two processes on a directory, a bucket that fails, crashes at any step; against a counter."""

    @initialize()
    def begin(self):
        self.directory = Path(tempfile.mkdtemp())
        self.now = AT
        self.bucket = Bucket()
        self.stores = [Store(self.directory, ships=True, max_keys=3, clock=lambda: self.now) for _ in range(2)]
        self.given: Counter[str] = Counter()

    @rule(who=st.integers(0, 1), keys=KEYS, max_keys=st.integers(1, 4))
    def flush(self, who, keys, max_keys):
        self.stores[who].add(batch(*keys, max_keys=max_keys), f"service {who}")
        self.given.update(keys)

    @rule(who=st.integers(0, 1), everything=st.booleans(), form=st.sampled_from(["jsonl"]))
    def ship(self, who, everything, form):
        Shipments(self.stores[who], self.bucket, every_seconds=60, form=form).ship(everything=everything)

    @rule(
        who=st.integers(0, 1),
        when=st.sampled_from(["fails_before", "fails_after"]),
        error=st.sampled_from([Crash(), OSError()]),
    )
    def fail(self, who, when, error):
        setattr(self.bucket, when, error)
        with suppress(Crash, OSError):
            Shipments(self.stores[who], self.bucket).ship(everything=True)
        setattr(self.bucket, when, None)

    @rule(who=st.integers(0, 1))
    def crash_when_packing(self, who):
        def dies(*_):
            raise Crash

        with pytest.MonkeyPatch.context() as patched, suppress(Crash):
            patched.setattr(shipments, "encode", dies)
            Shipments(self.stores[who], self.bucket).ship(everything=True)

    @rule(seconds=st.sampled_from([1, 60, 90_000]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def merge(self):
        """All arrives."""
        Shipments(self.stores[0], self.bucket).ship(everything=True)
        for table, column in (("accesses", "reads"), ("traffic", "operations"), ("requests", "requests")):
            assert sum(row[column] for row in rows_of(self.bucket.objects, table)) == self.given.total()
        shipped: Counter[str] = Counter()
        for row in rows_of(self.bucket.objects, "accesses"):
            if row["depth"] > 1000:
                shipped[row["key"]] += row["reads"]
        floors = sum(row["floor"] for row in rows_of(self.bucket.objects, "floors"))
        for key, count in self.given.items():
            assert shipped[key] <= count <= shipped[key] + floors

    @invariant()
    def never_more_than_was_given(self):
        if hasattr(self, "bucket"):
            assert sum(row["reads"] for row in rows_of(self.bucket.objects, "accesses")) <= self.given.total()

    def teardown(self):
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory)


TestShipping = ShippingMachine.TestCase
TestShipping.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)
