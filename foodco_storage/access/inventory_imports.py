"""Bringing an S3 Inventory into the store, in the place of an older one.

A location is a local file or directory, or an fsspec URL: `s3://stock/shop/daily/`, `foodco://stock/shop/daily/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

import fsspec
from msgspec import Struct

from foodco_storage.access.inventory import (
    MANIFEST,
    DataFile,
    Manifest,
    find_manifest,
    inventory_objects,
    placed,
    read_manifest,
)
from foodco_storage.access.naming import Naming, naming_of
from foodco_storage.access.prefixes import as_text
from foodco_storage.access.rows import ObjectRow
from foodco_storage.access.store import Store
from foodco_storage.errors import RecordsError
from foodco_storage.places import shown


class InventoryReport(Struct, frozen=True, kw_only=True):
    """What came of reading an inventory.

    Args:
        bucket: whose objects it lists, as callers say it.
        source_bucket: what the store calls it.
        manifest: where it lies.
        seen_at: when S3 began to list, in seconds since the epoch.
        files: so many data files were read.
        objects: so many objects there are.
    """

    bucket: str
    source_bucket: str
    manifest: str
    seen_at: float
    files: int
    objects: int


def import_inventory(
    store: Store,
    location: str,
    *,
    bucket: str | Naming | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> InventoryReport:
    """Replace what the store knows of the objects in a bucket by the newest inventory.

    Args:
        store: the host's.
        location: a `manifest.json`, or a folder that has those of one inventory below it. The data files are found in the
            same bucket, or beside it where the folder was copied.
        bucket: what callers call the bucket, or what tells it from its store's name; None where that is theirs. Under another
            one, all of its objects would pass for never read.
        storage_options: fsspec's, for the location's file system.

    Returns:
        Which inventory it was, and how many objects there are.

    Raises:
        RecordsError: there is no manifest, or a data file is missing or damaged. The store is as it was.
        StatisticsError: the store can't be used.

    Example:
        import_inventory(Store(Path("/var/lib/shop/access")), "s3://stock/shop-2019/daily/", bucket="shop")
    """
    system, path = fsspec.core.url_to_fs(location, **(storage_options or {}))
    try:
        if path.rpartition("/")[2] != MANIFEST:
            path = find_manifest(lambda: system.find(path), location)
        data = system.cat_file(path)
    except FileNotFoundError as error:
        raise RecordsError(location, "it is not there: name a manifest.json, or the inventory's folder") from error
    except ValueError as error:
        raise RecordsError(location, f"it is no location: {error}") from error
    name = system.unstrip_protocol(path)
    manifest = read_manifest(data, name)
    called = as_text(naming_of(bucket, location)(manifest.source_bucket))
    objects = store.replace_objects(called, _objects(system, path, manifest), manifest.created_at)
    return InventoryReport(
        bucket=called,
        source_bucket=manifest.source_bucket,
        manifest=shown(name),
        seen_at=manifest.created_at,
        files=len(manifest.files),
        objects=objects,
    )


def _objects(system: Any, path: str, manifest: Manifest) -> Iterator[ObjectRow]:
    if not manifest.files:
        return
    place = placed(path, manifest.files[0].key, system.isfile)

    def opened(file: DataFile) -> IO[bytes]:
        try:
            return system.open(place(file.key), "rb")  # type: ignore[no-any-return] # fsspec is untyped
        except FileNotFoundError as error:
            raise RecordsError(file.key, f"it is not there ({error}): get the whole inventory again") from error

    for one in inventory_objects(manifest, opened):
        yield ObjectRow(key=one.key, size=one.size, modified_at=one.modified_at, storage_class=one.storage_class)
