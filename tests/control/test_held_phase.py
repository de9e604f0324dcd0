"""What one process may do, and when."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from control_world import GONE, LEASE, PLACE, REFRESH, Primary, Service

from foodco_storage.control.control_object import ControlObject
from foodco_storage.control.record import Record
from foodco_storage.control.steps import carry_out
from foodco_storage.errors import OperationRefusedError, PhaseUnknownError
from foodco_storage.telemetry import Step, add_hook, remove_hook


@pytest.fixture
def primary() -> Primary:
    primary = Primary()
    primary.begin("cutover")
    return primary


@pytest.fixture
def service(primary: Primary) -> Service:
    return Service(primary, pause_seconds=0.0)


def change(primary: Primary, *, phase: str = "cutover", paused: bool = True, moving_from: str | None = None) -> Record:
    control = ControlObject(PLACE)
    found = carry_out(control.read(), primary.call)
    assert found is not None
    record = found.record.changed("op@host", phase=phase, paused=paused, moving_from=moving_from)
    return carry_out(control.replace(found, record), primary.call).record


def report(primary: Primary, service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(primary.memory.buckets["b"][PLACE.client_key(service.id)].data)
    return found


def rest(primary: Primary, steps: Any, answer: Any) -> None:
    """Go on with a round to its end."""
    with suppress(StopIteration):
        while True:
            answer = primary.call(*steps.send(answer))


def test_reads_need_no_registration(primary: Primary, service: Service) -> None:
    assert service.held.phase == "cutover"
    with service.held.reading() as phase:
        assert phase == "cutover"
    assert primary.reports() == set()
    assert primary.asked.count(("GetObject", PLACE.control_key)) == 2


def test_a_read_costs_no_request(primary: Primary, service: Service) -> None:
    assert service.held.phase == "cutover"
    asked = len(primary.asked)
    primary.now += LEASE - 0.1
    assert service.held.phase == "cutover"
    assert len(primary.asked) == asked


def test_the_first_write_registers(primary: Primary, service: Service) -> None:
    with service.held.writing() as phase:
        assert phase == "cutover"
    assert primary.reports() == {service.id}
    kinds = [operation for operation, _ in primary.asked[-3:]]
    assert kinds == ["GetObject", "PutObject", "GetObject"], "read again after the report was stored"


def test_reports_are_renewed(primary: Primary, service: Service) -> None:
    service.register()
    asked = len(primary.asked)
    for _ in range(4):
        primary.now += REFRESH
        service.round()
    assert ("PutObject", PLACE.client_key(service.id)) not in primary.asked[asked:]
    primary.now += REFRESH
    service.round()
    assert ("PutObject", PLACE.client_key(service.id)) in primary.asked[asked:]


def test_who_is_named_in_a_report(primary: Primary, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/srv/\x07thumbs.py" + "x" * 300])
    monkeypatch.setattr(socket, "gethostname", lambda: "web\n1")
    service.register()
    found = report(primary, service)
    assert found["host"] == "web?1"
    assert found["program"].startswith("?thumbs.pyx")
    assert len(found["program"]) == 200


def test_no_control_object() -> None:
    service = Service(Primary())
    for attempt in (lambda: service.held.phase, service.held.reading().__enter__, service.held.writing):
        with pytest.raises(PhaseUnknownError, match="there is none, make it with `foodco-storage phase init`"):
            attempt()
    assert service.held.try_writing() is None


def test_a_control_object_that_could_never_be_read(primary: Primary, service: Service) -> None:
    primary.down()
    with pytest.raises(PhaseUnknownError) as caught, service.held.reading("HeadObject"):
        pass
    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert "HeadObject" in str(caught.value)
    # Not asked again for each.
    asked = len(primary.asked)
    with pytest.raises(PhaseUnknownError):
        _ = service.held.phase
    assert len(primary.asked) == asked
    primary.up()
    primary.now += REFRESH
    assert service.held.phase == "cutover"


def test_a_damaged_control_object_is_one_that_can_not_be_read(primary: Primary, service: Service) -> None:
    service.register()
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.control_key, "Body": b"{"})
    primary.now += LEASE
    service.round()
    assert service.held.phase == "drain"
    with pytest.raises(ClientError, match=r"SlowDown.*not JSON"):
        service.held.writing()


@pytest.mark.parametrize(
    ("phase", "then"),
    [("source", "source"), ("backfill", "backfill"), ("cutover", "drain"), ("drain", "drain"), ("target", "target")],
)
def test_reads_when_the_lease_has_run_out(phase: str, then: str) -> None:
    primary = Primary()
    primary.begin(phase)
    service = Service(primary).register()
    primary.down()
    primary.now += LEASE
    service.round()
    assert service.held.phase == then
    with service.held.reading() as read_by:
        assert read_by == then
    primary.up()
    service.round()
    assert service.held.phase == phase


def test_no_write_when_the_lease_has_run_out(primary: Primary, service: Service) -> None:
    service.register()
    primary.down()
    primary.now += LEASE - 0.1
    service.round()
    with service.writing():
        pass
    primary.now += 0.1
    assert service.held.try_writing() is None
    assert service.held.try_reconciling() is None
    with pytest.raises(ClientError) as caught:
        service.held.writing("DeleteObject")
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "route 'images'" in str(caught.value)
    assert "could not be read again for 10 s" in str(caught.value)
    assert "DeleteObject" in str(caught.value)
    assert type(caught.value) is ClientError, "which gets the class of its code"


def test_the_lease_counts_from_before_the_reading(primary: Primary, service: Service) -> None:
    service.register()
    steps = service.held.round()
    asked = next(steps)
    answer = primary.call(*asked)
    primary.now += LEASE + 1
    rest(primary, steps, answer)
    assert service.held.try_writing() is None


def test_a_write_after_a_sleep_reads_at_once(primary: Primary, service: Service) -> None:
    service.register()
    primary.now += 3600
    with service.held.writing() as phase:
        assert phase == "cutover"


def test_paused(primary: Primary, service: Service) -> None:
    service.register()
    change(primary)
    with service.writing() as phase:
        # Not noticed yet.
        assert phase == "cutover"
    service.round()
    assert service.held.try_writing() is None
    with pytest.raises(ClientError, match=r"SlowDown.*is being moved to another phase.*op@host"):
        service.held.writing()
    assert service.held.phase == "cutover"
    change(primary, paused=False)
    service.round()
    with service.writing():
        pass


def test_the_pause_is_acknowledged_when_the_last_write_ends(primary: Primary, service: Service) -> None:
    service.register()
    first, second = service.writing(), service.writing()
    record = change(primary)
    service.round()
    assert (report(primary, service)["epoch"], report(primary, service)["in_flight"]) == (record.epoch, 2)
    first.end()
    first.end()
    assert service.held.due_at > primary.now
    second.end()
    assert service.held.due_at <= primary.now, "a flip waits for it"
    service.held.refresh()
    assert report(primary, service)["in_flight"] == 0


def test_the_journal_drains_in_a_pause(primary: Primary, service: Service) -> None:
    service.register()
    service.journal = 2
    change(primary)
    service.round()
    assert report(primary, service)["journal"] == 2
    for left in (1, 0):
        operation = service.held.try_reconciling()
        assert operation is not None
        with operation as phase:
            assert phase == "cutover"
            service.round()
            assert report(primary, service)["in_flight"] == 1
            service.journal = left
    service.held.refresh()
    assert (report(primary, service)["in_flight"], report(primary, service)["journal"]) == (0, 0)


def test_who_has_told_that_nothing_is_left_begins_nothing(primary: Primary, service: Service) -> None:
    """The report can't be taken back: an operator may have read it. Entries may come from other processes of the host."""
    service.register()
    change(primary)
    service.round()
    assert report(primary, service)["journal"] == 0
    service.journal = 1
    assert service.held.try_reconciling() is None
    service.round()
    assert report(primary, service)["journal"] == 1
    assert service.held.try_reconciling() is None
    change(primary, paused=False)
    service.round()
    assert service.held.try_reconciling() is not None


