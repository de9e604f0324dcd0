"""The driver that tests run: one effect at a time, the test choosing whose.

Flows are those of production; only the stores are in memory. A test starts flows as processes, sees what each wants to do
next, and decides who moves, which call fails (before or after it took effect), and who crashes.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, EndpointConnectionError

from foodco_storage.backends.interface import Backend
from foodco_storage.counting import counters_of
from foodco_storage.drivers.unpacked_body import UnpackedBody
from foodco_storage.flows.compression_effects import Pack, Packed, Unpack
from foodco_storage.flows.effects import (
    Able,
    BytesBody,
    Call,
    Count,
    Defer,
    Discard,
    Enter,
    Gather,
    Later,
    NewId,
    Pause,
    ReadBody,
    Resumable,
    Settle,
    Spool,
    Spooled,
    Tee,
    Tell,
    Warn,
)
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.request import Flow, Request, Response


class Fault(Enum):
    """What goes wrong with one call."""

    BEFORE = "the request never arrived"
    AFTER = "the request took effect, its answer was lost"


@dataclass
class Process:
    """A flow on its way.

    Args:
        name: for messages.
        flow: the generator.
        effect: what it wants to do next; None when it has ended.
        response: what it returned.
        error: what it raised, as a caller would see it.
        failure: the same, as another flow would see it.
        crashed: whether the test ended it.
    """

    name: str
    flow: Flow
    effect: Any = None
    response: Response | None = None
    error: Exception | None = None
    failure: BackendError | None = None
    crashed: bool = False

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to do."""
        return self.crashed or self.response is not None or self.error is not None


