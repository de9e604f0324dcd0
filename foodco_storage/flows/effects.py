"""The effects: each one indivisible thing that a flow asks its driver to do.

A flow never sleeps, locks, opens a socket, reads the clock or logs: it yields one of these and is sent the result, or has
the failure thrown in as a `BackendError`. `foodco_storage.drivers` does them for real or in simulation.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response


class Body(Protocol):
    """What a GET leaves to be read after its flow has ended."""

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes, all that is left by default; empty at the end."""

    def close(self) -> None:
        """Give the connection back, or drop it."""


class Gate(Protocol):
    """Lets operations through while the phase of their route stands still (DESIGN 6, rule 18)."""

    @property
    def phase(self) -> str:
        """The phase to read by."""

    def reading(self, operation: str) -> AbstractContextManager[str]:
        """One read of a caller; gives the phase to read by."""

    def writing(self, operation: str) -> AbstractContextManager[str]:
        """One operation of a caller that changes something; waits for a phase on the move, and gives the phase to write by.

        Raises:
            botocore.exceptions.ClientError: `SlowDown`, when it has waited long enough.
        """

    def try_writing(self) -> AbstractContextManager[str] | None:
        """One work in the background; None where it may not be done now."""

    def try_reconciling(self) -> AbstractContextManager[str] | None:
        """One entry of the journal; None where it may not be brought up to date now."""


class Call:
    """Send a request to one backend. Sends back the response; throws a `BackendError`.

    Args:
        place: who is asked.
        request: what.
        once: send it once, whatever the backend's retries: a condition that is sent again after its answer was lost fails
            over what it wrote itself.
    """

    __slots__ = ("once", "place", "request")

    def __init__(self, place: Place, request: Request, *, once: bool = False) -> None:
        self.place = place
        self.request = request
        self.once = once


def sent(place: Place, request: Request, *, once: bool = False) -> Flow:
    """The flow of one call and no more."""
    response: Response = yield Call(place, request, once=once)
    return response


class Able:
    """Ask whether a backend has a capability on a bucket (`foodco_storage.backends.capabilities`). Sends back a bool."""

    __slots__ = ("bucket", "capability", "place")

    def __init__(self, place: Place, bucket: str, capability: str) -> None:
        self.place = place
        self.bucket = bucket
        self.capability = capability


class Resumable:
    """Make a body that survives its connection. Sends back the body to hand out.

    Args:
        body: the body as the backend answered it.
        reopen: given how many bytes have been read, the flow that asks for the rest.
    """

    __slots__ = ("body", "reopen", "size")

    def __init__(self, body: Body, size: int, reopen: Callable[[int], Flow]) -> None:
        self.body = body
        self.size = size
        self.reopen = reopen


class Gather:
    """Run several flows at once. Sends back what each returned, or the `BackendError` that it ended with, in order."""

    __slots__ = ("flows",)

    def __init__(self, flows: Sequence[Flow]) -> None:
        self.flows = flows


class NewId:
    """Ask for an id that nobody has had before. Sends back a short string."""

    __slots__ = ()


class Pause:
    """Wait a moment before trying again."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Enter:
    """Write into the journal that two sides may differ from now on. Sends back the entries' numbers, a tuple of int.

    Args:
        entries: what may differ; all of them are written, or none.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries


