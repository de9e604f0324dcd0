"""What objects carry beside their bytes: metadata, tags, access, versions, URLs. Names and meanings are s3fs's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.carried import KEPT
from foodco_storage.filesystem.failures import fail
from foodco_storage.filesystem.store import FAILURES, Store

KEY_ACLS: Final = frozenset({
    "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
    "bucket-owner-full-control",
})  # fmt: skip
BUCKET_ACLS: Final = frozenset({"private", "public-read", "public-read-write", "authenticated-read"})
"""Canned ACLs (https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl)."""


def metadata(store: Store, address: Address, params: Mapping[str, Any]) -> dict[str, str]:
    """User metadata of an object; `_` in names is told as `-`, as s3fs does."""
    head = store.call("head_object", address.path, address.params, params)
    return {name.replace("_", "-"): value for name, value in head["Metadata"].items()}


def set_metadata(
    store: Store, address: Address, changes: Mapping[str, str | None], params: Mapping[str, Any] | None = None
) -> None:
    """Change user metadata by a copy of the object onto itself, which keeps what else it carries, but for its ACL.

    Args:
        store: who is asked.
        address: of the object.
        changes: new values; None takes a name away. `_` in names is written as `-`.
        params: more of CopyObject (`ContentType`, ...).
    """
    head = store.call("head_object", address.path, address.params)
    new = {name.replace("_", "-"): value for name, value in head["Metadata"].items()}
    for name, value in changes.items():
        new.pop(name.replace("_", "-"), None)
        if value is not None:
            new[name.replace("_", "-")] = value
    source = {"Bucket": address.bucket, "Key": address.key}
    if address.version is not None:
        source["VersionId"] = address.version
    kept = {name: head[name] for name in KEPT if name in head and name != "Metadata"}
    asked = {
        "Bucket": address.bucket,
        "Key": address.key,
        "CopySource": source,
        "Metadata": new,
        "MetadataDirective": "REPLACE",
    }
    # A write that came in between keeps its bytes.
    if (etag := head.get("ETag")) is not None:
        asked["CopySourceIfMatch"] = etag
    store.call("copy_object", address.path, {**store.taken("copy_object", kept), **asked, **(params or {})})
    store.written(address.path)


def get_tags(store: Store, address: Address) -> dict[str, str]:
    """Tags of an object."""
    answer = store.call("get_object_tagging", address.path, address.params)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def encoded_tags(store: Store, address: Address) -> str:
    """Tags of an object, as the parameter `Tagging` of requests that write one."""
    return urlencode(get_tags(store, address))


def put_tags(store: Store, address: Address, tags: Mapping[str, str], mode: str) -> None:
    """Write tags: mode `o` in place of those that are there, `m` beside them.

    Raises:
        ValueError: another mode.
    """
    if mode not in {"o", "m"}:
        raise ValueError(f"mode must be 'o' (overwrite) or 'm' (merge), not {mode!r}")
    new = {**get_tags(store, address), **tags} if mode == "m" else tags
    tagging = {"TagSet": [{"Key": name, "Value": value} for name, value in new.items()]}
    store.call("put_object_tagging", address.path, {**address.params, "Tagging": tagging})


def known_acl(acl: str, known: Collection[str]) -> str:
    """A canned ACL.

    Raises:
        ValueError: it is not among those known.
    """
    if acl not in known:
        raise ValueError(f"acl must be one of {', '.join(sorted(known))}, not {acl!r}")
    return acl


def set_access(store: Store, address: Address, acl: str, params: Mapping[str, Any]) -> None:
    """Set the canned ACL of an object or, without a key, of a bucket.

    Raises:
        ValueError: no such ACL.
    """
    known_acl(acl, KEY_ACLS if address.key else BUCKET_ACLS)
    if address.key:
        store.call("put_object_acl", address.path, {**address.params, "ACL": acl}, params)
    else:
        store.call("put_bucket_acl", address.path, {"Bucket": address.bucket, "ACL": acl}, params)


def versions(store: Store, address: Address) -> list[dict[str, Any]]:
    """Every version of an object, the latest first, as S3 tells of them."""
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"Bucket": address.bucket, "Prefix": address.key}
    while True:
        page = store.call("list_object_versions", address.path, asked)
        found += [entry for entry in page.get("Versions", ()) if entry["Key"] == address.key]
        # Keys come in order: what follows another key is no version of this one.
        if not page.get("IsTruncated") or page.get("NextKeyMarker", "") > address.key:
            return found
        asked["KeyMarker"] = page.get("NextKeyMarker", "")
        asked["VersionIdMarker"] = page.get("NextVersionIdMarker", "")


def url(store: Store, address: Address, expires: int, client_method: str, params: Mapping[str, Any]) -> str:
    """A presigned URL.

    Raises:
        OSError: nobody can sign one (`OperationRefusedError` of the library is its cause where the object lies compressed).
    """
    try:
        signed: str = store.client.generate_presigned_url(
            ClientMethod=client_method, Params={**address.params, **params}, ExpiresIn=expires
        )
    except FAILURES as error:
        fail(error, address.path)
    return signed


def uploads(store: Store, bucket: str) -> list[dict[str, Any]]:
    """Uploads in parts that have not ended."""
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"Bucket": bucket}
    while True:
        page = store.call("list_multipart_uploads", bucket, asked)
        found += page.get("Uploads", ())
        if not page.get("IsTruncated"):
            return found
        asked["KeyMarker"] = page.get("NextKeyMarker", "")
        asked["UploadIdMarker"] = page.get("NextUploadIdMarker", "")
