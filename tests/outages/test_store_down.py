"""A store that can't answer is an error that says so: never a missing key, never a short list, never a write elsewhere."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from foodco_storage import OperationRefusedError
from foodco_storage.errors import CircuitOpenError
from foodco_storage.testing import (
    LOAD_BALANCER_NOT_FOUND,
    LOAD_BALANCER_UNAVAILABLE,
    Answer,
    FaultProxy,
    Hang,
    wait_until,
)

SLOW_DOWN = Answer(
    503,
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.'
    b"</Message><RequestId>1</RequestId></Error>",
    {"Content-Type": "application/xml"},
)
NGINX_NOT_FOUND = Answer(
    404,
    b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    {"Content-Type": "text/html"},
)
JSON_NOT_FOUND = Answer(404, b'{"message": "no Route matched with those values"}', {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Outage:
    """How a store fails, and what a boto3 user sees of it: a class, and for a `ClientError` the code of GET and of HEAD."""

    name: str
    begin: Callable[[FaultProxy], None]
    error: type[Exception]
    codes: tuple[str, str] = ("", "")


def answers(name: str, answer: Answer, get: str, head: str) -> Outage:
    return Outage(name, lambda proxy: proxy.inject(answer), ClientError, (get, head))


OUTAGES = [
    Outage("refused", FaultProxy.refuse, EndpointConnectionError),
    Outage("hanging", lambda proxy: proxy.inject(Hang()), ReadTimeoutError),
    answers("slow down", SLOW_DOWN, "SlowDown", "503"),
    answers("no pool members", LOAD_BALANCER_UNAVAILABLE, "503", "503"),
    answers("load balancer 404", LOAD_BALANCER_NOT_FOUND, "ServiceUnavailable", "ServiceUnavailable"),
    answers("nginx 404", NGINX_NOT_FOUND, "ServiceUnavailable", "ServiceUnavailable"),
    answers("gateway 404", JSON_NOT_FOUND, "ServiceUnavailable", "ServiceUnavailable"),
    answers("empty 404", Answer(404), "ServiceUnavailable", "ServiceUnavailable"),
]
outages = pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name.replace(" ", "-"))
a_few_outages = pytest.mark.parametrize(
    "outage", [OUTAGES[0], OUTAGES[2], OUTAGES[4]], ids=lambda outage: outage.name.replace(" ", "-")
)

READS: dict[str, Callable[[Any, str], Any]] = {
    "get_object": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="k"),
    "head_object": lambda s3, bucket: s3.head_object(Bucket=bucket, Key="k"),
    "get_object_tagging": lambda s3, bucket: s3.get_object_tagging(Bucket=bucket, Key="k"),
    "download_fileobj": lambda s3, bucket: s3.download_fileobj(bucket, "k", io.BytesIO()),
    "list_objects_v2": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
    "list_objects": lambda s3, bucket: s3.list_objects(Bucket=bucket),
    "paginator": lambda s3, bucket: list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)),
    "copy_object": lambda s3, bucket: s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k"),
}
# Every kind of outage for the two that everything else is made of, a few kinds for the others.
reads_in_outages = pytest.mark.parametrize(
    ("read", "outage"),
    [
        pytest.param(read, outage, id=f"{read}-{outage.name.replace(' ', '-')}")
        for read in READS
        for number, outage in enumerate(OUTAGES)
        if read in {"get_object", "head_object"} or number in {0, 2, 4}
    ],
)
HEADS = {"head_object", "download_fileobj"}


def begin(outage: Outage, store: Any) -> None:
    store.proxy.pass_through()
    outage.begin(store.proxy)


def impatient_with(store: Any, seconds: float = 0.3) -> None:
    """A hanging store costs its read timeout; the other store may take its time."""
    store.backend["read_timeout_seconds"] = seconds


def assert_is(error: BaseException, outage: Outage, *, head: bool, s3: Any) -> None:
    assert type(error) is outage.error
    assert not isinstance(error, s3.exceptions.NoSuchKey)
    if isinstance(error, ClientError):
        assert error.response["Error"]["Code"] == outage.codes[head]
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


@reads_in_outages
def test_a_primary_that_is_down_is_its_own_error_though_the_fallback_holds_the_key(
    stores: Any, outage: Outage, read: str
) -> None:
    impatient_with(stores.primary)
    stores.fallback.put("k", b"older")
    s3 = stores.client()
    begin(outage, stores.primary)
    with pytest.raises(outage.error) as raised:
        READS[read](s3, stores.bucket)
    assert_is(raised.value, outage, head=read in HEADS, s3=s3)
    assert stores.primary.content() == {}
    assert stores.fallback.content() == {"k": b"older"}


@reads_in_outages
def test_a_fallback_that_is_down_is_an_error_when_the_primary_lacks_the_key(
    stores: Any, outage: Outage, read: str
) -> None:
    impatient_with(stores.fallback)
    stores.primary.put("other", b"")
    stores.fallback.put("k", b"food")
    s3 = stores.client()
    begin(outage, stores.fallback)
    with pytest.raises(outage.error) as raised:
        READS[read](s3, stores.bucket)
    assert_is(raised.value, outage, head=read in HEADS, s3=s3)
    if read in {"get_object", "head_object"}:
        assert "'primary' does not hold the key, and the fallback 'fallback' could not be read" in notes(raised.value)
    assert stores.primary.content() == {"other": b""}


@a_few_outages
def test_what_the_primary_holds_does_not_need_the_fallback(stores: Any, outage: Outage) -> None:
    stores.primary.put("k", b"food")
    s3 = stores.client()
    begin(outage, stores.fallback)
    assert s3.get_object(Bucket=stores.bucket, Key="k")["Body"].read() == b"food"
    assert s3.head_object(Bucket=stores.bucket, Key="k")["ResponseMetadata"]["Storage"] == {"backend": "primary"}


@a_few_outages
@pytest.mark.parametrize("degraded", [False, True])
@pytest.mark.parametrize("read", ["get_object", "head_object", "list_objects_v2"])
def test_both_down(stores: Any, outage: Outage, read: str, degraded: bool) -> None:
    stores.fallback.put("k", b"food")
    s3 = stores.client(read_when_primary_down=degraded)
    begin(outage, stores.primary)
    begin(outage, stores.fallback)
    with pytest.raises(outage.error) as raised:
        READS[read](s3, stores.bucket)
    assert_is(raised.value, outage, head=read in HEADS, s3=s3)
    if degraded and read != "list_objects_v2":
        assert "'primary' is down, and the fallback 'fallback' could not be read" in notes(raised.value)


@a_few_outages
def test_a_copy_does_not_need_the_store_that_has_no_part_in_it(stores: Any, outage: Outage) -> None:
    stores.primary.put("k", b"food")
    s3 = stores.client()
    begin(outage, stores.fallback)
    copied = s3.copy_object(Bucket=stores.bucket, Key="copy", CopySource={"Bucket": stores.bucket, "Key": "k"})
    assert copied["ResponseMetadata"]["Storage"] == {"backend": "primary", "copied_from": "primary"}


@pytest.mark.parametrize("side", ["primary", "fallback"])
@a_few_outages
def test_a_list_whose_later_page_fails_ends_with_the_error(stores: Any, outage: Outage, side: str) -> None:
    for number in range(4):
        stores.primary.put(f"p{number}", b"")
        stores.fallback.put(f"q{number}", b"")
    s3 = stores.client()
    pages = iter(s3.get_paginator("list_objects_v2").paginate(Bucket=stores.bucket, PaginationConfig={"PageSize": 2}))
    assert [item["Key"] for item in next(pages)["Contents"]] == ["p0", "p1"]
    begin(outage, getattr(stores, side))
    with pytest.raises(outage.error) as raised:
        list(pages)
    assert_is(raised.value, outage, head=False, s3=s3)


WRITES: dict[str, Callable[[Any, str], Any]] = {
    "put_object": lambda s3, bucket: s3.put_object(Bucket=bucket, Key="k", Body=b"new"),
    "put_object_if_none_match": lambda s3, bucket: s3.put_object(Bucket=bucket, Key="n", Body=b"new", IfNoneMatch="*"),
    "upload_fileobj": lambda s3, bucket: s3.upload_fileobj(io.BytesIO(b"new"), bucket, "k"),
    "upload_in_parts": lambda s3, bucket: s3.upload_fileobj(io.BytesIO(bytes(9 << 20)), bucket, "k"),
    "create_multipart_upload": lambda s3, bucket: s3.create_multipart_upload(Bucket=bucket, Key="k"),
    "copy_object": lambda s3, bucket: s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k"),
    "put_object_tagging": lambda s3, bucket: s3.put_object_tagging(
        Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    ),
}


UNTOUCHED = {"create_multipart_upload", "upload_in_parts"}
"""They go to the primary as boto3 sends them, and fail as boto3 does."""


@a_few_outages
@pytest.mark.parametrize("write", WRITES)
def test_a_write_never_goes_to_the_fallback(stores: Any, outage: Outage, write: str) -> None:
    stores.primary.backend["capabilities"] = {"conditional_put": True, "conditional_put_versioned": True}
    stores.fallback.put("k", b"old")
    s3 = stores.client(read_when_primary_down=True)
    begin(outage, stores.primary)
    with pytest.raises((outage.error, S3UploadFailedError)) as raised:
        WRITES[write](s3, stores.bucket)
    if write in UNTOUCHED or isinstance(raised.value, S3UploadFailedError):
        assert "NoSuchKey" not in str(raised.value)
        assert "(404)" not in str(raised.value)
    else:
        assert_is(raised.value, outage, head=False, s3=s3)
    assert stores.fallback.content() == {"k": b"old"}
    assert stores.fallback.uploads() == []
    assert stores.fallback.s3.get_object_tagging(Bucket=stores.bucket, Key="k")["TagSet"] == []
    assert stores.primary.content() == {}
    assert stores.primary.uploads() == []


@a_few_outages
def test_a_condition_is_not_believed_when_the_fallback_can_not_be_asked(stores: Any, outage: Outage) -> None:
    stores.primary.backend["capabilities"] = {"conditional_put": True, "conditional_put_versioned": True}
    s3 = stores.client()
    begin(outage, stores.fallback)
    with pytest.raises(outage.error) as raised:
        s3.put_object(Bucket=stores.bucket, Key="k", Body=b"new", IfNoneMatch="*")
    assert_is(raised.value, outage, head=True, s3=s3)
    assert stores.primary.content() == {}


def test_a_delete_is_refused_whatever_is_down(stores: Any) -> None:
    stores.fallback.put("k", b"food")
    s3 = stores.client(read_when_primary_down=True)
    stores.primary.proxy.refuse()
    with pytest.raises(OperationRefusedError):
        s3.delete_object(Bucket=stores.bucket, Key="k")
    assert stores.fallback.content() == {"k": b"food"}


@outages
def test_degraded_reads_say_so(stores: Any, outage: Outage) -> None:
    impatient_with(stores.primary, seconds=1.0)
    stores.primary.put("k", b"newer")
    stores.fallback.put("k", b"older", Metadata={"dish": "pizza"})
    s3 = stores.client(read_when_primary_down=True)
    assert s3.get_object(Bucket=stores.bucket, Key="k")["Body"].read() == b"newer"
    begin(outage, stores.primary)
    got = s3.get_object(Bucket=stores.bucket, Key="k")
    assert got["Body"].read() == b"older"
    head = s3.head_object(Bucket=stores.bucket, Key="k")
    assert head["Metadata"] == {"dish": "pizza"}
    for answer in (got, head):
        assert answer["ResponseMetadata"]["Storage"] == {"backend": "fallback", "fallback": True, "degraded": True}
    stores.primary.proxy.pass_through()
    back = s3.get_object(Bucket=stores.bucket, Key="k")
    assert back["Body"].read() == b"newer"
    assert back["ResponseMetadata"]["Storage"] == {"backend": "primary"}


@outages
@pytest.mark.parametrize("read", ["get_object", "head_object"])
def test_a_key_that_nobody_is_known_to_hold_is_the_primarys_outage(stores: Any, outage: Outage, read: str) -> None:
    impatient_with(stores.primary)
    s3 = stores.client(read_when_primary_down=True)
    begin(outage, stores.primary)
    with pytest.raises(outage.error) as raised:
        READS[read](s3, stores.bucket)
    assert_is(raised.value, outage, head=read == "head_object", s3=s3)


@a_few_outages
def test_degraded_is_for_reads_of_objects_not_for_lists(stores: Any, outage: Outage) -> None:
    stores.fallback.put("k", b"food")
    s3 = stores.client(read_when_primary_down=True)
    begin(outage, stores.primary)
    with pytest.raises(outage.error):
        s3.list_objects_v2(Bucket=stores.bucket)


def test_a_missing_key_is_the_primarys_own_error(stores: Any) -> None:
    s3 = stores.client()
    with pytest.raises(s3.exceptions.NoSuchKey) as got:
        s3.get_object(Bucket=stores.bucket, Key="k")
    assert got.value.response["ResponseMetadata"]["Storage"]["backend"] == "primary"
    with pytest.raises(ClientError) as head:
        s3.head_object(Bucket=stores.bucket, Key="k")
    assert head.value.response["Error"]["Code"] == "404"
    assert head.value.response["ResponseMetadata"]["Storage"]["backend"] == "primary"


def test_answers_that_are_no_outage_do_not_fall_back(stores: Any) -> None:
    etag = stores.primary.put("k", b"food")
    stores.fallback.put("k", b"other food, and more of it")
    s3 = stores.client(read_when_primary_down=True)
    asked = [
        ({"IfNoneMatch": etag}, "304"),
        ({"IfMatch": '"0"'}, "PreconditionFailed"),
        ({"Range": "bytes=10-20"}, "InvalidRange"),
    ]
    before = stores.fallback.proxy.requests
    for condition, code in asked:
        with pytest.raises(ClientError) as raised:
            s3.get_object(Bucket=stores.bucket, Key="k", **condition)
        assert raised.value.response["Error"]["Code"] == code
    forbidden = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    stores.primary.proxy.inject(Answer(403, forbidden, {"Content-Type": "application/xml"}))
    for read, code in (("get_object", "AccessDenied"), ("head_object", "403")):
        with pytest.raises(ClientError) as raised:
            READS[read](s3, stores.bucket)
        assert raised.value.response["Error"]["Code"] == code
    assert stores.fallback.proxy.requests == before


def test_a_primary_without_the_bucket_falls_back_and_warns_once(stores: Any, caplog: Any) -> None:
    stores.fallback.put("k", b"food")
    stores.primary.s3.delete_bucket(Bucket=stores.bucket)
    s3 = stores.client()
    with caplog.at_level(logging.WARNING, logger="foodco_storage"):
        for _ in range(3):
            got = s3.get_object(Bucket=stores.bucket, Key="k")
            assert got["Body"].read() == b"food"
            assert got["ResponseMetadata"]["Storage"] == {"backend": "fallback", "fallback": True}
            assert s3.head_object(Bucket=stores.bucket, Key="k")["ContentLength"] == 4
    warnings = [record.getMessage() for record in caplog.records if record.name == "foodco_storage"]
    assert len(warnings) == 1
    assert "'primary' has no bucket" in warnings[0]
    assert stores.bucket in warnings[0]


def test_the_breaker_opens_after_outages_in_a_row_and_closes_when_the_store_is_back(stores: Any) -> None:
    stores.primary.backend["breaker"] = {"failures": 3, "open_seconds": 0.2}
    stores.primary.put("k", b"food")
    s3 = stores.client()

    def get() -> bytes:
        body: bytes = s3.get_object(Bucket=stores.bucket, Key="k")["Body"].read()
        return body

    stores.primary.proxy.inject(SLOW_DOWN)
    for _ in range(3):
        with pytest.raises(ClientError):
            get()
    # So long that it can't close under the test, whatever the machine does meanwhile.
    breaker = s3._dispatch.backends["primary"].breaker
    breaker._open_seconds = 1000.0
    seen = stores.primary.proxy.requests
    with pytest.raises(CircuitOpenError) as raised:
        get()
    assert isinstance(raised.value, EndpointConnectionError)
    assert stores.primary.proxy.endpoint_url in str(raised.value)
    assert "failed 3 times in a row" in str(raised.value)
    assert stores.primary.proxy.requests == seen
    stores.primary.proxy.pass_through()
    breaker._open_seconds = 0.2

    def serves() -> bool:
        try:
            return get() == b"food"
        except CircuitOpenError:
            return False

    wait_until(serves, what="the breaker to close")
    assert get() == b"food"
    assert breaker.state == "closed"


def test_an_open_breaker_is_an_outage_to_degraded_reads(stores: Any) -> None:
    stores.primary.backend["breaker"] = {"failures": 1, "open_seconds": 1000.0}
    stores.fallback.put("k", b"food")
    s3 = stores.client(read_when_primary_down=True)
    stores.primary.proxy.refuse()
    for _ in range(3):
        got = s3.get_object(Bucket=stores.bucket, Key="k")
        assert got["Body"].read() == b"food"
        assert got["ResponseMetadata"]["Storage"]["degraded"] is True
    with pytest.raises(CircuitOpenError):
        s3.get_object(Bucket=stores.bucket, Key="nobody holds it")
    with pytest.raises(CircuitOpenError):
        s3.put_object(Bucket=stores.bucket, Key="k", Body=b"")


def test_a_missing_key_never_opens_the_breaker(stores: Any) -> None:
    stores.primary.backend["breaker"] = {"failures": 1, "open_seconds": 1000.0}
    stores.fallback.put("k", b"food")
    s3 = stores.client()
    for _ in range(3):
        assert s3.get_object(Bucket=stores.bucket, Key="k")["Body"].read() == b"food"
        assert s3.head_object(Bucket=stores.bucket, Key="k")["ContentLength"] == 4


def test_the_first_fallback_that_is_down_hides_no_second(
    make_stores: Any, stores: Any, moto_store_2: Any, seaweedfs: Any
) -> None:
    """An older copy further back must not be shown while a nearer store can't say what it holds."""
    third = make_stores(seaweedfs.server, moto_store_2.server).primary
    third.put("k", b"oldest")
    stores.extra = {"third": third.backend}
    s3 = stores.client(fallbacks=("fallback", "third"))
    got = s3.get_object(Bucket=stores.bucket, Key="k")
    assert got["Body"].read() == b"oldest"
    assert got["ResponseMetadata"]["Storage"]["backend"] == "third"
    stores.fallback.proxy.refuse()
    with pytest.raises(EndpointConnectionError):
        s3.get_object(Bucket=stores.bucket, Key="k")
