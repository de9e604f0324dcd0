"""Changing the phase, with what can come in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from control_world import GONE, LEASE, PLACE, Primary, Service, flip, interrupted

from foodco_storage.control.flip import Checks, Flip
from foodco_storage.control.look import explained, show
from foodco_storage.errors import JournalError, PhaseRefusedError


@pytest.fixture
def primary() -> Primary:
    primary = Primary()
    primary.begin("backfill")
    return primary


def puts(primary: Primary) -> int:
    return primary.asked.count(("PutObject", PLACE.control_key))


def state(primary: Primary) -> tuple[str, bool, str | None]:
    record = primary.record()
    return record.phase, record.paused, record.moving_from


def refused(primary: Primary, target: str, *services: Service, **settings: Any) -> str:
    with pytest.raises(PhaseRefusedError) as caught:
        flip(primary, target, *services, **settings)
    assert caught.value.reasons
    return str(caught.value)


def one_by_one(*works: Callable[[], None]) -> Callable[[], None]:
    """Does one of them at each call, and nothing after the last."""
    left = list(works)

    def work() -> None:
        if left:
            left.pop(0)()

    return work


def explanation(primary: Primary) -> str:
    shown = show(PLACE, primary.call)
    assert shown is not None
    return "\n".join(explained(shown))


def test_a_flip(primary: Primary) -> None:
    services = [Service(primary).register() for _ in range(3)]
    told = flip(primary, "cutover", *services)
    assert told[0] == "paused in phase 'backfill' (epoch 2): writes wait, reads go on"
    assert [line for line in told if "epoch" in line][1:] == [
        "phase 'cutover' (epoch 3): reads go by it, writes wait",
        "done: phase 'cutover' (epoch 4), writes go on",
    ]
    for service in services:
        assert f"client {service.id}" in "\n".join(told), "who has not noticed yet is named"
        service.round()
        with service.writing() as phase:
            assert phase == service.held.phase == "cutover"


@pytest.mark.parametrize(
    "phases", [("source", "backfill", "cutover", "drain", "target"), ("cutover", "backfill", "source")]
)
def test_the_whole_way(phases: tuple[str, ...]) -> None:
    primary = Primary()
    primary.begin(phases[0])
    service = Service(primary).register()
    for phase in phases[1:]:
        flip(primary, phase, service)
        assert state(primary) == (phase, False, None)


@pytest.mark.parametrize("target", ["drain", "target", "dream", "backfil"])
def test_moves_that_there_are_not(primary: Primary, target: str) -> None:
    before = puts(primary)
    assert "phase" in refused(primary, target)
    assert puts(primary) == before


def test_the_phase_that_it_is_in(primary: Primary) -> None:
    assert flip(primary, "backfill") == ["it is in phase 'backfill'"]
    assert primary.record().epoch == 1


def test_no_control_object() -> None:
    assert "`phase init images PHASE` makes it" in refused(Primary(), "backfill")


def test_writes_go_on_only_when_those_that_only_read_have_noticed(primary: Primary) -> None:
    """They have no report. Their leases have run out by then."""
    moments: dict[str, float] = {}
    for line in Flip(PLACE, "cutover", clock=primary.clock).run(
        primary.call, lambda seconds: setattr(primary, "now", primary.now + seconds)
    ):
        moments[line.split(" ")[0]] = primary.now
    assert moments["done:"] - moments["phase"] >= LEASE


@pytest.mark.parametrize("when", ["before", "paused"])
def test_a_check_that_fails(primary: Primary, when: str) -> None:
    service = Service(primary).register()
    asked: list[tuple[str, str, str]] = []

    def check(name: str) -> Callable[[str, str], Sequence[str]]:
        def reasons(start: str, end: str) -> Sequence[str]:
            asked.append((name, start, end))
            return ["keys differ", "rules expire"] if name == when else []

        return reasons

    told = refused(primary, "cutover", service, checks=Checks(check("before"), check("paused")))
    assert told.startswith("keys differ\nrules expire")
    assert state(primary) == ("backfill", False, None)
    assert primary.record().epoch == (1 if when == "before" else 3)
    assert asked[-1] == (when, "backfill", "cutover")
    service.round()
    with service.writing():
        pass


def test_a_check_that_breaks(primary: Primary) -> None:
    def broken(start: str, end: str) -> Sequence[str]:
        raise JournalError("/j", "is full")

    told = refused(primary, "cutover", checks=Checks(paused=broken))
    assert "a check failed: journal /j: is full\ntaken back: phase 'backfill', writes go on" in told
    assert not primary.record().paused


def test_a_write_that_does_not_end(primary: Primary) -> None:
    service = Service(primary).register()
    with service.writing():
        told = refused(primary, "cutover", service, wait_seconds=20)
    assert f"client {service.id}" in told
    assert "still has 1 operations under way" in told
    assert "taken back: phase 'backfill', writes go on" in told
    assert state(primary) == ("backfill", False, None)


def test_a_write_that_ends_in_time(primary: Primary) -> None:
    service = Service(primary).register()
    operation = service.writing()
    started = primary.now
    flip(primary, "cutover", service, on_wait=lambda: operation.end() if primary.now > started + 20 else None)
    assert primary.now > started + 20
    assert state(primary) == ("cutover", False, None)


def test_a_journal_that_drains(primary: Primary) -> None:
    service = Service(primary).register()
    service.journal = 3

    def work() -> None:
        operation = service.held.try_reconciling()
        if operation is not None:
            assert operation.phase == "backfill"
            service.journal -= 1
            operation.end()

    told = flip(primary, "cutover", service, on_wait=work)
    assert any("entries in its journal" in line for line in told)
    assert service.journal == 0


def test_a_journal_that_does_not_drain(primary: Primary) -> None:
    service = Service(primary).register()
    service.journal = 3
    assert "3 entries in its journal" in refused(primary, "cutover", service)
    assert state(primary) == ("backfill", False, None)


def test_a_client_that_hangs(primary: Primary) -> None:
    hangs = Service(primary).register()
    told = refused(primary, "cutover", wait_seconds=10)
    assert f"client {hangs.id}" in told
    assert "has not noticed the pause yet" in told
    assert state(primary) == ("backfill", False, None)


def test_a_client_that_died_long_ago(primary: Primary) -> None:
    dead = Service(primary).register()
    dead.journal = 2
    primary.now += 6
    with dead.writing():
        primary.now += 4
        dead.round()
    primary.now += GONE + 2
    alive = Service(primary).register()
    told = refused(primary, "cutover", alive)
    assert f"client {dead.id}" in told
    assert (
        "probably dead, it last reported 32 s ago; its journal had 2 entries then, 1 operations were under way" in told
    )
    assert f"--forget {dead.id}" in told
    assert primary.record().epoch == 1, "nobody was made to wait"
    assert f"--forget {dead.id}" in explanation(primary)
    told = "\n".join(flip(primary, "cutover", alive, forget=frozenset({dead.id})))
    assert f"forgotten: client {dead.id}" in told
    assert primary.reports() == {alive.id}
    assert state(primary) == ("cutover", False, None)


def test_who_lives_is_not_forgotten(primary: Primary) -> None:
    service = Service(primary).register()
    told = refused(primary, "cutover", service, forget=frozenset({service.id}))
    assert (
        "reported 0 s ago, so it may be at work: stop it; if it does not report again, it can be forgotten in 32 s"
        in told
    )
    assert primary.reports() == {service.id}
    assert primary.record().epoch == 1


def test_forgetting_nobody(primary: Primary) -> None:
    assert "there is no client 0a" in flip(primary, "cutover", forget=frozenset({"0a"}))


def test_forgetting_without_moving(primary: Primary) -> None:
    dead = Service(primary).register()
    other = Service(primary).register()
    primary.now += GONE + 2
    told = flip(primary, "backfill", forget=frozenset({dead.id}))
    assert told[-1] == "it is in phase 'backfill'"
    assert primary.reports() == {other.id}


def test_a_report_that_can_not_be_read(primary: Primary) -> None:
    primary.call("PutObject", {"Bucket": "b", "Key": PLACE.client_key("c"), "Body": b"{"})
    assert "the report of client c can't be read: it is not JSON" in refused(primary, "cutover", wait_seconds=5)
    primary.now += GONE + 2
    flip(primary, "cutover", forget=frozenset({"c"}))


def test_a_client_that_dies_in_the_pause(primary: Primary) -> None:
    dies = Service(primary).register()
    operation = dies.writing()
    told = refused(primary, "cutover", on_wait=one_by_one(dies.round), wait_seconds=60)
    assert "probably dead" in told
    assert "1 operations were under way" in told
    assert state(primary) == ("backfill", False, None)
    operation.end()


def test_a_client_that_dies_after_it_told_that_nothing_is_left(primary: Primary) -> None:
    """It is waited for while there is still a way back."""
    dies, slow = Service(primary).register(), Service(primary).register()
    operation = slow.writing()
    lives = [True]

    def wait() -> None:
        if lives:
            dies.round()
        lives.clear()

    assert "probably dead" in refused(primary, "cutover", slow, on_wait=wait, wait_seconds=60)
    assert state(primary) == ("backfill", False, None)
    operation.end()


def test_a_client_that_dies_when_the_new_phase_is_set(primary: Primary) -> None:
    dies, lives = Service(primary).register(), Service(primary).register()

    def wait() -> None:
        if primary.record().phase == "backfill":
            dies.round()

    told = refused(primary, "cutover", lives, on_wait=wait, wait_seconds=10)
    assert "has not noticed the new phase yet" in told
    assert "writes wait until `phase set images cutover` has finished it" in told
    assert state(primary) == ("cutover", True, "backfill")
    assert "can't be taken back" in explanation(primary)
    assert "on its way from 'backfill' to 'cutover'" in refused(primary, "backfill", lives)
    primary.now += GONE + 2
    lives.round()
    assert f"--forget {dies.id}" in refused(primary, "cutover", lives, wait_seconds=5)
    flip(primary, "cutover", lives, forget=frozenset({dies.id}))
    assert state(primary) == ("cutover", False, None)


def test_a_client_that_comes_while_the_checks_run(primary: Primary) -> None:
    """With entries in its journal, which a process before it has left."""
    late = Service(primary)
    late.journal = 1

    def come(start: str, end: str) -> Sequence[str]:
        assert late.held.try_writing() is None
        late.round()
        assert primary.reports() == {late.id}
        return []

    assert "1 entries in its journal" in refused(primary, "cutover", late, checks=Checks(paused=come))


def test_a_client_that_leaves_in_the_pause(primary: Primary) -> None:
    leaves = Service(primary).register()
    flip(primary, "cutover", on_wait=leaves.held.close)
    assert state(primary) == ("cutover", False, None)


def test_a_read_that_does_not_end(primary: Primary) -> None:
    service = Service(primary).register()
    with service.held.reading():
        told = refused(primary, "cutover", service, wait_seconds=15)
    assert "still has 1 reads and 0 operations under way from before" in told
    flip(primary, "cutover", service)
    assert state(primary) == ("cutover", False, None)


@pytest.mark.parametrize(
    ("until", "left"),
    [
        ("paused", ("backfill", True, None)),
        ("has not noticed the pause", ("backfill", True, None)),
        ("phase 'cutover'", ("cutover", True, "backfill")),
        ("waiting until those", ("cutover", True, "backfill")),
        ("done", ("cutover", False, None)),
    ],
)
def test_an_interrupted_flip_is_finished(primary: Primary, until: str, left: tuple[str, bool, str | None]) -> None:
    services = Service(primary).register(), Service(primary).register()
    told = list(interrupted(primary, "cutover", services, until))
    assert until in told[-1]
    assert state(primary) == left
    assert explanation(primary)
    flip(primary, "cutover", *services)
    assert state(primary) == ("cutover", False, None)


def test_an_interrupted_flip_is_taken_back(primary: Primary) -> None:
    services = Service(primary).register(), Service(primary).register()
    list(interrupted(primary, "cutover", services, "has not noticed the pause"))
    assert "take it back: `phase set images backfill`" in explanation(primary)
    services[0].round()
    assert services[0].held.try_writing() is None
    assert flip(primary, "backfill", *services) == ["taken back: phase 'backfill', writes go on"]
    services[0].round()
    with services[0].writing() as phase:
        assert phase == "backfill"


def test_an_interrupted_flip_may_go_the_other_way(primary: Primary) -> None:
    """Nothing has changed yet."""
    service = Service(primary).register()
    list(interrupted(primary, "cutover", (service,), "paused"))
    flip(primary, "source", service)
    assert state(primary) == ("source", False, None)


def test_what_keeps_an_interrupted_flip_from_going_on(primary: Primary) -> None:
    list(interrupted(primary, "cutover", (), "paused"))
    told = refused(primary, "cutover", checks=Checks(before=lambda *_: ["a rule expires objects"]))
    assert "the route is still paused, by an earlier command: `phase set images backfill` takes that back" in told
    assert state(primary) == ("backfill", True, None)


def test_ctrl_c(primary: Primary) -> None:
    service = Service(primary).register()

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Flip(PLACE, "cutover", clock=primary.clock).run(primary.call, sleep))
    assert "take it back: `phase set images backfill`" in explanation(primary)
    flip(primary, "cutover", service)


@pytest.mark.parametrize("trouble", ["lost before", "lost after", "500"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_answer_of_each_change_may_be_lost(primary: Primary, trouble: str, number: int) -> None:
    service = Service(primary).register()
    seen = [0]

    def lose(operation: str, params: dict[str, Any]) -> str | None:
        if (operation, params.get("Key")) == ("PutObject", PLACE.control_key):
            seen[0] += 1
            return trouble if seen[0] == number else None
        return None

    primary.troubles.append(lose)
    flip(primary, "cutover", service)
    assert state(primary) == ("cutover", False, None)
    assert primary.record().epoch == 4


def test_a_pause_that_can_not_be_taken_back(primary: Primary) -> None:
    service = Service(primary).register()
    operation = service.writing()

    def fail_at_the_end() -> None:
        primary.trouble("403", "PutObject", "control.json", times=1)

    told = refused(primary, "cutover", service, wait_seconds=3, on_wait=fail_at_the_end)
    assert "could not be taken back" in told
    assert "`phase set images backfill`" in told
    assert state(primary) == ("backfill", True, None)
    operation.end()


def test_two_operators(primary: Primary) -> None:
    service = Service(primary).register()
    first = Flip(PLACE, "cutover", clock=primary.clock).run(primary.call, lambda _: service.round())
    assert "paused" in next(first)
    flip(primary, "source", service)
    with pytest.raises(PhaseRefusedError, match="has changed the control object too"):
        list(first)
    assert state(primary) == ("source", False, None)


def test_an_outage_while_it_waits(primary: Primary) -> None:
    service = Service(primary).register()
    told = flip(primary, "cutover", service, on_wait=one_by_one(lambda: None, primary.down, lambda: None, primary.up))
    assert any("the clients can't be looked at" in line for line in told)
    assert state(primary) == ("cutover", False, None)


def test_a_listing_that_fails_while_it_waits(primary: Primary) -> None:
    """Then what was begun is taken back."""
    service = Service(primary).register()

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = primary.call(operation, params)
        lags = operation == "ListObjectsV2" and primary.record().paused
        return {**answer, "Contents": []} if lags else answer

    def sleep(seconds: float) -> None:
        primary.now += seconds
        service.round()

    with pytest.raises(PhaseRefusedError, match=r"(?s)does not show the control object.*taken back"):
        list(Flip(PLACE, "cutover", wait_seconds=5, clock=primary.clock).run(call, sleep))
    assert state(primary) == ("backfill", False, None)


def test_the_store_is_down_from_the_beginning(primary: Primary) -> None:
    primary.trouble("503", "GetObject")
    with pytest.raises(ClientError, match="503"):
        flip(primary, "cutover")


def test_settings_stay_from_flip_to_flip() -> None:
    """Both sides judge by them whether a client is gone."""
    primary = Primary()
    primary.begin("backfill", lease_seconds=7.0, refresh_seconds=1.5)
    flip(primary, "cutover")
    record = primary.record()
    assert (record.lease_seconds, record.refresh_seconds, record.gone_seconds) == (7.0, 1.5, 22.0)
