"""A primary in memory, asked as a botocore client is, with a clock that tests turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError

from foodco_storage.backends.memory import MemoryBackend
from foodco_storage.control.existence import create
from foodco_storage.control.flip import Flip
from foodco_storage.control.held_phase import HeldPhase
from foodco_storage.control.place import ControlPlace
from foodco_storage.control.record import Record, read_record
from foodco_storage.control.steps import carry_out
from foodco_storage.control.text import parsed
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Request
from foodco_storage.flows.s3_errors import error_response

PLACE = ControlPlace("images", "b", ".foodco-storage/")
LEASE, REFRESH, GONE = 10.0, 2.0, 30.0
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Primary:
    """The store. Its `date` headers and times of change have whole seconds; it takes ETags unquoted only, as RGW 16."""

    def __init__(self) -> None:
        self.memory = MemoryBackend("p", ["b"])
        self.now = 1000.0
        self.asked: list[tuple[str, str]] = []
        self.troubles: list[Callable[[str, dict[str, Any]], str | None]] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.asked.append((operation, params.get("Key", params.get("Prefix", ""))))
            trouble = next((what for one in list(self.troubles) if (what := one(operation, params))), None)
            if trouble in ("down", "lost before"):
                raise ConnectTimeoutError(endpoint_url="http://p")
            if trouble is not None and trouble.isdigit():
                raise ClientError(error_response("Trouble" + trouble, int(trouble), trouble), operation)
            answer = self._call(operation, params)
            if trouble == "lost after":
                raise ConnectTimeoutError(endpoint_url="http://p")
            return answer

    def _call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if '"' in params.get("IfMatch", ""):
            raise ClientError(error_response("PreconditionFailed", 412, "quoted"), operation)
        try:
            answer = self.memory.call(Request(operation, dict(params)))
        except BackendError as failure:
            raise failure.error from None
        moment = _BEGINNING + timedelta(seconds=int(self.now))
        if operation == "PutObject":
            self.memory.buckets["b"][params["Key"]].modified = moment
        answer["ResponseMetadata"]["HTTPHeaders"] = {"date": format_datetime(moment, usegmt=True)}
        return answer

    def trouble(self, what: str, operation: str, key: str = "", times: int = 1) -> None:
        """Let the next requests of a kind fail: `lost before`, `lost after` they took place, or with an HTTP status."""
        left = [times]

        def one(asked: str, params: dict[str, Any]) -> str | None:
            if asked != operation or key not in params.get("Key", "") or not left[0]:
                return None
            left[0] -= 1
            return what

        self.troubles.append(one)

    def down(self) -> None:
        self.troubles.append(lambda *_: "down")

    def up(self) -> None:
        self.troubles.clear()

    def record(self) -> Record:
        return read_record(parsed(self.call("GetObject", {"Bucket": "b", "Key": PLACE.control_key})), PLACE.route)

    def keys(self) -> list[str]:
        return sorted(self.memory.buckets["b"])

    def reports(self) -> set[str]:
        return {client for key in self.keys() if (client := PLACE.client_of(key)) is not None}

    def begin(self, phase: str, **settings: float) -> Record:
        return create(PLACE, self.call, phase, **({"lease_seconds": LEASE, "refresh_seconds": REFRESH} | settings))


class NoWatcher:
    """Nobody re-reads: the test does."""

    def watch(self, held: HeldPhase) -> None: ...

    def wake(self) -> None: ...

    def forget(self, held: HeldPhase) -> None: ...


class Service:
    """One process that uses the route, whose steps are the test's."""

    def __init__(self, primary: Primary, **settings: Any) -> None:
        self.primary = primary
        self.journal = 0
        self.held = HeldPhase(
            PLACE,
            primary.call,
            journal_depth=lambda: self.journal,
            watcher=settings.pop("watcher", None) or NoWatcher(),
            clock=primary.clock,
            **settings,
        )

    @property
    def id(self) -> str:
        return self.held._participant.standing.client

    def round(self) -> None:
        carry_out(self.held.round(), self.primary.call)

    def register(self) -> Service:
        """As the first write does it."""
        operation = self.held.try_writing()
        assert operation is None
        self.round()
        with self.writing() as _:
            pass
        return self

    def writing(self) -> Any:
        operation = self.held.try_writing()
        assert operation is not None
        return operation


def flip(
    primary: Primary, target: str, *services: Service, on_wait: Callable[[], None] = lambda: None, **settings: Any
) -> list[str]:
    """Change the phase, while the services go on re-reading; what the operator is told."""

    def sleep(seconds: float) -> None:
        primary.now += seconds
        on_wait()
        for service in services:
            service.round()

    return list(Flip(PLACE, target, clock=primary.clock, **settings).run(primary.call, sleep))


def interrupted(primary: Primary, target: str, services: tuple[Service, ...], until: str) -> Iterator[str]:
    """A flip that is killed when it has told a certain thing."""

    def sleep(seconds: float) -> None:
        primary.now += seconds
        for service in services:
            service.round()

    for line in Flip(PLACE, target, clock=primary.clock).run(primary.call, sleep):
        yield line
        if until in line:
            return
