"""Managed transfers: kept on s3transfer's classic client, which calls the operations of ours.

boto3 may choose the AWS Common Runtime client instead (`preferred_transfer_client="auto"` on some machines). It sends
requests of its own to AWS, whatever `endpoint_url` says, and so past every route.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from foodco_storage.backends.quirks import DEFAULT_ALGORITHM
from foodco_storage.errors import OperationRefusedError

logger = logging.getLogger("foodco_storage")

TRANSFERS = ("upload_file", "upload_fileobj", "download_file", "download_fileobj", "copy")
"""The methods that boto3 adds to an S3 client and that take a `Config` for the transfer."""

_UPLOADS = frozenset({"upload_file", "upload_fileobj"})

_told = False


def through_routes(method: Callable[..., Any]) -> Callable[..., Any]:
    """A transfer method of a client that sends everything through its routes."""
    signature = inspect.signature(method)

    @wraps(method)
    def transfer(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._dispatch is None:
            return method(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        bucket, key = bound.arguments.get("Bucket"), bound.arguments.get("Key")
        if isinstance(bucket, str) and self._dispatch.router.route(bucket, key) is not None:
            bound.arguments["Config"] = _classic(method.__name__, bound.arguments.get("Config"))
            if method.__name__ in _UPLOADS:
                # s3transfer would add it as a plain string, which no backend could tell from a caller's own choice.
                given = bound.arguments.get("ExtraArgs") or {}
                if not any(name.startswith("Checksum") for name in given) and _adds_checksums(self):
                    bound.arguments["ExtraArgs"] = {**given, "ChecksumAlgorithm": DEFAULT_ALGORITHM}
        return method(*bound.args, **bound.kwargs)

    return transfer


def _adds_checksums(client: Any) -> bool:
    return bool(client.meta.config.request_checksum_calculation == "when_supported")


def _classic(method: str, config: Any) -> Any:
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - only transfers need it

    if config is None:
        return TransferConfig(preferred_transfer_client="classic")
    preferred = str(config.preferred_transfer_client).lower()
    if preferred == "crt":
        message = (
            "preferred_transfer_client='crt' would send requests past the routes of this bucket; "
            "use 'classic', or leave it out"
        )
        raise OperationRefusedError(message, method)
    if preferred == "classic":
        return config
    _tell_once()
    classic = copy.copy(config)
    classic.preferred_transfer_client = "classic"
    return classic


def _tell_once() -> None:
    global _told  # noqa: PLW0603 - once per process
    if not _told:
        _told = True
        logger.info("transfers on routed buckets use s3transfer's classic client, whatever boto3 would choose")
