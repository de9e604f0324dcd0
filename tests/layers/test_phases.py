"""Who is asked, and who is written, in each phase of a migration: the table of DESIGN section 6."""

from __future__ import annotations

from typing import Any

import pytest
from phased_world import DELETED, PHASES, PhasedWorld, metadata_of

from foodco_storage.config import Mirror
from foodco_storage.errors import OperationRefusedError

by_source = pytest.mark.parametrize("phase", ["source", "backfill"])
by_primary_and_source = pytest.mark.parametrize("phase", ["cutover", "drain"])


class TestReads:
    @by_source
    @pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
    def test_the_source_alone_is_asked(self, phase: str, operation: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        world.put(world.p, "k", b"a copy that may be older")
        answer = world.call(operation, Key="k")
        assert answer["ContentLength"] == 3
        assert answer["ResponseMetadata"]["Storage"] == {"backend": "s"}
        assert world.p.asked == []

    @by_source
    def test_what_only_the_primary_holds_is_not_there(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.p, "k", b"deleted on the source meanwhile")
        assert world.fails("GetObject", Key="k") == ("NoSuchKey", 404)
        assert world.fails("HeadObject", Key="k") == ("404", 404)

    @by_primary_and_source
    def test_the_primary_first(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.p, "k", b"new")
        world.put(world.s, "k", b"older")
        assert world.read("k") == b"new"
        assert world.s.asked == []

    @by_primary_and_source
    def test_then_the_source(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        assert world.read("k") == b"old"
        assert world.p.asked[0] == "GetObject"

    @pytest.mark.parametrize(("phase", "asked"), [("cutover", 1), ("drain", 2)])
    def test_a_miss_is_believed_in_drain_after_the_primary_was_asked_again(self, phase: str, asked: int) -> None:
        world = PhasedWorld(phase)
        assert world.fails("GetObject", Key="k") == ("NoSuchKey", 404)
        assert (world.p.asked, world.s.asked) == (["GetObject"] * asked, ["GetObject"])

    def test_a_key_that_moves_between_the_looks_of_drain_is_found(self) -> None:
        world = PhasedWorld("drain")
        world.put(world.s, "k", b"moving")

        def moves(request: Any) -> None:
            world.put(world.p, "k", b"moving")
            world.s.buckets["b"].clear()

        world.s.before = moves
        assert world.read("k") == b"moving"

    @by_primary_and_source
    @pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "GetObjectTagging", "GetObjectAttributes"])
    def test_a_tombstone_ends_the_search(self, phase: str, operation: str) -> None:
        world = PhasedWorld(phase, lacks=("object_attributes",))
        world.put(world.s, "k", b"not deleted yet")
        world.bury("k")
        more = {"ObjectAttributes": ["ETag"]} if operation == "GetObjectAttributes" else {}
        code = "404" if operation == "HeadObject" else "NoSuchKey"
        assert world.fails(operation, Key="k", **more) == (code, 404)
        assert world.s.asked == []

    def test_the_primary_alone_in_target(self) -> None:
        world = PhasedWorld("target")
        world.put(world.s, "k", b"old")
        world.bury("gone")
        for key in ("k", "gone"):
            assert world.fails("GetObject", Key=key) == ("NoSuchKey", 404)
            assert world.fails("HeadObject", Key=key) == ("404", 404)
            assert world.fails("GetObjectTagging", Key=key) == ("NoSuchKey", 404)
        assert world.s.asked == []


class TestWrites:
    @pytest.mark.parametrize(
        ("phase", "primary", "source"),
        [
            ("source", None, b"new"),
            ("backfill", b"new", b"new"),
            ("cutover", b"new", b"new"),
            ("drain", b"new", b"old"),
            ("target", b"new", b"old"),
        ],
    )
    def test_put(self, phase: str, primary: Any, source: Any) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        answer = world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "pizza"})
        assert (world.p.holds().get("k"), world.s.holds().get("k")) == (primary, source)
        assert metadata_of(world.authority.stored("k")) == {"dish": "pizza"}
        assert answer["ResponseMetadata"]["Storage"]["backend"] == world.route.authority.backend
        assert answer["ETag"] == world.authority.stored("k").etag
        assert world.journal == []

    @pytest.mark.parametrize("phase", PHASES)
    def test_put_and_get(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "pizza"})
        answer = world.call("GetObject", Key="k")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"new", {"dish": "pizza"})
        assert world.call("HeadObject", Key="k")["Metadata"] == {"dish": "pizza"}

    @pytest.mark.parametrize("phase", ["backfill", "cutover"])
    def test_both_sides_hold_the_same_object(self, phase: str) -> None:
        world = PhasedWorld(phase)
        headers = {
            "CacheControl": "max-age=5",
            "ContentDisposition": "inline",
            "ContentEncoding": "gzip",
            "ContentLanguage": "de",
            "ContentType": "image/jpeg",
            "Metadata": {"Dish": "pizza"},
            "Tagging": "a=1&b=2",
        }
        world.call("PutObject", Key="k", Body=b"new", **headers)
        ours, theirs = world.p.stored("k"), world.s.stored("k")
        assert ours.described == theirs.described
        assert ours.tags == theirs.tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]

    def test_what_means_something_on_one_side_only_stays_there(self) -> None:
        world = PhasedWorld("cutover")
        world.call("PutObject", Key="k", Body=b"new", StorageClass="COLD", ACL="private", SSEKMSKeyId="theirs")
        (sent,) = [request for request in world.s.requests if request.operation == "PutObject"]
        assert not sent.params.keys() & {"StorageClass", "ACL", "SSEKMSKeyId"}


