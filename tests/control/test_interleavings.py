"""Any interleaving of clients and operators, request by request, with lost and late answers, deaths and outages."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError
from control_world import PLACE, NoWatcher, Primary
from hypothesis import given
from hypothesis import strategies as st

from foodco_storage.control.flip import Flip
from foodco_storage.control.held_phase import HeldPhase
from foodco_storage.control.phases import PHASES
from foodco_storage.control.procedure import Say, Wait
from foodco_storage.control.text import DamagedError
from foodco_storage.errors import PhaseRefusedError

pytestmark = pytest.mark.slow  # a hundred worlds

STEPS = 1500


class Requests:
    """Somebody's requests, one at a time: first it takes place, then, perhaps much later, the answer arrives."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps: Any = None
        self.asked: Any = None
        self.answer: Any = None
        self.awake_at = 0.0

    @property
    def is_idle(self) -> bool:
        return self.steps is None

    def start(self, steps: Any) -> None:
        self.steps = steps
        self._go(lambda: next(steps))

    def step(self) -> None:
        if self.answer is not None:
            answer, self.answer = self.answer, None
            steps = self.steps
            self._go(lambda: steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer))
        elif isinstance(self.asked, Wait):
            if self.world.primary.now >= self.awake_at:
                self._go(lambda: next(self.steps))
        else:
            self.answer = self._take_place()

    def drop(self) -> None:
        """It is killed. A request that is under way may still arrive."""
        if self.steps is not None and self.answer is None and not isinstance(self.asked, Wait):
            self.world.late.append(self.asked)
        self.steps = self.answer = None

    def _take_place(self) -> Any:
        world, asked = self.world, self.asked
        fate = world.random.random() if world.with_faults else 1.0
        if fate < 0.02:
            return ConnectTimeoutError(endpoint_url="lost before")
        if fate < 0.04:
            world.late.append(asked)
            return ConnectTimeoutError(endpoint_url="late")
        try:
            answer = world.primary.call(*asked)
        except (ClientError, BotoCoreError) as error:
            answer = error
        if fate < 0.06:
            return ConnectTimeoutError(endpoint_url="lost after")
        return answer

    def _go(self, move: Callable[[], Any]) -> None:
        try:
            step = move()
            while isinstance(step, Say):
                self.world.told.append(step.text)
                step = next(self.steps)
            if isinstance(step, Wait):
                self.awake_at = self.world.primary.now + step.seconds
            self.asked = step
        except StopIteration:
            self.steps = None
        except (PhaseRefusedError, DamagedError, ClientError, BotoCoreError) as error:
            self.world.told.append(str(error))
            self.steps = None


@dataclass
class Journal:
    """Survives the process. An entry is the phase that it was made by."""

    entries: list[str] = field(default_factory=list)
    is_forgotten: bool = False


