"""What the table of compression must be beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from foodco_storage.config.model import Compression, Configuration, Route
from foodco_storage.config.plain import joined
from foodco_storage.errors import Problem

_SMALLEST_FRAME: Final = 16 * 1024
_LARGEST_FRAME: Final = 16 * 1024**2
_LARGEST_ENCODED_FRAME: Final = 8 * 1024**2
"""Readers of `Content-Encoding: zstd` need not take larger windows (RFC 9659)."""

_DICTIONARY_FOR: Final = 64 * 1024
_TYPE: Final = re.compile(r"\*|[^/;\s]+/[^/;\s]+")
_DICTIONARY: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


def compression(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in what each route compresses."""
    for name, route in configuration.routes.items():
        if route.compression != Compression():
            yield from _of(f"{joined('routes', name)}.compression", route)


def _of(path: str, route: Route) -> Iterator[Problem]:
    options = route.compression
    if options.codec is None:
        yield Problem(f"{path}.codec", "is missing; without it the table means nothing")
        return
    if options.codec == "zstd" and route.phase in {"source", "backfill"}:
        yield Problem(
            f"{path}.codec",
            f"can't be 'zstd' in phase {route.phase!r}: clients without the library still read the bucket. Leave the table "
            "out until the cutover; after a way back from it say 'none', which reads what was compressed meanwhile",
        )
    if not _SMALLEST_FRAME <= options.frame_bytes <= _LARGEST_FRAME:
        yield Problem(f"{path}.frame_bytes", "must be between '16KiB' and '16MiB'")
    if options.presigned == "encoded" and options.frame_bytes > _LARGEST_ENCODED_FRAME:
        message = "must be at most '8MiB' with presigned = 'encoded': readers of zstd encodings need not take more"
        yield Problem(f"{path}.frame_bytes", message)
    if options.dictionary is not None and (
        options.min_bytes > _DICTIONARY_FOR or options.frame_bytes <= _DICTIONARY_FOR
    ):
        message = "is for objects up to 64KiB: min_bytes must not be above that, and frame_bytes must be"
        yield Problem(f"{path}.dictionary", message)
    elif options.dictionary is not None and not _DICTIONARY.fullmatch(options.dictionary):
        yield Problem(
            f"{path}.dictionary",
            f"{options.dictionary!r} is no id of a dictionary: it has 32 hex digits, and `foodco-storage dictionary train` "
            "prints it",
        )
    for key, patterns in (("include_types", options.include_types), ("exclude_types", options.exclude_types)):
        for number, pattern in enumerate(patterns or ()):
            if not _TYPE.fullmatch(pattern):
                yield Problem(
                    f"{path}.{key}[{number}]", f"{pattern!r} is no content type, such as 'text/*', without parameters"
                )
