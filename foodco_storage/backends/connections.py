"""The connection pool of a botocore client, in a forked child."""

from __future__ import annotations

from typing import Any

from botocore.httpsession import PoolManager


def renew_connections(client: Any) -> None:
    """Give a client a new, empty connection pool; call in the child, right after the fork.

    Parent and child hold the same sockets. If both used them, each would read the other's answers. The old pool is dropped,
    not closed: its lock may have been held at the fork.
    """
    http = client._endpoint.http_session  # noqa: SLF001 - botocore has no public way to do this
    manager = PoolManager(**http._get_pool_manager_kwargs())  # noqa: SLF001
    manager.pool_classes_by_scheme = http._pool_classes_by_scheme  # noqa: SLF001
    http._manager = manager  # noqa: SLF001
    http._proxy_managers = {}  # noqa: SLF001
