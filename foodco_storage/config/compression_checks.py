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
_DICTIONARY: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


def compression(configuration: Configuration) -> Iterator[Problem]:
    """Mistakes in what each route compresses."""
    for name, route in configuration.routes.items():
        if route.compression != Compression():
            yield from _of(f"{joined('routes', name)}.compression", route)


def _of(path: str, route: Route) -> Iterator[Problem]:
    options = route.compression
    if options.codec is None:
        yield Problem(path, "compresses nothing: name a codec, 'zstd'")
        return
    if options.codec == "zstd" and route.phase in {"source", "backfill"}:
        yield Problem(
            f"{path}.codec",
            f"can't be 'zstd' in phase {route.phase!r}: clients without the library still read the bucket. Leave the table "
            "out until the cutover; after a way back from it say 'none', which reads what was compressed meanwhile",
        )
    if not _SMALLEST_FRAME <= options.frame_bytes <= _LARGEST_FRAME:
        yield Problem(f"{path}.frame_bytes", "must be between '16KiB' and '16MiB'")
    if options.dictionary is not None and not _DICTIONARY.fullmatch(options.dictionary):
        yield Problem(
            f"{path}.dictionary",
            f"{options.dictionary!r} is no id of a dictionary: it has 32 hex digits, and `foodco-storage dictionary train` "
            "prints it",
        )
    for key, patterns in (("include_types", options.include_types), ("exclude_types", options.exclude_types)):
        for number, pattern in enumerate(patterns or ()):
            if "/" not in pattern and pattern != "*":
                yield Problem(f"{path}.{key}[{number}]", f"{pattern!r} is no content type, such as 'text/*'")
