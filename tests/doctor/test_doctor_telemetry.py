"""The bucket to which access statistics are shipped is looked at as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest

from foodco_storage.config import Backend, Configuration
from foodco_storage.config.telemetry_model import Access, Shipping, Telemetry
from foodco_storage.testing import CephCluster, MotoStore


def shipping(backend: Backend, bucket: str) -> Configuration:
    telemetry = Telemetry(access=Access(enabled=True), shipping=Shipping(backend="x", bucket=bucket))
    return Configuration(backends={"x": backend}, telemetry=telemetry)


@pytest.mark.parametrize(
    ("there", "level", "says"), [(True, "ok", "is there"), (False, "error", "there is no such bucket")]
)
def test_whether_it_is_there(
    moto_store: MotoStore, doctor: Any, bucket_name: str, there: bool, level: str, says: str
) -> None:
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    s3.close()
    bucket = bucket_name if there else f"{bucket_name}-2"
    findings = doctor(shipping(doctor.backend(moto_store.server), bucket))
    assert (findings[-1].level, findings[-1].message) == (level, says)
    assert findings[-1].subject == f"telemetry.shipping, {bucket!r} on x"


def test_who_only_writes_need_not_look(ceph: CephCluster, doctor: Any, bucket_name: str) -> None:
    s3 = boto3.client("s3", **ceph.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    s3.close()
    access_key_id, secret_access_key = ceph.create_user(f"user-{bucket_name}")
    stranger = replace(ceph.server, access_key_id=access_key_id, secret_access_key=secret_access_key)
    findings = doctor(shipping(doctor.backend(stranger, "ceph"), bucket_name))
    assert (findings[-1].level, "may still write to it" in findings[-1].message) == ("ok", True)


def test_a_store_that_can_not_be_used(moto_store: MotoStore, doctor: Any) -> None:
    dead = replace(moto_store.server, endpoint_url="http://rgw.invalid")
    findings = doctor(shipping(doctor.backend(dead), "told"))
    assert (findings[-1].level, findings[-1].message) == ("warning", "not looked at, since 'x' can't be used")
