"""One run of a flow, answered step by step.

Only calls to stores are answered from outside. Everything else that a flow asks for is done at once, always with the same
result: ids and journal numbers are made of the program's place and a count, bodies are in memory, pauses take no time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from frozen import Failure, thaw
from immutable_stores import Answer, Calls, FrozenCall

from foodco_storage.flows.effects import (
    Able,
    Call,
    Count,
    Defer,
    Discard,
    Enter,
    Gather,
    Later,
    NewId,
    Pause,
    Resumable,
    Settle,
    Spool,
    Spooled,
    Tee,
    Tell,
    Warn,
)
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.flows.request import Flow, Request, Response

Order: TypeAlias = tuple[Any, ...]
"""Where a program stands among all: no two that can run in one history have the same."""

SENT_AGAIN = Answer(None)
"""Stands among the answers of a flow where its call was done, the answer was lost, and the client below sent it again."""

Path: TypeAlias = tuple[int, ...]
"""Which of the flows of a program is meant: empty for its own, a number for each `Gather` on the way to another."""

Past: TypeAlias = tuple[Any, ...]
"""The answers of a flow, in order; for a `Gather`, a tuple with the past of each of its flows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Args:
        kind: "returned", "failed" (its user learns nothing of what it did) or "refused" (it did nothing).
        results: what its user saw, where it returned.
        why: the error, for readers.
    """

    kind: str
    results: tuple[Hashable, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        return " ".join([self.kind, *map(repr, self.results), *([self.why] if self.why else [])])


Judge: TypeAlias = Callable[[Response | None, BackendError | None], Ended]
"""What a program came to, given its response or its error; reads the body as its caller does."""


def whatever(response: Response | None, error: BackendError | None) -> Ended:
    """The judge of programs whose outcome no user sees."""
    return Ended("returned") if error is None else Ended("failed", why=repr(error.error))


@dataclass(frozen=True, slots=True)
class Entered:
    """Entries came into the journal, all at once."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """Entries left the journal."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deferred:
    """Entries were left to whoever reconciles."""

    numbers: tuple[int, ...]


Journaled: TypeAlias = Entered | Settled | Deferred


class Setting:
    """What all programs of one exploration share.

    Args:
        able: whether a backend has a capability.
    """

    def __init__(self, able: Callable[[str, str], bool]) -> None:
        self.able = able
        self.calls = Calls()
        self.entries: list[tuple[Entry, Order]] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, entry: Entry, order: Order, name: Hashable) -> int:
        """The number of a journal entry, made of who entered it and how many it had entered before."""
        known = entry, order, name
        if known not in self._numbers:
            self._numbers[known] = len(self.entries)
            self.entries.append((entry, order))
        return self._numbers[known]


class Run:
    """One run of a program.

    Args:
        setting: what it shares with others.
        order: where the program stands among all.
        flow: the flow.
        judge: what it came to.
        kept: a run that must not be closed before this one.
    """

    def __init__(self, setting: Setting, order: Order, flow: Flow, judge: Judge, kept: Run | None) -> None:
        self.setting = setting
        self.order = order
        self.journaled: list[Journaled] = []
        self.spawned: list[tuple[Order, Later]] = []
        self._kept = kept
        self._teed: list[TeedBody] = []
        self.strand = Strand(self, "", self._whole(flow, judge))

    def start(self) -> None:
        """Run to the first call."""
        self.strand.start()

    def feed(self, path: Path, answer: Answer) -> None:
        """Answer one call, and run to the next."""
        self.strand.feed(path, answer)

    def repeat(self, path: Path, past: Past) -> None:
        """Answer the calls of one of its flows as they were answered before."""
        for answer in past:
            if isinstance(answer, Answer):
                self.feed(path, answer)
            else:
                for number, branch in enumerate(answer):
                    self.repeat((*path, number), branch)

    def forget_what_was_done(self) -> None:
        """Before the last step: only what that does counts."""
        self.journaled.clear()
        self.spawned.clear()

    def tee(self, effect: Tee) -> TeedBody:
        """A body that is kept as it is read."""
        body = TeedBody(effect)
        self._teed.append(body)
        return body

    def close(self) -> None:
        """Give up where it stands, without running anything more."""
        self.strand.close()
        if self._kept is not None:
            self._kept.close()

    def _whole(self, flow: Flow, judge: Judge) -> Generator[Any, Any, Ended]:
        """The flow, its caller's reading of the body, and what that sets off."""
        try:
            response = yield from flow
        except BackendError as error:
            ended = judge(None, error)
        else:
            ended = judge(response, None)
        for body in self._teed:
            yield body.afterwards()
        return ended


