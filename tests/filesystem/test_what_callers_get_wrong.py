"""Mistakes of callers: told by the name of what is wrong, before anything is opened, sent or lost."""

from __future__ import annotations

import pickle
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pytest
from proxied import ProxiedStore

from foodco_storage.errors import ConfigurationError
from foodco_storage.filesystem import FileChangedError, FoodcoFileSystem

BODY = b"precious"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("key", 5, TypeError),
        ("secret", b"x", TypeError),
        ("token", 1, TypeError),
        ("endpoint_url", 5, TypeError),
        ("endpoint_url", "localhost:9000", ValueError),
        ("endpoint_url", "", ValueError),
        ("anon", "yes", TypeError),
        ("use_ssl", "no", TypeError),
        ("version_aware", "x", TypeError),
        ("use_ssl", None, TypeError),
        ("use_listings_cache", "x", TypeError),
        ("max_concurrency", None, TypeError),
        ("client_kwargs", [1], TypeError),
        ("config_kwargs", 3, TypeError),
        ("s3_additional_kwargs", 3, TypeError),
        ("storage", 3, TypeError),
        ("storage", [1], TypeError),
        ("default_cache_type", "bogus", ValueError),
        ("default_block_size", "16MB", TypeError),
        ("default_block_size", -1, ValueError),
        ("max_concurrency", "x", TypeError),
        ("max_concurrency", 0, ValueError),
        ("batch_size", -5, ValueError),
        ("max_paths", "x", TypeError),
        ("max_paths", -1, ValueError),
        ("listings_expiry_time", "x", TypeError),
        ("listings_expiry_time", -1, ValueError),
    ],
)
def test_arguments_are_told_by_name(name: str, value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=rf"^{name} must "):
        FoodcoFileSystem(**{name: value})


def test_secrets_are_not_told() -> None:
    with pytest.raises(TypeError) as caught:
        FoodcoFileSystem(secret=b"hidden")  # type: ignore[arg-type]
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"profile": "nobody"}, "nobody"),
        ({"client_kwargs": {"region_name": "not a region"}}, "not a region"),
    ],
)
def test_what_botocore_can_not_use_is_no_error_of_a_file(store: ProxiedStore, options: Any, told: str) -> None:
    fs = FoodcoFileSystem(endpoint_url=store.proxy.endpoint_url, skip_instance_cache=True, **options)
    for ask in (fs.ls, fs.cat_file, fs.open):
        with pytest.raises(ConfigurationError, match=told) as caught:
            ask(f"{store.bucket}/key")
        assert caught.value.__cause__ is not caught.value


def test_a_mistake_is_not_its_own_cause() -> None:
    fs = FoodcoFileSystem(storage={"backends": {"one": {"preset": "nonsense"}}}, skip_instance_cache=True)
    with pytest.raises(ConfigurationError) as caught:
        fs.cat_file("bucket/key")
    assert caught.value.__cause__ is None


class TestParameters:
    def test_for_every_request(self, store: ProxiedStore) -> None:
        fs = store.open(s3_additional_kwargs={"ServerSideEncryptoin": "AES256"})
        with pytest.raises(TypeError, match="no request to S3 takes ServerSideEncryptoin"):
            fs.pipe_file(f"{store.bucket}/key", b"x")

    @pytest.mark.parametrize("method", ["cp_file", "mv", "merge"])
    def test_of_copies(self, store: ProxiedStore, method: str) -> None:
        path = store.put("parameters", BODY)
        sources: Any = [path] if method == "merge" else path
        first, second = (f"{path}2", sources) if method == "merge" else (path, f"{path}2")
        with pytest.raises(ValueError, match="takes no ServerSideEncryptoin"):
            getattr(store.fs, method)(first, second, ServerSideEncryptoin="AES256")
        assert store.content()["parameters"] == BODY

    def test_none_is_as_if_it_were_not_given(self, store: ProxiedStore) -> None:
        path = f"{store.bucket}/none"
        store.fs.pipe_file(path, bytes(11 * 1024**2), chunksize=5 * 1024**2, ContentType=None)
        with store.fs.open(path, "wb", ContentType=None) as file:
            file.write(b"x")
        store.fs.cp_file(path, f"{path}2", CacheControl=None)


