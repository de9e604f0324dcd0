"""What goes wrong, in an order that a seed decides."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from chaos_load import Load, Store
from chaos_log import now

from foodco_storage.testing import LOAD_BALANCER_UNAVAILABLE, Close, Delay, Fault, Reset


class Faults:
    """Breaks things, one after the other, with breaks in which everything works.

    Args:
        load: what is broken.
        seed: decides what, when and for how long.
    """

    def __init__(self, load: Load, seed: int) -> None:
        self._load = load
        self._random = random.Random(seed)
        self._seeds = random.Random(seed + 1)
        self.done: Counter[str] = Counter()
        self.events = 0

    def start_workers(self) -> None:
        for name in self._load.names:
            self._load.start(name, self._seeds.randrange(2**32))

    def run(self, seconds: float) -> None:
        end = now() + seconds
        while now() < end:
            time.sleep(self._random.uniform(0.0, 0.4))
            self._chosen()()
            self.events += 1
        self.stop()

    def stop(self) -> None:
        """Nothing is broken any more."""
        for store in (self._load.primary, self._load.source):
            store.proxy.pass_through()

    def _chosen(self) -> Callable[[], None]:
        choices: list[tuple[int, Callable[[], None]]] = [
            (2, self.kill_a_worker),
            (4, self.kill_while_they_wait),
            (1, self.kill_the_gateway),
            (5, lambda: self.break_proxy("primary", self._load.primary)),
            (5, lambda: self.break_proxy("source", self._load.source)),
            (2, lambda: self.refuse("source", self._load.source)),
            (1, lambda: self.refuse("primary", self._load.primary)),
        ]
        (chosen,) = self._random.choices([do for _, do in choices], [weight for weight, _ in choices])
        return chosen

    def kill_a_worker(self) -> None:
        name = self._random.choice([*self._load.writers, *self._load.writers, *self._load.readers])
        self.done[f"SIGKILL of a {'writer' if name in self._load.writers else 'reader'}"] += 1
        self._load.kill(name)
        self._load.start(name, self._seeds.randrange(2**32))

    def kill_while_they_wait(self) -> None:
        """Slow stores, so that a kill finds a request under way: one that was sent, and carried out or not."""
        stores = self._random.choice(
            [[self._load.primary], [self._load.source], [self._load.primary, self._load.source]]
        )
        for store in stores:
            store.proxy.inject(Delay(0.3))
        time.sleep(self._random.uniform(0.1, 0.4))
        self.kill_a_worker()
        for store in stores:
            store.proxy.pass_through()

    def kill_the_gateway(self) -> None:
        self.done["radosgw killed and restarted"] += 1
        ceph = self._load.ceph
        ceph.kill_gateway(self._load.gateway)
        time.sleep(self._random.uniform(0.0, 1.0))
        ceph.restart_gateway(self._load.gateway)

    def refuse(self, name: str, store: Store) -> None:
        """No connections for a while."""
        self.done[f"{name}: refused"] += 1
        store.proxy.refuse()
        time.sleep(self._random.uniform(0.1, 1.5))
        store.proxy.pass_through()

    def break_proxy(self, name: str, store: Store) -> None:
        kind, fault = self._fault()
        before = store.proxy.faults
        store.proxy.inject(fault)
        time.sleep(self._random.uniform(0.1, 0.7))
        store.proxy.pass_through()
        self.done[f"{name}: {kind}"] += store.proxy.faults - before

    def _fault(self) -> tuple[str, Fault]:
        some = self._random.choice([0, 1, 100, 3000])
        kinds: list[tuple[str, Fault]] = [
            ("reset in an answer's body", Reset(some)),
            ("closed in an answer's body", Close(some)),
            ("reset in a request's body", Reset(some, of="request")),
            ("answer lost", Reset(of="stream")),
            ("delayed", Delay(self._random.uniform(0.05, 0.5))),
            ("503", LOAD_BALANCER_UNAVAILABLE),
        ]
        return self._random.choice(kinds)