class TeedBody:
    """A body that is kept as its caller reads it."""

    def __init__(self, effect: Tee) -> None:
        self._effect = effect
        self._data = effect.body.read()
        effect.body.close()
        self._file = io.BytesIO(self._data)

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes."""
        return self._file.read(amt)

    def close(self) -> None:
        """Read no more. How far it was read still counts."""

    def afterwards(self) -> Later:
        """What is to be done now that the caller will not read on."""
        if self._file.tell() < len(self._data):
            return self._effect.abandoned()
        return self._effect.finished(spooled(self._data))


def spooled(data: bytes) -> Spooled:
    """A body that was kept."""
    return Spooled(io.BytesIO(data), len(data), hashlib.md5(data, usedforsecurity=False).digest())


class Strand:
    """A flow on its way, with the flows that it gathers.

    Args:
        run: whose.
        label: tells it from others of the run.
        flow: the flow.
    """

    def __init__(self, run: Run, label: str, flow: Generator[Any, Any, Any]) -> None:
        self._run = run
        self._label = label
        self._stack: list[tuple[Generator[Any, Any, Any], Any]] = [(flow, None)]
        self._past: list[Any] = []
        self._counts: dict[str, int] = {}
        self._call: FrozenCall | None = None
        self._retries = 0
        self._branches: list[Strand] = []
        self.ended = False
        self.result: Any = None

    def start(self) -> None:
        """Run to the first call."""
        self._resume(None)

    def feed(self, path: Path, answer: Answer) -> None:
        """Answer the call of this flow, or of one that it gathers."""
        if path:
            self._branches[path[0]].feed(path[1:], answer)
            self._join()
            return
        self._past.append(answer)
        if answer is SENT_AGAIN:
            self._retries += 1
            return
        value = answer.value.thaw() if isinstance(answer.value, Failure) else thaw(answer.value)
        if self._retries:
            _tell_retries(value, self._retries)
        self._call, self._retries = None, 0
        self._resume(value)

    def written(self) -> Past:
        """Its answers: the same, in whatever order the flows under one `Gather` had theirs."""
        gathering = [tuple(branch.written() for branch in self._branches)] if self._branches else []
        return (*self._past, *gathering)

    def waiting(self, path: Path) -> list[tuple[Path, FrozenCall]]:
        """The calls that wait for an answer, and whose they are."""
        if self._branches:
            branches = enumerate(self._branches)
            return [waiting for number, branch in branches for waiting in branch.waiting((*path, number))]
        return [(path, self._call)] if self._call is not None else []

    def close(self) -> None:
        """Close what is open, the innermost first."""
        for branch in self._branches:
            branch.close()
        for flow, _ in reversed(self._stack):
            flow.close()

    def _join(self) -> None:
        if all(branch.ended for branch in self._branches):
            results = [branch.result for branch in self._branches]
            self._past.append(tuple(branch.written() for branch in self._branches))
            self._branches = []
            self._resume(results)

    def _resume(self, value: Any) -> None:
        """Run until something from outside is needed."""
        while not self.ended:
            flow, answer = self._stack[-1]
            try:
                effect = flow.throw(value) if isinstance(value, BackendError) else flow.send(value)
            except StopIteration as end:
                value = self._end(end.value, answer)
                continue
            except BackendError as error:
                value = self._end(error, answer)
                continue
            if isinstance(effect, Call):
                self._call = self._frozen(effect)
                return
            if isinstance(effect, Gather):
                value = self._gather(effect.flows)
                if self._branches:
                    return
            elif isinstance(effect, Later) and effect.inline:
                self._stack.append((effect.flow(), True))
                value = None
            else:
                value = self._do(effect)

    def _end(self, result: Any, answer: Any) -> Any:
        """The innermost flow is over; the one that waits for it gets the answer, whatever came of it."""
        self._stack.pop()
        if not self._stack:
            self.ended = True
            self.result = result
        return answer

    def _gather(self, flows: Sequence[Flow]) -> list[Any]:
        """Start flows at once; what they came to, where none has to wait."""
        gather = self._count("gather")
        self._branches = [Strand(self._run, f"{self._label}g{gather}.{n}.", flow) for n, flow in enumerate(flows)]
        for branch in self._branches:
            branch.start()
        results = [branch.result for branch in self._branches]
        if all(branch.ended for branch in self._branches):
            self._branches = []
        return results

    def _frozen(self, effect: Call) -> FrozenCall:
        place, request = effect.place, effect.request
        params = dict(request.params)
        if "Bucket" in params:
            params["Bucket"] = place.bucket(params["Bucket"])
        fresh = f"upload-{self._name('call')}"
        calls = self._run.setting.calls
        return calls.call(place.backend, Request(request.operation, params), once=effect.once, fresh=fresh)

    def _do(self, effect: Any) -> Any:
        """What needs nobody else."""
        match effect:
            case NewId():
                return self._name("id")
            case Able(place=place, capability=capability):
                return self._run.setting.able(place.backend, capability)
            case Enter() | Settle() | Defer():
                return self._journal(effect)
            case Later():
                self._run.spawned.append(((self._label, self._count("later")), effect))
                return True
            case Resumable() | Tee() | Spool() | Discard():
                return self._body(effect)
            case Pause() | Count() | Tell() | Warn():
                return None
        raise TypeError(f"not an effect: {effect!r}")

    def _journal(self, effect: Enter | Settle | Defer) -> tuple[int, ...] | None:
        run = self._run
        match effect:
            case Enter(entries=entries):
                name = self._label, self._count("entry")
                numbers = tuple(run.setting.number(one, run.order, (*name, n)) for n, one in enumerate(entries))
                run.journaled.append(Entered(numbers))
                return numbers
            case Settle(numbers=settled):
                run.journaled.append(Settled(tuple(settled)))
            case Defer(numbers=deferred):
                run.journaled.append(Deferred(tuple(deferred)))
        return None

    def _body(self, effect: Resumable | Tee | Spool | Discard) -> Any:
        match effect:
            case Resumable(body=body):
                return body
            case Tee():
                return self._run.tee(effect)
        data = effect.body.read() if isinstance(effect, Spool) else b""
        effect.body.close()
        return spooled(data) if isinstance(effect, Spool) else None

    def _count(self, what: str) -> int:
        self._counts[what] = self._counts.get(what, 0) + 1
        return self._counts[what]

    def _name(self, what: str) -> str:
        """A name that nothing else of any history has."""
        place = ".".join(map(str, self._run.order))
        return f"{place}/{self._label}{self._count(what)}"


def _tell_retries(value: Any, retries: int) -> None:
    """An answer says how many times its request was sent again, as botocore's do."""
    response = getattr(value.error, "response", None) if isinstance(value, BackendError) else value
    if response is not None:
        response["ResponseMetadata"]["RetryAttempts"] = retries
