"""The whole of S3's everyday over https, against stores whose certificates only our own authority vouches for."""

from __future__ import annotations

import io
import ssl
import urllib.request
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import SSLError

from foodco_storage.testing import Server

PARTS = bytes(range(256)) * (6 << 12)
IN_PARTS = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


@pytest.fixture(params=["verify in the configuration", "client(verify=...)"])
def s3(
    request: Any, server: Server, moto_2_https: Server, bucket_name: str, direct: Any, routed: Any, backend: Any
) -> Any:
    """The primary is the store under test, the fallback another one; both have the bucket."""
    direct(server).create_bucket(Bucket=bucket_name)
    direct(moto_2_https).create_bucket(Bucket=bucket_name)
    direct(moto_2_https).put_object(
        Bucket=bucket_name, Key="older", Body=b"from the fallback", ContentType="text/plain"
    )
    configured = request.param == "verify in the configuration"
    verify = {} if configured else {"verify": None}
    preset = "ceph" if "ceph" in request.node.callspec.id else "s3"
    storage = {
        "backends": {
            "new": backend(server, preset=preset, **verify),
            "old": backend(moto_2_https, **verify),
        },
        "routes": {"ours": {"bucket": bucket_name, "primary": "new", "fallbacks": ["old"]}},
    }
    return routed(storage) if configured else routed(storage, verify=server.verify)


def fetch(url: str, server: Server) -> bytes:
    context = ssl.create_default_context(cafile=str(server.verify))
    with urllib.request.urlopen(url, context=context, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def test_everyday(s3: Any, server: Server, bucket_name: str) -> None:
    s3.put_object(Bucket=bucket_name, Key="k", Body=b"food", ContentType="text/plain", Metadata={"dish": "pizza"})
    head = s3.head_object(Bucket=bucket_name, Key="k")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (4, "text/plain", {"dish": "pizza"})
    assert s3.get_object(Bucket=bucket_name, Key="k")["Body"].read() == b"food"
    older = s3.get_object(Bucket=bucket_name, Key="older")
    assert older["Body"].read() == b"from the fallback"
    assert older["ResponseMetadata"]["Storage"] == {"backend": "old", "fallback": True}
    for key, source in (("copy", "k"), ("copy of older", "older")):
        s3.copy_object(Bucket=bucket_name, Key=key, CopySource={"Bucket": bucket_name, "Key": source})
    assert s3.get_object(Bucket=bucket_name, Key="copy of older")["Body"].read() == b"from the fallback"
    s3.upload_fileobj(io.BytesIO(PARTS), bucket_name, "parts", Config=IN_PARTS)
    assert s3.head_object(Bucket=bucket_name, Key="parts")["ETag"].endswith('-2"')
    target = io.BytesIO()
    s3.download_fileobj(bucket_name, "parts", target, Config=IN_PARTS)
    assert target.getvalue() == PARTS
    listed = s3.list_objects_v2(Bucket=bucket_name)
    assert [item["Key"] for item in listed["Contents"]] == ["copy", "copy of older", "k", "older", "parts"]


def test_presigned(s3: Any, server: Server, bucket_name: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket_name, "Key": "k"})
    assert url.startswith(server.endpoint_url)
    put = urllib.request.Request(url, data=b"food", method="PUT", headers={"Content-Type": ""})
    context = ssl.create_default_context(cafile=str(server.verify))
    urllib.request.urlopen(put, context=context, timeout=30).close()
    assert fetch(s3.generate_presigned_url("get_object", Params={"Bucket": bucket_name, "Key": "k"}), server) == b"food"
    older = s3.generate_presigned_url("get_object", Params={"Bucket": bucket_name, "Key": "older"})
    assert not older.startswith(server.endpoint_url)
    assert fetch(older, server) == b"from the fallback"


CALLS = {
    "get": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="k"),
    "head": lambda s3, bucket: s3.head_object(Bucket=bucket, Key="k"),
    "put": lambda s3, bucket: s3.put_object(Bucket=bucket, Key="k", Body=b""),
    "list": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
}


@pytest.mark.parametrize("where", ["configuration", "argument", "neither"])
def test_another_authority_is_not_trusted(
    server: Server, bucket_name: str, other_ca: str, routed: Any, backend: Any, where: str
) -> None:
    verify = other_ca if where == "configuration" else None
    storage = {
        "backends": {"new": backend(server, verify=verify)},
        "routes": {"ours": {"bucket": bucket_name, "primary": "new"}},
    }
    s3 = routed(storage, **({"verify": other_ca} if where == "argument" else {}))
    for call in CALLS.values():
        with pytest.raises(SSLError):
            call(s3, bucket_name)


@pytest.mark.parametrize("call", ["get", "head", "list"])
def test_a_fallback_of_another_authority_is_an_error_not_a_missing_key(
    moto_https: Server,
    moto_2_https: Server,
    bucket_name: str,
    other_ca: str,
    direct: Any,
    routed: Any,
    backend: Any,
    call: str,
) -> None:
    direct(moto_https).create_bucket(Bucket=bucket_name)
    storage = {
        "backends": {"new": backend(moto_https), "old": backend(moto_2_https, verify=other_ca)},
        "routes": {"ours": {"bucket": bucket_name, "primary": "new", "fallbacks": ["old"]}},
    }
    with pytest.raises(SSLError):
        CALLS[call](routed(storage), bucket_name)


def test_the_configuration_of_a_backend_goes_before_the_argument(
    moto_https: Server, bucket_name: str, other_ca: str, direct: Any, routed: Any, backend: Any
) -> None:
    direct(moto_https).create_bucket(Bucket=bucket_name)
    storage = {
        "backends": {"new": backend(moto_https)},
        "routes": {"ours": {"bucket": bucket_name, "primary": "new"}},
    }
    routed(storage, verify=other_ca).put_object(Bucket=bucket_name, Key="k", Body=b"food")
