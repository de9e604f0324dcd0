"""The checker of histories: known good ones, known bad ones, and random ones against all permutations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from linearizability import (
    FAILED_CONDITION,
    NO_SUCH_KEY,
    OK,
    Action,
    Checker,
    Delete,
    DeleteIfMatch,
    PutIfAbsent,
    PutIfMatch,
    Read,
    Register,
    Result,
    Value,
    Write,
)

# An event: an operation's name with what it does where it begins, with its answer where it ends.
LOST = "failed to the user"
Event = tuple[str, Any]


def explained(history: list[Event], start: str | None = None) -> bool:
    register: Register | None = Checker().start(start)
    begun = set()
    for name, what in history:
        assert register is not None
        if name not in begun:
            begun.add(name)
            register = register.begin(name, what)
        elif what == LOST:
            register = register.lose(name)
        else:
            register = register.answer(name, what)
        if register is None:
            return False
    return True


GOOD = {
    "one after the other": [("w", Write("1")), ("w", OK), ("r", Read()), ("r", "1")],
    "a read of nothing before a write": [("r", Read()), ("r", None), ("w", Write("1")), ("w", OK)],
    "a read during a write sees the old": [("w", Write("1")), ("r", Read()), ("r", None), ("w", OK)],
    "a read during a write sees the new": [("w", Write("1")), ("r", Read()), ("r", "1"), ("w", OK)],
    "a long read sees what was at its beginning": [
        ("r", Read()), ("w", Write("1")), ("w", OK), ("d", Delete()), ("d", OK), ("r", None),
    ],
    "a long read sees what was in between": [
        ("r", Read()), ("w", Write("1")), ("w", OK), ("d", Delete()), ("d", OK), ("r", "1"),
    ],
    "a failed write took effect late": [
        ("w", Write("1")), ("w", LOST), ("r", Read()), ("r", None), ("s", Read()), ("s", "1"),
    ],
    "a failed write overwrote a later one": [
        ("w", Write("1")), ("w", LOST), ("v", Write("2")), ("v", OK), ("r", Read()), ("r", "1"),
    ],
    "a failed write never took effect": [("w", Write("1")), ("w", LOST), ("r", Read()), ("r", None)],
    "the second of two put-if-absent fails": [
        ("a", PutIfAbsent("1")), ("b", PutIfAbsent("2")), ("a", FAILED_CONDITION), ("b", OK), ("r", Read()), ("r", "2"),
    ],
    "put-if-absent after a delete": [("d", Delete()), ("a", PutIfAbsent("1")), ("a", OK), ("d", OK)],
    "a put-if-absent that failed to its user makes another fail": [
        ("a", PutIfAbsent("1")), ("a", LOST), ("b", PutIfAbsent("2")), ("b", FAILED_CONDITION), ("r", Read()), ("r", "1"),
    ],
    "put-if-match": [("w", Write("1")), ("w", OK), ("m", PutIfMatch("1", "2")), ("m", OK), ("r", Read()), ("r", "2")],
    "put-if-match on nothing": [("m", PutIfMatch("1", "2")), ("m", NO_SUCH_KEY)],
    "delete-if-match of another value": [
        ("w", Write("1")), ("w", OK), ("m", DeleteIfMatch("2")), ("m", FAILED_CONDITION), ("r", Read()), ("r", "1"),
    ],
}  # fmt: skip

BAD = {
    "a read of what nobody wrote": [("r", Read()), ("r", "1")],
    "a lost write": [("w", Write("1")), ("w", OK), ("r", Read()), ("r", None)],
    "an old value again": [
        ("w", Write("1")), ("r", Read()), ("r", "1"), ("s", Read()), ("s", None), ("w", OK),
    ],
    "a deleted value again": [
        ("w", Write("1")), ("w", OK), ("d", Delete()), ("d", OK), ("r", Read()), ("r", "1"),
    ],
    "a failed write takes effect twice": [
        ("w", Write("1")), ("w", LOST), ("r", Read()), ("r", "1"), ("d", Delete()), ("d", OK), ("s", Read()), ("s", "1"),
    ],
    "a failed write takes effect before it began": [
        ("r", Read()), ("r", "1"), ("w", Write("1")), ("w", LOST),
    ],
    "two put-if-absent win": [("a", PutIfAbsent("1")), ("b", PutIfAbsent("2")), ("a", OK), ("b", OK)],
    "a put-if-absent that reports failure and yet wrote": [
        ("a", PutIfAbsent("1")), ("a", FAILED_CONDITION), ("r", Read()), ("r", "1"),
    ],
    "a put-if-match that overwrote another value": [
        ("w", Write("1")), ("w", OK), ("v", Write("2")), ("v", OK), ("m", PutIfMatch("1", "3")), ("m", OK),
    ],
    "a delete-if-match that deleted another value": [
        ("w", Write("1")), ("w", OK), ("m", DeleteIfMatch("2")), ("m", OK),
    ],
}  # fmt: skip


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_good_history_is_explained(history: list[Event]) -> None:
    assert explained(history)


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_a_bad_history_is_not_explained(history: list[Event]) -> None:
    assert not explained(history)


def test_a_refused_operation_may_not_have_taken_effect() -> None:
    checker = Checker()
    register = checker.start(None).begin("w", Write("1"))
    untouched = register.refuse("w")
    assert untouched is checker.start(None)
    seen = register.begin("r", Read()).answer("r", "1")
    assert seen is not None
    assert seen.refuse("w") is None


def test_a_lost_write_that_was_seen_is_no_longer_pending() -> None:
    checker = Checker()
    seen = checker.start(None).begin("w", Write("1")).lose("w").begin("r", Read()).answer("r", "1")
    assert seen is checker.start("1")


def test_a_lost_read_is_forgotten() -> None:
    checker = Checker()
    assert checker.start("0").begin("r", Read()).lose("r") is checker.start("0")


def test_what_a_read_may_answer_now() -> None:
    register = Checker().start("0").begin("w", Write("1")).begin("d", Delete()).lose("d")
    assert register.values() == {"0", "1", None}


ACTIONS = st.sampled_from(
    [Read(), Read(), Write("1"), Write("2"), Delete(), PutIfAbsent("3"), PutIfMatch("1", "4"), DeleteIfMatch("2")]
)
RESULTS: dict[type, list[Result]] = {
    Read: [None, "1", "2", "3", "4"],
    Write: [OK],
    Delete: [OK],
    PutIfAbsent: [OK, FAILED_CONDITION],
    PutIfMatch: [OK, FAILED_CONDITION, NO_SUCH_KEY],
    DeleteIfMatch: [OK, FAILED_CONDITION, NO_SUCH_KEY],
}


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Up to five operations, any of them at once, answering anything or nothing."""
    actions = [(f"o{number}", draw(ACTIONS)) for number in range(draw(st.integers(1, 5)))]
    waiting, history = list[Event](actions), list[Event]()
    open_ones: list[Event] = []
    while waiting or open_ones:
        if waiting and (not open_ones or draw(st.booleans())):
            name, action = waiting.pop(0)
            history.append((name, action))
            open_ones.append((name, action))
        else:
            name, action = open_ones.pop(draw(st.integers(0, len(open_ones) - 1)))
            history.append((name, draw(st.sampled_from([*RESULTS[type(action)], LOST]))))
    return history


