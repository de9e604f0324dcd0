from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from control_world import LEASE, PLACE, REFRESH, Primary

from foodco_storage.control.control_object import ControlObject, Found
from foodco_storage.control.existence import create, remove
from foodco_storage.control.look import show
from foodco_storage.control.record import Record, first_record
from foodco_storage.control.steps import Ask, carry_out
from foodco_storage.control.text import DamagedError
from foodco_storage.errors import PhaseRefusedError


@pytest.fixture
def primary() -> Primary:
    return Primary()


def found(primary: Primary) -> Found:
    one = carry_out(ControlObject(PLACE).read(), primary.call)
    assert one is not None
    return one


def paused(record: Record) -> Record:
    return record.changed("me@here", phase=record.phase, paused=True, moving_from=None)


def puts(primary: Primary) -> int:
    return sum(operation == "PutObject" for operation, _ in primary.asked)


def test_made_once(primary: Primary) -> None:
    record = primary.begin("source")
    assert found(primary).record == record
    assert (record.epoch, record.phase, record.paused, record.moving_from) == (1, "source", False, None)
    with pytest.raises(PhaseRefusedError, match="there is a control object already, in phase 'source'"):
        primary.begin("backfill")
    assert primary.record() == record


def test_its_content_is_as_documented(primary: Primary) -> None:
    record = primary.begin("source")
    body = json.loads(primary.memory.buckets["b"][PLACE.control_key].data)
    assert body == {"version": 1, **asdict(record)}
    assert body["route"] == "images"


def test_two_make_it_at_once(primary: Primary) -> None:
    """Both have seen that there is none."""
    control = ControlObject(PLACE)
    records = [first_record("images", "source", who, lease_seconds=LEASE, refresh_seconds=REFRESH) for who in "ab"]
    carry_out(control.create(records[0]), primary.call)
    with pytest.raises(PhaseRefusedError, match="somebody else has changed the control object: a at"):
        carry_out(control.create(records[1]), primary.call)
    assert primary.record() == records[0]


