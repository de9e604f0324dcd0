"""Taking over `s3://` and `s3a://`, for code that can't change its paths."""

from __future__ import annotations

from typing import ClassVar

import fsspec

from foodco_storage.filesystem.filesystem import FoodcoFileSystem


class S3FileSystem(FoodcoFileSystem):
    """`FoodcoFileSystem` for paths that begin with `s3://`."""

    protocol: ClassVar[str | tuple[str, ...]] = ("s3", "s3a", "foodco")


def register_s3() -> None:
    """Make fsspec open `s3://` and `s3a://` by this library, in this process, in place of s3fs.

    What was opened before stays as it is. `filesystem.register_s3 = true` in the configuration does the same when
    `foodco_storage` is imported.

    Example:
        foodco_storage.register_s3()
        pandas.read_csv("s3://foodco-menus/prices.csv")
    """
    for protocol in ("s3", "s3a"):
        fsspec.register_implementation(protocol, S3FileSystem, clobber=True)
