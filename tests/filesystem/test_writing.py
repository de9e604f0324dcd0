"""Writes: whole or not at all, in bounded memory, and nothing is left of what fails."""

from __future__ import annotations

import array
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pytest
from proxied import ProxiedStore

from foodco_storage.filesystem import copying, write_file
from foodco_storage.filesystem.uploads import even_ranges, part_bytes_for
from foodco_storage.testing import Answer, FaultProxy, MotoStore

MIB = 1024**2


@pytest.fixture
def store(moto_store: MotoStore) -> Iterator[ProxiedStore]:
    """A bucket for each test."""
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        made = ProxiedStore(moto_store.server, proxy)
        yield made
        made.close()


def test_an_object_appears_when_the_file_is_closed(store: ProxiedStore) -> None:
    path = f"{store.bucket}/key"
    file = store.fs.open(path, "wb")
    file.write(b"one")
    assert not store.fs.exists(path)
    file.write(bytearray(b"two"))
    file.write(memoryview(b"three"))
    file.write(array.array("B", b"four"))
    file.close()
    file.close()
    assert store.fs.cat_file(path) == b"onetwothreefour"


@pytest.mark.parametrize("wait", [lambda file: file.close(), lambda file: file.__exit__(None, None, None)])
def test_parts_are_sent_while_it_is_written(store: ProxiedStore, wait: Callable[[Any], None]) -> None:
    path = f"{store.bucket}/key"
    file = store.fs.open(path, "wb", block_size=5 * MIB)
    body = bytes(range(256)) * 4096 * 13
    for start in range(0, len(body), 700_001):
        file.write(body[start : start + 700_001])
    assert store.s3.list_multipart_uploads(Bucket=store.bucket)["Uploads"]
    wait(file)
    assert store.fs.cat_file(path) == body
    assert store.s3.head_object(Bucket=store.bucket, Key="key", PartNumber=1)["PartsCount"] == 3


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 10 * MIB + 1])
def test_every_size_around_parts(store: ProxiedStore, size: int) -> None:
    path, body = f"{store.bucket}/key", b"x" * size
    with store.fs.open(path, "wb", block_size=5 * MIB) as file:
        file.write(body)
    assert store.fs.size(path) == size
    store.fs.pipe_file(path, body, chunksize=5 * MIB)
    assert store.fs.size(path) == size


