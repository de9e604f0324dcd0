"""What lies below a path: `ls`, `find`, and the buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.information import Info, directory, look, versioned_name
from foodco_storage.filesystem.store import Store
from foodco_storage.front.dispatch import EXACT_SIZES

_MOST_KEYS = 1000
"""Of one page (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)."""


def buckets(store: Store, *, refresh: bool = False) -> list[Info]:
    """The buckets of whoever asks.

    Raises:
        PermissionError: they may not be listed.
    """
    if not refresh and "" in store.dircache:
        kept: list[Info] = store.dircache[""]
        return kept
    found = store.call("list_buckets", "", {})["Buckets"]
    entries = [
        {
            "Key": bucket["Name"],
            "Size": 0,
            "StorageClass": "BUCKET",
            "size": 0,
            "type": "directory",
            "name": bucket["Name"],
        }
        | {name: value for name, value in bucket.items() if name != "Name"}
        for bucket in found
    ]
    store.dircache[""] = entries
    return entries


def ls(store: Store, path: str, *, refresh: bool = False, versions: bool = False, sizes: bool = True) -> list[Info]:
    """What lies directly below a path; of a file, itself.

    Args:
        store: who is asked.
        path: of a directory, a bucket, a file; empty for the buckets.
        refresh: ask, whatever listings are kept.
        versions: every version of every object, as `bucket/key?versionId=...`.
        sizes: whether sizes must be those of what users stored, which costs a request for each object where objects lie
            compressed.

    Raises:
        FileNotFoundError: nothing lies there.
        ValueError: versions of a filesystem that is not aware of them.
    """
    address = store.place(path)
    if not address.bucket:
        return buckets(store, refresh=refresh)
    keeps = store.dircache.use_listings_cache and not versions
    if keeps and not refresh and address.path in store.dircache:
        kept: list[Info] = store.dircache[address.path]
        return kept
    prefix = f"{address.key}/" if address.key else ""
    entries = list(iterate(store, address.bucket, prefix, versions=versions, sizes=sizes or keeps))
    entries.sort(key=_order)
    if not entries and address.key:
        return _file_itself(store, address, versions=versions)
    if keeps:
        store.dircache[address.path] = entries
    return entries


def _file_itself(store: Store, address: Address, *, versions: bool) -> list[Info]:
    """Raises: FileNotFoundError."""
    if not versions:
        return [look(store, address)]
    found = [
        entry
        for entry in iterate(store, address.bucket, address.key, versions=True)
        if entry["type"] == "file" and entry["Key"] == address.path
    ]
    if not found:
        raise FileNotFoundError(2, "no such object", address.path)
    return found


def iterate(
    store: Store, bucket: str, prefix: str, *, delimiter: str = "/", versions: bool = False, sizes: bool = True
) -> Iterator[Info]:
    """The objects and directories that begin with a prefix, page by page, in S3's order but for directories."""
    if versions and not store.version_aware:
        raise ValueError("versions are told by a filesystem that is made with version_aware=True only")
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
    operation, contents = (
        ("list_object_versions", "Versions") if store.version_aware else ("list_objects_v2", "Contents")
    )
    above = f"{bucket}/"
    for page in _pages(store, operation, f"{bucket}/{prefix}", asked, sizes=sizes):
        for entry in page.get("CommonPrefixes", ()):
            yield _directory(above + entry["Prefix"][:-1])
        for entry in page.get(contents, ()):
            if store.version_aware and not (versions or entry.get("IsLatest")):
                continue
            name = above + entry["Key"]
            entry["Key"] = entry["name"] = name
            entry["type"] = "file"
            entry["size"] = entry["Size"]
            if versions:
                entry["name"] = versioned_name(name, entry)
            yield entry


def _pages(
    store: Store, operation: str, path: str, asked: Mapping[str, Any], *, sizes: bool
) -> Iterator[Mapping[str, Any]]:
    params = dict(asked)
    while True:
        token = EXACT_SIZES.set(sizes)
        try:
            page = store.call(operation, path.rstrip("/"), params)
        finally:
            EXACT_SIZES.reset(token)
        yield page
        if not page.get("IsTruncated"):
            return
        if operation == "list_objects_v2":
            params["ContinuationToken"] = page["NextContinuationToken"]
        else:
            params["KeyMarker"] = page.get("NextKeyMarker", "")
            params["VersionIdMarker"] = page.get("NextVersionIdMarker", "")


def find(
    store: Store,
    path: str,
    *,
    maxdepth: int | None = None,
    prefix: str = "",
    withdirs: bool = False,
    sizes: bool = True,
) -> dict[str, Info]:
    """Every object below a path, by its path and in order of paths; of a file, itself.

    Args:
        store: who is asked.
        path: of a directory, a bucket or a file.
        maxdepth: levels to go down; None for all.
        prefix: only what begins so, after the path's slash.
        withdirs: directories too, the path's own among them.
        sizes: as in `ls`.

    Raises:
        ValueError: the root, or fewer levels than one.
    """
    if maxdepth is not None and maxdepth < 1:
        raise ValueError(f"maxdepth must be at least 1, not {maxdepth}")
    address = store.place(path)
    if not address.bucket:
        raise ValueError("name a bucket: patterns do not reach buckets, and without one all there are would be read")
    stem = (f"{address.key}/" if address.key else "") + prefix
    if maxdepth is None:
        found = list(iterate(store, address.bucket, stem, delimiter="", sizes=sizes))
        directories = _directories(found, address.path)
    else:
        found, directories = _levels(store, address.bucket, stem, maxdepth, sizes=sizes)
        if (found or directories) and not prefix:
            directories.append(_directory(address.path))
    if not found and not directories and address.key and not prefix:
        try:
            found = [look(store, address)]
        except FileNotFoundError:
            return {}
    if withdirs:
        found += directories
    told: dict[str, Info] = {}
    for entry in sorted(found, key=_order):
        # Of a path that is an object and a directory, the object, as `info` has it.
        told.setdefault(entry["name"], entry)
    return told


def _levels(store: Store, bucket: str, stem: str, maxdepth: int, *, sizes: bool) -> tuple[list[Info], list[Info]]:
    """Objects and directories of so many levels."""
    files, directories = [], []
    above = [stem]
    for _ in range(maxdepth):
        entries = [entry for one in above for entry in iterate(store, bucket, one, sizes=sizes)]
        files += [entry for entry in entries if entry["type"] == "file"]
        below = [entry for entry in entries if entry["type"] == "directory"]
        directories += below
        above = [entry["name"][len(bucket) + 1 :] + "/" for entry in below]
    return files, directories


def _directories(entries: list[Info], path: str) -> list[Info]:
    """Those that the keys imply, as far up as the path."""
    seen = set()
    for entry in entries:
        at = parent_of_key(entry["name"])
        while "/" in at and at not in seen and len(at) >= len(path):
            seen.add(at)
            at = parent_of_key(at)
    return [_directory(name) for name in seen]


def _directory(name: str) -> Info:
    return {**directory(name), "Key": name, "Size": 0}


def parent_of_key(name: str) -> str:
    """The directory of a key; of `a/` it is `a`, since something of that name lies there."""
    return name.rpartition("/")[0]


def _order(entry: Info) -> tuple[str, bool]:
    return entry["name"], entry["type"] == "directory"
