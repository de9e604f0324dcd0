"""Writes whose answer was lost: what took place is told, and what nobody knows is no success and no refusal."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from phased_world import ON_THE_MOVE, PhasedWorld, Store

from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response

BODIES: list[Callable[[bytes], Any]] = [bytes, io.BytesIO]
by_phase = pytest.mark.parametrize("phase", ON_THE_MOVE)


def lose(store: Store, operation: str, *, takes_place: bool, times: int = 1) -> None:
    """Lose the answers to an operation, or the requests themselves."""
    left = [times]

    def fault(request: Request) -> None:
        if request.operation == operation and left[0]:
            left[0] -= 1
            raise store.outage(operation)

    if takes_place:
        store.after = lambda request, _: fault(request)
    else:
        store.before = fault


class TestConditionalPut:
    @by_phase
    @pytest.mark.parametrize("takes_place", [True, False])
    @pytest.mark.parametrize("times", [1, 2])
    def test_of_bytes_succeeds(self, phase: str, takes_place: bool, times: int) -> None:
        world = PhasedWorld(phase)
        lose(world.authority, "PutObject", takes_place=takes_place, times=times)
        answer = world.call("PutObject", Key="k", Body=b"mine", IfNoneMatch="*", Metadata={"dish": "soup"})
        assert answer["ETag"] == world.authority.stored("k").etag
        assert answer["ResponseMetadata"]["Storage"]["backend"] == world.route.authority.backend
        assert world.read("k") == b"mine"
        assert world.journal == []
        assert all(request.operation == "PutObject" for request in world.authority.sent_once)

    @by_phase
    def test_of_a_file_that_took_place(self, phase: str) -> None:
        world = PhasedWorld(phase)
        lose(world.authority, "PutObject", takes_place=True)
        answer = world.call("PutObject", Key="k", Body=io.BytesIO(b"mine"), IfNoneMatch="*")
        assert answer["ETag"] == world.authority.stored("k").etag
        assert world.journal == []

    @by_phase
    def test_of_a_file_that_did_not(self, phase: str) -> None:
        """It can't be sent again, and may yet arrive."""
        world = PhasedWorld(phase)
        lose(world.authority, "PutObject", takes_place=False)
        with pytest.raises(ClientError, match="InternalError"):
            world.call("PutObject", Key="k", Body=io.BytesIO(b"mine"), IfNoneMatch="*")
        assert world.authority.holds() == {}
        assert world.journal == (["k"] if world.route.mirrors_writes else [])

    @pytest.mark.parametrize("form", BODIES)
    def test_that_does_not_end(self, form: Callable[[bytes], Any]) -> None:
        world = PhasedWorld("cutover")
        lose(world.p, "PutObject", takes_place=False, times=99)
        with pytest.raises(ClientError, match="InternalError"):
            world.call("PutObject", Key="k", Body=form(b"mine"), IfNoneMatch="*")
        assert world.journal == ["k"]

    @pytest.mark.parametrize("form", BODIES)
    def test_overwritten_by_others_since(self, form: Callable[[bytes], Any]) -> None:
        """It may have taken place, and been overwritten: neither a success nor a 412 would be true for certain."""
        world = PhasedWorld("cutover")

        def lost(request: Request, _: Any) -> None:
            if request.operation == "PutObject":
                world.p.after = lambda *_: None
                world.put(world.p, "k", b"theirs")
                raise world.p.outage("PutObject")

        world.p.after = lost
        with pytest.raises(ClientError, match="InternalError"):
            world.call("PutObject", Key="k", Body=form(b"mine"), IfNoneMatch="*")
        assert world.read("k") == b"theirs"
        assert world.journal == ["k"]

    def test_somebody_elses_object_is_no_success(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.p, "k", b"theirs")
        etag = world.p.stored("k").etag
        lose(world.p, "PutObject", takes_place=False)
        world.call("PutObject", Key="k", Body=b"mine", IfMatch=etag)
        assert world.read("k") == b"mine"
        assert world.fails("PutObject", Key="k", Body=b"again", IfMatch=etag) == ("PreconditionFailed", 412)

    def test_over_a_tombstone(self) -> None:
        world = PhasedWorld("cutover")
        world.bury("k")

        def lost(request: Request, _: Any) -> None:
            if request.operation == "PutObject" and "IfMatch" in request.params:
                world.p.after = lambda *_: None
                raise world.p.outage("PutObject")

        world.p.after = lost
        world.call("PutObject", Key="k", Body=b"mine", IfNoneMatch="*")
        assert world.read("k") == b"mine"
        assert world.journal == []


