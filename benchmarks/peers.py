"""Other S3 clients for Python, where they are installed (`pip install -e '.[bench]'`): as whole clients, get and list."""

from __future__ import annotations

import os
from importlib.util import find_spec

from benchmarks.cells import Actions, Cell
from benchmarks.stores import LIST_PREFIX, PRIMARY, SMALL


def peer_cells(endpoint_url: str) -> list[Cell]:
    """A cell for each peer that is installed."""
    makers = {"s3fs": _s3fs, "obstore": _obstore}
    return [Cell(name, make(endpoint_url)) for name, make in makers.items() if find_spec(name) is not None]


def _s3fs(endpoint_url: str) -> Actions:
    import s3fs  # noqa: PLC0415 - may be missing

    files = s3fs.S3FileSystem(
        endpoint_url=endpoint_url, client_kwargs={"region_name": "us-east-1"}, use_listings_cache=False
    )
    return {
        "get": lambda: files.cat_file(f"{PRIMARY}/{SMALL}"),
        "list": lambda: files.ls(f"{PRIMARY}/{LIST_PREFIX}images", detail=True, refresh=True),
    }


def _obstore(endpoint_url: str) -> Actions:
    import obstore  # noqa: PLC0415 - may be missing
    from obstore.store import S3Store  # noqa: PLC0415 - may be missing

    store = S3Store(
        PRIMARY,
        endpoint=endpoint_url,
        region="us-east-1",
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    return {
        "get": lambda: obstore.get(store, SMALL).bytes().to_bytes(),
        "list": lambda: obstore.list(store, LIST_PREFIX).collect(),
    }
