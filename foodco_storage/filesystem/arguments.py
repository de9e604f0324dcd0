"""The filesystem's arguments, checked before anything is asked: a mistake is told by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Final

from fsspec.caching import caches

from foodco_storage.config import Configuration
from foodco_storage.filesystem.streaming import StreamCache

_TEXTS: Final = ("endpoint_url", "key", "secret", "token", "username", "password", "profile")
_SWITCHES: Final = (
    "anon", "use_ssl", "requester_pays", "default_fill_cache", "version_aware", "fixed_upload_size", "local_expiry_check",
    "cache_regions", "asynchronous", "skip_instance_cache",
)  # fmt: skip
_TABLES: Final = ("client_kwargs", "config_kwargs", "s3_additional_kwargs")
_LEAST: Final = {"max_concurrency": 1, "default_block_size": 0, "max_paths": 1, "batch_size": -1}
"""Whole numbers, and the least that each may be. fsspec takes -1 files at once for all at once."""


def check(given: Mapping[str, Any]) -> None:
    """Look at the arguments of a filesystem, by their names.

    Raises:
        TypeError: one of another type.
        ValueError: one that can't be.
    """
    for name in _TEXTS:
        _of_type(name, given[name], str, "text")
    for name in _SWITCHES:
        if not isinstance(given[name], bool):
            raise TypeError(f"{name} must be True or False, not of type {type(given[name]).__name__}")
    _of_type("use_listings_cache", given["use_listings_cache"], bool, "True, False or None")
    for name in _TABLES:
        _of_type(name, given[name], Mapping, "a mapping")
    _of_type(
        "storage", given["storage"], Configuration | Mapping | str | os.PathLike, "a Configuration, a mapping or a path"
    )
    for name, least in _LEAST.items():
        whole_number(name, given[name], least)
    if given["max_concurrency"] is None:
        raise TypeError("max_concurrency must be a whole number, not None")
    _check_expiry(given["listings_expiry_time"])
    for name, other in (("key", "username"), ("secret", "password")):
        if None not in {given[name], given[other]}:
            raise ValueError(f"{name} and {other} are the same: give one of them")
    _check_endpoint(given["endpoint_url"])
    cache_type("default_cache_type", given["default_cache_type"])


def _check_expiry(expiry: Any) -> None:
    _of_type("listings_expiry_time", expiry, Real, "a number of seconds")
    if expiry is not None and expiry < 0:
        raise ValueError(f"listings_expiry_time must be 0 or more seconds, not {expiry}")


def _check_endpoint(endpoint: str | None) -> None:
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ValueError(f"endpoint_url must begin with http:// or https://, not be {endpoint!r}")


def whole_number(name: str, value: Any, least: int) -> None:
    """Raises: TypeError, ValueError."""
    _of_type(name, value, Integral, "a whole number")
    if value is not None and value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")


def cache_type(name: str, value: Any) -> str:
    """The name of a cache that files are read through.

    Raises:
        ValueError: there is none of that name.
    """
    known = (StreamCache.name, *(str(one) for one in caches if one is not None))
    value = "none" if value is None else value
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return str(value)


def _of_type(name: str, value: Any, kind: Any, called: str) -> None:
    # The value itself may be a secret.
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be {called}, not of type {type(value).__name__}")
