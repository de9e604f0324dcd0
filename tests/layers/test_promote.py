"""On-demand migration: what a read finds only in the source comes over, as it is, and never over anything else."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from phased_world import DELETED, PhasedWorld, Store, metadata_of

from foodco_storage.config import Promote
from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.effects import Later, Tee
from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response

phases = pytest.mark.parametrize("phase", ["cutover", "drain"])
DESCRIBED: dict[str, Any] = {
    "CacheControl": "max-age=60",
    "ContentDisposition": "inline",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentType": "image/jpeg",
    "Metadata": {"dish": "soup"},
}


def world_with(body: bytes = b"old", *, phase: str = "cutover", **options: Any) -> PhasedWorld:
    """The source holds `k`."""
    world = PhasedWorld(phase, **options)
    world.put(world.s, "k", body, **DESCRIBED, Tagging="a=1&b=2")
    return world


@phases
@pytest.mark.parametrize("background", [True, False])
class TestOfWhatIsRead:
    def test_comes_over_with_all_that_it_has(self, phase: str, background: bool) -> None:
        world = world_with(phase=phase, promote=Promote(background=background))
        answer = world.call("GetObject", Key="k")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"old", {"dish": "soup"})
        ours, theirs = world.p.stored("k"), world.s.stored("k")
        assert (ours.data, ours.tags) == (theirs.data, theirs.tags)
        assert metadata_of(ours) == {"dish": "soup"}
        without = {name: value for name, value in ours.described.items() if name != "Metadata"}
        assert without == {name: value for name, value in theirs.described.items() if name != "Metadata"}
        assert world.counts == {"promotes": 1, "promoted_bytes": 3}
        # The source is read once, and nothing is journalled: both sides are equal.
        assert world.s.asked.count("GetObject") == 1
        assert world.s.written == []
        assert world.journal == []

    def test_under_a_condition_and_checked(self, phase: str, background: bool) -> None:
        world = world_with(phase=phase, promote=Promote(background=background))
        world.read("k")
        (put,) = [request for request in world.p.requests if request.operation == "PutObject"]
        assert put.params["IfNoneMatch"] == "*"
        assert put in world.p.sent_once
        assert put.params["ContentMD5"] == base64.b64encode(hashlib.md5(b"old").digest()).decode()

    def test_is_read_from_the_primary_from_then_on(self, phase: str, background: bool) -> None:
        world = world_with(phase=phase, promote=Promote(background=background))
        first = world.call("GetObject", Key="k")
        world.forget()
        again = world.call("GetObject", Key="k")
        assert world.s.asked == []
        assert again["Body"].read() == b"old"
        names = ("LastModified", "ContentType", "Metadata", "ContentLength", "TagCount", "CacheControl")
        assert {name: again.get(name) for name in names} == {name: first.get(name) for name in names}

    @pytest.mark.parametrize("body", [b"", b"x", b"x" * 100_000])
    def test_of_any_size(self, phase: str, background: bool, body: bytes) -> None:
        world = world_with(body, phase=phase, promote=Promote(background=background))
        assert world.read("k") == body
        assert world.p.holds() == {"k": body}

    @pytest.mark.parametrize("params", [{"Range": "bytes=1-1"}, {"Range": "bytes=0-"}, {"PartNumber": 1}])
    def test_after_a_part_of_it_the_whole(self, phase: str, background: bool, params: dict[str, Any]) -> None:
        world = PhasedWorld(phase, promote=Promote(background=background))
        world.upload(world.s, "k", b"o", b"ld")
        answer = world.call("GetObject", Key="k", **params)
        assert len(answer["Body"].read()) == answer["ContentLength"]
        assert world.p.holds() == {"k": b"old"}
        assert world.s.asked.count("GetObject") == 2

    @pytest.mark.parametrize(
        "override",
        [
            {"ResponseContentType": "text/plain"},
            {"ResponseContentDisposition": "attachment"},
            {"ResponseCacheControl": "no-store"},
            {"ResponseContentEncoding": "identity"},
            {"ResponseContentLanguage": "fr"},
            {"ResponseExpires": "Thu, 01 Jan 2026 00:00:00 GMT"},
        ],
    )
    def test_headers_that_the_reader_asked_for_are_not_the_objects(
        self, phase: str, background: bool, override: dict[str, str]
    ) -> None:
        world = world_with(phase=phase, promote=Promote(background=background))
        overriding(world.s)
        answer = world.call("GetObject", Key="k", **override)
        assert answer[next(iter(override)).removeprefix("Response")] == next(iter(override.values()))
        copy = world.p.stored("k")
        assert {name: copy.described.get(name) for name in DESCRIBED if name != "Metadata"} == {
            name: value for name, value in DESCRIBED.items() if name != "Metadata"
        }
        assert "Expires" not in copy.described

    def test_aws_chunked_stays_behind(self, phase: str, background: bool) -> None:
        world = world_with(phase=phase, promote=Promote(background=background))
        world.s.stored("k").described["ContentEncoding"] = "gzip, aws-chunked"
        world.read("k")
        assert world.p.stored("k").described["ContentEncoding"] == "gzip"


def overriding(store: Store) -> None:
    """As S3 does with `response-content-type` and the like."""

    def after(request: Request, answer: Any) -> None:
        for name, value in request.params.items():
            if name.startswith("Response"):
                answer[name.removeprefix("Response")] = value

    store.after = after


class TestWhatDoesNotComeOver:
    @pytest.mark.parametrize(
        ("operation", "params"),
        [
            ("HeadObject", {}),
            ("GetObjectTagging", {}),
            ("GetObject", {"VersionId": "v1"}),
            ("GetObject", {"SSECustomerKey": "0" * 32, "SSECustomerAlgorithm": "AES256"}),
        ],
    )
    def test_after_these_reads(self, operation: str, params: dict[str, Any]) -> None:
        world = world_with()
        world.call(operation, Key="k", **params)
        assert world.p.written == []

    def test_what_is_switched_off(self) -> None:
        world = world_with(promote=Promote(enabled=False))
        assert world.read("k") == b"old"
        assert world.p.written == []

    @pytest.mark.parametrize("params", [{}, {"Range": "bytes=0-0"}])
    def test_what_is_too_large(self, params: dict[str, Any]) -> None:
        world = world_with(b"1234", promote=Promote(max_object_bytes=3))
        assert world.read("k", **params)
        assert world.p.written == []
        assert world.counts == {"promotes_too_large": 1}
        world.put(world.s, "small", b"123")
        world.read("small")
        assert world.p.holds() == {"small": b"123"}

    def test_what_grew_since_a_part_of_it_was_read(self) -> None:
        world = world_with(b"1234", promote=Promote(max_object_bytes=5))

        def grows(request: Request) -> None:
            if "Range" not in request.params:
                world.s.before = lambda _: None
                world.put(world.s, "k", b"123456")

        world.s.before = grows
        world.read("k", Range="bytes=0-0")
        assert world.p.written == []
        assert world.counts == {"promotes_too_large": 1}

    def test_what_is_too_large_to_be_kept_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read once more: keeping all that many readers read at once would fill the disk."""
        monkeypatch.setattr("foodco_storage.layers.promote.KEPT_BYTES", 3)
        world = world_with(b"1234")
        process = world.start("GetObject", Key="k")
        answer = world.simulation.run(process)
        assert world.s.asked.count("GetObject") == 1
        world.run_background()
        assert answer["Body"].read() == b"1234"
        assert world.p.holds() == {"k": b"1234"}
        assert world.s.asked.count("GetObject") == 2

    def test_more_than_one_put_takes(self) -> None:
        """5 GiB and a byte: told by the size alone, the body is not read."""
        world = world_with()

        def huge(request: Request, answer: Any) -> None:
            if request.operation == "GetObject":
                answer["ContentLength"] = 5 * 1024**3 + 1

        world.s.after = huge
        world.call("GetObject", Key="k")
        assert world.p.written == []
        assert world.counts == {"promotes_too_large": 1}

    def test_to_a_store_that_ignores_the_condition(self) -> None:
        world = world_with(lacks=("conditional_put",))
        for _ in range(3):
            assert world.read("k") == b"old"
        assert world.p.written == []
        assert world.counts["promotes_stopped"] == 1
        (warning,) = world.simulation.warnings
        assert "conditional_put" in warning

    @pytest.mark.parametrize("phase", ["source", "backfill", "target"])
    def test_in_other_phases(self, phase: str) -> None:
        world = world_with(phase=phase)
        world.put(world.authority, "k", b"new")
        world.read("k")
        assert world.other.written == []

    def test_a_body_that_was_damaged_on_the_way(self) -> None:
        world = world_with(b"as it was")

        def damaged(request: Request, answer: Any) -> None:
            if request.operation == "GetObject":
                answer["Body"] = io.BytesIO(b"otherwise")

        world.s.after = damaged
        world.read("k")
        assert world.p.holds() == {}
        assert world.counts == {"promote_failures": 1}
        # Nor when it is read once more.
        world.read("k", Range="bytes=0-0")
        assert world.p.holds() == {}

    @pytest.mark.parametrize(
        ("etag", "told", "comes"),
        [
            ('"0123456789abcdef0123456789abcdef"', {}, False),
            # No MD5s, and so nothing to check by.
            ('"0123456789abcdef0123456789abcdef"', {"ServerSideEncryption": "aws:kms"}, True),
            ('"0123456789abcdef0123456789abcdef-2"', {}, True),
            ('"0123"', {}, True),
        ],
    )
    def test_a_body_that_its_etag_does_not_name(self, etag: str, told: dict[str, str], comes: bool) -> None:
        world = world_with()
        world.s.stored("k").etag = etag

        def encrypted(_: Request, answer: Any) -> None:
            answer.update(told)

        world.s.after = encrypted
        world.read("k")
        assert ("k" in world.p.holds()) is comes

    def test_metadata_that_can_not_be_carried(self) -> None:
        world = world_with()
        world.s.after = lambda _, answer: answer.update(MissingMeta=1)
        assert world.read("k") == b"old"
        assert world.p.holds() == {}

    def test_what_botocore_does_not_send(self) -> None:
        """Other programs write dates that are none."""
        world = world_with()

        def refuses(request: Request) -> None:
            if request.operation == "PutObject":
                raise ParamValidationError(report="Expires")

        world.p.before = refuses
        for _ in range(2):
            assert world.read("k") == b"old"
        assert world.counts == {"promote_failures": 2}
        assert "b/k stays where it is" in world.simulation.warnings[0]


