"""Reads that a real Ceph answers wrongly or not at all, through a route over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import foodco_storage
from foodco_storage.errors import OperationRefusedError
from foodco_storage.testing import CephCluster, MotoStore

FIRST, SECOND = b"a" * (5 << 20), b"rest"


@pytest.fixture
def route(ceph: CephCluster, moto_store: MotoStore, bucket_name: str) -> Iterator[dict[str, Any]]:
    """A client of a route over Ceph and an old store, and one of each store."""
    backends: dict[str, Any] = {}
    with ExitStack() as stack:
        clients: dict[str, Any] = {}
        for name, server in (("ceph", ceph.server), ("old", moto_store.server)):
            clients[name] = boto3.client("s3", **server.client_arguments())
            clients[name].create_bucket(Bucket=bucket_name)
            backends[name] = {
                "preset": "ceph" if name == "ceph" else "s3",
                "endpoint_url": server.endpoint_url,
                "access_key_id": server.access_key_id,
                "secret_access_key": server.secret_access_key,
            }
        routes = {"ours": {"bucket": bucket_name, "primary": "ceph", "fallbacks": ["old"]}}
        clients["routed"] = foodco_storage.client(storage={"backends": backends, "routes": routes})
        for client in clients.values():
            stack.callback(client.close)
        yield clients


def upload_in_parts(s3: Any, bucket: str, key: str) -> None:
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate((FIRST, SECOND), 1)
    ]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize("holder", ["ceph", "old"])
def test_the_attributes_of_an_object(route: dict[str, Any], bucket_name: str, holder: str) -> None:
    upload_in_parts(route[holder], bucket_name, "k")
    wanted = ["ETag", "ObjectSize", "StorageClass", "ObjectParts"]
    answer = route["routed"].get_object_attributes(Bucket=bucket_name, Key="k", ObjectAttributes=wanted)
    head = route[holder].head_object(Bucket=bucket_name, Key="k")
    assert answer["ResponseMetadata"]["Storage"]["backend"] == holder
    assert {name: answer[name] for name in (*wanted, "LastModified")} == {
        "ETag": head["ETag"].strip('"'),
        "ObjectSize": len(FIRST + SECOND),
        "StorageClass": "STANDARD",
        "ObjectParts": {"TotalPartsCount": 2},
        "LastModified": head["LastModified"],
    }
    with pytest.raises(route["routed"].exceptions.NoSuchKey):
        route["routed"].get_object_attributes(Bucket=bucket_name, Key="absent", ObjectAttributes=["ETag"])


def test_a_part_by_its_number(route: dict[str, Any], bucket_name: str) -> None:
    s3 = route["routed"]
    upload_in_parts(s3, bucket_name, "parts")
    s3.put_object(Bucket=bucket_name, Key="whole", Body=b"whole")
    assert s3.get_object(Bucket=bucket_name, Key="whole", PartNumber=1)["Body"].read() == b"whole"
    for read in (s3.get_object, s3.head_object):
        with pytest.raises(OperationRefusedError, match="ignores PartNumber"):
            read(Bucket=bucket_name, Key="parts", PartNumber=2)
        with pytest.raises(ClientError) as caught:
            read(Bucket=bucket_name, Key="whole", PartNumber=2)
        assert caught.value.response["Error"]["Code"] == "InvalidPartNumber"
