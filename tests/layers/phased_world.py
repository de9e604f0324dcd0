"""A route that migrates between two stores in memory, called as a client is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.backends.memory import MemoryBackend, Stored
from foodco_storage.config import Mirror, Promote
from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.drivers.simulation import Process, Simulation
from foodco_storage.flows.effects import Call
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.outcomes import BackendError, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Request, Response
from foodco_storage.flows.s3_errors import error_response
from foodco_storage.front.routes import route_in_phase
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note

ON_THE_MOVE = ("backfill", "cutover", "drain")
PHASES = ("source", *ON_THE_MOVE, "target")
DELETED = "a tombstone"


class Store(MemoryBackend):
    """Remembers what it was asked; a test can look at, change or fail each request before it is carried out.

    Attributes:
        before: called with each request first; what it raises is what the request comes to.
        after: called with each request and its answer, which it may change.
        sent_once: the requests that were to be sent once.
    """

    def __init__(self, name: str, lacks: tuple[str, ...] = ()) -> None:
        super().__init__(name, ["b", "elsewhere"], lacks)
        self.requests: list[Request] = []
        self.sent_once: list[Request] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.after: Callable[[Request, Response], None] = lambda *_: None

    def call(self, request: Request) -> Response:
        self.requests.append(request)
        self.before(request)
        answer = super().call(request)
        self.after(request, answer)
        return answer

    def call_once(self, request: Request) -> Response:
        self.sent_once.append(request)
        return self.call(request)

    def directly(self, operation: str, key: str, **params: Any) -> Response:
        """As a program without the library does it; not remembered."""
        return super().call(Request(operation, {"Bucket": "b", "Key": key, **params}))

    @property
    def asked(self) -> list[str]:
        """The operations, in order."""
        return [request.operation for request in self.requests]

    @property
    def written(self) -> list[str]:
        """Those that change something."""
        return [name for name in self.asked if not name.startswith(("Get", "Head", "List"))]

    def forget(self) -> None:
        self.requests, self.sent_once = [], []

    def fail(self, *operations: str, error: Callable[[str], BackendError] | None = None) -> None:
        """Fail these operations from now on; all of them if none is named. With an outage by default."""

        def before(request: Request) -> None:
            if not operations or request.operation in operations:
                raise (error or self.outage)(request.operation)

        self.before = before

    def recover(self) -> None:
        self.before = lambda _: None

    def outage(self, operation: str) -> BackendError:
        return Unavailable(self.name, ClientError(error_response("InternalError", 500, "down"), operation))

    def refusal(self, operation: str) -> BackendError:
        return Rejected(self.name, ClientError(error_response("AccessDenied", 403, "no"), operation))

    def holds(self) -> dict[str, Any]:
        """What lies in the bucket, by key: the body, or `DELETED`."""
        return {key: DELETED if is_tombstone(stored) else stored.data for key, stored in self.buckets["b"].items()}

    def stored(self, key: str) -> Stored:
        return self.buckets["b"][key]


class PhasedWorld:
    """A primary `p`, a source `s`, and a route between them in some phase.

    Args:
        phase: of the route.
        lacks: capabilities that the primary is without.
        mirror: how the other side follows.
        promote: how objects come over.
        route: more of the route's configuration.
    """

    def __init__(
        self,
        phase: str,
        *,
        lacks: tuple[str, ...] = (),
        mirror: Mirror | None = None,
        promote: Promote | None = None,
        **route: Any,
    ) -> None:
        self.p, self.s = Store("p", lacks), Store("s")
        self.simulation = Simulation({"p": self.p, "s": self.s})
        self.configured = ConfiguredRoute(
            bucket="b", primary="p", fallbacks=["s"], mirror=mirror or Mirror(), promote=promote or Promote(), **route
        )
        self.move_to(phase)

    def move_to(self, phase: str) -> None:
        """Serve the route in another phase, as new clients do."""
        self.route = route_in_phase("r", self.configured, phase, {})
        self.layers = layers_of(self.route, self._locate)

    def _locate(self, bucket: str, key: str) -> Route:
        return self.route if bucket == "b" else Route("elsewhere", Place("p"))

    @property
    def authority(self) -> Store:
        return self.p if self.route.authority.backend == "p" else self.s

    @property
    def other(self) -> Store:
        return self.s if self.authority is self.p else self.p

    def start(self, operation: str, **params: Any) -> Process:
        request = Request(operation, {"Bucket": "b", **params})
        flow = flow_through(self.layers, operation, self.route.authority)
        return self.simulation.start(operation, flow(request) if flow else self._as_it_is(request))

    def _as_it_is(self, request: Request) -> Any:
        # As `foodco_storage.front.dispatch` does it.
        return note((yield Call(self.route.authority, request)), backend=self.route.authority.backend)

    def call(self, operation: str, **params: Any) -> Any:
        """Carry out an operation of a client, and what it leaves to be done in the background."""
        before = len(self.simulation.processes)
        process = self.start(operation, **params)
        try:
            return self.simulation.run(process)
        finally:
            self.run_background(before)

    def run_background(self, start: int = 0) -> None:
        """Run what was left to be done, whatever becomes of it."""
        for process in self.simulation.processes[start:]:
            while not process.ended:
                self.simulation.step(process)

    def fails(self, operation: str, **params: Any) -> tuple[str, int]:
        """The code and status that a client sees an operation fail with."""
        try:
            self.call(operation, **params)
        except ClientError as error:
            return str(error.response["Error"]["Code"]), int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        raise AssertionError(f"{operation} did not fail")

    def read(self, key: str, **params: Any) -> bytes:
        return bytes(self.call("GetObject", Key=key, **params)["Body"].read())

    def put(self, store: Store, key: str, body: bytes = b"body", **params: Any) -> str:
        """Put an object past the library; its ETag."""
        return str(store.directly("PutObject", key, Body=body, **params)["ETag"])

    def bury(self, key: str) -> None:
        """Put a tombstone on the primary, past the library."""
        MemoryBackend.call(self.p, tombstone("b", key))

    def upload(self, store: Store, key: str, *parts: bytes, **params: Any) -> str:
        """Upload an object in parts, past the library; its ETag."""
        upload_id = store.directly("CreateMultipartUpload", key, **params)["UploadId"]
        listed = []
        for number, part in enumerate(parts, start=1):
            done = store.directly("UploadPart", key, UploadId=upload_id, PartNumber=number, Body=part)
            listed.append({"PartNumber": number, "ETag": done["ETag"]})
        done = store.directly("CompleteMultipartUpload", key, UploadId=upload_id, MultipartUpload={"Parts": listed})
        return str(done["ETag"])

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.p.forget()
        self.s.forget()

    @property
    def journal(self) -> list[str]:
        """The keys that the journal holds."""
        return [entry.key for entry in self.simulation.journal.values()]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.simulation.counts)


def is_tombstone(stored: Stored) -> bool:
    return "foodco-tombstone" in stored.described.get("Metadata", {})


def metadata_of(stored: Stored) -> dict[str, str]:
    """The user's metadata of a stored object."""
    metadata = stored.described.get("Metadata", {})
    return {name: value for name, value in metadata.items() if not name.startswith("foodco-")}