def explained_by_permutations(history: list[Event]) -> bool:
    """Whether some order of the answered operations, and any of those that were not, answers the same."""
    began, ended = dict[str, int](), dict[str, int]()
    actions, results = dict[str, Any](), dict[str, Result]()
    for moment, (name, what) in enumerate(history):
        if name not in began:
            began[name], actions[name] = moment, what
        elif what != LOST:
            ended[name], results[name] = moment, what
    unanswered = [name for name in began if name not in results]
    chosen = [[*results, *some] for count in range(len(unanswered) + 1) for some in combinations(unanswered, count)]
    return any(_answers(order, began, ended, actions, results) for names in chosen for order in permutations(names))


def _answers(
    order: Sequence[str],
    began: dict[str, int],
    ended: dict[str, int],
    actions: dict[str, Action],
    results: dict[str, Result],
) -> bool:
    value: Value = None
    for position, name in enumerate(order):
        if any(ended.get(later, len(began) * 2) < began[name] for later in order[position + 1 :]):
            return False
        value, result = actions[name].apply(value)
        if name in results and results[name] != result:
            return False
    return True


@given(histories())
@example([("o0", Write("1")), ("o0", LOST), ("o1", Read()), ("o1", None), ("o2", Read()), ("o2", "1")])
def test_it_agrees_with_all_permutations(history: list[Event]) -> None:
    assert explained(history) == explained_by_permutations(history)
