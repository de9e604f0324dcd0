"""A process's window counts every event once, from any thread and at any time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from foodco_storage.access.counting import MAX_DAYS, WHOLE_DAYS
from foodco_storage.access.prefixes import WHOLE
from foodco_storage.access.rows import ACCESS_LATEST, ACCESS_SUMS, READS
from foodco_storage.access.traffic import MAX_TRAFFIC_ROWS
from foodco_storage.access.window import _AT_ONCE, Window
from foodco_storage.telemetry.events import BreakerChange, Operation, Request, Step, Work

AT = 1_700_000_000.0  # 2023-11-14
DAY = "2023-11-14"


def got(key="k", **changed):
    return Operation(
        **{"operation": "GetObject", "bucket": "b", "key": key, "route": "r", "size": 10, "at": AT, **changed}
    )


def counted(*events):
    window = Window(1000)
    for event in events:
        window(event)
    return window.take()


def row(batch, key=("r", "b", "k", WHOLE), day=DAY):
    found = dict(zip((*ACCESS_SUMS, *ACCESS_LATEST), batch.days[day].accesses[key], strict=True))
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("outcome", ["ok", "abandoned", "not_modified"])
def test_reads(outcome):
    batch = counted(
        got(outcome=outcome, cache="disk", at=AT + 5), got(is_fallback=True, cache="miss"), got(outcome="missing")
    )
    assert row(batch) == {"reads": 2, "read_bytes": 20, "cache_hits": 1, "fallback_reads": 1, "last_read_at": AT + 5}


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "CompleteMultipartUpload"])
def test_writes_and_deletes(operation):
    batch = counted(
        got(operation=operation),
        got(operation=operation, outcome="failed"),
        got(operation="DeleteObject"),
        got(operation="DeleteObject", outcome="denied"),
    )
    assert row(batch) == {"writes": 1, "written_bytes": 10, "deletes": 1, "last_written_at": AT}


def test_a_sample_stands_for_all():
    batch = counted(got(weight=4.0, seconds=0.5, requests=(Request(backend="aws", operation="GetObject", attempts=3),)))
    assert row(batch) == {"reads": 4, "read_bytes": 40, "last_read_at": AT}
    assert list(batch.traffic.values()) == [[4, 40, 2]]
    assert batch.requests == {(DAY, "aws", "GetObject", "none"): [4, 12, 8, 0, 0, 0]}


def test_what_makes_no_row():
    others = [
        Step(step="promote", outcome="done", route="r", at=AT),
        BreakerChange(backend="aws", state="open", failures=3, at=AT),
        Work(work="promote", at=AT),
    ]
    assert not counted(*others)
    batch = counted(got(operation="HeadObject"), got(None, operation="ListObjectsV2"), got(operation="GetObjectAcl"))
    assert [dict(day.accesses) for day in batch.days.values()] == [{}]
    assert len(batch.traffic) == 3


def test_keys_that_are_not_told_count_for_their_bucket():
    assert row(counted(got(None), got(None)), ("r", "b", "", 0)) == {"reads": 2, "read_bytes": 20, "last_read_at": AT}


def test_requests_of_operations_and_of_work():
    requests = tuple(
        Request(backend="ceph", operation="PutObject", status=status, seconds=0.25, sent_bytes=5, received_bytes=1)
        for status in (200, 204, 304, 404, 503, None, 101)
    )
    batch = counted(got(requests=requests[:3]), Work(work="mirror", at=AT, requests=requests[3:]))
    assert {key[3]: sums for key, sums in batch.requests.items()} == {
        "2xx": [2, 2, 0, 10, 2, 0.5],
        **{status: [1, 1, 0, 5, 1, 0.25] for status in ("3xx", "4xx", "5xx")},
        "none": [2, 2, 0, 10, 2, 0.5],
    }


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"route": None}, "no route"),
        ({"phase": "source"}, "phase"),
        ({"phase": "backfill", "is_fallback": True}, "phase"),
        ({"phase": "cutover", "is_fallback": True}, "not on the primary"),
        ({"phase": "cutover", "is_fallback": True, "is_degraded": True}, "primary down"),
        ({"is_stale": True}, "stale"),
        ({"operation": "PutObject", "phase": "source"}, ""),
        ({"operation": "HeadObject", "phase": "source"}, "phase"),
    ],
)
def test_why(changed, why):
    assert [key[-1] for key in counted(got(**changed)).traffic] == [why]


def test_days():
    batch = counted(got(at=0.0), got(at=AT), got(at=AT), got(at=0.0), got(at=86_399.99))
    assert {day: row(batch, day=day)["reads"] for day in batch.days} == {"1970-01-01": 3, DAY: 2}


def total(batch):
    return sum(counts[READS] or 0 for day in batch.days.values() for counts in day.accesses.values())


def told_apart(batch):
    return [day for day, seen in batch.days.items() if any(depth == WHOLE for *_, depth in seen.accesses)]


def test_of_days_before_only_prefixes_are_kept():
    batch = counted(
        got(at=AT - 2 * 86_400), got(at=AT - 2 * 86_400), got(at=AT - 86_400), got(at=AT), got(at=AT - 86_400)
    )
    assert total(batch) == 5
    assert sorted(told_apart(batch)) == ["2023-11-13", DAY]
    # Nobody may say that the key was not read.
    assert {day: seen.floor for day, seen in batch.days.items()} == {"2023-11-12": 2, "2023-11-13": 0, DAY: 0}


@pytest.mark.parametrize("flushes", [False, True])
def test_all_days_together_are_bounded(flushes):
    """A store that can't be used for months, with flushes that fail or without any."""
    window = Window(20)
    days, keys = MAX_DAYS + 5, 60
    for day in range(days):
        for n in range(keys):
            window(got(f"a/{n % (3 if flushes else keys)}/{n}", at=AT + day * 86_400))
        if flushes:
            window.put_back(window.take())
            window(got("a/0/0/x", at=AT + day * 86_400))
    batch = window.take()
    assert len(batch.days) == MAX_DAYS
    assert window.lost_days == days - MAX_DAYS
    assert sum(len(day.accesses) for day in batch.days.values()) <= WHOLE_DAYS * 141 + (MAX_DAYS - WHOLE_DAYS) * 100
    assert {key[0] for key in batch.traffic} == set(batch.days)
    assert total(batch) == MAX_DAYS * (keys + flushes)
    assert set(told_apart(batch)) == set(sorted(batch.days)[-WHOLE_DAYS:])
    window.put_back(batch)
    assert set(told_apart(window.take())) == set(sorted(batch.days)[-WHOLE_DAYS:])