def test_nothing_begins_between_counting_and_reading_the_journal(primary: Primary) -> None:
    service = Service(primary)
    attempts: list[object] = []

    def depth() -> int:
        attempts.append(service.held.try_reconciling())
        return 0

    service.register()
    service.held._participant._journal_depth = depth
    change(primary)
    service.round()
    assert attempts == [None]


def test_nothing_is_reconciled_in_a_phase_that_is_not_open_yet(primary: Primary, service: Service) -> None:
    service.register()
    service.journal = 1
    change(primary)
    service.round()
    operation = service.held.try_reconciling()
    assert operation is not None
    operation.end()
    change(primary, phase="drain", moving_from="cutover")
    service.round()
    assert service.held.try_reconciling() is None
    assert service.held.phase == "drain"
    with pytest.raises(ClientError, match=r"SlowDown.*is moving to 'drain'"):
        service.held.writing()


def test_a_new_phase_is_acknowledged_when_the_reads_by_the_old_one_have_ended(
    primary: Primary, service: Service
) -> None:
    service.register()
    with service.held.reading() as old:
        assert old == "cutover"
        change(primary, phase="drain", moving_from="cutover")
        service.round()
        assert report(primary, service)["reading"] == 1
        assert service.held.due_at < primary.now + REFRESH, "it is looked after more often"
        with service.held.reading() as new:
            assert new == "drain"
            service.round()
            assert report(primary, service)["reading"] == 1
    service.round()
    assert report(primary, service)["reading"] == 0


