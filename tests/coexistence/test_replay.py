"""Flows that are run again stand where they stood, and what they ask for besides calls is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
from frozen import freeze, no_answer, thaw
from immutable_stores import BUCKET, Answer, Answers
from replay import Edge, Node, Program
from runs import SENT_AGAIN, Deferred, Ended, Entered, Setting, Settled, whatever
from sketch_flows import ENTRY, P, ask, at

from foodco_storage.flows.effects import (
    Able,
    Count,
    Defer,
    Discard,
    Enter,
    Gather,
    Later,
    NewId,
    Pause,
    Resumable,
    Settle,
    Spool,
    Spooled,
    Tee,
    Warn,
)
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.request import Flow, Request, Response

pytestmark = pytest.mark.slow  # the explorer itself is the same on every Python

ANSWERS = Answers()


def program(make: Callable[[], Flow], judge: Any = whatever) -> Program:
    setting = Setting(lambda backend, capability: capability != "missing")
    return Program(setting, (0, 0), "a flow", lambda: (make(), None), judge)


def saw(response: Response | None, error: BackendError | None) -> Ended:
    """Shows the response, or the class of the error."""
    return Ended("returned", (freeze(response) if error is None else type(error).__name__,))


def answer(**response: Any) -> Answer:
    return ANSWERS.answer(freeze({"ResponseMetadata": {"RetryAttempts": 0}, **response}))


def result(node: Node) -> Any:
    assert node.ended is not None
    (seen,) = node.ended.results
    return thaw(seen)


def test_two_answers_lead_two_ways_and_each_way_is_one() -> None:
    def flow() -> Flow:
        first = yield ask(P, "HeadObject")
        second = yield ask(P, "GetObject", IfMatch=first["ETag"])
        return {"second": second["ETag"]}

    begin = program(flow, saw).begin().node
    (_, one), (_, other) = (begin.follow((), answer(ETag=etag)).node.calls[0] for etag in "ab")
    assert "IfMatch='a'" in str(one)
    assert "IfMatch='b'" in str(other)
    assert begin.follow((), answer(ETag="a")) is begin.follow((), answer(ETag="a"))
    assert result(begin.follow((), answer(ETag="a")).node.follow((), answer(ETag="c")).node) == {"second": "c"}


def test_what_a_flow_does_to_a_response_is_not_seen_by_the_next_run() -> None:
    def flow() -> Flow:
        response = yield ask(P, "GetObject")
        response["Seen"] = [*response.get("Seen", []), response["Body"].read()]
        yield ask(P, "HeadObject")
        return {"seen": response["Seen"]}

    got = ANSWERS.answer(("dict", (("Body", ("body", b"v0")),)))
    node = program(flow, saw).begin().node.follow((), got).node
    for etag in "ab":
        assert result(node.follow((), answer(ETag=etag)).node) == {"seen": [b"v0"]}


def test_failures_are_thrown() -> None:
    def flow() -> Flow:
        try:
            yield ask(P, "HeadObject")
        except Unavailable as error:
            return {"from": error.backend}
        return {}

    begin = program(flow, saw).begin().node
    assert result(begin.follow((), ANSWERS.answer(no_answer("p"))).node) == {"from": "p"}


def test_errors_of_a_flow_are_judged() -> None:
    begin = program(lambda: at(P), saw).begin().node
    assert result(begin.follow((), ANSWERS.answer(no_answer("p"))).node) == "Unavailable"


def test_a_call_that_was_sent_again_says_so() -> None:
    def flow() -> Flow:
        response = yield ask(P, "PutObject")
        again = yield ask(P, "PutObject")
        return {"retries": [one["ResponseMetadata"]["RetryAttempts"] for one in (response, again)]}

    begin = program(flow, saw).begin().node
    sent = begin.follow((), SENT_AGAIN).node.follow((), SENT_AGAIN).node
    assert sent.calls == begin.calls
    assert result(sent.follow((), answer()).node.follow((), answer()).node) == {"retries": [2, 0]}


def test_a_body_that_was_sent_is_at_its_end() -> None:
    def flow() -> Flow:
        spooled: Spooled = yield Spool((yield ask(P, "GetObject"))["Body"])
        for _ in range(2):
            yield ask(P, "PutObject", Body=spooled.file)
        return {}

    got = ANSWERS.answer(("dict", (("Body", ("body", b"v0")),)))
    first = program(flow).begin().node.follow((), got).node
    assert "Body=b'v0'" in str(first.calls[0][1])
    assert "Body=b''" in str(first.follow((), answer()).node.calls[0][1])


def test_ids_and_numbers_are_the_same_every_time_and_never_twice() -> None:
    def flow() -> Flow:
        ids = [(yield NewId()), (yield NewId())]
        numbers = yield Enter([ENTRY, ENTRY])
        numbers += yield Enter([ENTRY])
        yield ask(P, "HeadObject")
        return {"ids": ids, "numbers": numbers}

    begin = program(flow, saw).begin().node
    seen = [result(begin.follow((), answer(ETag=etag)).node) for etag in "ab"]
    assert seen[0] == seen[1]
    assert len(set(seen[0]["ids"])) == 2
    assert seen[0]["numbers"] == [0, 1, 2]


def test_the_journal_is_written_between_calls() -> None:
    def flow() -> Flow:
        numbers = yield Enter([ENTRY])
        yield ask(P, "HeadObject")
        yield Settle(numbers)
        yield Defer(numbers, "why")
        return {}

    begin = program(flow).begin()
    assert begin.journaled == (Entered((0,)),)
    assert begin.node.follow((), answer()).journaled == (Settled((0,)), Deferred((0,)))


def test_what_takes_no_time_is_done_at_once() -> None:
    def flow() -> Flow:
        yield Pause(1.0)
        yield Count("reads", "r")
        yield Warn("topic", "message")
        response = yield ask(P, "GetObject")
        body = yield Resumable(response["Body"], 2, lambda offset: at(P))
        data = body.read()
        yield Discard(body)
        able = [(yield Able(P, BUCKET, "there")), (yield Able(P, BUCKET, "missing"))]
        return {"able": able, "data": data}

    got = ANSWERS.answer(("dict", (("Body", ("body", b"v0")),)))
    assert result(program(flow, saw).begin().node.follow((), got).node) == {"able": [True, False], "data": b"v0"}


def test_work_for_later_is_a_program_of_its_own() -> None:
    def flow() -> Flow:
        response = yield ask(P, "HeadObject")
        taken = yield Later("r", "topic", lambda: later(response["ETag"]))
        return {"taken": taken}

    def later(etag: str) -> Flow:
        yield ask(P, "GetObject", IfMatch=etag)
        return {}

    begin = program(flow, saw).begin().node
    edges = [begin.follow((), answer(ETag=etag)) for etag in "ab"]
    assert [result(edge.node) for edge in edges] == [{"taken": True}] * 2
    for edge, etag in zip(edges, "ab", strict=True):
        (spawned,) = edge.spawned
        assert f"IfMatch='{etag}'" in str(spawned.begin().node.calls[0][1])
        assert spawned.order == (0, 0, "", 1)


def test_work_that_can_not_wait_is_done_before_the_flow_goes_on() -> None:
    def flow() -> Flow:
        taken = yield Later("r", "topic", later, inline=True)
        return {"taken": taken}

    def later() -> Flow:
        yield ask(P, "GetObject")
        return {}

    begin = program(flow, saw).begin()
    assert begin.spawned == ()
    for came in (answer(), ANSWERS.answer(no_answer("p"))):
        # Its failure is nobody's.
        assert result(begin.node.follow((), came).node) == {"taken": True}


def teed(*, reads: int | None) -> Edge:
    """A flow that hands out a body of two bytes that is kept, to a caller who reads some of it."""

    def flow() -> Flow:
        response = yield ask(P, "GetObject")
        response["Body"] = yield Tee(response["Body"], 2, finished, lambda: Later("r", "abandoned", again))
        return dict(response)

    def finished(spooled: Spooled) -> Later:
        return Later("r", "finished", lambda: keep(spooled.file))

    def keep(file: BinaryIO) -> Flow:
        yield ask(P, "PutObject", Body=file)
        return {}

    def again() -> Flow:
        yield ask(P, "GetObject")
        return {}

    def judge(response: Response | None, error: BackendError | None) -> Ended:
        assert response is not None
        return Ended("returned", (response["Body"].read(reads),))

    got = ANSWERS.answer(("dict", (("Body", ("body", b"v0")),)))
    return program(flow, judge).begin().node.follow((), got)


def test_a_body_that_was_read_to_its_end_is_kept() -> None:
    edge = teed(reads=None)
    assert result(edge.node) == b"v0"
    assert "PutObject(Body=b'v0'" in str(edge.spawned[0].begin().node.calls[0][1])


def test_a_body_that_was_not_read_to_its_end_is_abandoned() -> None:
    edge = teed(reads=1)
    assert result(edge.node) == b"v"
    assert "GetObject" in str(edge.spawned[0].begin().node.calls[0][1])


def gathering() -> Flow:
    results = yield Gather([part("a"), part("b"), nothing()])
    return {"results": [type(one).__name__ if isinstance(one, BackendError) else one for one in results]}


def part(name: str) -> Flow:
    first = yield ask(P, "HeadObject", Key=name)
    yield Enter([ENTRY])
    second = yield ask(P, "GetObject", Key=name)
    return {"etags": [first["ETag"], second["ETag"]], "id": (yield NewId())}


def nothing() -> Flow:
    yield from ()
    return {}


def test_gathered_flows_go_on_in_any_order_and_come_to_the_same() -> None:
    one = program(gathering, saw)
    steps = [((0,), "1"), ((1,), "2"), ((0,), "3"), ((1,), "4")]
    ends = set()
    for order in ([0, 1, 2, 3], [1, 0, 3, 2], [0, 2, 1, 3], [1, 3, 0, 2]):
        node = one.begin().node
        for path, etag in (steps[number] for number in order):
            assert path in [waiting for waiting, _ in node.calls]
            node = node.follow(path, answer(ETag=etag)).node
        ends.add(node)
    (end,) = ends
    seen = result(end)["results"]
    assert [one["etags"] for one in seen[:2]] == [["1", "3"], ["2", "4"]]
    assert len({one["id"] for one in seen[:2]}) == 2
    assert seen[2] == {}


def test_gathered_flows_fail_each_by_itself() -> None:
    node = program(gathering, saw).begin().node
    node = node.follow((0,), ANSWERS.answer(no_answer("p"))).node
    node = node.follow((1,), answer(ETag="1")).node.follow((1,), answer(ETag="2")).node
    assert result(node)["results"][0] == "Unavailable"


def test_flows_gathered_while_gathered() -> None:
    def outer() -> Flow:
        (inner, head) = yield Gather([gathering(), part("c")])
        return {"inner": inner["results"][0]["etags"], "head": head["etags"]}

    node = program(outer, saw).begin().node
    for path, etag in [((0, 1), "1"), ((1,), "2"), ((0, 0), "3"), ((0, 1), "4"), ((0, 0), "5"), ((1,), "6")]:
        node = node.follow(path, answer(ETag=etag)).node
    assert result(node) == {"inner": ["3", "5"], "head": ["2", "6"]}


def test_flows_gathered_without_a_call_are_done_at_once() -> None:
    def flow() -> Flow:
        return {"results": (yield Gather([nothing(), nothing()]))}

    assert result(program(flow, saw).begin().node) == {"results": [{}, {}]}


def test_what_is_no_effect_is_a_mistake() -> None:
    def flow() -> Flow:
        yield Request("GetObject", {})
        return {}

    with pytest.raises(TypeError, match="not an effect"):
        program(flow).begin()


def test_other_errors_than_those_of_backends_come_out() -> None:
    def flow() -> Flow:
        yield ask(P, "HeadObject")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program(flow).begin().node.follow((), answer())