class Settle:
    """Take entries out of the journal: both sides were seen to be equal, or nothing was changed."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers


class Defer:
    """Leave entries to whoever reconciles what is left.

    Args:
        numbers: the entries'.
        why: for operators; empty where nothing went wrong.
    """

    __slots__ = ("numbers", "why")

    def __init__(self, numbers: Sequence[int], why: str = "") -> None:
        self.numbers = numbers
        self.why = why


class Tell:
    """Tell of a step: it is counted (`foodco_storage.counters`), and hooks are told (`foodco_storage.telemetry`).

    Args:
        step: what was done.
        outcome: what it came to.
        route: the route's name.
        which: bucket and key, as callers say them; None where it is about no one object.
        count: how many objects.
        size: bytes of them.
        stored_size: bytes that lie in the store.
        since: of a mirror that was journalled, when that was, in seconds since the epoch.
        why: what a step failed with; only its code or class is told.
    """

    __slots__ = ("count", "outcome", "route", "since", "size", "step", "stored_size", "which", "why")

    def __init__(  # noqa: PLR0913 - all but three by name
        self,
        step: str,
        outcome: str,
        route: str,
        which: Parameters | None = None,
        *,
        count: int = 1,
        size: int = 0,
        stored_size: int = 0,
        since: float | None = None,
        why: Exception | str = "",
    ) -> None:
        self.step = step
        self.outcome = outcome
        self.route = route
        self.which = which
        self.count = count
        self.size = size
        self.stored_size = stored_size
        self.since = since
        self.why = why


class Count:
    """Add to one of the process's counters (`foodco_storage.counters`): what the operation's own event tells as well."""

    __slots__ = ("amount", "name", "route")

    def __init__(self, name: str, route: str, amount: int = 1) -> None:
        self.name = name
        self.route = route
        self.amount = amount


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole body, kept.

    Args:
        file: seekable, at its start.
        size: bytes in it.
        md5: of them, 16 bytes.
    """

    file: BinaryIO
    size: int
    md5: bytes

    @property
    def content_md5(self) -> str:
        """The digest as the parameter `ContentMD5` of a PUT."""
        return base64.b64encode(self.md5).decode("ascii")


class Spool:
    """Read a whole body into a seekable file (memory first, disk beyond). Sends back what was `Spooled`."""

    __slots__ = ("body",)

    def __init__(self, body: Body) -> None:
        self.body = body


class ReadBody:
    """Read a whole body into memory, and close it. Sends back its bytes; None where it broke, or has another size."""

    __slots__ = ("body", "size")

    def __init__(self, body: Body, size: int) -> None:
        self.body = body
        self.size = size


class BytesBody:
    """Make a body of bytes. Sends back the body to hand out."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Discard:
    """Close a body, or a spooled file, that nobody will read."""

    __slots__ = ("body",)

    def __init__(self, body: Body | BinaryIO) -> None:
        self.body = body


class Later:
    """Work that nobody waits for. Sends back whether it was taken: under pressure it is not.

    Args:
        route: the route's name.
        topic: what it is about; of several works on one topic only one is kept.
        flow: makes the flow to run; its failure is logged, and nobody's.
        gate: of the route that it writes on; None where its phase never moves.
        phases: those in which it may be done.
        size: bytes that it holds until it is done.
        deadline_seconds: work that could not be begun until then is dropped.
        inline: do it now, before the caller goes on.
        dropped: called where it will never run, to let go of what it holds.
        which: bucket and key of the object that it is about; None where it is about no one object.
    """

    __slots__ = (
        "deadline_seconds",
        "dropped",
        "flow",
        "gate",
        "inline",
        "phases",
        "route",
        "size",
        "topic",
        "which",
    )

    def __init__(  # noqa: PLR0913 - all but three by name
        self,
        route: str,
        topic: Any,
        flow: Callable[[], Flow],
        *,
        gate: Gate | None = None,
        phases: Collection[str] = (),
        size: int = 0,
        deadline_seconds: float = 60.0,
        inline: bool = False,
        dropped: Callable[[], None] | None = None,
        which: Parameters | None = None,
    ) -> None:
        self.route = route
        self.topic = topic
        self.flow = flow
        self.gate = gate
        self.phases = phases
        self.size = size
        self.deadline_seconds = deadline_seconds
        self.inline = inline
        self.dropped = dropped
        self.which = which


class Tee:
    """Let a body that a caller reads be kept as well. Sends back the body to hand out.

    Args:
        body: the body.
        size: how many bytes it has.
        finished: given all of it, the work to do once the caller has read the last byte.
        abandoned: the work to do when the caller never does, or when it could not be kept.
    """

    __slots__ = ("abandoned", "body", "finished", "size")

    def __init__(
        self, body: Body, size: int, finished: Callable[[Spooled], Later], abandoned: Callable[[], Later]
    ) -> None:
        self.body = body
        self.size = size
        self.finished = finished
        self.abandoned = abandoned


class Warn:
    """Tell the operator, once per `topic`: an oddity that users need not see."""

    __slots__ = ("message", "topic")

    def __init__(self, topic: Any, message: str) -> None:
        self.topic = topic
        self.message = message
