"""Routed clients with a cache: what callers see, who shares it, and what becomes of it in threads, forks and other processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import EndpointConnectionError, ParamValidationError

import foodco_storage
from foodco_storage.counting import counters
from foodco_storage.errors import CacheError, ConfigurationError
from foodco_storage.front.caching import Caches, cache_directory
from foodco_storage.front.client import StorageClient

LEVELS: dict[str, dict[str, Any]] = {
    "memory": {"memory_max_bytes": "64MiB"},
    "disk": {"disk_max_bytes": "64MiB"},
}
levels = pytest.mark.parametrize("levels", LEVELS)
BODY = bytes(range(256)) * 16


@pytest.fixture
def storage(two: Any, tmp_path: Path) -> Any:
    def make(level: str | None = "disk", **cache: Any) -> dict[str, Any]:
        found: dict[str, Any] = two.storage(cache={**(LEVELS[level] if level else {}), **cache})
        found["cache"] = {"directory": str(tmp_path / "cache")}
        return found

    return make


def client(storage: dict[str, Any], **arguments: Any) -> Any:
    return foodco_storage.client("s3", storage=storage, **arguments)


def level_of(answer: dict[str, Any]) -> str | None:
    level: str | None = answer["ResponseMetadata"]["Storage"].get("cache")
    return level


@levels
def test_a_hit_looks_as_the_answer_that_was_kept(two: Any, storage: Any, levels: str) -> None:
    s3 = client(storage(levels))
    two.direct["new"].put_object(
        Bucket=two.bucket, Key="k", Body=BODY, Metadata={"dish": "soup"}, ContentType="image/png", Tagging="a=1"
    )
    first = s3.get_object(Bucket=two.bucket, Key="k")
    assert level_of(first) is None
    for _ in range(2):
        hit = s3.get_object(Bucket=two.bucket, Key="k")
        assert level_of(hit) == levels
        assert hit.keys() == first.keys()
        for name in first.keys() - {"Body", "ResponseMetadata"}:
            assert hit[name] == first[name]
            assert type(hit[name]) is type(first[name])
        assert type(hit["LastModified"].tzinfo) is type(first["LastModified"].tzinfo)
        assert type(hit["Body"]) is type(first["Body"])
        ours, theirs = dict(hit["ResponseMetadata"]), dict(first["ResponseMetadata"])
        assert ours.pop("Storage") == {**theirs.pop("Storage"), "cache": levels}
        assert ours == theirs
        assert hit["Body"].read() == BODY
    head = s3.head_object(Bucket=two.bucket, Key="k")
    plain = two.direct["new"].head_object(Bucket=two.bucket, Key="k")
    assert level_of(head) == levels
    assert head.keys() == plain.keys()


@levels
def test_what_a_fallback_holds(two: Any, storage: Any, levels: str) -> None:
    two.put("old", "k", BODY)
    s3 = client(storage(levels))
    for expected in (None, levels):
        answer = s3.get_object(Bucket=two.bucket, Key="k")
        assert (answer["Body"].read(), level_of(answer)) == (BODY, expected)
        assert answer["ResponseMetadata"]["Storage"]["backend"] == "old"


@levels
def test_writes_of_every_kind_are_seen(two: Any, storage: Any, levels: str) -> None:
    s3, other = client(storage(levels)), client(storage(levels))
    bucket = two.bucket
    two.put("new", "source", b"copied")
    small = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=5 * 1024**2)
    large = bytes(6 * 1024**2)
    writes: list[tuple[Any, bytes]] = [
        (lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"put"), b"put"),
        (lambda: s3.upload_fileobj(io.BytesIO(b"uploaded"), bucket, "k"), b"uploaded"),
        (lambda: s3.upload_fileobj(io.BytesIO(large), bucket, "k", Config=small), large),
        (lambda: s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source"), b"copied"),
    ]
    for write, expected in writes:
        write()
        for _ in range(2):
            for reader in (s3, other):
                assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == expected


@levels
def test_writes_of_any_client_of_the_process_are_seen(two: Any, storage: Any, levels: str) -> None:
    """Also of one without a cache, without routes, with other keys; by the name that callers give the bucket, or a store."""
    described = storage(levels, ttl_seconds=3600)
    described["routes"]["ours"] |= {"bucket": "called-so", "buckets": {"new": two.bucket}, "fallbacks": []}
    reader = client(described)
    uncached = storage(None)
    uncached["routes"]["ours"] = described["routes"]["ours"] | {"cache": {}}
    other_keys = json.loads(json.dumps(described))
    other_keys["backends"]["new"]["access_key_id"] = "another"
    plain = foodco_storage.client("s3", storage=None, **two.servers["new"].client_arguments())
    writers = [(client(uncached), "called-so"), (client(other_keys), "called-so"), (plain, two.bucket)]
    for number, (writer, bucket) in enumerate(writers):
        for body in (b"first", b"second"):
            writer.put_object(Bucket=bucket, Key="k", Body=body)
            for expected in (None, levels):
                answer = reader.get_object(Bucket="called-so", Key="k")
                assert (answer["Body"].read(), level_of(answer)) == (body, expected), number
        writer.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
        with pytest.raises(reader.exceptions.NoSuchKey):
            reader.get_object(Bucket="called-so", Key="k")


def test_many_keys_that_change_take_no_more_than_one(two: Any, storage: Any, tmp_path: Path) -> None:
    """As those of a role that every process assumes anew: the bound is that of the route, whoever reads."""
    two.put("new", "k", os.urandom(50_000))
    for number in range(20):
        described = storage(disk_max_bytes="300KiB", block_bytes="64KiB")
        described["backends"]["new"]["access_key_id"] = f"key-{number}"
        s3 = client(described)
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
        taken = 0
        for path in (tmp_path / "cache").glob("*/data/*/*"):
            # Room may be made meanwhile.
            with suppress(FileNotFoundError):
                taken += path.stat().st_size
        assert taken <= 300 * 1024
    assert len(list((tmp_path / "cache").glob("*/data"))) == 1


@levels
def test_a_store_that_its_caller_names(two: Any, storage: Any, levels: str) -> None:
    """Two clients with the same keys and routes may still ask two stores."""
    described = storage(levels, ttl_seconds=3600)
    described["routes"]["ours"] |= {"primary": "caller", "fallbacks": []}
    for name in ("new", "old"):
        two.put(name, "k", name.encode())
        s3 = client(described, **two.servers[name].client_arguments())
        for _ in range(2):
            assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == name.encode()


def test_a_write_that_is_under_way_when_the_first_cache_is_opened(
    two: Any, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StorageClient, "invalidation", None)
    monkeypatch.setattr("foodco_storage.front.caching.caches", opened := Caches())
    monkeypatch.setattr("foodco_storage.front.assembly.caches", opened)
    two.put("new", "k", b"old")
    writer = client(storage(None))
    readers: list[Any] = []

    def meanwhile(**_: Any) -> None:
        readers.append(client(storage("memory", ttl_seconds=3600)))
        assert readers[0].get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"old"

    writer.meta.events.register_first("before-send.s3.PutObject", meanwhile)
    writer.put_object(Bucket=two.bucket, Key="k", Body=b"new")
    assert readers[0].get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"new"


def test_a_confirmation_by_a_fallback_while_the_primary_is_down(two: Any, storage: Any) -> None:
    """It says what an older copy is: marked, and good for this answer alone."""
    two.put("old", "k", BODY)
    described = storage("memory", ttl_seconds=0)
    described["routes"]["ours"]["read_when_primary_down"] = True
    described["backends"]["new"] = {**two.backends["new"], "max_attempts": 1}
    s3 = client(described)
    assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == BODY
    s3.meta.events.register("before-send.s3", partial(_refused, two.servers["new"].endpoint_url))
    answer = s3.get_object(Bucket=two.bucket, Key="k")
    assert answer["Body"].read() == BODY
    assert answer["ResponseMetadata"]["Storage"] == {"backend": "old", "fallback": True, "degraded": True}


def test_degraded_answers_are_not_kept(two: Any, storage: Any) -> None:
    two.put("old", "k", BODY)
    described = storage("memory", ttl_seconds=3600)
    described["routes"]["ours"]["read_when_primary_down"] = True
    described["backends"]["new"] = {**two.backends["new"], "max_attempts": 1}
    s3 = client(described)
    s3.meta.events.register("before-send.s3", partial(_refused, two.servers["new"].endpoint_url))
    for params in ({}, {}, {"Range": "bytes=0-9"}):
        answer = s3.get_object(Bucket=two.bucket, Key="k", **params)
        assert answer["Body"].read() == (BODY[:10] if params else BODY)
        assert answer["ResponseMetadata"]["Storage"] == {"backend": "old", "fallback": True, "degraded": True}


def _refused(endpoint: str, request: Any, **_: Any) -> Any:
    if request.url.startswith(endpoint):
        raise EndpointConnectionError(endpoint_url=endpoint)


def test_events_of_a_hit(two: Any, storage: Any) -> None:
    two.put("new", "k", BODY)
    s3 = client(storage())
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    fired: list[str] = []
    for event in (
        "provide-client-params",
        "before-parameter-build",
        "before-call",
        "request-created",
        "before-sign",
        "before-send",
        "needs-retry",
        "after-call",
    ):
        s3.meta.events.register(f"{event}.s3", lambda event_name, **_: fired.append(event_name.split(".")[0]))
    s3.get_object(Bucket=two.bucket, Key="k")
    assert fired == ["provide-client-params", "before-parameter-build"]


def test_wrong_parameters_are_botocores_to_refuse(two: Any, storage: Any) -> None:
    two.put("new", "k", BODY)
    s3 = client(storage())
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    for wrong in ({"Range": 7}, {"Rnage": "bytes=0-1"}, {"IfMatch": 7}, {"Key": 7}):
        with pytest.raises(ParamValidationError):
            s3.get_object(**{"Bucket": two.bucket, "Key": "k", **wrong})


@levels
def test_managed_downloads(two: Any, storage: Any, tmp_path: Path, levels: str) -> None:
    body = os.urandom(9 * 1024**2)
    two.put("new", "large", body)
    s3 = client(storage(levels, max_object_bytes="16MiB", block_bytes="1MiB"))
    parts = TransferConfig(multipart_threshold=1024**2, multipart_chunksize=2 * 1024**2)
    for _ in range(2):
        s3.download_file(two.bucket, "large", str(tmp_path / "file"), Config=parts)
        assert (tmp_path / "file").read_bytes() == body
    before = counters()["ours"]["cache_misses"]
    s3.download_file(two.bucket, "large", str(tmp_path / "file"), Config=parts)
    # s3transfer begins with a HEAD, which the kept blocks answer too.
    assert counters()["ours"]["cache_misses"] == before


def test_other_credentials_share_nothing(two: Any, storage: Any) -> None:
    two.put("new", "k", BODY)
    one = storage()
    other = json.loads(json.dumps(one))
    other["backends"]["new"]["access_key_id"] = "another"
    for described in (one, other):
        s3 = client(described)
        assert level_of(s3.get_object(Bucket=two.bucket, Key="k")) is None
        assert level_of(s3.get_object(Bucket=two.bucket, Key="k")) == "disk"


def test_another_process(two: Any, storage: Any, tmp_path: Path) -> None:
    two.put("new", "k", BODY)
    described = storage()
    s3 = client(described)
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    program = (
        "import json, sys, foodco_storage\n"
        "storage, bucket = json.load(sys.stdin)\n"
        "s3 = foodco_storage.client('s3', storage=storage)\n"
        "answer = s3.get_object(Bucket=bucket, Key='k')\n"
        "print(answer['ResponseMetadata']['Storage'].get('cache'), len(answer['Body'].read()))\n"
        "s3.put_object(Bucket=bucket, Key='k', Body=b'theirs')\n"
    )
    given = json.dumps([described, two.bucket])
    ran = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["disk", str(len(BODY))]
    answer = s3.get_object(Bucket=two.bucket, Key="k")
    assert (answer["Body"].read(), level_of(answer)) == (b"theirs", None)


@levels
def test_a_forked_child(two: Any, storage: Any, levels: str) -> None:
    two.put("new", "k", BODY)
    s3 = client(storage(levels))
    s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    child = os.fork()
    if not child:
        status = 1
        try:
            for _ in range(2):
                assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == BODY
            s3.put_object(Bucket=two.bucket, Key="k", Body=b"childs")
            assert s3.get_object(Bucket=two.bucket, Key="k")["Body"].read() == b"childs"
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    # Memory is each process's own: another's write is seen after the ttl, unless they share a level on disk.
    assert found == (b"childs" if levels == "disk" else BODY)


@levels
def test_many_threads(two: Any, storage: Any, levels: str) -> None:
    bodies = {f"k{number}": os.urandom(3000) for number in range(20)}
    for key, body in bodies.items():
        two.put("new", key, body)
    s3 = client(storage(levels, disk_max_bytes="24KiB", block_bytes="4KiB") if levels == "disk" else storage(levels))

    def work(number: int) -> None:
        for turn in range(100):
            key = f"k{(number * 7 + turn) % 20}"
            assert s3.get_object(Bucket=two.bucket, Key=key)["Body"].read() == bodies[key]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()


def test_a_directory_that_others_may_write(two: Any, storage: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(CacheError, match="chmod go-w"):
        client(storage())


def test_without_the_extra(two: Any, storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("disk", "entry_file", "folders", "opening"):
        monkeypatch.delitem(sys.modules, f"foodco_storage.cache.{name}", raising=False)
        monkeypatch.delattr(f"foodco_storage.cache.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "xxhash", None)
    monkeypatch.setattr("foodco_storage.front.caching.caches._levels", {})
    with pytest.raises(CacheError, match=r"pip install 'foodco-storage\[cache\]'"):
        client(storage())
    client(storage("memory")).close()


def test_no_cache_makes_no_directory(two: Any, storage: Any, tmp_path: Path) -> None:
    two.put("new", "k", BODY)
    for level in (None, "memory"):
        s3 = client(storage(level))
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    assert not (tmp_path / "cache").exists()


def test_where_it_lies(tmp_path: Path) -> None:
    from foodco_storage.config import CacheDirectory, Configuration  # noqa: PLC0415

    default = Configuration()
    assert cache_directory(default, {"HOME": "/home/x"}) == Path("/home/x/.cache/foodco_storage/cache")
    assert cache_directory(default, {"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/foodco_storage/cache")
    named = Configuration(cache=CacheDirectory(directory="/var/cache/x"))
    assert cache_directory(named, {}) == Path("/var/cache/x")
    with pytest.raises(ConfigurationError, match=r"cache\.directory"):
        cache_directory(default, {})
    unknown = Configuration(cache=CacheDirectory(directory="~nobody-of-that-name/x"))
    with pytest.raises(ConfigurationError, match="a user who is not known"):
        cache_directory(unknown, {})


def test_plain_boto3_is_told_apart(two: Any, storage: Any) -> None:
    """A client without a cache, beside one with: its reads are its own."""
    two.put("new", "k", BODY)
    cached, plain = client(storage()), client(storage(None))
    cached.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    answer = plain.get_object(Bucket=two.bucket, Key="k")
    assert (answer["Body"].read(), level_of(answer)) == (BODY, None)
    assert boto3.client is not foodco_storage.client
