"""What S3's errors are to users of a filesystem: one table (names of https://docs.python.org/3/library/exceptions.html).

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. The error of boto3 is the cause of each.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    UnknownClientMethodError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from foodco_storage.errors import ConfigurationError, StorageError


class FileChangedError(OSError):
    """The object is no longer the one whose beginning was read: another has been written over it.

    Open it again to read the one that is there now. Of one that was deleted, reads raise `FileNotFoundError`. `errno` is
    `EBUSY`, as s3fs's `FileExpired` has it.
    """

    def __init__(self, path: str, etag: str | None, message: str | None = None) -> None:
        self._told = (path, etag, message)
        message = message or "the object changed while it was read"
        super().__init__(errno.EBUSY, f"{message} (its ETag was {etag}); open it again", path)

    def __reduce__(self) -> Any:
        return type(self), self._told


_KINDS: Final[Mapping[int, tuple[str, ...]]] = {
    errno.ENOENT: (
        "404", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchKey", "NoSuchLifecycleConfiguration", "NoSuchTagSet",
        "NoSuchUpload", "NoSuchVersion", "NotFound",
    ),
    errno.EACCES: (
        "403", "AccessDenied", "AccountProblem", "AllAccessDisabled", "CrossLocationLoggingProhibited", "ExpiredToken",
        "Forbidden", "IllegalLocationConstraintException", "InvalidAccessKeyId", "InvalidObjectState", "InvalidPayer",
        "InvalidSecurity", "NotSignedUp", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
        "Unauthorized",
    ),
    errno.EEXIST: ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"),
    errno.ENOTEMPTY: ("BucketNotEmpty",),
    errno.EPERM: ("405", "InvalidBucketState", "MethodNotAllowed", "RequestTorrentOfBucketError"),
    errno.EINVAL: ("400", "412", "416", "InvalidArgument", "InvalidBucketName", "InvalidRange", "PreconditionFailed"),
    errno.EMSGSIZE: (
        "EntityTooLarge", "InlineDataTooLarge", "MaxMessageLengthExceeded", "MaxPostPreDataLengthExceededError",
        "MetadataTooLarge",
    ),
    errno.ENAMETOOLONG: ("KeyTooLongError",),
    errno.ENOSYS: ("501", "NotImplemented"),
    errno.EBUSY: (
        "409", "503", "ConditionalRequestConflict", "OperationAborted", "RestoreAlreadyInProgress",
        "ServiceUnavailable", "429", "SlowDown", "Throttling", "TooManyRequests",
    ),
    errno.EREMOTEIO: ("500", "InternalError"),
    errno.EREMCHG: ("301", "307", "PermanentRedirect", "Redirect", "TemporaryRedirect"),
    errno.ETIMEDOUT: ("408", "RequestTimeout"),
    errno.ENOSPC: ("507", "InsufficientStorage", "QuotaExceeded"),
}  # fmt: skip
"""Codes of S3 (and, of HEADs, which have no body to tell one in, HTTP statuses) by what they are to a filesystem.

`OSError` makes `FileNotFoundError`, `PermissionError` and so on of these by itself.
"""

_NUMBERS: Final = {code: number for number, codes in _KINDS.items() for code in codes}

_CHANGED: Final = frozenset({"412", "PreconditionFailed"})
_REQUEST_RANGE: Final = frozenset({"416", "InvalidRange"})
_FIRST_SERVER_ERROR: Final = 500


def code_of(error: ClientError) -> str:
    """S3's name of an error; an HTTP status where it has none."""
    return str(error.response.get("Error", {}).get("Code") or _status(error))


def is_precondition(error: ClientError) -> bool:
    """Whether a condition of the request did not hold (`If-Match`, `If-None-Match`)."""
    return code_of(error) in _CHANGED


def is_past_the_end(error: ClientError) -> bool:
    """Whether the range asked for begins where the object has ended."""
    return code_of(error) in _REQUEST_RANGE


def fail(error: Exception, path: str) -> NoReturn:
    """Raise what an error of boto3, of this library or of a request's parameters is to a filesystem; its cause is the error.

    Args:
        error: as the client raised it, which is being handled.
        path: of the file; `OSError.filename`.
    """
    raised = as_os_error(error, path)
    if raised is error:
        raise error
    raise raised from error


def as_os_error(error: Exception, path: str) -> Exception:
    """What an error is to a filesystem; itself where it is told as it is."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        return OSError(_number(error), told.get("Message") or str(error), path)
    if isinstance(error, ParamValidationError | UnknownClientMethodError):
        return ValueError(f"{path}: {error}")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        fix = "give key and secret, a profile, or a configuration that has them; anon=True sends requests unsigned"
        return PermissionError(errno.EACCES, f"{error}: {fix}", path)
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return TimeoutError(errno.ETIMEDOUT, str(error), path)
    if isinstance(error, BotoConnectionError | HTTPClientError | HTTPError):
        return ConnectionError(errno.ECONNABORTED, str(error), path)
    if isinstance(error, BotoCoreError | StorageError) and not isinstance(error, OSError | ConfigurationError):
        return OSError(errno.EIO, str(error), path)
    return error


def _number(error: ClientError) -> int:
    code = code_of(error)
    if (number := _NUMBERS.get(code)) is not None:
        return number
    status = _status(error)
    if (number := _NUMBERS.get(str(status))) is not None:
        return number
    return errno.EREMOTEIO if status >= _FIRST_SERVER_ERROR else errno.EINVAL if status else errno.EIO


def _status(error: ClientError) -> int:
    answer: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return int(answer.get("HTTPStatusCode", 0))
