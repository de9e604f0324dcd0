"""Conditions of reads, judged by the library where a store can't: over an object that has two ETags.

The order of RFC 9110, section 13.2.2, as S3 has it: `IfMatch` goes before `IfUnmodifiedSince`, `IfNoneMatch` before
`IfModifiedSince` (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.flows.outcomes import Rejected
from foodco_storage.flows.request import Parameters, Request
from foodco_storage.flows.s3_errors import error_response, precondition_failed

CONDITIONS = ("IfMatch", "IfModifiedSince", "IfNoneMatch", "IfUnmodifiedSince")
"""Parameters of GET and HEAD that are conditions."""


def bare(etag: str) -> str:
    """An ETag without its quotes."""
    return etag.strip().removeprefix("W/").strip('"')


def matches(condition: str, etags: Collection[str]) -> bool:
    """Whether a condition, one ETag or several or `*`, names one of these bare ETags."""
    return any(bare(one) in etags or one.strip() == "*" for one in condition.split(","))


def failed(params: Parameters, etags: Collection[str], modified: dt.datetime) -> int:
    """The status that a read's conditions end in: 304, 412, or 0 where they hold.

    Args:
        params: of the read.
        etags: those that the object goes by, bare.
        modified: the object's date.
    """
    if "IfMatch" in params:
        if not matches(params["IfMatch"], etags):
            return 412
    elif (since := _date(params.get("IfUnmodifiedSince"))) is not None and modified > since:
        return 412
    if "IfNoneMatch" in params:
        if matches(params["IfNoneMatch"], etags):
            return 304
    elif (since := _date(params.get("IfModifiedSince"))) is not None and modified <= since:
        return 304
    return 0


def failure(request: Request, status: int) -> Rejected:
    """The error for a status of `failed`, as S3 gives it."""
    if status == 412:  # noqa: PLR2004 - precondition failed
        return precondition_failed(request, "If-Match" if "IfMatch" in request.params else "If-Unmodified-Since")
    return Rejected("", ClientError(error_response("304", 304, "Not Modified"), request.operation))


def _date(value: Any) -> dt.datetime | None:
    """A date in the forms that boto3 takes; None where it is none, which S3 ignores."""
    for parse in (_of_seconds, dt.datetime.fromisoformat, parsedate_to_datetime) if isinstance(value, str) else ():
        try:
            value = parse(value)
            break
        except (ValueError, OverflowError, OSError):
            continue
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = dt.datetime.fromtimestamp(value, dt.UTC)
    if not isinstance(value, dt.datetime):
        return None
    # botocore takes a date without a zone for local time (botocore.utils.parse_to_aware_datetime).
    return value.astimezone(dt.UTC)


def _of_seconds(text: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(float(text), dt.UTC)
