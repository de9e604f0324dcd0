"""A service of Food-Co, as it was written for S3. Only its import has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foodco_storage as boto3


class Catalog:
    """The documents and pictures that the shops show."""

    def __init__(self, bucket: str) -> None:
        self.s3 = boto3.client("s3")
        self.bucket = bucket

    def document(self, key: str) -> Any:
        """Fetch one document."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)

    def publish(self, key: str, body: bytes, content_type: str) -> Any:
        """Put a document, new or over an older one."""
        return self.s3.put_object(
            Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, Metadata={"published-by": "catalog"}
        )

    def archive(self, key: str) -> Any:
        """Keep a copy of a document under another name."""
        return self.s3.copy_object(Bucket=self.bucket, Key=f"archive/{key}", CopySource=f"{self.bucket}/{key}")

    def download(self, key: str, path: Path) -> None:
        """Fetch a document into a file, in parts where it is large."""
        self.s3.download_file(self.bucket, key, str(path))

    def keys(self) -> list[str]:
        """The names of all documents."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]
