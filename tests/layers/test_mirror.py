"""The other side follows what the authority has taken, and the journal knows of it until it was seen to."""

from __future__ import annotations

import io
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError
from phased_world import DELETED, ON_THE_MOVE, PhasedWorld, Store

from foodco_storage.config import Mirror
from foodco_storage.drivers.simulation import Process
from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.effects import Call, Defer, Enter, Settle
from foodco_storage.flows.outcomes import BackendError, NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers.mirror import took_no_effect

mirrored = pytest.mark.parametrize("phase", ["backfill", "cutover"])
WRITES: dict[str, dict[str, Any]] = {
    "PutObject": {"Body": b"new"},
    "DeleteObject": {},
    "PutObjectTagging": {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}},
    "DeleteObjectTagging": {},
    "CopyObject": {"CopySource": "b/source"},
}
writes = pytest.mark.parametrize("operation", WRITES)


def world_with(phase: str, **options: Any) -> PhasedWorld:
    """Both sides hold `k` and `source`."""
    world = PhasedWorld(phase, mirror=Mirror(**options))
    for key in ("k", "source"):
        world.call("PutObject", Key=key, Body=b"old", Tagging="x=y")
    world.simulation.journal.clear()
    world.forget()
    return world


def effects(world: PhasedWorld, process: Process) -> list[str]:
    """Runs a process; what it did, in order."""
    done = []
    while not process.ended:
        effect = process.effect
        if isinstance(effect, Call):
            done.append(f"{effect.place.backend} {effect.request.operation}")
        elif isinstance(effect, Enter | Settle | Defer):
            done.append(type(effect).__name__)
        world.simulation.step(process)
    return done


class TestOrder:
    @mirrored
    @writes
    def test_entered_before_anything_is_written_and_settled_after_both_sides_were_seen(
        self, phase: str, operation: str
    ) -> None:
        world = world_with(phase)
        done = effects(world, world.start(operation, Key="k", **WRITES[operation]))
        ours, theirs = world.route.authority.backend, world.other.name
        changes = [what for what in done if what.split()[-1] in {*WRITES, "Enter", "Settle"}]
        assert changes[0] == "Enter"
        assert changes[1].startswith(ours)
        assert changes[-1] == "Settle"
        # The last that is asked of a store is the authority, after the last that was changed on the other side.
        calls = [what for what in done if " " in what]
        last_change = max(number for number, what in enumerate(calls) if what.startswith(theirs))
        assert f"{ours} HeadObject" in calls[last_change:]

    def test_what_follows_is_a_put_and_a_look(self) -> None:
        world = world_with("cutover")
        done = effects(world, world.start("PutObject", Key="k", Body=b"new"))
        assert done == ["Enter", "p PutObject", "s PutObject", "p HeadObject", "Settle"]

    def test_a_body_that_is_read_once_is_read_from_the_authority(self) -> None:
        world = world_with("cutover")
        done = effects(world, world.start("PutObject", Key="k", Body=io.BytesIO(b"new")))
        assert done[:2] == ["Enter", "p PutObject"]
        assert "p GetObject" in done
        assert world.s.holds()["k"] == b"new"
        assert world.journal == []

    def test_an_async_mirror_is_left_to_others(self) -> None:
        world = world_with("cutover", mode="async")
        done = effects(world, world.start("PutObject", Key="k", Body=b"new"))
        assert done == ["Enter", "p PutObject", "Defer"]

    @pytest.mark.parametrize("phase", ON_THE_MOVE)
    @pytest.mark.parametrize("mode", ["sync", "async", "off"])
    @writes
    def test_who_has_it_when_it_is_acknowledged(self, phase: str, mode: str, operation: str) -> None:
        world = world_with(phase)
        world.configured = PhasedWorld(phase, mirror=Mirror(mode=mode)).configured
        world.move_to(phase)
        before = world.other.holds()["k"] if phase != "drain" else b"old"
        if phase == "drain":
            world.put(world.s, "k", b"old")
            world.put(world.s, "source", b"old")
        answer = world.call(operation, Key="k", **WRITES[operation])
        storage = answer["ResponseMetadata"]["Storage"]
        follows = phase == "drain" and operation == "DeleteObject"
        is_mirrored = mode != "off" and phase != "drain"
        assert ("mirror" in storage) is ((is_mirrored or follows) and mode == "async")
        assert world.journal == (["k"] if "mirror" in storage else [])
        there = world.other.holds().get("k")
        if (is_mirrored or follows) and mode != "async":
            expected: Any = {"DeleteObject": DELETED if phase == "backfill" else None, "PutObject": b"new"}
            assert there == expected.get(operation, b"old")
        else:
            assert there == before


