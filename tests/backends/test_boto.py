"""What a store's answers mean: above all, what counts as "not there"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError, UnseekableStreamError

from foodco_storage.backends.boto import BotoBackend
from foodco_storage.config import Backend, Breaker
from foodco_storage.errors import CircuitOpenError
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Request
from foodco_storage.front.siblings import real_backend
from foodco_storage.testing import (
    LOAD_BALANCER_NOT_FOUND,
    LOAD_BALANCER_UNAVAILABLE,
    Answer,
    Close,
    Fault,
    FaultProxy,
    MotoStore,
)

IN_S3 = {"x-amz-request-id": "1", "Content-Type": "application/xml"}


def s3_error(status: int, code: str, **headers: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), IN_S3 | headers)


class Store:
    """A bucket `images` of moto, holding `k`, behind a proxy."""

    def __init__(self, store: MotoStore, bucket: str, stack: ExitStack) -> None:
        server = store.server
        self.bucket = bucket
        self.proxy = stack.enter_context(FaultProxy(server.host, server.port))
        arguments = {**server.client_arguments(), "endpoint_url": self.proxy.endpoint_url}
        self.s3 = boto3.client(
            "s3",
            **arguments,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=20),
        )
        stack.callback(self.s3.close)
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"body")

    def backend(self, **configured: Any) -> BotoBackend:
        configured = {"breaker": Breaker(enabled=False)} | configured
        return real_backend("store", self.s3, self.s3._make_api_call, Backend(**configured), lambda: self.s3)

    def request(self, operation: str, key: str = "k", **more: Any) -> Request:
        return Request(operation, {"Bucket": self.bucket, "Key": key, **more})


@pytest.fixture
def store(moto_store: MotoStore, bucket_name: str) -> Iterator[Store]:
    with ExitStack() as stack:
        yield Store(moto_store, bucket_name, stack)


def failure(backend: BotoBackend, request: Request) -> BackendError:
    with pytest.raises(BackendError) as raised:
        backend.call(request)
    assert raised.value.backend == "store"
    return raised.value


both = pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])


@both
def test_a_missing_key_is_not_there(store: Store, operation: str) -> None:
    error = failure(store.backend(), store.request(operation, "absent"))
    assert type(error) is NotThere
    assert error.status == 404
    assert error.error.response["ResponseMetadata"]["Storage"] == {"backend": "store"}  # type: ignore[attr-defined]


@both
def test_an_answer_is_botocores(store: Store, operation: str) -> None:
    request = store.request(operation)
    answer = store.backend().call(request)
    assert answer["ContentLength"] == 4
    assert request.params == {"Bucket": store.bucket, "Key": "k"}


@pytest.mark.parametrize(
    "fault",
    [
        Close(0),
        Close(60),
        Answer(200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"}),
        Answer(200, b"Welcome", {"Content-Type": "text/html"}),
    ],
    ids=["no body", "half a body", "a page", "text"],
)
@pytest.mark.parametrize(
    "operation", ["ListObjects", "ListObjectsV2", "ListObjectVersions", "GetObjectTagging", "CreateMultipartUpload"]
)
def test_an_answer_that_is_none_is_an_outage(store: Store, operation: str, fault: Fault) -> None:
    request = Request(operation, {"Bucket": store.bucket} | ({} if operation.startswith("List") else {"Key": "k"}))
    backend = store.backend()
    backend.call(request)
    store.proxy.inject(fault)
    assert type(failure(backend, request)) is Unavailable


@both
@pytest.mark.parametrize(
    ("answer", "meaning", "code"),
    [
        (s3_error(403, "AccessDenied"), Rejected, {"AccessDenied", "403"}),
        (s3_error(412, "PreconditionFailed"), Rejected, {"PreconditionFailed", "412"}),
        (Answer(304), Rejected, {"304"}),
        (s3_error(416, "InvalidRange"), Rejected, {"InvalidRange", "416"}),
        (s3_error(501, "NotImplemented"), Rejected, {"NotImplemented", "501"}),
        (s3_error(500, "InternalError"), Unavailable, {"InternalError", "500"}),
        (s3_error(503, "SlowDown"), Unavailable, {"SlowDown", "503"}),
        (LOAD_BALANCER_UNAVAILABLE, Unavailable, {"503"}),
        (Answer(502), Unavailable, {"502"}),
        (LOAD_BALANCER_NOT_FOUND, Unavailable, {"ServiceUnavailable"}),
        (Answer(404), Unavailable, {"ServiceUnavailable"}),
        (
            Answer(404, b'{"message": "no route"}', {"Content-Type": "application/json"}),
            Unavailable,
            {"ServiceUnavailable"},
        ),
        (s3_error(404, "NoSuchKey", **{"x-amz-delete-marker": "true"}), Deleted, {"NoSuchKey", "404"}),
        (s3_error(404, "NoSuchKey"), NotThere, {"NoSuchKey", "404"}),
        (s3_error(404, "NoSuchVersion"), NotThere, {"NoSuchVersion", "404"}),
    ],
)
def test_meanings(store: Store, operation: str, answer: Answer, meaning: type, code: set[str]) -> None:
    if operation == "HeadObject" and answer.status == 501:
        # Without a body it can't be told from an outage, which is the safe side.
        meaning = Unavailable
    backend = store.backend()
    store.proxy.inject(answer)
    error = failure(backend, store.request(operation, "k"))
    assert type(error) is meaning
    assert error.code in code


def test_a_missing_bucket(store: Store) -> None:
    backend = store.backend()
    error = failure(backend, Request("GetObject", {"Bucket": f"{store.bucket}-absent", "Key": "k"}))
    assert type(error) is NoBucket
    # A HEAD has no body to name the bucket in; a GET of the same tells.
    store.proxy.inject(Answer(404), times=1, methods=["HEAD"])
    error = failure(backend, Request("HeadObject", {"Bucket": f"{store.bucket}-absent", "Key": "k"}))
    assert type(error) is NoBucket


def test_other_404s_are_the_stores_own(store: Store) -> None:
    backend = store.backend()
    store.proxy.inject(s3_error(404, "NoSuchUpload"))
    error = failure(backend, store.request("ListParts", UploadId="7"))
    assert type(error) is Rejected


def test_an_outage_says_503(store: Store) -> None:
    store.proxy.inject(LOAD_BALANCER_NOT_FOUND)
    error = failure(store.backend(), store.request("GetObject"))
    assert (error.status, error.code) == (503, "ServiceUnavailable")
    assert "'store'" in str(error.error)
    assert isinstance(error.error, ClientError)


def test_a_bare_404_of_a_head_is_confirmed_by_a_get(store: Store) -> None:
    backend = store.backend()
    store.proxy.inject(Answer(404), times=1, methods=["HEAD"])
    before = store.proxy.requests
    assert type(failure(backend, store.request("HeadObject", "absent"))) is NotThere
    assert store.proxy.requests == before + 2


def test_a_bare_404_of_a_head_whose_get_finds_the_object_is_an_outage(store: Store) -> None:
    backend = store.backend()
    store.proxy.inject(Answer(404), times=1, methods=["HEAD"])
    assert type(failure(backend, store.request("HeadObject"))) is Unavailable


def test_a_404_of_a_head_with_a_request_id_is_believed(store: Store) -> None:
    backend = store.backend()
    store.proxy.inject(Answer(404, headers={"x-amz-request-id": "1"}), times=1)
    before = store.proxy.requests
    assert type(failure(backend, store.request("HeadObject"))) is NotThere
    assert store.proxy.requests == before + 1


@pytest.mark.parametrize(
    ("operation", "meaning"), [("GetObject", NotThere), ("HeadObject", NotThere), ("PutObject", Rejected)]
)
def test_403_can_be_configured_to_mean_not_there(store: Store, operation: str, meaning: type) -> None:
    store.proxy.inject(s3_error(403, "AccessDenied"))
    assert type(failure(store.backend(forbidden_means_missing=True), store.request(operation))) is meaning
    assert type(failure(store.backend(), store.request(operation))) is Rejected


@both
@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "ExpiredToken"]
)
def test_other_403s_never_mean_not_there(store: Store, operation: str, code: str) -> None:
    store.proxy.inject(s3_error(403, code))
    error = failure(store.backend(forbidden_means_missing=True), store.request(operation))
    assert type(error) is Rejected
    assert error.code == code


def test_a_403_of_a_head_whose_get_is_answered_stays_one(store: Store) -> None:
    store.proxy.inject(Answer(403), times=1, methods=["HEAD"])
    error = failure(store.backend(forbidden_means_missing=True), store.request("HeadObject"))
    assert (type(error), error.status) == (Rejected, 403)


def test_missing_credentials_are_no_outage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read may get around an outage of the primary, and must not get around this."""
    backend = store.backend(breaker=Breaker(failures=1))
    monkeypatch.setattr(store.s3._request_signer, "_credentials", None)
    error = failure(backend, store.request("GetObject"))
    assert (type(error), type(error.error)) == (Rejected, NoCredentialsError)
    assert backend.breaker is not None
    assert backend.breaker.state == "closed"


