"""Each rule of the protocol taken out of the library's own flows, one by one: the explorer finds what goes wrong then.

So the rules are needed, and `test_protocol.py` would see it if one of them were lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from explorer import explore
from marked_sides import EQUAL, source_is_emptied_blindly, source_is_emptied_with_proof
from programs import Client
from violations import Outcome
from world import Through, reconcile_in, route_in

from foodco_storage.config import Mirror
from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import Call, Enter, Settle, sent
from foodco_storage.flows.outcomes import NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.layers import (
    conditional_writes,
    deletes,
    fallback_reads,
    merged_lists,
    mirror,
    promote,
    reconcile,
    server_copy,
    sight,
    uploads,
    writes,
)
from foodco_storage.layers.object_copy import put_whole

BACKFILL, CUTOVER, DRAIN = Through(route_in("backfill")), Through(route_in("cutover")), Through(route_in("drain"))
UNMIRRORED = Through(route_in("cutover", mirror=Mirror(mode="off")))
DOWN = Through(route_in("cutover", mirror=Mirror(mode="off"), read_when_primary_down=True))
DRAINING = DRAIN.work("empty the source", source_is_emptied_with_proof)
KEY = {"Bucket": "b", "Key": "k"}


def found(through: Through, *clients: Any, **conditions: Any) -> Outcome:
    conditions = {"final": [through.get()], "reconcile": reconcile_in(through.route), **conditions}
    return explore("without a rule", clients, **conditions)


def one_promotes_unconditionally(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 1: promote only with If-None-Match."""
    patch.setattr(promote, "put_whole", lambda *a, **k: put_whole(*a, **{**k, "only_if_absent": False}))
    return found(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.get(), crash=0)


