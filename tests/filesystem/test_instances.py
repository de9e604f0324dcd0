"""One filesystem for what is the same, in every process and thread; coroutines, forks, pickles."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest

import foodco_storage
from foodco_storage.config import Backend, Configuration, Secret
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import MotoStore

BODY = bytes(range(256)) * 2000


@pytest.fixture
def bucket(moto_store: MotoStore, bucket_name: str) -> str:
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    for number in range(20):
        s3.put_object(Bucket=bucket_name, Key=f"d/{number:02}", Body=b"%d" % number)
    s3.put_object(Bucket=bucket_name, Key="large", Body=BODY)
    s3.close()
    return bucket_name


@pytest.fixture
def options(moto_store: MotoStore) -> dict[str, Any]:
    server = moto_store.server
    return {"endpoint_url": server.endpoint_url, "key": server.access_key_id, "secret": server.secret_access_key}


def read_in_a_process(fs: Any, path: str) -> bytes:
    return bytes(fs.cat_file(path))


def token_in_a_process(options: dict[str, Any]) -> str:
    return str(FoodcoFileSystem(**options).__dask_tokenize__())


class TestCoroutines:
    def test_bulk_and_single(self, options: dict[str, Any], bucket: str) -> None:
        async def use() -> Any:
            fs = FoodcoFileSystem(**options, asynchronous=True)
            await fs.set_session()
            await fs._pipe({f"{bucket}/new/{n}": b"x" * n for n in range(30)})
            found = await fs._find(f"{bucket}/new")
            read = await fs._cat(found)
            await fs._cp_file(f"{bucket}/new/3", f"{bucket}/copy")
            walked = [root async for root, _, _ in fs._walk(f"{bucket}/new")]
            globbed = await fs._glob(f"{bucket}/new/2*")
            async with await fs.open_async(f"{bucket}/large") as file:
                first = await file.read(10)
                rest = await file.read()
            await fs._rm(f"{bucket}/new", recursive=True)
            assert not await fs._exists(f"{bucket}/new")
            return len(read), walked, len(globbed), first + rest == BODY, await fs._info(f"{bucket}/copy")

        count, walked, globbed, same, info = asyncio.run(use())
        assert (count, walked, globbed, same, info["size"]) == (30, [f"{bucket}/new"], 11, True, 3)

    def test_synchronous_methods_inside_a_loop(self, options: dict[str, Any], bucket: str) -> None:
        async def use() -> Any:
            fs = FoodcoFileSystem(**options)
            return fs.cat_file(f"{bucket}/d/07"), fs.find(f"{bucket}/d"), fs.cat([f"{bucket}/d/01", f"{bucket}/d/02"])

        one, found, many = asyncio.run(use())
        assert (one, len(found), sorted(many.values())) == (b"7", 20, [b"1", b"2"])

    def test_reading_a_bucket_waits_for_nobody(self, options: dict[str, Any], bucket: str) -> None:
        """More files at once than there are threads, each in parts."""
        fs = FoodcoFileSystem(**options, max_concurrency=2, skip_instance_cache=True)
        fs.store.part_bytes = 100_000
        assert fs.cat_ranges([f"{bucket}/large"] * 64, None, None) == [BODY] * 64


class TestThreadsAndProcesses:
    def test_threads(self, options: dict[str, Any], bucket: str) -> None:
        def read(number: int) -> bytes:
            fs = fsspec.filesystem("foodco", **options)
            with fs.open(f"{bucket}/d/{number % 20:02}") as file:
                return bytes(file.read())

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(read, range(100))) == [b"%d" % (n % 20) for n in range(100)]

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_processes(self, options: dict[str, Any], bucket: str, method: str) -> None:
        fs = FoodcoFileSystem(**options)
        fs.cat([f"{bucket}/d/01", f"{bucket}/d/02"])  # threads and connections are there
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            assert pool.submit(read_in_a_process, fs, f"{bucket}/d/03").result() == b"3"
            assert pool.submit(token_in_a_process, options).result() == fs.__dask_tokenize__()

    def test_a_fork_with_everything_open(self, options: dict[str, Any], bucket: str) -> None:
        fs = FoodcoFileSystem(**options)
        fs.cat([f"{bucket}/d/01", f"{bucket}/d/02"])
        file = fs.open(f"{bucket}/large", block_size=70_000)
        assert file.read(100_000) == BODY[:100_000]
        read_end, write_end = os.pipe()
        if (child := os.fork()) == 0:
            try:
                same = file.read() == BODY[100_000:]
                many = fs.cat([f"{bucket}/d/01", f"{bucket}/d/02"])
                os.write(write_end, b"%d%d" % (same, len(many)))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(write_end)
        with open(read_end, "rb") as told:  # noqa: PTH123 - a descriptor
            assert told.read() == b"12"
        assert file.read() == BODY[100_000:]
        file.close()


class TestPickles:
    def test_filesystems(self, options: dict[str, Any], bucket: str) -> None:
        fs = FoodcoFileSystem(**options)
        again = pickle.loads(pickle.dumps(fs))
        assert again == fs
        assert hash(again) == hash(fs)
        assert again.cat_file(f"{bucket}/d/03") == b"3"

    def test_files(self, options: dict[str, Any], bucket: str) -> None:
        fs = FoodcoFileSystem(**options)
        for cache in ("stream", "readahead"):
            with fs.open(f"{bucket}/large", cache_type=cache, block_size=70_000) as file:
                file.seek(300_000)
                with pickle.loads(pickle.dumps(file)) as again:
                    assert (again.tell(), again.read()) == (300_000, BODY[300_000:])
        with fs.open(f"{bucket}/new", "wb") as file, pytest.raises(RuntimeError, match="writeable"):
            pickle.dumps(file)

    def test_open_files(self, options: dict[str, Any], bucket: str) -> None:
        opened = fsspec.open(f"foodco://{bucket}/d/03", **options)
        with pickle.loads(pickle.dumps(opened)) as file:
            assert file.read() == b"3"


def described(secret: str, url: str = "http://127.0.0.1:9") -> Configuration:
    backend = Backend(preset="s3", endpoint_url=url, access_key_id=Secret("a"), secret_access_key=Secret(secret))
    return Configuration(backends={"one": backend})


class TestSameness:
    def test_of_arguments(self, options: dict[str, Any]) -> None:
        fs = fsspec.filesystem("foodco", **options)
        assert fsspec.filesystem("foodco", **options) is fs
        other = fsspec.filesystem("foodco", **{**options, "secret": "another"})
        assert other is not fs
        assert other != fs
        assert fsspec.filesystem("foodco", **options) is fs
        assert FoodcoFileSystem(**options, skip_instance_cache=True) == fs

    def test_of_secrets_that_reprs_hide(self) -> None:
        first = fsspec.filesystem("foodco", storage=described("one"))
        second = fsspec.filesystem("foodco", storage=described("two"))
        assert first != second
        assert first is not second
        assert second.storage_options["storage"] == described("two")
        assert first.__dask_tokenize__() != second.__dask_tokenize__()
        assert fsspec.filesystem("foodco", storage=described("two")) is second
        assert "two" not in repr(second) + str(second.__dict__.get("store"))

    def test_of_sessions_that_look_alike(self) -> None:
        sessions = [foodco_storage.Session(aws_access_key_id=name, aws_secret_access_key="s") for name in "ab"]
        first, second = (fsspec.filesystem("foodco", session=session) for session in sessions)
        assert first is not second
        assert first != second
        assert [fs.s3._request_signer._credentials.access_key for fs in (first, second)] == ["a", "b"]
        for fs in (first, second):
            fs.s3.close()

    def test_of_configurations_that_say_the_same(self) -> None:
        def said(*urls: str) -> dict[str, Any]:
            return {
                "backends": {name: {"preset": "s3", "endpoint_url": url} for name, url in zip("ab", urls, strict=True)}
            }

        url = "http://127.0.0.1:9"
        first = FoodcoFileSystem(storage=said(url, url), skip_instance_cache=True)
        # Equal texts that are not one object, as in another process.
        second = FoodcoFileSystem(storage=said(url, url[:8] + url[8:]), skip_instance_cache=True)
        assert first == second
        assert first != FoodcoFileSystem(storage=said(url, url + "9"), skip_instance_cache=True)
        assert first == FoodcoFileSystem(storage=dict(reversed(said(url, url).items())), skip_instance_cache=True)

    def test_of_many_threads_that_ask_for_different_ones(self) -> None:
        storages = [described(str(number)) for number in range(8)]

        def ask(number: int) -> bool:
            fs = fsspec.filesystem("foodco", storage=storages[number % 8])
            return bool(fs.storage_options["storage"] == storages[number % 8])

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(400)))

    def test_a_configuration_that_changes_before_the_first_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FOODCO_STORAGE__DEFAULT__BACKEND", "caller")
        early = fsspec.filesystem("foodco")
        monkeypatch.setenv("FOODCO_STORAGE__BACKENDS__ONE__ENDPOINT_URL", "http://127.0.0.1:12345")
        monkeypatch.setenv("FOODCO_STORAGE__DEFAULT__BACKEND", "one")
        assert early.s3.meta.endpoint_url == "http://127.0.0.1:12345"
        now = fsspec.filesystem("foodco")
        assert now == early
        monkeypatch.delenv("FOODCO_STORAGE__BACKENDS__ONE__ENDPOINT_URL")
        monkeypatch.setenv("FOODCO_STORAGE__DEFAULT__BACKEND", "caller")
        late = fsspec.filesystem("foodco")
        assert late is not early
        assert late != early
        assert late.s3.meta.endpoint_url != "http://127.0.0.1:12345"
        early.s3.close()
        late.s3.close()

    def test_of_arguments_that_are_changed_afterwards(self) -> None:
        asked = {"endpoint_url": "http://127.0.0.1:11"}
        first = FoodcoFileSystem(client_kwargs=asked)
        asked["endpoint_url"] = "http://127.0.0.1:12"
        assert first.s3.meta.endpoint_url == "http://127.0.0.1:11"
        assert FoodcoFileSystem(client_kwargs={"endpoint_url": "http://127.0.0.1:11"}) is first
        assert FoodcoFileSystem(client_kwargs=asked) is not first
        first.s3.close()

    @pytest.mark.parametrize("by_file", [False, True])
    def test_of_what_a_configuration_refers_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_file: bool
    ) -> None:
        storage: Any = {
            "backends": {"one": {"preset": "s3", "endpoint_url": "http://127.0.0.1:${KITCHEN_PORT}"}},
            "default": {"backend": "one"},
        }
        if by_file:
            (tmp_path / "storage.toml").write_text(
                '[backends.one]\npreset = "s3"\nendpoint_url = "http://127.0.0.1:${KITCHEN_PORT}"\n'
                '[default]\nbackend = "one"\n'
            )
            storage = str(tmp_path / "storage.toml")
        ports = []
        for port in ("11", "12"):
            monkeypatch.setenv("KITCHEN_PORT", port)
            fs = FoodcoFileSystem(storage=storage)
            assert FoodcoFileSystem(storage=storage) is fs
            ports.append(fs.s3.meta.endpoint_url.rpartition(":")[2])
            fs.s3.close()
        assert ports == ["11", "12"]

    def test_of_what_boto3_finds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:11")
        first = fsspec.filesystem("foodco")
        assert fsspec.filesystem("foodco") is first
        first.s3.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:12")
        second = fsspec.filesystem("foodco")
        assert second.s3.meta.endpoint_url == "http://127.0.0.1:12"
        second.s3.close()
        foodco_storage.setup_default_session(
            aws_access_key_id="a", aws_secret_access_key="s", region_name="eu-central-1"
        )
        third = fsspec.filesystem("foodco")
        assert third.s3.meta.region_name == "eu-central-1"
        assert third not in {first, second}
        third.s3.close()

    def test_those_of_old_configurations_are_let_go(self, tmp_path: Path) -> None:
        file = tmp_path / "storage.toml"
        for port in range(10):
            file.write_text(f"# {port}")
            fsspec.filesystem("foodco", storage=str(file))
        kept = [one for one in FoodcoFileSystem._cache.values() if one.storage_options == {"storage": str(file)}]
        assert len(kept) == 1

    def test_of_boto3s_own_sessions(self, options: dict[str, Any], bucket: str) -> None:
        session = boto3.Session(aws_access_key_id=options["key"], aws_secret_access_key=options["secret"])
        fs = FoodcoFileSystem(session=session, endpoint_url=options["endpoint_url"])
        assert fs.cat_file(f"{bucket}/d/03") == b"3"
        # It stays as it was.
        session.client("s3").close()
        fs.s3.close()

    def test_a_configuration_that_changed_is_read_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "storage.toml"
        text = '[backends.one]\npreset = "s3"\nendpoint_url = "http://127.0.0.1:{}"\n[default]\nbackend = "one"\n'
        file.write_text(text.format(1))
        monkeypatch.setenv("FOODCO_STORAGE_CONFIG", str(file))
        first = fsspec.filesystem("foodco")
        assert fsspec.filesystem("foodco") is first
        file.write_text(text.format(12345))
        second = fsspec.filesystem("foodco")
        assert second is not first
        assert second != first
        assert second.s3.meta.endpoint_url == "http://127.0.0.1:12345"
        monkeypatch.setenv("FOODCO_STORAGE__DEFAULT__BACKEND", "caller")
        third = fsspec.filesystem("foodco")
        assert third is not second
        monkeypatch.delenv("FOODCO_STORAGE__DEFAULT__BACKEND")
        monkeypatch.delenv("FOODCO_STORAGE_CONFIG")
        foodco_storage.setup_default_session(storage=described("one"))
        fourth = fsspec.filesystem("foodco")
        assert fourth is not third
        assert fsspec.filesystem("foodco") is fourth
        second.s3.close()

    def test_arguments_that_do_not_fit(self, options: dict[str, Any]) -> None:
        for more, message in (
            ({"secret": None}, "key is given without secret"),
            ({"username": "u"}, "key and username are the same"),
            ({"max_concurrency": 0}, "max_concurrency must be 1 or more"),
            ({"profile": "p", "session": foodco_storage.Session()}, "give profile or session, not both"),
        ):
            with pytest.raises(ValueError, match=message):
                FoodcoFileSystem(**{**options, **more})
        with pytest.raises(
            TypeError, match=r"session must be a foodco_storage\.Session or a boto3 session, not builtins"
        ):
            FoodcoFileSystem(session=object())


class TestTakingOver:
    PROGRAM = """