class TestFailures:
    @mirrored
    @writes
    @pytest.mark.parametrize("required", [False, True])
    def test_of_the_other_side(self, phase: str, operation: str, required: bool) -> None:
        """The authority has taken the write: that is acknowledged, and told, and not forgotten."""
        world = world_with(phase, required=required)
        world.other.fail()
        if required:
            with pytest.raises(ClientError, match="InternalError") as caught:
                world.call(operation, Key="k", **WRITES[operation])
            assert "mirror.required" in caught.value.__notes__[0]
        else:
            answer = world.call(operation, Key="k", **WRITES[operation])
            assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.journal == ["k"]
        assert world.counts["mirror_failures"] == 1

    @mirrored
    @writes
    @pytest.mark.parametrize(
        ("failure", "is_left"),
        [(Store.outage, True), (Store.refusal, False)],
    )
    def test_of_the_authority(
        self, phase: str, operation: str, failure: Callable[[Store, str], BackendError], is_left: bool
    ) -> None:
        """A refusal had no effect; after an outage nobody knows."""
        world = world_with(phase)
        operations = [operation, "PutObject"] if operation == "DeleteObject" else [operation]
        world.authority.fail(*operations, error=lambda what: failure(world.authority, what))
        with pytest.raises(ClientError):
            world.call(operation, Key="k", **WRITES[operation])
        assert world.other.written == []
        assert world.journal == (["k"] if is_left else [])

    @mirrored
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ParamValidationError(report="Expires")])
    @pytest.mark.parametrize("required", [False, True])
    def test_on_our_side_after_the_authority_has_taken_it(self, phase: str, error: Exception, required: bool) -> None:
        """No room to keep the body that is read back, a header that can't be sent: no reason to fail the write."""
        world = world_with(phase, required=required)

        def fails(request: Request) -> None:
            if request.operation == "GetObject":
                raise error

        world.authority.before = fails
        if required:
            with pytest.raises(type(error)):
                world.call("PutObject", Key="k", Body=io.BytesIO(b"new"))
        else:
            answer = world.call("PutObject", Key="k", Body=io.BytesIO(b"new"))
            assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.authority.holds()["k"] == b"new"
        assert world.journal == ["k"]

    def test_of_the_look_after_it(self) -> None:
        world = world_with("cutover")
        world.p.fail("HeadObject")
        answer = world.call("PutObject", Key="k", Body=b"new")
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        # Equal, as it happens; but nobody has seen it.
        assert world.s.holds()["k"] == b"new"
        assert world.journal == ["k"]

    @pytest.mark.parametrize(
        ("error", "definite"),
        [
            (ParamValidationError(report="no"), True),
            (Rejected("p", ClientError(error_response("AccessDenied", 403, ""), "PutObject")), True),
            (NotThere("p", ClientError(error_response("NoSuchKey", 404, ""), "CopyObject")), True),
            (Rejected("p", OperationRefusedError("no", "PutObject")), True),
            (Unavailable("p", ClientError(error_response("SlowDown", 503, ""), "PutObject")), False),
            (Unavailable("p", OSError()), False),
            # As of credentials that could not be had again for a retry.
            (Rejected("p", NoCredentialsError()), False),
            (OSError(), False),
        ],
    )
    def test_which_are_definite(self, error: Exception, definite: bool) -> None:
        assert took_no_effect(error) is definite
        if isinstance(error, BackendError) and definite:
            # It may answer a second request, whose first took place.
            error.error.response["ResponseMetadata"]["RetryAttempts"] = 1  # type: ignore[attr-defined]
            assert took_no_effect(error) is False


