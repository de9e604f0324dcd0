"""S3 Inventory: what lies in a bucket, as S3 lists it once a day or week.

The layout is https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html: a `manifest.json` names
data files, which are CSV (compressed, without a header), Parquet or ORC. Columns that are used are `Key`, `Size` and
`LastModifiedDate`, which must be there, and `Bucket`, `StorageClass`, `ETag`, `IsLatest`, `IsDeleteMarker`, if they are.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import msgspec
from msgspec import Struct, field

from foodco_storage.access.inventory_files import READERS, InventoryObject
from foodco_storage.errors import RecordsError

MANIFEST: Final = "manifest.json"
_STAMPED: Final = re.compile(r"(?:(.*)/)?(\d{4}-\d\d-\d\dT\d\d-\d\dZ)/manifest\.json")
_AT_ONCE: Final = 1 << 20


class DataFile(Struct, frozen=True, kw_only=True):
    """One of an inventory's files.

    Args:
        key: in the bucket where the inventory is delivered.
        size: in bytes.
        md5: of its content, in hexadecimal.
    """

    key: str
    size: int
    md5: str = field(name="MD5checksum")


class Manifest(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an inventory consists of.

    Args:
        source_bucket: whose objects it lists.
        file_format: `CSV`, `Parquet` or `ORC`.
        file_schema: the columns; for CSV their names in order.
        files: the data files.
        creation_timestamp: when S3 began to list, in milliseconds since the epoch.
    """

    source_bucket: str
    file_format: str
    file_schema: str
    files: tuple[DataFile, ...]
    creation_timestamp: str

    @property
    def created_at(self) -> float:
        """When S3 began to list, in seconds since the epoch."""
        return int(self.creation_timestamp) / 1000


def read_manifest(data: bytes, place: str) -> Manifest:
    """The manifest that a `manifest.json` holds.

    Args:
        data: the file's content.
        place: where it lies, for errors.

    Raises:
        RecordsError: it is no manifest of S3 Inventory, or one in a format that S3 does not write today.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
        manifest.created_at  # noqa: B018 # raises where it is no number
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordsError(place, f"it is no manifest of S3 Inventory ({error}): name its manifest.json") from error
    if manifest.file_format not in READERS:
        raise RecordsError(
            place, f"fileFormat is {manifest.file_format!r}: configure the inventory for one of {', '.join(READERS)}"
        )
    return manifest


def find_manifest(lister: Callable[[], Iterable[str]], place: str) -> str:
    """The newest `.../YYYY-MM-DDTHH-MMZ/manifest.json`.

    Args:
        lister: gives the paths of all files below a location, with `/`.
        place: the location, for errors.

    Raises:
        RecordsError: there is none, or there are those of several inventories.
    """
    found = [match for path in lister() if (match := _STAMPED.fullmatch(path))]
    if not found:
        raise RecordsError(
            place,
            "no YYYY-MM-DDTHH-MMZ/manifest.json of S3 Inventory is below it: name the inventory's folder, or a manifest",
        )
    folders = sorted({match[1] or "" for match in found})
    if len(folders) > 1:
        raise RecordsError(place, f"several inventories are below it: name one of {', '.join(folders)}")
    return max(found, key=lambda match: match[2])[0]


def inventory_objects(
    manifest: Manifest, opened: Callable[[DataFile], IO[bytes]], *, all_versions: bool = False
) -> Iterator[InventoryObject]:
    """The objects that an inventory lists, file by file.

    Each file is copied to a temporary file of this user's first, and its MD5 compared, before an object of it is given.

    Args:
        manifest: what it consists of.
        opened: opens one of its files for reading, from its beginning.
        all_versions: give also what is not the latest version, and delete markers.

    Raises:
        RecordsError: a file is not what the manifest says, or can't be read; a column is missing.
        OSError: a file can't be opened.
    """
    read = READERS[manifest.file_format]
    for file in manifest.files:
        with _checked(file, opened) as data:
            for one in read(data, file.key, manifest.file_schema, manifest.source_bucket):
                if all_versions or (one.is_latest and not one.is_delete_marker):
                    yield one


@contextmanager
def _checked(file: DataFile, opened: Callable[[DataFile], IO[bytes]]) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile(prefix="foodco-storage-") as data:
        with opened(file) as source:
            shutil.copyfileobj(source, data, _AT_ONCE)
        data.seek(0)
        md5 = hashlib.file_digest(data, _md5).hexdigest()
        if md5 != file.md5.lower():
            raise RecordsError(
                file.key,
                f"its MD5 is {md5}, and the manifest says {file.md5}: it is damaged or not whole, get it again",
            )
        data.seek(0)
        yield data


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def placed(manifest_path: str, key: str, exists: Callable[[str], bool]) -> Callable[[str], str]:
    """Where data files lie: in the bucket's own layout, or in that of a folder that was copied from it.

    Args:
        manifest_path: the manifest's, with `/`; of a store it begins with the bucket.
        key: of one data file, by which to find out.
        exists: whether there is a file.

    Returns:
        From a data file's key to its path.

    Raises:
        RecordsError: it is not found.
    """
    parts = key.split("/")
    # From the bucket, or the root, down.
    folders = [manifest_path[:end] for end, character in enumerate(manifest_path) if character == "/"]
    # The more of the key's own folders were kept, the surer it is.
    for dropped in range(len(parts)):
        for folder in folders:
            if exists("/".join((folder, *parts[dropped:]))):
                return lambda key: "/".join((folder, *key.split("/")[dropped:]))
    raise RecordsError(
        manifest_path,
        f"its data file {key} is not there: copy the inventory's whole folder, or name the manifest in its bucket",
    )
