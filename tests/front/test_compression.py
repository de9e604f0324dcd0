"""Compression through real clients: managed transfers, presigned URLs, caches, threads, what other programs see."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, EndpointConnectionError

import foodco_storage
from foodco_storage.config import load
from foodco_storage.errors import MissingDictionaryError, OperationRefusedError
from foodco_storage.layers.dictionaries import id_of
from foodco_storage.verify import verify

TEXT = "".join(json.dumps({"id": n, "dish": "pizza", "kcal": n * 7 % 900}) + "\n" for n in range(20_000)).encode()
COMPRESSION = {"codec": "zstd"}
ZSTD = b"\x28\xb5\x2f\xfd"


def lies(two: Any, key: str, where: str = "new") -> bytes:
    with two.direct[where].get_object(Bucket=two.bucket, Key=key)["Body"] as body:
        return bytes(body.read())


def read(s3: Any, two: Any, key: str, **params: Any) -> bytes:
    with s3.get_object(Bucket=two.bucket, Key=key, **params)["Body"] as body:
        return bytes(body.read())


@pytest.fixture
def s3(two: Any) -> Any:
    return two.client(compression=COMPRESSION)


def test_managed_transfers(two: Any, s3: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(TEXT)
    seen: list[int] = []
    s3.upload_file(str(source), two.bucket, "file", Callback=seen.append)
    assert sum(seen) == len(TEXT)
    s3.upload_fileobj(io.BytesIO(TEXT), two.bucket, "fileobj")
    for key in ("file", "fileobj"):
        assert lies(two, key).startswith(ZSTD)
        s3.download_file(two.bucket, key, str(target))
        assert target.read_bytes() == TEXT
    # In many parts, several at once.
    parts = TransferConfig(multipart_threshold=1024, multipart_chunksize=100_000, max_concurrency=8)
    seen.clear()
    s3.download_file(two.bucket, "file", str(target), Config=parts, Callback=seen.append)
    assert target.read_bytes() == TEXT
    assert sum(seen) == len(TEXT)
    s3.copy({"Bucket": two.bucket, "Key": "file"}, two.bucket, "copy", Config=parts)
    assert read(s3, two, "copy") == TEXT
    assert two.client(compression=COMPRESSION).head_object(Bucket=two.bucket, Key="copy")["ContentLength"] == len(TEXT)


def test_an_upload_in_parts_is_stored_as_it_comes(two: Any, s3: Any) -> None:
    parts = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
    data = TEXT * 10
    s3.upload_fileobj(io.BytesIO(data), two.bucket, "big", Config=parts)
    assert lies(two, "big") == data
    assert read(s3, two, "big", Range="bytes=5-9") == data[5:10]


def test_a_pipe(two: Any, s3: Any) -> None:
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as end:
            end.write(TEXT)

    threading.Thread(target=write).start()
    with os.fdopen(reader, "rb") as pipe:
        s3.put_object(Bucket=two.bucket, Key="k", Body=pipe)
    assert lies(two, "k").startswith(ZSTD)
    assert read(s3, two, "k") == TEXT


def test_any_client_that_knows_zstd_reads_it(two: Any, s3: Any, tmp_path: Path, zstd_program: str) -> None:
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    assert two.direct["new"].head_object(Bucket=two.bucket, Key="k")["ContentEncoding"] == "zstd"
    file = tmp_path / "k.zst"
    file.write_bytes(lies(two, "k"))
    assert subprocess.run([zstd_program, "-dc", file], check=True, capture_output=True).stdout == TEXT


def test_presigned_urls_do_not_lead_past_the_library(two: Any, s3: Any) -> None:
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    two.put("new", "plain")
    for method in ("get_object", "head_object"):
        with pytest.raises(OperationRefusedError, match=r"routes\.ours\.compression\.presigned = 'encoded'"):
            s3.generate_presigned_url(method, {"Bucket": two.bucket, "Key": "k"})
    for key in ("plain", "missing"):
        assert s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": key})
    url = s3.generate_presigned_url("put_object", {"Bucket": two.bucket, "Key": "k"})
    request = urllib.request.Request(url, data=b"written past it", method="PUT", headers={"Content-Type": "text/plain"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert read(s3, two, "k") == b"written past it"


def test_presigned_urls_where_readers_decode(two: Any) -> None:
    s3 = two.client(compression={**COMPRESSION, "presigned": "encoded"})
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})) as answer:
        assert answer.headers["Content-Encoding"] == "zstd"
        assert answer.read().startswith(ZSTD)


def test_no_url_is_signed_while_nobody_knows_what_it_leads_to(two: Any, s3: Any) -> None:
    two.put("new", "plain")

    def fail(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://down")

    s3.meta.events.register("before-send.s3.HeadObject", fail)
    with pytest.raises(EndpointConnectionError):
        s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "plain"})


def test_a_cache_that_a_process_without_the_table_has_filled(two: Any, tmp_path: Path) -> None:
    """Who comes with the table must not be given zstd from it."""

    def client(**route: Any) -> Any:
        storage = two.storage(cache={"disk_max_bytes": "64MiB"}, **route)
        storage["cache"] = {"directory": str(tmp_path / "cache")}
        return foodco_storage.client("s3", storage=storage)

    with_table, without = client(compression=COMPRESSION), client()
    with_table.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    assert read(without, two, "k").startswith(ZSTD), "as it lies: no migration, no table"
    assert read(with_table, two, "k") == TEXT
    assert read(with_table, two, "k", Range="bytes=5-9") == TEXT[5:10]
    for s3 in (with_table, without):
        s3.close()


def test_verify_reads_what_lies_compressed_when_it_looks_deeply(two: Any, tmp_path: Path) -> None:
    storage = two.storage(phase="cutover", compression=COMPRESSION)
    storage["journal"] = {"directory": str(tmp_path / "journal")}
    s3: Any = foodco_storage.client("s3", storage=storage)
    for key in ("damaged", "right"):
        s3.put_object(Bucket=two.bucket, Key=key, Body=TEXT)
    s3.close()
    for backend in storage["backends"].values():
        backend["allow_plaintext_secrets"] = True
    configuration = load(storage)
    assert configuration is not None
    assert not list(verify(configuration, "ours"))
    assert not list(verify(configuration, "ours", deep=True))
    head = two.direct["new"].head_object(Bucket=two.bucket, Key="damaged")
    body = bytearray(lies(two, "damaged"))
    body[1000] ^= 1
    two.direct["new"].put_object(
        Bucket=two.bucket, Key="damaged", Body=bytes(body), ContentEncoding="zstd", Metadata=head["Metadata"]
    )
    assert not list(verify(configuration, "ours")), "a HEAD can't tell"
    (difference,) = verify(configuration, "ours", deep=True)
    assert (difference.key, difference.kind) == ("damaged", "unreadable")
    assert "is stored compressed, and damaged" in difference.detail


@pytest.mark.parametrize("cached", [False, True])
def test_a_presigned_url_in_a_migration(two: Any, tmp_path: Path, cached: bool) -> None:
    cache = {"memory_max_bytes": "64MiB"} if cached else {}
    storage = two.storage(phase="cutover", compression=COMPRESSION, cache=cache)
    storage["journal"] = {"directory": str(tmp_path / "journal")}
    s3: Any = foodco_storage.client("s3", storage=storage)
    two.put("old", "promoted", TEXT)
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    assert lies(two, "k", "old") == TEXT
    for _ in range(2):
        assert read(s3, two, "k") == TEXT
        with pytest.raises(OperationRefusedError):
            s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})
    assert two.servers["old"].endpoint_url in s3.generate_presigned_url(
        "get_object", {"Bucket": two.bucket, "Key": "promoted"}
    )
    s3.close()


@pytest.mark.parametrize("level", ["memory_max_bytes", "disk_max_bytes"])
def test_under_a_cache(two: Any, tmp_path: Path, level: str) -> None:
    storage = two.storage(compression=COMPRESSION, cache={level: "64MiB", "block_bytes": "64KiB"})
    storage["cache"] = {"directory": str(tmp_path / "cache")}
    s3: Any = foodco_storage.client("s3", storage=storage)
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT, Metadata={"a": "b"})
    for _ in range(3):
        got = s3.get_object(Bucket=two.bucket, Key="k", Range="bytes=70000-70009")
        assert got["Body"].read() == TEXT[70000:70010]
        assert got["ContentRange"] == f"bytes 70000-70009/{len(TEXT)}"
        whole = s3.get_object(Bucket=two.bucket, Key="k")
        assert whole["Body"].read() == TEXT
        assert whole["Metadata"] == {"a": "b"}
        assert whole["ResponseMetadata"]["Storage"]["codec"] == "zstd"
    head = s3.head_object(Bucket=two.bucket, Key="k")
    assert head["ContentLength"] == len(TEXT)
    assert head["ResponseMetadata"]["Storage"]["cache"] == level.partition("_")[0]
    s3.close()


def test_many_threads_with_ranges_and_writes(two: Any, s3: Any) -> None:
    """Each write is of one letter alone, so that a read of two of them shows."""
    chance = random.Random(5)
    size = 300_000

    def write(letter: bytes) -> None:
        s3.put_object(Bucket=two.bucket, Key="k", Body=letter * size)

    write(b"a")

    def work(number: int) -> None:
        if number % 5 == 0:
            write(b"abcdefgh"[number % 8 : number % 8 + 1])
            return
        start = chance.randrange(size - 100)
        try:
            body = read(s3, two, "k", Range=f"bytes={start}-{start + 99}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "SlowDown":
                return
            raise
        assert len(body) == 100
        assert len(set(body)) == 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))


class TestDictionaries:
    def documents(self) -> list[bytes]:
        chance = random.Random(7)
        words = ["flour", "salt", "tomato", "basil", "mozzarella", "olive oil", "gluten", "milk", "celery"]
        return [
            json.dumps(
                {
                    "id": n,
                    "ingredients": [{"name": chance.choice(words), "grams": chance.randrange(500)} for _ in range(30)],
                }
            ).encode()
            for n in range(100)
        ]

    def with_dictionary(self, two: Any, **more: Any) -> tuple[Any, bytes]:
        data = b"".join(self.documents()[:30])
        two.put("new", f".foodco-storage/dictionaries/{id_of(data)}", data)
        return two.client(compression={**COMPRESSION, "dictionary": id_of(data), **more}), data

    def test_small_objects_are_compressed_with_it(self, two: Any) -> None:
        s3, data = self.with_dictionary(two)
        plain = two.client(compression=COMPRESSION)
        document = self.documents()[50]
        stored = [
            client.put_object(Bucket=two.bucket, Key="k", Body=document)["ResponseMetadata"]["Storage"]["stored_size"]
            for client in (plain, s3)
        ]
        assert stored[1] < stored[0] * 0.8
        # A client that was configured without it reads it as well, whole and in part.
        for client in (s3, plain):
            assert read(client, two, "k") == document
            assert read(client, two, "k", Range="bytes=10-19") == document[10:20]
        large = s3.put_object(Bucket=two.bucket, Key="large", Body=TEXT)
        assert large["ResponseMetadata"]["Storage"]["codec"] == "zstd"
        assert id_of(data) not in str(two.direct["new"].head_object(Bucket=two.bucket, Key="large")["Metadata"])

    def test_one_that_is_missing(self, two: Any, caplog: pytest.LogCaptureFixture) -> None:
        missing = id_of(b"never made" + os.urandom(8))
        s3 = two.client(compression={**COMPRESSION, "dictionary": missing})
        document = self.documents()[0]
        s3.put_object(Bucket=two.bucket, Key="k", Body=document)
        s3.put_object(Bucket=two.bucket, Key="k2", Body=document)
        assert read(s3, two, "k") == document, "it was compressed without"
        (record,) = [one for one in caplog.records if "without their dictionary" in one.getMessage()]
        assert missing in record.getMessage()
        # One that an object needs.
        head = two.direct["new"].head_object(Bucket=two.bucket, Key="k")
        fields = head["Metadata"]["foodco-codec"].split(" ")
        fields[8] = missing
        two.direct["new"].put_object(
            Bucket=two.bucket,
            Key="k",
            Body=lies(two, "k"),
            ContentEncoding="zstd",
            Metadata={"foodco-codec": " ".join(fields)},
        )
        for params in ({}, {"Range": "bytes=0-5"}):
            with pytest.raises(MissingDictionaryError, match=missing):
                read(s3, two, "k", **params)

    def test_one_that_is_another(self, two: Any) -> None:
        wrong = id_of(b"right" + os.urandom(8))
        two.put("new", f".foodco-storage/dictionaries/{wrong}", b"wrong")
        s3 = two.client(compression={**COMPRESSION, "dictionary": wrong})
        s3.put_object(Bucket=two.bucket, Key="k", Body=self.documents()[0])
        assert wrong not in str(two.direct["new"].head_object(Bucket=two.bucket, Key="k")["Metadata"])

    def test_one_that_is_too_large_to_be_one(self, two: Any) -> None:
        data = random.Random(9).randbytes(1024 * 1024 + 1)
        two.put("new", f".foodco-storage/dictionaries/{id_of(data)}", data)
        s3 = two.client(compression={**COMPRESSION, "dictionary": id_of(data)})
        s3.put_object(Bucket=two.bucket, Key="k", Body=self.documents()[0])
        assert id_of(data) not in str(two.direct["new"].head_object(Bucket=two.bucket, Key="k")["Metadata"])

    def test_it_is_used_only_where_it_lies(self, two: Any, bucket_name: str) -> None:
        """Whoever has it in memory must not write what nobody else could read."""
        other = f"{bucket_name}-other"
        two.direct["new"].create_bucket(Bucket=other)
        data = b"".join(self.documents()[:40])
        two.put("new", f".foodco-storage/dictionaries/{id_of(data)}", data)
        compression = {**COMPRESSION, "dictionary": id_of(data)}
        storage = two.storage(fallbacks=(), compression=compression, bucket=[two.bucket, other])
        s3: Any = foodco_storage.client("s3", storage=storage)
        document = self.documents()[50]
        for bucket in (two.bucket, other):
            s3.put_object(Bucket=bucket, Key="k", Body=document)
        marks = [
            two.direct["new"].head_object(Bucket=bucket, Key="k")["Metadata"]["foodco-codec"]
            for bucket in (two.bucket, other)
        ]
        assert [id_of(data) in mark for mark in marks] == [True, False]
        s3.close()

    def test_one_that_is_missing_is_not_looked_for_each_time(self, two: Any) -> None:
        s3 = two.client(compression={**COMPRESSION, "dictionary": id_of(os.urandom(8))})
        asked: list[str] = []
        s3.meta.events.register("before-call.s3.GetObject", lambda **_: asked.append("get"))
        for _ in range(5):
            s3.put_object(Bucket=two.bucket, Key="k", Body=self.documents()[0])
        assert len(asked) == 1
        fresh = two.client(compression={**COMPRESSION, "dictionary": id_of(os.urandom(8))})
        fresh.meta.events.register("before-call.s3.GetObject", lambda **_: asked.append("get"))
        fresh.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
        assert len(asked) == 1, "a large body has no use for it"

    def test_a_url_is_not_signed_for_what_needs_one(self, two: Any) -> None:
        s3, _ = self.with_dictionary(two, presigned="encoded")
        s3.put_object(Bucket=two.bucket, Key="k", Body=self.documents()[50])
        with pytest.raises(OperationRefusedError, match="compressed with a dictionary"):
            s3.generate_presigned_url("get_object", {"Bucket": two.bucket, "Key": "k"})

    def test_a_copy_to_another_bucket_does_not_leave_its_dictionary_behind(self, two: Any, bucket_name: str) -> None:
        other = f"{bucket_name}-other"
        two.direct["new"].create_bucket(Bucket=other)
        data = b"".join(self.documents()[:30])
        two.put("new", f".foodco-storage/dictionaries/{id_of(data)}", data)
        storage = two.storage(fallbacks=(), compression={**COMPRESSION, "dictionary": id_of(data)})
        storage["routes"]["other"] = {"bucket": other, "primary": "new", "compression": COMPRESSION}
        s3: Any = foodco_storage.client("s3", storage=storage)
        document = self.documents()[50]
        s3.put_object(Bucket=two.bucket, Key="k", Body=document)
        s3.copy_object(Bucket=other, Key="k", CopySource={"Bucket": two.bucket, "Key": "k"})
        mark = two.direct["new"].head_object(Bucket=other, Key="k")["Metadata"]["foodco-codec"]
        assert id_of(data) not in mark
        with s3.get_object(Bucket=other, Key="k")["Body"] as body:
            assert body.read() == document
        s3.close()


def test_in_a_forked_child(two: Any, s3: Any) -> None:
    s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT)
    assert read(s3, two, "k", Range="bytes=0-9") == TEXT[:10]
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            s3.put_object(Bucket=two.bucket, Key="child", Body=TEXT)
            code = 0 if read(s3, two, "k", Range="bytes=99-108") == TEXT[99:109] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert read(s3, two, "child") == TEXT


def test_checksums_that_a_store_keeps_are_those_of_the_object(two: Any) -> None:
    """moto keeps and answers them where they were asked for, as AWS does."""
    s3 = two.client(compression=COMPRESSION)
    expected = two.direct["new"].put_object(Bucket=two.bucket, Key="plain", Body=TEXT, ChecksumAlgorithm="SHA256")
    answer = s3.put_object(Bucket=two.bucket, Key="k", Body=TEXT, ChecksumAlgorithm="SHA256")
    assert answer["ChecksumSHA256"] == expected["ChecksumSHA256"]
    got = s3.get_object(Bucket=two.bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == TEXT
    assert got["ChecksumSHA256"] == expected["ChecksumSHA256"]


def test_a_copy_between_routes_that_call_their_buckets_otherwise(two: Any, bucket_name: str) -> None:
    """The destination's bucket goes by the name that its own route gives it, whatever the source's says."""
    storage = two.storage(fallbacks=(), bucket="said-here", buckets={"new": two.bucket})
    two.direct["new"].create_bucket(Bucket=f"{bucket_name}-other")
    there = {"bucket": "said-there", "primary": "new", "buckets": {"new": f"{bucket_name}-other"}}
    storage["routes"]["other"] = there
    s3: Any = foodco_storage.client("s3", storage=storage)
    two.put("new", "k", b"body")
    s3.copy_object(Bucket="said-there", Key="copy", CopySource={"Bucket": "said-here", "Key": "k"})
    with s3.get_object(Bucket="said-there", Key="copy")["Body"] as body:
        assert body.read() == b"body"
    s3.close()
