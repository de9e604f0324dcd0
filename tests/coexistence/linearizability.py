"""Whether what users saw of one key can be explained by one register: a checker that follows a history as it grows.

An operation takes effect at one moment between its beginning and its answer. One that failed to its user may take effect at
any later moment, or never: it stays pending for good. What is kept of a history is the set of its configurations: the
values that the register may hold now, each with the pending operations that have taken effect already and what those will
answer. A history is linearizable as long as there is one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Value: TypeAlias = Hashable
"""What the register holds; None where it holds nothing."""

Result: TypeAlias = Hashable
"""What an operation answers to its user."""

OK = "ok"
FAILED_CONDITION = "412"
NO_SUCH_KEY = "404"


class Action(Protocol):
    """What an operation does to the register."""

    @property
    def changes(self) -> bool:
        """Whether it can change the register: one that can't, and failed, is of no interest any more."""

    def apply(self, value: Value) -> tuple[Value, Result]:
        """The register's new value, and the answer."""


@dataclass(frozen=True, slots=True)
class Read:
    """Answers the value."""

    changes = False

    def apply(self, value: Value) -> tuple[Value, Result]:
        return value, value


@dataclass(frozen=True, slots=True)
class Write:
    """Puts a value, whatever was there."""

    value: Value
    changes = True

    def apply(self, value: Value) -> tuple[Value, Result]:
        return self.value, OK


@dataclass(frozen=True, slots=True)
class Delete:
    """Leaves nothing, whatever was there."""

    changes = True

    def apply(self, value: Value) -> tuple[Value, Result]:
        return None, OK


@dataclass(frozen=True, slots=True)
class PutIfAbsent:
    """`If-None-Match: *`."""

    value: Value
    changes = True

    def apply(self, value: Value) -> tuple[Value, Result]:
        return (self.value, OK) if value is None else (value, FAILED_CONDITION)


@dataclass(frozen=True, slots=True)
class PutIfMatch:
    """`If-Match` with the ETag of a value."""

    expected: Value
    value: Value
    changes = True

    def apply(self, value: Value) -> tuple[Value, Result]:
        if value is None:
            return None, NO_SUCH_KEY
        return (self.value, OK) if value == self.expected else (value, FAILED_CONDITION)


@dataclass(frozen=True, slots=True)
class DeleteIfMatch:
    """A DELETE with `If-Match`."""

    expected: Value
    changes = True

    def apply(self, value: Value) -> tuple[Value, Result]:
        if value is None:
            return None, NO_SUCH_KEY
        return (None, OK) if value == self.expected else (value, FAILED_CONDITION)


Effects: TypeAlias = frozenset[tuple[Hashable, Result]]
"""Pending operations that have taken effect, with what they will answer; None for those whose answer nobody gets."""

Configuration: TypeAlias = tuple[Value, Effects]


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that has begun and was not answered.

    Args:
        operation: its name in this history.
        action: what it does.
        lost: whether it failed to its user: nobody will ever learn what it answered.
    """

    operation: Hashable
    action: Action
    lost: bool = False


class Register:
    """What is known after some history. Equal ones of one checker are one object, and each answers its questions once."""

    __slots__ = ("_checker", "_next", "configurations", "pending")

    def __init__(self, checker: Checker, configurations: frozenset[Configuration], pending: frozenset[Pending]) -> None:
        self._checker = checker
        self._next: dict[Hashable, Register | None] = {}
        self.configurations = configurations
        self.pending = pending

    def begin(self, operation: Hashable, action: Action) -> Register:
        """After an operation began; its name must be new in this history."""
        question = "begin", operation, action
        if question not in self._next:
            pending = self.pending | {Pending(operation, action)}
            self._next[question] = self._checker.register(self.configurations, pending)
        return self._certain(question)

    def answer(self, operation: Hashable, result: Result) -> Register | None:
        """After an operation was answered; None when that can't be explained."""
        question = "answer", operation, result
        if question not in self._next:
            configurations = frozenset(
                (value, effects - {(operation, result)})
                for value, effects in self._closed()
                if (operation, result) in effects
            )
            self._next[question] = self._without(operation, configurations)
        return self._next[question]

    def lose(self, operation: Hashable) -> Register:
        """After an operation failed to its user."""
        question = "lose", operation
        if question not in self._next:
            (lost,) = (pending for pending in self.pending if pending.operation == operation)
            configurations = frozenset(
                (value, frozenset((name, None if name == operation else result) for name, result in effects))
                for value, effects in self.configurations
            )
            if lost.action.changes:
                pending = self.pending - {lost} | {Pending(operation, lost.action, lost=True)}
                self._next[question] = self._checker.register(configurations, pending)
            else:
                configurations = frozenset((value, effects - {(operation, None)}) for value, effects in configurations)
                self._next[question] = self._without(operation, configurations)
        return self._certain(question)

    def refuse(self, operation: Hashable) -> Register | None:
        """After an operation was refused, and so took no effect; None when it must have taken some."""
        untouched = frozenset(
            (value, effects) for value, effects in self.configurations if all(name != operation for name, _ in effects)
        )
        return self._without(operation, untouched)

    def values(self) -> frozenset[Value]:
        """What a read that begins now may answer."""
        return frozenset(value for value, _ in self._closed())

    def _certain(self, question: Hashable) -> Register:
        register = self._next[question]
        assert register is not None
        return register

    def _without(self, operation: Hashable, configurations: frozenset[Configuration]) -> Register | None:
        if not configurations:
            return None
        return self._checker.register(
            configurations, frozenset(pending for pending in self.pending if pending.operation != operation)
        )

    def _closed(self) -> frozenset[Configuration]:
        """The configurations, and all that pending operations can make of them."""
        closed = set(self.configurations)
        todo = list(closed)
        while todo:
            value, effects = todo.pop()
            done = {name for name, _ in effects}
            for pending in self.pending:
                if pending.operation in done:
                    continue
                changed, result = pending.action.apply(value)
                configuration = changed, effects | {(pending.operation, None if pending.lost else result)}
                if configuration not in closed:
                    closed.add(configuration)
                    todo.append(configuration)
        return frozenset(closed)


class Checker:
    """Makes registers, each of them once."""

    def __init__(self) -> None:
        self._known: dict[tuple[frozenset[Configuration], frozenset[Pending]], Register] = {}

    def start(self, value: Value) -> Register:
        """A register that holds a value, before anybody did anything."""
        return self.register(frozenset({(value, frozenset())}), frozenset())

    def register(self, configurations: frozenset[Configuration], pending: frozenset[Pending]) -> Register:
        """The one register of these configurations."""
        # A lost operation that took effect in every configuration can't any more.
        for over in [p for p in pending if p.lost and all((p.operation, None) in e for _, e in configurations)]:
            configurations = frozenset((v, e - {(over.operation, None)}) for v, e in configurations)
            pending -= {over}
        known = configurations, pending
        if known not in self._known:
            self._known[known] = Register(self, configurations, pending)
        return self._known[known]
