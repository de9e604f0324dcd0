"""What botocore finds wrong with the parameters of a delete, where the delete itself is never sent: a tombstone is.

A mistyped `VersionId` must not delete the key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from botocore.exceptions import ParamValidationError

from foodco_storage.flows.request import Parameters, Request

# In botocore's order, which its messages show.
ONE = (
    "Bucket",
    "Key",
    "MFA",
    "VersionId",
    "RequestPayer",
    "BypassGovernanceRetention",
    "ExpectedBucketOwner",
    "IfMatch",
    "IfMatchLastModifiedTime",
    "IfMatchSize",
)
"""Parameters of DeleteObject."""

SEVERAL = (
    "Bucket",
    "Delete",
    "MFA",
    "RequestPayer",
    "BypassGovernanceRetention",
    "ExpectedBucketOwner",
    "ChecksumAlgorithm",
)
"""Parameters of DeleteObjects."""

DELETE = ("Objects", "Quiet")
ITEM = ("Key", "VersionId", "ETag", "LastModifiedTime", "Size")

_TEXTS = frozenset({"ETag", "IfMatch", "VersionId"})

NOT_CARRIED = frozenset({"IfMatchLastModifiedTime", "IfMatchSize", "LastModifiedTime", "Size"})
"""Conditions of directory buckets, which a PUT does not know."""


def check_one(request: Request) -> None:
    """Check the parameters of a DeleteObject.

    Raises:
        ParamValidationError: as botocore words it.
    """
    _raise(_mistakes(request.params, ONE, ("Bucket", "Key"), "input"))


def check_several(request: Request) -> None:
    """Check the parameters of a DeleteObjects.

    Raises:
        ParamValidationError: as botocore words it.
    """
    _raise(_mistakes_of_several(request.params))


def _mistakes_of_several(params: Parameters) -> Iterator[str]:
    yield from _mistakes(params, SEVERAL, (), "input")
    delete: Any = params.get("Delete")
    if not isinstance(delete, dict):
        yield _wrong_type(delete, "Delete", dict) if "Delete" in params else _missing("Delete", "input")
        return
    yield from _mistakes(delete, DELETE, (), "Delete")
    objects = delete.get("Objects")
    if not isinstance(objects, list | tuple):
        yield (
            _wrong_type(objects, "Delete.Objects", list, tuple)
            if "Objects" in delete
            else _missing("Objects", "Delete")
        )
        return
    for number, item in enumerate(objects):
        where = f"Delete.Objects[{number}]"
        if isinstance(item, dict):
            yield from _mistakes(item, ITEM, ("Key",), where)
        else:
            yield _wrong_type(item, where, dict)


def _mistakes(params: Parameters, known: tuple[str, ...], required: Collection[str], where: str) -> Iterator[str]:
    prefix = "" if where == "input" else f"{where}."
    for name in required:
        if name not in params:
            yield _missing(name, where)
        elif not isinstance(params[name], str):
            yield _wrong_type(params[name], prefix + name, str)
        elif name == "Key" and not params[name]:
            yield f"Invalid length for parameter {prefix}{name}, value: 0, valid min length: 1"
    for name in params:
        if name in _TEXTS and not isinstance(params[name], str):
            yield _wrong_type(params[name], prefix + name, str)
        elif name not in known:
            yield f'Unknown parameter in {where}: "{name}", must be one of: {", ".join(known)}'


def _missing(name: str, where: str) -> str:
    return f'Missing required parameter in {where}: "{name}"'


def _wrong_type(value: Any, where: str, *types: type) -> str:
    valid = ", ".join(map(str, types))
    return f"Invalid type for parameter {where}, value: {value}, type: {type(value)}, valid types: {valid}"


def _raise(mistakes: Iterator[str]) -> None:
    if report := "\n".join(mistakes):
        raise ParamValidationError(report=report)
