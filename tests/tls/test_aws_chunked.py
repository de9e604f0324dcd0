"""`aws-chunked` is an encoding of the transfer, and must not be stored (boto3 issue 4564). Seen only over https."""

from __future__ import annotations

import io
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from foodco_storage.testing import Server

IN_PARTS = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


class Unseekable(io.RawIOBase):
    """A stream as from a pipe."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


def write_everything(s3: Any, bucket: str) -> dict[str, str | None]:
    """Write in every way; returns the content encoding that each object is meant to have."""
    s3.put_object(Bucket=bucket, Key="put", Body=b"food")
    s3.put_object(Bucket=bucket, Key="put gzip", Body=b"food", ContentEncoding="gzip")
    s3.put_object(Bucket=bucket, Key="put file", Body=io.BytesIO(b"food"))
    s3.upload_fileobj(Unseekable(b"food"), bucket, "stream")
    s3.upload_fileobj(Unseekable(b"food"), bucket, "stream gzip", ExtraArgs={"ContentEncoding": "gzip"})
    s3.upload_fileobj(Unseekable(bytes(6 << 20)), bucket, "parts", Config=IN_PARTS)
    s3.upload_fileobj(
        Unseekable(bytes(6 << 20)), bucket, "parts gzip", Config=IN_PARTS, ExtraArgs={"ContentEncoding": "gzip"}
    )
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "put"})
    s3.copy_object(Bucket=bucket, Key="copy gzip", CopySource={"Bucket": bucket, "Key": "put gzip"})
    names = ("put", "put gzip", "put file", "stream", "stream gzip", "parts", "parts gzip", "copy", "copy gzip")
    return {name: "gzip" if name.endswith("gzip") else None for name in names}


@pytest.mark.parametrize(
    ("preset", "store"),
    [
        # AWS takes botocore's chunked uploads and stores none of it; moto does the same.
        ("aws", "moto_https"),
        ("s3", "moto_https"),
        ("s3", "seaweedfs_https"),
        ("ceph", "seaweedfs_https"),
        pytest.param("s3", "ceph_https", marks=pytest.mark.slow),
        pytest.param("ceph", "ceph_https", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("fallbacks", [[], ["old"]], ids=["alone", "with a fallback"])
def test_nothing_that_is_stored_is_aws_chunked(
    request: Any,
    preset: str,
    store: str,
    fallbacks: list[str],
    moto_2_https: Server,
    bucket_name: str,
    direct: Any,
    routed: Any,
    backend: Any,
) -> None:
    server: Server = request.getfixturevalue(store)
    around = direct(server)
    around.create_bucket(Bucket=bucket_name)
    direct(moto_2_https).create_bucket(Bucket=bucket_name)
    storage = {
        "backends": {"new": backend(server, preset=preset, region="us-east-1"), "old": backend(moto_2_https)},
        "routes": {"ours": {"bucket": bucket_name, "primary": "new", "fallbacks": fallbacks}},
    }
    expected = write_everything(routed(storage), bucket_name)
    stored = {key: around.head_object(Bucket=bucket_name, Key=key).get("ContentEncoding") or None for key in expected}
    assert stored == expected
    for key in ("put", "put gzip", "stream", "stream gzip", "copy", "copy gzip"):
        assert around.get_object(Bucket=bucket_name, Key=key)["Body"].read() == b"food"


KEPT = {
    "aws-chunked": None,
    "gzip,aws-chunked": "gzip",
    "gzip, aws-chunked": "gzip",
    "aws-chunked,gzip": "gzip",
    "gzip": "gzip",
}
"""What is stored in the fallback, and what a copy of it has."""


@pytest.mark.parametrize(
    ("preset", "store"),
    [
        ("aws", "moto_https"),
        ("s3", "seaweedfs_https"),
        pytest.param("ceph", "ceph_https", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("managed", [False, True], ids=["copy_object", "copy"])
def test_a_copy_leaves_it_behind(
    request: Any,
    preset: str,
    store: str,
    managed: bool,
    seaweedfs_https: Server,
    bucket_name: str,
    direct: Any,
    routed: Any,
    backend: Any,
) -> None:
    """SeaweedFS, the fallback, keeps what it was told; it may be a fallback of its own other bucket."""
    server: Server = request.getfixturevalue(store)
    new, old, there = direct(server), direct(seaweedfs_https), f"{bucket_name}-old"
    new.create_bucket(Bucket=bucket_name)
    old.create_bucket(Bucket=there)
    for encoding in KEPT:
        old.put_object(Bucket=there, Key=encoding, Body=b"food", ContentEncoding=encoding, Metadata={"dish": "pizza"})
        assert old.head_object(Bucket=there, Key=encoding)["ContentEncoding"] == encoding
    storage = {
        "backends": {
            "new": backend(server, preset=preset, region="us-east-1"),
            "old": backend(seaweedfs_https),
        },
        "routes": {"ours": {"bucket": bucket_name, "buckets": {"old": there}, "primary": "new", "fallbacks": ["old"]}},
    }
    s3 = routed(storage)
    for encoding, kept in KEPT.items():
        source, key = {"Bucket": bucket_name, "Key": encoding}, f"copy of {encoding}"
        if managed:
            s3.copy(source, bucket_name, key)
        else:
            copied = s3.copy_object(Bucket=bucket_name, Key=key, CopySource=source)
            assert copied["ResponseMetadata"]["Storage"] == {"backend": "new", "copied_from": "old"}
        head = new.head_object(Bucket=bucket_name, Key=key)
        assert head.get("ContentEncoding") == kept
        assert head["Metadata"] == {"dish": "pizza"}
        assert new.get_object(Bucket=bucket_name, Key=key)["Body"].read() == b"food"


def test_boto3s_default_checksums_fail_on_ceph_over_https_and_the_preset_does_not(
    ceph_https: Server, bucket_name: str, direct: Any, plain: Any, routed: Any, backend: Any
) -> None:
    """Boto3 issue 4392."""
    direct(ceph_https).create_bucket(Bucket=bucket_name)
    put = {"Bucket": bucket_name, "Key": "k", "Body": b"food"}
    with pytest.raises(ClientError) as raised:
        plain(ceph_https).put_object(**put)
    assert raised.value.response["Error"]["Code"] == "MissingContentLength"
    storage = {
        "backends": {"ceph": backend(ceph_https, preset="ceph")},
        "routes": {"ours": {"bucket": bucket_name, "primary": "ceph"}},
    }
    s3 = routed(storage)
    s3.put_object(**put)
    assert s3.get_object(Bucket=bucket_name, Key="k")["Body"].read() == b"food"
    deleted = s3.delete_objects(Bucket=bucket_name, Delete={"Objects": [{"Key": "k"}]})
    assert [item["Key"] for item in deleted["Deleted"]] == ["k"]
