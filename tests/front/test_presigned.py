"""Presigned URLs and posts: for the store that the request is meant for, by that store's name of the bucket."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ParamValidationError, UnknownClientMethodError
from botocore.signers import generate_presigned_url

import foodco_storage
from foodco_storage import OperationRefusedError

BACKENDS = {
    name: {
        "preset": "s3",
        "endpoint_url": f"http://{name}.invalid",
        "access_key_id": f"OF-{name.upper()}",
        "secret_access_key": "secret",
        "max_attempts": 1,
        "connect_timeout_seconds": 0.1,
    }
    for name in ("new", "old")
}


def offline(*, default: str = "caller", **route: Any) -> Any:
    """A client whose stores can't be reached: whatever it signs, it signs offline."""
    images = {"bucket": "images", "primary": "new", "fallbacks": ["old"], **route}
    storage = {"backends": BACKENDS, "routes": {"images": images}, "default": {"backend": default}}
    return foodco_storage.client(storage=storage)


def signed(url: str) -> tuple[str, str, str]:
    """Host, path and access key."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    key = query["X-Amz-Credential"][0].split("/")[0] if "X-Amz-Credential" in query else query["AWSAccessKeyId"][0]
    return parts.netloc, parts.path, key


def fetched(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


OBJECT = {"Bucket": "images", "Key": "a/k"}
METHODS = [
    ("get_object", OBJECT, "/new-images/a/k"),
    ("head_object", OBJECT, "/new-images/a/k"),
    ("put_object", OBJECT, "/new-images/a/k"),
    ("upload_part", OBJECT | {"UploadId": "7", "PartNumber": 1}, "/new-images/a/k"),
    ("list_objects_v2", {"Bucket": "images"}, "/new-images"),
]


@pytest.mark.parametrize(("method", "params", "path"), METHODS, ids=[method for method, _, _ in METHODS])
@pytest.mark.parametrize("fallbacks", [[], ["old"]], ids=["one-backend", "fallback"])
def test_the_authority_signs_by_its_own_name_of_the_bucket(
    method: str, params: dict[str, Any], path: str, fallbacks: list[str]
) -> None:
    names = {"new": "new-images"} | ({"old": "old-images"} if fallbacks else {})
    s3 = offline(fallbacks=fallbacks, presign="authority", buckets=names)
    before = dict(params)
    assert signed(s3.generate_presigned_url(method, Params=params)) == ("new.invalid", path, "OF-NEW")
    assert signed(s3.generate_presigned_url(method, params, 60, None)) == ("new.invalid", path, "OF-NEW")
    assert params == before


def test_a_one_backend_route_signs_without_a_request() -> None:
    s3 = offline(fallbacks=[], default="new")
    s3.meta.events.register("before-send.s3", lambda **_: pytest.fail("a request was sent"))
    assert signed(s3.generate_presigned_url("get_object", OBJECT))[0] == "new.invalid"


def test_an_url_is_that_of_boto3() -> None:
    plain = boto3.client(
        "s3", endpoint_url="http://new.invalid", aws_access_key_id="OF-NEW", aws_secret_access_key="secret"
    )
    s3 = offline(fallbacks=[])
    params = OBJECT | {"ResponseContentType": "image/png"}
    assert query_of(s3.generate_presigned_url("get_object", params)) == query_of(
        plain.generate_presigned_url("get_object", params)
    )


def query_of(url: str) -> list[str]:
    return sorted(parse_qs(urlsplit(url).query))


@pytest.mark.parametrize("fallbacks", [[], ["old"]], ids=["one-backend", "fallback"])
def test_a_post(fallbacks: list[str]) -> None:
    s3 = offline(fallbacks=fallbacks, buckets={"new": "new-images"})
    post = s3.generate_presigned_post("images", "a/k", Fields={"acl": "private"}, Conditions=[{"acl": "private"}])
    assert post["url"] == "http://new.invalid/new-images"
    assert (post["fields"]["key"], post["fields"]["acl"]) == ("a/k", "private")
    assert "OF-NEW" in str(post["fields"])


def test_other_buckets_are_signed_as_in_boto3() -> None:
    s3, plain = offline(), boto3.client("s3")
    params = {"Bucket": "elsewhere", "Key": "k"}
    for method in ("get_object", "put_object", "delete_object"):
        ours, theirs = (client.generate_presigned_url(method, params) for client in (s3, plain))
        assert signed(ours) == signed(theirs)
    assert s3.generate_presigned_post("elsewhere", "k")["url"] == plain.generate_presigned_post("elsewhere", "k")["url"]
    no_bucket = s3.generate_presigned_url("list_buckets")
    assert urlsplit(no_bucket).netloc == urlsplit(plain.generate_presigned_url("list_buckets")).netloc


@pytest.mark.parametrize("presign", ["authority", "holder"])
@pytest.mark.parametrize(
    ("method", "params", "http_method"),
    [
        ("delete_object", OBJECT, None),
        ("delete_objects", {"Bucket": "images", "Delete": {"Objects": [{"Key": "k"}]}}, None),
        ("delete_bucket", {"Bucket": "images"}, None),
        ("get_object", OBJECT, "DELETE"),
        ("get_object", OBJECT, "delete"),
    ],
)
def test_a_delete_is_refused_on_a_route_with_fallbacks(
    method: str, params: dict[str, Any], http_method: str | None, presign: str
) -> None:
    with pytest.raises(OperationRefusedError, match="'new'"):
        offline(presign=presign).generate_presigned_url(method, params, HttpMethod=http_method)
    one = offline(fallbacks=[]).generate_presigned_url(method, params, HttpMethod=http_method)
    assert urlsplit(one).netloc == "new.invalid"


def test_mistakes_are_boto3s() -> None:
    s3 = offline()
    with pytest.raises(UnknownClientMethodError):
        s3.generate_presigned_url("nonsense", OBJECT)
    with pytest.raises(ParamValidationError):
        s3.generate_presigned_url("get_object", {"Bucket": "images"})
    with pytest.raises(ParamValidationError):
        s3.generate_presigned_url("get_object")


def test_it_looks_like_boto3s() -> None:
    assert foodco_storage.client().generate_presigned_url.__doc__ == generate_presigned_url.__doc__


@pytest.mark.parametrize("method", ["get_object", "head_object"])
@pytest.mark.parametrize("holder", ["new", "old"])
def test_the_holder_serves_it(two: Any, method: str, holder: str) -> None:
    two.put(holder, "k", b"photo")
    s3 = two.client()
    url = s3.generate_presigned_url(method, {"Bucket": two.bucket, "Key": "k"})
    assert url.startswith(two.servers[holder].endpoint_url)
    status, body = fetched("GET" if method == "get_object" else "HEAD", url)
    assert (status, body) == (200, b"photo" if method == "get_object" else b"")


def test_the_holder_is_asked_by_its_own_name_of_the_bucket(two: Any, bucket_name: str) -> None:
    theirs = f"{bucket_name}-old"
    two.direct["old"].create_bucket(Bucket=theirs)
    two.direct["old"].put_object(Bucket=theirs, Key="k", Body=b"photo")
    url = two.client(buckets={"old": theirs}).generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    assert fetched("GET", url) == (200, b"photo")


def test_a_key_that_nobody_holds_is_signed_for_the_authority(two: Any) -> None:
    url = two.client().generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "later"})
    assert fetched("GET", url)[0] == 404
    two.put("new", "later", b"written since")
    assert fetched("GET", url) == (200, b"written since")


def test_a_store_that_is_down_does_not_keep_from_signing() -> None:
    assert signed(offline().generate_presigned_url("get_object", OBJECT))[0] == "new.invalid"


def test_the_authority_serves_it_if_told_so(two: Any) -> None:
    two.put("old", "k", b"photo")
    s3 = two.client(presign="authority")
    url = s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    assert url.startswith(two.servers["new"].endpoint_url)
    assert fetched("GET", url)[0] == 404


def test_writes_go_to_the_authority_though_the_fallback_holds_the_key(two: Any) -> None:
    two.put("old", "k", b"old")
    s3 = two.client()
    url = s3.generate_presigned_url("put_object", {"Bucket": two.bucket, "Key": "k"})
    assert fetched("PUT", url, b"new")[0] == 200
    assert two.content("new") == {"k": b"new"}
    # The HTTP method decides what the URL does, whatever operation it was made from.
    two.put("old", "k2", b"old")
    url = s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k2"}, HttpMethod="PUT")
    assert fetched("PUT", url, b"new")[0] == 200
    assert two.content("new")["k2"] == b"new"
    assert two.content("old") == {"k": b"old", "k2": b"old"}


def test_a_post_is_stored_by_the_authority(two: Any) -> None:
    post = two.client().generate_presigned_post(two.bucket, "posted")
    boundary = "a-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in post["fields"].items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nphoto\r\n--{boundary}--\r\n'
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert fetched("POST", post["url"], "".join(parts).encode(), headers)[0] in {200, 204}
    assert two.content("new") == {"posted": b"photo"}
    assert two.content("old") == {}
