"""A wide script of boto3 calls. It is written for boto3; the library has to give the same answers."""

from __future__ import annotations

import io
import threading
import urllib.request
from pathlib import Path
from typing import Any

from outcomes import comparable, outcome

PARTS = [b"1" * (5 * 1024 * 1024), b"2" * 1000]
OBJECTS = {
    "a.txt": b"alpha",
    "a/b.txt": b"",
    "a/c.txt": b"0123456789" * 10,
    "a/d/e.txt": b"deep",
    "dir/one": b"1",
    "dir/two": b"22",
    "key with spaces & signs+é~!'()*": b"odd name",
    "z/last": b"z" * 70_000,
}


def load(client: Any, bucket: str, keys: list[str] | None = None) -> None:
    """Put the objects that the reads of the script look for."""
    for number, (key, data) in enumerate(OBJECTS.items()):
        if keys is None or key in keys:
            client.put_object(
                Bucket=bucket,
                Key=key,
                Body=data,
                ContentType="text/plain",
                CacheControl="max-age=60",
                Metadata={"number": str(number), "dish": "pizza"},
            )


class Reads:
    """Everything that reads. Each method is one step."""

    def __init__(self, client: Any, bucket: str, folder: Path) -> None:
        self.s3, self.bucket, self.folder = client, bucket, folder

    def get_every_object(self) -> Any:
        return [self.s3.get_object(Bucket=self.bucket, Key=key) for key in OBJECTS]

    def get_ranges(self) -> Any:
        ranges = ["bytes=0-3", "bytes=5-", "bytes=-7", "bytes=3-2", "bytes=0-999999", "bytes=100000-", "rubbish"]
        return [outcome(self.s3.get_object, Bucket=self.bucket, Key="a/c.txt", Range=r) for r in ranges]

    def get_conditions(self) -> Any:
        etag = self.s3.head_object(Bucket=self.bucket, Key="a.txt")["ETag"]
        conditions = [
            {"IfMatch": etag},
            {"IfMatch": '"0"'},
            {"IfNoneMatch": etag},
            {"IfNoneMatch": '"0"'},
            {"IfModifiedSince": "2001-01-01"},
            {"IfUnmodifiedSince": "2001-01-01"},
        ]
        return [
            [outcome(method, Bucket=self.bucket, Key="a.txt", **c) for c in conditions]
            for method in (self.s3.get_object, self.s3.head_object)
        ]

    def get_overrides(self) -> Any:
        return self.s3.get_object(
            Bucket=self.bucket, Key="a.txt", ResponseContentType="image/png", ResponseCacheControl="no-store"
        )

    def get_missing(self) -> Any:
        return outcome(self.s3.get_object, Bucket=self.bucket, Key="nothing")

    def catch_missing(self) -> Any:
        try:
            self.s3.get_object(Bucket=self.bucket, Key="nothing")
        except self.s3.exceptions.NoSuchKey as error:
            return (error.operation_name, error.response["Error"]["Code"])
        return None

    def head(self) -> Any:
        return [outcome(self.s3.head_object, Bucket=self.bucket, Key=k) for k in [*OBJECTS, "nothing"]]

    def read_body_in_pieces(self) -> Any:
        body = self.s3.get_object(Bucket=self.bucket, Key="z/last")["Body"]
        pieces = [body.read(10), next(iter(body.iter_chunks(7))), bytes(bytearray(3)), body.read(0)]
        buffer = bytearray(5)
        pieces += [body.readinto(buffer), bytes(buffer), body.tell(), len(body.read()), body.read()]
        body.close()
        lines = list(self.s3.get_object(Bucket=self.bucket, Key="a/c.txt")["Body"].iter_lines())
        with self.s3.get_object(Bucket=self.bucket, Key="a.txt")["Body"] as raw:
            return [pieces, lines, raw.read()]

    def list_v2(self) -> Any:
        asks: list[dict[str, Any]] = [
            {},
            {"Prefix": "a"},
            {"Delimiter": "/"},
            {"Prefix": "a/", "Delimiter": "/"},
            {"StartAfter": "a/c.txt"},
            {"StartAfter": "a/c.txt", "Delimiter": "/", "Prefix": "a/"},
            {"MaxKeys": 3},
            {"MaxKeys": 1, "Delimiter": "/"},
            {"MaxKeys": 0},
            {"Prefix": "none/"},
            {"FetchOwner": False, "MaxKeys": 2},
        ]
        return [outcome(self.s3.list_objects_v2, Bucket=self.bucket, **a) for a in asks]

    def list_v1(self) -> Any:
        asks: list[dict[str, Any]] = [
            {},
            {"Prefix": "a/"},
            {"Delimiter": "/"},
            {"Marker": "a/c.txt"},
            {"MaxKeys": 2},
        ]
        return [outcome(self.s3.list_objects, Bucket=self.bucket, **a) for a in asks]

    def paginate(self) -> Any:
        results = []
        for method in ("list_objects_v2", "list_objects"):
            for size in (1, 2, 3, 1000):
                for delimiter in ({}, {"Delimiter": "/"}):
                    paginator = self.s3.get_paginator(method)
                    ask = {"Bucket": self.bucket, "PaginationConfig": {"PageSize": size}, **delimiter}
                    names = outcome(_names_of_pages, paginator, ask)
                    results.append((method, size, bool(delimiter), names))
        return results

    def paginate_as_users_do(self) -> Any:
        paginator = self.s3.get_paginator("list_objects_v2")
        sizes = list(paginator.paginate(Bucket=self.bucket).search("Contents[?Size > `3`].Key"))
        first = paginator.paginate(
            Bucket=self.bucket, PaginationConfig={"MaxItems": 3, "PageSize": 2}
        ).build_full_result()
        token = first["NextToken"]
        rest = paginator.paginate(Bucket=self.bucket, PaginationConfig={"StartingToken": token}).build_full_result()
        return [sizes, [item["Key"] for item in first["Contents"]], [item["Key"] for item in rest["Contents"]]]

    def bad_token(self) -> Any:
        return [
            outcome(self.s3.list_objects_v2, Bucket=self.bucket, MaxKeys="1"),
            outcome(self.s3.list_objects_v2, Bucket=self.bucket, ContinuationToken=1),
            outcome(self.s3.list_objects_v2, Bucket=self.bucket, StartAfter=1),
            outcome(self.s3.list_objects, Bucket=self.bucket, Marker=1),
        ]

    def tagging_and_acl(self) -> Any:
        return [
            outcome(self.s3.get_object_tagging, Bucket=self.bucket, Key="a.txt"),
            outcome(lambda: self.s3.get_object_tagging(Bucket=self.bucket, Key="nothing")["TagSet"]),
            outcome(lambda: sorted(self.s3.get_object_acl(Bucket=self.bucket, Key="a.txt"))),
            outcome(lambda: self.s3.get_object_acl(Bucket=self.bucket, Key="nothing")["Grants"]),
        ]

    def wrong_parameters(self) -> Any:
        return [
            outcome(self.s3.get_object, Bucket=self.bucket),
            outcome(self.s3.get_object, Bucket=self.bucket, Key=1),
            outcome(self.s3.get_object, Bucket=self.bucket, Key=""),
            outcome(self.s3.get_object, Bucket=7, Key="a"),
            outcome(self.s3.get_object, Key="a"),
            outcome(self.s3.get_object, Bucket="Not a bucket!", Key="a"),
            outcome(self.s3.get_object, Bucket=self.bucket, Key="a", Unknown=1),
            outcome(self.s3.get_object, "positional"),
            outcome(self.s3.copy_object, Bucket=self.bucket, Key="x"),
            outcome(self.s3.copy_object, Bucket=self.bucket, Key="x", CopySource={"Bucket": self.bucket}),
            outcome(self.s3.copy_object, Bucket=self.bucket, Key="x", CopySource=5),
            outcome(self.s3.put_object, Bucket=self.bucket, Key="x", Body=5),
            outcome(self.s3.generate_presigned_url, "no_such_method"),
            outcome(getattr, self.s3, "no_such_method"),
            outcome(self.s3.get_paginator, "get_object"),
        ]

    def presigned(self) -> Any:
        url = self.s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": "a/c.txt"}, ExpiresIn=60
        )
        with urllib.request.urlopen(url) as answer:
            return (answer.status, answer.read())

    def download(self) -> Any:
        results = []
        for key in ("a/c.txt", "z/last"):
            counted: list[int] = []
            lock = threading.Lock()

            def progress(count: int, counted: list[int] = counted, lock: threading.Lock = lock) -> None:
                with lock:
                    counted.append(count)

            target = io.BytesIO()
            self.s3.download_fileobj(self.bucket, key, target, Callback=progress)
            path = self.folder / "download"
            self.s3.download_file(Bucket=self.bucket, Key=key, Filename=str(path))
            results.append((target.getvalue(), path.read_bytes(), sum(counted)))
        results.append(outcome(lambda: self.s3.download_file(self.bucket, "nothing", str(self.folder / "no"))))
        return results

    def buckets(self) -> Any:
        return [
            outcome(self.s3.head_bucket, Bucket=self.bucket),
            outcome(self.s3.get_bucket_versioning, Bucket=self.bucket),
            self.bucket in [item["Name"] for item in self.s3.list_buckets()["Buckets"]],
            outcome(lambda: self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads")),
            self.s3.can_paginate("list_objects_v2"),
            self.s3.get_waiter("object_exists").wait(Bucket=self.bucket, Key="a.txt"),
            self.s3.get_waiter("object_not_exists").wait(Bucket=self.bucket, Key="nothing"),
        ]


class Writes:
    """Everything that writes, and reads it back."""

    def __init__(self, client: Any, bucket: str, folder: Path) -> None:
        self.s3, self.bucket, self.folder = client, bucket, folder

    def put_bodies(self) -> Any:
        path = self.folder / "upload"
        path.write_bytes(b"from a file")
        answers = []
        with path.open("rb") as file:
            for body in (b"bytes", bytearray(b"bytearray"), "text é", io.BytesIO(b"stream"), file):
                answers.append(self.s3.put_object(Bucket=self.bucket, Key="new/body", Body=body))
                answers.append(self.s3.get_object(Bucket=self.bucket, Key="new/body"))
        answers.append(self.s3.put_object(Bucket=self.bucket, Key="new/empty"))
        return [comparable(answer) for answer in answers]

    def put_described(self) -> Any:
        answer = self.s3.put_object(
            Bucket=self.bucket,
            Key="new/described",
            Body=b"{}",
            ContentType="application/json",
            ContentDisposition="attachment",
            ContentLanguage="it",
            ContentEncoding="gzip",
            Metadata={"chef": "Anna"},
        )
        return [comparable(answer), self.s3.get_object(Bucket=self.bucket, Key="new/described")]

    def overwrite(self) -> Any:
        self.s3.put_object(Bucket=self.bucket, Key="a.txt", Body=b"alpha 2", ContentType="text/plain")
        return [
            self.s3.get_object(Bucket=self.bucket, Key="a.txt"),
            [item["Size"] for item in self.s3.list_objects_v2(Bucket=self.bucket, Prefix="a.txt")["Contents"]],
        ]

    def put_if_absent(self) -> Any:
        return [
            outcome(self.s3.put_object, Bucket=self.bucket, Key=k, Body=b"first", IfNoneMatch="*")
            for k in ("new/absent", "new/absent", "dir/one")
        ]

    def copies(self) -> Any:
        source = {"Bucket": self.bucket, "Key": "a/c.txt"}
        odd = {"Bucket": self.bucket, "Key": "key with spaces & signs+é~!'()*"}
        answers = [
            self.s3.copy_object(Bucket=self.bucket, Key="copy/1", CopySource=source),
            self.s3.get_object(Bucket=self.bucket, Key="copy/1"),
            self.s3.copy_object(
                Bucket=self.bucket,
                Key="copy/2",
                CopySource=f"{self.bucket}/a/c.txt",
                MetadataDirective="REPLACE",
                ContentType="image/png",
                Metadata={"new": "yes"},
            ),
            self.s3.get_object(Bucket=self.bucket, Key="copy/2"),
            self.s3.copy_object(Bucket=self.bucket, Key="copy/3", CopySource=odd),
            self.s3.get_object(Bucket=self.bucket, Key="copy/3"),
            self.s3.copy_object(
                Bucket=self.bucket,
                Key="dir/one",
                CopySource={"Bucket": self.bucket, "Key": "dir/one"},
                MetadataDirective="REPLACE",
                Metadata={"moved": "yes"},
            ),
            self.s3.head_object(Bucket=self.bucket, Key="dir/one"),
        ]
        answers = [comparable(answer) for answer in answers]
        etag = self.s3.head_object(Bucket=self.bucket, Key="a/c.txt")["ETag"]
        for condition in ({"CopySourceIfMatch": '"0"'}, {"CopySourceIfNoneMatch": etag}, {"CopySourceIfMatch": etag}):
            answers.append(
                outcome(
                    lambda c=condition: self.s3.copy_object(Bucket=self.bucket, Key="copy/4", CopySource=source, **c)
                )
            )
        missing = {"Bucket": self.bucket, "Key": "nothing"}
        answers.append(outcome(self.s3.copy_object, Bucket=self.bucket, Key="copy/5", CopySource=missing))
        return answers

    def managed_copy(self) -> Any:
        counted: list[int] = []
        source = {"Bucket": self.bucket, "Key": "z/last"}
        self.s3.copy(source, self.bucket, "copy/managed", Callback=counted.append)
        return [sum(counted), self.s3.get_object(Bucket=self.bucket, Key="copy/managed")]

    def multipart(self) -> Any:
        key = "new/multipart"
        upload = self.s3.create_multipart_upload(
            Bucket=self.bucket, Key=key, ContentType="video/mp4", Metadata={"m": "1"}
        )
        ids = {"Bucket": self.bucket, "Key": key, "UploadId": upload["UploadId"]}
        parts = []
        for number, part in enumerate(PARTS, 1):
            answer = self.s3.upload_part(**ids, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        listed = self.s3.list_parts(**ids)
        done = self.s3.complete_multipart_upload(**ids, MultipartUpload={"Parts": parts})
        head = self.s3.head_object(Bucket=self.bucket, Key=key)
        again = outcome(self.s3.list_parts, **ids)
        other = self.s3.create_multipart_upload(Bucket=self.bucket, Key="new/aborted")
        gone = {"Bucket": self.bucket, "Key": "new/aborted", "UploadId": other["UploadId"]}
        self.s3.abort_multipart_upload(**gone)
        return [
            [item["Size"] for item in listed["Parts"]],
            done["ETag"] or None,
            comparable(head),
            again,
            outcome(self.s3.upload_part, **gone, PartNumber=1, Body=b"late"),
        ]

    def part_copies(self) -> Any:
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="new/parts")
        ids = {"Bucket": self.bucket, "Key": "new/parts", "UploadId": upload["UploadId"]}
        parts = []
        for number, extra in enumerate(({}, {"CopySourceRange": "bytes=0-9"}), 1):
            source = {"Bucket": self.bucket, "Key": "z/last"}
            if number == 1:
                answer = self.s3.upload_part(**ids, PartNumber=1, Body=PARTS[0])
            else:
                answer = self.s3.upload_part_copy(**ids, PartNumber=2, CopySource=source, **extra)["CopyPartResult"]
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.s3.complete_multipart_upload(**ids, MultipartUpload={"Parts": parts})
        body = self.s3.get_object(Bucket=self.bucket, Key="new/parts")["Body"].read()
        return [len(body), body[-10:]]

    def managed_uploads(self) -> Any:
        results = []
        for size in (10, 9 * 1024 * 1024):
            data = b"x" * size
            counted: list[int] = []
            path = self.folder / "big"
            path.write_bytes(data)
            self.s3.upload_file(
                str(path), self.bucket, "new/file", Callback=counted.append, ExtraArgs={"ContentType": "a/b"}
            )
            head = self.s3.head_object(Bucket=self.bucket, Key="new/file")
            self.s3.upload_fileobj(io.BytesIO(data), self.bucket, "new/fileobj")
            target = io.BytesIO()
            self.s3.download_fileobj(self.bucket, "new/fileobj", target)
            results.append((sum(counted), comparable(head), target.getvalue() == data))
        return results

    def presigned_put(self) -> Any:
        url = self.s3.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "new/signed"})
        request = urllib.request.Request(url, data=b"signed", method="PUT")
        request.add_header("Content-Type", "")  # urllib's own would not be the signed one
        with urllib.request.urlopen(request) as answer:
            status = answer.status
        return [status, self.s3.get_object(Bucket=self.bucket, Key="new/signed")["Body"].read()]

    def new_tags(self) -> Any:
        self.s3.put_object(Bucket=self.bucket, Key="new/tagged", Body=b"t", Tagging="a=1&b=2")
        first = self.s3.get_object_tagging(Bucket=self.bucket, Key="new/tagged")["TagSet"]
        tags = {"TagSet": [{"Key": "c", "Value": "3"}]}
        self.s3.put_object_tagging(Bucket=self.bucket, Key="new/tagged", Tagging=tags)
        second = self.s3.get_object_tagging(Bucket=self.bucket, Key="new/tagged")["TagSet"]
        missing = outcome(self.s3.put_object_tagging, Bucket=self.bucket, Key="nothing", Tagging=tags)
        return [sorted(map(str, first)), second, missing]

    def no_such_bucket(self) -> Any:
        gone = f"{self.bucket}-gone"
        return [
            outcome(self.s3.get_object, Bucket=gone, Key="a"),
            outcome(self.s3.head_bucket, Bucket=gone),
            outcome(self.s3.list_objects_v2, Bucket=gone),
            outcome(self.s3.put_object, Bucket=gone, Key="a", Body=b""),
        ]


