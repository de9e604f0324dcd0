"""Paths for data tools: what a service wrote is read by its path, and the other way round."""

from __future__ import annotations

import fsspec

import foodco_storage
from foodco_storage.testing import MotoStore

BUCKET = "foodco-menus"


def main(url: str, key_id: str, secret: str) -> None:
    """Write and read prices."""
    foodco_storage.setup_default_session(
        storage={
            "backends": {"ceph": {"endpoint_url": url, "access_key_id": key_id, "secret_access_key": secret}},
            "routes": {"menus": {"bucket": BUCKET, "primary": "ceph", "compression": {"codec": "zstd"}}},
        }
    )
    s3 = foodco_storage.client()
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="2026/prices.csv", Body=b"dish,price\n" + b"margherita,7.50\n" * 10_000)

    fs = fsspec.filesystem("foodco")
    print("files:", fs.find(BUCKET))
    print("size:", fs.size(f"{BUCKET}/2026/prices.csv"))
    with fsspec.open(f"foodco://{BUCKET}/2026/prices.csv", "rt") as prices:
        print("columns:", prices.readline().strip())
    print("last line:", fs.tail(f"{BUCKET}/2026/prices.csv", 16).decode().strip())

    with fs.open(f"{BUCKET}/2026/notes.txt", "w") as notes:
        notes.write("no pineapple\n")
    print("a service reads:", s3.get_object(Bucket=BUCKET, Key="2026/notes.txt")["Body"].read().decode().strip())

    foodco_storage.register_s3()
    print("s3:// too:", fsspec.open(f"s3://{BUCKET}/2026/notes.txt").open().read().decode().strip())


if __name__ == "__main__":
    with MotoStore() as store:
        server = store.server
        main(server.endpoint_url, server.access_key_id, server.secret_access_key)
