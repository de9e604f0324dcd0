"""What lies at a path: `info`, and what follows from it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from fsspec.utils import tokenize

from foodco_storage.filesystem.addresses import VERSION_MARK, Address, parent
from foodco_storage.filesystem.store import Store

Info = dict[str, Any]
"""As fsspec has it: `name`, `size` in bytes, `type` (`file` or `directory`); of files what S3 tells besides."""


def file_of(address: Address, answer: Mapping[str, Any]) -> Info:
    """The information that an answer of HeadObject or GetObject holds; its names are s3fs's."""
    return {
        "ETag": answer.get("ETag", ""),
        "LastModified": answer.get("LastModified", ""),
        "size": answer["ContentLength"],
        "name": address.path,
        "type": "file",
        "StorageClass": answer.get("StorageClass", "STANDARD"),
        "VersionId": answer.get("VersionId"),
        "ContentType": answer.get("ContentType"),
    }


def directory(path: str) -> Info:
    """Of a prefix that keys begin with, or a bucket."""
    return {"name": path, "type": "directory", "size": 0, "StorageClass": "DIRECTORY"}


def look(store: Store, address: Address, read: Mapping[str, Any] | None = None) -> Info:
    """Ask for an object.

    Raises:
        FileNotFoundError: no such object; there may be others below it.
    """
    return file_of(address, store.call("head_object", address.versioned, address.params, read or {}))


def info(store: Store, path: str, *, refresh: bool = False, version_id: str | None = None) -> Info:
    """What lies at a path: an object, else a directory where keys lie below it.

    Raises:
        FileNotFoundError: nothing does.
        PermissionError: the store does not tell.
    """
    address = store.place(path).with_version(version_id)
    if not address.bucket:
        return {"name": address.path, "size": 0, "type": "directory"}
    if not refresh and (kept := _kept(store, address)) is not None:
        return kept
    if not address.key:
        store.call("head_bucket", address.path, {"Bucket": address.bucket})
        return {**directory(address.bucket), "VersionId": None}
    try:
        return look(store, address)
    except FileNotFoundError:
        if address.version is not None or not has_below(store, address):
            raise
        return directory(address.path)


def _kept(store: Store, address: Address) -> Info | None:
    """From listings, where the user has them kept."""
    if address.version is not None or not store.dircache.use_listings_cache:
        return None
    path = address.path
    for entry in store.dircache.get(parent(path)) or ():
        if entry["name"] == path and entry["type"] == "file":
            return dict(entry)
    if store.dircache.get(path):
        return directory(path)
    return None


def has_below(store: Store, address: Address) -> bool:
    """Whether keys lie below a path."""
    prefix = address.key.rstrip("/") + "/" if address.key else ""
    asked = {"Bucket": address.bucket, "Prefix": prefix, "Delimiter": "/", "MaxKeys": 1}
    page = store.call("list_objects_v2", address.path, asked)
    return bool(page.get("Contents") or page.get("CommonPrefixes"))


def exists(store: Store, path: str, *, version_id: str | None = None) -> bool:
    """Whether anything lies at a path.

    Raises:
        PermissionError: the store does not tell.
        OSError: it could not be asked.
    """
    try:
        info(store, path, version_id=version_id)
    except FileNotFoundError:
        return False
    return True


def is_directory(store: Store, path: str) -> bool:
    """Whether keys lie below a path, or it is a bucket. A path may be a file and a directory."""
    address = store.parse(path)
    if not address.bucket:
        return True
    if not address.key:
        return exists(store, path)
    kept = store.dircache.get(address.path.rstrip("/")) if store.dircache.use_listings_cache else None
    if kept:
        return any(entry["name"] != address.path for entry in kept)
    try:
        return has_below(store, address)
    except FileNotFoundError:
        return False


def is_file(store: Store, path: str) -> bool:
    """Whether an object lies at a path."""
    if not store.parse(path).key:
        return False
    try:
        return bool(info(store, path)["type"] == "file")
    except FileNotFoundError:
        return False


def checksum(found: Info) -> int:
    """A number that changes when an object does: its ETag without the number of parts."""
    if found["type"] == "directory":
        return int(tokenize(found), 16)
    digest = found["ETag"].strip('"').partition("-")[0]
    try:
        return int(digest, 16)
    except ValueError:
        # A store whose ETags are no digests.
        return int(tokenize(found["ETag"]), 16)


def modified(found: Info, path: str) -> Any:
    """When an object was written, in UTC.

    Raises:
        IsADirectoryError: directories have no time.
    """
    if "LastModified" not in found:
        raise IsADirectoryError(errno.EISDIR, "only objects have a time of modification", path)
    return found["LastModified"]


def versioned_name(path: str, entry: Mapping[str, Any]) -> str:
    """The path of one version of an object, as ListObjectVersions tells of it."""
    version = entry.get("VersionId")
    # What was written before its bucket kept versions is named so too, unless it is the latest.
    if not version or (version == "null" and entry.get("IsLatest")):
        return path
    return f"{path}{VERSION_MARK}{version}"
