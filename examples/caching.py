"""What a cache answers, when it asks, and what a write does to it."""

from __future__ import annotations

import tempfile
from typing import Any

import foodco_storage
from foodco_storage.testing import MotoStore

BUCKET = "foodco-images"


def main(url: str, key_id: str, secret: str, directory: str) -> None:
    """Read and write a picture through a route with a cache."""
    s3 = foodco_storage.client(
        storage={
            "backends": {"ceph": {"endpoint_url": url, "access_key_id": key_id, "secret_access_key": secret}},
            "routes": {
                "images": {
                    "bucket": BUCKET,
                    "primary": "ceph",
                    "cache": {"memory_max_bytes": "64MiB", "disk_max_bytes": "1GiB", "ttl_seconds": 60},
                }
            },
            "cache": {"directory": directory},
        }
    )
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="pizza.jpg", Body=b"a pizza" * 1000)
    show("first read", s3.get_object(Bucket=BUCKET, Key="pizza.jpg"))
    show("again", s3.get_object(Bucket=BUCKET, Key="pizza.jpg"))
    show("a part", s3.get_object(Bucket=BUCKET, Key="pizza.jpg", Range="bytes=2-6"))
    s3.put_object(Bucket=BUCKET, Key="pizza.jpg", Body=b"a larger pizza")
    show("after a write", s3.get_object(Bucket=BUCKET, Key="pizza.jpg"))
    counted = foodco_storage.counters()["images"]
    print(f"requests saved: {counted['cache_saved_requests']}, bytes: {counted['cache_saved_bytes']}")


def show(what: str, answer: Any) -> None:
    """Say who has answered."""
    storage = answer["ResponseMetadata"]["Storage"]
    print(f"{what}: {len(answer['Body'].read())} bytes from {storage.get('cache', storage['backend'])}")


if __name__ == "__main__":
    with MotoStore() as store, tempfile.TemporaryDirectory() as cache:
        server = store.server
        main(server.endpoint_url, server.access_key_id, server.secret_access_key, cache)
