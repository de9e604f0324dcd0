"""Operations whose HTTP is answered in this process, so that no network hides microseconds."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.response import StreamingBody
from urllib3 import HTTPResponse

from benchmarks.cells import Actions
from benchmarks.stores import PRIMARY
from foodco_storage.front.recorded import recorded
from foodco_storage.telemetry.requests import Send, count_attempts, note
from foodco_storage.telemetry.telling import PLAIN

NOWHERE = "http://127.0.0.1:1"  # nothing is sent
OPERATIONS = {"head": "HeadObject", "get": "GetObject", "put": "PutObject"}
BODY = bytes(1024)

_METHODS = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject"}
_KEY = "images/2026/11/0000001.jpg"
_HEADERS = {
    "x-amz-request-id": "tx000001-0065f0c0de-1234-default",
    "etag": '"0f343b0931126a20f133d67c2b018a3b"',
    "last-modified": "Thu, 26 Nov 2026 12:00:00 GMT",
    "content-type": "image/jpeg",
    "content-length": str(len(BODY)),
}
_PUT_HEADERS = {**_HEADERS, "content-length": "0"}


def whole(client: Any) -> Actions:
    """What is done with a client; botocore does all that it does but send."""
    client.meta.events.register("before-send.s3", _answer)

    def get() -> bytes:
        return bytes(client.get_object(Bucket=PRIMARY, Key=_KEY)["Body"].read())

    return {
        "head": partial(client.head_object, Bucket=PRIMARY, Key=_KEY),
        "get": get,
        "put": partial(client.put_object, Bucket=PRIMARY, Key=_KEY, Body=BODY),
    }


def _answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    headers = _PUT_HEADERS if request.method == "PUT" else _HEADERS
    return AWSResponse(request.url, 200, headers, _stream(BODY if request.method == "GET" else b""))


def _stream(body: bytes) -> HTTPResponse:
    return HTTPResponse(body=io.BytesIO(body), status=200, preload_content=False)


def bare() -> Actions:
    """Prepared answers and nothing else: no client, no botocore, nobody who listens."""
    return _actions(_sender())


def listened_to() -> Actions:
    """The same answers, recorded, noted and told of as a client's are."""
    send, meta = _sender(), boto3.client("s3", endpoint_url=NOWHERE, region_name="us-east-1").meta

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        return note("ceph", meta, send, operation, params)

    return _actions(lambda operation, params: recorded(call, operation, params, PLAIN))


def _actions(send: Send) -> Actions:
    named = {"Bucket": PRIMARY, "Key": _KEY}

    def get() -> bytes:
        return bytes(send("GetObject", named)["Body"].read())

    return {
        "head": partial(send, "HeadObject", named),
        "get": get,
        "put": partial(send, "PutObject", {**named, "Body": BODY}),
    }


def _sender() -> Send:
    """Gives answers as botocore's clients do, and tells of attempts as they do, also where nobody listens."""
    handlers: list[Callable[..., None]] = []
    events = SimpleNamespace(register=lambda _, handler, **__: handlers.append(handler))
    count_attempts(SimpleNamespace(meta=SimpleNamespace(events=events)))
    (attempted,) = handlers
    prepared = {operation: (_request(method), _response(method)) for method, operation in _METHODS.items()}

    def send(operation: str, _: Mapping[str, Any]) -> dict[str, Any]:
        request, response = prepared[operation]
        attempted(request)
        response = dict(response)
        if operation == "GetObject":
            response["Body"] = StreamingBody(_stream(BODY), len(BODY))
        return response

    return send


def _request(method: str) -> AWSPreparedRequest:
    headers = {"User-Agent": "Boto3", "Authorization": "none"}
    body = None
    if method == "PUT":
        headers["Content-Length"] = str(len(BODY))
        # As botocore has bytes when it has computed their checksum.
        body = io.BytesIO(BODY)
    return AWSPreparedRequest(method, f"{NOWHERE}/{PRIMARY}/{_KEY}", HeadersDict(headers), body, method == "GET")


def _response(method: str) -> dict[str, Any]:
    headers = _PUT_HEADERS if method == "PUT" else _HEADERS
    metadata = {
        "RequestId": headers["x-amz-request-id"],
        "HTTPStatusCode": 200,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    return {"ResponseMetadata": metadata, "ETag": headers["etag"], "ContentLength": int(headers["content-length"])}
