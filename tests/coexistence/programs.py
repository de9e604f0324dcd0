"""What clients do: operations as their users see them, each a flow and what it does to the register of its key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from linearizability import FAILED_CONDITION, NO_SUCH_KEY, Action, Result
from runs import Ended

from foodco_storage.errors import OperationRefusedError
from foodco_storage.flows.outcomes import BackendError, Deleted, NotThere, Rejected
from foodco_storage.flows.request import Flow, Response

Results: TypeAlias = tuple[Result, ...]
"""What a user saw, one result for each action of an operation."""


def saw_nothing(response: Response) -> Results:
    """Nothing to tell of the response."""
    return ()


def no_known_error(error: BackendError) -> Results | None:
    """Every error leaves open what the operation did."""
    return None


def failed_condition(error: BackendError) -> Results | None:
    """412, or 404 where the condition names an object that is not there."""
    if error.code == "PreconditionFailed" or error.status == 412:
        return (FAILED_CONDITION,)
    return (NO_SUCH_KEY,) if is_not_there(error) else None


def nothing_there(error: BackendError) -> Results | None:
    """A read of a key that holds nothing."""
    return (None,) if is_not_there(error) else None


def is_not_there(error: BackendError) -> bool:
    """Whether a user is told that there is no such key; an outage that looks like a 404 is none."""
    return isinstance(error, NotThere | Deleted) or (isinstance(error, Rejected) and error.status == 404)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client.

    Args:
        name: for readers.
        flow: makes its flow.
        actions: which keys' registers it acts on, and how; none for work that no user sees, such as a promote.
        saw: the results of its response, one per action. Reads the body, as a caller does; None where they tell nothing.
        knows: the results that an error stands for; None where the user can't know what the operation did.
    """

    name: str
    flow: Callable[[], Flow]
    actions: tuple[tuple[str, Action], ...] = ()
    saw: Callable[[Response], Results | None] = saw_nothing
    knows: Callable[[BackendError], Results | None] = no_known_error

    def judge(self, response: Response | None, error: BackendError | None) -> Ended:
        """What it came to."""
        if error is None:
            assert response is not None or not self.actions
            results = self.saw(response or {})
            return self._returned(results) if results is not None else Ended("failed", why="tells nothing")
        if isinstance(error.error, OperationRefusedError):
            return Ended("refused", why=str(error.error))
        results = self.knows(error)
        return self._returned(results) if results is not None else Ended("failed", why=repr(error.error))

    def _returned(self, results: Results) -> Ended:
        if len(results) != len(self.actions):
            raise ValueError(f"{self.name}: {len(results)} results for {len(self.actions)} actions")
        return Ended("returned", results)


@dataclass(frozen=True, slots=True)
class Client:
    """A process of the operating system: does its operations one after another, and dies as a whole.

    Args:
        name: for readers.
        operations: what it does. After one that failed it goes on with the next.
        after: clients that must have ended, with nothing of theirs left in the journal, before it begins: a flip of the
            phase through `pausing`.
    """

    name: str
    operations: Sequence[Operation]
    after: tuple[str, ...] = ()


def clients_of(processes: Sequence[Client | Operation | Sequence[Operation]]) -> list[Client]:
    """Clients with names: A, B and so on where none are given."""
    clients = []
    for number, process in enumerate(processes):
        if isinstance(process, Client):
            clients.append(process)
        else:
            operations = [process] if isinstance(process, Operation) else process
            clients.append(Client("ABCDEFGHIJ"[number], operations))
    return clients
