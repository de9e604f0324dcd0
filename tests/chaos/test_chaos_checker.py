"""The checker of the chaos test, on histories made by hand: it finds what can't be, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from chaos_checker import LATE_SECONDS, History, Read, Write, histories
from chaos_log import Log, Record, read
from chaos_values import PART_BYTES, Version, WrongBodyError, check_body, version_of

BEFORE = Write(0, -math.inf, -math.inf, is_acknowledged=True, is_delete=True)


def put(number: int, start: float, end: float) -> Write:
    return Write(number, start, end, is_acknowledged=True, is_delete=False, etag=f"etag{number}")


def delete(number: int, start: float, end: float) -> Write:
    return Write(number, start, end, is_acknowledged=True, is_delete=True)


def lost(number: int, start: float, end: float, *, is_delete: bool = False) -> Write:
    return Write(number, start, end + LATE_SECONDS, is_acknowledged=False, is_delete=is_delete)


def saw(number: int | None, start: float, end: float) -> Read:
    return Read("r0", "get", start, end, number)


GOOD = {
    "before anything": ([], [saw(None, 0, 1)]),
    "the last write": ([put(1, 1, 2)], [saw(1, 3, 4)]),
    "a write under way shows": ([put(1, 1, 5)], [saw(1, 2, 3)]),
    "a write under way does not show yet": ([put(1, 1, 5)], [saw(None, 2, 3)]),
    "a delete": ([put(1, 1, 2), delete(2, 3, 4)], [saw(None, 5, 6)]),
    "a delete under way": ([put(1, 1, 2), delete(2, 3, 9)], [saw(1, 4, 5), saw(None, 6, 7)]),
    "a lost write shows": ([put(1, 1, 2), lost(2, 3, 4)], [saw(2, 5, 6)]),
    "a lost write does not show": ([put(1, 1, 2), lost(2, 3, 4)], [saw(1, 20, 21)]),
    "a lost write comes late": ([lost(1, 1, 2), put(2, 3, 4)], [saw(1, 5, 6)]),
    "a lost delete comes late": ([lost(1, 1, 2, is_delete=True), put(2, 3, 4)], [saw(2, 5, 6), saw(None, 7, 8)]),
    "a lost delete is overtaken": ([lost(1, 1, 2, is_delete=True), put(2, 3, 4)], [saw(2, 5, 6)]),
    "looks at one time may differ": ([put(1, 1, 9)], [saw(1, 2, 5), saw(None, 3, 6)]),
}
BAD = {
    "nobody has written it": ([put(1, 1, 2)], [saw(7, 3, 4)]),
    "lost after it was acknowledged": ([put(1, 1, 2)], [saw(None, 3, 4)]),
    "an older version": ([put(1, 1, 2), put(2, 3, 4)], [saw(1, 5, 6)]),
    "before it was written": ([put(1, 5, 6)], [saw(1, 2, 3)]),
    "deleted, and back": ([put(1, 1, 2), delete(2, 3, 4)], [saw(1, 5, 6)]),
    "what was there before is back": ([put(1, 1, 2), delete(2, 3, 4)], [saw(0, 5, 6)]),
    "a lost write too late": ([lost(1, 1, 2), put(2, 100, 101)], [saw(1, 102, 103)]),
    "seen, then not": ([put(1, 1, 9)], [saw(1, 2, 3), saw(None, 4, 5)]),
    "back to the one before": ([put(1, 1, 2), put(2, 3, 9)], [saw(2, 4, 5), saw(1, 6, 7)]),
    "a lost write seen, then not": ([put(1, 1, 2), lost(2, 3, 4)], [saw(2, 5, 6), saw(1, 7, 8)]),
    "a delete has no number": ([delete(1, 1, 2)], [saw(1, 3, 4)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be(name: str) -> None:
    writes, reads = GOOD[name]
    assert History("key", [BEFORE, *writes], reads).violations() == []


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be(name: str) -> None:
    writes, reads = BAD[name]
    history = History("key", [BEFORE, *writes], reads)
    (found,) = history.violations()
    assert found.startswith("key: Read(reader='r0', kind='get'")
    assert len(history.lines()) == len(writes) + len(reads) + 1


def test_records_become_histories(tmp_path: Path) -> None:
    before = {"b": Version("b", "before", 0, 300)}
    wrote = Version("a", "w0", 1, 250)
    log, controller = Log(tmp_path / "w0.log"), Log(tmp_path / "controller.log")
    for record in [
        Record("w0", "started", 1.0),
        Record("w0", "begun", 2.0, 1, "put", "a", 1, 250),
        Record("w0", "ended", 3.0, 1, "put", "a", 1, 250, "ok"),
        Record("w0", "begun", 4.0, 2, "delete", "b", 1),
        Record("w0", "ended", 5.0, 2, "delete", "b", 1, outcome="failed", error="SlowDown: wait"),
        Record("w0", "begun", 6.0, 3, "put", "a", 2, 250),
    ]:
        log.write(record)
    controller.write(Record("w0", "killed", 7.0))
    for record in [
        Record("r0", "begun", 2.5, 1, "list"),
        Record("r0", "ended", 3.5, 1, "list", outcome="ok", listed={"a": wrote.etag(), "b": before["b"].etag()}),
        Record("r0", "begun", 3.6, 2, "list"),
        Record("r0", "ended", 3.7, 2, "list", outcome="ok", listed={"b": "unheard of"}),
        Record("r0", "begun", 3.8, 3, "get", "b"),
        Record("r0", "ended", 3.9, 3, "get", "b", 0, outcome="ok"),
        Record("r0", "begun", 5.5, 4, "get", "b"),
        Record("r0", "ended", 5.6, 4, "get", "b", outcome="absent"),
        Record("r0", "begun", 5.7, 5, "get", "b"),
        Record("r0", "ended", 5.8, 5, "get", "b", outcome="failed", error="503: no"),
    ]:
        log.write(record)
    log.close()
    controller.close()
    records = [record for name in ("w0", "controller") for record in read(tmp_path / f"{name}.log")]
    found = histories(records, before, ["a", "b"])
    a, b = found["a"], found["b"]
    assert a.writes == [
        BEFORE,
        Write(1, 2.0, 3.0, is_acknowledged=True, is_delete=False, etag=wrote.etag()),
        Write(2, 6.0, 7.0 + LATE_SECONDS, False, False, Version("a", "w0", 2, 250).etag()),
    ]
    assert b.writes[1:] == [Write(1, 4.0, 5.0 + LATE_SECONDS, is_acknowledged=False, is_delete=True)]
    assert [look.number for look in a.reads] == [1, None]
    assert [look.number for look in b.reads] == [0, -1, 0, None]
    # The second list lacks `a`, and shows something of `b` that was never written.
    assert len(a.violations()) == 1
    assert len(b.violations()) == 1


@pytest.mark.parametrize("size", [100, 3000, PART_BYTES + 7])
def test_a_body_tells_what_it_is(size: int) -> None:
    version = Version("key", "w0", 7, size)
    body = version.body()
    assert len(body) == size
    assert version_of("key", version.metadata()) == version
    check_body(version, body)
    check_body(version, body[50:], 50)
    check_body(version, body[10:20], 10, 10)
    assert ("-" in version.etag()) == (size > PART_BYTES)


@pytest.mark.parametrize("damage", ["short", "spliced", "another's", "empty"])
def test_a_wrong_body_is_found(damage: str) -> None:
    version, other = Version("key", "w0", 7, 3000), Version("key", "w0", 8, 3000)
    body = {
        "short": version.body()[:-1],
        "spliced": version.body()[:1500] + other.body()[1500:],
        "another's": other.body(),
        "empty": b"",
    }[damage]
    with pytest.raises(WrongBodyError, match="number=7"):
        check_body(version, body)


def test_metadata_that_nobody_writes() -> None:
    with pytest.raises(WrongBodyError, match="nobody writes such metadata"):
        version_of("key", {"writer": "w0"})
