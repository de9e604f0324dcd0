"""A path and a service see the same: fallback, promote, cache and compression."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from layered import COMPRESSION, described

import foodco_storage
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import FaultProxy, MotoStore, wait_until

TEXT = b"a line that is compressed well\n" * 20_000


class World:
    """Two stores behind proxies, a bucket on both."""

    def __init__(self, stores: tuple[MotoStore, MotoStore], bucket: str, directory: Path, stack: ExitStack) -> None:
        self.bucket = bucket
        self.proxies = [stack.enter_context(FaultProxy(s.server.host, s.server.port)) for s in stores]
        self.direct = [boto3.client("s3", **s.server.client_arguments()) for s in stores]
        for s3 in self.direct:
            stack.callback(s3.close)
            s3.create_bucket(Bucket=bucket)
        self._backends = {
            name: {**described(store.server), "endpoint_url": proxy.endpoint_url}
            for name, store, proxy in zip(("new", "old"), stores, self.proxies, strict=True)
        }
        self._directory = directory
        self._stack = stack

    def open(self, **route: Any) -> FoodcoFileSystem:
        storage = {
            "backends": self._backends,
            "routes": {"ours": {"bucket": self.bucket, "primary": "new", **route}},
            "journal": {"directory": str(self._directory)},
        }
        fs = FoodcoFileSystem(storage=storage, skip_instance_cache=True)
        self._stack.callback(fs.s3.close)
        return fs

    def requests(self) -> int:
        return sum(proxy.requests for proxy in self.proxies)


@pytest.fixture
def world(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World((moto_store, moto_store_2), bucket_name, tmp_path, stack)


class TestCompression:
    def test_every_size_is_the_users(self, world: World) -> None:
        fs = world.open(compression=COMPRESSION)
        paths = [f"{world.bucket}/d/{n}" for n in range(3)]
        for path in paths:
            fs.pipe_file(path, TEXT)
        assert world.direct[0].head_object(Bucket=world.bucket, Key="d/0")["ContentLength"] < len(TEXT) / 10
        assert fs.size(paths[0]) == len(TEXT)
        assert [entry["size"] for entry in fs.ls(f"{world.bucket}/d", detail=True)] == [len(TEXT)] * 3
        assert [entry["size"] for entry in fs.find(world.bucket, detail=True).values()] == [len(TEXT)] * 3
        assert [entry["size"] for entry in fs.glob(f"{world.bucket}/d/*", detail=True).values()] == [len(TEXT)] * 3
        assert [f["0"]["size"] for _, _, f in fs.walk(f"{world.bucket}/d", detail=True)] == [len(TEXT)]
        assert fs.du(world.bucket) == 3 * len(TEXT)
        with fs.open(paths[0]) as file:
            assert file.size == len(TEXT)
            file.seek(-100, 2)
            assert file.read() == TEXT[-100:]
        assert fs.cat_ranges([paths[0]] * 2, [5, 400_000], [9, 400_009]) == [TEXT[5:9], TEXT[400_000:400_009]]

    def test_names_alone_cost_no_request_each(self, world: World) -> None:
        fs = world.open(compression=COMPRESSION)
        for number in range(10):
            fs.pipe_file(f"{world.bucket}/d/{number}", TEXT)
        fs = world.open(compression=COMPRESSION)
        before = world.requests()
        assert len(fs.ls(f"{world.bucket}/d")) == len(fs.find(world.bucket)) == 10
        assert len(fs.glob(f"{world.bucket}/d/*")) == 10
        assert len(list(fs.walk(f"{world.bucket}/d"))) == 1
        assert world.requests() == before + 4
        fs.find(world.bucket, detail=True)
        assert world.requests() == before + 4 + 1 + 10
        fs.find(world.bucket, detail=True)
        assert world.requests() == before + 4 + 1 + 10 + 1

    def test_a_service_sees_what_a_path_wrote(self, world: World) -> None:
        fs = world.open(compression=COMPRESSION)
        with fs.open(f"{world.bucket}/key", "wb", block_size=5 * 2**20) as file:
            file.write(TEXT * 20)
        answer = fs.s3.get_object(Bucket=world.bucket, Key="key")
        assert answer["Body"].read() == TEXT * 20
        assert answer["ContentLength"] == 20 * len(TEXT)


class TestMigration:
    def test_a_promote_under_way_disturbs_no_reader(self, world: World) -> None:
        body = bytes(range(256)) * 2_000
        upload = world.direct[1].create_multipart_upload(Bucket=world.bucket, Key="key")
        named = {"Bucket": world.bucket, "Key": "key", "UploadId": upload["UploadId"]}
        part = world.direct[1].upload_part(**named, PartNumber=1, Body=body)
        world.direct[1].complete_multipart_upload(
            **named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        fs = world.open(phase="cutover", fallbacks=["old"])
        with fs.open(f"{world.bucket}/key", block_size=70_000) as file:
            assert file.read(100_000) == body[:100_000]
            wait_until(
                lambda: world.direct[0].list_objects_v2(Bucket=world.bucket)["KeyCount"] == 1, what="the promotion"
            )
            proxied = world.proxies[0].requests
            assert file.read() == body[100_000:]
            assert world.proxies[0].requests > proxied
        assert fs.cat_file(f"{world.bucket}/key") == body
        assert fs.cat_ranges([f"{world.bucket}/key"] * 2, [0, 400_000], [5, 400_005], max_gap=0) == [
            body[:5],
            body[400_000:400_005],
        ]

    def test_both_sides_are_one_tree(self, world: World) -> None:
        world.direct[0].put_object(Bucket=world.bucket, Key="d/new", Body=b"1")
        world.direct[1].put_object(Bucket=world.bucket, Key="d/old", Body=b"22")
        fs = world.open(phase="cutover", fallbacks=["old"])
        assert fs.find(world.bucket) == [f"{world.bucket}/d/new", f"{world.bucket}/d/old"]
        assert fs.du(world.bucket) == 3
        fs.mv(f"{world.bucket}/d/old", f"{world.bucket}/d/moved")
        assert fs.cat(f"{world.bucket}/d", recursive=True, on_error="omit") == {
            f"{world.bucket}/d/moved": b"22",
            f"{world.bucket}/d/new": b"1",
        }
        fs.rm(f"{world.bucket}/d", recursive=True)
        assert not fs.exists(f"{world.bucket}/d")
        assert fs.ls(world.bucket) == []


class TestCache:
    def test_what_was_read_is_not_asked_for_again(self, world: World) -> None:
        fs = world.open(cache={"memory_max_bytes": "16MiB", "ttl_seconds": 3600})
        path = f"{world.bucket}/key"
        fs.pipe_file(path, TEXT)
        fs.cat_file(path)
        before = world.requests()
        for _ in range(3):
            with fs.open(path) as file:
                assert file.read() == TEXT
            assert fs.cat_file(path, start=5, end=10) == TEXT[5:10]
            assert fs.size(path) == len(TEXT)
        assert world.requests() == before

    def test_a_write_is_seen_at_once(self, world: World) -> None:
        fs = world.open(cache={"memory_max_bytes": "16MiB", "ttl_seconds": 3600})
        path = f"{world.bucket}/key"
        for body in (b"one", b"two"):
            with fs.open(path, "wb") as file:
                file.write(body)
            assert fs.open(path).read() == body


class TestListings:
    def test_kept_only_where_told(self, world: World) -> None:
        fs = world.open()
        fs.pipe_file(f"{world.bucket}/d/one", b"1")
        assert fs.ls(f"{world.bucket}/d") == [f"{world.bucket}/d/one"]
        world.direct[0].put_object(Bucket=world.bucket, Key="d/two", Body=b"2")
        assert fs.ls(f"{world.bucket}/d") == [f"{world.bucket}/d/one", f"{world.bucket}/d/two"]

    def test_kept_ones_follow_our_own_writes(self, moto_store: MotoStore, world: World, tmp_path: Path) -> None:
        server = moto_store.server
        fs = FoodcoFileSystem(
            endpoint_url=server.endpoint_url,
            key=server.access_key_id,
            secret=server.secret_access_key,
            use_listings_cache=True,
            skip_instance_cache=True,
        )
        b = world.bucket
        (tmp_path / "local").write_bytes(b"x")
        steps: dict[str, Any] = {
            "d/one": lambda: fs.pipe_file(f"{b}/d/one", b"1"),
            "d/two": lambda: fs.touch(f"{b}/d/two"),
            "d/three": lambda: fs.put_file(str(tmp_path / "local"), f"{b}/d/three"),
            "d/four": lambda: fs.cp_file(f"{b}/d/one", f"{b}/d/four"),
            "d/five": lambda: fs.mv(f"{b}/d/one", f"{b}/d/five"),
            "d/six": lambda: fs.write_bytes(f"{b}/d/six", b"6"),
            "d/sub/seven": lambda: fs.pipe({f"{b}/d/sub/seven": b"7"}),
        }
        assert fs.ls(b) == []
        for key, step in steps.items():
            step()
            assert fs.ls(f"{b}/d") == sorted({f"{b}/d/{e['Key'].split('/')[1]}" for e in self.contents(world)})
            assert fs.exists(f"{b}/{key}")
            assert fs.ls(b) == [f"{b}/d"]
        world.direct[0].put_object(Bucket=b, Key="d/behind", Body=b"")
        assert f"{b}/d/behind" not in fs.ls(f"{b}/d")
        assert f"{b}/d/behind" in fs.ls(f"{b}/d", refresh=True)
        fs.rm_file(f"{b}/d/behind")
        assert f"{b}/d/behind" not in fs.ls(f"{b}/d")
        fs.rm(f"{b}/d", recursive=True)
        assert fs.ls(b) == []
        fs.invalidate_cache()
        fs.s3.close()

    @staticmethod
    def contents(world: World) -> Any:
        return world.direct[0].list_objects_v2(Bucket=world.bucket)["Contents"]


def test_a_path_and_a_client_share_a_configuration(world: World) -> None:
    fs = world.open()
    foodco_storage.setup_default_session(storage=fs.storage_options["storage"])
    s3 = foodco_storage.client()
    written = threading.Thread(target=s3.put_object, kwargs={"Bucket": world.bucket, "Key": "k", "Body": b"x"})
    written.start()
    written.join()
    assert FoodcoFileSystem().cat_file(f"{world.bucket}/k") == b"x"
    assert FoodcoFileSystem() == FoodcoFileSystem()
    FoodcoFileSystem().s3.close()
    s3.close()
