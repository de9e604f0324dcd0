"""In every phase, what boto3 would answer from one store: through real clients, over two moto servers."""

from __future__ import annotations

import datetime as dt
import http.client
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from matrix import EVERY

import foodco_storage
from foodco_storage import OperationRefusedError
from foodco_storage.counting import counters
from foodco_storage.drivers.background import background
from foodco_storage.testing import wait_until

PHASES = ["source", "backfill", "cutover", "drain", "target"]
by_phase = pytest.mark.parametrize("phase", PHASES)
by_moving_phase = pytest.mark.parametrize("phase", PHASES if EVERY else PHASES[1:4])
"""Where one side is everything, reads, lists, writes and deletes tell enough."""
OTHER = '"ffffffffffffffffffffffffffffffff"'
DESCRIBED: dict[str, Any] = {
    "ContentType": "text/html",
    "CacheControl": "max-age=60",
    "ContentLanguage": "de",
    "ContentDisposition": "inline",
    "Metadata": {"dish": "soup", "chef": "Anna"},
}


@dataclass
class Sides:
    """A routed client in some phase, and a plain one over a store of its own that has lived through the same."""

    two: Any
    directory: Path
    routed: Any
    plain: Any
    plain_bucket: str

    def client(self, phase: str, **more: Any) -> Any:
        storage = self.two.storage(phase=phase, **more) | {"journal": {"directory": str(self.directory)}}
        s3 = foodco_storage.client("s3", storage=storage)
        self.two._stack.callback(s3.close)
        return s3

    def both(self, operation: str, **params: Any) -> tuple[Any, Any]:
        """The answers, or errors, of both: (routed, plain)."""
        return (
            outcome(self.routed, operation, Bucket=self.two.bucket, **self._copied(params, self.two.bucket)),
            outcome(self.plain, operation, Bucket=self.plain_bucket, **self._copied(params, self.plain_bucket)),
        )

    def _copied(self, params: dict[str, Any], bucket: str) -> dict[str, Any]:
        own = {name: io.BytesIO(value.getvalue()) for name, value in params.items() if isinstance(value, io.BytesIO)}
        source = {"CopySource": {"Bucket": bucket, "Key": params["CopySource"]}} if "CopySource" in params else {}
        return params | own | source

    def same(self, operation: str, **params: Any) -> Any:
        """Both answer the same; returns what the routed client answered."""
        ours, theirs = self.both(operation, **params)
        assert shown(ours, self.two.bucket) == shown(theirs, self.plain_bucket), (operation, params)
        return ours


def outcome(s3: Any, operation: str, **params: Any) -> Any:
    try:
        return getattr(s3, operation)(**params)
    except Exception as error:  # noqa: BLE001 - whatever boto3 raises
        return error


# What differs between any two requests, or any two stores.
_OWN = {"RequestId", "HostId", "HTTPHeaders", "RetryAttempts", "Storage", "UploadId", "Location", "x-amz-checksum-type"}
_DATES = {"LastModified", "Date", "Initiated"}


def shown(answer: Any, bucket: str) -> Any:
    """Keys, types and values of an answer; of an error its class, code, status and message."""
    if isinstance(answer, ClientError):
        error = answer.response["Error"]
        status = answer.response["ResponseMetadata"]["HTTPStatusCode"]
        classes = [one.__name__ for one in type(answer).__mro__ if one.__module__.startswith("botocore")]
        return (classes, error["Code"], status, error.get("Key"), answer.operation_name)
    if isinstance(answer, Exception):
        return type(answer), str(answer)
    if isinstance(answer, dict):
        return {
            name: type(value).__name__ if name in _DATES else shown(value, bucket)
            for name, value in answer.items()
            if name not in _OWN
        }
    if isinstance(answer, list):
        return [shown(item, bucket) for item in answer]
    if isinstance(answer, StreamingBody):
        return type(answer).__name__, answer.read()
    if isinstance(answer, str):
        return answer.replace(bucket, "BUCKET")
    return answer


