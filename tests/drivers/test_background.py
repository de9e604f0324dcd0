"""Work that nobody waits for: bounded, dropped under pressure, and never a burden to whoever left it."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from foodco_storage.counting import counters
from foodco_storage.drivers import background as module
from foodco_storage.drivers.background import THREADS, Background
from foodco_storage.flows.effects import Gate, Later
from foodco_storage.flows.outcomes import Unavailable
from foodco_storage.flows.request import Flow
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.testing import wait_until


class Works:
    """Makes works that wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.done: list[str] = []
        self.dropped: list[str] = []

    def later(self, topic: str, **more: Any) -> Later:
        def flow() -> Flow:
            self.begun.release()
            assert self.go.wait(10)
            self.done.append(topic)
            yield from ()
            return {}

        return Later("background", topic, flow, dropped=lambda: self.dropped.append(topic), **more)


def carry_out(flow: Flow) -> Any:
    try:
        next(flow)
    except StopIteration as end:
        return end.value


@pytest.fixture
def works() -> Iterator[Works]:
    works = Works()
    yield works
    works.go.set()


def counted(name: str) -> int:
    return counters().get("background", {}).get(name, 0)


def busy(background: Background, works: Works) -> None:
    """Every thread is at work."""
    for number in range(THREADS):
        assert background.submit(works.later(f"busy {number}"), carry_out)
    for _ in range(THREADS):
        assert works.begun.acquire(timeout=10)


def test_is_done_by_other_threads(works: Works) -> None:
    background = Background()
    names = []

    def flow() -> Flow:
        names.append(threading.current_thread().name)
        yield from ()
        return {}

    assert background.submit(Later("background", "t", flow), carry_out)
    assert background.join()
    assert names == ["foodco-storage-background"]


def test_two_at_a_time(works: Works) -> None:
    """However quickly they come: one that is idle does not keep another from being started."""
    background = Background()
    background.submit(works.later("warm"), carry_out)
    works.go.set()
    assert background.join()
    works.go.clear()
    wait_until(lambda: background._idle == 1, what="an idle thread")
    for number in range(5):
        background.submit(works.later(str(number)), carry_out)
    for _ in range(1 + THREADS):
        assert works.begun.acquire(timeout=10)
    assert not works.begun.acquire(timeout=0.05)
    works.go.set()
    assert background.join()
    assert sorted(works.done) == ["0", "1", "2", "3", "4", "warm"]


