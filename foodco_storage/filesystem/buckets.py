"""Buckets: made and removed as directories of the top level."""

from __future__ import annotations

import errno
from typing import Any

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.attributes import BUCKET_ACLS, known_acl
from foodco_storage.filesystem.information import exists
from foodco_storage.filesystem.store import Store


def make(store: Store, address: Address, *, create_parents: bool, acl: str | None, region: str | None) -> None:
    """Make a bucket. Directories in it need none: they are there while keys lie below them.

    Args:
        store: who is asked.
        address: a bucket, or a directory in one that must be there.
        create_parents: make the bucket of a directory.
        acl: canned ACL of the new bucket.
        region: of the new bucket (`LocationConstraint`).

    Raises:
        FileExistsError: the bucket is there.
        FileNotFoundError: the bucket of a directory is not, and none is to be made.
        ValueError: no bucket is named, or no such ACL.
    """
    if not address.bucket:
        raise ValueError("mkdir needs the name of a bucket")
    if acl:
        known_acl(acl, BUCKET_ACLS)
    if _is_there(store, address):
        if not address.key:
            raise FileExistsError(errno.EEXIST, "there is a bucket of this name", address.bucket)
        return
    if address.key and not create_parents:
        raise FileNotFoundError(errno.ENOENT, "there is no bucket of this name", address.bucket)
    params: dict[str, Any] = {"Bucket": address.bucket}
    if acl:
        params["ACL"] = acl
    if region and region != "us-east-1":
        # S3 refuses this one by name (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).
        params["CreateBucketConfiguration"] = {"LocationConstraint": region}
    store.call("create_bucket", address.bucket, params)
    store.dircache.pop("", None)
    store.written(address.bucket)


def _is_there(store: Store, address: Address) -> bool:
    try:
        return exists(store, address.bucket)
    except PermissionError:
        # Who may write objects need not be allowed to look at the bucket; who makes one is told by that.
        return bool(address.key)


def remove(store: Store, address: Address) -> None:
    """Remove an empty bucket. A directory in one is gone with the last key below it.

    Raises:
        OSError: `ENOTEMPTY`, there are objects: `rm(path, recursive=True)` removes them.
        FileNotFoundError: nothing lies there.
    """
    if address.key:
        if exists(store, address.path):
            raise FileExistsError(errno.EEXIST, "keys lie there; rm(path, recursive=True) removes them", address.path)
        raise FileNotFoundError(errno.ENOENT, "nothing lies there", address.path)
    store.call("delete_bucket", address.bucket, {"Bucket": address.bucket})
    store.dircache.pop("", None)
    store.written(address.bucket)
