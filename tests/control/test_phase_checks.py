"""What is asked of the stores before a phase is moved, with two moto servers as the two sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from foodco_storage.config import Backend as Settings
from foodco_storage.config import Capabilities, Configuration, Route, Secret
from foodco_storage.config.model import Control, Mirror, Promote
from foodco_storage.doctor.phase_checks import PhaseChecks, control_reasons
from foodco_storage.errors import ConfigurationError
from foodco_storage.flows.marks import tombstone
from foodco_storage.testing import MotoStore

ABLE = Capabilities(conditional_put=True, conditional_put_versioned=True, put_if_match=True, put_if_match_quoted=True)


class Sides:
    def __init__(self, primary: MotoStore, source: MotoStore, bucket: str) -> None:
        self.primary = boto3.client("s3", **primary.server.client_arguments())
        self.source = boto3.client("s3", **source.server.client_arguments())
        self.stores = primary, source
        self.bucket = bucket
        for client in (self.primary, self.source):
            client.create_bucket(Bucket=bucket)

    def configuration(self, capabilities: Capabilities = ABLE, **route: Any) -> Configuration:
        backends = {
            name: Settings(
                preset="s3",
                endpoint_url=store.server.endpoint_url,
                access_key_id=Secret(store.server.access_key_id),
                secret_access_key=Secret(store.server.secret_access_key),
                capabilities=capabilities,
            )
            for name, store in zip(("ceph", "aws"), self.stores, strict=True)
        }
        settings: dict[str, Any] = {
            "bucket": self.bucket,
            "primary": "ceph",
            "fallbacks": ["aws"],
            "control": Control(enabled=True),
        }
        return Configuration(backends=backends, routes={"images": Route(**(settings | route))})

    def checks(self, **settings: Any) -> PhaseChecks:
        return PhaseChecks(self.configuration(**settings), "images")

    def expire(self, prefix: str) -> None:
        rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": 30}}
        self.primary.put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration={"Rules": [rule]})


@pytest.fixture
def sides(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str) -> Iterator[Sides]:
    sides = Sides(moto_store, moto_store_2, bucket_name)
    yield sides
    sides.primary.close()
    sides.source.close()


def test_nothing_against_it(sides: Sides) -> None:
    checks = sides.checks()
    for start, end in [("source", "backfill"), ("backfill", "cutover"), ("cutover", "drain"), ("drain", "target")]:
        assert checks.before(start, end) == []
        assert checks.paused(start, end) == []
    assert control_reasons(sides.configuration(), "images") == []


def test_an_older_object_on_the_primary(sides: Sides) -> None:
    sides.source.put_object(Bucket=sides.bucket, Key="k", Body=b"new")
    sides.primary.put_object(Bucket=sides.bucket, Key="k", Body=b"older")
    checks = sides.checks()
    (reason,) = checks.before("backfill", "cutover")
    assert "1 keys differs, as 'k'" in reason
    # Until the cutover the source decides alone.
    assert checks.before("source", "backfill") == checks.before("backfill", "source") == []
    sides.primary.put_object(Bucket=sides.bucket, Key="k", Body=b"new")
    assert checks.before("backfill", "cutover") == []


def test_what_comes_between_the_check_and_the_pause(sides: Sides) -> None:
    checks = sides.checks()
    assert checks.before("backfill", "cutover") == []
    sides.source.put_object(Bucket=sides.bucket, Key="k", Body=b"new")
    sides.primary.put_object(Bucket=sides.bucket, Key="k", Body=b"older")
    (reason,) = checks.paused("backfill", "cutover")
    assert "differs" in reason


def test_a_key_that_only_the_source_holds(sides: Sides) -> None:
    sides.source.put_object(Bucket=sides.bucket, Key="k", Body=b"1")
    checks = sides.checks()
    assert checks.before("backfill", "cutover") == [], "reads bring it over"
    (reason,) = checks.before("drain", "target")
    assert "1 keys lie only in the source" in reason
    (reason,) = sides.checks(promote=Promote(enabled=False)).before("backfill", "cutover")
    assert "1 keys missing, as 'k'" in reason


def test_a_key_that_the_primary_says_was_deleted(sides: Sides) -> None:
    """Written by others after the library had deleted it: no read would bring it over."""
    sides.source.put_object(Bucket=sides.bucket, Key="k", Body=b"the only copy")
    sides.primary.put_object(**tombstone(sides.bucket, "k").params)
    checks = sides.checks()
    for reasons in (checks.before("backfill", "cutover"), checks.paused("backfill", "cutover")):
        (reason,) = reasons
        assert "1 keys hidden, as 'k'" in reason


def test_back_to_a_source_that_did_not_follow(sides: Sides) -> None:
    checks = sides.checks(mirror=Mirror(mode="off"))
    (reason,) = checks.before("cutover", "backfill")
    assert "mirror.mode is 'off'" in reason
    assert checks.before("backfill", "cutover") == []


def test_a_rule_that_expires_objects_on_the_primary(sides: Sides) -> None:
    sides.expire("")
    checks = sides.checks()
    for move in [("backfill", "cutover"), ("cutover", "drain")]:
        (reason,) = checks.before(*move)
        assert "lifecycle rule 'old' deletes objects" in reason
    assert checks.before("source", "backfill") == checks.before("drain", "target") == []


def test_a_rule_for_other_keys(sides: Sides) -> None:
    sides.expire("tmp/")
    assert sides.checks(prefix="images/").before("backfill", "cutover") == []


def test_a_primary_without_conditions(sides: Sides) -> None:
    configuration = sides.configuration(Capabilities(conditional_put=False, put_if_match=False))
    reasons = control_reasons(configuration, "images")
    assert ["If-Match" in reason for reason in reasons] == [True, False]
    assert "does not honour PUT with If-None-Match: *" in reasons[1]
    assert PhaseChecks(configuration, "images").before("source", "backfill") == reasons


def test_a_versioned_primary_that_ignores_conditions(sides: Sides) -> None:
    """As RGW 16 does."""
    sides.primary.put_bucket_versioning(Bucket=sides.bucket, VersioningConfiguration={"Status": "Enabled"})
    able = Capabilities(conditional_put=True, conditional_put_versioned=False, put_if_match=True)
    (reason,) = control_reasons(sides.configuration(able), "images")
    assert "keeps versions" in reason
    assert "everything would have to be on the primary before 'cutover'" in reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"fallbacks": []}, "nowhere to move from"), ({"bucket": "photos-*"}, "must name one bucket")],
)
def test_routes_that_can_not_be_moved(sides: Sides, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        PhaseChecks(sides.configuration(**changes), "images")
    with pytest.raises(ConfigurationError, match="no such route"):
        PhaseChecks(sides.configuration(), "image")
