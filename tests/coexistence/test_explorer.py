"""The explorer finds what the sketch of the protocol finds (`coexistence_model.py`), and nothing where that finds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import sketch_flows as sketch
from explorer import explore
from immutable_stores import StoreOptions
from programs import Operation
from sketch_flows import (
    COLLECT,
    CONVERGED,
    DELETE,
    DRAIN,
    LIST_PS,
    LIST_SP,
    PROMOTE,
    READ,
    ask,
    putting_if_absent,
    reconcile,
    writing,
    writing_compared_by_etag,
    writing_primary,
)
from violations import Outcome

from foodco_storage.flows.request import Flow, Response

pytestmark = pytest.mark.slow  # the explorer itself is the same on every Python


class Case(NamedTuple):
    """What clients do, and under which conditions."""

    clients: Sequence[Sequence[Operation]]
    conditions: dict[str, Any]

    def explore(self, name: str, **changes: Any) -> Outcome:
        return explore(name, self.clients, **{"final": [READ], "reconcile": reconcile, **self.conditions, **changes})


def case(*clients: Sequence[Operation], **conditions: Any) -> Case:
    return Case(clients, conditions)


JPEG: dict[str, Any] = {"ContentType": "image/jpeg"}
WEBP: dict[str, Any] = {"ContentType": "image/webp"}

GOOD = {
    "write and write": case([writing(b"v1")], [writing(b"v2")], converged=CONVERGED),
    "write, delete and promote": case([writing(b"v1")], [DELETE], [PROMOTE], converged=CONVERGED),
    "delete, promote and two reads": case([DELETE], [PROMOTE], [READ, READ], converged=CONVERGED),
    "write, delete and two reads": case([writing(b"v1")], [DELETE], [READ, READ], converged=CONVERGED),
    "drain: write, promote and remove from the source, two reads": case(
        [writing_primary(b"v1")], [PROMOTE, DRAIN], [READ, READ]
    ),
    "drain: delete, promote and remove from the source, two reads": case([DELETE], [PROMOTE, DRAIN], [READ, READ]),
    "drain: a listing that asks the source first": case([PROMOTE, DRAIN], [LIST_SP, LIST_SP], [DELETE]),
    "same body, other headers, compared by write id": case(
        [writing(b"X", **JPEG)], [writing(b"X", **WEBP)], crash=0, converged=CONVERGED
    ),
    "put if absent, sent once": case(
        [putting_if_absent(sketch.put_if_absent_once, b"v1")], [READ], source=None, crash=0, fail=1, resend=1
    ),
    "flip without pause, backfill leaves a tombstone": case([sketch.DELETE_BACKFILL], [sketch.READ_PROMOTE], crash=0),
    "mirror after the answer": case([writing(b"v1", ack=True)], [READ, DELETE], converged=CONVERGED),
    "failing calls": case([writing(b"v1")], [DELETE], crash=0, fail=2, converged=CONVERGED),
    "late calls": case([writing(b"v1")], [DELETE], [READ], crash=0, zombie=1),
    "recovery while others work": case([writing(b"v1")], [writing(b"v2")], recover=2, crash=2, converged=CONVERGED),
}

BROKEN = {
    "rule 1: unconditional promote": case([writing_primary(b"v1")], [sketch.PROMOTE_UNCONDITIONALLY], crash=0),
    "rule 2: plain delete, primary first": case([sketch.DELETE_PRIMARY_FIRST], [PROMOTE], crash=0),
    "rule 2: plain delete, source first": case([sketch.DELETE_SOURCE_FIRST], [PROMOTE], crash=0),
    "rule 3: tombstone collected during a promote": case([DELETE, COLLECT], [PROMOTE], crash=0),
    "rule 3: tombstone collected before a mirror ends": case(
        [writing(b"v1", ack=True)], [READ, DELETE, COLLECT], crash=0
    ),
    "rule 4: primary, then source, in drain": case([PROMOTE, DRAIN], [sketch.READ_PS, READ], crash=0),
    "rule 5: same body, other headers, compared by ETag": case(
        [writing_compared_by_etag(b"X", **JPEG)], [writing_compared_by_etag(b"X", **WEBP)], crash=0, converged=CONVERGED
    ),
    "rule 5: not looked again": case(
        [sketch.writing_not_looked_again(b"v1")], [writing(b"v2")], crash=0, converged=CONVERGED
    ),
    "rule 5: an absence brought over as a delete": case([writing(b"v1")], reconcile=sketch.replay_absence_too),
    "rule 5: settled whatever happened": case(
        [sketch.writing_settled_finally(b"v1")], crash=0, fail=1, converged=CONVERGED
    ),
    "rule 6: entered too late": case([sketch.writing_entered_late(b"v1")], converged=CONVERGED),
    "rule 6: reconciled without a second look": case(
        [writing(b"v1")], [writing(b"v2")], recover=1, reconcile=sketch.replay, converged=CONVERGED
    ),
    "rule 11: a listing in drain that asks the primary first": case([PROMOTE, DRAIN], [LIST_PS], crash=0),
    "rule 11: a listing in drain that asks both at once": case([PROMOTE, DRAIN], [sketch.LIST_BOTH], crash=0),
    "rule 16: put if absent retried below us": case(
        [putting_if_absent(sketch.put_if_absent_retried_below, b"v1")], [READ], source=None, crash=0, resend=1
    ),
    "flip without pause, backfill deletes plainly": case(
        [sketch.DELETE_BACKFILL_PLAINLY], [sketch.READ_PROMOTE], crash=0
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_protocol_holds(name: str) -> None:
    GOOD[name].explore(name).check()


@pytest.mark.parametrize("name", BROKEN)
def test_a_design_without_the_rule_is_found_broken(name: str) -> None:
    assert BROKEN[name].explore(name).violation is not None


def padded(operation: Operation) -> Operation:
    """The same with a call before and after it that changes nothing: its beginning and its answer are steps of their own."""

    def flow() -> Flow:
        yield from nothing()
        response: Response = yield from operation.flow()
        yield from nothing()
        return response

    def nothing() -> Flow:
        response: Response = yield ask(sketch.S, "ListObjectsV2", Key="", Prefix="nothing")
        return response

    return replace(operation, flow=flow)


def with_padding(one: Case) -> Case:
    return one._replace(clients=[[padded(operation) for operation in client] for client in one.clients])


def endings(one: Case, **changes: Any) -> set[str]:
    """What the stores hold in the end, in every history."""
    seen = set()

    def note(*sides: Any) -> bool:
        seen.add(repr(sides))
        return True

    one.explore("endings", converged=note, **changes).check()
    return seen


@pytest.mark.parametrize("name", GOOD)
def test_beginning_early_and_answering_late_comes_to_the_same(name: str) -> None:
    one = GOOD[name]
    padded_endings = endings(with_padding(one))
    if one.conditions.get("fail"):
        # Padding can fail too, and the operation with it.
        assert endings(one) <= padded_endings
    else:
        assert endings(one) == padded_endings


@pytest.mark.parametrize("name", BROKEN)
def test_beginning_early_and_answering_late_finds_no_less(name: str) -> None:
    assert with_padding(BROKEN[name]).explore(name).violation is not None


@pytest.mark.parametrize("name", GOOD)
def test_beginnings_as_steps_of_their_own_come_to_the_same(name: str) -> None:
    # A store that may drop racing writes lets calls be done together, so beginnings are not joined to first calls.
    racy = StoreOptions(source_lacks=frozenset({"put_race_safe"}))
    assert endings(GOOD[name]) == endings(GOOD[name], stores=racy)


def test_the_shortest_violation_is_told_step_by_step() -> None:
    outcome = BROKEN["rule 2: plain delete, primary first"].explore("broken", shortest=True)
    assert outcome.violation is not None
    promoted = (
        "p.PutObject(Body=b'v0', ContentType='binary/octet-stream', IfNoneMatch='*', Key='k')"
        " -> ok ETag='\"9abcde3c584628a02620bf796dee1204\"' => returned"
    )
    assert str(outcome.violation).splitlines() == [
        "the last read of k saw b'v0'; it could have seen None",
        "  1. A delete P, S: p.DeleteObject(Key='k') -> ok",
        "  2. B promote: s.GetObject(Key='k') -> ok Body=b'v0' ETag='\"9abcde3c584628a02620bf796dee1204\"'",
        "  3. A delete P, S: s.DeleteObject(Key='k') -> ok => returned 'ok'",
        f"  4. B promote: {promoted}",
        "  5. finally read: => returned b'v0'",
        "     p holds k=b'v0' {ContentType: 'binary/octet-stream'}",
        "     s holds nothing",
    ]
    with pytest.raises(AssertionError, match="the last read of k saw"):
        outcome.check()