def test_changed_only_as_it_was_seen(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    changed = carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    assert changed.record.epoch == 2
    with pytest.raises(PhaseRefusedError, match=r"somebody else .* me@here .* paused \(epoch 2\)"):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    assert primary.record() == changed.record
    # What a write answers is as good as what a reading does.
    assert (changed.etag, changed.asked_at) == (found(primary).etag, found(primary).asked_at)


@pytest.mark.parametrize("trouble", ["lost before", "lost after", "500", "503", "409"])
@pytest.mark.parametrize("makes", [True, False])
def test_whatever_is_answered_what_is_there_counts(primary: Primary, trouble: str, makes: bool) -> None:
    if not makes:
        primary.begin("source")
        seen = found(primary)
        record = paused(seen.record)
    primary.trouble(trouble, "PutObject")
    if makes:
        record = primary.begin("source")
    else:
        assert carry_out(ControlObject(PLACE).replace(seen, record), primary.call).record == record
    assert primary.record() == record


def test_an_error_of_rgw_for_what_has_taken_place(primary: Primary) -> None:
    """A conditional write that races with a plain one may be answered 500 on Ceph 16."""
    primary.begin("source")
    seen = found(primary)

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        if operation == "PutObject":
            raise ClientError({"Error": {"Code": "Unknown"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, operation)
        return answer

    record = paused(seen.record)
    assert carry_out(ControlObject(PLACE).replace(seen, record), call).record == record


def test_an_outage_that_does_not_end(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    primary.trouble("lost before", "PutObject", times=9)
    before = puts(primary)
    with pytest.raises(ConnectTimeoutError):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    assert puts(primary) - before == 3
    assert primary.record() == seen.record


def test_an_outage_in_which_nothing_can_be_found_out(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    primary.trouble("lost after", "PutObject")
    primary.trouble("lost before", "GetObject")
    with pytest.raises(ConnectTimeoutError):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)


def test_somebody_else_was_quicker_and_our_answer_is_lost(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    primary.trouble("lost before", "PutObject")
    with pytest.raises(PhaseRefusedError, match="somebody else"):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)


def test_a_request_that_arrives_late_changes_nothing(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    late: list[Ask] = []

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if operation == "PutObject" and not late:
            late.append(Ask(operation, params))
            raise ConnectTimeoutError(endpoint_url="x")
        return primary.call(operation, params)

    record = paused(seen.record)
    carry_out(ControlObject(PLACE).replace(seen, record), call)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        primary.call(*late[0])
    assert primary.record() == record


def test_taken_away_meanwhile(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    remove(PLACE, primary.call)
    primary.trouble("503", "PutObject")
    with pytest.raises(PhaseRefusedError, match="was taken away meanwhile"):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    with pytest.raises(ClientError, match="NoSuchKey"):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)


def test_a_plain_no_is_told_as_it_is(primary: Primary) -> None:
    primary.begin("source")
    seen = found(primary)
    primary.trouble("403", "PutObject", times=9)
    before = puts(primary)
    with pytest.raises(ClientError, match="Trouble403"):
        carry_out(ControlObject(PLACE).replace(seen, paused(seen.record)), primary.call)
    assert puts(primary) - before == 1


def test_a_store_that_wants_the_etag_the_other_way(primary: Primary) -> None:
    """Ceph 16, and any versioned bucket of it: 412 whatever the condition says."""
    primary.begin("source")
    seen = found(primary)
    with pytest.raises(PhaseRefusedError, match="put_if_match_quoted"):
        carry_out(ControlObject(PLACE, quoted=True).replace(seen, paused(seen.record)), primary.call)


def test_a_store_that_ignores_conditions_does_not_make_it_twice(primary: Primary) -> None:
    record = primary.begin("source")
    primary.memory = type(primary.memory)("p", ["b"], lacks=["conditional_put", "put_if_match"])
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.control_key, "Body": record.format()})
    with pytest.raises(PhaseRefusedError):
        primary.begin("source")


def broken(record: Record, **changes: Any) -> bytes:
    return json.dumps({"version": 1, **asdict(record), **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "of version 2"),
        ({"route": "other"}, "is the control object of route 'other'"),
        ({"route": 5}, "'route'"),
        ({"epoch": -1}, "'epoch'"),
        ({"epoch": True}, "'epoch'"),
        ({"epoch": 1.5}, "'epoch'"),
        ({"phase": "dream"}, "no phase 'dream'"),
        ({"phase": ["source"]}, "'phase'"),
        ({"paused": 1}, "'paused'"),
        ({"paused": None}, "'paused'"),
        ({"moving_from": "dream", "paused": True}, "no phase 'dream'"),
        ({"moving_from": "source"}, "'moving_from' is set, but"),
        ({"lease_seconds": float("nan")}, "'lease_seconds'"),
        ({"lease_seconds": float("inf")}, "'lease_seconds'"),
        ({"lease_seconds": 1}, "must be longer"),
        ({"refresh_seconds": 0}, "'refresh_seconds'"),
        ({"refresh_seconds": "2"}, "'refresh_seconds'"),
        ({"changed_by": "\x1b[31mme"}, "'changed_by'"),
        ({"changed_at": "x" * 201}, "'changed_at'"),
        ({"change_id": None}, "'change_id'"),
    ],
)
def test_damaged(primary: Primary, changes: dict[str, Any], says: str) -> None:
    record = primary.begin("source")
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.control_key, "Body": broken(record, **changes)})
    with pytest.raises(DamagedError, match=says):
        found(primary)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not JSON|version"),
        (b"[]", "no JSON object"),
        (b'"x"', "no JSON object"),
        (b" " * 65_537, "more than 65536 bytes"),
    ],
)
def test_nonsense(primary: Primary, body: bytes, says: str) -> None:
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.control_key, "Body": body})
    with pytest.raises(DamagedError, match=says) as caught:
        show(PLACE, primary.call)
    # Which object, of which route, and what to do.
    for told in (f"b/{PLACE.control_key}", repr(PLACE.route), "phase init"):
        assert told in str(caught.value)


def test_a_404_of_something_in_between_is_an_outage(primary: Primary) -> None:
    primary.trouble("404", "GetObject")
    with pytest.raises(ClientError):
        show(PLACE, primary.call)
    assert show(PLACE, primary.call) is None


@pytest.mark.parametrize(
    ("phase", "settings"),
    [
        ("dream", {}),
        ("source", {"lease_seconds": 2.0}),
        ("source", {"refresh_seconds": 0.0}),
        ("source", {"refresh_seconds": float("nan")}),
    ],
)
def test_what_it_can_not_be_made_with(primary: Primary, phase: str, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"phase|lease"):
        create(PLACE, primary.call, phase, **({"lease_seconds": 10.0, "refresh_seconds": 2.0} | settings))
    assert primary.keys() == []


def test_removing_where_there_is_none(primary: Primary) -> None:
    remove(PLACE, primary.call)
