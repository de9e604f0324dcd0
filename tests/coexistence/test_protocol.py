"""The library's own flows, explored: the promise holds under every interleaving, crash and lost answer.

Two stores, one key, two or three clients. `test_without_a_rule` holds the other half: with any one rule of the protocol taken
out, a violation is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from explorer import explore
from hypothesis import given, settings
from hypothesis import strategies as st
from immutable_stores import StoreOptions
from marked_sides import EQUAL, source_follows, source_is_emptied_with_proof
from programs import Client, Operation
from violations import NeverReturnedError, Outcome
from world import Through, reconcile_in, route_in

from foodco_storage.config import Mirror, Promote

SOURCE, BACKFILL, CUTOVER, DRAIN, TARGET = (
    Through(route_in("source")),
    Through(route_in("backfill")),
    Through(route_in("cutover")),
    Through(route_in("drain")),
    Through(route_in("target")),
)
ASYNC = Through(route_in("cutover", mirror=Mirror(mode="async")))
REQUIRED = Through(route_in("cutover", mirror=Mirror(required=True)))
UNMIRRORED = Through(route_in("cutover", mirror=Mirror(mode="off")))
NOT_PROMOTING = Through(route_in("cutover", promote=Promote(enabled=False)))


def explored(through: Through, *clients: Sequence[Operation] | Operation | Client, **conditions: Any) -> Outcome:
    conditions = {"final": [through.get()], "reconcile": reconcile_in(through.route), **conditions}
    return explore("production", clients, **conditions)


CUTOVER_CASES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "two writes": ([CUTOVER.put(b"v1"), CUTOVER.put(b"v2")], {"converged": EQUAL}),
    "two writes, reconciled by a third": (
        [CUTOVER.put(b"v1"), CUTOVER.put(b"v2")],
        {"converged": EQUAL, "crash": 2, "recover": 2},
    ),
    "two writes of one body": (
        [CUTOVER.put(b"X", ContentType="image/jpeg"), CUTOVER.put(b"X", ContentType="image/webp")],
        {"converged": EQUAL},
    ),
    "write, delete, read that promotes": ([CUTOVER.put(b"v1"), CUTOVER.delete(), CUTOVER.get()], {"converged": EQUAL}),
    "delete, read that promotes, two reads": (
        [CUTOVER.delete(), CUTOVER.get(), [CUTOVER.get(), CUTOVER.head()]],
        {"converged": EQUAL},
    ),
    "bulk delete, write, read": ([CUTOVER.delete_many(), CUTOVER.put(b"v1"), CUTOVER.get()], {"converged": EQUAL}),
    "write, delete, lists": (
        [CUTOVER.put(b"v1"), CUTOVER.delete(), [CUTOVER.list(), CUTOVER.list(operation="ListObjects")]],
        {"converged": EQUAL},
    ),
    "read whose body is dropped, delete": ([CUTOVER.get(reads_body=False), CUTOVER.delete(), CUTOVER.get()], {}),
    "put if absent twice": ([CUTOVER.put_if_absent(b"v1"), CUTOVER.put_if_absent(b"v2")], {"source": None}),
    "put if absent, delete, read": ([CUTOVER.put_if_absent(b"v1"), CUTOVER.delete(), CUTOVER.get()], {}),
    "put if absent over a tombstone": (
        [[CUTOVER.delete(), CUTOVER.put_if_absent(b"v1")], CUTOVER.put_if_absent(b"v2")],
        {"converged": EQUAL},
    ),
    "put if match of what the source holds, read that promotes": (
        [CUTOVER.put_if_match(b"v0", b"v1"), CUTOVER.get(), CUTOVER.put_if_match(b"v0", b"v2")],
        {},
    ),
    "delete if match": ([CUTOVER.delete_if_match(b"v0"), CUTOVER.put(b"v1"), CUTOVER.get()], {"converged": EQUAL}),
    "upload and write": ([CUTOVER.upload(b"v1"), CUTOVER.put(b"v2")], {"converged": EQUAL}),
    "copy and delete": (
        [CUTOVER.copy("other", b"v7"), CUTOVER.delete()],
        {"source": {"k": b"v0", "other": b"v7"}, "converged": EQUAL},
    ),
    "failing calls": ([CUTOVER.put(b"v1"), CUTOVER.delete()], {"crash": 0, "fail": 2, "converged": EQUAL}),
    "failing calls and readers": ([CUTOVER.put(b"v1"), CUTOVER.get(), CUTOVER.delete()], {"crash": 0, "fail": 1}),
    "late calls": ([CUTOVER.put(b"v1"), CUTOVER.delete(), CUTOVER.get()], {"crash": 0, "zombie": 1}),
    "late calls of conditional writes": (
        [CUTOVER.put_if_absent(b"v1"), CUTOVER.delete()],
        {"crash": 0, "zombie": 1},
    ),
    "answers lost below": (
        [CUTOVER.put_if_absent(b"v1"), CUTOVER.get()],
        {"source": None, "crash": 0, "fail": 1, "resend": 1},
    ),
    "promotes dropped": ([CUTOVER.get(), CUTOVER.delete(), CUTOVER.get()], {"drop": 1}),
}


@pytest.mark.parametrize("name", CUTOVER_CASES)
def test_cutover(name: str) -> None:
    clients, conditions = CUTOVER_CASES[name]
    explored(CUTOVER, *clients, **conditions).check()


@pytest.mark.parametrize(
    "through", [ASYNC, REQUIRED, UNMIRRORED, NOT_PROMOTING], ids=["async", "required", "off", "still"]
)
def test_cutover_with_other_settings(through: Through) -> None:
    converged = None if through is UNMIRRORED else EQUAL
    explored(through, through.put(b"v1"), through.delete(), through.get(), converged=converged).check()
    explored(through, through.put(b"v1"), through.put(b"v2"), fail=1, converged=converged).check()


def test_an_asynchronous_mirror_is_reconciled_while_others_work() -> None:
    explored(ASYNC, ASYNC.put(b"v1"), [ASYNC.delete(), ASYNC.get()], recover=2, converged=EQUAL).check()


BACKFILL_CASES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "two writes": ([BACKFILL.put(b"v1"), BACKFILL.put(b"v2")], {}),
    "write, delete, read": ([BACKFILL.put(b"v1"), BACKFILL.delete(), BACKFILL.get()], {}),
    "bulk delete and write": ([BACKFILL.delete_many(), BACKFILL.put(b"v1")], {}),
    "conditions": ([BACKFILL.put_if_absent(b"v1"), BACKFILL.delete(), BACKFILL.put_if_match(b"v0", b"v2")], {}),
    "failing calls": ([BACKFILL.put(b"v1"), BACKFILL.delete()], {"crash": 0, "fail": 2}),
    "a tombstone from before": ([BACKFILL.put(b"v1"), [BACKFILL.delete(), BACKFILL.get()]], {"recover": 1}),
}


@pytest.mark.parametrize("name", BACKFILL_CASES)
def test_backfill(name: str) -> None:
    clients, conditions = BACKFILL_CASES[name]
    explored(BACKFILL, *clients, converged=source_follows, **conditions).check()


DRAINING = DRAIN.work("empty the source", source_is_emptied_with_proof)

DRAIN_CASES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "write, promote, empty the source, two reads": (
        [DRAIN.put(b"v1"), [DRAIN.get(), DRAINING], [DRAIN.get(), DRAIN.get()]],
        {},
    ),
    "delete, promote, empty the source, two reads": (
        [DRAIN.delete(), [DRAIN.get(), DRAINING], [DRAIN.get(), DRAIN.head()]],
        {},
    ),
    "lists while the key moves": ([[DRAIN.get(), DRAINING], [DRAIN.list(), DRAIN.list()], DRAIN.delete()], {}),
    "conditions while the key moves": (
        [[DRAIN.get(), DRAINING], DRAIN.put_if_absent(b"v1"), DRAIN.put_if_match(b"v0", b"v2")],
        {},
    ),
    "failing calls": ([DRAIN.put(b"v1"), DRAIN.delete(), DRAIN.get()], {"crash": 0, "fail": 1}),
}


@pytest.mark.parametrize("name", DRAIN_CASES)
def test_drain(name: str) -> None:
    clients, conditions = DRAIN_CASES[name]
    explored(DRAIN, *clients, **conditions).check()


def test_target_hides_what_is_deleted() -> None:
    before = [CUTOVER.put(b"v1"), CUTOVER.delete()]
    explored(
        TARGET,
        Client("before", before),
        Client("after", [TARGET.get(), TARGET.put_if_absent(b"v2")], after=("before",)),
        Client("beside", [TARGET.list(), TARGET.delete()], after=("before",)),
        crash=0,
        reconcile=reconcile_in(CUTOVER.route),
    ).check()


FLIPS = {
    "backfill to cutover": (BACKFILL, CUTOVER),
    "cutover to backfill": (CUTOVER, BACKFILL),
    "cutover to drain": (CUTOVER, DRAIN),
    "source to backfill": (SOURCE, BACKFILL),
    "backfill to source": (BACKFILL, SOURCE),
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_flip_through_a_pause(name: str) -> None:
    before, after = FLIPS[name]
    routes = [one.route for one in (before, after) if one.route.other is not None]
    explored(
        after,
        Client("before", [before.put(b"v1")]),
        Client("before too", [before.delete()]),
        Client("after", [after.get(), after.put(b"v2")], after=("before", "before too")),
        Client("after too", [after.get()], after=("before", "before too")),
        crash=0,
        reconcile=reconcile_in(*routes),
    ).check()


def test_a_complete_that_lands_after_a_flip() -> None:
    upload = BACKFILL.upload(b"v1", completes=CUTOVER)
    conditions: dict[str, Any] = {"primary": b"v0", "reconcile": reconcile_in(BACKFILL.route, CUTOVER.route)}
    explored(CUTOVER, upload, CUTOVER.put(b"v2"), converged=EQUAL, **conditions).check()
    explored(CUTOVER, upload, CUTOVER.delete(), CUTOVER.get(), converged=EQUAL, **conditions).check()
    explored(CUTOVER, upload, CUTOVER.put(b"v2"), CUTOVER.put(b"v3"), **(conditions | {"crash": 0})).check()


RGW = StoreOptions(
    primary_lacks=frozenset({"put_race_safe", "delete_race_safe", "put_if_match_quoted", "delete_if_match"})
)


def test_a_store_that_drops_racing_overwrites_is_no_danger_to_the_protocol_itself() -> None:
    explored(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.delete(), CUTOVER.get(), stores=RGW, converged=EQUAL).check()
    explored(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.put_if_absent(b"v2"), source=None, stores=RGW).check()


def test_what_a_store_drops_where_a_callers_condition_meets_a_plain_write() -> None:
    """RGW 16's own limit, which the documentation names: nothing above it can help."""
    outcome = explored(
        CUTOVER, CUTOVER.put(b"v1"), CUTOVER.put_if_match(b"v0", b"v2"), CUTOVER.get(), primary=b"v0", stores=RGW
    )
    assert outcome.violation is not None
    assert "DROPPED in a race" in str(outcome.violation)


