from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import foodco_storage
from foodco_storage.config import load
from foodco_storage.errors import ConfigurationError
from foodco_storage.flows.marks import TOMBSTONE_BYTES
from foodco_storage.tombstones import TombstonesRefusedError, collect, survey, tombstones_left

PHASES = ("source", "backfill", "cutover", "drain", "target")
SAFE = ("delete_if_match", "delete_race_safe")


def fates(graveyard: Any, phase: str, *, route: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
    found = collect(graveyard.configuration(phase, **(route or {})), "ours", **options)
    return {one.tombstone.key: one.fate for one in found}


@pytest.mark.parametrize("phase", PHASES)
def test_counting(graveyard, phase):
    graveyard.bury("a", "b/c", "🍕", ".foodco-storage/not a caller's")
    graveyard.put("new", "alive")
    graveyard.put("new", "as long", b"." * TOMBSTONE_BYTES)
    graveyard.put("new", ".foodco-storage/x")
    found = list(survey(graveyard.configuration(phase), "ours"))
    assert [(one.bucket, one.key, one.size) for one in found] == [
        (graveyard.bucket, key, TOMBSTONE_BYTES) for key in ("a", "b/c", "🍕")
    ]
    assert all(one.age_seconds is not None and 0 <= one.age_seconds < 60 for one in found)
    assert tombstones_left(graveyard.configuration(phase), "ours") == 3


@pytest.mark.parametrize("phase", PHASES)
def test_what_may_go_goes(graveyard, phase):
    graveyard.bury("gone", "held")
    graveyard.put("old", "held")
    graveyard.put("new", "alive")
    assert fates(graveyard, phase, grace_seconds=0) == {"gone": "collected", "held": "held by the source"}
    assert graveyard.keys() == {"held", "alive"}
    assert graveyard.keys("old") == {"held"}
    assert fates(graveyard, phase, grace_seconds=0) == {"held": "held by the source"}


def test_the_grace_is_seven_days(graveyard):
    graveyard.bury("a")
    assert fates(graveyard, "cutover") == {"a": "too young"}
    assert graveyard.keys() == {"a"}


def test_target_without_a_source(graveyard):
    graveyard.bury("a")
    assert fates(graveyard, "target", route={"fallbacks": []}, grace_seconds=0) == {"a": "collected"}
    assert graveyard.keys() == set()


def test_what_the_library_deleted_is_collected_and_stays_deleted(graveyard, tmp_path):
    graveyard.put("old", "k")
    document = graveyard.document("cutover") | {"journal": {"directory": str(tmp_path / "journal")}}
    s3 = foodco_storage.client(storage=document)
    s3.delete_object(Bucket=graveyard.bucket, Key="k")
    assert fates(graveyard, "cutover", grace_seconds=0) == {"k": "collected"}
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=graveyard.bucket, Key="k")
    s3.close()
    assert (graveyard.keys(), graveyard.keys("old")) == (set(), set())


@pytest.mark.parametrize("phase", ["cutover", "drain"])
@pytest.mark.parametrize("lacks", [{"delete_race_safe"}, {"delete_if_match"}, set(SAFE)])
def test_refused_while_writes_could_be_lost(graveyard, phase, lacks):
    graveyard.lacks = lacks
    graveyard.bury("a")
    for promised in (False, True):
        with pytest.raises(TombstonesRefusedError, match="stay until the phase 'target'") as refusal:
            fates(graveyard, phase, grace_seconds=0, no_writers=promised)
        assert min(lacks) in str(refusal.value)
    assert graveyard.keys() == {"a"}
    assert tombstones_left(graveyard.configuration(phase), "ours") == 1


@pytest.mark.parametrize("phase", ["source", "backfill", "target"])
@pytest.mark.parametrize("lacks", [{"delete_race_safe"}, {"delete_if_match"}, set(SAFE)])
def test_collected_on_the_operators_word(graveyard, phase, lacks):
    graveyard.lacks = lacks
    graveyard.bury("a", "held")
    graveyard.put("old", "held")
    with pytest.raises(TombstonesRefusedError, match="--no-writers"):
        fates(graveyard, phase, grace_seconds=0)
    assert graveyard.keys() == {"a", "held"}
    collected = {"a": "collected", "held": "held by the source"}
    assert fates(graveyard, phase, grace_seconds=0, no_writers=True) == collected
    assert graveyard.keys() == {"held"}


def test_a_versioned_primary_frees_nothing(graveyard):
    graveyard.new.put_bucket_versioning(Bucket=graveyard.bucket, VersioningConfiguration={"Status": "Enabled"})
    graveyard.bury("a")
    assert fates(graveyard, "target", grace_seconds=0) == {"a": "left as a version"}
    assert tombstones_left(graveyard.configuration("target"), "ours") == 0


def test_wrong_input(graveyard):
    configuration = graveyard.configuration("cutover")
    with pytest.raises(ConfigurationError, match="did you mean 'ours'"):
        list(survey(configuration, "our"))
    with pytest.raises(ConfigurationError, match="belongs to no route"):
        list(collect(configuration, "ours", bucket="other"))
    graveyard.new.delete_bucket(Bucket=graveyard.bucket)
    with pytest.raises(TombstonesRefusedError, match="'new' has no bucket"):
        tombstones_left(configuration, "ours")


def test_a_source_that_is_down_keeps_them(graveyard):
    graveyard.bury("a", "b")
    document = graveyard.document("target")
    document["backends"]["old"] |= {"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1}
    configuration = load(document)
    assert configuration is not None
    with pytest.raises(EndpointConnectionError):
        list(collect(configuration, "ours", grace_seconds=0))
    assert graveyard.keys() == {"a", "b"}
