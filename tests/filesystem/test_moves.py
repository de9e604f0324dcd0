"""Moves, removals and appends: nothing is lost that was not named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from proxied import ProxiedStore

from foodco_storage.filesystem import FileChangedError, copying
from foodco_storage.testing import Answer, FaultProxy, MotoStore

MIB = 1024**2


@pytest.fixture
def store(moto_store: MotoStore) -> Iterator[ProxiedStore]:
    """A bucket for each test."""
    with FaultProxy(moto_store.server.host, moto_store.server.port) as proxy:
        made = ProxiedStore(moto_store.server, proxy, version_aware=True)
        yield made
        made.close()


TREE = ("d/a", "d/b", "d/e/f", "d/e/g/h")


class TestMoves:
    def test_a_tree(self, store: ProxiedStore) -> None:
        store.fill(*TREE, "d", "other")
        store.fs.mv(f"{store.bucket}/d", f"{store.bucket}/n", recursive=True)
        moved = {key.replace("d", "n", 1): key.encode() for key in ("d", *TREE)}
        assert store.content() == {**moved, "other": b"other"}

    def test_some_levels_of_it(self, store: ProxiedStore) -> None:
        store.fill(*TREE)
        store.fs.mv(f"{store.bucket}/d", f"{store.bucket}/n", recursive=True, maxdepth=1)
        assert sorted(store.content()) == ["d/e/f", "d/e/g/h", "n/a", "n/b"]

    def test_into_a_directory_and_by_pattern(self, store: ProxiedStore) -> None:
        store.fill("a.txt", "b.txt", "c", "into/x")
        store.fs.mv(f"{store.bucket}/c", f"{store.bucket}/into/")
        store.fs.mv(f"{store.bucket}/*.txt", f"{store.bucket}/into")
        assert sorted(store.content()) == ["into/a.txt", "into/b.txt", "into/c", "into/x"]

    def test_onto_itself_by_another_spelling(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(copying, "COPIED_AT_ONCE", 1)
        store.fill("big")
        for source in (f"foodco://{store.bucket}/big", f"/{store.bucket}/big", f"{store.bucket}/big"):
            store.fs.mv(source, f"{store.bucket}/big")
        assert store.content() == {"big": b"big"}

    def test_into_itself(self, store: ProxiedStore) -> None:
        store.fill(*TREE)
        with pytest.raises(ValueError, match="into itself"):
            store.fs.mv(f"{store.bucket}/d", f"{store.bucket}/d/sub", recursive=True)
        assert sorted(store.content()) == sorted(TREE)

    def test_to_where_nothing_can_be_written(self, store: ProxiedStore) -> None:
        store.fill(*TREE)
        with pytest.raises(FileNotFoundError):
            store.fs.mv(f"{store.bucket}/d", f"{store.bucket}-missing/n", recursive=True)
        assert sorted(store.content()) == sorted(TREE)

    def test_of_nothing(self, store: ProxiedStore) -> None:
        for options in ({}, {"recursive": True}):
            with pytest.raises(FileNotFoundError):
                store.fs.mv(f"{store.bucket}/missing", f"{store.bucket}/n", **options)


class TestRemovals:
    def test_what_was_named_and_not_what_it_matches(self, store: ProxiedStore) -> None:
        store.fill("x[1].csv", "x1.csv", "y*", "yes")
        store.fs.rm(f"{store.bucket}/x[1].csv")
        store.fs.mv(f"{store.bucket}/y*", f"{store.bucket}/z")
        assert sorted(store.content()) == ["x1.csv", "yes", "z"]

    def test_some_levels_of_a_bucket_with_versions(self, store: ProxiedStore) -> None:
        store.fs.make_bucket_versioned(store.bucket)
        store.fill("top", "deep/er/x")
        store.fs.rm(store.bucket, recursive=True, maxdepth=1)
        assert sorted(store.content()) == ["deep/er/x"]
        store.fs.rm(store.bucket, recursive=True)
        assert not store.fs.exists(store.bucket)

    def test_an_old_version_has_a_name_of_its_own(self, store: ProxiedStore) -> None:
        store.fill("k")
        store.fs.make_bucket_versioned(store.bucket)
        store.s3.put_object(Bucket=store.bucket, Key="k", Body=b"latest")
        names = store.fs.ls(f"{store.bucket}/k", versions=True)
        assert len(set(names)) == 2
        assert sorted(store.fs.cat_file(name) for name in names) == [b"k", b"latest"]
        for write in (
            store.fs.touch,
            lambda path: store.fs.pipe_file(path, b""),
            lambda path: store.fs.open(path, "wb"),
        ):
            with pytest.raises(ValueError, match="a version can't be written"):
                write(names[0] if "versionId" in names[0] else names[1])

    def test_a_whole_bucket_comes_and_is_copied(self, store: ProxiedStore, tmp_path: Any) -> None:
        store.fill(*TREE)
        store.fs.get(store.bucket, str(tmp_path / "here"), recursive=True)
        assert (tmp_path / "here" / "d" / "e" / "f").read_bytes() == b"d/e/f"
        store.fs.mkdir(f"{store.bucket}-2")
        store.fs.cp(store.bucket, f"{store.bucket}-2", recursive=True)
        assert len(store.fs.find(f"{store.bucket}-2")) == len(TREE)


class TestAppends:
    @pytest.mark.parametrize("status", [403, 503])
    def test_one_that_can_not_open_leaves_the_object(self, store: ProxiedStore, status: int) -> None:
        store.fill("log")
        store.proxy.inject(Answer(status=status))
        with pytest.raises(OSError):  # noqa: PT011 - of either kind
            store.fs.open(f"{store.bucket}/log", "ab")
        store.proxy.pass_through()
        assert store.content() == {"log": b"log"}

    def test_one_that_another_writer_came_before(self, store: ProxiedStore) -> None:
        store.fill("log")
        file = store.fs.open(f"{store.bucket}/log", "ab")
        file.write(b" and more")
        store.s3.put_object(Bucket=store.bucket, Key="log", Body=b"theirs")
        with pytest.raises(FileChangedError):
            file.close()
        assert store.content() == {"log": b"theirs"}

    def test_tags_stay(self, store: ProxiedStore) -> None:
        store.s3.put_object(Bucket=store.bucket, Key="log", Body=b"x", Tagging="a=b%20c")
        with store.fs.open(f"{store.bucket}/log", "ab") as file:
            file.write(b"y")
        assert store.fs.get_tags(f"{store.bucket}/log") == {"a": "b c"}


class TestCompressed:
    @pytest.mark.parametrize("codec", ["gzip", "bz2", "xz"])
    @pytest.mark.parametrize("mode", ["wb", "w"])
    def test_it_is_whole_when_it_is_closed(self, store: ProxiedStore, codec: str, mode: str) -> None:
        path, data = f"{store.bucket}/key", "line\n" * 100_000
        with store.fs.open(path, mode, compression=codec) as file:
            file.write(data if mode == "w" else data.encode())
        with store.fs.open(path, "r", compression=codec) as file:
            assert file.read() == data

    @pytest.mark.parametrize("mode", ["wb", "w"])
    def test_an_exception_leaves_nothing(self, store: ProxiedStore, mode: str) -> None:
        def write() -> None:
            with store.fs.open(f"{store.bucket}/key", mode, compression="gzip") as file:
                file.write("x" if mode == "w" else b"x")
                raise KeyError

        with pytest.raises(KeyError):
            write()
        assert store.content() == {}

    def test_what_could_not_be_written_is_told(self, store: ProxiedStore) -> None:
        file = store.fs.open(f"{store.bucket}/key", "wb", compression="gzip")
        file.write(b"x")
        store.proxy.inject(Answer(status=403), methods=["PUT"])
        with pytest.raises(PermissionError):
            file.close()
        store.proxy.pass_through()
        assert store.content() == {}


def test_a_file_that_is_open_when_its_transaction_ends(store: ProxiedStore) -> None:
    with store.fs.transaction:
        file = store.fs.open(f"{store.bucket}/key", "wb", block_size=5 * MIB)
        file.write(bytes(12 * MIB))
    assert store.fs.size(f"{store.bucket}/key") == 12 * MIB
    with pytest.raises(ValueError, match="committed or discarded"):
        file.write(b"more")
    file.close()


def test_a_tree_that_can_not_be_walked_is_not_empty(store: ProxiedStore) -> None:
    store.proxy.inject(Answer(status=403))
    with pytest.raises(PermissionError):
        list(store.fs.walk(store.bucket))
    store.proxy.pass_through()
    assert list(store.fs.walk(f"{store.bucket}/missing")) == [(f"{store.bucket}/missing", [], [])]


def test_s3_is_taken_over_also_when_another_was_loaded() -> None:
    program = """
import fsspec
class Other(fsspec.AbstractFileSystem):
    protocol = "s3"
fsspec.register_implementation("s3", Other, clobber=True)
import foodco_storage
foodco_storage.register_s3()
print(fsspec.get_filesystem_class("s3").__module__)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "foodco_storage.filesystem.s3_filesystem"


@pytest.mark.parametrize("way", ["into a directory", "to names"])
def test_two_are_not_moved_to_one_path(store: ProxiedStore, way: str) -> None:
    store.fill("x/a", "y/a", "z/b")
    sources = [f"{store.bucket}/x/a", f"{store.bucket}/y/a"]
    target: Any = f"{store.bucket}/z/" if way == "into a directory" else [f"{store.bucket}/t"] * 2
    before = store.content()
    with pytest.raises(ValueError, match="more than one object would be moved to"):
        store.fs.mv(sources, target)
    with pytest.raises(ValueError, match="2 paths, 1 targets"):
        store.fs.mv(sources, [f"{store.bucket}/t"])
    assert store.content() == before