class TestDeletes:
    @pytest.mark.parametrize(
        ("phase", "primary", "source"),
        [
            ("source", b"copy", None),
            ("backfill", DELETED, None),
            ("cutover", DELETED, None),
            ("drain", DELETED, None),
            ("target", None, b"old"),
        ],
    )
    @pytest.mark.parametrize("bulk", [False, True])
    def test_delete(self, phase: str, primary: Any, source: Any, bulk: bool) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        world.put(world.p, "k", b"copy")
        if bulk:
            world.call("DeleteObjects", Delete={"Objects": [{"Key": "k"}]})
        else:
            world.call("DeleteObject", Key="k")
        assert (world.p.holds().get("k"), world.s.holds().get("k")) == (primary, source)
        assert world.journal == []

    @pytest.mark.parametrize("phase", PHASES)
    def test_what_was_deleted_can_be_written_again(self, phase: str) -> None:
        world = PhasedWorld(phase)
        for body in (b"1", b"2"):
            world.call("PutObject", Key="k", Body=body)
            assert world.read("k") == body
            world.call("DeleteObject", Key="k")
            assert world.fails("GetObject", Key="k") == ("NoSuchKey", 404)
        world.call("PutObject", Key="k", Body=b"3", IfNoneMatch="*")
        assert world.read("k") == b"3"

    @pytest.mark.parametrize("phase", ["backfill", "cutover", "drain"])
    def test_operations_that_delete_without_a_tombstone_are_refused(self, phase: str) -> None:
        world = PhasedWorld(phase)
        world.put(world.s, "k", b"old")
        for operation, params in (("RenameObject", {"Key": "new", "RenameSource": "k"}), ("DeleteBucket", {})):
            with pytest.raises(OperationRefusedError):
                world.call(operation, **params)
        assert (world.p.written, world.s.written) == ([], [])


class TestThroughTheWholeMigration:
    """A key is followed from phase to phase."""

    def test_forwards(self) -> None:
        world = PhasedWorld("source")
        world.put(world.s, "foreign", b"legacy", Metadata={"dish": "soup"})
        world.put(world.s, "never read", b"legacy")
        world.call("PutObject", Key="gone", Body=b"1")
        world.call("PutObject", Key="k", Body=b"source")
        for phase in ("backfill", "cutover", "drain"):
            world.move_to(phase)
            assert world.read("k") != phase.encode()
            world.call("PutObject", Key="k", Body=phase.encode())
            assert world.read("k") == phase.encode()
            if phase == "backfill":
                world.call("DeleteObject", Key="gone")
            assert world.fails("GetObject", Key="gone") == ("NoSuchKey", 404)
            assert world.read("foreign") == b"legacy"
        assert world.journal == []
        world.move_to("target")
        world.s.buckets["b"].clear()
        assert (world.read("k"), world.read("foreign")) == (b"drain", b"legacy")
        assert world.call("HeadObject", Key="foreign")["Metadata"] == {"dish": "soup"}
        assert world.fails("GetObject", Key="gone") == ("NoSuchKey", 404)

    def test_back_from_cutover_to_backfill_and_source(self) -> None:
        world = PhasedWorld("cutover")
        world.put(world.s, "foreign", b"legacy")
        world.put(world.s, "gone", b"legacy")
        world.call("PutObject", Key="k", Body=b"new", Metadata={"dish": "soup"})
        world.call("DeleteObject", Key="gone")
        assert world.read("foreign") == b"legacy"
        for phase in ("backfill", "source"):
            world.move_to(phase)
            assert (world.read("k"), world.read("foreign")) == (b"new", b"legacy")
            assert world.call("GetObject", Key="k")["Metadata"] == {"dish": "soup"}
            assert world.fails("GetObject", Key="gone") == ("NoSuchKey", 404)
        # What the primary still holds of it does no harm to another attempt.
        world.call("DeleteObject", Key="k")
        world.call("PutObject", Key="gone", Body=b"again")
        world.move_to("backfill")
        world.call("PutObject", Key="foreign", Body=b"changed")
        world.call("DeleteObject", Key="k")
        world.call("PutObject", Key="gone", Body=b"again")
        world.move_to("cutover")
        assert (world.read("gone"), world.read("foreign")) == (b"again", b"changed")
        assert world.fails("GetObject", Key="k") == ("NoSuchKey", 404)

    def test_without_a_mirror_the_authority_alone_is_written(self) -> None:
        world = PhasedWorld("cutover", mirror=Mirror(mode="off"))
        world.put(world.s, "gone", b"legacy")
        world.call("PutObject", Key="k", Body=b"new")
        world.call("DeleteObject", Key="gone")
        assert world.s.written == []
        assert world.fails("GetObject", Key="gone") == ("NoSuchKey", 404)
