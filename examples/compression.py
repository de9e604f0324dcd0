"""What a route that compresses stores, and what its users see."""

from __future__ import annotations

import json
from typing import Any

import boto3

import foodco_storage
from foodco_storage.testing import MotoStore

BUCKET = "foodco-menu"


def main(url: str, key_id: str, secret: str) -> None:
    """Write and read a menu, and look at what lies in the store."""
    s3: Any = foodco_storage.client(
        storage={
            "backends": {"ceph": {"endpoint_url": url, "access_key_id": key_id, "secret_access_key": secret}},
            "routes": {"menu": {"bucket": BUCKET, "primary": "ceph", "compression": {"codec": "zstd"}}},
        }
    )
    s3.create_bucket(Bucket=BUCKET)
    menu = json.dumps([{"id": n, "dish": f"pizza {n}", "kcal": 700 + n % 90} for n in range(20_000)]).encode()
    s3.put_object(Bucket=BUCKET, Key="menu.json", Body=menu, ContentType="application/json")
    s3.put_object(Bucket=BUCKET, Key="pizza.jpg", Body=b"\xff\xd8\xff" * 500, ContentType="image/jpeg")

    for key in ("menu.json", "pizza.jpg"):
        answer = s3.get_object(Bucket=BUCKET, Key=key)
        size = len(answer["Body"].read())
        stored = answer["ResponseMetadata"]["Storage"].get("stored_size")
        print(f"{key}: {size:,} bytes" + (f", stored in {stored:,}" if stored else ", as they are"))
    part = s3.get_object(Bucket=BUCKET, Key="menu.json", Range="bytes=500000-500999")
    print(f"a range: {part['ContentRange']}, right: {part['Body'].read() == menu[500_000:501_000]}")

    plain = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=key_id, aws_secret_access_key=secret, region_name="us-east-1"
    )
    lies = plain.head_object(Bucket=BUCKET, Key="menu.json")
    print(f"a client without the library sees: Content-Encoding {lies['ContentEncoding']}")


if __name__ == "__main__":
    with MotoStore() as store:
        server = store.server
        main(server.endpoint_url, server.access_key_id, server.secret_access_key)
