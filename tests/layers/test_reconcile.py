"""Bringing the other side up to date, from whatever state to whatever other."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from phased_world import DELETED, PhasedWorld, metadata_of

from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers.reconcile import Reconcile
from foodco_storage.layers.sameness import same
from foodco_storage.layers.sight import Found, find

WHICH = {"Bucket": "b", "Key": "k"}
# What may lie on a side.
STATES: dict[str, Any] = {
    "nothing": None,
    "tombstone": DELETED,
    "object": {"Body": b"new", "Metadata": {"dish": "soup", "foodco-write": "1"}, "ContentType": "text/html"},
    "the same": {"Body": b"new", "Metadata": {"foodco-write": "1", "dish": "soup"}, "ContentType": "text/html"},
    "other write": {"Body": b"old", "Metadata": {"foodco-write": "2"}},
    "other metadata": {"Body": b"new", "Metadata": {"dish": "stew"}, "ContentType": "text/html"},
    "foreign": {"Body": b"new", "Metadata": {"dish": "soup"}, "ContentType": "text/html", "Tagging": "a=1"},
}
states = st.sampled_from(sorted(STATES))


def world_with(phase: str, ours: str, theirs: str) -> PhasedWorld:
    """The authority, and the other side, in these states."""
    world = PhasedWorld(phase)
    for store, state in ((world.authority, STATES[ours]), (world.other, STATES[theirs])):
        if state is DELETED:
            store.directly("PutObject", "k", Body=b"x" * 509, Metadata={"foodco-tombstone": "1"})
        elif state is not None:
            store.directly("PutObject", "k", **state)
    return world


def reconcile(world: PhasedWorld, *, tags: bool = False) -> None:
    world.simulation.run(world.simulation.start("reconcile", Reconcile(world.route).key(WHICH, tags=tags)))


@given(phase=st.sampled_from(["backfill", "cutover", "drain"]), ours=states, theirs=states, tags=st.booleans())
def test_whatever_lies_there(phase: str, ours: str, theirs: str, tags: bool) -> None:
    if phase == "backfill" and ours == "tombstone":
        # The source holds none.
        return
    world = world_with(phase, ours, theirs)
    before = dict(world.authority.buckets["b"])
    untouched = world.other.holds()
    reconcile(world, tags=tags)
    # The authority is what it was.
    assert world.authority.buckets["b"] == before
    there = world.other.holds().get("k")
    state = STATES[ours]
    if state is DELETED:
        assert there is None
    elif state is None:
        # On the primary "not there" is no delete; on the source it is.
        assert there == (DELETED if phase == "backfill" else untouched.get("k"))
    elif phase == "drain":
        assert world.other.holds() == untouched
    else:
        stored = world.other.stored("k")
        assert there == state["Body"]
        assert metadata_of(stored) == metadata_of(world.authority.stored("k"))
        assert stored.described["ContentType"] == world.authority.stored("k").described["ContentType"]
        if tags:
            assert stored.tags == world.authority.stored("k").tags
    # And done again it finds nothing to do.
    world.forget()
    reconcile(world, tags=tags)
    assert world.other.written == (["DeleteObject"] if state is DELETED else [])


def test_settled_when_both_sides_agree() -> None:
    world = world_with("cutover", "object", "nothing")
    world.simulation.journal[7] = Entry("r", world.route.identity, "b", "k")
    flow = Reconcile(world.route).settled(world.simulation.journal[7], 7)
    world.simulation.run(world.simulation.start("settle", flow))
    assert world.journal == []
    assert world.counts == {"mirrored": 1}


def test_not_settled_when_a_side_is_down() -> None:
    for side in ("p", "s"):
        world = world_with("cutover", "object", "nothing")
        world.simulation.journal[7] = Entry("r", world.route.identity, "b", "k")
        world.simulation.down = {side}
        process = world.simulation.start("settle", Reconcile(world.route).settled(world.simulation.journal[7], 7))
        with pytest.raises(Exception, match="Could not connect"):
            world.simulation.run(process)
        assert isinstance(process.failure, Unavailable)
        assert world.journal == ["k"]


def test_a_key_that_keeps_changing() -> None:
    world = world_with("cutover", "object", "nothing")
    writes = iter(range(100))

    def changes(request: Request, _: Any) -> None:
        if request.operation == "PutObject":
            world.put(world.p, "k", str(next(writes)).encode())

    world.s.after = changes
    with pytest.raises(Exception, match="was overwritten each of the 8 times"):
        reconcile(world)


@pytest.mark.parametrize("takes", ["deleted", "overwritten"])
def test_what_changes_after_it_was_looked_at_is_brought_as_it_is(takes: str) -> None:
    world = world_with("cutover", "object", "nothing")

    def changes(request: Request) -> None:
        if request.operation == "GetObject":
            world.p.before = lambda _: None
            if takes == "deleted":
                world.bury("k")
            else:
                world.put(world.p, "k", b"newer", Metadata={"dish": "pie"})

    world.p.before = changes
    reconcile(world)
    if takes == "deleted":
        assert "k" not in world.s.holds()
    else:
        assert world.s.holds()["k"] == b"newer"
        assert metadata_of(world.s.stored("k")) == {"dish": "pie"}


def test_tags_that_change_while_they_are_brought() -> None:
    world = world_with("cutover", "object", "the same")
    world.p.stored("k").tags = [{"Key": "a", "Value": "1"}]

    def changes(request: Request, _: Any) -> None:
        if request.operation == "PutObjectTagging":
            world.s.after = lambda *_: None
            world.p.stored("k").tags = [{"Key": "a", "Value": "2"}]

    world.s.after = changes
    reconcile(world, tags=True)
    assert world.s.stored("k").tags == [{"Key": "a", "Value": "2"}]


@pytest.mark.parametrize("code", ["NotImplemented", "NoSuchTagSet"])
def test_a_store_without_tags(code: str) -> None:
    world = world_with("cutover", "object", "nothing")

    def knows_none(request: Request) -> None:
        if request.operation == "GetObjectTagging":
            raise Rejected("p", ClientError(error_response(code, 501, ""), request.operation))

    world.p.before = knows_none
    reconcile(world, tags=True)
    assert world.s.holds()["k"] == b"new"


class TestOfMoreThanOnePut:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("foodco_storage.layers.object_copy.WHOLE_BYTES", 4)

    def test_in_parts(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.p, "k", b"0123456789", Metadata={"dish": "soup"}, Tagging="a=1", ContentType="text/html")
        reconcile(world)
        copy = world.s.stored("k")
        assert (copy.data, copy.parts) == (b"0123456789", (4, 4, 2))
        assert (metadata_of(copy), copy.described["ContentType"]) == ({"dish": "soup"}, "text/html")
        assert copy.tags == [{"Key": "a", "Value": "1"}]

    def test_in_the_parts_that_it_has(self) -> None:
        world = PhasedWorld("cutover")
        etag = world.upload(world.p, "k", b"aaaaaa", b"bbbbbb", b"c")
        reconcile(world)
        assert world.s.stored("k").etag == etag

    def test_changed_in_the_midst_it_is_no_splice(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.p, "k", b"aaaaaaaa")

        def changes(request: Request, _: Any) -> None:
            if request.operation == "UploadPart":
                world.s.after = lambda *_: None
                world.put(world.p, "k", b"bbbbbbbb")

        world.s.after = changes
        reconcile(world)
        assert world.s._uploads == {}
        assert world.s.holds() == {"k": b"bbbbbbbb"}

    def test_a_part_that_comes_short(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.p, "k", b"aaaaaaaa")

        def short(request: Request, answer: Any) -> None:
            if request.operation == "GetObject":
                answer["Body"].read(1)

        world.p.after = short
        with pytest.raises(Exception, match="the body of b/k"):
            reconcile(world)
        assert world.s.holds() == {}
        assert world.s._uploads == {}


class TestSameness:
    def found(self, world: PhasedWorld) -> tuple[Found, Found]:
        return self.look(world, world.route.authority), self.look(world, world.route.other)

    def look(self, world: PhasedWorld, place: Place | None) -> Found:
        seen: list[Found] = []

        def flow() -> Any:
            assert place is not None
            found = yield from find([place], Request("HeadObject", WHICH))
            assert found is not None
            seen.append(found)
            return {}

        world.simulation.run(world.simulation.start("look", flow()))
        return seen[0]

    @pytest.mark.parametrize(
        ("ours", "theirs", "expected"),
        [
            ("object", "the same", True),
            ("object", "other write", False),
            ("object", "foreign", False),
            ("foreign", "foreign", True),
            ("foreign", "other metadata", False),
        ],
    )
    def test_of_two_objects(self, ours: str, theirs: str, expected: bool) -> None:
        assert same(*self.found(world_with("cutover", ours, theirs))) is expected

    @pytest.mark.parametrize(
        "change",
        [
            # Read with plain boto3, changed, and written back with the metadata that it had.
            {"Body": b"NEW"},
            {"ContentType": "text/plain"},
            {"Metadata": {"dish": "stew", "foodco-write": "1"}},
            {"CacheControl": "no-store"},
        ],
    )
    def test_an_id_that_another_program_wrote_back_proves_nothing(self, change: dict[str, Any]) -> None:
        world = world_with("backfill", "object", "object")
        world.s.directly("PutObject", "k", **{**STATES["object"], **change})
        assert not same(*self.found(world))
        reconcile(world)
        assert world.p.holds() == world.s.holds()
        assert world.p.stored("k").described == world.s.stored("k").described

    def test_a_promoted_copy_and_its_origin(self) -> None:
        world = PhasedWorld("cutover")
        world.upload(world.s, "k", b"aaaa", b"bb", Metadata={"dish": "soup"})
        world.read("k")
        world.forget()
        reconcile(world)
        assert world.s.written == []

    def test_uploads_of_one_write_in_other_parts(self) -> None:
        """ETags of other layouts can't be compared; the id tells."""
        world = PhasedWorld("cutover")
        described: dict[str, Any] = {"Metadata": {"foodco-write": "1"}}
        world.upload(world.p, "k", b"aaaa", b"bb", **described)
        world.put(world.s, "k", b"aaaabb", **described)
        assert same(*self.found(world))