def test_threads_go_when_there_is_nothing_to_do(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    background = Background()
    works.go.set()
    for _ in range(2):
        background.submit(works.later("t"), carry_out)
        assert background.join()
        wait_until(lambda: background._threads == 0, what="the threads to go")


def test_of_several_on_one_topic_one_is_kept(works: Works) -> None:
    background, before = Background(), counted("promotes_dropped")
    assert background.submit(works.later("a"), carry_out)
    assert works.begun.acquire(timeout=10)
    # Also while it is being done.
    assert not background.submit(works.later("a"), carry_out)
    assert background.submit(works.later("b"), carry_out)
    assert works.dropped == ["a"]
    works.go.set()
    assert background.join()
    assert sorted(works.done) == ["a", "b"]
    # It is no loss: the other one does the same.
    assert counted("promotes_dropped") == before
    assert background.submit(works.later("a"), carry_out)
    assert background.join()


def test_too_many_are_dropped(works: Works) -> None:
    background, before = Background(max_works=2), counted("promotes_dropped")
    busy(background, works)
    taken = [background.submit(works.later(str(number)), carry_out) for number in range(4)]
    assert taken == [True, True, False, False]
    assert works.dropped == ["2", "3"]
    assert counted("promotes_dropped") == before + 2


def test_too_large_ones_are_dropped_and_small_ones_are_not(works: Works) -> None:
    background = Background(max_bytes=100)
    busy(background, works)
    assert background.submit(works.later("60", size=60), carry_out)
    assert not background.submit(works.later("50", size=50), carry_out)
    assert background.submit(works.later("40", size=40), carry_out)
    works.go.set()
    assert background.join()
    # What they held is free again.
    assert background.submit(works.later("100", size=100), carry_out)
    assert background.join()


def test_what_comes_too_late_is_dropped(works: Works) -> None:
    now = [0.0]
    background, before = Background(clock=lambda: now[0]), counted("promotes_dropped")
    busy(background, works)
    background.submit(works.later("late", deadline_seconds=5), carry_out)
    background.submit(works.later("in time", deadline_seconds=50), carry_out)
    now[0] = 10
    works.go.set()
    assert background.join()
    assert "in time" in works.done
    assert works.dropped == ["late"]
    assert counted("promotes_dropped") == before + 1


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (Unavailable("p", ClientError(error_response("SlowDown", 503, "down"), "PutObject")), logging.INFO),
        (ValueError("a mistake"), logging.ERROR),
    ],
)
def test_failures_are_logged_and_end_nothing(
    works: Works, error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Flow:
        yield from ()
        raise error

    background = Background()
    with caplog.at_level(logging.INFO, "foodco_storage"):
        background.submit(Later("background", "fails", fails), carry_out)
        background.now(Later("background", "fails", fails), carry_out)
        assert background.join()
    assert [record.levelno for record in caplog.records] == [level, level]
    works.go.set()
    background.submit(works.later("next"), carry_out)
    assert background.join()
    assert works.done == ["next"]


def test_the_context_of_whoever_left_it(works: Works) -> None:
    variable = contextvars.ContextVar[str]("variable", default="")
    seen = []

    def flow() -> Flow:
        seen.append(variable.get())
        yield from ()
        return {}

    background = Background()
    variable.set("the request's")
    background.submit(Later("background", "t", flow), carry_out)
    variable.set("another's")
    assert background.join()
    assert seen == ["the request's"]


def test_an_interpreter_that_ends_starts_no_threads(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body may be dropped, and so leave work, when everything is being torn down."""
    background = Background()

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert not background.submit(works.later("t", size=10), carry_out)
    assert works.dropped == ["t"]
    assert background.join(0)
    monkeypatch.undo()
    works.go.set()
    assert background.submit(works.later("t"), carry_out)
    assert background.join()
    assert works.done == ["t"]


class HeldGate:
    """Of a route whose phase may move."""

    def __init__(self, phase: str | None) -> None:
        self.phase = phase or ""
        self.is_open = phase is not None
        self.inside = 0

    def try_writing(self) -> Any:
        return self._enter() if self.is_open else None

    @contextmanager
    def _enter(self) -> Iterator[str]:
        self.inside += 1
        yield self.phase
        self.inside -= 1


@pytest.mark.parametrize(("phase", "is_done"), [("cutover", True), ("target", False), (None, False)])
def test_the_phase_of_the_route(works: Works, phase: str | None, is_done: bool) -> None:
    gate: Any = HeldGate(phase)
    inside = []

    def flow() -> Flow:
        inside.append(gate.inside)
        yield from ()
        return {}

    held: Gate = gate
    later = Later(
        "background", "t", flow, gate=held, phases={"cutover", "drain"}, dropped=lambda: works.dropped.append("t")
    )
    Background().now(later, carry_out)
    assert inside == ([1] if is_done else [])
    assert works.dropped == ([] if is_done else ["t"])
    assert gate.inside == 0


def test_a_forked_child_leaves_the_parent_its_works(works: Works) -> None:
    background = Background()
    busy(background, works)
    background.submit(works.later("waiting"), carry_out)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            background.after_fork()
            assert works.dropped == ["waiting"]
            assert background.join(0)
            works.go.set()
            # Also what the parent is at work on.
            assert background.submit(works.later("busy 0"), carry_out)
            assert background.join(10)
            assert works.done == ["busy 0"]
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    works.go.set()
    assert background.join()
    assert sorted(works.done) == ["busy 0", "busy 1", "waiting"]
    assert works.dropped == []
