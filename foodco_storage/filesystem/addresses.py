"""Paths of the filesystem: buckets, keys and versions in them.

A path is `bucket/key`, with or without `foodco://` (also `s3://` and `s3a://`) in front, and `?versionId=...` behind where
the filesystem is aware of versions. Keys are taken as they are: `a//b`, `a/./b` and `a%20b` are names like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from fsspec.utils import stringify_path

PROTOCOLS: Final = ("foodco", "s3", "s3a")
"""What a path may begin with."""

VERSION_MARK: Final = "?versionId="

# Access points stand where buckets do, and their names hold slashes
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html).
_ACCESS_POINT: Final = re.compile(
    r"(?P<bucket>arn:aws[^:]*:(?:"
    r"s3:[a-z\-0-9]*:[0-9]{12}:accesspoint[:/][^/]+"
    r"|s3-object-lambda:[a-z\-0-9]+:[0-9]{12}:accesspoint[:/][a-zA-Z0-9\-]{1,63}"
    r"|s3-outposts:[a-z\-0-9]+:[0-9]{12}:outpost[/:][a-zA-Z0-9\-]{1,63}[/:](?:bucket|accesspoint)[/:][a-zA-Z0-9\-]{1,63}"
    r"))(?:[/:](?P<key>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object lies.

    Args:
        bucket: its bucket; empty for the root, which holds the buckets.
        key: empty for the bucket itself.
        version: of the object; None for the latest.
    """

    bucket: str
    key: str
    version: str | None = None

    @property
    def path(self) -> str:
        """As the filesystem says it, without the version."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def versioned(self) -> str:
        """The path with its version, if it has one."""
        return self.path if self.version is None else f"{self.path}{VERSION_MARK}{self.version}"

    @property
    def params(self) -> dict[str, str]:
        """boto3's parameters for it."""
        named = {"Bucket": self.bucket, "Key": self.key}
        return named if self.version is None else {**named, "VersionId": self.version}

    def with_version(self, version: str | None) -> Address:
        """The same in a version, when one is given.

        Raises:
            ValueError: another version is in the path.
        """
        if version is None or version == self.version:
            return self
        if self.version is not None:
            raise ValueError(f"version_id={version!r}, but {self.path!r} names the version {self.version!r}: give one")
        return Address(self.bucket, self.key, version)


def without_protocol(path: Any) -> str:
    """A path without what stands in front of the bucket; slashes at its end stay."""
    text: str = stringify_path(path)
    for protocol in PROTOCOLS:
        for mark in ("://", "::"):
            if text.startswith(protocol + mark):
                return text[len(protocol) + len(mark) :]
    return text


def parse(path: Any, *, versions: bool = False) -> Address:
    """Find bucket, key and version.

    Args:
        path: a string, or what has one (`os.PathLike`). Slashes at the end of a key are part of it.
        versions: whether a version may stand at the end; else it is part of the key.

    Example:
        parse("foodco://photos/2026/pizza.jpg")  # Address("photos", "2026/pizza.jpg")
    """
    text = without_protocol(path).lstrip("/")
    match = _ACCESS_POINT.fullmatch(text) if text.startswith("arn:") else None
    if match is not None:
        bucket, key = match["bucket"], match["key"] or ""
    else:
        bucket, _, key = text.partition("/")
    version = None
    if versions:
        key, mark, found = key.rpartition(VERSION_MARK) if VERSION_MARK in key else (key, "", "")
        version = found if mark and found else None
    return Address(bucket, key, version)


def parent(path: str) -> str:
    """The directory that a path lies in, as listings name it."""
    return path.rstrip("/").rpartition("/")[0]
