from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest

from foodco_storage.backends.capabilities import CAPABILITIES, RECORD_NAME, format_record, parse_record
from foodco_storage.config import Configuration, Route
from foodco_storage.doctor import Finding
from foodco_storage.testing import CephCluster, MotoStore


def plain(server: Any) -> Any:
    return boto3.client("s3", **server.client_arguments())


RECORD = ".foodco-storage/" + RECORD_NAME


@pytest.fixture
def s3(moto_store: MotoStore, bucket_name: str) -> Any:
    s3 = plain(moto_store.server)
    s3.create_bucket(Bucket=bucket_name)
    return s3


def about(findings: list[Finding], word: str) -> Finding:
    (finding,) = [finding for finding in findings if word in finding.message]
    return finding


def contents(s3: Any, bucket: str) -> list[tuple[str, str]]:
    return [(item["Key"], item["ETag"]) for item in s3.list_object_versions(Bucket=bucket).get("Versions", ())]


def test_a_bucket_that_is_missing(moto_store: MotoStore, doctor: Any, bucket_name: str) -> None:
    findings = doctor(doctor.configuration(bucket_name, x=doctor.backend(moto_store.server)))
    assert findings[-1].level == "error"
    assert findings[-1].message == "there is no such bucket"
    assert "buckets = { x = ... }" in findings[-1].advice


def test_a_bucket_that_the_phase_does_not_use_yet(
    moto_store: MotoStore, moto_store_2: MotoStore, s3: Any, doctor: Any, bucket_name: str
) -> None:
    backends = {"old": doctor.backend(moto_store.server), "new": doctor.backend(moto_store_2.server)}
    route = Route(bucket=bucket_name, primary="new", fallbacks=["old"], phase="source")
    findings = doctor(Configuration(backends=backends, routes={"r": route}))
    assert about(findings, "no such bucket").level == "warning"


def test_a_pattern_is_not_looked_at(moto_store: MotoStore, doctor: Any) -> None:
    findings = doctor(doctor.configuration("photos-*", x=doctor.backend(moto_store.server)))
    assert findings[-1].level == "ok"
    assert "a pattern names no bucket" in findings[-1].message


def test_buckets_of_a_store_that_can_not_be_used(moto_store: MotoStore, s3: Any, doctor: Any, bucket_name: str) -> None:
    dead = replace(moto_store.server, endpoint_url="http://rgw.invalid")
    findings = doctor(doctor.configuration(bucket_name, dead=doctor.backend(dead), x=doctor.backend(moto_store.server)))
    assert about(findings, "not looked at").subject == f"routes.r, '{bucket_name}' on dead"
    assert about(findings, "may be listed").subject == f"routes.r, '{bucket_name}' on x"


def test_a_user_without_rights(ceph: CephCluster, doctor: Any, bucket_name: str) -> None:
    plain(ceph.server).create_bucket(Bucket=bucket_name)
    access_key_id, secret_access_key = ceph.create_user(f"user-{bucket_name}")
    stranger = replace(ceph.server, access_key_id=access_key_id, secret_access_key=secret_access_key)
    findings = doctor(doctor.configuration(bucket_name, x=doctor.backend(stranger, "ceph")))
    assert about(findings, "may not list it").level == "warning"
    assert all(finding.level != "error" for finding in findings)
    probed = doctor(doctor.configuration(bucket_name, x=doctor.backend(stranger, "ceph")), probe=True)
    assert about(probed, "can't be tried out").level == "warning"


def test_versioning_that_conditions_do_not_survive(ceph: CephCluster, doctor: Any, bucket_name: str) -> None:
    s3 = plain(ceph.server)
    s3.create_bucket(Bucket=bucket_name)
    source = doctor.configuration(bucket_name, x=doctor.backend(ceph.server, "ceph"))
    assert about(doctor(source), "versioning").level == "ok"
    s3.put_bucket_versioning(Bucket=bucket_name, VersioningConfiguration={"Status": "Enabled"})
    assert about(doctor(source), "versioning is enabled").level == "warning"


@pytest.mark.parametrize("fallbacks", [True, False])
def test_expiry_on_a_primary_with_fallbacks(
    moto_store: MotoStore, moto_store_2: MotoStore, s3: Any, doctor: Any, bucket_name: str, fallbacks: bool
) -> None:
    plain(moto_store_2.server).create_bucket(Bucket=bucket_name)
    rule = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket_name, LifecycleConfiguration={"Rules": [rule]})
    others = {"old": doctor.backend(moto_store_2.server)} if fallbacks else {}
    findings = doctor(doctor.configuration(bucket_name, x=doctor.backend(moto_store.server), **others))
    said = [finding for finding in findings if "lifecycle" in finding.message]
    assert [finding.level for finding in said] == (["warning"] if fallbacks else [])
    assert all("'tidy'" in finding.message and "old" in finding.message for finding in said)


