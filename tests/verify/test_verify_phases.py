"""Every kind of difference, planted with plain boto3: found, put right, and not found again."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest

import foodco_storage
from foodco_storage.drivers.background import background
from foodco_storage.flows.marks import TOMBSTONE_BODY
from foodco_storage.verify import VerifyRefusedError, verify, verify_reasons

ALL = ("source", "backfill", "cutover", "drain", "target")


def content(s3: Any, bucket: str, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize("phase", ALL)
@pytest.mark.parametrize("deep", [False, True])
def test_equal_sides_are_clean(sides, phase, deep):
    for key in ("a", "a/b", "a-b", "ü", "🍕", "z z", "+%20&", " "):
        sides.both(key, key.encode(), ContentType="image/png", Metadata={"who": "x"}, Tagging="a=b")
    sides.put("new", ".foodco-storage/control.json")
    assert sides.found(phase, deep=deep) == {}
    assert sides.summary.is_clean
    assert (sides.summary.compared, sides.summary.same, sides.summary.in_source) == (8, 8, 8)
    assert verify_reasons(sides.configuration(phase), "ours") == []


def test_backfill(sides):
    sides.both("equal")
    sides.put("old", "missing", b"m", Metadata={"a": "b"}, Tagging="t=1")
    sides.put("old", "deleted too early")
    sides.bury("deleted too early")
    sides.put("new", "extra")
    sides.put("new", "stale", b"old")
    sides.put("old", "stale", b"new")
    sides.bury("deleted")
    planted = {"missing": "missing", "deleted too early": "hidden", "extra": "extra", "stale": "differs"}
    assert sides.found("backfill") == planted
    sizes = {one.key: one.size for one in sides.differences("backfill")}
    assert sizes == {"missing": 1, "deleted too early": 4, "extra": None, "stale": 3}
    assert (sides.summary.compared, sides.summary.same, sides.summary.tombstones) == (6, 2, 2)
    assert len(verify_reasons(sides.configuration("backfill"), "ours")) == 4
    assert sides.found("backfill", repair=True) == {}
    assert (sides.summary.repaired, sides.summary.is_clean) == (4, True)
    assert sides.found("backfill", deep=True) == {}
    assert content(sides.new, sides.bucket, "stale") == b"new"
    assert content(sides.new, sides.bucket, "extra") == TOMBSTONE_BODY
    assert sides.keys("old") == {"equal", "missing", "deleted too early", "stale"}
    assert verify_reasons(sides.configuration("backfill"), "ours") == []


def test_cutover(sides):
    sides.both("equal")
    sides.put("old", "not yet")
    sides.put("new", "missing", b"m")
    sides.put("new", "differs", b"right")
    sides.put("old", "differs", b"stale")
    sides.put("old", "not deleted")
    sides.bury("not deleted")
    sides.bury("deleted")
    assert sides.found("cutover") == {"missing": "missing", "differs": "differs", "not deleted": "not deleted"}
    assert (sides.summary.not_on_primary, sides.summary.compared) == (1, 6)
    assert len(verify_reasons(sides.configuration("cutover"), "ours")) == 3
    assert sides.found("cutover", repair=True) == {}
    assert sides.found("cutover", deep=True) == {}
    assert sides.summary.not_on_primary == 1
    assert sides.keys("old") == {"equal", "not yet", "missing", "differs"}
    assert content(sides.old, sides.bucket, "differs") == b"right"
    assert sides.keys("new") == {"equal", "missing", "differs", "not deleted", "deleted"}
    assert verify_reasons(sides.configuration("cutover"), "ours") == []


def test_cutover_without_a_mirror_counts_only(sides):
    sides.put("new", "missing")
    sides.put("old", "not deleted")
    sides.bury("not deleted")
    sides.put("old", "not yet")
    assert sides.found("cutover", route={"mirror": {"mode": "off"}}) == {}
    assert sides.summary.not_on_primary == 1
    assert "mirror.mode is off" in sides.summary.says


def test_drain(sides):
    sides.put("new", "written in drain")
    sides.put("new", "overwritten in drain", b"1")
    sides.put("old", "overwritten in drain", b"2")
    sides.put("old", "not yet")
    sides.put("old", "not deleted")
    sides.bury("not deleted")
    assert sides.found("drain") == {"not deleted": "not deleted"}
    assert (sides.summary.in_source, sides.summary.not_on_primary) == (3, 1)
    reasons = verify_reasons(sides.configuration("drain"), "ours")
    assert [reason.split()[0] for reason in reasons] == ["1", "1"]
    assert "not yet on the primary" in reasons[1]
    assert sides.found("drain", repair=True) == {}
    assert sides.keys("old") == {"overwritten in drain", "not yet"}


def test_source_and_target_are_reported(sides):
    sides.put("old", "lies in the source")
    sides.put("new", "lies on the primary")
    sides.put("new", "differs", b"1")
    sides.put("old", "differs", b"2")
    assert sides.found("source") == {"lies on the primary": "extra", "differs": "differs"}
    assert sides.summary.not_on_primary == 1
    assert sides.found("target") == {}
    assert (sides.summary.in_source, sides.summary.not_on_primary) == (2, 1)
    for phase in ("source", "target"):
        assert verify_reasons(sides.configuration(phase), "ours") == []
        with pytest.raises(VerifyRefusedError, match="nothing is repaired"):
            verify(sides.configuration(phase), "ours", repair=True)


@pytest.mark.parametrize(
    ("here", "there", "detail"),
    [
        ({"ContentType": "a/b"}, {}, "other ContentType"),
        ({"CacheControl": "no-store"}, {"CacheControl": "max-age=1"}, "other CacheControl"),
        ({"Metadata": {"a": "1", "same": "x"}}, {"Metadata": {"same": "x"}}, "other metadata a"),
        ({"Tagging": "a=1"}, {"Tagging": "a=2"}, "other tags"),
    ],
)
def test_what_hangs_on_an_object_is_seen_when_looking_deep(sides, here, there, detail):
    sides.put("new", "k", **here)
    sides.put("old", "k", **there)
    assert sides.found("backfill") == {}
    (found,) = sides.differences("backfill", deep=True)
    assert (found.kind, found.detail) == ("differs", detail)
    assert sides.found("backfill", deep=True, repair=True) == {}
    assert sides.found("backfill", deep=True) == {}


def test_multipart_uploads(sides):
    parts = b"x" * 5 * 1024**2, b"y"
    sides.upload("new", "same layout", *parts)
    sides.upload("old", "same layout", *parts)
    sides.put("new", "other layout", b"".join(parts))
    sides.upload("old", "other layout", *parts)
    sides.put("new", "other content", b"z" + b"".join(parts)[1:])
    sides.upload("old", "other content", *parts)
    sides.put("new", "other type", b"".join(parts), ContentType="image/png")
    sides.upload("old", "other type", *parts)
    quick = {"other layout": "unproven", "other content": "unproven", "other type": "differs"}
    assert sides.found("backfill") == quick
    assert "--deep" in verify_reasons(sides.configuration("backfill"), "ours")[1]
    assert sides.found("backfill", deep=True) == {"other content": "differs", "other type": "differs"}
    assert sides.found("backfill", repair=True) == {}
    assert sides.summary.repaired == 2
    assert sides.found("backfill", deep=True) == {}


def test_tags_of_an_object_that_had_to_be_read(sides):
    sides.upload("old", "k", b"body", Tagging="a=1")
    sides.put("new", "k", b"body", Tagging="a=2")
    (found,) = sides.differences("backfill", deep=True)
    assert (found.kind, found.detail) == ("differs", "other tags")


def test_a_source_that_holds_nothing_is_taken_for_the_wrong_bucket(sides):
    sides.put("new", "k")
    assert sides.found("backfill") == {"k": "extra"}
    with pytest.raises(VerifyRefusedError, match="Is it the right bucket"):
        sides.found("backfill", repair=True)
    assert content(sides.new, sides.bucket, "k") == b"body"


def test_promoted_copies_and_writes_of_the_library(sides, tmp_path):
    sides.upload("old", "promoted", b"x" * 5 * 1024**2, b"y", Metadata={"a": "b"})
    sides.put("old", "promoted too")
    document = sides.document("cutover") | {"journal": {"directory": str(tmp_path / "journal")}}
    s3 = foodco_storage.client(storage=document)
    for key in ("promoted", "promoted too"):
        s3.get_object(Bucket=sides.bucket, Key=key)["Body"].read()
    assert background.join()
    s3.put_object(Bucket=sides.bucket, Key="written", Body=io.BytesIO(b"w"), ContentType="a/b")
    s3.put_object(Bucket=sides.bucket, Key="gone", Body=b"g")
    s3.delete_object(Bucket=sides.bucket, Key="gone")
    s3.close()
    assert sides.keys("new") == {"promoted", "promoted too", "written", "gone"}
    for deep in (False, True):
        assert sides.found("cutover", deep=deep) == {}
    assert (sides.summary.same, sides.summary.tombstones, sides.summary.not_on_primary) == (4, 1, 0)


def test_a_damaged_copy_is_found_whatever_its_marks_say(sides):
    sides.put("old", "k", b"right", Metadata={"foodco-write": "id"})
    sides.put("new", "k", b"wrong", Metadata={"foodco-write": "id"})
    (found,) = sides.differences("backfill")
    assert (found.kind, found.detail.startswith("ETags")) == ("differs", True)
    (left,) = sides.differences("backfill", repair=True)
    assert (left.repaired, sides.summary.left) == (True, 0)


def test_an_encrypted_object_can_be_proven(sides):
    sides.put("old", "k", b"body", ServerSideEncryption="aws:kms")
    sides.put("new", "k", b"body")
    assert sides.found("backfill", deep=True) == {}


def test_since(sides):
    sides.put("old", "k")
    assert sides.found("backfill", since=dt.timedelta(hours=1)) == {"k": "missing"}
    assert sides.summary.compared == 1
    tomorrow = dt.datetime(2100, 1, 1)  # noqa: DTZ001 - taken for UTC
    assert sides.found("backfill", since=tomorrow) == {}
    assert sides.summary.compared == 0