@pytest.mark.parametrize("break_it", [FaultProxy.refuse, lambda proxy: proxy.inject(Answer(500))])
def test_no_answer_is_an_outage(store: Store, break_it: Callable[[FaultProxy], None]) -> None:
    break_it(store.proxy)
    error = failure(store.backend(), store.request("GetObject"))
    assert type(error) is Unavailable


def test_a_request_that_never_left_says_nothing_of_the_store(store: Store) -> None:
    with pytest.raises(ParamValidationError):
        store.backend().call(Request("GetObject", {"Bucket": store.bucket}))


def test_the_breaker_counts_outages_only(store: Store) -> None:
    backend = store.backend(breaker=Breaker(failures=2, open_seconds=3600))
    assert backend.breaker is not None
    for answer in (s3_error(403, "AccessDenied"), s3_error(404, "NoSuchKey"), s3_error(501, "NotImplemented")):
        store.proxy.inject(answer)
        for _ in range(3):
            failure(backend, store.request("GetObject"))
    assert backend.breaker.state == "closed"
    store.proxy.inject(s3_error(503, "SlowDown"))
    for _ in range(2):
        assert not isinstance(failure(backend, store.request("GetObject")).error, CircuitOpenError)
    before = store.proxy.requests
    error = failure(backend, store.request("GetObject"))
    assert type(error) is Unavailable
    assert isinstance(error.error, CircuitOpenError)
    with pytest.raises(CircuitOpenError):
        backend.send("GetObject", {"Bucket": store.bucket, "Key": "k"})
    assert store.proxy.requests == before


