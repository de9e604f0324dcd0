"""Conditions of reads, judged by the library, agree with those that a store judges."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.utils import parse_to_aware_datetime
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.flows.conditions import bare, failed, failure, matches
from foodco_storage.flows.request import Request

MODIFIED = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
BEFORE, AFTER = MODIFIED - dt.timedelta(seconds=1), MODIFIED + dt.timedelta(seconds=1)
ETAG, OTHER = '"aaa"', '"bbb"'


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 0),
        ({"IfMatch": ETAG}, 0),
        ({"IfMatch": "aaa"}, 0),
        ({"IfMatch": "*"}, 0),
        ({"IfMatch": f"{OTHER}, {ETAG}"}, 0),
        ({"IfMatch": OTHER}, 412),
        ({"IfNoneMatch": ETAG}, 304),
        ({"IfNoneMatch": f"W/{ETAG}"}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": OTHER}, 0),
        ({"IfModifiedSince": BEFORE}, 0),
        ({"IfModifiedSince": MODIFIED}, 304),
        ({"IfModifiedSince": AFTER}, 304),
        ({"IfUnmodifiedSince": BEFORE}, 412),
        ({"IfUnmodifiedSince": MODIFIED}, 0),
        ({"IfUnmodifiedSince": AFTER}, 0),
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: of two the ETag's goes before.
        ({"IfMatch": ETAG, "IfUnmodifiedSince": BEFORE}, 0),
        ({"IfMatch": OTHER, "IfUnmodifiedSince": AFTER}, 412),
        ({"IfNoneMatch": ETAG, "IfModifiedSince": BEFORE}, 304),
        ({"IfNoneMatch": OTHER, "IfModifiedSince": AFTER}, 0),
        ({"IfMatch": OTHER, "IfNoneMatch": ETAG}, 412),
        ({"IfUnmodifiedSince": BEFORE, "IfNoneMatch": ETAG}, 412),
    ],
)
def test_the_order_of_conditions(params: dict[str, Any], status: int) -> None:
    assert failed(params, {"aaa"}, MODIFIED) == status


@pytest.mark.parametrize(
    "value",
    [
        MODIFIED,
        MODIFIED.astimezone(dt.timezone(dt.timedelta(hours=5))),
        "2026-03-29T01:30:00Z",
        "2026-03-29 03:30:00+02:00",
        "Sun, 29 Mar 2026 01:30:00 GMT",
        int(MODIFIED.timestamp()),
        float(MODIFIED.timestamp()),
        str(int(MODIFIED.timestamp())),
    ],
)
def test_dates_in_the_forms_that_boto3_takes(value: Any) -> None:
    assert parse_to_aware_datetime(value) == MODIFIED
    assert failed({"IfModifiedSince": value}, {"aaa"}, MODIFIED) == 304
    assert failed({"IfModifiedSince": value}, {"aaa"}, AFTER) == 0
    assert failed({"IfUnmodifiedSince": value}, {"aaa"}, MODIFIED) == 0
    assert failed({"IfUnmodifiedSince": value}, {"aaa"}, AFTER) == 412


def test_a_date_without_a_zone_is_what_botocore_takes_it_for() -> None:
    naive = dt.datetime(2026, 3, 29, 1, 30)  # noqa: DTZ001
    assert failed({"IfModifiedSince": naive}, {"aaa"}, parse_to_aware_datetime(naive)) == 304
    assert failed({"IfUnmodifiedSince": naive}, {"aaa"}, parse_to_aware_datetime(naive)) == 0


@pytest.mark.parametrize("value", ["", "soon", True])
def test_what_is_no_date_is_no_condition(value: Any) -> None:
    assert failed({"IfModifiedSince": value, "IfUnmodifiedSince": value}, {"aaa"}, MODIFIED) == 0


def test_a_fraction_of_a_second_does_not_show_in_a_header() -> None:
    """botocore cuts it off, so a store never sees it."""
    almost = MODIFIED + dt.timedelta(microseconds=999_999)
    for params in ({"IfModifiedSince": almost}, {"IfUnmodifiedSince": almost}):
        assert failed(params, {"aaa"}, MODIFIED) == failed({next(iter(params)): MODIFIED}, {"aaa"}, MODIFIED)


@given(st.text(st.characters(codec="ascii", exclude_characters='",'), min_size=1), st.booleans(), st.booleans())
def test_quotes_and_weakness_do_not_matter(etag: str, quoted: bool, weak: bool) -> None:
    etag = etag.strip()
    if not etag or etag == "*" or etag.startswith("W/"):
        return
    written = f'"{etag}"' if quoted or weak else etag
    assert bare(f"W/{written}" if weak else written) == etag
    assert matches(f"W/{written}" if weak else written, {etag})
    assert not matches(written, {etag + "x"})


@pytest.mark.parametrize(
    ("operation", "status", "code", "message"),
    [
        ("GetObject", 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
        # A HEAD has no body: boto3 tells the status.
        ("HeadObject", 412, "412", "Precondition Failed"),
        ("GetObject", 304, "304", "Not Modified"),
        ("HeadObject", 304, "304", "Not Modified"),
    ],
)
def test_the_error_is_the_one_of_boto3(operation: str, status: int, code: str, message: str) -> None:
    error = failure(Request(operation, {"IfMatch": "x"}), status).error
    assert isinstance(error, ClientError)
    assert (error.response["Error"]["Code"], error.response["Error"]["Message"]) == (code, message)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.operation_name == operation