class Deletes:
    """Everything that takes away."""

    def __init__(self, client: Any, bucket: str, folder: Path) -> None:
        self.s3, self.bucket, self.folder = client, bucket, folder

    def delete_one(self) -> Any:
        return [
            outcome(self.s3.delete_object, Bucket=self.bucket, Key=k) for k in ("dir/one", "dir/one", "nothing")
        ] + [outcome(self.s3.head_object, Bucket=self.bucket, Key="dir/one")]

    def delete_many(self) -> Any:
        objects = {"Objects": [{"Key": key} for key in ("a/b.txt", "nothing", "a/c.txt")]}
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete=objects)
        quiet = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "z/last"}], "Quiet": True})
        return [sorted(item["Key"] for item in answer["Deleted"]), comparable(quiet), self._keys()]

    def wrong_deletes(self) -> Any:
        return [
            outcome(self.s3.delete_object, Bucket=self.bucket),
            outcome(self.s3.delete_objects, Bucket=self.bucket, Delete=1),
            outcome(self.s3.delete_objects, Bucket=self.bucket, Delete={"Objects": []}),
        ]

    def _keys(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


def _names_of_pages(paginator: Any, ask: dict[str, Any]) -> list[list[str]]:
    return [_names(page) for page in paginator.paginate(**ask)]


def _names(page: dict[str, Any]) -> list[str]:
    keys = [item["Key"] for item in page.get("Contents", [])]
    return keys + [item["Prefix"] for item in page.get("CommonPrefixes", [])]


def play(steps: type, client: Any, bucket: str, folder: Path) -> dict[str, Any]:
    """Run every step, in the order in which they stand; the outcome of each by its name."""
    actor = steps(client, bucket, folder)
    names = [name for name in vars(steps) if not name.startswith("_")]
    return {name: renamed(outcome(getattr(actor, name)), bucket) for name in names}


def renamed(value: Any, bucket: str) -> Any:
    """Two runs have two buckets."""
    if isinstance(value, dict):
        return {key: renamed(inner, bucket) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [renamed(inner, bucket) for inner in value]
    return value.replace(bucket, "BUCKET") if isinstance(value, str) else value
