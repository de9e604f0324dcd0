"""Each server boots, speaks S3, keeps its secret, and is a store of its own."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS, Server


def client(server: Server, **changes: Any) -> Any:
    """A plain boto3 client."""
    return boto3.client("s3", **(server.client_arguments() | changes))


@pytest.fixture(params=["moto_store", "seaweedfs", pytest.param("ceph", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Server:
    store: CephCluster | MotoStore | SeaweedFS = request.getfixturevalue(request.param)
    return store.server


def test_what_was_put_can_be_got(server: Server, bucket_name: str) -> None:
    s3 = client(server)
    s3.create_bucket(Bucket=bucket_name)
    s3.put_object(Bucket=bucket_name, Key="a/b c+ü", Body=b"food" * 1000, ContentType="text/plain")
    got = s3.get_object(Bucket=bucket_name, Key="a/b c+ü")
    assert got["Body"].read() == b"food" * 1000
    assert got["ContentType"] == "text/plain"
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket_name, Key="other")


def test_the_repr_hides_the_secret(server: Server) -> None:
    assert server.endpoint_url in repr(server)
    assert server.secret_access_key not in repr(server)


@pytest.mark.parametrize("store", ["seaweedfs", pytest.param("ceph", marks=pytest.mark.slow)])
def test_a_wrong_secret_is_refused(store: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(store).server
    with pytest.raises(ClientError) as refused:
        client(server, aws_secret_access_key="wrong").list_buckets()
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_two_moto_stores_share_nothing(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str) -> None:
    client(moto_store.server).create_bucket(Bucket=bucket_name)
    names = [bucket["Name"] for bucket in client(moto_store_2.server).list_buckets()["Buckets"]]
    assert bucket_name not in names


@pytest.mark.parametrize("store", [CephCluster, SeaweedFS])
def test_a_missing_program_is_named_with_its_package(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.metadata.files", lambda _: None)
    assert "install" in store.missing()
