"""What only the Ceph cluster does: gateways that come and go, users, https."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from foodco_storage.testing import CephCluster, Server, ServerUnavailable, make_ca, wait_until

# Over https boto3 else sends a checksum behind a chunked body, which RGW 16 answers with MissingContentLength.
_CONFIG = Config(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required")


def client(server: Server, **changes: Any) -> Any:
    return boto3.client("s3", config=_CONFIG, **(server.client_arguments() | changes))


@pytest.fixture
def bucket(ceph: CephCluster, bucket_name: str) -> str:
    client(ceph.server).create_bucket(Bucket=bucket_name)
    return bucket_name


@pytest.mark.parametrize("tcp_nodelay", [True, False])
def test_a_second_gateway_serves_the_same_objects(ceph: CephCluster, bucket: str, tcp_nodelay: bool) -> None:
    second = ceph.start_gateway(tcp_nodelay=tcp_nodelay)
    client(ceph.server).put_object(Bucket=bucket, Key="k", Body=b"food")
    assert client(second).get_object(Bucket=bucket, Key="k")["Body"].read() == b"food"
    ceph.stop_gateway(second)


@pytest.mark.parametrize("end", [CephCluster.kill_gateway, CephCluster.stop_gateway])
def test_an_ended_gateway_refuses_and_comes_back_on_its_port(ceph: CephCluster, bucket: str, end: Any) -> None:
    gateway = ceph.start_gateway()
    s3 = client(gateway)
    s3.put_object(Bucket=bucket, Key="k", Body=b"food")
    end(ceph, gateway)
    with pytest.raises(EndpointConnectionError):
        s3.head_object(Bucket=bucket, Key="k")
    ceph.restart_gateway(gateway)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"food"
    ceph.stop_gateway(gateway)


def test_a_gateway_serves_https(ceph: CephCluster, bucket: str, tmp_path: Path) -> None:
    gateway = ceph.start_gateway(tls=make_ca(tmp_path))
    assert gateway.endpoint_url.startswith("https://")
    s3 = client(gateway)
    s3.put_object(Bucket=bucket, Key="k", Body=b"food")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"food"
    ceph.stop_gateway(gateway)


def test_a_new_user_has_no_rights_on_buckets_of_others(ceph: CephCluster, bucket: str, bucket_name: str) -> None:
    access_key_id, secret_access_key = ceph.create_user(f"user-{bucket_name}")
    s3 = client(ceph.server, aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key)
    assert s3.list_buckets()["Buckets"] == []
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_deleted_data_is_collected_soon(ceph: CephCluster, bucket: str) -> None:
    """Else the memory of the OSD fills up with what tests have deleted."""
    s3 = client(ceph.server)
    before = ceph.stored_bytes()
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(41 << 20))
    wait_until(lambda: ceph.stored_bytes() > before + (40 << 20), what="the statistics of the OSD")
    s3.delete_object(Bucket=bucket, Key="k")
    wait_until(lambda: ceph.stored_bytes() < before + (20 << 20), what="garbage collection")


def test_a_user_that_exists_is_an_error_which_says_so(ceph: CephCluster, bucket_name: str) -> None:
    ceph.create_user(f"user-{bucket_name}")
    with pytest.raises(ServerUnavailable, match="exist"):
        ceph.create_user(f"user-{bucket_name}")


@pytest.mark.usefixtures("ceph")  # skips where Ceph is missing
@pytest.mark.parametrize("program", ["radosgw", "radosgw-admin", "ceph-mon"])
def test_a_failed_boot_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    broken = tmp_path / program
    broken.write_text("#!/bin/sh\necho the reason is this >&2\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ServerUnavailable, match=r"status 7(.|\n)*the reason is this"):
        CephCluster().__enter__()
    assert [path.name for path in tmp_path.iterdir()] == [program]