class TestWhatComesInBetween:
    @pytest.mark.parametrize("params", [{}, {"Range": "bytes=0-0"}])
    def test_a_write_is_not_overwritten(self, params: dict[str, str]) -> None:
        world = world_with()
        self._before_the_put(world, lambda: world.put(world.p, "k", b"new"))
        world.read("k", **params)
        assert world.p.holds() == {"k": b"new"}
        assert world.counts == {"promotes_overtaken": 1}

    @pytest.mark.parametrize("params", [{}, {"Range": "bytes=0-0"}])
    def test_a_delete_stays(self, params: dict[str, str]) -> None:
        world = world_with()
        self._before_the_put(world, lambda: world.bury("k"))
        world.read("k", **params)
        assert world.p.holds() == {"k": DELETED}

    def test_gone_from_the_source(self) -> None:
        world = world_with()

        def gone(request: Request) -> None:
            if "Range" not in request.params:
                world.s.buckets["b"].clear()

        world.s.before = gone
        assert world.read("k", Range="bytes=0-0") == b"o"
        assert world.p.holds() == {}
        assert world.counts == {}

    def _before_the_put(self, world: PhasedWorld, what: Any) -> None:
        def before(request: Request) -> None:
            if request.operation == "PutObject":
                world.p.before = lambda _: None
                what()

        world.p.before = before


