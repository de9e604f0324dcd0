"""The real backend: a botocore client, and what its errors mean."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
    ResponseStreamingError,
    UnseekableStreamError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from foodco_storage.backends.breaker import Breaker
from foodco_storage.backends.capabilities import CapabilityBook
from foodco_storage.backends.connections import renew_connections
from foodco_storage.backends.once import sends_once
from foodco_storage.backends.watched import MakeApiCall, is_outage, watched
from foodco_storage.backends.whole_answers import check_whole, is_of_the_parser
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Request, Response
from foodco_storage.operations import OPERATIONS, OperationClass
from foodco_storage.telemetry.requests import noted

_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion"})
_HTTP_NOT_FOUND = 404
_HTTP_FORBIDDEN = 403


class BotoBackend:
    """One store behind one botocore client.

    Args:
        name: the backend's name in the configuration.
        client: the botocore client.
        make_api_call: sends a request through the client, user's event handlers included.
        capabilities: what is known of the store.
        breaker: keeps a dead store from costing every request its timeouts; None for none.
        forbidden_means_missing: whether AccessDenied on a read says "not there" (S3 without ListBucket answers so).
    """

    def __init__(
        self,
        name: str,
        client: Any,
        make_api_call: MakeApiCall,
        capabilities: CapabilityBook,
        breaker: Breaker | None = None,
        *,
        forbidden_means_missing: bool = False,
    ) -> None:
        self.name = name
        self.breaker = breaker
        self.client = client
        self.send = noted(name, client.meta, watched(make_api_call, breaker))
        """Sends a request as boto3 would, with the breaker watching; errors stay botocore's."""
        self._send_once = noted(name, client.meta, watched(sends_once(client, make_api_call), breaker))
        self.able = capabilities.able
        self._capabilities = capabilities
        self._forbidden_means_missing = forbidden_means_missing

    def call(self, request: Request) -> Response:
        """Carry out one operation (`foodco_storage.backends.interface`)."""
        return self._carry_out(self.send, request)

    def call_once(self, request: Request) -> Response:
        """The same, in one attempt."""
        return self._carry_out(self._send_once, request)

    def _carry_out(self, send: MakeApiCall, request: Request) -> Response:
        try:
            # botocore's handlers change the parameters that they are given; a flow may send the same request again.
            response = send(request.operation, dict(request.params))
        except ClientError as error:
            meaning = self._meaning(request, error) or self._meaning_by_a_get(request, error)
            raise meaning from error.__cause__
        except (BotoConnectionError, HTTPClientError, ResponseParserError) as error:
            raise Unavailable(self.name, error) from error.__cause__
        except ParamValidationError:
            raise
        except ValueError as error:
            if not is_of_the_parser(error):
                raise
            told = ResponseStreamingError(error=f"what answers for {self.name!r} is no S3 store: {error}")
            raise Unavailable(self.name, told) from error
        except UnseekableStreamError as error:
            # Raised by a retry: what became of the attempt before it nobody knows.
            raise Unavailable(self.name, error) from error.__cause__
        except BotoCoreError as error:
            # No credentials, a token that can't be had, no region: a mistake on this side, and no outage to get around.
            raise Rejected(self.name, error) from error.__cause__
        try:
            check_whole(request.operation, response)
        except ResponseStreamingError as error:
            raise Unavailable(self.name, error) from None
        return response

    def close(self) -> None:
        """Close the connections of the client."""
        self.client._endpoint.close()  # noqa: SLF001 - `close()` of the front door's client would come back here
        self._capabilities.close()

    def after_fork(self) -> None:
        """Leave the parent its connections and locks, and make new ones."""
        renew_connections(self.client)
        self._capabilities.after_fork()
        if self.breaker is not None:
            self.breaker.after_fork()

    def _meaning_by_a_get(self, request: Request, error: ClientError) -> BackendError:
        """A HEAD was answered 403, or 404 by who knows whom: a GET of the same tells, since its body names the error."""
        names = ("Bucket", "Key", "VersionId", "RequestPayer", "ExpectedBucketOwner")
        get = Request("GetObject", {name: request.params[name] for name in names if name in request.params})
        try:
            response = self.call(get.with_params(Range="bytes=0-0"))
        except NotThere:
            return NotThere(self.name, error)
        except BackendError as failure:
            return failure
        response["Body"].close()
        if _status(error) == _HTTP_FORBIDDEN:
            return Rejected(self.name, error)
        return Unavailable(self.name, _not_s3(self.name, request, error))

    def _meaning(self, request: Request, error: ClientError) -> BackendError | None:
        """What botocore's error means; None for a HEAD whose answer does not tell."""
        code = str(error.response.get("Error", {}).get("Code", ""))
        error.response.get("ResponseMetadata", {}).setdefault("Storage", {})["backend"] = self.name
        if code == "NoSuchBucket":
            return NoBucket(self.name, error)
        status = _status(error)
        if status == _HTTP_NOT_FOUND:
            return self._meaning_of_404(request, error, code)
        if status == _HTTP_FORBIDDEN and self._forbidden_means_missing and _reads_an_object(request):
            if code == "AccessDenied":
                return NotThere(self.name, error)
            # Wrong keys and a wrong clock are 403 too, and a HEAD has no body to say which in.
            return None if request.operation == "HeadObject" else Rejected(self.name, error)
        return Unavailable(self.name, error) if is_outage(error) else Rejected(self.name, error)

    def _meaning_of_404(self, request: Request, error: ClientError, code: str) -> BackendError | None:
        headers = error.response["ResponseMetadata"].get("HTTPHeaders")
        if headers is not None and headers.get("x-amz-delete-marker") == "true":
            return Deleted(self.name, error)
        if code in _NOT_THERE:
            return NotThere(self.name, error)
        if code not in {"", "404"}:
            return Rejected(self.name, error)
        if headers is None:
            # It never was on a network: botocore's Stubber made it.
            return NotThere(self.name, error)
        if request.operation != "HeadObject":
            return Unavailable(self.name, _not_s3(self.name, request, error))
        # A HEAD has no body to tell NoSuchKey by; only an S3 store puts its request id on the answer.
        return NotThere(self.name, error) if _has_request_id(headers) else None


def _reads_an_object(request: Request) -> bool:
    return OPERATIONS.get(request.operation) is OperationClass.OBJECT_READ


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _has_request_id(headers: dict[str, str]) -> bool:
    return bool(headers.get("x-amz-request-id") or headers.get("x-amzn-requestid"))


def _not_s3(backend: str, request: Request, error: ClientError) -> ClientError:
    """A 404 that no S3 store gave (a load balancer, a wrong endpoint) is an outage, and must not be taken for a miss."""
    response = {
        "Error": {
            "Code": "ServiceUnavailable",
            "Message": f"the backend {backend!r} answered 404 without an S3 error: something in front of it did",
        },
        "ResponseMetadata": {**error.response.get("ResponseMetadata", {}), "HTTPStatusCode": 503},
    }
    return ClientError(response, request.operation)
