"""What is recorded of a store's capabilities, whether it is still true, and recording it anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends.capabilities import CAPABILITIES, RECORD_NAME, format_record, parse_record
from foodco_storage.backends.probe import probe_all
from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import Place, Store

STALE_DAYS = 180
"""Stores are upgraded, and then do other things."""

_ADVICE = "run `foodco-storage doctor --probe`"
_ABOUT_VERSIONING = {"conditional_put", "conditional_put_versioned"}


def recorded(store: Store, place: Place) -> Iterator[Finding]:
    """Look for the record of a place, and compare it with the bucket as it is."""
    try:
        answer = store.call("GetObject", {"Bucket": place.bucket, "Key": place.route.reserved_prefix + RECORD_NAME})
        with answer["Body"] as body:
            text = body.read()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "AccessDenied"):
            yield _nothing_recorded(store, place)
        else:
            yield Finding("warning", place.subject, f"the record of its capabilities can't be read: {error}")
        return
    except BotoCoreError as error:
        yield Finding("warning", place.subject, f"the record of its capabilities can't be read: {error}")
        return
    try:
        capabilities = parse_record(text)
    except ValueError as error:
        yield Finding("warning", place.subject, f"the record of its capabilities is damaged: {error}", _ADVICE)
        return
    age_days = (datetime.now(UTC) - answer["LastModified"]).days
    reasons = list(_why_stale(store, place, capabilities, age_days))
    if reasons:
        yield Finding(
            "warning", place.subject, f"the record of its capabilities is stale: {'; '.join(reasons)}", _ADVICE
        )
    else:
        yield Finding("ok", place.subject, f"capabilities recorded {age_days} days ago: {describe(capabilities)}")


def _nothing_recorded(store: Store, place: Place) -> Finding:
    if store.preset == "s3":
        message = (
            "its capabilities are not recorded: every process tries them out anew at the first need, without the races"
        )
        return Finding("warning", place.subject, message, _ADVICE)
    return Finding("ok", place.subject, f"capabilities are not recorded; those of the preset {store.preset!r} hold")


def _why_stale(store: Store, place: Place, capabilities: Mapping[str, bool], age_days: int) -> Iterator[str]:
    if age_days > STALE_DAYS:
        yield f"it is {age_days} days old"
    unknown = sorted(set(CAPABILITIES) - set(capabilities) - _ABOUT_VERSIONING)
    if unknown:
        yield f"it lacks {', '.join(unknown)}"
    try:
        versioned = "Status" in store.call("GetBucketVersioning", {"Bucket": place.bucket})
    except (BotoCoreError, ClientError):
        # `buckets.versioning` reports it.
        return
    about = {True: "conditional_put_versioned", False: "conditional_put"}
    if about[versioned] not in capabilities and about[not versioned] in capabilities:
        yield f"the bucket's versioning was {'turned on' if versioned else 'different'} since"


def record(store: Store, place: Place, rounds: int) -> Iterator[Finding]:
    """Try out what the store can do on a bucket, and record it in the bucket's reserved location."""
    bucket, prefix = str(place.bucket), place.route.reserved_prefix
    try:
        found = probe_all(store.call, bucket, prefix, rounds=rounds)
    except (BotoCoreError, ClientError) as error:
        advice = f"allow reading, writing and deleting below {prefix!r}"
        yield Finding("warning", place.subject, f"its capabilities can't be tried out: {error}", advice)
        return
    body = format_record(found)
    try:
        store.call(
            "PutObject",
            {"Bucket": bucket, "Key": prefix + RECORD_NAME, "Body": body, "ContentType": "application/json"},
        )
    except (BotoCoreError, ClientError) as error:
        yield Finding(
            "warning", place.subject, f"its capabilities can't be recorded: {error}", f"allow writing {prefix!r}"
        )
        return
    yield Finding("ok", place.subject, f"tried out and recorded: {describe(found)}")


def describe(capabilities: Mapping[str, bool]) -> str:
    """`has a, b; lacks c; undetermined d`."""
    groups = {
        "has": [name for name in CAPABILITIES if capabilities.get(name) is True],
        "lacks": [name for name in CAPABILITIES if capabilities.get(name) is False],
        "undetermined": [name for name in CAPABILITIES if name not in capabilities],
    }
    return "; ".join(f"{group} {', '.join(names)}" for group, names in groups.items() if names)
