"""What must hold when all is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from immutable_stores import PRIMARY, SOURCE, Held
from linearizability import Register
from replay import Program
from runs import Ended
from states import Found, Scene, State
from violations import Step

from foodco_storage.backends.memory import Stored
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.request import Flow

MAX_CALLS_ALONE = 100
"""A flow that makes more calls than this with nobody else about does not come to an end."""

Reconcile: TypeAlias = Callable[[Entry], Flow]
"""Brings the two sides of a key to agree."""

Converged: TypeAlias = Callable[[Mapping[str, Stored], Mapping[str, Stored]], bool]
"""Whether two stores agree, given the objects of the primary and of the source."""


class Endings:
    """Judges states in which nobody has anything left to do.

    Args:
        scene: stores, clients, programs.
        reconcile: what is run for a journal entry that is left.
        converged: what must hold of the stores then.
    """

    def __init__(self, scene: Scene, reconcile: Reconcile | None, converged: Converged | None) -> None:
        self._scene = scene
        self._reconcile = reconcile
        self._converged = converged
        self._programs: dict[Entry, Program] = {}
        self._reconciled: dict[tuple[tuple[Held, ...], frozenset[Entry]], tuple[Held, ...]] = {}
        self._read: set[tuple[tuple[Held, ...], tuple[Register, ...]]] = set()

    def check(self, state: State) -> None:
        """Reconcile what is left, and read.

        Raises:
            Found: something is wrong.
        """
        entries = frozenset(self._scene.setting.entries[number][0] for number, _ in state.journal)
        left = state.held, entries
        if left not in self._reconciled:
            self._reconciled[left] = self._reconcile_all(*left)
        held = self._reconciled[left]
        read = held, state.registers
        if read not in self._read:
            self._read_all(*read)
            self._read.add(read)

    def _reconcile_all(self, held: tuple[Held, ...], entries: frozenset[Entry]) -> tuple[Held, ...]:
        for entry in sorted(entries, key=repr):
            held, ended = self._alone(held, self._reconciliation(entry))
            if ended.kind != "returned":
                raise Found(f"what the journal held can't be reconciled: {ended.why}", None, held)
        if self._converged is not None:
            sides = {shelf.name: shelf.objects(holds) for shelf, holds in zip(self._scene.shelves, held, strict=True)}
            if not self._converged(sides[PRIMARY], sides[SOURCE]):
                raise Found("the sides differ, and nothing in the journal says so", None, held)
        return held

    def _reconciliation(self, entry: Entry) -> Program:
        reconcile = self._reconcile
        if reconcile is None:
            raise TypeError(f"{entry} was left in the journal; say how to reconcile it")
        if entry not in self._programs:
            order = self._scene.recovery + 2, len(self._programs)
            name = f"finally reconcile {entry.key}"
            self._programs[entry] = Program(self._scene.setting, order, name, lambda: (reconcile(entry), None))
        return self._programs[entry]

    def _read_all(self, held: tuple[Held, ...], registers: tuple[Register, ...]) -> None:
        # Twice: a read may leave work for later, and what that does must not be seen.
        for _ in range(2):
            for operation, program in self._scene.final:
                held, ended = self._alone(held, program)
                step = Step(program.name, ended=ended)
                if ended.kind != "returned":
                    raise Found("a read fails, with nobody else about and every store up", step, held)
                for (key, action), result in zip(operation.actions, ended.results, strict=True):
                    number = self._scene.register_of[key]
                    register = registers[number].begin("finally", action).answer("finally", result)
                    if register is None:
                        could = ", ".join(sorted(map(repr, registers[number].values())))
                        raise Found(f"the last read of {key} saw {result!r}; it could have seen {could}", step, held)
                    registers = (*registers[:number], register, *registers[number + 1 :])

    def _alone(self, held: tuple[Held, ...], program: Program) -> tuple[tuple[Held, ...], Ended]:
        """Run a program, and all that it leaves for later, to the end."""
        edge = program.begin()
        spawned = list(edge.spawned)
        calls = 0
        while edge.node.ended is None:
            path, call = edge.node.calls[0]
            held, answer = self._scene.apply(held, call)
            edge = edge.node.follow(path, answer)
            spawned += edge.spawned
            calls += 1
            if calls > MAX_CALLS_ALONE:
                raise Found(f"{program.name} does not come to an end", Step(program.name, call, answer), held)
        for later in spawned:
            held, _ = self._alone(held, later)
        return held, edge.node.ended
