"""Flows as places in their own past: a flow can't be copied, so it is run again with the answers that it had.

A `Program` makes a flow; a `Node` is a program with the answers so far, and knows what it wants to do next; an `Edge` leads
from a node, by one more answer, to the next. Each is made once, so the cost of running again is paid once per node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from immutable_stores import Answer, FrozenCall
from runs import Ended, Journaled, Judge, Order, Past, Path, Run, Setting, whatever

from foodco_storage.flows.request import Flow


class Program:
    """A flow that can be run again.

    Args:
        setting: what it shares with others.
        order: where it stands among all.
        name: for readers.
        make: makes the flow, and what has to stay alive while it runs.
        judge: what it came to.
    """

    def __init__(
        self,
        setting: Setting,
        order: Order,
        name: str,
        make: Callable[[], tuple[Flow, Run | None]],
        judge: Judge = whatever,
    ) -> None:
        self.order = order
        self.name = name
        self._setting = setting
        self._make = make
        self._judge = judge
        self._nodes: dict[Past, Node] = {}
        self._begin: Edge | None = None

    def begin(self) -> Edge:
        """From nothing to before its first call."""
        if self._begin is None:
            self._begin = self._edge(lambda: self._run(()))
        return self._begin

    def follow(self, node: Node, path: Path, answer: Answer) -> Edge:
        """From a node, by one more answer, to the next."""

        def run() -> Run:
            run = self._run(node.past)
            run.forget_what_was_done()
            run.feed(path, answer)
            return run

        return self._edge(run)

    def _run(self, past: Past) -> Run:
        """Run the flow again, up to where it stands after `past`."""
        flow, kept = self._make()
        run = Run(self._setting, self.order, flow, self._judge, kept)
        run.start()
        run.repeat((), past)
        return run

    def _edge(self, again: Callable[[], Run]) -> Edge:
        run = again()
        spawned = tuple(
            Program(self._setting, (*self.order, *where), f"{self.name}, later", _flow_for_later(again, number))
            for number, (where, _) in enumerate(run.spawned)
        )
        edge = Edge(tuple(run.journaled), spawned, self._node(run))
        run.close()
        return edge

    def _node(self, run: Run) -> Node:
        past = run.strand.written()
        if past not in self._nodes:
            ended = run.strand.result if run.strand.ended else None
            self._nodes[past] = Node(self, past, tuple(run.strand.waiting(())), ended)
        return self._nodes[past]


def _flow_for_later(again: Callable[[], Run], number: int) -> Callable[[], tuple[Flow, Run]]:
    def make() -> tuple[Flow, Run]:
        parent = again()
        return parent.spawned[number][1].flow(), parent

    return make


class Node:
    """A program, and the answers that it had.

    Args:
        program: whose.
        past: the answers.
        calls: what it wants to do next: one call, or several under a `Gather`.
        ended: how it ended; None while it runs.
    """

    __slots__ = ("_edges", "calls", "ended", "past", "program")

    def __init__(
        self, program: Program, past: Past, calls: tuple[tuple[Path, FrozenCall], ...], ended: Ended | None
    ) -> None:
        self.program = program
        self.past = past
        self.calls = calls
        self.ended = ended
        self._edges: dict[tuple[Path, Answer], Edge] = {}

    def follow(self, path: Path, answer: Answer) -> Edge:
        """Give an answer to one of its calls."""
        edge = self._edges.get((path, answer))
        if edge is None:
            edge = self._edges[path, answer] = self.program.follow(self, path, answer)
        return edge


@dataclass(frozen=True, slots=True)
class Edge:
    """What a program does between two calls.

    Args:
        journaled: what it did to the journal, in order.
        spawned: the work that it left for later.
        node: where it stands then.
    """

    journaled: tuple[Journaled, ...]
    spawned: tuple[Program, ...]
    node: Node
