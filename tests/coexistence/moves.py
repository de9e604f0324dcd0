"""What can happen next in a state: every step that leads out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import NamedTuple

from frozen import internal_error, no_answer
from immutable_stores import Answer, FrozenCall, Held
from linearizability import Action, Register, Result
from replay import Edge, Node, Program
from runs import SENT_AGAIN, Deferred, Ended, Entered, Journaled, Path
from states import Faults, Found, Journal, Move, Scene, Standing, State, program_of
from violations import Step

from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.request import Flow


class Waiting(NamedTuple):
    """A call that waits to be done.

    Args:
        client: whose.
        node: where its program stands.
        path: which of the program's flows it is.
        call: the call.
    """

    client: int
    node: Node
    path: Path
    call: FrozenCall


class Moves:
    """Finds the steps.

    Args:
        scene: stores, clients, programs.
        reconcile: what is run for a journal entry that is free; None where `recover` is not asked for.
    """

    def __init__(self, scene: Scene, reconcile: Callable[[Entry], Flow] | None) -> None:
        self._scene = scene
        self._reconcile = reconcile
        self._drops_overwrites = {shelf.name for shelf in scene.shelves if shelf.drops_overwrites}
        self._drops_by_deletes = {shelf.name for shelf in scene.shelves if shelf.drops_overwrites_by_deletes}
        self._racy = bool(self._drops_overwrites or self._drops_by_deletes)
        self._recoveries: dict[tuple[int, int], Program] = {}
        self._entry_of: dict[Program, int] = {}
        names = [client.name for client in scene.clients]
        self._after = [[names.index(name) for name in client.after] for client in scene.clients]
        self._counts = [*(len(client.operations) for client in scene.clients), 0]
        self.returned: set[Program] = set()

    def over(self, state: State) -> bool:
        """Whether nobody has anything left to do."""
        if state.late or any(client.main or client.later for client in state.clients):
            return False
        return not any(self._may_begin(state, index) for index in range(len(self._scene.clients)))

    def of(self, state: State) -> Iterator[Move]:
        """All steps out of a state."""
        for index, client in enumerate(state.clients):
            if client.main is not None:
                yield from self._calls(state, index, client.main)
            elif index < self._scene.recovery and self._may_begin(state, index):
                yield from self._begin(state, index)
            for work in client.later:
                if isinstance(work, Node):
                    yield from self._calls(state, index, work)
                else:
                    yield from self._begin_later(state, index, work)
            if state.faults.crash and (client.main or client.later):
                yield Step(self._name(index), note="CRASHES"), self._killed(state, index, state.journal)
        for position, call in enumerate(state.late):
            held, answer = self._scene.apply(state.held, call)
            late = state.late[:position] + state.late[position + 1 :]
            yield Step("the network", call, answer, "arrives LATE"), state._replace(held=held, late=late)
        if state.faults.recover:
            yield from self._recover(state)
        if self._racy:
            yield from self._races(state)

    # Beginnings.

    def _may_begin(self, state: State, index: int) -> bool:
        client = state.clients[index]
        if client.dead or client.main is not None or client.operation >= len(self._scene.programs[index]):
            return False
        if client.operation or not self._after[index]:
            return True
        return all(self._is_gone(state, other) for other in self._after[index])

    def _is_gone(self, state: State, index: int) -> bool:
        client = state.clients[index]
        ended = client.dead or (client.operation == len(self._scene.programs[index]) and not client.later)
        return ended and all(self._scene.owner(number) != index for number, _ in state.journal)

    def _begin(self, state: State, index: int) -> Iterator[Move]:
        client = state.clients[index]
        edge = self._scene.programs[index][client.operation].begin()
        registers = list(state.registers)
        for number, action in self._actions(index, client.operation):
            registers[number] = registers[number].begin((index, client.operation), action)
        begun = self._with_client(state, index, client._replace(main=edge.node))
        yield from self._go_on(begun._replace(registers=tuple(registers)), index, edge)

    def _begin_later(self, state: State, index: int, program: Program) -> Iterator[Move]:
        edge = program.begin()
        yield from self._go_on(self._standing_at(state, index, edge.node), index, edge)
        if state.faults.drop:
            later = tuple(work for work in state.clients[index].later if work is not program)
            dropped = self._with_client(state, index, state.clients[index]._replace(later=later))
            faults = state.faults._replace(drop=state.faults.drop - 1)
            journal = self._recovered(state.journal, program, None)
            yield Step(program.name, note="is DROPPED"), dropped._replace(faults=faults, journal=journal)

    def _go_on(self, state: State, index: int, edge: Edge) -> Iterator[Move]:
        """The beginning of a program is one step with its first call, unless others could tell the difference."""
        (first, begun), *crashed = self._arrive(state, index, edge, Step(edge.node.program.name, note="begins"))
        yield from crashed
        if edge.spawned or edge.node.ended is not None or self._racy:
            yield first, begun
            return
        if begun.faults.crash:
            # What it has entered is there, and nothing else yet.
            yield first._replace(note="begins, then CRASHES"), self._killed(begun, index, begun.journal)
        yield from self._calls(begun, index, edge.node)

    # Calls.

    def _calls(self, state: State, index: int, node: Node) -> Iterator[Move]:
        for path, call in node.calls:
            yield from self._call(state, Waiting(index, node, path, call))

    def _call(self, state: State, waiting: Waiting) -> Iterator[Move]:
        before, clients, registers, journal, late, faults = state
        call = waiting.call
        held, answer = self._scene.apply(before, call)
        done = State(held, clients, registers, journal, late, faults)
        yield from self._answer(done, waiting, answer)
        changed = held is not before
        if faults.resend and changed and call.resent:
            resend = faults._replace(resend=faults.resend - 1)
            yield from self._answer(done._replace(faults=resend), waiting, SENT_AGAIN, "its answer lost")
        if not (faults.fail or faults.zombie):
            return
        lost = self._scene.answers.answer(no_answer(call.backend))
        if faults.fail:
            fail = faults._replace(fail=faults.fail - 1)
            yield from self._answer(state._replace(faults=fail), waiting, lost, "NOT done")
            if changed:
                yield from self._answer(done._replace(faults=fail), waiting, lost, "done, its answer LOST")
        if faults.zombie and call.mutates:
            late = tuple(sorted((*late, call), key=lambda one: one.number))
            zombie = faults._replace(zombie=faults.zombie - 1)
            yield from self._answer(state._replace(faults=zombie, late=late), waiting, lost, "TIMES OUT in the network")

    def _answer(self, state: State, waiting: Waiting, answer: Answer, note: str = "") -> Iterator[Move]:
        """Answer a call."""
        edge = waiting.node.follow(waiting.path, answer)
        return self._arrive(state, waiting.client, edge, Step(waiting.node.program.name, waiting.call, answer, note))

    # What a program does until its next call.

    def _arrive(self, state: State, index: int, edge: Edge, step: Step) -> Iterator[Move]:
        """Go along an edge; then the crashes on the way."""
        held, clients, registers, journal, late, faults = state
        node = edge.node
        ended, program = node.ended, node.program
        operation, main, later, _ = clients[index]
        is_main = main is not None and main.program is program
        journals = self._journals(journal, edge)
        journal = journals[-1]
        if edge.spawned:
            later = tuple(sorted((*later, *edge.spawned), key=lambda work: program_of(work).order))
        if ended is not None:
            step = step._replace(ended=ended)
            if ended.kind == "returned":
                self.returned.add(program)
        if is_main:
            operation, main, registers = self._went_on(state, index, node, step)
        else:
            later = tuple([node if program_of(work) is program else work for work in later])
            if ended is not None:
                later = tuple([work for work in later if work is not node])
                journal = self._recovered(journal, program, ended)
        if main is None and not later and operation == self._counts[index]:
            # What a client leaves in the journal when it has nothing left to do is anybody's.
            journal = self._left(journal, index)
        standing = Standing(operation, main, later)
        yield step, State(held, (*clients[:index], standing, *clients[index + 1 :]), registers, journal, late, faults)
        if faults.crash:
            # Before its next call a client can crash in the state that was reached; after its last there is none.
            told = ended is not None and (is_main or program in self._entry_of)
            for left in dict.fromkeys(journals if told else journals[:-1]):
                crashed = self._killed(state, index, left)
                yield step._replace(ended=None, note=f"{step.note} then CRASHES".lstrip()), crashed

    def _journals(self, journal: Journal, edge: Edge) -> list[Journal]:
        """The journal before and after everything that is done to it."""
        journals = [journal]
        for done in edge.journaled:
            journals.append(self._journaled(journals[-1], done))
        return journals

    def _journaled(self, journal: Journal, done: Journaled) -> Journal:
        if isinstance(done, Entered):
            return journal | {(number, False) for number in done.numbers}
        kept = frozenset((number, free) for number, free in journal if number not in done.numbers)
        if isinstance(done, Deferred):
            kept |= {(number, True) for number, _ in journal - kept}
        return kept

    def _went_on(
        self, state: State, index: int, node: Node, step: Step
    ) -> tuple[int, Node | None, tuple[Register, ...]]:
        """A client's operation, where it stands, and what is known of the registers: its user may have been answered."""
        operation, ended = state.clients[index].operation, node.ended
        if ended is None:
            return operation, node, state.registers
        actions = self._actions(index, operation)
        results = ended.results if ended.kind == "returned" else (None,) * len(actions)
        registers = list(state.registers)
        for (number, _), result in zip(actions, results, strict=True):
            register = _told(registers[number], (index, operation), ended.kind, result)
            if register is None:
                raise Found(f"not linearizable: {step.who} {ended}", step, state.held)
            registers[number] = register
        return operation + 1, None, tuple(registers)

    def _recovered(self, journal: Journal, program: Program, ended: Ended | None) -> Journal:
        """After the end of work for later: where that reconciled an entry, it is gone, or free again."""
        number = self._entry_of.get(program)
        if number is None:
            return journal
        journal -= {(number, False)}
        return journal if ended is not None and ended.kind == "returned" else journal | {(number, True)}

    def _left(self, journal: Journal, index: int) -> Journal:
        if not journal or index == self._scene.recovery:
            return journal
        owner = self._scene.owner
        return frozenset([(number, free or owner(number) == index) for number, free in journal])

    def _killed(self, state: State, index: int, journal: Journal) -> State:
        """A client crashes: everything that it does ends where it stands."""
        held, clients, registers, _, late, faults = state
        operation, main, later, _ = clients[index]
        if index == self._scene.recovery:
            taken = {self._entry_of.get(program_of(work)) for work in later}
            journal = frozenset([(number, free or number in taken) for number, free in journal])
            standing = Standing()
        else:
            journal = self._left(journal, index)
            standing = Standing(operation, dead=True)
            if main is not None and (actions := self._actions(index, operation)):
                lost = list(registers)
                for number, _ in actions:
                    lost[number] = lost[number].lose((index, operation))
                registers = tuple(lost)
        fewer = Faults(faults.crash - 1, *faults[1:])
        return State(held, (*clients[:index], standing, *clients[index + 1 :]), registers, journal, late, fewer)

    # What others do.

    def _recover(self, state: State) -> Iterator[Move]:
        """Somebody begins to reconcile an entry."""
        assert self._reconcile is not None
        index, attempt = self._scene.recovery, state.faults.recover
        faults = state.faults._replace(recover=attempt - 1)
        for number, free in state.journal:
            if free:
                program = self._recovery(number, attempt)
                client = state.clients[index]
                works = sorted((*client.later, program), key=lambda work: program_of(work).order)
                taken = self._with_client(state, index, client._replace(later=tuple(works)))
                journal = state.journal - {(number, True)} | {(number, False)}
                yield from self._begin_later(taken._replace(journal=journal, faults=faults), index, program)

    def _recovery(self, number: int, attempt: int) -> Program:
        known = number, attempt
        if known not in self._recoveries:
            entry, reconcile = self._scene.setting.entries[number][0], self._reconcile
            assert reconcile is not None
            program = Program(
                self._scene.setting,
                (self._scene.recovery, attempt, number),
                f"recovery of {entry.key}",
                lambda: (reconcile(entry), None),
            )
            self._recoveries[known] = program
            self._entry_of[program] = number
        return self._recoveries[known]

    def _races(self, state: State) -> Iterator[Move]:
        """Two calls at once, on a store that then loses the unconditional one."""
        waiting = [
            Waiting(index, node, path, call)
            for index, client in enumerate(state.clients)
            for node in (client.main, *client.later)
            if isinstance(node, Node)
            for path, call in node.calls
        ]
        for plain, conditional in permutations(waiting, 2):
            if not plain.call.plain or not conditional.call.if_match or plain.call.target != conditional.call.target:
                continue
            if plain.node is conditional.node:
                continue
            deletes = conditional.call.operation == "DeleteObject"
            if plain.call.backend in (self._drops_by_deletes if deletes else self._drops_overwrites):
                yield from self._race(state, plain, conditional)

    def _race(self, state: State, plain: Waiting, conditional: Waiting) -> Iterator[Move]:
        apply = self._scene.apply
        written, ours = apply(state.held, plain.call)
        overwritten, theirs = apply(state.held, conditional.call)
        if ours.failed:
            return
        if not theirs.failed:
            yield from self._both(
                state, overwritten, (plain, ours, "DROPPED in a race"), (conditional, theirs, "at once")
            )
        if apply(written, conditional.call)[1].failed and conditional.call.operation != "DeleteObject":
            error = self._scene.answers.answer(internal_error(conditional.call.backend, conditional.call.operation))
            yield from self._both(state, written, (plain, ours, ""), (conditional, error, "lost a race"))

    def _both(
        self,
        state: State,
        held: tuple[Held, ...],
        first: tuple[Waiting, Answer, str],
        second: tuple[Waiting, Answer, str],
    ) -> Iterator[Move]:
        for step, between in self._answer(state._replace(held=held), *first):
            client = between.clients[second[0].client]
            if second[0].node in (client.main, *client.later):
                for then, after in self._answer(between, *second):
                    note = f"{then.note}, after {step}"
                    yield then._replace(note=note), after

    # Small changes of a state.

    def _actions(self, index: int, operation: int) -> tuple[tuple[int, Action], ...]:
        """What an operation does to which registers."""
        return self._scene.actions[index][operation]

    def _name(self, index: int) -> str:
        return "recovery" if index == self._scene.recovery else self._scene.clients[index].name

    def _standing_at(self, state: State, index: int, node: Node) -> State:
        """One of a client's programs stands at a node."""
        client = state.clients[index]
        if client.main is not None and client.main.program is node.program:
            return self._with_client(state, index, client._replace(main=node))
        later = tuple(node if program_of(work) is node.program else work for work in client.later)
        return self._with_client(state, index, client._replace(later=later))

    def _with_client(self, state: State, index: int, client: Standing) -> State:
        return state._replace(clients=(*state.clients[:index], client, *state.clients[index + 1 :]))


def _told(register: Register, name: tuple[int, int], kind: str, result: Result) -> Register | None:
    """A register after its user was told something."""
    if kind == "returned":
        return register.answer(name, result)
    return register.refuse(name) if kind == "refused" else register.lose(name)