@pytest.fixture
def sides(two: Any, tmp_path: Path, bucket_name: str) -> Iterator[Callable[[str], Sides]]:
    """Both hold `old`, `new`, `empty`, `parts`, `a/1` and `a/2`; `gone` and `a/gone` were deleted."""
    with ExitStack() as stack:
        # As the backends' preset has it.
        checks = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        plain = boto3.client("s3", **two.servers["old"].client_arguments() | {"config": checks})
        stack.callback(plain.close)
        other = f"{bucket_name[:-5]}-plain"
        plain.create_bucket(Bucket=other)

        def make(phase: str, **more: Any) -> Sides:
            sides = Sides(two, tmp_path / "journal", None, plain, other)
            for bucket in (two.bucket, other):
                live_through_the_past(plain, bucket)
            before = {"cutover": "backfill", "drain": "cutover", "target": "cutover"}.get(phase, phase)
            sides.routed = sides.client(before)
            for s3, bucket in ((sides.routed, two.bucket), (plain, other)):
                s3.put_object(Bucket=bucket, Key="new", Body=b"new", **DESCRIBED, Tagging="a=1")
                s3.put_object(Bucket=bucket, Key="a/1", Body=b"1")
                s3.delete_object(Bucket=bucket, Key="gone")
                s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/gone"}, {"Key": "b/gone"}]})
            if phase == "target":
                # Everything is read, and so copied, before the source is left.
                for key in ("old", "empty", "parts", "a/2"):
                    sides.routed.get_object(Bucket=two.bucket, Key=key)["Body"].read()
                assert background.join()
            if before != phase or more:
                sides.routed = sides.client(phase, **more)
            return sides

        yield make


def live_through_the_past(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="old", Body=b"0123456789", **DESCRIBED, Tagging="a=1&b=2")
    for key, body in (("empty", b""), ("gone", b"x"), ("a/2", b"2"), ("a/gone", b"x"), ("b/gone", b"x")):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", **DESCRIBED)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"only part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)


KEYS = ["old", "new", "empty", "a/1", "a/2", "gone", "a/gone", "never"]


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("put_object", {}),
    ("put_object", {"Key": ""}),
    ("put_object", {"Key": 7}),
    ("put_object", {"Key": "k", "Body": None}),
    ("put_object", {"Key": "k", "Body": memoryview(b"x")}),
    ("put_object", {"Key": "k", "Body": iter([b"x"])}),
    ("put_object", {"Key": "k", "Metadata": None}),
    ("put_object", {"Key": "k", "Metadata": {"a": 1}}),
    ("put_object", {"Key": "k", "Metadata": {"dish": "Müsli"}}),
    ("put_object", {"Key": "k", "IfMatch": 7}),
    ("put_object", {"Key": "k", "Unknown": 1}),
    ("get_object", {}),
    ("get_object", {"Key": "k", "Range": 7}),
    ("head_object", {"Key": None}),
    ("delete_object", {}),
    ("delete_object", {"Key": "k", "Versionid": "typo"}),
    ("delete_objects", {"Delete": {"Objects": [{"key": "k"}]}}),
    ("delete_objects", {}),
    ("copy_object", {"Key": "k"}),
    ("list_objects_v2", {"MaxKeys": "7"}),
    ("upload_part", {"Key": "k", "UploadId": None, "PartNumber": 1}),
    ("complete_multipart_upload", {"Key": "k"}),
    ("put_object_tagging", {"Key": "k"}),
    # What another library would take.
    ("put_object", {"Key": "k", "Body": ["x"]}),
]


