"""The states of an exploration, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from immutable_stores import PRIMARY, SOURCE, Answer, Answers, Contents, FrozenCall, Held, Shelf, StoreOptions
from linearizability import Checker, Register, Value
from programs import Client, Operation
from replay import Node, Program
from runs import Setting
from violations import Step

Journal: TypeAlias = frozenset[tuple[int, bool]]
"""Numbers of entries, each with whether it is free to be reconciled by anybody."""


class Faults(NamedTuple):
    """How many of each may still happen."""

    crash: int = 0
    fail: int = 0
    zombie: int = 0
    resend: int = 0
    recover: int = 0
    drop: int = 0


class Standing(NamedTuple):
    """Where a client stands.

    Args:
        operation: which it does, or does next.
        main: where in it; None in between.
        later: its background work, in order, begun or not.
        dead: whether it crashed.
    """

    operation: int = 0
    main: Node | None = None
    later: tuple[Node | Program, ...] = ()
    dead: bool = False


def program_of(work: Node | Program) -> Program:
    """The program of a work that has begun or not."""
    return work.program if isinstance(work, Node) else work


class State(NamedTuple):
    """All that decides what can still happen."""

    held: tuple[Held, ...]
    clients: tuple[Standing, ...]
    registers: tuple[Register, ...]
    journal: Journal
    late: tuple[FrozenCall, ...]
    faults: Faults


Move: TypeAlias = tuple[Step, State]


class Found(Exception):  # noqa: N818 - no error: it is what was looked for
    """A violation, with the step that showed it."""

    def __init__(self, reason: str, step: Step | None, held: tuple[Held, ...]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.step = step
        self.held = held


class Scene:
    """The stores, the clients and their programs.

    Args:
        clients: who does what.
        final: reads at the end.
        options: how the stores behave.
    """

    def __init__(self, clients: Sequence[Client], final: Sequence[Operation], options: StoreOptions) -> None:
        self.clients = clients
        self.answers = Answers()
        lacks = {PRIMARY: options.primary_lacks, SOURCE: options.source_lacks}
        self.shelves = [Shelf(name, options.buckets, lacks[name], self.answers) for name in lacks]
        self.number_of = {shelf.name: number for number, shelf in enumerate(self.shelves)}
        self.setting = Setting(lambda backend, capability: capability not in lacks[backend])
        # Whoever reconciles what others left is one more client, which never ends; then come the reads at the end.
        self.recovery = len(clients)
        self.programs = [
            [
                self._program((index, number), client.name, operation)
                for number, operation in enumerate(client.operations)
            ]
            for index, client in enumerate(clients)
        ]
        self.final = [
            (operation, self._program((len(clients) + 1, number), "finally", operation))
            for number, operation in enumerate(final)
        ]
        operations = [*final, *(operation for client in clients for operation in client.operations)]
        self.keys = sorted({key for operation in operations for key, _ in operation.actions})
        self.register_of = {key: number for number, key in enumerate(self.keys)}
        self.actions = [
            [tuple((self.register_of[key], action) for key, action in one.actions) for one in client.operations]
            for client in clients
        ]

    def start(self, contents: Sequence[Contents], initial: Mapping[str, Value] | None, faults: Faults) -> State:
        """The state before anybody did anything.

        Args:
            contents: what the primary and the source hold.
            initial: what users see; None for what the primary holds, or else the source.
            faults: what may happen.
        """
        held = tuple(shelf.start(content) for shelf, content in zip(self.shelves, contents, strict=True))
        if initial is None:
            sides = [shelf.objects(holds) for shelf, holds in zip(self.shelves, held, strict=True)]
            initial = {key: stored.data for side in reversed(sides) for key, stored in side.items()}
        checker = Checker()
        registers = tuple(checker.start(initial.get(key)) for key in self.keys)
        clients = tuple(Standing() for _ in range(len(self.clients) + 1))
        return State(held, clients, registers, frozenset(), (), faults)

    def apply(self, held: tuple[Held, ...], call: FrozenCall) -> tuple[tuple[Held, ...], Answer]:
        """What a call makes of the stores, and answers."""
        number = self.number_of[call.backend]
        changed, answer = self.shelves[number].apply(held[number], call)
        if changed is held[number]:
            return held, answer
        return (*held[:number], changed, *held[number + 1 :]), answer

    def owner(self, entry: int) -> int:
        """The client that made a journal entry."""
        client: int = self.setting.entries[entry][1][0]
        return client

    def _program(self, order: tuple[int, int], who: str, operation: Operation) -> Program:
        name = f"{who} {operation.name}"
        return Program(self.setting, order, name, lambda: (operation.flow(), None), operation.judge)
