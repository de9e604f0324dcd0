"""Taking over `s3://` and `s3a://` in fsspec, for code that can't change its paths."""

from __future__ import annotations

import os
from typing import Any

from foodco_storage.config.load import OVERLAY_PREFIX, find

_CLASS = "foodco_storage.filesystem.s3_filesystem.S3FileSystem"


def register_s3() -> None:
    """Make fsspec open `s3://` and `s3a://` by this library, in this process, in place of s3fs.

    Tools with a client of their own for `s3://` (pyarrow, and pandas for parquet without `storage_options`) still use that.
    Filesystems and files that are open stay what they are. `filesystem.register_s3 = true` in the configuration does the
    same whenever `foodco_storage` is imported.

    Example:
        foodco_storage.register_s3()
        pandas.read_csv("s3://foodco-menus/prices.csv")
    """
    import fsspec  # noqa: PLC0415 - who opens no files needs none of it

    for protocol in ("s3", "s3a"):
        # By its name: loaded when the first path is opened.
        fsspec.register_implementation(protocol, _CLASS, clobber=True)
        if protocol in fsspec.registry:
            # s3fs was loaded, and would go on to be found first.
            from foodco_storage.filesystem.s3_filesystem import S3FileSystem  # noqa: PLC0415

            fsspec.register_implementation(protocol, S3FileSystem, clobber=True)


def register_s3_if_configured() -> None:
    """`register_s3`, where the configuration says so. What else is wrong with it, the first client tells."""
    document = _file()
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(OVERLAY_PREFIX) and name.removeprefix(OVERLAY_PREFIX).lower().startswith("filesystem")
    }
    if variables:
        from foodco_storage.config.overlay import overlay  # noqa: PLC0415 - nearly never

        overlay(document, variables, [])
    table = document.get("filesystem")
    if isinstance(table, dict) and table.get("register_s3") is True:
        register_s3()


def _file() -> dict[str, Any]:
    path = find()
    if path is None:
        return {}
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return {}
    if "register_s3" not in text:
        # Nearly always: nothing to parse.
        return {}
    import tomllib  # noqa: PLC0415

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