def two_deletes_plainly(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 2: delete by tombstone."""
    patch.setattr(deletes.Deletes, "_take_away", lambda self, request: sent(self._authority, request))
    return found(CUTOVER, CUTOVER.delete(), CUTOVER.get(), crash=0)


def two_shows_tombstones(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 2: a tombstone reads as "not there"."""
    patch.setattr(sight, "is_tombstone", lambda answer: False)
    return found(CUTOVER, CUTOVER.delete(), CUTOVER.get(), crash=0)


def two_lists_tombstones(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 2: a tombstone is in no list."""

    def none(*_: Any) -> Any:
        yield from ()
        return set()

    patch.setattr(merged_lists, "tombstones_among", none)
    return found(CUTOVER, [CUTOVER.delete(), CUTOVER.list()], crash=0)


def three_collects_while_others_promote(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 3: no collection while the route takes writes and promotes."""

    def collect() -> Flow:
        held = yield from sight.find([Place("p")], Request("HeadObject", KEY))
        if (
            held is not None
            and held.is_deleted
            and (yield from sight.find([Place("s")], Request("HeadObject", KEY))) is None
        ):
            try:
                yield Call(Place("p"), Request("DeleteObject", {**KEY, "IfMatch": held.head["ETag"]}))
            except (NotThere, Rejected):
                return {}
        return {}

    return found(CUTOVER, [CUTOVER.delete(), CUTOVER.work("collect", collect)], CUTOVER.get(), crash=0)


def four_believes_the_first_miss(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 4: in drain a miss is believed after primary, source, primary."""
    init = fallback_reads.FallbackReads.__init__

    def without(self: Any, *a: Any, **k: Any) -> None:
        init(self, *a, **k)
        self._again = ()

    patch.setattr(fallback_reads.FallbackReads, "__init__", without)
    return found(DRAIN, [DRAIN.get(), DRAINING], [DRAIN.get(), DRAIN.get()], crash=0)


def five_compares_by_etag(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 5: the same write, not the same ETag."""

    def by_etag(before: Any, after: Any) -> bool:
        if before is None or after is None or before.is_deleted or after.is_deleted:
            return bool((before is None) == (after is None))
        return bare(before.head["ETag"]) == bare(after.head["ETag"])

    def settled(self: Any, request: Request, _: str) -> Callable[[], Flow]:
        def bring() -> Flow:
            yield Call(self._route.other, request)
            held = yield from sight.find([self._route.authority], Request("HeadObject", KEY))
            return {"settled": held is not None and not held.is_deleted}

        return bring

    patch.setattr(reconcile, "unchanged", by_etag)
    patch.setattr(mirror.Mirror, "direct_put", settled)
    writers = [CUTOVER.put(b"X", ContentType="image/jpeg"), CUTOVER.put(b"X", ContentType="image/webp")]
    return found(CUTOVER, *writers, crash=0, converged=EQUAL)


def five_does_not_look_again(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 5: look at the authority again after the mirror."""

    def settled(self: Any, request: Request, _: str) -> Callable[[], Flow]:
        def bring() -> Flow:
            yield Call(self._route.other, request)
            return {"settled": True}

        return bring

    patch.setattr(mirror.Mirror, "direct_put", settled)
    return found(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.put(b"v2"), crash=0, converged=EQUAL)


def five_reconciles_without_a_second_look(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 5: what was brought must still be what the authority holds."""
    patch.setattr(reconcile, "unchanged", lambda before, after: True)
    return found(CUTOVER, CUTOVER.put(b"v1"), CUTOVER.put(b"v2"), crash=1, recover=1, converged=EQUAL)


def five_mirrors_absence_as_a_delete(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 5: an absent key on the primary is never mirrored as a delete."""
    bring_absence = reconcile.Reconcile._bring_absence

    def delete_too(self: Any, which: Any, seen: Any) -> Any:
        if seen is None:
            yield from reconcile.delete_plainly(self._other, which)
        yield from bring_absence(self, which, seen)

    patch.setattr(reconcile.Reconcile, "_bring_absence", delete_too)
    return found(CUTOVER, CUTOVER.put(b"v1"))


def five_settles_whatever_happened(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 5: settled on an observed equal state only."""

    def settle(self: Any, numbers: Any, failure: Any, which: Any = None) -> Any:
        yield Settle(numbers)

    patch.setattr(mirror.Mirror, "_left_over", settle)
    return found(CUTOVER, CUTOVER.put(b"v1"), crash=0, fail=1, converged=EQUAL)


def six_enters_too_late(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 6: the journal knows of a write before the authority does."""

    def around(self: Any, request: Request, write: Flow, direct: Any = None, *, tags: bool = False) -> Flow:
        response: Response = yield from write
        numbers = yield Enter([self._route.entry(request.params, tags=tags)])
        yield from self._follow(self._route.entry(request.params), direct)
        yield Settle(numbers)
        return response

    patch.setattr(mirror.Mirror, "around", around)
    return found(CUTOVER, CUTOVER.put(b"v1"), converged=EQUAL)


def six_forgets_what_may_have_taken_place(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 6: a write whose outcome is not known stays in the journal."""
    patch.setattr(mirror, "took_no_effect", lambda error: True)
    return found(CUTOVER, CUTOVER.put(b"v1"), crash=0, fail=1, converged=EQUAL)


def seven_empties_the_source_blindly(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 7: a key leaves the source with proof only."""
    return found(DRAIN, DRAIN.work("empty the source", source_is_emptied_blindly), DRAIN.get(), crash=0)


def eight_takes_an_outage_for_a_miss(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 8: fall back on "not there" only."""
    patch.setattr(fallback_reads, "note", lambda response, **facts: _noted(response, facts))
    return found(DOWN, DOWN.put(b"v1"), DOWN.get(), crash=0, fail=1)


def _noted(response: Response, facts: dict[str, Any]) -> Response:
    storage = response.setdefault("ResponseMetadata", {}).setdefault("Storage", {})
    storage.update({name: value for name, value in facts.items() if name != "degraded"})
    return response


def eleven_lists_the_primary_first(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 11: a list asks the source first."""
    patch.setattr(merged_lists, "reversed", lambda numbers: numbers, raising=False)
    return found(DRAIN, [DRAIN.get(), DRAINING], DRAIN.list(), crash=0)


def thirteen_asks_only_the_primary_for_conditions(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 13: conditions hold for the logical object."""

    def settle(self: Any, request: Request, *, is_first: bool) -> Any:
        yield from ()
        return request

    patch.setattr(conditional_writes.ConditionalWrites, "_settle", settle)
    return found(CUTOVER, CUTOVER.put_if_absent(b"v1"), CUTOVER.get(), crash=0)


def thirteen_copies_a_tombstone(patch: pytest.MonkeyPatch) -> Outcome:
    """Rules 2 and 13: the store itself would copy a tombstone as any object."""

    def not_pinned(self: Any) -> Any:
        yield from ()
        return self._request

    patch.setattr(server_copy.ServerCopy, "_pinned", not_pinned)
    client = [CUTOVER.delete(key="other"), CUTOVER.copy("other", b"v7")]
    return found(CUTOVER, client, source={"k": b"v0", "other": b"v7"}, crash=0)


def fourteen_completes_where_nobody_looks(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 14: a Complete on a backend that no longer decides is copied before it is acknowledged."""
    patch.setattr(uploads.Uploads, "_complete_elsewhere", lambda self, request, place: sent(place, request))
    patch.setattr(mirror.Mirror, "_follow", lambda self, entry, direct: iter_nothing())
    upload = BACKFILL.upload(b"v1", completes=CUTOVER)
    return found(CUTOVER, upload, primary=b"v0", crash=0, reconcile=reconcile_in(BACKFILL.route, CUTOVER.route))


def iter_nothing() -> Flow:
    yield from ()
    return {}


def sixteen_is_sent_again_below(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 16: conditional writes are sent once."""
    patch.setattr(writes, "send_once", lambda place, request, _: sent(place, request))
    return found(CUTOVER, CUTOVER.put_if_absent(b"v1"), CUTOVER.get(), source=None, crash=0, resend=1)


def seventeen_others_delete_on_the_primary(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 17: nobody else deletes on the primary: what the source holds shows again."""

    def expire() -> Flow:
        held = yield from sight.find([Place("p")], Request("HeadObject", KEY))
        if held is not None:
            yield Call(Place("p"), Request("DeleteObject", KEY))
        return {}

    return found(UNMIRRORED, [UNMIRRORED.put(b"v1"), UNMIRRORED.work("expire", expire), UNMIRRORED.get()], crash=0)


def eighteen_flips_without_a_pause(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 18: nobody writes by the new phase while somebody writes by the old one."""
    both = reconcile_in(BACKFILL.route, CUTOVER.route)
    return found(CUTOVER, BACKFILL.put(b"v1"), [CUTOVER.put(b"v2"), CUTOVER.get()], crash=0, reconcile=both)


def eighteen_reads_by_the_old_phase(patch: pytest.MonkeyPatch) -> Outcome:
    """Rule 18: nobody writes by the new phase while somebody still reads by the old one."""
    reader = Client("reads by backfill", [BACKFILL.get()], after=("writes by cutover",))
    writer = Client("writes by cutover", [UNMIRRORED.put(b"v1")])
    return found(UNMIRRORED, writer, reader, crash=0)


RULES = [
    one_promotes_unconditionally,
    two_deletes_plainly,
    two_shows_tombstones,
    two_lists_tombstones,
    three_collects_while_others_promote,
    four_believes_the_first_miss,
    five_compares_by_etag,
    five_does_not_look_again,
    five_reconciles_without_a_second_look,
    five_mirrors_absence_as_a_delete,
    five_settles_whatever_happened,
    six_enters_too_late,
    six_forgets_what_may_have_taken_place,
    seven_empties_the_source_blindly,
    eight_takes_an_outage_for_a_miss,
    eleven_lists_the_primary_first,
    thirteen_asks_only_the_primary_for_conditions,
    thirteen_copies_a_tombstone,
    fourteen_completes_where_nobody_looks,
    sixteen_is_sent_again_below,
    seventeen_others_delete_on_the_primary,
    eighteen_flips_without_a_pause,
    eighteen_reads_by_the_old_phase,
]


@pytest.mark.parametrize("without", RULES, ids=lambda without: without.__name__)
def test_without_a_rule_there_is_a_violation(
    without: Callable[[pytest.MonkeyPatch], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = without(monkeypatch)
    assert outcome.violation is not None, f"nothing found in {outcome.states} states"