class TestRaces:
    """What the explorer of tests/coexistence goes through exhaustively; here what it has no programs for."""

    def test_the_authority_was_written_by_others_meanwhile(self) -> None:
        world = world_with("cutover")

        def overwritten(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                world.s.after = lambda *_: None
                world.put(world.p, "k", b"theirs", Metadata={"dish": "soup"})

        world.s.after = overwritten
        world.call("PutObject", Key="k", Body=b"mine")
        assert world.s.holds()["k"] == b"theirs"
        assert world.s.stored("k").described["Metadata"] == {"dish": "soup"}
        assert world.journal == []

    def test_the_same_body_under_other_headers(self) -> None:
        """One ETag, two writes."""
        world = world_with("cutover")

        def overwritten(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                world.s.after = lambda *_: None
                world.put(world.p, "k", b"mine", ContentType="text/html")

        world.s.after = overwritten
        world.call("PutObject", Key="k", Body=b"mine", ContentType="text/plain")
        assert world.s.stored("k").described["ContentType"] == "text/html"

    def test_deleted_meanwhile(self) -> None:
        world = world_with("cutover")

        def deleted(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                world.s.after = lambda *_: None
                world.bury("k")

        world.s.after = deleted
        world.call("PutObject", Key="k", Body=b"mine")
        assert "k" not in world.s.holds()
        assert world.journal == []

    def test_a_key_that_keeps_changing_is_left(self) -> None:
        world = world_with("cutover")
        state = {"number": 0}

        def overwritten(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                state["number"] += 1
                world.put(world.p, "k", str(state["number"]).encode())

        world.s.after = overwritten
        answer = world.call("PutObject", Key="k", Body=b"mine")
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.journal == ["k"]


class TestBodies:
    @mirrored
    @pytest.mark.parametrize(
        "body",
        [b"", b"x" * 100, bytearray(b"mutable"), "text é", io.BytesIO(b"a file")],
        ids=lambda b: type(b).__name__,
    )
    def test_both_sides_have_it(self, phase: str, body: Any) -> None:
        world = world_with(phase)
        world.call("PutObject", Key="k", Body=body)
        assert world.p.holds()["k"] == world.s.holds()["k"]
        assert world.journal == []

    @mirrored
    def test_none_at_all(self, phase: str) -> None:
        world = world_with(phase)
        world.call("PutObject", Key="k")
        assert world.p.holds()["k"] == world.s.holds()["k"] == b""
        assert world.journal == []

    @mirrored
    def test_a_file_is_read_from_where_it_stands(self, phase: str) -> None:
        world = world_with(phase)
        file = io.BytesIO(b"skipped, and sent")
        file.seek(9)
        world.call("PutObject", Key="k", Body=file)
        assert world.p.holds()["k"] == world.s.holds()["k"] == b"and sent"

    @mirrored
    def test_one_that_was_changed_after_the_call_does_not_matter(self, phase: str) -> None:
        world = world_with(phase, mode="async")
        body = bytearray(b"as it was")
        world.call("PutObject", Key="k", Body=body)
        body[:] = b"otherwise"
        assert world.authority.holds()["k"] == b"as it was"

    def test_encrypted_with_a_customers_key(self) -> None:
        """From memory it is mirrored, key and all; a file can't be read back without the key, and stays visible."""
        world = world_with("cutover")
        key = {"SSECustomerKey": "0" * 32, "SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": "md5"}
        world.call("PutObject", Key="k", Body=b"secret", **key)
        (sent,) = [request for request in world.s.requests if request.operation == "PutObject"]
        assert sent.params.items() >= key.items()
        assert all(
            request.params["SSECustomerKey"] == key["SSECustomerKey"]
            for request in world.p.requests
            if request.operation == "HeadObject"
        )
        assert world.journal == []

        def encrypted(request: Request) -> None:
            if request.operation in {"HeadObject", "GetObject"} and "SSECustomerKey" not in request.params:
                raise Rejected(
                    "p", ClientError(error_response("InvalidRequest", 400, "needs a key"), request.operation)
                )

        world.p.before = encrypted
        answer = world.call("PutObject", Key="k", Body=io.BytesIO(b"secret"), **key)
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.journal == ["k"]

    def test_metadata_that_can_not_be_read_is_not_dropped(self) -> None:
        """Some clients write names that are no headers; S3 counts them (`MissingMeta`)."""
        world = world_with("cutover")

        def missing(request: Request, answer: Any) -> None:
            if request.operation in {"HeadObject", "GetObject"}:
                answer["MissingMeta"] = 2

        world.p.after = missing
        answer = world.call("PutObject", Key="k", Body=io.BytesIO(b"new"))
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        assert world.s.holds()["k"] == b"old"
        assert world.journal == ["k"]


class Keys(str, Enum):  # noqa: UP042 - a StrEnum's `str()` is its value
    """An enumeration of strings, whose `str()` is another string."""

    K = "k"


@mirrored
@pytest.mark.parametrize("mode", ["sync", "async"])
@writes
def test_names_that_are_members_of_an_enumeration(phase: str, mode: str, operation: str) -> None:
    world = world_with(phase)
    world.configured = PhasedWorld(phase, mirror=Mirror(mode=mode)).configured
    world.move_to(phase)
    world.other.fail()
    world.call(operation, **{"Key": Keys.K, **WRITES[operation]})
    assert world.journal == ["k"]
    assert type(next(iter(world.simulation.journal.values())).key) is str


@pytest.mark.parametrize("phase", ON_THE_MOVE)
@pytest.mark.parametrize("wrong", [{}, {"Key": None}, {"Key": 7}, {"Key": b"k"}])
@pytest.mark.parametrize("operation", [*WRITES, "CompleteMultipartUpload"])
def test_a_key_that_is_none_is_left_to_botocore(phase: str, wrong: dict[str, Any], operation: str) -> None:
    """It raises ParamValidationError; a delete, which is not sent as it is, must not be made of it."""
    world = PhasedWorld(phase)
    world.put(world.p, "source")
    world.put(world.s, "source")

    def validates(request: Request) -> None:
        if request.params.get("Key") is None or not isinstance(request.params["Key"], str):
            raise ParamValidationError(report="Key")

    world.p.before = world.s.before = validates
    with pytest.raises(ParamValidationError):
        world.call(operation, **WRITES.get(operation, {"UploadId": "x"}), **wrong)
    assert world.journal == []


def test_callers_parameters_are_not_changed() -> None:
    world = world_with("cutover")
    params: dict[str, Any] = {"Key": "k", "Body": b"new", "Metadata": {"dish": "soup"}, "Tagging": "a=1"}
    before = {**params, "Metadata": dict(params["Metadata"])}
    world.call("PutObject", **params)
    world.call("PutObject", **params, IfMatch="*")
    assert params == before