def test_an_upload_in_parts_that_the_library_did_not_make_is_copied_once() -> None:
    world = PhasedWorld("backfill")
    upload = {"UploadId": world.authority.directly("CreateMultipartUpload", "k")["UploadId"]}
    world.authority.directly("UploadPart", "k", **upload, PartNumber=1, Body=b"x")
    world.authority.directly("CompleteMultipartUpload", "k", **upload, MultipartUpload={"Parts": [{"PartNumber": 1}]})
    for _ in range(3):
        world.simulation.run(world.simulation.start("reconcile", Reconcile(world.route).key(WHICH)))
    assert [request.operation for request in world.other.requests].count("PutObject") == 1


def test_an_encoding_of_a_transfer_that_a_store_kept_is_no_difference() -> None:
    world = PhasedWorld("backfill")
    world.authority.directly("PutObject", "k", Body=b"x", ContentEncoding="gzip,aws-chunked")
    for _ in range(3):
        world.simulation.run(world.simulation.start("reconcile", Reconcile(world.route).key(WHICH)))
    assert [request.operation for request in world.other.requests].count("PutObject") == 1
    assert world.other.buckets["b"]["k"].described["ContentEncoding"] == "gzip"


@pytest.mark.parametrize("phase", ["backfill", "cutover"])
def test_deleted_between_the_look_and_the_copy(phase: str) -> None:
    world = PhasedWorld(phase)
    world.put(world.authority, "k", b"x")

    def deletes(request: Request) -> None:
        if request.operation == "GetObject":
            world.authority.before = lambda _: None
            world.call("DeleteObject", Key="k")

    world.authority.before = deletes
    reconcile(world)
    assert world.fails("GetObject", Key="k") == ("NoSuchKey", 404)
    assert world.s.holds() == {}
