"""What a call did, in a form that two runs can be compared by."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

# Different in every run, of whatever client.
_IDS = {
    "RequestId",
    "HostId",
    "UploadId",
    "VersionId",
    "CopySourceVersionId",
    "NextContinuationToken",
    "ContinuationToken",
}
_METADATA = {"HTTPStatusCode"}
_CHANGING = re.compile(r"(?<=[?&])(X-Amz-[A-Za-z]+|Signature|Expires|AWSAccessKeyId)=[^&]*")


def comparable(value: Any) -> Any:
    """A response without ids, dates and transport headers; types stay."""
    if isinstance(value, dict):
        return {k: _member(k, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    if isinstance(value, dt.datetime):
        return ("datetime", value.tzinfo is not None)
    if isinstance(value, (str, int, float, bool, bytes, type(None))):
        return value
    return type(value).__name__


def _member(name: str, value: Any) -> Any:
    if name == "ResponseMetadata":
        return {k: v for k, v in value.items() if k in _METADATA}
    if name in _IDS:
        return type(value).__name__
    if name == "Body" and hasattr(value, "read"):
        data = value.read()
        return (type(value).__name__, data)
    return comparable(value)


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call returned, or the error that it raised."""
    try:
        return comparable(call(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - any error is a result here
        response = getattr(error, "response", None)
        if response is None:
            return ("raised", _names(error), str(error))
        return ("raised", _names(error), response["Error"].get("Code"), response["ResponseMetadata"]["HTTPStatusCode"])


def _names(error: Exception) -> list[str]:
    """botocore makes its error classes per client, so they are compared by name."""
    return [cls.__name__ for cls in type(error).__mro__]


def without_signature(url: str) -> str:
    return _CHANGING.sub(r"\1=", url)