def test_a_phase_that_changes_while_a_read_begins(primary: Primary, service: Service) -> None:
    service.register()
    reading = service.held.reading()
    late = reading._current

    def overtaken() -> Any:
        view = late()
        if view.phase == "cutover":
            change(primary, phase="drain", moving_from="cutover")
            service.round()
            assert report(primary, service)["reading"] == 0
        return view

    reading._current = overtaken
    with reading as phase:
        assert phase == "drain"
    assert service.held._participant._earlier_readers == []


def test_a_client_that_may_not_report_does_not_write(primary: Primary, service: Service) -> None:
    primary.trouble("403", "PutObject", times=99)
    with pytest.raises(OperationRefusedError, match=r"clients/\*.json.*may not.*Trouble403"):
        service.held.writing()
    assert service.held.phase == "cutover"
    primary.up()
    primary.now += REFRESH
    with service.held.writing():
        pass


def test_a_client_that_can_not_report_now(primary: Primary, service: Service) -> None:
    primary.trouble("503", "PutObject")
    with pytest.raises(ClientError, match=r"SlowDown.*could not register.*Trouble503"):
        service.held.writing()
    primary.now += REFRESH
    with service.held.writing():
        pass


def test_a_pause_that_began_while_it_registered(primary: Primary, service: Service) -> None:
    """The listing of the flip did not show it yet: then it must see the pause."""
    assert service.held.phase == "cutover"
    assert service.held.try_writing() is None
    steps = service.held.round()
    asked = next(steps)
    assert asked.operation == "PutObject"
    answer = primary.call(*asked)
    change(primary)
    asked = steps.send(answer)
    assert asked.operation == "GetObject"
    assert service.held.try_writing() is None
    rest(primary, steps, primary.call(*asked))
    assert service.held.try_writing() is None


def test_a_reading_from_before_the_report_does_not_count(primary: Primary, service: Service) -> None:
    """It is under way when the first write comes."""
    steps = service.held.round()
    asked = next(steps)
    answer = primary.call(*asked)
    assert service.held.try_writing() is None
    asked = steps.send(answer)
    assert asked.operation == "PutObject"
    assert service.held.try_writing() is None


def silent(primary: Primary, service: Service, seconds: float) -> None:
    """It reads the control object, and its reports don't get through."""
    primary.trouble("lost before", "PutObject", times=999)
    while seconds > 0:
        primary.now += REFRESH
        seconds -= REFRESH
        service.round()
    primary.up()


def test_without_reports_nobody_writes(primary: Primary, service: Service) -> None:
    service.register()
    former = service.id
    silent(primary, service, GONE - REFRESH)
    with service.writing():
        pass
    silent(primary, service, REFRESH)
    assert service.held.try_writing() is None
    assert service.id != former, "the operator may take the old report away"
    service.round()
    assert primary.reports() == {service.id}
    with service.writing():
        pass