def test_a_store_without_conditions_is_never_promoted_to() -> None:
    lacking = StoreOptions(primary_lacks=frozenset({"conditional_put"}))
    explored(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.get(), CUTOVER.delete(), stores=lacking, converged=EQUAL).check()


def operations(through: Through) -> st.SearchStrategy[Operation]:
    return st.sampled_from(
        [
            through.put(b"v1"),
            through.put(b"v2"),
            through.delete(),
            through.delete_many(),
            through.get(),
            through.head(),
            through.list(),
            through.put_if_absent(b"v3"),
            through.put_if_match(b"v0", b"v4"),
            through.put_if_match(b"v1", b"v5"),
            through.delete_if_match(b"v0"),
        ]
    )


@pytest.mark.parametrize("through", [BACKFILL, CUTOVER, ASYNC, DRAIN], ids=["backfill", "cutover", "async", "drain"])
def test_whatever_clients_do(through: Through) -> None:
    @settings(max_examples=25, deadline=None)
    @given(
        st.tuples(
            st.lists(operations(through), min_size=1, max_size=2),
            st.lists(operations(through), min_size=1, max_size=2),
            st.lists(operations(through), max_size=1),
        ),
        st.sampled_from([{"crash": 1}, {"crash": 0, "fail": 1}, {"crash": 0}]),
        st.sampled_from([None, b"v0"]),
        st.sampled_from([None, b"v0"]),
    )
    def never_a_violation(clients: Any, faults: dict[str, int], primary: bytes | None, source: bytes | None) -> None:
        if through is BACKFILL:
            # What the source does not hold the primary's own tombstone says.
            primary = None
        clients = [client for client in clients if client]
        outcome = explored_anyway(through, clients, primary=primary, source=source, **faults)
        outcome.check()

    never_a_violation()


def explored_anyway(through: Through, clients: Sequence[Sequence[Operation]], **conditions: Any) -> Outcome:
    """Also where some operation never returns: one that is refused, or fails whenever it is begun."""
    try:
        return explored(through, *clients, **conditions)
    except NeverReturnedError:
        return Outcome("never returned", 0, None)