@by_phase
class TestAsOneStore:
    def test_reads(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        past, future = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
        for key in KEYS:
            for operation in ("head_object", "get_object"):
                store.same(operation, Key=key)
                for condition in (
                    {"IfMatch": OTHER},
                    {"IfNoneMatch": OTHER},
                    {"IfModifiedSince": past},
                    {"IfUnmodifiedSince": past},
                    {"IfUnmodifiedSince": future},
                ):
                    store.same(operation, Key=key, **condition)
            if key != "empty":
                for span in ("bytes=0-0", "bytes=-1", "bytes=0-"):
                    store.same("get_object", Key=key, Range=span)
            store.same("get_object_tagging", Key=key)
        store.same("get_object", Key="old", Range="bytes=99-")
        etag = store.plain.head_object(Bucket=store.plain_bucket, Key="old")["ETag"]
        for operation in ("head_object", "get_object"):
            store.same(operation, Key="old", IfMatch=etag)
            store.same(operation, Key="old", IfNoneMatch=etag)
        # Parts are only alike where they were not copied by one PUT.
        ours, theirs = store.both("get_object", Key="parts")
        assert (ours["Body"].read(), ours["Metadata"]) == (theirs["Body"].read(), theirs["Metadata"])

    def test_lists(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        for operation in ("list_objects_v2", "list_objects"):
            for more in (
                {},
                {"Prefix": "a/"},
                {"Delimiter": "/"},
                {"Prefix": "none"},
                {"Delimiter": "/", "Prefix": "b"},
            ):
                for one in store.both(operation, **more):
                    for item in one.get("Contents", []):
                        # A copy is made of one PUT, and by another store.
                        item.pop("ETag") if item["Key"] == "parts" else None
                        item.pop("ChecksumAlgorithm", None)
                        item.pop("ChecksumType", None)
                    one.pop("Name", None)
                ours, theirs = store.both(operation, **more)
                assert names(ours) == names(theirs)
                assert ours.keys() == theirs.keys()
                assert (ours["IsTruncated"], ours["MaxKeys"]) == (theirs["IsTruncated"], theirs["MaxKeys"])
                assert ours["Name"] == store.two.bucket
                assert ours.get("KeyCount") == theirs.get("KeyCount")
            pages = store.routed.get_paginator(operation).paginate(
                Bucket=store.two.bucket, PaginationConfig={"PageSize": 2}
            )
            found = [item["Key"] for page in pages for item in page.get("Contents", [])]
            assert found == ["a/1", "a/2", "empty", "new", "old", "parts"]

    def test_writes(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        for body in (b"bytes", b"", bytearray(b"array"), io.BytesIO(b"a file"), "text"):
            store.same("put_object", Key="written", Body=body, **DESCRIBED)
            store.same("get_object", Key="written")
        store.same("put_object", Key="written")
        store.same("head_object", Key="written")
        for key in ("written", "old", "gone", "never"):
            store.same("put_object", Key=key, Body=io.BytesIO(b"if absent"), IfNoneMatch="*")
            store.same("get_object", Key=key)
        store.same("put_object", Key="old", Body=b"no", IfMatch=OTHER)
        store.same("put_object", Key="nobody", Body=b"no", IfMatch=OTHER)
        etag = store.plain.head_object(Bucket=store.plain_bucket, Key="old")["ETag"]
        store.same("put_object", Key="old", Body=b"yes", IfMatch=etag)
        store.same("get_object", Key="old")

    def test_deletes(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        for key in ("old", "never", "gone"):
            store.same("delete_object", Key=key)
            store.same("get_object", Key=key)
            store.same("head_object", Key=key)
        objects = [{"Key": key} for key in ("new", "a/1", "nobody", "é / ü&<>")]
        store.same("delete_objects", Delete={"Objects": objects})
        ours, _ = store.both("delete_objects", Delete={"Objects": [{"Key": "a/2"}], "Quiet": True})
        if phase in {"cutover", "drain"}:
            # Moto tells of what was deleted in quiet, too.
            assert ours.keys() == {"ResponseMetadata"}
        for one in store.both("list_objects_v2"):
            assert names(one) == ["empty", "parts"]
        store.same("put_object", Key="old", Body=b"again")
        store.same("get_object", Key="old")


@by_moving_phase
class TestAsOneStoreOnTheMove:
    def test_copies(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        for source in ("old", "new", "a/2", "empty", "gone", "never"):
            store.same("copy_object", Key=f"copy of {source}", CopySource=source)
            store.same("get_object", Key=f"copy of {source}")
            store.same("get_object_tagging", Key=f"copy of {source}")
        replaced: dict[str, Any] = {"MetadataDirective": "REPLACE", "Metadata": {"dish": "stew"}, "ContentType": "a/b"}
        store.same("copy_object", Key="old", CopySource="old", **replaced)
        store.same("get_object", Key="old")
        if phase in {"cutover", "drain", "target"}:
            # Moto ignores it.
            ours, _ = store.both("copy_object", Key="c", CopySource="old", CopySourceIfMatch=OTHER)
            assert shown(ours, "")[1:3] == ("PreconditionFailed", 412)

    def test_tags(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        for key in ("old", "new", "gone", "never"):
            store.same("put_object_tagging", Key=key, Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
            store.same("get_object_tagging", Key=key)
            store.same("get_object", Key=key)
            if key in {"old", "new"}:
                store.same("delete_object_tagging", Key=key)
                store.same("get_object_tagging", Key=key)

    def test_uploads(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        finished = []
        for s3, bucket in ((store.routed, store.two.bucket), (store.plain, store.plain_bucket)):
            which = {"Bucket": bucket, "Key": "upload"}
            upload = which | {"UploadId": s3.create_multipart_upload(**which, **DESCRIBED)["UploadId"]}
            etags = []
            for number, body in enumerate((b"x" * 5 * 1024**2, b"end"), start=1):
                etags.append(s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"])
            assert len(s3.list_parts(**upload)["Parts"]) == 2
            parts = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]}
            finished.append(shown(s3.complete_multipart_upload(**upload, MultipartUpload=parts), bucket))
            upload = which | {"UploadId": s3.create_multipart_upload(**which)["UploadId"]}
            s3.abort_multipart_upload(**upload)
            finished[-1]["after an abort"] = shown(outcome(s3, "list_parts", **upload), bucket)
        assert finished[0] == finished[1]
        store.same("get_object", Key="upload")

    def test_mistakes(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        before = [names(one) for one in store.both("list_objects_v2")]
        for operation, params in MISTAKES:
            assert isinstance(store.same(operation, **params), Exception)
        assert [names(one) for one in store.both("list_objects_v2")] == before


def names(page: Any) -> list[str]:
    return [item["Key"] for item in page.get("Contents", [])] + [i["Prefix"] for i in page.get("CommonPrefixes", [])]


@by_moving_phase
def test_managed_transfers(sides: Callable[[str], Sides], phase: str, tmp_path: Path) -> None:
    store = sides(phase)
    s3, bucket = store.routed, store.two.bucket
    data = bytes(range(256)) * 40_000
    config = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=5 * 1024**2)
    seen: list[int] = []
    s3.upload_fileobj(io.BytesIO(data), bucket, "large", Config=config, Callback=seen.append, ExtraArgs=DESCRIBED)
    assert sum(seen) == len(data)
    target = io.BytesIO()
    s3.download_fileobj(bucket, "large", target, Config=config)
    assert target.getvalue() == data
    assert s3.head_object(Bucket=bucket, Key="large")["Metadata"] == DESCRIBED["Metadata"]
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy", Config=config)
    s3.download_file(bucket, "copy", str(tmp_path / "copy"), Config=config)
    assert (tmp_path / "copy").read_bytes() == data
    # What only the source holds, in ranges: a promote in the midst of it must not break it.
    s3.download_file(bucket, "old", str(tmp_path / "old"), Config=TransferConfig(multipart_threshold=4, io_chunksize=4))
    assert (tmp_path / "old").read_bytes() == b"0123456789"
    assert background.join()


class TestPresigned:
    @by_phase
    def test_reads(self, sides: Callable[[str], Sides], phase: str) -> None:
        """Signed for whoever holds the object: the URL works without the library."""
        store = sides(phase)
        for key, body in (("old", b"0123456789"), ("new", b"new")):
            params = {"Bucket": store.two.bucket, "Key": key}
            url = store.routed.generate_presigned_url("get_object", Params=params)
            assert fetched("GET", url) == (200, body)
            if phase in {"source", "backfill"}:
                assert url.startswith(store.two.servers["old"].endpoint_url)
            url = store.routed.generate_presigned_url("head_object", Params=params)
            assert fetched("HEAD", url)[0] == 200
        # Nothing to be found; for the authority all the same.
        url = store.routed.generate_presigned_url("get_object", Params={"Bucket": store.two.bucket, "Key": "never"})
        side = "old" if phase in {"source", "backfill"} else "new"
        assert url.startswith(store.two.servers[side].endpoint_url)

    @by_phase
    def test_writes_are_signed_for_the_authority_and_counted(self, sides: Callable[[str], Sides], phase: str) -> None:
        store = sides(phase)
        params = {"Bucket": store.two.bucket, "Key": "k"}
        before = counters().get("ours", {}).get("presigned_writes", 0)
        side = "old" if phase in {"source", "backfill"} else "new"
        urls = [
            store.routed.generate_presigned_url("put_object", Params=params),
            store.routed.generate_presigned_url("get_object", Params=params, HttpMethod="PUT"),
            store.routed.generate_presigned_post(store.two.bucket, "k")["url"],
        ]
        assert all(url.startswith(store.two.servers[side].endpoint_url) for url in urls)
        counted = counters().get("ours", {}).get("presigned_writes", 0) - before
        assert counted == (3 if phase in {"cutover", "drain"} else 0)
        assert fetched("PUT", urls[0], b"by url")[0] == 200
        assert store.routed.get_object(Bucket=store.two.bucket, Key="k")["Body"].read() == b"by url"

    @by_phase
    def test_deletes(self, sides: Callable[[str], Sides], phase: str) -> None:
        """A plain delete on the primary would let the source's copy show again."""
        store = sides(phase)
        params = {"Bucket": store.two.bucket, "Key": "new"}
        for method in ({"ClientMethod": "delete_object"}, {"ClientMethod": "get_object", "HttpMethod": "DELETE"}):
            if phase in {"cutover", "drain"}:
                with pytest.raises(OperationRefusedError, match="delete through the library"):
                    store.routed.generate_presigned_url(**method, Params=params)
            else:
                assert store.routed.generate_presigned_url(**method, Params=params)


def fetched(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class TestRoutes:
    def test_the_bucket_has_another_name_on_each_store(self, two: Any, tmp_path: Path) -> None:
        called = f"{two.bucket[:-5]}-ours"
        new, old = f"{two.bucket[:-5]}-new", f"{two.bucket[:-5]}-old"
        two.direct["new"].create_bucket(Bucket=new)
        two.direct["old"].create_bucket(Bucket=old)
        two.direct["old"].put_object(Bucket=old, Key="old", Body=b"old", Metadata={"dish": "soup"})
        route = {"bucket": called, "primary": "new", "fallbacks": ["old"], "buckets": {"new": new, "old": old}}
        for phase in ("backfill", "cutover"):
            storage = {
                "backends": two.backends,
                "routes": {"ours": route | {"phase": phase}},
                "journal": {"directory": str(tmp_path / "journal")},
            }
            s3 = foodco_storage.client("s3", storage=storage)
            s3.put_object(Bucket=called, Key=phase, Body=phase.encode())
            s3.put_object(Bucket=called, Key="gone", Body=b"x")
            s3.copy_object(Bucket=called, Key="copy", CopySource={"Bucket": called, "Key": "old"})
            assert s3.get_object(Bucket=called, Key="copy")["Metadata"] == {"dish": "soup"}
            assert s3.get_object(Bucket=called, Key="old")["Body"].read() == b"old"
            s3.delete_objects(Bucket=called, Delete={"Objects": [{"Key": "gone"}]})
            page = s3.list_objects_v2(Bucket=called)
            assert page["Name"] == called
            assert [item["Key"] for item in page["Contents"]] == sorted({"backfill", phase, "copy", "old"})
            s3.close()
        assert background.join()
        for s3, bucket in ((two.direct["new"], new), (two.direct["old"], old)):
            for key in ("backfill", "cutover", "copy", "old"):
                assert s3.head_object(Bucket=bucket, Key=key)

    def test_prefixes_of_one_bucket_in_different_phases(self, two: Any, tmp_path: Path) -> None:
        for key in ("thumbs/1", "photos/1", "rest"):
            two.put("old", key, b"old")
        route = {"bucket": two.bucket, "primary": "new", "fallbacks": ["old"]}
        storage = {
            "backends": two.backends,
            "routes": {
                "thumbs": route | {"prefix": "thumbs/", "phase": "drain"},
                "photos": route | {"prefix": "photos/", "phase": "backfill"},
                "rest": route | {"phase": "cutover"},
            },
            "journal": {"directory": str(tmp_path / "journal")},
        }
        s3 = foodco_storage.client("s3", storage=storage)
        two._stack.callback(s3.close)
        for prefix in ("thumbs/", "photos/", ""):
            s3.put_object(Bucket=two.bucket, Key=f"{prefix}new", Body=b"new")
        keys = ["new", "photos/1", "photos/new", "rest", "thumbs/1", "thumbs/new"]
        assert names(s3.list_objects_v2(Bucket=two.bucket)) == keys
        assert two.content("new").keys() == {"new", "photos/new", "thumbs/new"}
        assert two.content("old").keys() == {"new", "photos/1", "photos/new", "rest", "thumbs/1"}
        deleted = s3.delete_objects(Bucket=two.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert sorted(item["Key"] for item in deleted["Deleted"]) == keys
        assert names(s3.list_objects_v2(Bucket=two.bucket)) == []
        assert names(s3.list_objects_v2(Bucket=two.bucket, Delimiter="/")) == []
        assert two.content("old") == {}
        for key in keys:
            with pytest.raises(s3.exceptions.NoSuchKey):
                s3.get_object(Bucket=two.bucket, Key=key)

    def test_a_mirror_that_follows_later(self, sides: Callable[..., Sides]) -> None:
        store = sides("cutover", mirror={"mode": "async"})
        answer = store.routed.put_object(Bucket=store.two.bucket, Key="k", Body=b"later")
        assert answer["ResponseMetadata"]["Storage"]["mirror"] == "pending"
        store.routed.delete_object(Bucket=store.two.bucket, Key="old")
        source = store.two.direct["old"]
        wait_until(lambda: "k" in names(source.list_objects_v2(Bucket=store.two.bucket)), what="the mirror")
        wait_until(lambda: "old" not in names(source.list_objects_v2(Bucket=store.two.bucket)), what="the delete")