def test_a_report_that_comes_too_late_does_not_count(primary: Primary, service: Service) -> None:
    """An operator may have taken its forerunner away meanwhile, and it as well."""
    service.register()
    former = service.id
    primary.now += GONE - 1
    steps = service.held.round()
    asked = steps.send(primary.call(*next(steps)))
    assert (asked.operation, asked.params["Key"]) == ("PutObject", PLACE.client_key(former))
    answer = primary.call(*asked)
    primary.now += 1
    with pytest.raises(StopIteration):
        steps.send(answer)
    assert service.id != former
    assert service.held.try_writing() is None
    service.round()
    with service.writing():
        pass
    assert primary.reports() == {service.id}


def test_a_forgotten_client_that_lives_starts_again(primary: Primary, service: Service) -> None:
    service.register()
    former = service.id
    primary.now += GONE
    primary.call("DeleteObject", {"Bucket": "b", "Key": PLACE.client_key(former)})
    change(primary)
    assert service.held.try_writing() is None
    with pytest.raises(ClientError, match="SlowDown"):
        service.held.writing()
    assert primary.reports() == {service.id} != {former}


def test_a_write_from_before_that_is_not_over(primary: Primary, service: Service) -> None:
    """The client was forgotten with a write under way. Here at least the two phases don't mix."""
    service.register()
    operation = service.writing()
    change(primary, phase="drain", moving_from="cutover")
    change(primary, phase="drain", paused=False)
    service.round()
    with pytest.raises(ClientError, match=r"SlowDown.*operations that began in phase 'cutover'"):
        service.held.writing()
    operation.end()
    with service.writing() as phase:
        assert phase == "drain"


def test_an_orderly_end(primary: Primary, service: Service) -> None:
    service.register()
    service.held.close()
    assert primary.reports() == set()
    service.held.close()
    # And on again, as boto3's clients after `close`.
    with service.held.writing() as phase:
        assert phase == "cutover"
    assert primary.reports() == {service.id}


def test_an_end_with_entries_in_the_journal(primary: Primary, service: Service) -> None:
    service.register()
    service.journal = 2
    service.held.close()
    assert report(primary, service)["journal"] == 2
    assert service.held.try_writing() is None


def test_an_end_in_the_middle_of_a_write(primary: Primary, service: Service) -> None:
    service.register()
    with service.writing():
        service.held.close()
        assert report(primary, service)["in_flight"] == 1
        assert service.held.try_writing() is None


def test_an_end_without_a_beginning(primary: Primary, service: Service) -> None:
    asked = len(primary.asked)
    service.held.close()
    assert len(primary.asked) == asked


def test_an_end_in_an_outage(primary: Primary, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.register()
    primary.down()
    service.held.close()
    assert "could not be taken away" in caplog.text


def test_a_lost_report_is_taken_away_too(primary: Primary, service: Service) -> None:
    """It may have been stored, whatever was answered."""
    primary.trouble("lost after", "PutObject")
    assert service.held.try_writing() is None
    service.round()
    assert primary.reports() == {service.id}
    service.held.close()
    assert primary.reports() == set()


def test_a_journal_that_can_not_be_read(primary: Primary, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.register()

    def broken() -> int:
        raise OSError("disk full")

    service.held._participant._journal_depth = broken
    record = change(primary)
    service.round()
    assert report(primary, service)["epoch"] < record.epoch, "nothing is acknowledged"
    assert "the journal can't be read: disk full" in caplog.text
    service.held._participant._journal_depth = lambda: 0
    service.round()
    assert report(primary, service)["epoch"] == record.epoch


def test_an_outage_is_told_once(primary: Primary, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "foodco_storage")
    service.register()
    primary.down()
    for _ in range(3):
        service.round()
    primary.up()
    service.round()
    assert [record.message.split(": ")[1].split(" ")[0] for record in caplog.records] == ["out", "back"]


def test_a_phase_that_has_moved_is_told_of_once(primary: Primary, service: Service) -> None:
    told: list[Any] = []
    add_hook(told.append)
    try:
        assert service.held.phase == "cutover"
        change(primary, phase="drain", paused=False)
        for _ in range(3):
            primary.now += REFRESH
            service.held.refresh()
    finally:
        remove_hook(told.append)
    assert [(step.step, step.outcome, step.route) for step in told if isinstance(step, Step)] == [
        ("phase", "drain", PLACE.route)
    ]