def test_without_a_probe_nothing_is_written(moto_store: MotoStore, s3: Any, doctor: Any, bucket_name: str) -> None:
    s3.put_object(Bucket=bucket_name, Key="photo", Body=b"photo")
    before = contents(s3, bucket_name)
    findings = doctor(doctor.configuration(bucket_name, x=doctor.backend(moto_store.server)))
    assert contents(s3, bucket_name) == before
    assert about(findings, "not recorded").level == "warning"
    assert "--probe" in about(findings, "not timed").advice


def test_a_probe_leaves_the_record_and_nothing_else(
    moto_store: MotoStore, s3: Any, doctor: Any, bucket_name: str
) -> None:
    source = doctor.configuration(bucket_name, x=doctor.backend(moto_store.server))
    probed = doctor(source, probe=True, rounds=2)
    assert [key for key, _ in contents(s3, bucket_name)] == [RECORD]
    record = parse_record(s3.get_object(Bucket=bucket_name, Key=RECORD)["Body"].read())
    assert record["delete_if_match"] is True
    assert "delete_if_match" in about(probed, "tried out and recorded: has").message
    again = doctor(source)
    assert about(again, "capabilities recorded 0 days ago").level == "ok"
    assert about(again, "small reads").level == "ok"


def test_a_probe_never_writes_to_a_fallback(
    moto_store: MotoStore, moto_store_2: MotoStore, s3: Any, doctor: Any, bucket_name: str
) -> None:
    old = plain(moto_store_2.server)
    old.create_bucket(Bucket=bucket_name)
    old.put_bucket_versioning(Bucket=bucket_name, VersioningConfiguration={"Status": "Enabled"})
    backends = {"x": doctor.backend(moto_store.server), "old": doctor.backend(moto_store_2.server)}
    for body in (None, b"small" * 100):
        if body is not None:
            old.put_object(Bucket=bucket_name, Key="small", Body=body)
        findings = doctor(doctor.configuration(bucket_name, **backends), probe=True, rounds=1)
        versions = old.list_object_versions(Bucket=bucket_name)
        assert [version["Key"] for version in versions.get("Versions", [])] == (["small"] if body else [])
        assert "DeleteMarkers" not in versions
        about(findings, "tried out and recorded")
        timed = [finding for finding in findings if "small reads" in finding.message]
        assert [finding.level for finding in timed] == ["ok", "ok" if body else "warning"]


def test_a_bucket_of_two_routes_is_probed_once(moto_store: MotoStore, s3: Any, doctor: Any, bucket_name: str) -> None:
    routes = {name: Route(bucket=bucket_name, prefix=f"{name}/", primary="x") for name in ("a", "b")}
    source = Configuration(backends={"x": doctor.backend(moto_store.server)}, routes=routes)
    assert about(doctor(source, probe=True, rounds=1), "tried out").subject.startswith("routes.a")


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b"not json", "damaged"),
        (b'{"version": 2}', "damaged"),
        (format_record({}), "it lacks"),
        (format_record(dict.fromkeys(CAPABILITIES, True) | {"conditional_put": None}), "versioning was different"),  # type: ignore[arg-type]
    ],
)
def test_records_that_are_of_no_use(
    moto_store: MotoStore, s3: Any, doctor: Any, bucket_name: str, record: bytes, says: str
) -> None:
    s3.put_object(Bucket=bucket_name, Key=RECORD, Body=record)
    finding = about(doctor(doctor.configuration(bucket_name, x=doctor.backend(moto_store.server))), says)
    assert finding.level == "warning"
    assert "--probe" in finding.advice


@pytest.mark.parametrize("tcp_nodelay", [True, False])
def test_the_stall_of_a_default_gateway(ceph: CephCluster, doctor: Any, bucket_name: str, tcp_nodelay: bool) -> None:
    gateway = ceph.start_gateway(tcp_nodelay=tcp_nodelay)
    try:
        plain(gateway).create_bucket(Bucket=bucket_name)
        source = doctor.configuration(bucket_name, x=doctor.backend(gateway, "ceph"))
        for findings in (doctor(source, probe=True, rounds=1), doctor(source)):
            finding = about(findings, "small read")
            assert finding.level == ("ok" if tcp_nodelay else "warning"), finding
            assert ("tcp_nodelay=1" in finding.advice) != tcp_nodelay
    finally:
        ceph.stop_gateway(gateway)