class Client:
    def __init__(self, world: World, journal: Journal) -> None:
        self.world = world
        self.journal = journal
        self.held = HeldPhase(
            PLACE,
            world.primary.call,
            journal_depth=lambda: len(journal.entries),
            watcher=NoWatcher(),
            clock=world.primary.clock,
        )
        self.requests = Requests(world)
        self.writes: list[tuple[Any, bool]] = []
        self.reconciling: list[Any] = []
        self.reads: list[tuple[Any, str, str]] = []
        self.is_alive = True
        self.eagerness = world.random.choice([0.02, 0.2, 0.7])

    @property
    def standing(self) -> Any:
        return self.held._participant.standing

    @property
    def is_registered(self) -> bool:
        """Whether it is a registered client whose report nobody took away."""
        return self.is_alive and self.standing.registered and self.standing.client in self.world.counted

    @property
    def under_way(self) -> list[Any]:
        return [operation for operation, _ in self.writes] + self.reconciling

    def act(self) -> None:
        choose = self.world.random.random
        if choose() < 0.5:
            if self.requests.is_idle:
                leaves = choose() < 0.01
                self.requests.start(self.held.leaving() if leaves else self.held.round())
            else:
                self.requests.step()
        elif choose() < 0.75:
            self._change()
        elif self.reads and choose() < 0.6:
            self.reads.pop(0)[0].__exit__(None, None, None)
        elif self.standing.record is not None:
            reading = self.held.reading()
            phase = reading.__enter__()
            self.reads.append((reading, phase, self.standing.client if self.is_registered else ""))

    def _change(self) -> None:
        choose = self.world.random.random
        if self.writes and choose() < 0.6:
            operation, is_mirrored = self.writes.pop(0)
            if is_mirrored and choose() < 0.7:
                self.journal.entries.pop()
            operation.end()
        elif self.reconciling:
            self.journal.entries.pop()
            self.reconciling.pop().end()
        elif len(self.journal.entries) > sum(mirrored for _, mirrored in self.writes) and choose() < self.eagerness:
            operation = self.held.try_reconciling()
            if operation is not None:
                self.reconciling.append(operation)
        else:
            operation = self.held.try_writing()
            if operation is not None:
                is_mirrored = choose() < 0.5
                self.writes.append((operation, is_mirrored))
                if is_mirrored:
                    self.journal.entries.append(operation.phase)
                self.world.writes += 1

    def kill(self) -> None:
        self.requests.drop()
        self.is_alive = False
        self.writes.clear()
        self.reconciling.clear()
        self.reads.clear()


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # Half of the worlds lose answers; in half of them processes die, and time leaps.
        self.with_faults = seed % 2 == 0
        self.with_deaths = seed % 4 < 2
        self.primary = Primary()
        self.primary.begin(self.random.choice(PHASES[:3]))
        self.late: list[Any] = []
        self.told: list[str] = []
        self.writes = 0
        self.speeds: dict[int, float] = {}
        # Reports that nobody has ever taken away: one that comes back, since it was long on its way, does not count.
        self.counted: set[str] = set()
        self.taken_away: set[str] = set()
        self.clients = [Client(self, Journal()) for _ in range(3)]
        self.operators = [Requests(self), Requests(self)]

    def run(self) -> None:
        for _ in range(STEPS):
            self.step()
            self.check()

    def step(self) -> None:
        choice = self.random.random() * (1.0 if self.with_deaths else 0.985)
        if choice < 0.95:
            self._somebody()
        elif choice < 0.98:
            self.primary.now += self.random.choice([0.2, 0.5, 1.0, 2.0])
        elif choice < 0.985:
            self._late_one()
        elif choice < 0.987:
            self.primary.now += self.random.choice([11.0, 33.0])
        elif choice < 0.991 and len(self.clients) < 8:
            client = self.random.choice([client for client in self.clients if client.is_alive])
            client.kill()
            self.clients.append(Client(self, client.journal))
        else:
            self.random.choice(self.operators).drop()

    def _somebody(self) -> None:
        """Some are quick, some stand still for long: only then do the narrow gaps open."""
        actors: list[Client | Requests] = [client for client in self.clients if client.is_alive]
        actors += self.operators
        if self.random.random() < 0.01:
            self.speeds[id(self.random.choice(actors))] = self.random.choice([0.0, 0.0, 0.1, 1.0, 1.0, 5.0])
        usual = [1.0] * (len(actors) - 2) + [2.0, 0.05]
        weights = [self.speeds.get(id(actor), 1.0) * much for actor, much in zip(actors, usual, strict=True)]
        if any(weights):
            (actor,) = self.random.choices(actors, weights)
            if isinstance(actor, Client):
                actor.act()
            else:
                self._operate(actor)

    def _late_one(self) -> None:
        if self.late:
            asked = self.late.pop(self.random.randrange(len(self.late)))
            with suppress(ClientError, BotoCoreError):
                self.primary.call(*asked)

    def _operate(self, operator: Requests) -> None:
        if not operator.is_idle:
            operator.step()
            return
        if self.random.random() < 0.6:
            return
        record = self.primary.record()
        number = PHASES.index(record.phase)
        targets = [*PHASES[max(number - 1, 0) : number + 2]]
        flip = Flip(
            PLACE,
            self.random.choice(targets),
            forget=frozenset(self._to_forget()),
            wait_seconds=self.random.choice([5.0, 60.0]),
            clock=self.primary.clock,
        )
        operator.start(flip.procedure())

    def _to_forget(self) -> set[str]:
        """Those that the operator holds for dead: some are alive, cut off and in the middle of nothing."""
        ids: set[str] = set()
        for client in self.clients:
            cut_off = client.standing._is_late(self.primary.now) and not client.under_way
            if (not client.is_alive or cut_off) and self.random.random() < 0.8:
                ids.add(client.standing.client)
        return ids & self.primary.reports()

    def check(self) -> None:
        reports = self.primary.reports()
        self.taken_away |= self.counted - reports
        self.counted = reports - self.taken_away
        for client in self.clients:
            # Forgotten, at the operator's word.
            client.journal.is_forgotten |= bool(client.journal.entries) and client.standing.client in self.taken_away
        by = {operation.phase for client in self.clients for operation in client.under_way}
        assert len(by) <= 1, f"operations by {by}"
        if not by:
            return
        (phase,) = by
        for client in self.clients:
            if client.is_registered:
                assert client.held._participant.view.phase == phase, "one who still reads by another phase"
                for _, read_by, registered_as in client.reads:
                    if registered_as == client.standing.client:
                        assert read_by in (phase, "drain" if phase == "cutover" else phase), "a read by the old phase"
            if not client.journal.is_forgotten:
                assert set(client.journal.entries) <= {phase}, "an entry of the old phase is left"


@given(st.integers(0, 2**32))
def test_nobody_goes_by_another_phase(seed: int) -> None:
    World(seed).run()


def test_these_worlds_are_not_idle() -> None:
    worlds = [World(seed) for seed in range(20)]
    for world in worlds:
        world.run()
    assert sum(world.writes for world in worlds) > 300
    assert sum(line.startswith("done") for world in worlds for line in world.told) > 3
    assert sum(line.startswith("forgotten") for world in worlds for line in world.told) > 3