class TestComplete:
    @by_phase
    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
    def test_sent_again_by_botocore_after_its_answer_was_lost(self, phase: str, condition: dict[str, str]) -> None:
        """The upload is gone then, or the condition fails over what was written; but it was this very write."""
        world, upload = begun(phase)
        resend(world.authority, "CompleteMultipartUpload")
        answer = world.call("CompleteMultipartUpload", Key="k", **upload, **condition)
        stored = world.authority.stored("k")
        assert (answer["ETag"], answer["Bucket"], answer["Key"]) == (stored.etag, "b", "k")
        assert "Metadata" not in answer
        assert world.read("k") == b"part"
        assert world.journal == []

    def test_a_store_that_judges_the_condition_before_it_looks_for_the_upload(self) -> None:
        """A 412 over what was written itself must not be taken for the truth; then the other side would never follow."""
        world, upload = begun("cutover")

        def judged(request: Request) -> None:
            if request.operation == "CompleteMultipartUpload" and "k" in world.p.holds():
                raise Rejected("p", ClientError(error_response("PreconditionFailed", 412, "no"), request.operation))

        world.p.before = judged
        resend(world.p, "CompleteMultipartUpload")
        world.call("CompleteMultipartUpload", Key="k", **upload, IfNoneMatch="*")
        assert (world.p.holds(), world.s.holds()) == ({"k": b"part"}, {"k": b"part"})
        assert world.journal == []

    @by_phase
    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
    def test_of_an_upload_that_is_not_there(self, phase: str, condition: dict[str, str]) -> None:
        world, upload = begun(phase)
        world.call("AbortMultipartUpload", Key="k", UploadId=upload["UploadId"])
        assert world.fails("CompleteMultipartUpload", Key="k", **upload, **condition) == ("NoSuchUpload", 404)
        assert world.journal == []

    def test_begun_in_another_process(self) -> None:
        """Its id is not known here, so what became of it is not either; the other side is looked after."""
        world, upload = begun("cutover")
        world.move_to("cutover")
        resend(world.p, "CompleteMultipartUpload")
        assert world.fails("CompleteMultipartUpload", Key="k", **upload)[1] == 404
        assert world.journal == ["k"]

    @pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
    def test_an_outage(self, condition: dict[str, str]) -> None:
        world, upload = begun("cutover")
        world.p.fail("CompleteMultipartUpload")
        with pytest.raises(ClientError, match="InternalError"):
            world.call("CompleteMultipartUpload", Key="k", **upload, **condition)
        assert world.journal == ["k"]
        world.p.recover()
        world.call("CompleteMultipartUpload", Key="k", **upload, **condition)
        assert world.read("k") == b"part"


def begun(phase: str) -> tuple[PhasedWorld, dict[str, Any]]:
    world = PhasedWorld(phase)
    upload = world.call("CreateMultipartUpload", Key="k")["UploadId"]
    etag = world.call("UploadPart", Key="k", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    return world, {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}


def resend(store: Store, operation: str) -> None:
    """Carry out every request of an operation twice, and answer the second: what botocore makes of a lost answer.

    Not where it was told to send it once: then the answer stays lost.
    """
    send = store.call

    def call(request: Request) -> Any:
        if request.operation != operation:
            return send(request)
        send(request)
        if any(request is one for one in store.sent_once):
            raise store.outage(operation)
        try:
            return send(request)
        except Rejected as error:
            response = error_response(error.code, error.status, "")
            response["ResponseMetadata"]["RetryAttempts"] = 1
            raise Rejected(store.name, ClientError(response, operation)) from error

    store.call = call  # type: ignore[method-assign]


@by_phase
def test_a_put_that_was_refused_after_botocore_sent_it_again_is_looked_into(phase: str) -> None:
    """The refusal answers the second request: the first one may have taken place."""
    world = PhasedWorld(phase)

    def refused(request: Request) -> None:
        if request.operation == "PutObject":
            response = error_response("AccessDenied", 403, "no")
            response["ResponseMetadata"]["RetryAttempts"] = 1
            raise Rejected("", ClientError(response, "PutObject"))

    world.authority.before = refused
    assert world.fails("PutObject", Key="k", Body=b"new") == ("AccessDenied", 403)
    assert world.journal == (["k"] if world.route.mirrors_writes else [])
