"""What every verb of the filesystem works with: the client, what goes with each request, and what listings are kept."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import register_at_fork
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from fsspec.dircache import DirCache
from urllib3.exceptions import HTTPError

from foodco_storage.errors import ConfigurationError, Problem, StorageError
from foodco_storage.filesystem.addresses import Address, parse, without_protocol
from foodco_storage.filesystem.failures import fail
from foodco_storage.filesystem.pools import Pools

# The last is urllib3's, of a connection that breaks in the body of an error.
FAILURES: Final = (BotoCoreError, ClientError, StorageError, HTTPError)
"""What a client may raise for a request."""


class Store:
    """A filesystem's side of a client.

    Args:
        open_client: makes the client, at the first request.
        pools: threads for what is done at once.
        dircache: listings that are kept, where the user said so.
        version_aware: whether paths may name versions.
        extra: parameters that are given with every request that takes them (`s3_additional_kwargs`, `RequestPayer`).
        part_bytes: what is larger is moved in parts of this size.
        concurrency: parts of a file that are moved at once.
        compares_etags: whether answers are compared here, for stores that know no `If-Match`.
    """

    def __init__(
        self,
        open_client: Callable[[], Any],
        pools: Pools,
        dircache: DirCache,
        *,
        version_aware: bool,
        extra: Mapping[str, Any],
        part_bytes: int,
        concurrency: int,
        compares_etags: bool = False,
    ) -> None:
        self._open_client = open_client
        self.pools = pools
        self.dircache = dircache
        self.version_aware = version_aware
        self.part_bytes = part_bytes
        self.concurrency = concurrency
        self.compares_etags = compares_etags
        self.extra = extra
        self._client: Any = None
        # Making a client may collect garbage, files that write when they end among it.
        self._lock = threading.RLock()
        self._taken: dict[str, frozenset[str]] = {}
        _stores.add(self)

    @property
    def client(self) -> Any:
        """The S3 client, made when it is first needed.

        Raises:
            ConfigurationError: the configuration has mistakes.
            TypeError: an additional parameter that no operation takes.
        """
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._keep(self._opened())
        return self._client

    def _keep(self, client: Any) -> None:
        """Of two, where a file that was collected meanwhile made one as well, the first."""
        if self._client is None:
            self._client = client
        else:
            client.close()

    def _opened(self) -> Any:
        try:
            client = self._open_client()
        except BotoCoreError as error:
            # Of no file: botocore could not make sense of what it was given.
            raise ConfigurationError([Problem("", f"the client can't be made: {error}")]) from error
        if self.extra:
            model = client.meta.service_model
            shapes = (model.operation_model(name).input_shape for name in model.operation_names)
            known = {name for shape in shapes if shape is not None for name in shape.members}
            if unknown := sorted(self.extra.keys() - known):
                client.close()
                raise TypeError(f"s3_additional_kwargs: no request to S3 takes {', '.join(unknown)}")
        return client

    def renew(self) -> None:
        """Make a new client at the next request, by new credentials perhaps."""
        with self._lock:
            self._client = None

    def parse(self, path: Any) -> Address:
        """Find bucket, key and, where this filesystem knows of them, version of a path."""
        return parse(path, versions=self.version_aware)

    def place(self, path: Any) -> Address:
        """The address of what a path names, whatever slashes stand at its end."""
        return self.parse(without_protocol(path).rstrip("/"))

    def key(self, path: Any) -> Address:
        """The address of a path that must name an object.

        Raises:
            IsADirectoryError: it names a bucket, or nothing.
        """
        address = self.parse(path)
        if not address.key:
            raise IsADirectoryError(21, "this path names no object: write bucket/key", str(path))
        return address

    def writable_key(self, path: Any) -> Address:
        """The address of a path that an object is to be written to.

        Raises:
            IsADirectoryError: it names a bucket, or nothing.
            ValueError: it names a version.
        """
        address = self.key(path)
        if address.version is not None:
            raise ValueError(f"{path}: a version can't be written; leave out ?versionId=")
        return address

    def call(
        self, operation: str, path: str, params: Mapping[str, Any], *optional: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a request.

        Args:
            operation: the client's method.
            path: what it is about, for errors.
            params: what it needs.
            *optional: more, of which what the operation does not take is left out, as s3fs does.

        Raises:
            OSError: by the table of `failures`; boto3's error is its cause.
        """
        try:
            return self.send(operation, params, *optional)
        except FAILURES as error:
            fail(error, path)

    def send(self, operation: str, params: Mapping[str, Any], *optional: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request; errors stay the client's."""
        client = self.client
        asked = {**self.taken(operation, self.extra), **params}
        for more in optional:
            asked |= self.taken(operation, more)
        answer: dict[str, Any] = getattr(client, operation)(**asked)
        return answer

    def taken(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Of some parameters, those that an operation takes."""
        if not params:
            return {}
        names = self._names(operation)
        return {name: value for name, value in params.items() if name in names and value is not None}

    def unknown(self, operation: str, params: Mapping[str, Any]) -> list[str]:
        """The names of those that an operation does not take."""
        return sorted(params.keys() - self._names(operation)) if params else []

    def _names(self, operation: str) -> frozenset[str]:
        if (names := self._taken.get(operation)) is None:
            meta = self.client.meta
            model = meta.service_model.operation_model(meta.method_to_api_mapping[operation])
            names = self._taken[operation] = frozenset(model.input_shape.members)
        return names

    def written(self, path: str) -> None:
        """Forget listings that a write to a path, or its removal, has made old: of it and of all above it."""
        at = path
        while at:
            for name in {at, at.rstrip("/")}:
                # fsspec's `pop` looks, then takes: another thread may come between.
                with suppress(KeyError):
                    del self.dircache[name]
            at = at.rpartition("/")[0]

    def after_fork(self) -> None:
        """In a forked child: another thread may have held the lock. The client looks after itself."""
        self._lock = threading.RLock()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.after_fork()


register_at_fork(after_in_child=_after_fork_in_child)
