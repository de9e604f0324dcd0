"""What findings are made of measurements, without any store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from foodco_storage.doctor import Finding, exit_code
from foodco_storage.doctor.buckets import expires
from foodco_storage.doctor.reach import clock
from foodco_storage.doctor.stall import judge

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "level", "says"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", "ok", "agree"),
        ("Mon, 23 Nov 2026 12:00:59 GMT", "ok", "agree"),
        ("Mon, 23 Nov 2026 12:01:05 GMT", "warning", "65 s ahead of ours"),
        ("Mon, 23 Nov 2026 11:58:00 GMT", "warning", "120 s behind ours"),
        ("Mon, 23 Nov 2026 12:14:59 GMT", "warning", "899 s ahead of ours"),
        ("Mon, 23 Nov 2026 12:15:05 GMT", "error", "905 s ahead of ours"),
        ("Mon, 23 Nov 2026 12:00:00", "ok", "agree"),
        ("yesterday", "warning", "not compared"),
        (None, "warning", "not compared"),
    ],
)
def test_clock(date: str | None, level: str, says: str) -> None:
    finding = clock("backends.x", {} if date is None else {"date": date}, NOW, 0.0)
    assert finding.level == level
    assert says in finding.message


@pytest.mark.parametrize(
    ("get", "head", "stalls"),
    [
        (0.044, 0.003, True),
        (0.035, 0.002, True),
        (0.034, 0.001, False),
        (0.003, 0.003, False),
        # A store far away, or slow, is slow with both.
        (0.060, 0.058, False),
        (0.110, 0.060, True),
    ],
)
def test_stall(get: float, head: float, stalls: bool) -> None:
    finding = judge("backends.x", get, head)
    assert (finding.level == "warning") == stalls
    assert ("tcp_nodelay=1" in finding.advice) == stalls


@pytest.mark.parametrize(
    ("rule", "prefix", "does"),
    [
        ({"Expiration": {"Days": 30}, "Filter": {}}, "", True),
        ({"Expiration": {"Date": NOW}, "Prefix": ""}, "", True),
        ({"Expiration": {"Days": 30}, "Filter": {"Prefix": "thumbs/"}}, "", True),
        ({"Expiration": {"Days": 30}, "Filter": {"Prefix": "thumbs/"}}, "thumbs/2026/", True),
        ({"Expiration": {"Days": 30}, "Filter": {"And": {"Prefix": "thumbs/", "Tags": []}}}, "photos/", False),
        ({"Expiration": {"Days": 30}, "Prefix": "logs/"}, "photos/", False),
        ({"Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {}}, "", False),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Filter": {}}, "", False),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Filter": {}}, "", False),
        ({"Expiration": {"Days": 30}, "Filter": {}, "Status": "Disabled"}, "", False),
    ],
)
def test_expiry(rule: dict[str, Any], prefix: str, does: bool) -> None:
    assert expires({"Status": "Enabled", **rule}, prefix) == does


@pytest.mark.parametrize(
    ("levels", "code", "strict_code"),
    [([], 0, 0), (["ok"], 0, 0), (["ok", "warning"], 0, 1), (["warning", "error"], 2, 2), (["error"], 2, 2)],
)
def test_exit_code(levels: list[Any], code: int, strict_code: int) -> None:
    findings = [Finding(level, "x", "y") for level in levels]
    assert (exit_code(findings), exit_code(findings, strict=True)) == (code, strict_code)
