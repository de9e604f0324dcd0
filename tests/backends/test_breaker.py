"""The circuit breaker, under a clock that only the test moves."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import EndpointConnectionError

from foodco_storage.backends.breaker import Breaker
from foodco_storage.errors import CircuitOpenError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("https://rgw.invalid", failures=3, open_seconds=10, clock=clock)


def opened(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.before()
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.before()
        breaker.failed()
        assert breaker.state == "closed"
    breaker.failed()
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError) as raised:
        breaker.before()
    assert isinstance(raised.value, EndpointConnectionError)
    assert "https://rgw.invalid" in str(raised.value)
    assert "3 times" in str(raised.value)
    assert "10.0 s" in str(raised.value)


def test_a_success_in_between_starts_the_count_anew(breaker: Breaker) -> None:
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"
    breaker.before()


def test_what_shows_nothing_does_not_count(breaker: Breaker) -> None:
    for _ in range(10):
        breaker.before()
        breaker.released()
    assert breaker.state == "closed"


def test_after_its_time_one_request_is_tried(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 9.9
    with pytest.raises(CircuitOpenError, match=r"0\.1 s"):
        breaker.before()
    clock.now += 0.1
    breaker.before()
    assert breaker.state == "half-open"
    with pytest.raises(CircuitOpenError):
        breaker.before()


def test_the_try_that_works_closes_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.before()
    breaker.succeeded()
    assert breaker.state == "closed"
    # All of its failures are forgotten.
    breaker.failed()
    breaker.failed()
    breaker.before()
    assert breaker.state == "closed"


def test_the_try_that_fails_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.failed(breaker.before())
    assert breaker.state == "open"
    clock.now += 9
    with pytest.raises(CircuitOpenError, match="4 times"):
        breaker.before()
    clock.now += 1
    breaker.before()


def test_the_try_that_shows_nothing_leaves_the_try_to_the_next(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.released(breaker.before())
    assert breaker.state == "open"
    breaker.before()
    assert breaker.state == "half-open"


def test_a_try_that_does_not_end_is_not_waited_for_forever(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    first = breaker.before()
    clock.now += 9
    with pytest.raises(CircuitOpenError, match=r"1\.0 s"):
        breaker.before()
    clock.now += 1
    second = breaker.before()
    assert second != first
    # What the first shows in the end, other than that the store answers, is of no interest any more.
    breaker.failed(first)
    breaker.released(first)
    assert breaker.state == "half-open"
    breaker.succeeded()
    assert breaker.state == "closed"


def test_requests_from_before_it_opened_are_not_the_try(breaker: Breaker, clock: Clock) -> None:
    early = [breaker.before() for _ in range(2)]
    opened(breaker)
    clock.now += 10
    trial = breaker.before()
    breaker.failed(early[0])
    breaker.released(early[1])
    assert breaker.state == "half-open"
    with pytest.raises(CircuitOpenError, match="3 times"):
        breaker.before()
    breaker.failed(trial)
    assert breaker.state == "open"


def test_failures_while_it_is_open_do_not_keep_it_open_for_longer(breaker: Breaker, clock: Clock) -> None:
    early = breaker.before()
    opened(breaker)
    clock.now += 9
    breaker.failed(early)
    clock.now += 1
    assert breaker.before() is not None


def test_of_many_threads_one_tries(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    at_once = threading.Barrier(16)
    let_through: list[bool] = []

    def ask() -> None:
        at_once.wait(60)
        try:
            breaker.before()
        except CircuitOpenError:
            let_through.append(False)
        else:
            let_through.append(True)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(let_through) == [False] * 15 + [True]


def test_a_fork_leaves_the_try_and_the_lock_to_the_parent(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 10
    breaker.before()
    lock = breaker._lock
    with lock:
        breaker.after_fork()
        breaker.before()
    assert breaker.state == "half-open"


def test_one_that_nobody_asks_refuses_no_longer(breaker: Breaker, clock: Clock) -> None:
    seen = []
    for _ in range(3):
        breaker.failed()
        seen.append(breaker.refuses)
    clock.now += 9
    seen.append(breaker.refuses)
    clock.now += 1
    seen.append(breaker.refuses)
    assert seen == [False, False, True, True, False]
    # On trial: whoever comes meanwhile is refused.
    breaker.before()
    assert breaker.refuses


def test_each_change_is_told(clock: Clock) -> None:
    told = []
    breaker = Breaker("x", failures=2, open_seconds=10, clock=clock, changed=lambda *told_now: told.append(told_now))
    for _ in range(3):
        breaker.failed()
    clock.now += 10
    breaker.released(breaker.before())
    clock.now += 10
    breaker.failed(breaker.before())
    clock.now += 10
    breaker.before()
    breaker.succeeded()
    breaker.succeeded()
    half_open, opened = "half-open", "open"
    assert told == [
        (opened, 2), (half_open, 2), (opened, 2), (half_open, 2), (opened, 3), (half_open, 3), ("closed", 0),
    ]  # fmt: skip
