"""Removing objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final

from botocore.exceptions import ClientError

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.failures import fail
from foodco_storage.filesystem.store import Store

MOST_KEYS: Final = 1000
"""Of one DeleteObjects (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""


def remove(store: Store, address: Address) -> None:
    """Remove an object, or one version of it. That there is none is no error, as in S3."""
    store.call("delete_object", address.path, address.params)
    store.written(address.path)


def batches(addresses: Iterable[Address]) -> Iterator[list[Address]]:
    """What one request each may remove: objects of one bucket."""
    for _, group in groupby(sorted(addresses, key=_bucket), key=_bucket):
        while batch := list(islice(group, MOST_KEYS)):
            yield batch


def _bucket(address: Address) -> str:
    return address.bucket


def remove_batch(store: Store, batch: Sequence[Address]) -> list[str]:
    """Remove many objects of one bucket by one request.

    Returns:
        Their paths.

    Raises:
        OSError: one could not be removed, by what the store told of it. The others are removed.
    """
    if not batch:
        return []
    objects: list[dict[str, str]] = []
    for address in batch:
        named = {"Key": address.key}
        objects.append(named if address.version is None else {**named, "VersionId": address.version})
    bucket = batch[0].bucket
    try:
        answer = store.call("delete_objects", bucket, {"Bucket": bucket, "Delete": {"Objects": objects, "Quiet": True}})
    finally:
        for address in batch:
            store.written(address.path)
    failed: list[dict[str, Any]] = answer.get("Errors", [])
    if failed:
        first = failed[0]
        told = {"Error": {"Code": first.get("Code", ""), "Message": first.get("Message", "")}, "ResponseMetadata": {}}
        error = ClientError(told, "DeleteObjects")
        fail(error, f"{bucket}/{first.get('Key', '')}")
    return [address.path for address in batch]


def remove_versions(store: Store, bucket: str) -> None:
    """Remove every version of every object of a bucket, and what marks them as deleted."""
    asked: dict[str, Any] = {"Bucket": bucket}
    while True:
        page = store.call("list_object_versions", bucket, asked)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        remove_batch(store, [Address(bucket, entry["Key"], entry["VersionId"]) for entry in found])
        if not page.get("IsTruncated"):
            return
        asked["KeyMarker"] = page.get("NextKeyMarker", "")
        asked["VersionIdMarker"] = page.get("NextVersionIdMarker", "")
