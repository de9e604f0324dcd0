"""All that concurrent clients can do to two stores, state by state.

A state is what the stores hold, where every flow stands, what users saw so far (as the registers' configurations), the
journal, the calls that are still in the network, and the faults that may still happen. States that agree are visited once.
One step is one call to one store; what a flow does besides (journal, ids) belongs to the step before it.

An operation begins with its first call and is answered with its last one: later beginnings and earlier answers only forbid
more, so nothing is missed. A crash takes a whole client, with its background work, before or after any call and before or
after any change of the journal.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from endings import Converged, Endings, Reconcile
from immutable_stores import Contents, StoreOptions
from linearizability import Value
from moves import Moves
from programs import Client, Operation, clients_of
from states import Faults, Found, Scene, State
from violations import NeverReturnedError, Outcome, Path, TooManyStatesError, Violation, steps_of

MAX_STATES = 1_000_000


def explore(
    name: str,
    processes: Sequence[Client | Operation | Sequence[Operation]],
    *,
    final: Sequence[Operation],
    primary: Contents = None,
    source: Contents = b"v0",
    initial: Mapping[str, Value] | None = None,
    stores: StoreOptions = StoreOptions(),  # noqa: B008 - never changed
    crash: int = 1,
    fail: int = 0,
    zombie: int = 0,
    resend: int = 0,
    recover: int = 0,
    drop: int = 0,
    reconcile: Reconcile | None = None,
    converged: Converged | None = None,
    max_states: int = MAX_STATES,
    shortest: bool = False,
) -> Outcome:
    """Explore everything that clients can do at once.

    Args:
        name: of the case, for messages.
        processes: the clients, or what each does.
        final: reads that must be explained when all is over and the journal was reconciled.
        primary: what the primary holds at first.
        source: what the source holds at first.
        initial: what users see of each key at first. Left out: the primary's body, or else the source's.
        stores: how the stores behave.
        crash: how many clients may crash.
        fail: how many calls may fail, before or after they took effect.
        zombie: how many changing calls may time out, and take effect at any later time.
        resend: how many conditional calls, or Completes, may be sent again below the flow after their answer was lost (not
            those that are to be sent `once`). What is sent again says so, by its `RetryAttempts`.
        recover: how many entries that were deferred, or left by a client that crashed or ended, may be reconciled while
            others still work.
        drop: how many works for later may be dropped before they begin.
        reconcile: what is run for every journal entry that is left at the end, and by `recover`.
        converged: what must hold of the stores at the end, once the journal was reconciled.
        max_states: more than these are an error.
        shortest: look for a violation with as few steps as possible; it takes longer to find one.

    Raises:
        TooManyStatesError: there are more states than `max_states`.
        NeverReturnedError: there is no violation, and no history in which some operation returned.
    """
    if recover and reconcile is None:
        raise TypeError("say how to reconcile")
    scene = Scene(clients_of(processes), final, stores)
    start = scene.start((primary, source), initial, Faults(crash, fail, zombie, resend, recover, drop))
    with _no_garbage():
        return _search(
            name,
            scene,
            start,
            Moves(scene, reconcile),
            Endings(scene, reconcile, converged),
            max_states=max_states,
            shortest=shortest,
        )


def _search(
    name: str, scene: Scene, start: State, moves: Moves, endings: Endings, *, max_states: int, shortest: bool
) -> Outcome:
    """Visit every state."""
    seen = {start}
    waiting: deque[tuple[State, Path]] = deque([(start, None)])
    take = waiting.popleft if shortest else waiting.pop
    while waiting:
        state, path = take()
        try:
            if moves.over(state):
                endings.check(state)
            for step, reached in moves.of(state):
                if reached not in seen:
                    seen.add(reached)
                    waiting.append((reached, (path, step)))
        except Found as found:
            steps = [*steps_of(path), *([found.step] if found.step is not None else [])]
            held = [(shelf.name, held) for shelf, held in zip(scene.shelves, found.held, strict=True)]
            return Outcome(name, len(seen), Violation(found.reason, steps, held))
        except Exception as error:
            error.add_note("\n".join([f"{name}, after:", *map(str, steps_of(path))]))
            raise
        if len(seen) > max_states:
            raise TooManyStatesError(f"{name}: more than {max_states} states")
    programs = [program for client in scene.programs for program in client]
    if idle := [program.name for program in programs if program not in moves.returned]:
        raise NeverReturnedError(f"{name}: there is no history in which these return: {', '.join(idle)}")
    return Outcome(name, len(seen), None)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """States are many and make no cycles: looking for some takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
