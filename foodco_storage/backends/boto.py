"""The real backend: a botocore client, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from foodco_storage.backends.breaker import Breaker
from foodco_storage.backends.capabilities import CapabilityBook
from foodco_storage.backends.connections import renew_connections
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Rejected, Unavailable
from foodco_storage.flows.request import Parameters, Request, Response

MakeApiCall = Callable[[str, Parameters], Response]
"""`BaseClient._make_api_call` of one client."""

_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion"})
_HTTP_NOT_FOUND = 404
_HTTP_FORBIDDEN = 403
_HTTP_SERVER_ERROR = 500
# S3's own answers with a 5xx status that say something about the request, not about the store.
_NOT_AN_OUTAGE = frozenset({"NotImplemented"})


class BotoBackend:
    """One store behind one botocore client.

    Args:
        name: the backend's name in the configuration.
        client: the botocore client.
        make_api_call: sends a request through the client, user's event handlers included.
        capabilities: what is known of the store.
        breaker: keeps a dead store from costing every request its timeouts; None for none.
        forbidden_means_missing: whether 403 on a read says "not there" (S3 without ListBucket answers so).
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
        self._make_api_call = make_api_call
        self.client = client
        self.able = capabilities.able
        self._capabilities = capabilities
        self._forbidden_means_missing = forbidden_means_missing

    def send(self, operation: str, params: Parameters) -> Response:
        """Send a request as boto3 would, with the breaker watching; errors stay botocore's."""
        breaker = self.breaker
        if breaker is None:
            return self._make_api_call(operation, params)
        breaker.before()
        try:
            response = self._make_api_call(operation, params)
        except ClientError as error:
            if _is_outage(error):
                breaker.failed()
            else:
                breaker.succeeded()
            raise
        except (BotoConnectionError, HTTPClientError) as error:
            # Its bare class stands for anything else that was raised on the way, as by the caller's own file.
            if type(error) is HTTPClientError:
                breaker.released()
            else:
                breaker.failed()
            raise
        except BaseException:
            # Nothing was learnt about the store: a wrong parameter, missing credentials, an interrupt.
            breaker.released()
            raise
        breaker.succeeded()
        return response

    def call(self, request: Request) -> Response:
        """Carry out one operation (`foodco_storage.backends.interface`)."""
        try:
            # botocore's handlers change the parameters that they are given; a flow may send the same request again.
            return self.send(request.operation, dict(request.params))
        except ClientError as error:
            meaning = self._meaning(request, error) or self._meaning_of_bare_404(request, error)
            raise meaning from error.__cause__
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            raise Unavailable(self.name, error) from error.__cause__

    def close(self) -> None:
        """Close the connections of the client."""
        self.client._endpoint.close()  # noqa: SLF001 - `close()` of the front door's client would come back here

    def after_fork(self) -> None:
        """Leave the parent its connections and locks, and make new ones."""
        renew_connections(self.client)
        self._capabilities.after_fork()
        if self.breaker is not None:
            self.breaker.after_fork()

    def _meaning_of_bare_404(self, request: Request, error: ClientError) -> BackendError:
        """A HEAD answered 404 by who knows whom: a GET of the same tells, since its body names the error."""
        names = ("Bucket", "Key", "VersionId", "RequestPayer", "ExpectedBucketOwner")
        get = Request("GetObject", {name: request.params[name] for name in names if name in request.params})
        try:
            response = self.call(get.with_params(Range="bytes=0-0"))
        except NotThere:
            return NotThere(self.name, error)
        except BackendError as failure:
            return failure
        response["Body"].close()
        return Unavailable(self.name, _not_s3(self.name, request, error))

    def _meaning(self, request: Request, error: ClientError) -> BackendError | None:
        """What botocore's error means; None for a 404 of a HEAD that may not be the store's."""
        code = str(error.response.get("Error", {}).get("Code", ""))
        metadata = error.response.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 0)
        headers = metadata.get("HTTPHeaders", {})
        metadata.setdefault("Storage", {})["backend"] = self.name
        if code == "NoSuchBucket":
            return NoBucket(self.name, error)
        if (
            status == _HTTP_FORBIDDEN
            and self._forbidden_means_missing
            and request.operation.startswith(("Get", "Head"))
        ):
            return NotThere(self.name, error)
        if status == _HTTP_NOT_FOUND:
            if headers.get("x-amz-delete-marker") == "true":
                return Deleted(self.name, error)
            # A HEAD has no body to tell NoSuchKey by; only an S3 store puts its request id on the answer.
            head = request.operation == "HeadObject"
            if code in _NOT_THERE or (head and _has_request_id(headers)):
                return NotThere(self.name, error)
            if code in {"", "404"}:
                if "HTTPHeaders" not in metadata:
                    # It never was on a network: botocore's Stubber made it.
                    return NotThere(self.name, error)
                return None if head else Unavailable(self.name, _not_s3(self.name, request, error))
        if _is_outage(error):
            return Unavailable(self.name, error)
        return Rejected(self.name, error)


def _has_request_id(headers: dict[str, str]) -> bool:
    return bool(headers.get("x-amz-request-id") or headers.get("x-amzn-requestid"))


def _is_outage(error: ClientError) -> bool:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _HTTP_SERVER_ERROR and error.response.get("Error", {}).get("Code") not in _NOT_AN_OUTAGE


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
