"""moto's mock_aws and botocore's Stubber, as services' own tests use them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, StubAssertionError, UnStubbedResponseError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

import foodco_storage

CALLER = {"routes": {"all": {"bucket": "*", "primary": "caller"}}}
AWS = {
    "backends": {"aws": {"preset": "aws", "region": "us-east-1"}},
    "routes": {"all": {"bucket": "*", "primary": "aws"}},
    "default": {"backend": "aws"},
}
configurations = pytest.mark.parametrize("storage", [None, CALLER, AWS], ids=["none", "caller", "aws"])


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that no mock took fails at once, at a port where nobody listens."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def works(s3: Any) -> None:
    s3.create_bucket(Bucket="mocked")
    s3.put_object(Bucket="mocked", Key="k", Body=b"body")
    assert s3.get_object(Bucket="mocked", Key="k")["Body"].read() == b"body"
    assert boto3.client("s3", region_name="us-east-1").list_objects_v2(Bucket="mocked")["KeyCount"] == 1
    s3.upload_fileobj(io.BytesIO(b"more"), "mocked", "more")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="mocked")["Contents"]] == ["k", "more"]


@configurations
def test_a_client_made_inside_the_mock(storage: Any) -> None:
    with mock_aws():
        works(foodco_storage.client(storage=storage))
        assert foodco_storage.resource(storage=storage).Object("mocked", "k").content_length == 4


@configurations
def test_a_client_made_before_the_mock(storage: Any) -> None:
    s3 = foodco_storage.client(storage=storage)
    with mock_aws():
        works(s3)


@configurations
def test_a_client_made_after_a_mock_that_made_one(storage: Any) -> None:
    with mock_aws():
        foodco_storage.client(storage=storage)
        inside = boto3.DEFAULT_SESSION
    with mock_aws():
        works(foodco_storage.client(storage=storage))
        assert boto3.DEFAULT_SESSION is not inside


@configurations
def test_what_was_mocked_is_gone_afterwards(storage: Any) -> None:
    with mock_aws():
        works(foodco_storage.client(storage=storage))
    with mock_aws():
        assert foodco_storage.client(storage=storage).list_buckets()["Buckets"] == []


def test_a_default_session_from_before_moto_was_imported() -> None:
    """It has no handler of moto's, so mock_aws forgets it; a session of our own would go out to the network."""
    program = """
import foodco_storage
foodco_storage.client()
import sys
assert "moto" not in sys.modules
from moto import mock_aws
with mock_aws():
    s3 = foodco_storage.client()
    s3.create_bucket(Bucket="mocked")
    print([b["Name"] for b in s3.list_buckets()["Buckets"]])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert result.stdout.strip() == "['mocked']", result.stderr


def body(data: bytes) -> dict[str, Any]:
    return {"Body": StreamingBody(io.BytesIO(data), len(data)), "ContentLength": len(data), "ETag": '"1"'}


@pytest.fixture(params=["no-configuration", "unrouted", "one-backend", "fallback"])
def stubbed(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Stubber]]:
    backends = {name: {"preset": "s3", "endpoint_url": f"http://{name}.invalid"} for name in ("new", "old")}
    route: dict[str, Any] = {
        "bucket": "other" if request.param == "unrouted" else "images",
        "primary": "new",
        "fallbacks": ["old"] if request.param == "fallback" else [],
    }
    storage = None if request.param == "no-configuration" else {"backends": backends, "routes": {"images": route}}
    s3 = foodco_storage.client(storage=storage)
    with Stubber(s3) as stubber:
        yield s3, stubber


def test_stubbed_answers_are_the_answers(stubbed: tuple[Any, Stubber]) -> None:
    s3, stubber = stubbed
    stubber.add_response("get_object", body(b"body"), {"Bucket": "images", "Key": "k"})
    stubber.add_response("head_object", {"ContentLength": 3}, {"Bucket": "images", "Key": "k", "VersionId": "1"})
    stubber.add_response("put_object", {"ETag": '"2"'}, {"Bucket": "images", "Key": "k", "Body": b"x"})
    stubber.add_response("create_multipart_upload", {"UploadId": "7"}, {"Bucket": "images", "Key": "k"})
    stubber.add_response("get_bucket_location", {}, {"Bucket": "images"})
    assert s3.get_object(Bucket="images", Key="k")["Body"].read() == b"body"
    assert s3.head_object(Bucket="images", Key="k", VersionId="1")["ContentLength"] == 3
    assert s3.put_object(Bucket="images", Key="k", Body=b"x")["ETag"] == '"2"'
    assert s3.create_multipart_upload(Bucket="images", Key="k")["UploadId"] == "7"
    s3.get_bucket_location(Bucket="images")
    stubber.assert_no_pending_responses()


def test_wrong_parameters_are_noticed_before_anything_is_answered(stubbed: tuple[Any, Stubber]) -> None:
    s3, stubber = stubbed
    stubber.add_response("get_object", body(b"body"), {"Bucket": "images", "Key": "k"})
    with pytest.raises(StubAssertionError):
        s3.get_object(Bucket="images", Key="another")
    with pytest.raises(AssertionError):
        stubber.assert_no_pending_responses()


def test_a_call_that_is_not_stubbed_is_told_as_such(stubbed: tuple[Any, Stubber]) -> None:
    s3, _ = stubbed
    with pytest.raises(UnStubbedResponseError):
        s3.get_object(Bucket="images", Key="k")


@pytest.mark.parametrize(
    ("method", "code"), [("get_object", "NoSuchKey"), ("get_object", "404"), ("head_object", "404")]
)
def test_a_stubbed_404_means_that_the_key_is_not_there(stubbed: tuple[Any, Stubber], method: str, code: str) -> None:
    s3, stubber = stubbed
    stubber.add_client_error(method, code, http_status_code=404, expected_params={"Bucket": "images", "Key": "k"})
    if is_fallback(s3):
        # One answer per backend.
        stubber.add_client_error(method, code, http_status_code=404)
    with pytest.raises(ClientError) as raised:
        getattr(s3, method)(Bucket="images", Key="k")
    assert raised.value.response["Error"]["Code"] == code
    stubber.assert_no_pending_responses()


def is_fallback(s3: Any) -> bool:
    if s3._dispatch is None:
        return False
    route = s3._dispatch.router.route("images", "k")
    return route is not None and bool(route.fallbacks)


def test_an_activated_and_deactivated_stubber_leaves_nothing_behind(two: Any) -> None:
    two.put("old", "k", b"old")
    s3 = two.client()
    with Stubber(s3) as stubber:
        stubber.add_response("get_object", body(b"stub"), {"Bucket": two.bucket, "Key": "k"})
        assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"stub"
    assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"
