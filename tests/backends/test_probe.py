from __future__ import annotations

import logging
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from foodco_storage.backends.capabilities import CAPABILITIES, PRESET_CAPABILITIES
from foodco_storage.backends.probe import probe, probe_all
from foodco_storage.testing import free_port

RESERVED = ".foodco-storage/"

RACES = {"put_race_safe", "delete_race_safe"}


def client(server: Any) -> Any:
    """Plain, without retries or repairs."""
    config = Config(
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    return boto3.client("s3", config=config, **server.client_arguments())


@pytest.fixture
def s3(moto_store: Any, bucket_name: str) -> Any:
    s3 = client(moto_store.server)
    s3.create_bucket(Bucket=bucket_name)
    return s3


def left_in(s3: Any, bucket: str) -> list[str]:
    versions = s3.list_object_versions(Bucket=bucket)
    left = [item["Key"] for kind in ("Versions", "DeleteMarkers") for item in versions.get(kind, ())]
    return left + [item["Key"] for item in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def version(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_on_moto(s3: Any, bucket_name: str) -> None:
    found = probe(s3._make_api_call, bucket_name, RESERVED)
    # moto takes conditions one after another, not atomically: two writers may both win.
    found.pop("conditional_put")
    assert found == {
        "put_if_match": True,
        "put_if_match_quoted": True,
        "delete_if_match": True,
        "complete_if_none_match": True,
        "copy_if_none_match": False,
        "part_number": False,
        "object_attributes": True,
        "checksums": False,
        "delete_objects_without_md5": True,
    }
    assert left_in(s3, bucket_name) == []


def test_versions_are_removed_too(s3: Any, bucket_name: str) -> None:
    version(s3, bucket_name)
    found = probe(s3._make_api_call, bucket_name, RESERVED)
    assert "conditional_put" not in found
    assert "conditional_put_versioned" in found
    assert left_in(s3, bucket_name) == []


def test_everything_lies_below_the_reserved_prefix(s3: Any, bucket_name: str) -> None:
    keys = set()

    def call(operation: str, params: dict[str, Any]) -> Any:
        keys.add(params.get("Key") or params.get("Prefix") or f"{RESERVED}probe/{operation}")
        return s3._make_api_call(operation, params)

    probe_all(call, bucket_name, RESERVED, rounds=2)
    assert all(key.startswith(f"{RESERVED}probe/") for key in keys)


def test_races_need_the_condition_that_they_are_about(s3: Any, bucket_name: str) -> None:
    def ignoring(operation: str, params: dict[str, Any]) -> Any:
        """A store that has never heard of If-Match."""
        return s3._make_api_call(operation, {name: value for name, value in params.items() if name != "IfMatch"})

    found = probe_all(ignoring, bucket_name, RESERVED, rounds=2)
    lacking = ("put_if_match", "put_if_match_quoted", "delete_if_match", "put_race_safe", "delete_race_safe")
    assert [found[name] for name in lacking] == [False] * 5


def test_one_lost_write_is_enough(s3: Any, bucket_name: str) -> None:
    """A store that acknowledges a plain PUT now and then, and forgets it when a conditional one has come by."""

    def forgetful(operation: str, params: dict[str, Any]) -> Any:
        if params.get("Body") == b"plain":
            return {}
        return s3._make_api_call(operation, params)

    assert probe_all(forgetful, bucket_name, RESERVED, rounds=3)["put_race_safe"] is False


def test_what_is_not_allowed_is_left_out(s3: Any, bucket_name: str) -> None:
    forbidden = {"GetObjectAttributes", "CreateMultipartUpload", "DeleteObjects", "GetBucketVersioning"}

    def call(operation: str, params: dict[str, Any]) -> Any:
        if operation in forbidden:
            raise ClientError(
                {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, operation
            )
        return s3._make_api_call(operation, params)

    found = probe(call, bucket_name, RESERVED)
    missing = {"object_attributes", "complete_if_none_match", "part_number", "delete_objects_without_md5"}
    assert set(CAPABILITIES) - set(found) == missing | RACES | {"conditional_put_versioned"}


def test_a_bucket_that_takes_nothing(s3: Any, bucket_name: str) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        probe(s3._make_api_call, bucket_name + "-not", RESERVED)


def test_a_store_that_is_not_there() -> None:
    nobody = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{free_port()}", config=Config(retries={"total_max_attempts": 1})
    )
    with pytest.raises(EndpointConnectionError):
        probe(nobody._make_api_call, "bucket", RESERVED)


def test_an_interrupt_leaves_nothing(s3: Any, bucket_name: str) -> None:
    def call(operation: str, params: dict[str, Any]) -> Any:
        if operation == "CompleteMultipartUpload":
            raise KeyboardInterrupt
        return s3._make_api_call(operation, params)

    with pytest.raises(KeyboardInterrupt):
        probe(call, bucket_name, RESERVED)
    assert left_in(s3, bucket_name) == []


def test_what_can_not_be_removed_is_named(s3: Any, bucket_name: str, caplog: pytest.LogCaptureFixture) -> None:
    def call(operation: str, params: dict[str, Any]) -> Any:
        if operation == "DeleteObject" and "IfMatch" not in params:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)
        return s3._make_api_call(operation, params)

    with caplog.at_level(logging.WARNING, "foodco_storage"):
        probe(call, bucket_name, RESERVED)
    assert "remove them by hand" in caplog.text
    assert f"{RESERVED}probe/" in caplog.text


def test_ceph_is_as_its_preset_says(ceph: Any, bucket_name: str) -> None:
    s3 = client(ceph.server)
    s3.create_bucket(Bucket=bucket_name)
    found = probe_all(s3._make_api_call, bucket_name, RESERVED, rounds=60)
    assert left_in(s3, bucket_name) == []
    # RGW 16.2.15 takes a DeleteObjects without Content-MD5; the preset sends one all the same, which does no harm.
    assert found.pop("delete_objects_without_md5") is True
    known = dict(PRESET_CAPABILITIES["ceph"])
    del known["delete_objects_without_md5"], known["conditional_put_versioned"]
    assert found == known


def test_ceph_with_versions(ceph: Any, bucket_name: str) -> None:
    s3 = client(ceph.server)
    s3.create_bucket(Bucket=bucket_name)
    version(s3, bucket_name)
    found = probe(s3._make_api_call, bucket_name, RESERVED)
    assert found["conditional_put_versioned"] is False
    assert found["put_if_match"] is False
    assert left_in(s3, bucket_name) == []


@pytest.mark.slow
def test_on_seaweedfs(seaweedfs: Any, bucket_name: str) -> None:
    s3 = client(seaweedfs.server)
    s3.create_bucket(Bucket=bucket_name)
    found = probe_all(s3._make_api_call, bucket_name, RESERVED, rounds=4)
    assert found["conditional_put"] is True
    assert set(found) == set(CAPABILITIES) - {"conditional_put_versioned"}
    assert left_in(s3, bucket_name) == []
