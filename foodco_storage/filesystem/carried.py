"""What an object carries beside its bytes, and takes along when it is made anew."""

from __future__ import annotations

from typing import Final

KEPT: Final[tuple[str, ...]] = (
    "BucketKeyEnabled",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "SSECustomerAlgorithm",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
    "WebsiteRedirectLocation",
)
"""Names that HeadObject answers, and that requests which write objects take. Tags are asked for by themselves."""