class TestRefusals:
    """Readers without the right to write the primary go on reading."""

    def test_by_the_primary_stop_it_with_one_warning(self) -> None:
        world = world_with()
        world.put(world.s, "other", b"old")
        world.p.fail("PutObject", error=world.p.refusal)
        for key in ("k", "other", "k"):
            assert world.read(key) == b"old"
        assert world.p.asked.count("PutObject") == 1
        assert world.counts == {"promote_failures": 1, "promotes_stopped": 1}
        (warning,) = world.simulation.warnings
        assert "'p'" in warning
        assert "write" in warning

    def test_by_the_source_to_tell_the_tags(self) -> None:
        """The copy would lack them; and it is not the primary's credentials that have to be mended."""
        world = world_with()
        world.s.fail("GetObjectTagging", error=world.s.refusal)
        assert world.read("k") == b"old"
        assert world.p.holds() == {}
        (warning,) = world.simulation.warnings
        assert "'s'" in warning
        assert "tags" in warning

    def test_other_failures_do_not_stop_it(self) -> None:
        world = world_with()
        world.p.fail("PutObject")
        assert world.read("k") == b"old"
        assert world.counts == {"promote_failures": 1}
        world.p.recover()
        world.read("k")
        assert world.p.holds() == {"k": b"old"}

    def test_a_bucket_that_turns_out_to_be_versioned(self) -> None:
        """Such stores may ignore the condition."""
        world = world_with()
        world.put(world.s, "other", b"old")

        def versioned(request: Request, answer: Any) -> None:
            if request.operation == "PutObject":
                answer["VersionId"] = "v1"

        world.p.after = versioned
        for key in ("k", "other"):
            assert world.read(key) == b"old"
        assert world.p.asked.count("PutObject") == 1
        assert "is versioned" in world.simulation.warnings[0]

    def test_a_primary_that_is_down_for_reading_is_not_promoted_to(self) -> None:
        world = world_with(read_when_primary_down=True)
        world.p.fail()
        answer = world.call("GetObject", Key="k")
        assert answer["ResponseMetadata"]["Storage"]["degraded"]
        assert world.p.written == []


