"""What an operation came to, in one word of a few; never an error's text, which may hold what is nobody's business."""

from __future__ import annotations

from typing import NamedTuple

from botocore.exceptions import (
    ChecksumError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from foodco_storage.errors import CorruptObjectError

FAILURES = ("denied", "throttled", "unavailable", "broken", "invalid", "failed")
"""Outcomes that somebody should look at when there are many; the others are answers."""

_BY_STATUS = {304: "not_modified", 403: "denied", 412: "condition_failed", 429: "throttled"}
_BY_CODE = {
    "304": "not_modified",
    "404": "missing",
    "412": "condition_failed",
    "ConditionalRequestConflict": "condition_failed",
    "NoSuchKey": "missing",
    "NoSuchUpload": "missing",
    "NoSuchVersion": "missing",
    "SlowDown": "throttled",
}
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


class Ended(NamedTuple):
    """How something ended.

    Args:
        outcome: as `Operation.outcome` of `foodco_storage.telemetry.events` has it.
        status: the HTTP status; None where there was no answer.
        error: S3's code, or the error's class.
    """

    outcome: str
    status: int | None
    error: str | None


def of_error(error: BaseException, *, in_body: bool = False) -> Ended:
    """How an operation ended that raised.

    Args:
        error: what.
        in_body: whether it did when its body was read.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or None
        code = str(error.response.get("Error", {}).get("Code") or type(error).__name__)
        return Ended(_of_answer(status, code), status, code)
    name = type(error).__name__
    if isinstance(error, ChecksumError | CorruptObjectError | FlexibleChecksumError):
        return Ended("broken", None, name)
    if in_body and isinstance(error, Exception):
        # Below botocore's own there are urllib3's and those of sockets.
        return Ended("broken", None, name)
    if isinstance(error, ParamValidationError):
        return Ended("invalid", None, name)
    if isinstance(
        error, BotoConnectionError | HTTPClientError | IncompleteReadError | ReadTimeoutError | ResponseStreamingError
    ):
        return Ended("unavailable", None, name)
    return Ended("failed", None, name)


def _of_answer(status: int | None, code: str) -> str:
    found = _BY_CODE.get(code) or _BY_STATUS.get(status or 0)
    if found is not None:
        return found
    if status is None or status < _CLIENT_ERROR:
        return "failed"
    return "unavailable" if status >= _SERVER_ERROR else "invalid"