def test_memory_is_bounded(store: ProxiedStore) -> None:
    chunk = bytes(MIB)
    store.fs.pipe_file(f"{store.bucket}/warm", b"up")
    tracemalloc.start()
    try:
        with store.fs.open(f"{store.bucket}/key", "wb", block_size=5 * MIB) as file:
            for _ in range(80):
                file.write(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (write_file.CONCURRENCY + 4) * 5 * MIB
    assert store.fs.size(f"{store.bucket}/key") == 80 * MIB


class TestFailures:
    @pytest.mark.parametrize("mode", ["wb", "w", "xb"])
    @pytest.mark.parametrize("size", [10, 12 * MIB])
    def test_an_exception_in_the_block_leaves_nothing(self, store: ProxiedStore, mode: str, size: int) -> None:
        data: Any = "x" * size if mode == "w" else b"x" * size

        def write() -> None:
            with store.fs.open(f"{store.bucket}/key", mode, block_size=5 * MIB) as file:
                file.write(data)
                raise KeyError(mode)

        with pytest.raises(KeyError):
            write()
        gc.collect()
        assert store.nothing_is_left()

    @pytest.mark.parametrize("way", ["open", "pipe_file", "put_file"])
    def test_a_part_that_fails_leaves_nothing(self, store: ProxiedStore, way: str, tmp_path: Any) -> None:
        path, body = f"{store.bucket}/key", bytes(12 * MIB)
        (tmp_path / "file").write_bytes(body)

        def write() -> None:
            if way == "open":
                with store.fs.open(path, "wb", block_size=5 * MIB) as file:
                    file.write(body[: 6 * MIB])
                    file.write(body[6 * MIB :])
            elif way == "pipe_file":
                store.fs.pipe_file(path, body, chunksize=5 * MIB)
            else:
                store.fs.put_file(str(tmp_path / "file"), path, chunksize=5 * MIB)

        store.proxy.inject(Answer(status=403), methods=["PUT"])
        with pytest.raises(PermissionError) as caught:
            write()
        assert caught.value.filename == path
        store.proxy.pass_through()
        gc.collect()
        assert store.nothing_is_left()

    @pytest.mark.parametrize("told", [1, 2, 3])
    def test_a_callback_that_fails_leaves_nothing(self, store: ProxiedStore, tmp_path: Any, told: int) -> None:
        class Fails(fsspec.Callback):  # type: ignore[misc] # fsspec is untyped
            calls = 0

            def relative_update(self, inc: int = 1) -> None:
                self.calls += 1
                if self.calls == told:
                    raise ZeroDivisionError(inc)

        (tmp_path / "file").write_bytes(bytes(15 * MIB))
        with pytest.raises(ZeroDivisionError):
            store.fs.put_file(str(tmp_path / "file"), f"{store.bucket}/key", chunksize=5 * MIB, callback=Fails())
        assert store.nothing_is_left()

    def test_a_small_file_that_fails_can_be_written_again(self, store: ProxiedStore) -> None:
        path = f"{store.bucket}/key"
        file = store.fs.open(path, "wb")
        file.write(b"x")
        store.proxy.inject(Answer(status=403), methods=["PUT"])
        with pytest.raises(PermissionError):
            file.close()
        store.proxy.pass_through()
        assert file.closed
        file.close()
        assert store.nothing_is_left()
        store.fs.pipe_file(path, b"x")

    def test_a_transaction_that_fails_leaves_nothing(self, store: ProxiedStore) -> None:
        def write() -> None:
            with store.fs.transaction:
                for name, size in (("small", 10), ("large", 12 * MIB)):
                    with store.fs.open(f"{store.bucket}/{name}", "wb", block_size=5 * MIB) as file:
                        file.write(bytes(size))
                raise KeyError

        with pytest.raises(KeyError):
            write()
        assert store.nothing_is_left()

    def test_a_transaction_makes_its_objects_at_its_end(self, store: ProxiedStore) -> None:
        with store.fs.transaction:
            for name, size in (("small", 10), ("large", 12 * MIB), ("empty", 0)):
                with store.fs.open(f"{store.bucket}/{name}", "wb", block_size=5 * MIB) as file:
                    file.write(bytes(size))
            assert not store.fs.find(store.bucket)
        assert store.fs.du(store.bucket, total=False) == {
            f"{store.bucket}/{name}": size for name, size in (("empty", 0), ("large", 12 * MIB), ("small", 10))
        }

    def test_exclusive_writes_that_meet(self, store: ProxiedStore) -> None:
        path = f"{store.bucket}/key"
        for size in (10, 12 * MIB):
            file = store.fs.open(path, "xb", block_size=5 * MIB)
            file.write(bytes(size))
            store.fs.pipe_file(path, b"first")
            with pytest.raises(FileExistsError) as caught:
                file.close()
            assert caught.value.filename == path
            assert store.fs.cat_file(path) == b"first"
            store.fs.rm(path)
        assert store.nothing_is_left()

    @pytest.mark.parametrize("block", [0, 1000, 6 * 1024**3])
    def test_block_sizes_that_s3_does_not_take(self, store: ProxiedStore, block: int) -> None:
        if block:
            with pytest.raises(ValueError, match="block_size must be between 5 MiB"):
                store.fs.open(f"{store.bucket}/key", "wb", block_size=block)
        with pytest.raises(ValueError, match="chunksize must be between 5 MiB"):
            store.fs.pipe_file(f"{store.bucket}/key", b"x", chunksize=block or 1)

    def test_arguments_that_nobody_takes(self, store: ProxiedStore) -> None:
        with pytest.raises(TypeError, match=r"open\(\) takes no ContentTipe in mode 'wb'"):
            store.fs.open(f"{store.bucket}/key", "wb", ContentTipe="text/plain")
        with pytest.raises(ValueError, match="mode must be 'create' or 'overwrite', not 'maybe'"):
            store.fs.pipe_file(f"{store.bucket}/key", b"x", mode="maybe")
        with pytest.raises(TypeError, match="unexpected keyword argument 'endpoint'"):
            fsspec.filesystem("foodco", endpoint="http://127.0.0.1")


class TestAppend:
    @pytest.mark.parametrize("size", [0, 5, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1])
    def test_what_was_there_and_what_it_carried_stay(self, store: ProxiedStore, size: int) -> None:
        path = f"{store.bucket}/key"
        more: dict[str, Any] = {"ContentType": "text/plain", "Metadata": {"kitchen": "naples"}}
        store.fs.pipe_file(path, b"a" * size, **more)
        with store.fs.open(path, "ab") as file:
            assert file.tell() == size
            file.write(b"tail")
        assert store.fs.cat_file(path) == b"a" * size + b"tail"
        assert store.fs.info(path)["ContentType"] == "text/plain"
        assert store.fs.metadata(path) == {"kitchen": "naples"}


class TestCopies:
    def test_in_parts_what_it_carries_stays(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(copying, "COPIED_AT_ONCE", 6 * MIB)
        source, target = f"{store.bucket}/source", f"{store.bucket}/target"
        body = bytes(range(256)) * 4096 * 11
        store.fs.pipe_file(source, body, ContentType="text/plain", Metadata={"kitchen": "naples"})
        store.fs.cp_file(source, target, block=5 * MIB)
        assert store.fs.cat_file(target) == body
        assert store.fs.metadata(target) == {"kitchen": "naples"}
        assert store.fs.info(target)["ContentType"] == "text/plain"
        assert store.fs.info(target)["ETag"].endswith('-2"')

    def test_the_same_etag(self, store: ProxiedStore) -> None:
        source, target = f"{store.bucket}/source", f"{store.bucket}/target"
        store.fs.pipe_file(source, bytes(13 * MIB), chunksize=5 * MIB)
        store.fs.cp_file(source, target, preserve_etag=True)
        assert store.fs.info(target)["ETag"] == store.fs.info(source)["ETag"]

    def test_a_failed_copy_keeps_the_source_of_a_move(self, store: ProxiedStore) -> None:
        store.fs.pipe_file(f"{store.bucket}/source", b"x")
        store.proxy.inject(Answer(status=403), methods=["PUT"])
        with pytest.raises(PermissionError):
            store.fs.mv(f"{store.bucket}/source", f"{store.bucket}/target")
        store.proxy.pass_through()
        assert store.fs.cat_file(f"{store.bucket}/source") == b"x"


def test_deletes_that_the_store_refuses_are_told(store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    send = store.fs.store.send

    def refuse(operation: str, params: Any, *more: Any) -> Any:
        if operation == "delete_objects":
            return {"Errors": [{"Key": "b", "Code": "AccessDenied", "Message": "no"}]}
        return send(operation, params, *more)

    monkeypatch.setattr(store.fs.store, "send", refuse)
    with pytest.raises(PermissionError) as caught:
        store.fs.rm([f"{store.bucket}/a", f"{store.bucket}/b"])
    assert caught.value.filename == f"{store.bucket}/b"


def test_more_keys_than_one_request_takes(store: ProxiedStore) -> None:
    for number in range(25):
        store.s3.put_object(Bucket=store.bucket, Key=f"d/{number:04}", Body=b"")
    from foodco_storage.filesystem import deleting  # noqa: PLC0415

    batches = list(deleting.batches(store.fs.store.parse(f"{b}/{n}") for n in range(1500) for b in ("one", "two")))
    assert sorted(len(batch) for batch in batches) == [500, 500, 1000, 1000]
    assert all(len({address.bucket for address in batch}) == 1 for batch in batches)
    assert len(store.fs.rm(f"{store.bucket}/d", recursive=True)) == 25
    assert store.nothing_is_left()


def test_part_sizes() -> None:
    assert part_bytes_for(10, None) == 16 * MIB
    assert part_bytes_for(5 * 1024**4, None) * 10_000 >= 5 * 1024**4
    for size, most in ((1, 5 * MIB), (10 * MIB, 5 * MIB), (11 * MIB, 5 * MIB), (5 * 1024**4, 5 * 1024**3)):
        ranges = list(even_ranges(size, most))
        assert ranges[0][0] == 0
        assert ranges[-1][1] == size
        assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
        assert all(min(size, 5 * MIB) <= end - start < most + 5 * MIB for start, end in ranges)
