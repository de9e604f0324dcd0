"""boto3's resource, whose every object holds a routed client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import foodco_storage
from foodco_storage.front.client import StorageClient


@pytest.fixture(params=["module", "session"])
def resource(request: pytest.FixtureRequest, two: Any) -> Any:
    if request.param == "module":
        return foodco_storage.resource("s3", storage=two.storage())
    return foodco_storage.Session(storage=two.storage()).resource()


def test_its_client_is_routed(resource: Any) -> None:
    assert isinstance(resource.meta.client, StorageClient)
    assert resource.Bucket("b").meta.client is resource.meta.client


def test_objects(resource: Any, two: Any, tmp_path: Path) -> None:
    two.put("old", "old", b"from the fallback")
    old = resource.Object(two.bucket, "old")
    assert old.get()["Body"].read() == b"from the fallback"
    assert old.content_length == 17
    old.download_file(str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"from the fallback"

    resource.Object(two.bucket, "new").put(Body=b"written")
    assert two.content("new") == {"new": b"written"}
    (tmp_path / "file").write_bytes(b"uploaded")
    resource.Bucket(two.bucket).upload_file(str(tmp_path / "file"), "file")
    assert two.content("new") == {"file": b"uploaded", "new": b"written"}

    resource.Object(two.bucket, "copy").copy_from(CopySource={"Bucket": two.bucket, "Key": "old"})
    resource.Object(two.bucket, "managed").copy({"Bucket": two.bucket, "Key": "old"})
    assert two.content("new")["copy"] == two.content("new")["managed"] == b"from the fallback"
    assert two.content("old") == {"old": b"from the fallback"}


def test_a_collection_is_merged_page_by_page(resource: Any, two: Any) -> None:
    for number in range(7):
        two.put("old" if number % 2 else "new", f"photos/{number}")
    two.put("old", "other")
    bucket = resource.Bucket(two.bucket)
    pages = list(bucket.objects.filter(Prefix="photos/").page_size(3).pages())
    assert [[item.key for item in page] for page in pages] == [
        ["photos/0", "photos/1", "photos/2"],
        ["photos/3", "photos/4", "photos/5"],
        ["photos/6"],
    ]
    assert [item.key for item in bucket.objects.limit(2)] == ["other", "photos/0"]
    assert next(iter(bucket.objects.filter(Prefix="photos/1"))).get()["Body"].read() == b"body"


def test_a_missing_object_raises_the_clients_exception(resource: Any, two: Any) -> None:
    with pytest.raises(resource.meta.client.exceptions.NoSuchKey):
        resource.Object(two.bucket, "absent").get()
