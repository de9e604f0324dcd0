"""Answers are what a look at all events would find; those over what was shipped are the same."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import fsspec
import pytest

from foodco_storage.access import questions
from foodco_storage.access.fleet import Fleet
from foodco_storage.access.prefixes import prefix_of
from foodco_storage.access.questions import Local
from foodco_storage.access.rows import SERVER_LOG, AccessRow, ObjectRow, ReaderRow
from foodco_storage.access.shipments import Shipments
from foodco_storage.access.store import Store
from foodco_storage.access.traffic import why
from foodco_storage.access.window import Window
from foodco_storage.errors import StatisticsError
from foodco_storage.telemetry.events import Operation, Request

NOW = 1_700_000_000.0
DAY = 86_400.0
SERVED = {"ok", "abandoned", "not_modified"}


def made_events():
    drawn = random.Random(3)
    pick = drawn.choice
    for _ in range(1500):
        phase = pick(["source", "cutover", None])
        yield Operation(
            operation=pick(["GetObject", "GetObject", "GetObject", "HeadObject", "PutObject", "DeleteObject"]),
            bucket=pick(["photos", "other"]),
            key=f"{pick('abc')}/{pick('xy')}/{int(drawn.paretovariate(0.7)) % 40}.jpg",
            route=pick(["r1", "r2", None]),
            phase=phase,
            backend=pick(["aws", "ceph"]),
            cache=pick(["memory", "disk", "miss", None]),
            is_fallback=phase == "cutover" and pick([True, False]),
            outcome=pick(["ok", "ok", "ok", "abandoned", "missing", "unavailable"]),
            size=drawn.randrange(1000),
            seconds=0.25,
            at=NOW - drawn.randrange(20) * DAY,
            requests=tuple(
                Request(
                    backend=pick(["aws", "ceph"]), operation="GetObject", attempts=pick([0, 1, 3]), seconds=0.5,
                    status=pick([200, 404, 503, None]), sent_bytes=3, received_bytes=7,
                )
                for _ in range(pick([0, 1, 2]))
            ),
        )  # fmt: skip


EVENTS = list(made_events())


def filled(directory, max_keys=10_000):
    store = Store(directory, max_keys=max_keys, ships=True, clock=lambda: NOW)
    for n in range(3):
        # By days: of many at once a window does not tell all keys apart.
        for _, events in groupby(sorted(EVENTS[n::3], key=lambda event: event.at), key=lambda event: event.at):
            window = Window(10_000)
            for event in events:
                window(event)
            store.add(window.take(), f"service {n % 2}")
    store.replace_objects(
        "photos",
        [
            ObjectRow(key=f"{p}/{q}/{n}.jpg", size=n + 1, modified_at=NOW - n * 10 * DAY)
            for p in "abcd"
            for q in "xy"
            for n in range(41)
        ],
        NOW,
    )
    return store


def shipped(store, directory, form):
    def put(key, data):
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    Shipments(store, put, form=form).ship(everything=True)
    return Fleet(str(directory), store)


@pytest.fixture(scope="module", params=["local", "jsonl", "parquet"])
def source(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("statistics")
    store = filled(directory / "access")
    return Local(store) if request.param == "local" else shipped(store, directory / "it's shipped", request.param)


def dicts(answer):
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def seen(days, *operations):
    first = datetime.fromtimestamp(NOW - (days - 1) * DAY, UTC).date()
    return [
        event for event in EVENTS
        if datetime.fromtimestamp(event.at, UTC).date() >= first and (not operations or event.operation in operations)
    ]  # fmt: skip


def was_read(event):
    return event.operation == "GetObject" and event.outcome in SERVED


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("bucket", [None, "photos"])
def test_most_read_keys(source, days, bucket):
    reads: Counter[Any] = Counter()
    scores: Any = Counter()
    sizes: Counter[Any] = Counter()
    last: dict[Any, float] = {}
    for event in filter(was_read, seen(days)):
        if event.key.startswith("a/") and bucket in {None, event.bucket}:
            name = event.route or "", event.bucket, event.key
            reads[name] += 1
            sizes[name] += event.size
            scores[name] += 0.5 ** ((NOW - event.at) / DAY / 5)
            last[name] = max(last.get(name, 0), event.at)
    answer = dicts(
        questions.most_read_keys(source, since_days=days, limit=20, bucket=bucket, prefix="a/", half_life_days=5)
    )
    assert [row["reads"] for row in answer] == sorted(reads.values(), reverse=True)[:20]
    for row in answer:
        name = row["route"], row["bucket"], row["key"]
        assert (row["reads"], row["read_bytes"], row["last_read_at"]) == (reads[name], sizes[name], last[name])
        assert row["score"] == pytest.approx(scores[name])
        assert row["missing_at_most"] == 0


@pytest.mark.parametrize("depth", [0, 1, 2, 9])
def test_most_read_prefixes(source, depth):
    reads: Counter[Any] = Counter()
    keys = defaultdict(set)
    for event in filter(was_read, EVENTS):
        name = event.route or "", event.bucket, prefix_of(event.key, depth)
        reads[name] += 1
        keys[name].add(event.key)
    answer = dicts(questions.most_read_prefixes(source, depth=depth))
    assert {(row["route"], row["bucket"], row["prefix"]): row["reads"] for row in answer} == reads
    assert all(row["keys"] == len(keys[row["route"], row["bucket"], row["prefix"]]) for row in answer)
    assert all(row["missing_at_most"] == 0 for row in answer)


def test_never_read(source):
    read = {event.key for event in filter(was_read, seen(10)) if event.bucket == "photos"}
    expected: Counter[Any] = Counter()
    ages = [(30, "<30 d"), (90, "30-90 d"), (180, "90-180 d"), (365, "180-365 d"), (1e9, ">365 d")]
    for p in "abcd":
        for q in "xy":
            for n in range(41):
                if f"{p}/{q}/{n}.jpg" not in read:
                    age = next(name for days, name in ages if n * 10 < days)
                    expected[age, "objects"] += 1
                    expected[age, "bytes"] += n + 1
    answer = questions.never_read(source, "photos", since_days=10)
    assert [row[0] for row in answer.rows] == [name for _, name in ages]
    assert {(row["age"], column): row[column] for row in dicts(answer) for column in ("objects", "bytes")} == expected
    assert all(row["maybe_read_objects"] == row["maybe_read_bytes"] == 0 for row in dicts(answer))


def test_still_reads(source):
    looks = [event for event in seen(7, "GetObject", "HeadObject") if event.outcome in SERVED]
    of_route = Counter(event.route or "" for event in looks)
    expected: Counter[Any] = Counter()
    for event in looks:
        if why(event) and event.cache not in {"memory", "disk"}:
            expected[event.route or "", event.bucket, event.backend, why(event)] += 1
    found: Counter[Any] = Counter()
    for row in dicts(questions.still_reads(source, since_days=7)):
        found[row["route"], row["bucket"], row["backend"], row["why"]] += row["operations"]
        assert row["share_of_route"] == pytest.approx(row["operations"] / of_route[row["route"]])
        assert row["service"] in {"service 0", "service 1"}
    assert found == expected


def test_hit_ratios(source):
    expected: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for event in filter(was_read, seen(7)):
        expected[event.route or ""][event.cache] += 1
    answer = dicts(questions.hit_ratios(source))
    assert [row["route"] for row in answer] == ["", "r1", "r2"]
    for row in answer:
        levels = expected[row["route"]]
        assert row["reads"] == levels.total()
        assert (row["memory"], row["disk"], row["miss"]) == (levels["memory"], levels["disk"], levels["miss"])
        assert row["ratio"] == pytest.approx((levels["memory"] + levels["disk"]) / (levels.total() - levels[None]))


def test_backends(source):
    expected: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for event in seen(7):
        for request in event.requests:
            sums = expected[request.backend]
            sums["requests"] += 1
            sums["attempts"] += request.attempts
            sums["retries"] += max(0, request.attempts - 1)
            sums["refused"] += request.status == 404
            sums["errors"] += request.status in {503, None}
            sums["sent_bytes"] += 3
            sums["received_bytes"] += 7
    answer = {row.pop("backend"): row for row in dicts(questions.backends(source))}
    assert {row.pop("mean_seconds") for row in answer.values()} == {0.5}
    assert answer == expected


def test_nothing_at_all(tmp_path):
    store = Store(tmp_path / "access", clock=lambda: NOW)
    for source in (Local(store), Fleet(str(tmp_path / "nowhere"), store)):
        for answer in (
            questions.most_read_keys(source),
            questions.most_read_prefixes(source),
            questions.never_read(source, "b"),
            questions.still_reads(source),
            questions.hit_ratios(source),
            questions.backends(source),
        ):
            assert answer.columns
            assert answer.rows == []


def test_where_keys_are_told_apart_no_more(tmp_path):
    """The bounds hold, totals are whole, and nothing is said never to have been read that may have been."""
    store = filled(tmp_path / "access", max_keys=4)
    total = sum(map(was_read, EVENTS))
    truth = Counter((event.route or "", event.bucket, event.key) for event in filter(was_read, EVENTS))
    by_prefix: Counter[Any] = Counter()
    for (route, bucket, key), count in truth.items():
        by_prefix[route, bucket, prefix_of(key, 9)] += count
    read = {key for _, bucket, key in truth if bucket == "photos"}
    objects = {f"{p}/{q}/{n}.jpg" for p in "abcd" for q in "xy" for n in range(41)}
    for source in (Local(store), shipped(store, tmp_path / "shipped", "jsonl")):
        answer = dicts(questions.most_read_keys(source))
        assert 0 < len(answer) < len(truth)
        for row in answer:
            assert (
                row["reads"] <= truth[row["route"], row["bucket"], row["key"]] <= row["reads"] + row["missing_at_most"]
            )
        for depth in (0, 1, 2):
            assert sum(row["reads"] for row in dicts(questions.most_read_prefixes(source, depth=depth))) == total
        deep = dicts(questions.most_read_prefixes(source, depth=9))
        assert sum(row["reads"] for row in deep) == total
        for row in deep:
            true = by_prefix[row["route"], row["bucket"], row["prefix"]]
            assert row["reads"] <= true <= row["reads"] + row["missing_at_most"]
        unread = dicts(questions.never_read(source, "photos"))
        certainly = sum(row["objects"] - row["maybe_read_objects"] for row in unread)
        assert certainly <= len(objects - read)
        # Below `d/` nobody read anything.
        assert certainly >= 2 * 41


def test_where_buckets_are_told_apart_no_more(tmp_path):
    """Reads of a bucket may be in the row of no bucket: that is told whichever way one asks for it."""
    store = Store(tmp_path / "access", max_keys=100, ships=True, clock=lambda: NOW)
    window = Window(100)
    for n in range(40):
        for number in range(300):
            window(Operation(operation="GetObject", bucket=f"b{number}", key=f"p/{n}", route="r", at=NOW))
    store.add(window.take(), "web")
    for n in range(40):
        window(Operation(operation="GetObject", bucket="b7", key=f"q/{n}", route="r", at=NOW))
    store.add(window.take(), "web")
    for source in (Local(store), shipped(store, tmp_path / "shipped", "jsonl")):
        for bucket in (None, "b7"):
            for depth, true in ((0, 80), (1, 40)):
                answer = dicts(questions.most_read_prefixes(source, depth=depth, bucket=bucket, limit=1000))
                (row,) = (row for row in answer if row["bucket"] == "b7")
                assert row["reads"] < true <= row["reads"] + row["missing_at_most"], (depth, bucket)
                assert {row["bucket"] for row in answer} == {"b7"} or bucket is None
            keys = [row for row in dicts(questions.most_read_keys(source, bucket=bucket)) if row["bucket"] == "b7"]
            assert keys
            assert all(row["reads"] <= 1 <= row["reads"] + row["missing_at_most"] for row in keys)


def test_names_that_are_no_unicode(tmp_path):
    """As a shell passes them (https://peps.python.org/pep-0383/), and as keys with such bytes are recorded."""
    store = Store(tmp_path, clock=lambda: NOW)
    window = Window(10)
    window(Operation(operation="GetObject", bucket="caf\udce9", key="caf\udce9/1", at=NOW))
    store.add(window.take(), "web")
    source = Local(store)
    assert len(questions.most_read_keys(source, bucket="caf\udce9", prefix="caf\udce9").rows) == 1
    assert questions.most_read_keys(source, prefix="caf\udce8").rows == []
    assert len(questions.most_read_prefixes(source, bucket="caf\udce9").rows) == 1
    assert questions.never_read(source, "caf\udce9").rows == []
    assert questions.readers(source, bucket="caf\udce9").rows == []


def test_readers(tmp_path):
    def done(operation, operations, day="2023-11-14", **changed):
        given = {"bucket": "b", "requester": "web", "agent": "curl", **changed}
        return ReaderRow(day=day, operation=operation, operations=operations, size=operations * 10, **given)

    store = Store(tmp_path, clock=lambda: NOW)
    rows = [
        done("REST.GET.OBJECT", 3.0),
        done("WEBSITE.GET.OBJECT", 2.0, day="2023-11-13"),
        done("REST.COPY.OBJECT_GET", 1.0),
        done("REST.GET.OBJECT", 50.0, day="2023-11-01"),
        done("REST.GET.OBJECT", 7.0, agent="Boto3"),
        done("REST.HEAD.OBJECT", 1.5),
        done("REST.GET.BUCKET", 1.4),
        done("REST.PUT.PART", 1.0, requester="-"),
        done("REST.POST.UPLOAD", 0.3, requester="-"),
        done("BATCH.DELETE.OBJECT", 1.0),
        done("REST.POST.DELETE_MULTI_OBJECT", 0.2),
        done("REST.GET.ACL", 1.1),
        done("REST.GET.OBJECT", 1.0, bucket="other"),
    ]
    store.add_accesses([], SERVER_LOG, "log", "", rows)
    answer = questions.readers(Local(store), since_days=7, bucket="b")
    assert answer.columns == ("requester", "agent", "bucket", "operation", "operations", "bytes")
    assert answer.rows == [
        ("web", "Boto3", "b", "read", 7.0, 70.0),
        ("web", "curl", "b", "read", 6.0, 60.0),
        ("web", "curl", "b", "look", 1.5, 15.0),
        ("web", "curl", "b", "list", 1.4, 14.0),
        ("-", "curl", "b", "write", 1.3, 13.0),
        ("web", "curl", "b", "delete", 1.2, 12.0),
        ("web", "curl", "b", "other", 1.1, 11.0),
    ]
    assert questions.readers(Local(store), since_days=7, limit=1).rows == answer.rows[:1]
    assert ("web", "curl", "other", "read", 1.0, 10.0) in questions.readers(Local(store), since_days=7).rows
    assert questions.readers(Local(store), bucket="b").rows[0][4] == 56


def test_digests_of_keys_say_nothing_of_objects(tmp_path):
    store = Store(tmp_path, clock=lambda: NOW)
    window = Window(10)
    window(Operation(operation="GetObject", bucket="b", key="hmac:12", at=NOW))
    store.add(window.take(), "web")
    store.replace_objects("b", [ObjectRow(key="k", size=5)], NOW)
    assert questions.never_read(Local(store), "b").rows == [("unknown", 1, 5, 1, 5)]


def test_other_records_are_asked_for(tmp_path):
    store = Store(tmp_path, clock=lambda: NOW)
    store.add_accesses([AccessRow(day="2023-11-14", bucket="b", key="k", reads=3.0)], SERVER_LOG, name="log", tag="")
    assert questions.most_read_keys(Local(store)).rows == []
    assert dicts(questions.most_read_keys(Local(store), of=SERVER_LOG))[0]["reads"] == 3


def test_copies_count_once_and_urls_are_opened(tmp_path):
    store = filled(tmp_path / "access")
    files = fsspec.filesystem("memory")

    def put(key, data):
        for place in ("telemetry", "telemetry/copied"):
            files.pipe(f"/{place}/{key}", data)

    try:
        Shipments(store, put).ship(everything=True)
        files.pipe("/telemetry/v1/accesses/date=2023-11-14/README.txt", b"no table")
        files.pipe("/telemetry/v1/accesses/date=2001-01-01/old-0000000001.jsonl.gz", b"not looked at")
        assert questions.backends(Fleet("memory://telemetry", store)) == questions.backends(Local(store))
        keys = questions.most_read_keys(Fleet("memory://telemetry", store), half_life_days=1e9, limit=10)
        assert [row[:4] for row in keys.rows] == [
            row[:4] for row in questions.most_read_keys(Local(store), limit=10).rows
        ]
        files.pipe("/telemetry/v1/requests/date=2023-11-14/broken-0000000001.jsonl.gz", b"broken")
        with pytest.raises(StatisticsError, match="what was shipped can't be read"):
            questions.backends(Fleet("memory://telemetry", store))
    finally:
        files.rm("/telemetry", recursive=True)


def test_without_duckdb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(StatisticsError, match=r"pip install 'foodco-storage\[telemetry\]'"):
        Fleet(str(tmp_path), Store(tmp_path))


@pytest.mark.parametrize("wrong", [{"since_days": 0}, {"half_life_days": 0}])
def test_no_days(tmp_path, wrong):
    with pytest.raises(ValueError, match="both must be positive"):
        questions.most_read_keys(Local(Store(tmp_path)), **wrong)


def test_what_was_shipped_is_damaged(tmp_path):
    folder = tmp_path / "shipped/v1/accesses/date=2023-11-14"
    folder.mkdir(parents=True)
    store = Store(tmp_path / "store", clock=lambda: NOW)
    for name in ("w-0000000001.parquet", "w-0000000002.jsonl.gz"):
        (folder / name).write_bytes(b"neither")
        with pytest.raises(StatisticsError, match="can't be read"):
            questions.most_read_keys(Fleet(str(tmp_path / "shipped"), store), since_days=7)
        (folder / name).unlink()
