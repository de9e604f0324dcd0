"""What the journal answers."""

from __future__ import annotations

from dataclasses import dataclass

from foodco_storage.flows.journal_entry import Entry


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry that this journal has claimed: nobody else is given it until it is settled or deferred.

    Args:
        number: what `settle` and `defer` are told.
        entry: what may differ.
        attempts: how often reconciling it has failed so far.
        entered: when it was entered, in seconds since the epoch.
    """

    number: int
    entry: Entry
    attempts: int
    entered: float


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, for operators.

    Args:
        number: its number; later entries have higher ones, and none is given twice.
        entry: what may differ.
        deferred: whether it is left to whoever takes it; otherwise somebody is at work on it, or died over it.
        age_seconds: since it was entered.
        due_seconds: until it may be taken; 0 when it may be now, or somebody is at work on it.
        attempts: how often reconciling it has failed so far.
        last_error: why it failed last; empty if it has not.
    """

    number: int
    entry: Entry
    deferred: bool
    age_seconds: float
    due_seconds: float
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the journal holds of one route, for operators.

    Args:
        route: the route's name in the configuration.
        identity: which stores and buckets it joins. One route has several where its configuration was changed.
        entries: how many there are.
        deferred: how many of them are left to whoever takes them.
        oldest_seconds: the age of the oldest.
        last_error: why reconciling one of them failed last; empty if none has.
    """

    route: str
    identity: str
    entries: int
    deferred: int
    oldest_seconds: float
    last_error: str
