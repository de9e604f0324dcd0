"""A store in memory behind a route with a cache, by a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dateutil.tz import tzutc

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.cache.disk import Disk
from foodco_storage.cache.flights import Flights
from foodco_storage.cache.generations import Generations
from foodco_storage.cache.memory import Memory
from foodco_storage.cache.route_cache import Levels, RouteCache
from foodco_storage.drivers.threads import ThreadDriver
from foodco_storage.flows.effects import sent
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.invalidation import Invalidation
from foodco_storage.layers.cached_reads import CachedReads
from foodco_storage.layers.order import flow_through
from foodco_storage.layers.route import Caching
from foodco_storage.layers.storage_metadata import note

BLOCK = 8
LARGEST = 32
TTL = 60.0
MIB = 1024 * 1024


class Store(MemoryBackend):
    """Remembers what it was asked; answers with headers, as one on a network does."""

    def __init__(self) -> None:
        super().__init__("one", ["b"])
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.changed: Callable[[Request, Response], None] = lambda *_: None

    def call(self, request: Request) -> Response:
        self.requests.append(request)
        self.before(request)
        answer = super().call(request)
        if request.operation in {"GetObject", "HeadObject"}:
            headers = {"content-length": str(answer["ContentLength"]), "x-amz-request-id": str(len(self.requests))}
            if "ContentRange" in answer:
                headers["content-range"] = answer["ContentRange"]
            answer["ResponseMetadata"]["HTTPHeaders"] = headers
            # As botocore reads it.
            answer["LastModified"] = answer["LastModified"].replace(tzinfo=tzutc())
            answer["ResponseMetadata"]["HTTPStatusCode"] = 206 if "ContentRange" in answer else 200
        self.changed(request, answer)
        return answer

    @property
    def asked(self) -> list[str]:
        return [
            f"{request.operation} {request.params['Range']}" if "Range" in request.params else request.operation
            for request in self.requests
        ]


def on_disk(directory: Path) -> dict[str, int]:
    """The sizes of all files; some may go meanwhile."""
    sizes = {}
    for path in (directory / "data").rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                sizes[path.name] = path.stat().st_size
    return sizes


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """One store, and any number of processes with a cache."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        memory: int | None = MIB,
        disk: int = MIB,
        stale_if_error: bool = False,
        missing: float = 0.0,
    ) -> None:
        self.store = Store()
        self.clock = Clock()
        self.directory = directory
        self._sizes = memory, disk
        self._missing = missing
        self._caching = Caching(BLOCK, LARGEST, TTL, stale_if_error)
        self.process = self.another()

    def another(self, not_before: float = 0.0) -> Process:
        """Another process, or this one after a restart."""
        memory, disk = self._sizes
        if self.directory is None:
            levels = Levels(Generations(), Flights(), Memory(memory or MIB), None)
        else:
            levels = Levels(
                Generations(self.directory / "generations"),
                Flights(self.directory / "flights"),
                Memory(memory) if memory else None,
                Disk(self.directory, disk, BLOCK, unit=1, clock=self.clock),
            )
        cache = RouteCache(
            levels,
            "scope",
            lambda bucket: [bucket],
            ttl_seconds=TTL,
            missing_ttl_seconds=self._missing,
            not_before=not_before,
            clock=self.clock,
            wall=self.clock,
        )
        return Process(self.store, levels, cache, self._caching)

    def call(self, operation: str, **params: Any) -> Any:
        return self.process.call(operation, **params)

    def read(self, **params: Any) -> bytes:
        return self.process.read(**params)

    def put(self, body: bytes, key: str = "k", **params: Any) -> str:
        """Past the cache."""
        put = Request("PutObject", {"Bucket": "b", "Key": key, "Body": body, **params})
        return str(MemoryBackend.call(self.store, put)["ETag"])


class Process:
    def __init__(self, store: Store, levels: Levels, cache: RouteCache, caching: Caching) -> None:
        self.levels = levels
        self._invalidation = Invalidation([levels.generations])
        self._driver = ThreadDriver({"one": store}, caches={"r": cache})
        self._layers = [CachedReads("r", caching)]

    def call(self, operation: str, **params: Any) -> Any:
        if operation != "DeleteObjects":
            params = {"Key": "k", **params}
        params = {"Bucket": "b", **params}
        if operation not in Invalidation.operations:
            return self._send(operation, params)
        self._invalidation.change(["b"], operation, params)
        try:
            return self._send(operation, params)
        finally:
            self._invalidation.change(["b"], operation, params)

    def _send(self, operation: str, params: dict[str, Any]) -> Any:
        request = Request(operation, params)
        flow = flow_through(self._layers, operation, Place("one"))
        return self._driver.run(flow(request) if flow is not None else _sent(request))

    def read(self, **params: Any) -> bytes:
        return bytes(self.call("GetObject", **params)["Body"].read())

    def level(self, **params: Any) -> str | None:
        """Which level answers a GET; None for the store."""
        answer = self.call("GetObject", **params)
        answer["Body"].read()
        level: str | None = answer["ResponseMetadata"]["Storage"].get("cache")
        return level


def _sent(request: Request) -> Flow:
    return note((yield from sent(Place("one"), request)), backend="one")
