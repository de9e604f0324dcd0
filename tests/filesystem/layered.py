"""What the buckets of a filesystem go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import Server

OpenFilesystem = Callable[..., FoodcoFileSystem]
MakeBucket = Callable[..., str]

COMPRESSION = {"codec": "zstd", "min_bytes": 1, "min_gain": 0, "frame_bytes": "16KiB", "exclude_types": []}
LAYERS: dict[str, dict[str, Any]] = {
    "no route": {},
    "plain route": {"route": True},
    "cache": {"cache": {"memory_max_bytes": "16MiB", "ttl_seconds": 0}},
    "compression": {"compression": COMPRESSION},
    "cutover": {"phase": "cutover"},
    "all": {
        "phase": "cutover",
        "compression": COMPRESSION,
        "cache": {"memory_max_bytes": "16MiB", "ttl_seconds": 0},
    },
}
"""What a filesystem's buckets go through."""


def described(server: Server) -> dict[str, Any]:
    return {
        "preset": "s3",
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "allow_plaintext_secrets": True,
    }


def configured(layers: str, store: Server, source: Server, journal: str) -> dict[str, Any]:
    """A configuration in which every bucket goes through some layers."""
    options = dict(LAYERS[layers])
    backends = {"store": described(store), "source": described(source)}
    configuration: dict[str, Any] = {"backends": backends, "default": {"backend": "store"}}
    if options:
        options.pop("route", None)
        route = {"bucket": "*", "primary": "store", **options}
        if "phase" in options:
            route["fallbacks"] = ["source"]
            configuration["journal"] = {"directory": journal}
        configuration["routes"] = {"everything": route}
    return configuration