class TestOpening:
    @pytest.mark.parametrize(
        ("mode", "options", "kind"),
        [
            ("wb", {"compression": "bogus"}, ValueError),
            ("w", {"compression": "bogus"}, ValueError),
            ("w", {"encoding": "bogus"}, LookupError),
            ("w", {"newline": "q"}, ValueError),
            ("w", {"errors": 3}, TypeError),
            ("wb", {"acl": "bogus"}, ValueError),
            ("wb", {"block_size": "x"}, TypeError),
            ("wb", {"Nonsense": 1}, TypeError),
            ("wx", {}, NotImplementedError),
            ("rb", {"cache_type": "bogus"}, ValueError),
        ],
    )
    def test_leaves_the_object(self, store: ProxiedStore, mode: str, options: Any, kind: type[Exception]) -> None:
        path = store.put("precious", BODY)
        with pytest.raises(kind):
            store.fs.open(path, mode, **options)
        assert store.content()["precious"] == BODY

    def test_also_where_a_codec_is_not_installed(self, store: ProxiedStore, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(*_: Any, **__: Any) -> None:
            raise ModuleNotFoundError("no codec")

        monkeypatch.setitem(fsspec.compression.compr, "gzip", missing)
        path = store.put("precious", BODY)
        with pytest.raises(ModuleNotFoundError):
            store.fs.open(path, "wb", compression="gzip")
        assert store.content()["precious"] == BODY

    def test_of_a_key_that_ends_with_a_slash(self, store: ProxiedStore) -> None:
        store.put("marked/", b"of the marker")
        store.put("marked/x", b"x")
        found = store.fs.find(f"{store.bucket}/marked")
        assert [store.fs.open(path).read() for path in found] == [b"of the marker", b"x"]
        with pytest.raises(FileNotFoundError):
            store.fs.open(f"{store.bucket}/marked")


def test_paths_that_are_no_texts(store: ProxiedStore) -> None:
    store.put("deep/key", BODY)
    path, above = PurePosixPath(store.bucket, "deep", "key"), PurePosixPath(store.bucket, "deep")
    fs = store.fs
    assert (fs.info(path)["size"], fs.size(path), fs.du(path), fs.exists(path), fs.isfile(path)) == (
        8,
        8,
        8,
        True,
        True,
    )
    assert fs.find(above) == fs.ls(above, detail=False) == [str(path)]
    assert fs.cat_file(path) == fs.open(path).read() == BODY


class TestFileNames:
    def test_of_what_patterns_and_directories_miss(self, store: ProxiedStore, tmp_path: Any) -> None:
        for ask in (
            lambda path: store.fs.cat(f"{path}*"),
            lambda path: store.fs.cat(path, recursive=True),
            lambda path: store.fs.get(path, str(tmp_path / "x"), recursive=True),
            lambda path: store.fs.cp(path, f"{path}2", recursive=True),
            lambda path: store.fs.rm(f"{path}*"),
            lambda path: store.fs.mv(f"{path}*", f"{path}2"),
        ):
            with pytest.raises(FileNotFoundError) as caught:
                ask(f"{store.bucket}/missing")
            assert f"{store.bucket}/missing" in str(caught.value.filename)
            assert caught.value.errno == 2

    def test_of_a_bucket_that_is_copied_to(self, store: ProxiedStore) -> None:
        path, target = store.put("source", BODY), f"{store.bucket}-missing/x"
        for ask in (store.fs.cp_file, store.fs.mv):
            with pytest.raises(FileNotFoundError) as caught:
                ask(path, target)
            assert caught.value.filename == target
        assert store.content()["source"] == BODY

    def test_of_a_version(self, store: ProxiedStore) -> None:
        fs = store.open(version_aware=True)
        path = store.put("version", BODY)
        with pytest.raises(OSError, match="versionId=nonsense"):
            fs.cat_file(f"{path}?versionId=nonsense")
        fs.s3.close()

    def test_of_a_local_directory_that_takes_no_file(self, store: ProxiedStore) -> None:
        with pytest.raises(OSError, match="/proc/foodco"):
            store.fs.get_file(store.put("local", BODY), "/proc/foodco")


def test_a_client_method_that_there_is_not(store: ProxiedStore) -> None:
    with pytest.raises(ValueError, match="bogus"):
        store.fs.url(store.put("url", BODY), client_method="bogus")


def test_a_changed_file_is_told_from_another_process() -> None:
    error = FileChangedError("bucket/key", '"1"')
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, again.filename) == (FileChangedError, error.args, "bucket/key")


def test_the_place_of_none_is_told(monkeypatch: pytest.MonkeyPatch, store: ProxiedStore) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    fs = FoodcoFileSystem(endpoint_url=store.proxy.endpoint_url, skip_instance_cache=True)
    with pytest.raises(PermissionError, match="give key and secret, a profile"):
        fs.cat_file(f"{store.bucket}/key")
    fs.s3.close()


def test_nothing_goes_to_a_bucket_of_a_pattern(store: ProxiedStore) -> None:
    for ask in (store.fs.glob, store.fs.rm):
        with pytest.raises(ValueError, match="patterns do not reach buckets"):
            ask("some-*")
