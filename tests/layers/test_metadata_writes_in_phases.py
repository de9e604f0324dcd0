"""Writes of what hangs on an object, while the object migrates."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from phased_world import DELETED, ON_THE_MOVE, PHASES, PhasedWorld, metadata_of

from foodco_storage.config import Mirror
from foodco_storage.flows.request import Request
from foodco_storage.operations import python_name

TAGS = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
OTHERS: dict[str, dict[str, Any]] = {
    "PutObjectAcl": {"ACL": "private"},
    "PutObjectLegalHold": {"LegalHold": {"Status": "ON"}},
    "PutObjectRetention": {"Retention": {}},
    "RestoreObject": {"RestoreRequest": {"Days": 1}},
}


def put_tags(world: PhasedWorld, key: str = "k", tags: Any = TAGS) -> Any:
    return world.call("PutObjectTagging", Key=key, Tagging={"TagSet": tags})


class TestTags:
    @pytest.mark.parametrize("phase", PHASES)
    def test_are_written_read_and_deleted(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"})
        sides = [world.p, world.s] if phase in {"backfill", "cutover"} else [world.authority]
        put_tags(world)
        assert world.call("GetObjectTagging", Key="k")["TagSet"] == TAGS
        assert all(side.stored("k").tags == TAGS for side in sides)
        world.call("DeleteObjectTagging", Key="k")
        assert world.call("GetObjectTagging", Key="k")["TagSet"] == []
        assert all(side.stored("k").tags == [] for side in sides)
        # The object itself is what it was.
        assert all(side.stored("k").data == b"new" for side in sides)
        assert metadata_of(world.authority.stored("k")) == {"dish": "soup"}
        assert world.journal == []

    @pytest.mark.parametrize("phase", ["cutover", "drain"])
    def test_bring_an_object_over_that_only_the_source_holds(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old", Metadata={"dish": "soup"}, ContentType="text/html", Tagging="x=y")
        put_tags(world)
        assert world.p.holds() == {"k": b"old"}
        assert world.p.stored("k").tags == TAGS
        assert world.p.stored("k").described["ContentType"] == "text/html"
        assert world.s.stored("k").tags == (TAGS if phase == "cutover" else [{"Key": "x", "Value": "y"}])
        assert world.call("GetObject", Key="k")["Metadata"] == {"dish": "soup"}
        assert world.journal == []

    @pytest.mark.parametrize("phase", ["cutover", "drain"])
    def test_of_what_was_written_while_it_was_brought_over(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")

        def written(request: Request) -> None:
            if request.operation == "PutObject":
                world.p.before = lambda _: None
                world.put(world.p, "k", b"theirs")

        world.p.before = written
        put_tags(world)
        assert world.read("k") == b"theirs"
        assert world.p.stored("k").tags == TAGS

    @pytest.mark.parametrize("phase", PHASES)
    def test_of_what_nobody_holds(self, phase: str) -> None:
        world = PhasedWorld(phase)
        assert world.fails("PutObjectTagging", Key="k", Tagging={"TagSet": TAGS}) == ("NoSuchKey", 404)
        assert world.fails("DeleteObjectTagging", Key="k") == ("NoSuchKey", 404)
        assert world.journal == []

    @pytest.mark.parametrize("phase", ["cutover", "drain", "target"])
    def test_of_what_is_deleted(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"not deleted yet")
        world.bury("k")
        assert world.fails("PutObjectTagging", Key="k", Tagging={"TagSet": TAGS}) == ("NoSuchKey", 404)
        assert world.p.holds() == {"k": DELETED}
        assert world.p.stored("k").tags == []
        assert world.journal == []

    def test_a_source_that_is_down_does_not_make_it_a_missing_key(self) -> None:
        world = PhasedWorld("cutover")
        world.s.fail()
        assert world.fails("PutObjectTagging", Key="k", Tagging={"TagSet": TAGS}) == ("InternalError", 500)

    @pytest.mark.parametrize("mode", ["sync", "async"])
    def test_that_the_other_side_has_yet_to_take(self, mode: Any) -> None:
        world = PhasedWorld("cutover", mirror=Mirror(mode=mode))
        world.put(world.p, "k", b"new")
        world.put(world.s, "k", b"new")
        world.s.fail("PutObjectTagging")
        assert put_tags(world)["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        (entry,) = world.simulation.journal.values()
        # The object is the same on both sides: without this the entry would be settled by a HEAD of each.
        assert (entry.key, entry.tags) == ("k", True)

    def test_refused_by_the_authority(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.p, "k", b"new")
        world.p.fail("PutObjectTagging", error=world.p.refusal)
        with pytest.raises(ClientError, match="AccessDenied"):
            put_tags(world)
        assert world.s.asked == []
        assert world.journal == []


class TestWhatIsNotMirrored:
    @pytest.mark.parametrize("phase", ON_THE_MOVE)
    @pytest.mark.parametrize("operation", OTHERS)
    def test_goes_to_the_authority_and_is_told(self, phase: str, operation: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.p, "k", b"new")
        world.put(world.s, "k", b"new")
        for store in (world.p, world.s):
            setattr(store, f"_{python_name(operation)}", lambda _: {})
        world.call(operation, Key="k", **OTHERS[operation])
        assert operation in world.authority.asked
        assert world.other.asked == []
        assert world.journal == []
        if world.route.mirrors_writes:
            (warning,) = world.simulation.warnings
            assert operation in warning
        else:
            assert world.simulation.warnings == []

    @pytest.mark.parametrize("phase", ["cutover", "drain"])
    def test_brings_an_object_over_that_only_the_source_holds(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        setattr(world.p, "_put_object_acl", lambda _: {})  # noqa: B010
        world.call("PutObjectAcl", Key="k", ACL="private")
        assert world.p.holds() == {"k": b"old"}
        assert world.p.written == ["PutObject", "PutObjectAcl"]