import sys
import {module}
import fsspec
fs = fsspec.filesystem("s3")
print(type(fs).__module__, fs.unstrip_protocol("b/k"), fs._strip_protocol("s3a://b/k"))
"""

    def run(self, module: str, **environment: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", self.PROGRAM.format(module=module)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]

    def test_by_a_call(self) -> None:
        program = "foodco_storage; foodco_storage.register_s3()"
        assert self.run(program) == "foodco_storage.filesystem.s3_filesystem s3://b/k b/k"

    @pytest.mark.parametrize(("text", "taken"), [("true", True), ("false", False), ("'yes'", False), ("tr", False)])
    def test_by_a_file(self, tmp_path: Path, text: str, taken: bool) -> None:
        file = tmp_path / "storage.toml"
        file.write_text(f"[filesystem]\nregister_s3 = {text}\n")
        told = self.run("foodco_storage", FOODCO_STORAGE_CONFIG=str(file))
        assert told.startswith("foodco_storage.filesystem") == taken

    @pytest.mark.parametrize(
        ("name", "value", "taken"),
        [
            ("FILESYSTEM__REGISTER_S3", "true", True),
            ("FILESYSTEM__REGISTER_S3", "1", True),
            ("filesystem__register_s3", "true", True),
            ("FILESYSTEM", '{"register_s3": true}', True),
            ("FILESYSTEM__REGISTER_S3", "false", False),
            ("FILESYSTEM__REGISTER_S3", "maybe", False),
            ("FILESYSTEM__NONSENSE", "true", False),
        ],
    )
    def test_by_the_environment(self, name: str, value: str, taken: bool) -> None:
        told = self.run("foodco_storage", **{f"FOODCO_STORAGE__{name}": value})
        assert told.startswith("foodco_storage.filesystem") == taken

    def test_a_file_that_is_not_there(self) -> None:
        assert not self.run("foodco_storage", FOODCO_STORAGE_CONFIG="/nowhere.toml").startswith("foodco_storage")


def test_chained_urls(options: dict[str, Any], bucket: str, tmp_path: Path) -> None:
    url = f"simplecache::foodco://{bucket}/d/03"
    with fsspec.open(url, foodco=options, simplecache={"cache_storage": str(tmp_path)}) as file:
        assert file.read() == b"3"
    assert len(list(tmp_path.iterdir())) == 1
