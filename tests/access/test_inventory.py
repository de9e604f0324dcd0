"""An inventory is read as S3 delivers it, or refused whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.access.inventory import DataFile, Manifest, find_manifest, inventory_objects, placed, read_manifest
from foodco_storage.access.inventory_files import InventoryObject
from foodco_storage.errors import RecordsError

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
CSV_MANIFEST = """{
    "sourceBucket": "example-source-bucket",
    "destinationBucket": "arn:aws:s3:::example-inventory-destination-bucket",
    "version": "2016-11-30",
    "creationTimestamp" : "1514944800000",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, ObjectLockMode, ObjectLockLegalHoldStatus, IntelligentTieringAccessTier, BucketKeyStatus, ChecksumAlgorithm",
    "files": [
        {
            "key": "Inventory/example-source-bucket/2016-11-06T21-32Z/files/939c6d46-85a9-4ba8-87bd-9db705a579ce.csv.gz",
            "size": 2147483647,
            "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"
        }
    ]
}"""

NAMES = ("Bucket", "Key", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass")
FEW = ("Bucket", "Key", "Size", "LastModifiedDate")
AT = datetime(2016, 11, 6, 21, 32, 5, 120_000, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"Key": "a b/c+d%é.jpg", "IsLatest": True, "IsDeleteMarker": False, "Size": 7, "ETag": "9e1", "StorageClass": "STANDARD"},
    {"Key": "a b/c+d%é.jpg", "IsLatest": False, "IsDeleteMarker": False, "Size": 6, "ETag": "9e0", "StorageClass": "GLACIER"},
    {"Key": "gone", "IsLatest": True, "IsDeleteMarker": True, "Size": None, "ETag": None, "StorageClass": None},
]  # fmt: skip
for row in ROWS:
    row |= {"Bucket": "shop", "LastModifiedDate": AT}

FIRST = InventoryObject(
    bucket="shop", key="a b/c+d%é.jpg", size=7, modified_at=AT.timestamp(), storage_class="STANDARD", etag="9e1"
)
ALL = [
    FIRST,
    InventoryObject(
        bucket="shop",
        key="a b/c+d%é.jpg",
        size=6,
        modified_at=AT.timestamp(),
        storage_class="GLACIER",
        is_latest=False,
        etag="9e0",
    ),
    InventoryObject(bucket="shop", key="gone", modified_at=AT.timestamp(), is_delete_marker=True),
]


def as_csv(
    rows: list[dict[str, Any]], names: tuple[str, ...] = NAMES, encode: Callable[[str], str] = quote_plus
) -> bytes:
    def cell(name: str, value: Any) -> str:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
        if isinstance(value, bool):
            return str(value).lower()
        return encode(value) if name == "Key" else "" if value is None else str(value)

    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([[cell(name, row[name]) for name in names] for row in rows])
    return gzip.compress(text.getvalue().encode(), mtime=0)


COLUMNS = {
    "Bucket": "bucket",
    "Key": "key",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
    "StorageClass": "storage_class",
}


def as_arrow(rows: list[dict[str, Any]], names: tuple[str, ...], unit: str) -> Any:
    pa = pytest.importorskip("pyarrow")
    types = {
        "Size": pa.int64(),
        "LastModifiedDate": pa.timestamp(unit),
        "IsLatest": pa.bool_(),
        "IsDeleteMarker": pa.bool_(),
    }
    return pa.table(
        {
            COLUMNS[name]: pa.array(
                [value.replace(tzinfo=None) if isinstance(value := row[name], datetime) else value for row in rows],
                types.get(name, pa.string()),
            )
            for name in (*names,)
        }
        # Columns that nobody asks for are not read, whatever they hold.
        | {"checksum_algorithm": pa.array([None] * len(rows), pa.string())}
    )


def as_parquet(rows: list[dict[str, Any]], names: tuple[str, ...] = NAMES) -> bytes:
    table = as_arrow(rows, names, "ms")
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet.write_table(table, out, row_group_size=2)
    return out.getvalue()


def as_orc(rows: list[dict[str, Any]], names: tuple[str, ...] = NAMES) -> bytes:
    table = as_arrow(rows, names, "ns")
    orc = pytest.importorskip("pyarrow.orc")
    out = io.BytesIO()
    orc.write_table(table, out)
    return out.getvalue()


FORMATS = {"CSV": as_csv, "Parquet": as_parquet, "ORC": as_orc}


def inventory(
    file_format: str, *contents: bytes, names: tuple[str, ...] = NAMES
) -> tuple[Manifest, Callable[[DataFile], IO[bytes]]]:
    files = {f"data/{number}": content for number, content in enumerate(contents)}
    manifest = Manifest(
        source_bucket="shop",
        file_format=file_format,
        file_schema=", ".join(names),
        files=tuple(
            DataFile(key=key, size=len(content), md5=hashlib.md5(content).hexdigest()) for key, content in files.items()
        ),
        creation_timestamp="1514944800000",
    )
    return manifest, lambda file: io.BytesIO(files[file.key])


def test_the_documented_manifest_is_read() -> None:
    manifest = read_manifest(CSV_MANIFEST.encode(), "here")
    assert (manifest.source_bucket, manifest.file_format) == ("example-source-bucket", "CSV")
    assert manifest.created_at == datetime(2018, 1, 3, 2, tzinfo=UTC).timestamp()
    (file,) = manifest.files
    assert file.key.endswith("/939c6d46-85a9-4ba8-87bd-9db705a579ce.csv.gz")
    assert (file.size, file.md5) == (2147483647, "f11166069f1990abeb9c97ace9cdfabc")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no json", "no manifest of S3 Inventory"),
        (b"[]", "no manifest of S3 Inventory"),
        (b'{"Report": 1}', "sourceBucket"),
        (CSV_MANIFEST.replace("MD5checksum", "md5").encode(), "MD5checksum"),
        (CSV_MANIFEST.replace('"1514944800000"', '"soon"').encode(), "soon"),
        (
            CSV_MANIFEST.replace('"CSV"', '"Avro"').encode(),
            "'Avro': configure the inventory for one of CSV, Parquet, ORC",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(RecordsError, match=r"^s3://b/manifest\.json: ") as refused:
        read_manifest(data, "s3://b/manifest.json")
    assert said in str(refused.value)


@pytest.mark.parametrize("file_format", FORMATS)
def test_latest_objects_or_all_versions(file_format: str) -> None:
    manifest, opened = inventory(file_format, FORMATS[file_format](ROWS))
    assert list(inventory_objects(manifest, opened)) == [FIRST]
    assert list(inventory_objects(manifest, opened, all_versions=True)) == ALL


@pytest.mark.parametrize("file_format", FORMATS)
def test_columns_that_may_be_missing(file_format: str) -> None:
    names = ("Key", "Size", "LastModifiedDate")
    manifest, opened = inventory(file_format, FORMATS[file_format](ROWS[:1], names), names=names)
    assert list(inventory_objects(manifest, opened)) == [
        InventoryObject(bucket="shop", key="a b/c+d%é.jpg", size=7, modified_at=AT.timestamp())
    ]


@pytest.mark.parametrize("file_format", FORMATS)
def test_columns_that_must_be_there(file_format: str) -> None:
    names = ("Bucket", "Key", "Size")
    manifest, opened = inventory(file_format, FORMATS[file_format](ROWS, names), names=names)
    with pytest.raises(RecordsError, match=r"^data/0: the inventory has no column LastModifiedDate: add it"):
        list(inventory_objects(manifest, opened))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_that_is_not_the_manifests_gives_nothing(file_format: str) -> None:
    good = FORMATS[file_format](ROWS)
    manifest, opened = inventory(file_format, good, good)

    def damaged(file: DataFile) -> IO[bytes]:
        return opened(file) if file.key == "data/0" else io.BytesIO(good[:-1] + bytes([good[-1] ^ 1]))

    objects = inventory_objects(manifest, damaged)
    assert next(objects) == FIRST
    with pytest.raises(RecordsError, match=r"^data/1: its MD5 is .*: it is damaged or not whole"):
        next(objects)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_of_another_format_is_refused(file_format: str) -> None:
    manifest, opened = inventory(file_format, b"neither of them")
    with pytest.raises(RecordsError, match=r"^data/0: "):
        list(inventory_objects(manifest, opened))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('"shop","a","1"\n', "columns: 3, and the manifest names 4"),
        ('"shop","a","much","2016-11-06T21:32:05.000Z"\n', "much"),
        ('"shop","a","1","yesterday"\n', "yesterday"),
        ('"shop","a', "end of data"),
        ('"shop","a' + "a" * (1 << 20), "it is longer than 1048576 characters"),
    ],
)
def test_rows_that_do_not_fit_are_told(rows: str, said: str) -> None:
    good = '"shop","a","1","2016-11-06T21:32:05.000Z"\n'
    manifest, opened = inventory("CSV", gzip.compress((good + rows).encode()), names=FEW)
    objects = inventory_objects(manifest, opened)
    assert next(objects).key == "a"
    with pytest.raises(RecordsError, match=f"^data/0: at line [12] or the next: .*{said}"):
        next(objects)


def test_a_cut_off_file_is_refused() -> None:
    manifest, opened = inventory("CSV", as_csv(ROWS, FEW)[:-12], names=FEW)
    with pytest.raises(RecordsError, match=r"^data/0: at line "):
        list(inventory_objects(manifest, opened))


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    manifest, opened = inventory("Parquet", b"")
    with pytest.raises(RecordsError, match=r"pip install 'foodco-storage\[telemetry\]', or configure CSV"):
        list(inventory_objects(manifest, opened))


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=5),
    st.sampled_from([quote, quote_plus]),
)
def test_any_key_comes_back(keys: list[str], encode: Callable[[str], str]) -> None:
    content = as_csv([ROWS[0] | {"Key": key} for key in keys], FEW, encode)
    assert [one.key for one in inventory_objects(*inventory("CSV", content, names=FEW))] == keys


def test_the_newest_manifest_is_found() -> None:
    files = [
        "inv/shop/daily/2026-11-27T01-00Z/manifest.json",
        "inv/shop/daily/2026-11-28T01-00Z/manifest.json",
        "inv/shop/daily/2026-11-28T01-00Z/manifest.checksum",
        "inv/shop/daily/hive/dt=2026-11-29-01-00/symlink.txt",
        "inv/shop/daily/data/2026.csv.gz",
        "inv/shop/daily/manifest.json",
    ]
    assert find_manifest(lambda: files, "inv") == files[1]
    assert find_manifest(lambda: ["2026-11-28T01-00Z/manifest.json"], ".") == "2026-11-28T01-00Z/manifest.json"


def test_no_manifest_or_those_of_several_inventories_are_refused() -> None:
    with pytest.raises(RecordsError, match=r"^s3://inv/: no .*manifest\.json"):
        find_manifest(lambda: ["inv/shop/manifest.json"], "s3://inv/")
    two = [f"inv/{bucket}/daily/2026-11-28T01-00Z/manifest.json" for bucket in ("shop", "menu")]
    with pytest.raises(RecordsError, match="name one of inv/menu/daily, inv/shop/daily"):
        find_manifest(lambda: two, "inv")


@pytest.mark.parametrize(
    ("manifest", "file"),
    [
        # In its bucket, today's layout and that of 2016.
        ("inv/pre/shop/daily/2026-11-28T01-00Z/manifest.json", "inv/pre/shop/daily/data/1.csv.gz"),
        # Copied: the whole bucket, one inventory, one folder.
        ("/tmp/x/pre/shop/daily/2026-11-28T01-00Z/manifest.json", "/tmp/x/pre/shop/daily/data/1.csv.gz"),
        ("/tmp/x/daily/2026-11-28T01-00Z/manifest.json", "/tmp/x/daily/data/1.csv.gz"),
        ("/tmp/x/2026-11-28T01-00Z/manifest.json", "/tmp/x/data/1.csv.gz"),
        ("/tmp/x/manifest.json", "/tmp/x/1.csv.gz"),
    ],
)
def test_data_files_are_found_where_folders_were_copied(manifest: str, file: str) -> None:
    place = placed(manifest, "pre/shop/daily/data/1.csv.gz", {file, f"{file}.bak"}.__contains__)
    assert place("pre/shop/daily/data/2.csv.gz") == file.replace("1.csv", "2.csv")


def test_a_file_of_the_buckets_own_layout_comes_first() -> None:
    there = {"inv/pre/data/1", "inv/data/1"}
    assert (
        placed("inv/pre/2026-11-28T01-00Z/manifest.json", "pre/data/1", there.__contains__)("pre/data/1")
        == "inv/pre/data/1"
    )


def test_other_buckets_are_not_asked() -> None:
    asked: list[str] = []

    def exists(path: str) -> bool:
        asked.append(path)
        return False

    with pytest.raises(RecordsError, match=r"pre/data/1 is not there: copy the inventory's whole folder"):
        placed("inv/pre/2026-11-28T01-00Z/manifest.json", "pre/data/1", exists)
    assert all(path.startswith("inv/") for path in asked)
