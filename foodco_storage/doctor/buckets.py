"""Whether the buckets of the routes are there, may be listed, and have no settings that a migration falls over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends.capabilities import PRESET_CAPABILITIES
from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.stores import Place, Store
from foodco_storage.front.siblings import configured_capabilities


def existence(store: Store, place: Place) -> tuple[Finding, bool]:
    """Whether the bucket is there and may be listed; and whether there is a bucket to look further at."""
    try:
        store.call("ListObjectsV2", {"Bucket": place.bucket, "Prefix": place.route.prefix, "MaxKeys": 1})
    except ClientError as error:
        return _not_listed(store, place, error), error.response.get("Error", {}).get("Code") == "AccessDenied"
    except BotoCoreError as error:
        return Finding("error", place.subject, f"can't be listed: {error}"), False
    return Finding("ok", place.subject, f"is there and may be listed ({place.role})"), True


def _not_listed(store: Store, place: Place, error: ClientError) -> Finding:
    code = error.response.get("Error", {}).get("Code")
    if code == "NoSuchBucket":
        name = f"make it, or say what {place.backend} calls it: buckets = {{ {place.backend} = ... }} in the route"
        return Finding("error" if place.takes_part else "warning", place.subject, "there is no such bucket", name)
    if code == "AccessDenied":
        advice = "allow s3:ListBucket: listings need it"
        if place.role == "fallback" and not (store.backend and store.backend.forbidden_means_missing):
            advice += (
                ", and S3 answers 403 instead of 404 for a missing key without it (forbidden_means_missing = true in the "
                "backend takes that for a miss)"
            )
        return Finding("warning", place.subject, "the credentials may not list it", advice)
    return Finding("error", place.subject, f"can't be listed: {error}")


def versioning(store: Store, place: Place) -> Iterator[Finding]:
    """The versioning state, and whether conditional writes still work with it."""
    try:
        status = store.call("GetBucketVersioning", {"Bucket": place.bucket}).get("Status")
    except (BotoCoreError, ClientError) as error:
        yield Finding(
            "warning", place.subject, f"its versioning state can't be read: {error}", "allow s3:GetBucketVersioning"
        )
        return
    settled = configured_capabilities(store.backend) if store.backend is not None else {}
    known = {**PRESET_CAPABILITIES[store.preset], **settled}
    if status and place.role == "primary" and known.get("conditional_put_versioned") is False:
        yield Finding(
            "warning",
            place.subject,
            f"versioning is {status.lower()}, and such a store ignores If-None-Match: * on versioned buckets: conditional "
            "writes are not safe there",
            "use a bucket without versioning, if its writers use conditions",
        )
    else:
        yield Finding("ok", place.subject, f"versioning: {status.lower() if status else 'never enabled'}")


def lifecycle(store: Store, place: Place) -> Iterator[Finding]:
    """Rules that delete from a primary what its fallbacks still hold."""
    try:
        rules = store.call("GetBucketLifecycleConfiguration", {"Bucket": place.bucket}).get("Rules", [])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchLifecycleConfiguration":
            return
        yield Finding(
            "warning",
            place.subject,
            f"its lifecycle rules can't be read ({error.response.get('Error', {}).get('Code')})",
            "allow s3:GetLifecycleConfiguration, or make sure by hand that no rule deletes objects of the route",
        )
        return
    except BotoCoreError as error:
        yield Finding("warning", place.subject, f"its lifecycle rules can't be read: {error}")
        return
    for rule in rules:
        if expires(rule, place.route.prefix):
            yield Finding(
                "warning",
                place.subject,
                f"the lifecycle rule {rule.get('ID', 'without a name')!r} deletes objects: the copies in "
                f"{', '.join(place.route.fallbacks)} would show again, old as they are",
                "take the rule out while the route has fallbacks, and set one on the fallback that deletes no later",
            )


def expires(rule: Mapping[str, Any], prefix: str) -> bool:
    """Whether a lifecycle rule deletes current objects whose keys start with a prefix."""
    expiration = rule.get("Expiration", {})
    if rule.get("Status") != "Enabled" or not ("Days" in expiration or "Date" in expiration):
        return False
    chosen = rule.get("Filter", {})
    theirs = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    return bool(theirs.startswith(prefix) or prefix.startswith(theirs))
