"""The filesystem for paths that begin with `s3://`, where `foodco_storage.register_s3` has put it there."""

from __future__ import annotations

from typing import ClassVar

from foodco_storage.filesystem.filesystem import FoodcoFileSystem


class S3FileSystem(FoodcoFileSystem):
    """`FoodcoFileSystem`, whose full paths begin with `s3://`."""

    protocol: ClassVar[str | tuple[str, ...]] = ("s3", "s3a", "foodco")
