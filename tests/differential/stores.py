"""Clients for the stores that are compared, and the comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import boto3
from botocore.config import Config

from foodco_storage.testing import Server

# What the preset of a non-AWS store sets: the comparison is of the library, not of these settings.
AS_PRESET = Config(
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
    retries={"mode": "standard"},
)


def boto3_client(server: Server) -> Any:
    return boto3.client("s3", **server.client_arguments(), config=AS_PRESET)


def backend(server: Server, preset: str) -> dict[str, Any]:
    return {
        "preset": preset,
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }


def same(ours: dict[str, Any], theirs: dict[str, Any], known: Iterable[str] = ()) -> None:
    """Compare step by step, so that a failure shows the step and not everything."""
    assert list(ours) == list(theirs)
    differences = [
        line
        for step in theirs
        for line in _differences(step, ours[step], theirs[step])
        if not any(re.match(pattern, line) for pattern in known)
    ]
    assert not differences, "\n".join(differences)


def _differences(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}, key=str):
            yield from _differences(f"{path}.{name}", ours.get(name), theirs.get(name))
    elif isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{path}[{number}]", *pair)
    elif ours != theirs:
        yield f"{path}: ours {str(ours)[:300]}, boto3 {str(theirs)[:300]}"
