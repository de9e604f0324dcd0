"""Errors that an S3 store would give, made where the library has to answer in a store's place."""

from __future__ import annotations

from botocore.exceptions import ClientError

from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.outcomes import Deleted, Rejected, Unavailable
from foodco_storage.flows.request import Request


def rejected(request: Request, code: str, status: int, message: str) -> Rejected:
    """The rejection of a request with an S3 error code, as botocore would raise it."""
    return Rejected("", ClientError(error_response(code, status, message), request.operation))


def refused(request: Request, message: str) -> Rejected:
    """The refusal of a request that would not be safe; `message` says why and what to do."""
    return Rejected("", OperationRefusedError(message, request.operation))


def deleted(request: Request, backend: str) -> Deleted:
    """The answer for a key that was deleted: S3's for a missing one."""
    code, message = (
        ("404", "Not Found")
        if request.operation == "HeadObject"
        else ("NoSuchKey", "The specified key does not exist.")
    )
    response = error_response(code, 404, message)
    response["ResponseMetadata"]["Storage"] = {"backend": backend}
    if code == "NoSuchKey":
        response["Error"]["Key"] = request.params.get("Key")
    return Deleted(backend, ClientError(response, request.operation))


def slow_down(request: Request, message: str) -> Unavailable:
    """503, which boto3 users retry."""
    return Unavailable("", ClientError(error_response("SlowDown", 503, message), request.operation))


def precondition_failed(request: Request, condition: str) -> Rejected:
    """412, as S3 words it (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    if request.operation == "HeadObject":
        # No body to name the error in: botocore takes the status for the code.
        return rejected(request, "412", 412, "Precondition Failed")
    message = "At least one of the pre-conditions you specified did not hold"
    error = rejected(request, "PreconditionFailed", 412, message)
    error.error.response["Error"]["Condition"] = condition  # type: ignore[attr-defined]
    return error


def error_response(code: str, status: int, message: str) -> dict[str, dict[str, object]]:
    """The parsed response that botocore builds its errors from."""
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
    }
