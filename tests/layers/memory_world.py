"""Flows over stores in memory, called as a client is."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.drivers.simulation import Simulation
from foodco_storage.flows.outcomes import Deleted
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.route import Route


class World:
    """A primary `p` and a fallback `f` (and what else is given), a route over them, and what was sent to whom."""

    def __init__(self, *, lacks: tuple[str, ...] = (), **route: Any) -> None:
        self.p = Recording("p", ["b", "other"], lacks)
        self.f = Recording("f", ["b"])
        self.backends: dict[str, Any] = {"p": self.p, "f": self.f}
        self.simulation = Simulation(self.backends)
        self.route = Route("r", Place("p"), (Place("f"),), **route)
        self.layers = layers_of(self.route, self._locate)

    def _locate(self, bucket: str, key: str) -> Any:
        return self.route if bucket == "b" else Route("other", Place("p"))

    def flow(self, operation: str, **params: Any) -> Any:
        flow = flow_through(self.layers, operation, self.route.authority)
        assert flow is not None
        return flow(Request(operation, {"Bucket": "b", **params}))

    def call(self, operation: str, **params: Any) -> Any:
        return self.simulation.run(self.simulation.start(operation, self.flow(operation, **params)))

    def put(self, where: Recording, key: str, body: bytes, **params: Any) -> str:
        answer = MemoryBackend.call(where, Request("PutObject", {"Bucket": "b", "Key": key, "Body": body, **params}))
        return str(answer["ETag"])


class Recording(MemoryBackend):
    """A store that remembers what it was asked, and which keys were deleted where a test says so."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.deleted: set[str] = set()

    def call(self, request: Request) -> Any:
        self.asked.append(request.operation)
        self.requests.append(request)
        if request.params.get("Key") in self.deleted and request.operation in {"GetObject", "HeadObject"}:
            response = error_response("404", 404, "Not Found")
            raise Deleted(self.name, ClientError(response, request.operation))
        return super().call(request)