def test_a_store_that_refuses_connections_opens_the_breaker(store: Store) -> None:
    backend = store.backend(breaker=Breaker(failures=2, open_seconds=3600))
    store.proxy.refuse()
    for _ in range(2):
        failure(backend, store.request("GetObject"))
    assert backend.breaker is not None
    assert backend.breaker.state == "open"


class Broken:
    """A caller's file that can't be read."""

    def read(self, amount: int = -1) -> bytes:
        raise RuntimeError("the caller's own")

    def seek(self, *_: int) -> int:
        return 0

    def tell(self) -> int:
        return 0

    def __len__(self) -> int:
        return 10


def test_a_callers_own_failure_says_nothing_of_the_store(store: Store) -> None:
    backend = store.backend(breaker=Breaker(failures=1, open_seconds=3600))
    assert backend.breaker is not None
    with pytest.raises(ParamValidationError):
        backend.call(Request("GetObject", {"Bucket": store.bucket}))
    with pytest.raises(Exception, match="the caller's own"):
        backend.send("PutObject", {"Bucket": store.bucket, "Key": "k", "Body": Broken(), "ContentLength": 10})
    assert backend.breaker.state == "closed"


def test_an_interrupt_ends_the_try_of_an_open_breaker(store: Store) -> None:
    backend = store.backend(breaker=Breaker(failures=1, open_seconds=1e-9))
    breaker = backend.breaker
    assert breaker is not None
    store.proxy.inject(Answer(500), times=1)
    failure(backend, store.request("GetObject"))

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    store.s3.meta.events.register("before-send.s3", interrupt)
    with pytest.raises(KeyboardInterrupt):
        backend.call(store.request("GetObject"))
    assert breaker.state == "open"
    store.s3.meta.events.unregister("before-send.s3", interrupt)
    backend.call(store.request("GetObject"))["Body"].close()
    assert breaker.state == "closed"


def test_a_retry_that_can_not_send_the_body_again_leaves_open_what_became_of_it(store: Store) -> None:
    def retried(*_: Any) -> Any:
        raise UnseekableStreamError(stream_object="a pipe")

    backend = real_backend("store", store.s3, retried, Backend(breaker=Breaker(enabled=False)), lambda: store.s3)
    error = failure(backend, store.request("PutObject", Body=b"x"))
    assert type(error) is Unavailable
    assert isinstance(error.error, UnseekableStreamError)


@pytest.mark.parametrize(("size", "date"), [(b"1", b"yesterday"), (b"x", b"2026-01-01T00:00:00Z")])
def test_a_list_that_botocore_can_not_read_is_an_outage(store: Store, size: bytes, date: bytes) -> None:
    body = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>%s</Size>"
        b"<LastModified>%s</LastModified></Contents></ListBucketResult>" % (size, date)
    )
    backend = store.backend()
    store.proxy.inject(Answer(200, body, IN_S3))
    assert type(failure(backend, Request("ListObjectsV2", {"Bucket": store.bucket}))) is Unavailable


def test_a_users_own_value_error_reaches_him(store: Store) -> None:
    def refuses(**_: Any) -> None:
        raise ValueError("the user's")

    store.s3.meta.events.register("before-send.s3.ListObjectsV2", refuses)
    with pytest.raises(ValueError, match="the user's"):
        store.backend().call(Request("ListObjectsV2", {"Bucket": store.bucket}))
