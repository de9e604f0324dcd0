"""What moto does not do as Ceph does: conditions on copies and on uploads, versions, refused deletes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from layered import MakeBucket, OpenFilesystem

from foodco_storage.filesystem import FileChangedError, FoodcoFileSystem
from foodco_storage.testing import CephCluster

MIB = 1024**2

pytestmark = pytest.mark.slow


@pytest.fixture(params=["no route", "all"])
def layers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fs(layers: str, open_filesystem: OpenFilesystem) -> FoodcoFileSystem:
    opened: FoodcoFileSystem = open_filesystem(layers, "ceph", "moto_store_2", version_aware=True)
    return opened


@pytest.fixture
def bucket(make_bucket: MakeBucket) -> str:
    name: str = make_bucket("ceph", "moto_store_2")
    return name


def uploads(fs: FoodcoFileSystem, bucket: str) -> list[Any]:
    return list(fs.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_appends_that_meet(fs: FoodcoFileSystem, bucket: str, size: int) -> None:
    path = f"{bucket}/log"
    fs.pipe_file(path, b"a" * size)
    with fs.open(path, "ab") as file:
        file.write(b"tail")
    assert fs.cat_file(path) == b"a" * size + b"tail"
    # Another writer comes while the file is open, after its parts were copied.
    file = fs.open(path, "ab")
    file.write(b"mine")
    file.flush()
    fs.pipe_file(path, b"another's")
    with pytest.raises(FileChangedError):
        file.close()
    assert fs.cat_file(path) == b"another's"
    assert uploads(fs, bucket) == []


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_nothing_is_overwritten_by_exclusive_writes(fs: FoodcoFileSystem, bucket: str, size: int) -> None:
    path = f"{bucket}/new"
    file = fs.open(path, "xb", block_size=5 * MIB)
    file.write(b"m" * size)
    fs.pipe_file(path, b"another's")
    with pytest.raises(FileExistsError):
        file.close()
    writes: list[Callable[[], Any]] = [
        lambda: fs.open(path, "xb"),
        lambda: fs.pipe_file(path, b"m" * size, mode="create", chunksize=5 * MIB),
    ]
    for write in writes:
        with pytest.raises(FileExistsError):
            write()
    assert fs.cat_file(path) == b"another's"
    assert uploads(fs, bucket) == []


def test_a_file_that_is_written_over_raises(fs: FoodcoFileSystem, bucket: str) -> None:
    path = f"{bucket}/changes"
    fs.pipe_file(path, bytes(MIB))
    with fs.open(path) as file:
        assert file.read(10) == bytes(10)
        fs.pipe_file(path, b"x" * MIB)
        with pytest.raises(FileChangedError):
            file.read()


def test_copies_in_parts(fs: FoodcoFileSystem, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foodco_storage.filesystem.copying.COPIED_AT_ONCE", 6 * MIB)
    body = bytes(range(256)) * 4096 * 11
    fs.pipe_file(f"{bucket}/source", body, ContentType="text/plain", Metadata={"kitchen": "naples"})
    fs.cp_file(f"{bucket}/source", f"{bucket}/target", block=5 * MIB)
    fs.mv(f"{bucket}/target", f"{bucket}/moved")
    assert fs.cat_file(f"{bucket}/moved") == body
    assert fs.metadata(f"{bucket}/moved") == {"kitchen": "naples"}
    assert fs.find(bucket) == [f"{bucket}/moved", f"{bucket}/source"]


def test_versions(ceph: CephCluster, open_filesystem: OpenFilesystem, make_bucket: MakeBucket) -> None:
    fs = open_filesystem("no route", "ceph", "moto_store_2", version_aware=True)
    path = f"{make_bucket('ceph')}/key"
    fs.make_bucket_versioned(path.partition("/")[0])
    for body in (b"one" * MIB, b"two"):
        if body == b"two":
            file = fs.open(path)
        fs.pipe_file(path, body)
    with file:
        assert file.read() == b"one" * MIB
    versions = [one["VersionId"] for one in fs.object_version_info(path)]
    assert len(versions) == 2
    assert {fs.cat_file(f"{path}?versionId={one}") for one in versions} == {b"one" * MIB, b"two"}
    fs.rm(path.partition("/")[0], recursive=True)
    assert not fs.exists(path.partition("/")[0])


def test_what_the_store_refuses(fs: FoodcoFileSystem, bucket: str, ceph: CephCluster) -> None:
    fs.pipe_file(f"{bucket}/key", b"x")
    stranger = FoodcoFileSystem(endpoint_url=ceph.server.endpoint_url, anon=True, skip_instance_cache=True)
    attempts: list[Callable[[], Any]] = [
        lambda: stranger.cat_file(f"{bucket}/key"),
        lambda: stranger.open(f"{bucket}/key"),
        lambda: stranger.exists(f"{bucket}/key"),
        lambda: stranger.rm(f"{bucket}/key"),
        lambda: stranger.pipe_file(f"{bucket}/other", b"y"),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionError) as caught:
            attempt()
        assert str(caught.value.filename).startswith(bucket)
    stranger.s3.close()
    s3 = boto3.client("s3", **ceph.server.client_arguments())
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["key"]
    s3.close()