def test_many_buckets():
    batch = counted(*(got(bucket=f"b{n % (MAX_TRAFFIC_ROWS + 50)}") for n in range(MAX_TRAFFIC_ROWS + 200)))
    assert len(batch.traffic) == MAX_TRAFFIC_ROWS + 1
    assert sum(sums[0] for sums in batch.traffic.values()) == MAX_TRAFFIC_ROWS + 200
    assert batch.traffic[DAY, "r", "*", None, "GetObject", None, None, "ok", ""][0] == 50


def test_it_is_bounded_and_nothing_is_missing():
    told = []
    window = Window(100, full=lambda: told.append(1))
    for n in range(20_000):
        window(got(f"a/{n % 40}/{n}"))
    assert told == [1]
    (day,) = window.take().days.values()
    assert len(day.accesses) <= 201 + 100
    assert sum(counts[READS] or 0 for counts in day.accesses.values()) == 20_000
    assert 0 < day.floor <= 20_000 / 101


def test_threads_and_takes_at_once():
    window = Window(10_000)
    batches = []

    def work(number):
        for n in range(3000):
            window(got(f"{number}-{n % 7}", requests=(Request(backend="aws", operation="GetObject", status=200),)))
            if n % 500 == 0:
                batches.append(window.take())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    batches.append(window.take())
    reads = sum(
        counts[READS] or 0 for batch in batches for day in batch.days.values() for counts in day.accesses.values()
    )
    traffic = sum(sums[0] for batch in batches for sums in batch.traffic.values())
    requests = sum(sums[0] for batch in batches for sums in batch.requests.values())
    assert reads == traffic == requests == 12_000


def test_it_may_be_called_in_its_own_midst():
    """As the garbage collector does, wherever it runs: here in the reading of each event."""
    window = Window(1000)

    class Reentrant(str):
        __slots__ = ()

        def __hash__(self):
            if len(inner) < 300:
                inner.append(1)
                window(got("inner"))
            return super().__hash__()

    inner: list[int] = []
    for _ in range(2 * _AT_ONCE):
        window(got(Reentrant("outer")))
    batch = window.take()
    reads = {str(key[2]): counts[READS] for key, counts in batch.days[DAY].accesses.items()}
    rest = window.take()
    late = sum(counts[READS] or 0 for day in rest.days.values() for counts in day.accesses.values())
    assert reads["outer"] == 2 * _AT_ONCE
    assert (reads["inner"] or 0) + late == len(inner) > 200


def test_what_is_put_back_counts_once():
    window = Window(2)
    for n in range(40):
        window(
            got(
                f"k{n % 9}",
                at=AT + 86_400 * (n % 2),
                requests=(Request(backend="aws", operation="GetObject", status=200),),
            )
        )
    first = window.take()
    window(got("k1"))
    window.put_back(first)
    batch = window.take()
    assert sum(counts[READS] or 0 for day in batch.days.values() for counts in day.accesses.values()) == 41
    assert sum(sums[0] for sums in batch.traffic.values()) == 41
    assert sum(sums[0] for sums in batch.requests.values()) == 40
    assert not window.take()


def test_who_stands_still_is_not_waited_for_for_ever():
    window = Window(10)
    window(got())
    with window._counting:
        assert row(window.take(patience_seconds=0.01))["reads"] == 1
