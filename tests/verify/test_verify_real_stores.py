"""Ceph as the primary, another program as the source; and a SeaweedFS, whose order is its own."""

from __future__ import annotations

import pytest

import foodco_storage
from foodco_storage.drivers.background import background
from foodco_storage.verify import VerifyRefusedError, verify_reasons

KEYS = ["a", "a-b", "b/c", "ü", "🍕", "sp ace", "plus+", "100%"]


@pytest.fixture(params=["moto_store_2", "seaweedfs"])
def with_ceph(request, ceph, make_sides, bucket_name):
    source = request.getfixturevalue(request.param)
    sides = make_sides(ceph.server, source.server, bucket_name, {"new": "ceph"})
    yield sides
    for s3 in (sides.new, sides.old):
        s3.close()


def plant(sides) -> None:
    for key in KEYS:
        sides.both(key, key.encode(), ContentType="image/png", Metadata={"who": "x"}, CacheControl="max-age=60")
    # SeaweedFS guesses a type where none is given, the others say binary/octet-stream.
    sides.both("tagged", ContentType="a/b", Tagging="a=1&b=2")


def test_backfill(with_ceph):
    sides = with_ceph
    plant(sides)
    assert sides.found("backfill", deep=True) == {}
    assert sides.summary.same == len(KEYS) + 1
    sides.put("old", "missing", b"m", ContentType="a/b", Metadata={"a": "b"}, Tagging="t=1")
    sides.put("new", "extra")
    sides.put("new", "stale", b"1")
    sides.put("old", "stale", b"2")
    sides.put("new", "tags", ContentType="a/b", Tagging="a=1")
    sides.put("old", "tags", ContentType="a/b", Tagging="a=2")
    sides.bury("deleted")
    quick = {"missing": "missing", "extra": "extra", "stale": "differs"}
    assert sides.found("backfill") == quick
    assert sides.found("backfill", deep=True) == {**quick, "tags": "differs"}
    assert len(verify_reasons(sides.configuration("backfill"), "ours")) == 3
    assert sides.found("backfill", deep=True, repair=True) == {}
    assert sides.found("backfill", deep=True) == {}
    assert sides.summary.tombstones == 2
    head = sides.new.head_object(Bucket=sides.bucket, Key="missing")
    assert (head["ContentType"], head["Metadata"]) == ("a/b", {"a": "b"})


def test_cutover(with_ceph, tmp_path):
    sides = with_ceph
    plant(sides)
    sides.put("old", "not yet")
    sides.upload("old", "promoted", b"x" * 5 * 1024**2, b"y", Metadata={"a": "b"})
    sides.put("new", "missing")
    sides.put("old", "not deleted")
    sides.bury("not deleted")
    document = sides.document("cutover") | {"journal": {"directory": str(tmp_path / "journal")}}
    s3 = foodco_storage.client(storage=document)
    s3.get_object(Bucket=sides.bucket, Key="promoted")["Body"].read()
    assert background.join()
    s3.put_object(Bucket=sides.bucket, Key="written", Body=b"w", ContentType="a/b", Tagging="x=y")
    s3.delete_object(Bucket=sides.bucket, Key="a")
    s3.close()
    assert sides.found("cutover", deep=True) == {"missing": "missing", "not deleted": "not deleted"}
    assert (sides.summary.not_on_primary, sides.summary.tombstones) == (1, 2)
    assert sides.found("cutover", repair=True) == {}
    assert sides.found("cutover", deep=True) == {}
    assert "not deleted" not in sides.keys("old")


def test_an_order_of_its_own_is_refused(seaweedfs, moto_store, make_sides, bucket_name):
    sides = make_sides(moto_store.server, seaweedfs.server, bucket_name)
    # A directory and a file beside it: SeaweedFS has "a/b" where its directory "a" is, before "a-b".
    for key in ("a/b", "a-b", "a.b"):
        sides.both(key)
    with pytest.raises(VerifyRefusedError, match=r"'old' does not list bucket .* in UTF-8 byte order"):
        sides.found("backfill")
    (reason,) = verify_reasons(sides.configuration("backfill"), "ours")
    assert reason.startswith("the two sides could not be compared: 'old' does not list")