@dataclass
class Simulation:
    """Several flows over stores in memory.

    Args:
        backends: by name.
        down: names of backends that can't be reached now.
        warnings: what flows told the operator.
        journal: the entries that are not settled, by number.
        counts: what flows counted.

    Example:
        simulation = Simulation({"ceph": MemoryBackend("ceph", ["b"])})
        reader = simulation.start("reader", flow)
        simulation.step(reader)
    """

    backends: Mapping[str, Backend]
    down: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    journal: dict[int, Entry] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _entered: int = 0
    _ids: int = 0

    def start(self, name: str, flow: Flow) -> Process:
        """Begin a flow; it stands before its first effect."""
        process = Process(name, flow)
        self.processes.append(process)
        self._advance(process, flow.send, None)
        return process

    def runnable(self) -> list[Process]:
        """The processes that can move."""
        return [process for process in self.processes if not process.ended]

    def step(self, process: Process, fault: Fault | None = None) -> None:
        """Do the effect that a process stands before, and let it run to the next one.

        Args:
            process: who moves.
            fault: what goes wrong; only calls can fail.
        """
        effect = process.effect
        try:
            result = self._do(effect, fault)
        except (BackendError, BotoCoreError, OSError) as error:
            self._advance(process, process.flow.throw, error)
        else:
            self._advance(process, process.flow.send, result)

    def run(self, process: Process) -> Response:
        """Let one process run to its end, and raise what its caller would see."""
        while not process.ended:
            self.step(process)
        if process.error is not None:
            raise process.error
        if process.response is None:
            raise RuntimeError(f"{process.name} crashed")
        return process.response

    def crash(self, process: Process) -> None:
        """End a process where it stands, as a killed client does: nothing in it runs any more."""
        process.crashed = True
        process.effect = None

    def _do(self, effect: Any, fault: Fault | None) -> Any:
        if isinstance(effect, Call):
            return self._call(effect, fault)
        does = self._others.get(type(effect))
        if does is None:
            raise TypeError(f"not an effect: {effect!r}")
        return does(self, effect)

    def _able(self, effect: Able) -> bool:
        place = effect.place
        return self.backends[place.backend].able(place.bucket(effect.bucket), effect.capability, place.reserved_prefix)

    def _spool(self, effect: Spool) -> Spooled:
        data = effect.body.read()
        effect.body.close()
        return _spooled(data)

    def _tee(self, effect: Tee) -> io.BytesIO:
        # The caller reads it at some time; what is kept of it is what it was when it was answered.
        data = effect.body.read()
        self._later(effect.finished(_spooled(data)))
        return io.BytesIO(data)

    def _gather(self, effect: Gather) -> list[Any]:
        return [self._outcome(flow) for flow in effect.flows]

    def _new_id(self, _: NewId) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def _enter(self, effect: Enter) -> tuple[int, ...]:
        numbers = tuple(range(self._entered + 1, self._entered + 1 + len(effect.entries)))
        self._entered += len(numbers)
        self.journal |= dict(zip(numbers, effect.entries, strict=True))
        return numbers

    def _settle(self, effect: Settle) -> None:
        for number in effect.numbers:
            self.journal.pop(number, None)

    def _count(self, effect: Count) -> None:
        self.counts[effect.name] += effect.amount

    def _tell(self, effect: Tell) -> None:
        told = {"count": effect.count, "size": effect.size, "stored_size": effect.stored_size}
        for name, amount in counters_of(effect.step, effect.outcome, **told):
            self.counts[name] += amount

    def _warn(self, effect: Warn) -> None:
        self.warnings.append(effect.message)

    def _nothing(self, _: Defer | Pause) -> None:
        pass

    def _later(self, later: Later) -> bool:
        self.start(str(later.topic), later.flow())
        return True

    def _outcome(self, flow: Flow) -> Any:
        process = self.start("gathered", flow)
        try:
            return self.run(process)
        except Exception as error:  # noqa: BLE001 - the gathering flow judges each by itself
            return error if process.failure is None else process.failure

    def _call(self, effect: Call, fault: Fault | None) -> Response:
        place, request = effect.place, effect.request
        if place.translation is not None and place.translates(request.operation):
            return self._translated(place.translation.call(effect), fault)
        if place.backend in self.down or fault is Fault.BEFORE:
            raise self._unreachable(place.backend)
        bucket = place.bucket(request.params["Bucket"])
        backend = self.backends[place.backend]
        send = backend.call_once if effect.once else backend.call
        response = send(Request(request.operation, {**request.params, "Bucket": bucket}))
        if fault is Fault.AFTER:
            raise self._unreachable(place.backend)
        return response

    def _translated(self, flow: Flow, fault: Fault | None) -> Response:
        """One call as what it comes to in the store: no other process moves meanwhile."""
        resume, value = flow.send, None
        while True:
            try:
                effect = resume(value)
            except StopIteration as end:
                answer: Response = end.value
                return answer
            try:
                resume, value = flow.send, self._do(effect, fault)
            except (BackendError, BotoCoreError, OSError) as error:
                resume, value = flow.throw, error

    def _read_body(self, effect: ReadBody) -> bytes | None:
        data: bytes = effect.body.read()
        effect.body.close()
        return data if len(data) == effect.size else None

    def _pack(self, effect: Pack) -> Packed:
        from foodco_storage.compression.packer import pack  # noqa: PLC0415 - as in the other driver

        return pack(effect)

    def _unpack(self, effect: Unpack) -> UnpackedBody:
        from foodco_storage.compression.unpacking import pieces  # noqa: PLC0415 - as in the other driver

        return UnpackedBody(effect.body, pieces(effect))

    def _unreachable(self, backend: str) -> Unavailable:
        return Unavailable(backend, EndpointConnectionError(endpoint_url=f"memory://{backend}"))

    _others: ClassVar[Mapping[type, Callable[[Simulation, Any], Any]]] = {
        Able: _able,
        BytesBody: lambda _, effect: io.BytesIO(effect.data),
        Count: _count,
        Defer: _nothing,
        Discard: lambda _, effect: effect.body.close(),
        Enter: _enter,
        Gather: _gather,
        Later: _later,
        NewId: _new_id,
        Pack: _pack,
        Pause: _nothing,
        ReadBody: _read_body,
        Resumable: lambda _, effect: effect.body,
        Settle: _settle,
        Spool: _spool,
        Tee: _tee,
        Tell: _tell,
        Unpack: _unpack,
        Warn: _warn,
    }

    def _advance(self, process: Process, resume: Any, value: Any) -> None:
        process.effect = None
        try:
            process.effect = resume(value)
        except StopIteration as end:
            process.response = end.value
        except BackendError as failure:
            process.error, process.failure = failure.error, failure
        except (BotoCoreError, OSError) as error:
            process.error = error


def _spooled(data: bytes) -> Spooled:
    return Spooled(io.BytesIO(data), len(data), hashlib.md5(data, usedforsecurity=False).digest())
