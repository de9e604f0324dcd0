"""What the explorer makes happen: faults, races of real stores, recoveries, several keys; and what it refuses to pass over."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from explorer import explore
from immutable_stores import KEY, RGW_LACKS, Answers, Calls, Shelf, StoreOptions
from linearizability import OK, Delete, PutIfMatch, Read, Write
from programs import Client, Operation, failed_condition, nothing_there
from sketch_flows import (
    CONVERGED,
    DELETE,
    ENTRY,
    PROMOTE,
    READ,
    P,
    S,
    answer,
    ask,
    look,
    put,
    reconcile,
    reconcile_until,
    same_write,
    shown_to_user,
    writing,
    writing_primary,
)
from users import etag, saw_body, saw_ok
from violations import NeverReturnedError, Outcome, TooManyStatesError

from foodco_storage.flows.effects import Enter, Later, Settle
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.flows.s3_errors import refused

pytestmark = pytest.mark.slow  # the explorer itself is the same on every Python


def on_primary(name: str, operation: str, action: Any, *, key: str = KEY, **params: Any) -> Operation:
    """One request to the primary, as it is."""
    knows = failed_condition if "IfMatch" in params else nothing_there
    saw = saw_body if operation == "GetObject" else saw_ok
    return Operation(name, lambda: answer(ask(P, operation, Key=key, **params)), ((key, action),), saw, knows)


def get(key: str = KEY) -> Operation:
    return on_primary("get", "GetObject", Read(), key=key)


def plain_put(body: bytes, key: str = KEY) -> Operation:
    return on_primary(f"put {body!r}", "PutObject", Write(body), key=key, Body=body)


PLAIN_DELETE = on_primary("delete", "DeleteObject", Delete())
CHANGE = on_primary("change", "PutObject", PutIfMatch(b"v0", b"v2"), Body=b"v2", IfMatch=etag(b"v0").strip('"'))


def primary_alone(*clients: Operation | list[Operation] | Client, **conditions: Any) -> Outcome:
    return explore(
        "one store", clients, **{"primary": b"v0", "source": None, "final": [get()], "crash": 0, **conditions}
    )


def test_one_store_is_a_register() -> None:
    primary_alone([plain_put(b"v1"), get()], [PLAIN_DELETE, get()], CHANGE, crash=2, fail=1, zombie=1).check()


def test_a_call_that_fails_may_have_been_done_or_not() -> None:
    def wrong(what: bytes) -> Operation:
        """Takes an error for an answer."""

        def flow() -> Flow:
            try:
                return (yield from answer(put(P, {"Body": b"v1"})))
            except Unavailable:
                return {}

        return Operation("put", flow, ((KEY, Write(what)),), saw_ok)

    # Believed to have been done, it was not; believed not to, it was.
    for what in (b"v1", b"v0"):
        primary_alone(wrong(b"v1"), fail=0).check()
        assert primary_alone(wrong(what), get(), fail=1).violation


def test_a_late_call_is_done_after_its_client_went_on() -> None:
    def flow() -> Flow:
        with suppress(Unavailable):
            yield put(P, {"Body": b"v1"})
        return (yield from answer(put(P, {"Body": b"v2"})))

    twice = Operation("put twice", flow, ((KEY, Write(b"v2")),), saw_ok)
    primary_alone(twice).check()
    outcome = primary_alone(twice, zombie=1)
    assert outcome.violation is not None
    assert "arrives LATE" in str(outcome.violation)


def saw_nothing(response: Response) -> tuple[()]:
    return ()


def test_a_crash_takes_the_work_for_later_with_it() -> None:
    def flow() -> Flow:
        yield put(P, {"Body": b"v1"})
        yield Later("r", KEY, lambda: answer(put(S, {"Body": b"v1"})))
        return {}

    write = Operation("write", flow, ((KEY, Write(b"v1")),), saw_ok)
    conditions: dict[str, Any] = {"source": b"v0", "converged": CONVERGED}
    primary_alone(write, **conditions).check()
    assert primary_alone(write, crash=1, **conditions).violation
    assert primary_alone(write, drop=1, **conditions).violation


def test_a_crash_between_two_changes_of_the_journal() -> None:
    def flow() -> Flow:
        first = yield Enter([ENTRY])
        yield put(P, {"Body": b"v1"})
        yield put(S, {"Body": b"v1"})
        yield Settle(first)
        yield Enter([Entry("r", "ps", "b", "other")])
        return {}

    seen = set()

    def reconciled(entry: Entry) -> Flow:
        seen.add(entry.key)
        return reconcile()

    primary_alone(Operation("write", flow, ((KEY, Write(b"v1")),), saw_ok), crash=1, reconcile=reconciled).check()
    assert seen == {KEY, "other"}


@pytest.mark.parametrize("missing", ["put_race_safe", "delete_race_safe"])
def test_racing_writes_are_dropped_by_stores_that_drop_them(missing: str) -> None:
    delete = on_primary("delete if v0", "DeleteObject", Delete(), IfMatch=etag(b"v0"))
    delete = Operation(delete.name, delete.flow, (), saw_nothing, lambda error: ())
    conditional = CHANGE if missing == "put_race_safe" else delete
    for lacks in (frozenset(), frozenset({missing})):
        outcome = primary_alone(plain_put(b"v1"), conditional, stores=StoreOptions(primary_lacks=lacks))
        assert bool(outcome.violation) == bool(lacks)
    assert "DROPPED" in str(outcome.violation)


def test_a_delete_that_races_with_a_conditional_put_is_dropped_too() -> None:
    stores = StoreOptions(primary_lacks=frozenset({"put_race_safe"}))
    assert primary_alone(PLAIN_DELETE, CHANGE, stores=stores).violation


def test_a_conditional_put_that_lost_a_race_may_get_an_error() -> None:
    seen = set()

    def knows(error: Any) -> Any:
        seen.add(error.status)
        return failed_condition(error)

    change = Operation("change", CHANGE.flow, CHANGE.actions, saw_ok, knows)
    primary_alone(plain_put(b"v1"), change, stores=StoreOptions(primary_lacks=frozenset({"put_race_safe"})))
    assert 500 in seen


def test_what_a_store_lacks_it_ignores() -> None:
    stores = StoreOptions(primary_lacks=frozenset({"conditional_put"}))
    write = writing_primary(b"v1")
    explore("promote", [PROMOTE, write], final=[READ], crash=0).check()
    assert explore("promote", [PROMOTE, write], final=[READ], crash=0, stores=stores).violation


def shelf(*lacks: str) -> Shelf:
    return Shelf("p", ["b"], lacks, Answers())


def send(store: Shelf, held: Any, operation: str, *, fresh: str = "", **params: Any) -> tuple[Any, Any]:
    request = Request(operation, {"Bucket": "b", "Key": KEY, **params})
    return store.apply(held, Calls().call("p", request, once=False, fresh=fresh))


@pytest.mark.parametrize(
    ("lacks", "condition", "expected"),
    [
        ((), etag(b"v0"), "ok"),
        ((), etag(b"v1"), "412 PreconditionFailed"),
        ((), "*", "ok"),
        (("delete_if_match",), etag(b"v1"), "ok"),
    ],
)
def test_conditional_deletes(lacks: tuple[str, ...], condition: str, expected: str) -> None:
    store = shelf(*lacks)
    left, answered = send(store, store.start(b"v0"), "DeleteObject", IfMatch=condition)
    assert str(answered) == expected
    assert (left is store.start(None)) == (expected == "ok")


def test_a_conditional_delete_of_nothing_is_told_so() -> None:
    store = shelf()
    assert str(send(store, store.start(None), "DeleteObject", IfMatch="*")[1]) == "404 NoSuchKey"


def test_a_gateway_that_wants_etags_without_quotes() -> None:
    store = shelf(*RGW_LACKS)
    for condition, expected in ((etag(b"v0"), "412"), (etag(b"v0").strip('"'), "ok")):
        assert str(send(store, store.start(b"v0"), "PutObject", Body=b"v1", IfMatch=condition)[1]).startswith(expected)


def test_equal_contents_are_one_value_however_they_came_about() -> None:
    store = shelf()
    held = store.start(b"v0")
    there, _ = send(store, held, "PutObject", Body=b"v1")
    back, _ = send(store, there, "PutObject", Body=b"v0")
    assert back is held
    assert send(store, there, "DeleteObject")[0] is store.start(None)


def test_uploads_are_part_of_what_a_store_holds() -> None:
    store = shelf()
    held, created = send(store, store.start(None), "CreateMultipartUpload", fresh="upload-1", ContentType="a/b")
    assert "UploadId='upload-1'" in str(created)
    held, _ = send(store, held, "UploadPart", UploadId="upload-1", PartNumber=1, Body=b"v1")
    assert str(send(store, held, "ListParts", UploadId="upload-1")[1]) == "ok UploadId='upload-1'"
    assert str(send(store, held, "ListParts", UploadId="upload-2")[1]) == "404 NoSuchUpload"
    parts = {"Parts": [{"PartNumber": 1}]}
    held, _ = send(store, held, "CompleteMultipartUpload", UploadId="upload-1", MultipartUpload=parts)
    assert store.objects(held)[KEY].data == b"v1"
    assert held.uploads == ()


def test_keys_are_registers_of_their_own() -> None:
    contents = {KEY: b"v0", "other": b"v1"}
    primary_alone([plain_put(b"v2"), get("other")], [get("other"), get()], primary=contents).check()
    both = Operation("get both", get("other").flow, ((KEY, Read()), ("other", Read())), lambda _: (b"v0", b"v0"))
    assert primary_alone(both, primary=contents).violation


def test_a_read_of_two_keys_is_judged_key_by_key() -> None:
    def flow() -> Flow:
        first = yield ask(P, "GetObject")
        second = yield ask(P, "GetObject", Key="other")
        return {"seen": (first["Body"].read(), second["Body"].read())}

    both = Operation("get both", flow, ((KEY, Read()), ("other", Read())), lambda response: response["seen"])
    contents = {KEY: b"v0", "other": b"v0"}
    primary_alone(both, [plain_put(b"v1"), plain_put(b"v1", "other")], primary=contents).check()


def test_what_users_see_at_first_can_be_said() -> None:
    primary_alone(get(), initial={KEY: b"v0"}).check()
    assert primary_alone(get(), initial={KEY: b"v1"}).violation


def test_clients_that_wait_for_others_and_for_the_journal() -> None:
    mirrored = Client("writer", [writing(b"v1")])
    # Who looks at the source alone may see there what was overwritten before.
    reader = Operation("read S", lambda: read_source(S), ((KEY, Read()),), saw_body, nothing_there)
    assert explore("at once", [mirrored, [READ, reader]], final=[READ], reconcile=reconcile).violation
    after = Client("reader", [reader], after=("writer",))
    explore("after", [mirrored, after], final=[READ], reconcile=reconcile, crash=0).check()
    explore("after a crash and a recovery", [mirrored, after], final=[READ], reconcile=reconcile, recover=1).check()


def read_source(place: Place) -> Flow:
    return shown_to_user((yield from look(place)))


def test_a_client_goes_on_after_an_operation_that_failed() -> None:
    primary_alone([plain_put(b"v1"), get()], fail=1).check()


def test_a_refused_operation_has_done_nothing() -> None:
    def flow(*effects: Any) -> Flow:
        yield from (effect for effect in effects)
        raise refused(Request("PutObject", {}), "no")

    def refusing(*effects: Any) -> Operation:
        return Operation("write", lambda: flow(*effects), ((KEY, Write(b"v1")),), saw_ok)

    with pytest.raises(NeverReturnedError):
        primary_alone(refusing())
    assert primary_alone([refusing(put(P, {"Body": b"v1"})), get()]).violation


def test_recoveries_run_while_others_work() -> None:
    # Brings what it saw at first, whatever came in between.
    def copy_once(entry: Entry) -> Flow:
        p = yield from look(P)
        if p is not None:
            yield put(S, p["Content"])
        return {}

    conditions: dict[str, Any] = {"final": [READ], "reconcile": copy_once, "converged": CONVERGED}
    explore("nobody recovers", [writing(b"v1"), writing(b"v2")], **conditions).check()
    assert explore("recovery", [writing(b"v1"), writing(b"v2")], recover=1, **conditions).violation


def test_a_recovery_may_fail_and_leaves_the_entry() -> None:
    conditions: dict[str, Any] = {"final": [READ], "reconcile": reconcile, "converged": CONVERGED}
    explore("recovery fails", [writing(b"v1"), DELETE], recover=2, crash=2, fail=1, **conditions).check()


def test_an_operation_that_never_returns_shows_nothing() -> None:
    impossible = on_primary("get nothing", "GetObject", Read(), key="other", IfMatch='"no such etag"')
    impossible = Operation("never", impossible.flow, ((KEY, Read()),), saw_body)
    with pytest.raises(NeverReturnedError, match="never"):
        primary_alone(impossible)


def test_too_many_states_are_an_error() -> None:
    with pytest.raises(TooManyStatesError):
        primary_alone([plain_put(b"v1"), get()], [plain_put(b"v2"), get()], max_states=5)


def test_entries_that_are_left_have_to_be_reconciled() -> None:
    with pytest.raises(TypeError, match="say how to reconcile it"):
        explore("no reconcile", [writing(b"v1")], final=[READ])
    with pytest.raises(TypeError, match="say how to reconcile"):
        explore("no reconcile", [writing(b"v1")], final=[READ], recover=1)


def test_a_reconciliation_that_does_not_end_is_found() -> None:
    outcome = explore("endless", [writing(b"v1")], final=[READ], reconcile=lambda _: reconcile_until(lambda *_: False))
    assert outcome.violation is not None
    assert "does not come to an end" in outcome.violation.reason


def test_a_reconciliation_that_fails_is_found() -> None:
    def fails(entry: Entry) -> Flow:
        yield from ()
        raise refused(Request("PutObject", {}), "no")

    outcome = explore("fails", [writing(b"v1")], final=[READ], reconcile=fails)
    assert outcome.violation is not None
    assert "can't be reconciled" in outcome.violation.reason
    assert same_write({"Content": 1}, {"Content": 1})


def test_a_last_read_that_fails_is_found() -> None:
    broken = on_primary("get", "GetObject", Read(), IfMatch='"no such etag"')
    broken = Operation("broken", broken.flow, broken.actions, saw_body)
    outcome = explore("broken", [get()], final=[broken], primary=b"v0", source=None)
    assert outcome.violation is not None
    assert "a read fails" in outcome.violation.reason


def test_what_a_last_read_leaves_for_later_is_seen_too() -> None:
    def flow() -> Flow:
        yield Later("r", KEY, lambda: answer(put(P, {"Body": b"v9"})))
        return (yield from answer(ask(P, "GetObject")))

    outcome = primary_alone(get(), final=[Operation("get", flow, ((KEY, Read()),), saw_body)])
    assert outcome.violation is not None
    assert "b'v9'" in outcome.violation.reason


def test_a_mistake_in_a_flow_comes_with_the_history_that_led_to_it() -> None:
    def flow() -> Flow:
        yield ask(P, "HeadObject")
        yield ask(P, "NoSuchOperation")
        return {}

    with pytest.raises(NotImplementedError) as caught:
        primary_alone(Operation("mistaken", flow))
    assert "mistaken: p.HeadObject" in caught.value.__notes__[0]


def test_results_have_to_fit_the_actions() -> None:
    with pytest.raises(ValueError, match="2 results for 1 actions"):
        primary_alone(Operation("two results", get().flow, ((KEY, Read()),), lambda _: (OK, OK)))
