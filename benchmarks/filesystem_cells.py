"""The file systems that are compared, each as its users get it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.stores import PRIMARY
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.testing import Server

S3FS, OWN = "s3fs", "foodco"
CACHED_SECONDS = 3600


@dataclass(frozen=True)
class Files:
    """One file system.

    Args:
        name: what it is called.
        make: makes it, with `asynchronous=True` for coroutines.
        root: what stands in front of a key.
        jumping: arguments of `open` for who jumps about in a file.
        close: ends an instance for coroutines, which nothing else does.
    """

    name: str
    make: Callable[..., Any]
    root: str = f"{PRIMARY}/"
    jumping: Mapping[str, Any] = field(default_factory=dict)
    close: Callable[[Any], Coroutine[Any, Any, None]] | None = None

    @cached_property
    def fs(self) -> Any:
        """The instance whose methods block."""
        return self.make()


def own(server: Server, directory: Path, *, cached: bool = False) -> Files:
    """The library's, by a route with one backend."""
    backend = {
        "preset": "ceph",
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "allow_plaintext_secrets": True,
    }
    route: dict[str, Any] = {"bucket": PRIMARY, "primary": "store"}
    if cached:
        route["cache"] = {"memory_max_bytes": "64MiB", "ttl_seconds": CACHED_SECONDS}
    storage = {"backends": {"store": backend}, "routes": {"r": route}, "cache": {"directory": str(directory / "cache")}}
    return Files(OWN, lambda **more: FoodcoFileSystem(storage=storage, **more))


def peers(server: Server, directory: Path, say: Callable[[str], None]) -> Iterator[Files]:
    """Those that are installed.

    Args:
        server: what they read from.
        directory: for what they want to find in a file.
        say: is told which ones are not installed.
    """
    for module, make in {"s3fs": _s3fs, "obstore": _obstore, "multistorageclient": _multi_storage_client}.items():
        if find_spec(module) is None:
            say(f"{module} is not installed, and left out")
        else:
            yield make(server, directory)


def _s3fs(server: Server, _: Path) -> Files:
    import s3fs  # noqa: PLC0415 - may be missing

    def make(**more: Any) -> Any:
        return s3fs.S3FileSystem(
            key=server.access_key_id,
            secret=server.secret_access_key,
            endpoint_url=server.endpoint_url,
            client_kwargs={"region_name": server.region},
            use_listings_cache=False,
            **more,
        )

    async def close(fs: Any) -> None:
        await (await fs.set_session()).close()

    # Its default brings 50 MiB after each jump.
    return Files(S3FS, make, jumping={"cache_type": "none"}, close=close)


def _obstore(server: Server, _: Path) -> Files:
    from obstore.fsspec import FsspecStore  # noqa: PLC0415 - may be missing

    def make(**more: Any) -> Any:
        return FsspecStore(
            "s3",
            endpoint=server.endpoint_url,
            region=server.region,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
            **more,
        )

    return Files("obstore", make, jumping={"buffer_size": 64 * 1024})


def _multi_storage_client(server: Server, directory: Path) -> Files:
    provider = {"base_path": PRIMARY, "endpoint_url": server.endpoint_url, "region_name": server.region}
    keys = {"access_key": server.access_key_id, "secret_key": server.secret_access_key}
    profile = {
        "storage_provider": {"type": "s3", "options": provider},
        "credentials_provider": {"type": "S3Credentials", "options": keys},
    }
    configuration = directory / "msc.json"
    configuration.write_text(json.dumps({"profiles": {"bench": profile}}))
    # It takes its configuration no other way.
    os.environ["MSC_CONFIG"] = str(configuration)
    from multistorageclient.contrib.async_fs import MultiStorageAsyncFileSystem  # noqa: PLC0415 - may be missing

    return Files("multi-storage-client", MultiStorageAsyncFileSystem, root="bench/")
