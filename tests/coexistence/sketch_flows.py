"""The flows of `coexistence_model.py` as flows that yield effects: simple, and only for testing the explorer.

P is the primary, S the source. A tombstone is an empty object whose metadata says so; the same write is one with the same
write id in its metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from immutable_stores import BUCKET, KEY, PRIMARY, SOURCE
from linearizability import Delete, PutIfAbsent, Read, Write
from programs import Operation, failed_condition, nothing_there
from users import EqualSides, etag, saw_body, saw_ok, value_of

from foodco_storage.backends.memory import Stored
from foodco_storage.flows.effects import Call, Enter, Gather, Later, NewId, Settle
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import rejected

P, S = Place(PRIMARY), Place(SOURCE)
ENTRY = Entry("r", "ps", BUCKET, KEY)
TOMBSTONE: Parameters = {"Body": b"", "Metadata": {"tombstone": "yes"}}


def ask(place: Place, operation: str, *, once: bool = False, **params: Any) -> Call:
    return Call(place, Request(operation, {"Bucket": BUCKET, "Key": KEY, **params}), once=once)


def put(place: Place, content: Parameters, **condition: Any) -> Call:
    return ask(place, "PutObject", **content, **condition)


def answer(call: Call) -> Flow:
    response: Response = yield call
    return response


def look(place: Place) -> Generator[Any, Any, Response | None]:
    """What a place holds."""
    try:
        response: Response = yield ask(place, "GetObject")
    except NotThere:
        return None
    response["Content"] = content_of(response)
    return response


def content_of(response: Response) -> Parameters:
    body = response["Body"].read()
    response["Body"].seek(0)
    content = {"Body": body, "Metadata": response["Metadata"], "ContentType": response["ContentType"]}
    return {name: value for name, value in content.items() if value or name == "Body"}


def is_tombstone(response: Response) -> bool:
    return "tombstone" in response["Metadata"]


def gone() -> Rejected:
    return rejected(Request("GetObject", {}), "NoSuchKey", 404, "The specified key does not exist.")


def shown_to_user(response: Response | None) -> Response:
    if response is None or is_tombstone(response):
        raise gone()
    return response


# Reads.


def read() -> Flow:
    p = yield from look(P)
    if p is not None:
        return shown_to_user(p)
    s = yield from look(S)
    if s is not None:
        return s
    return shown_to_user((yield from look(P)))


def read_ps() -> Flow:
    p = yield from look(P)
    return shown_to_user(p if p is not None else (yield from look(S)))


def list_sp() -> Flow:
    s = yield from look(S)
    p = yield from look(P)
    return shown_to_user(p if p is not None else s)


def list_ps() -> Flow:
    p = yield from look(P)
    s = yield from look(S)
    return shown_to_user(p if p is not None else s)


def list_both() -> Flow:
    p, s = yield Gather([at(P), at(S)])
    return shown_to_user(p["Found"] or s["Found"])


def at(place: Place) -> Flow:
    return {"Found": (yield from look(place))}


def read_then_promote() -> Flow:
    p = yield from look(P)
    if p is not None:
        return shown_to_user(p)
    s = yield from look(S)
    if s is not None:
        yield from put_if_absent_quietly(s["Content"])
    return shown_to_user(s)


# Promotes and the other work behind users' backs.


def put_if_absent_quietly(content: Parameters) -> Generator[Any, Any, None]:
    try:
        yield put(P, content, IfNoneMatch="*")
    except Rejected:
        return


def promote() -> Flow:
    s = yield from look(S)
    if s is not None:
        yield from put_if_absent_quietly(s["Content"])
    return {}


def promote_unconditionally() -> Flow:
    s = yield from look(S)
    if s is not None:
        yield put(P, s["Content"])
    return {}


def reconcile_until(same: Callable[[Response, Response | None], bool]) -> Flow:
    while True:
        p = yield from look(P)
        if p is None:
            return {}
        yield ask(S, "DeleteObject") if is_tombstone(p) else put(S, p["Content"])
        if same(p, (yield from look(P))):
            return {}


def same_write(one: Response, other: Response | None) -> bool:
    return other is not None and one["Content"] == other["Content"]


def same_etag(one: Response, other: Response | None) -> bool:
    return other is not None and one["ETag"] == other["ETag"]


def reconcile(entry: Entry = ENTRY) -> Flow:
    return reconcile_until(same_write)


def delete_if(place: Place, body: bytes) -> Generator[Any, Any, None]:
    try:
        yield ask(place, "DeleteObject", IfMatch=etag(body))
    except (NotThere, Rejected):
        return


def collect() -> Flow:
    """Garbage collection of the tombstone."""
    s = yield from look(S)
    p = yield from look(P)
    if s is None and p is not None and is_tombstone(p):
        yield from delete_if(P, b"")
    return {}


def drain() -> Flow:
    p = yield from look(P)
    s = yield from look(S)
    if p is not None and s is not None and p["Content"] == s["Content"]:
        yield from delete_if(S, s["Content"]["Body"])
    return {}


# Writes and deletes.


def write(
    content: Parameters,
    *,
    ack: bool = False,
    same: Callable[[Response, Response | None], bool] = same_write,
) -> Flow:
    content = {**content, "Metadata": {"id": (yield NewId())}}
    (number,) = yield Enter([ENTRY])
    response: Response = yield put(P, content)
    if ack:
        yield Later("r", KEY, lambda: mirror(number, content, response, same))
    else:
        yield from mirror(number, content, response, same)
    return response


def mirror(
    number: int, content: Parameters, response: Response, same: Callable[[Response, Response | None], bool]
) -> Flow:
    yield put(S, content)
    ours = {"Content": {"ContentType": "binary/octet-stream", **content}, "ETag": response["ETag"]}
    if not same(ours, (yield from look(P))):
        yield from reconcile_until(same)
    yield Settle([number])
    return {}


def write_not_looked_again(content: Parameters) -> Flow:
    (number,) = yield Enter([ENTRY])
    content = {**content, "Metadata": {"id": (yield NewId())}}
    yield put(P, content)
    yield put(S, content)
    yield Settle([number])
    return {}


def write_settled_finally(content: Parameters) -> Flow:
    (number,) = yield Enter([ENTRY])
    try:
        yield put(P, content)
        yield put(S, content)
    except Unavailable:
        yield Settle([number])
        raise
    yield Settle([number])
    return {}


def write_entered_late(content: Parameters) -> Flow:
    content = {**content, "Metadata": {"id": (yield NewId())}}
    response: Response = yield put(P, content)
    (number,) = yield Enter([ENTRY])
    yield from mirror(number, content, response, same_write)
    return {}


def replay(entry: Entry) -> Flow:
    """What the journal must not be: bodies copied once, without a second look."""
    p = yield from look(P)
    if p is not None:
        yield put(S, p["Content"])
    return {}


def replay_absence_too(entry: Entry) -> Flow:
    p = yield from look(P)
    if p is None:
        yield ask(S, "DeleteObject")
    return (yield from replay(entry))


def put_primary(content: Parameters) -> Flow:
    return (yield from answer(put(P, {**content, "Metadata": {"id": (yield NewId())}})))


def delete() -> Flow:
    (number,) = yield Enter([ENTRY])
    yield put(P, TOMBSTONE)
    yield ask(S, "DeleteObject")
    p = yield from look(P)
    if p is None or not is_tombstone(p):
        yield from reconcile()
    yield Settle([number])
    return {}


def delete_plainly(*places: Place) -> Flow:
    for place in places:
        yield ask(place, "DeleteObject")
    return {}


def delete_in_backfill(*, leave_tombstone: bool) -> Flow:
    (number,) = yield Enter([ENTRY])
    yield ask(S, "DeleteObject")
    yield put(P, TOMBSTONE) if leave_tombstone else ask(P, "DeleteObject")
    yield Settle([number])
    return {}


def put_if_absent_once(content: Parameters) -> Flow:
    """Sent once; what a lost answer leaves open is told by the write id."""
    content = {**content, "Metadata": {"id": (yield NewId())}}
    request = {**content, "IfNoneMatch": "*"}
    try:
        return (yield from answer(ask(P, "PutObject", once=True, **request)))
    except Unavailable:
        try:
            return (yield from answer(ask(P, "PutObject", once=True, **request)))
        except Rejected:
            p = yield from look(P)
            if p is not None and p["Metadata"] == content["Metadata"]:
                return {}
            raise


def put_if_absent_retried_below(content: Parameters) -> Flow:
    return (yield from answer(put(P, content, IfNoneMatch="*")))


# The same as operations of users.

_READS = ((KEY, Read()),)
READ = Operation("read", read, _READS, saw_body, nothing_there)
READ_PS = Operation("read P, S", read_ps, _READS, saw_body, nothing_there)
READ_PROMOTE = Operation("read, promote", read_then_promote, _READS, saw_body, nothing_there)
LIST_SP = Operation("list S, P", list_sp, _READS, saw_body, nothing_there)
LIST_BOTH = Operation("list P and S", list_both, _READS, saw_body, nothing_there)
LIST_PS = Operation("list P, S", list_ps, _READS, saw_body, nothing_there)
PROMOTE = Operation("promote", promote)
PROMOTE_UNCONDITIONALLY = Operation("promote unconditionally", promote_unconditionally)
COLLECT = Operation("collect tombstone", collect)
DRAIN = Operation("drain", drain)
_DELETES = ((KEY, Delete()),)
DELETE = Operation("delete", delete, _DELETES, saw_ok)
DELETE_PRIMARY_FIRST = Operation("delete P, S", lambda: delete_plainly(P, S), _DELETES, saw_ok)
DELETE_SOURCE_FIRST = Operation("delete S, P", lambda: delete_plainly(S, P), _DELETES, saw_ok)
DELETE_BACKFILL = Operation("delete", lambda: delete_in_backfill(leave_tombstone=True), _DELETES, saw_ok)
DELETE_BACKFILL_PLAINLY = Operation("delete", lambda: delete_in_backfill(leave_tombstone=False), _DELETES, saw_ok)


def writes(name: str, flow: Callable[[Parameters], Flow], body: bytes, **params: Any) -> Operation:
    value = value_of(body, **{"content_type": params["ContentType"]} if params else {})
    content = {"Body": body, **params}
    return Operation(f"{name} {value!r}", lambda: flow(content), ((KEY, Write(value)),), saw_ok)


def writing(body: bytes, *, ack: bool = False, **params: Any) -> Operation:
    return writes("write", lambda content: write(content, ack=ack), body, **params)


def writing_compared_by_etag(body: bytes, **params: Any) -> Operation:
    return writes("write", lambda content: write(content, same=same_etag), body, **params)


def writing_not_looked_again(body: bytes) -> Operation:
    return writes("write", write_not_looked_again, body)


def writing_settled_finally(body: bytes) -> Operation:
    return writes("write", write_settled_finally, body)


def writing_entered_late(body: bytes) -> Operation:
    return writes("write", write_entered_late, body)


def writing_primary(body: bytes) -> Operation:
    return writes("write P", put_primary, body)


def putting_if_absent(flow: Callable[[Parameters], Flow], body: bytes) -> Operation:
    actions = ((KEY, PutIfAbsent(body)),)
    return Operation(f"put {body!r} if absent", lambda: flow({"Body": body}), actions, saw_ok, failed_condition)


def is_stored_tombstone(stored: Stored) -> bool:
    return "tombstone" in stored.described.get("Metadata", {})


CONVERGED = EqualSides(is_tombstone=is_stored_tombstone)