class TestPartLayout:
    def test_of_equal_parts_is_kept(self) -> None:
        world = PhasedWorld("cutover")
        etag = world.upload(world.s, "k", b"aaaa", b"bbbb", b"cc")
        world.read("k")
        assert world.p.stored("k").described["Metadata"]["foodco-origin"].endswith(" 4x2,2")
        assert world.call("GetObject", Key="k", PartNumber=2, IfMatch=etag)["Body"].read() == b"bbbb"

    @pytest.mark.parametrize("parts", [(b"aaaa", b"bb", b"ccc"), (b"a", b"bbb"), (b"aaaa", b"bbbb", b"c", b"ddd")])
    def test_that_is_not_known_is_not_made_up(self, parts: tuple[bytes, ...]) -> None:
        """`PartNumber` would answer bytes that are no part: two objects spliced."""
        world = PhasedWorld("cutover")
        world.upload(world.s, "k", *parts)
        world.read("k")
        assert world.fails("GetObject", Key="k", PartNumber=2) == ("InvalidPartNumber", 416)

    def test_two_unequal_parts(self) -> None:
        world = PhasedWorld("cutover")
        world.upload(world.s, "k", b"aaaa", b"bb")
        world.read("k")
        assert world.call("GetObject", Key="k", PartNumber=2)["Body"].read() == b"bb"

    def test_is_not_asked_for_where_there_is_none(self) -> None:
        world = world_with()
        world.read("k")
        assert "HeadObject" not in world.s.asked


class TestBringing:
    """Tags are written to what only the source holds."""

    TAGS = {"TagSet": [{"Key": "c", "Value": "3"}]}  # noqa: RUF012

    def test_brings_it_over_first(self) -> None:
        world = world_with()
        world.call("PutObjectTagging", Key="k", Tagging=self.TAGS)
        assert world.p.holds() == {"k": b"old"}
        assert world.p.stored("k").tags == world.s.stored("k").tags == self.TAGS["TagSet"]
        assert metadata_of(world.p.stored("k")) == {"dish": "soup"}

    def test_refuses_where_it_could_overwrite(self) -> None:
        world = world_with(lacks=("conditional_put",))
        with pytest.raises(OperationRefusedError, match="conditional_put"):
            world.call("PutObjectTagging", Key="k", Tagging=self.TAGS)
        assert world.p.written == []
        assert world.journal == []


def test_works_are_known_by_their_key_and_their_route() -> None:
    world = world_with()
    process = world.start("GetObject", Key="k")
    while not isinstance(process.effect, Tee):
        world.simulation.step(process)
    later = process.effect.abandoned()
    assert isinstance(later, Later)
    assert later.topic == (world.route.identity, "b", "k")
    assert set(later.phases) == {"cutover", "drain"}


def test_the_error_of_a_put_is_not_the_readers() -> None:
    world = world_with(promote=Promote(background=False))

    def too_large(request: Request) -> None:
        if request.operation == "PutObject":
            raise Rejected("p", ClientError(error_response("EntityTooLarge", 400, ""), "PutObject"))

    world.p.before = too_large
    assert world.read("k") == b"old"
