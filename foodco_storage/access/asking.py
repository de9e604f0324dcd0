"""Who is asked, and what an answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from foodco_storage.access.prefixes import as_text
from foodco_storage.access.store import Store


@dataclass(frozen=True)
class Answer:
    """A table.

    Args:
        columns: their names. Units are in the names; `_at` are seconds since the epoch.
        rows: as many values each.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Source(Protocol):
    """Who answers SQL over `told` (accesses with the `floor` of their group), `floors`, `traffic`, `requests`, `objects`."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def ask(self, question: str, values: Mapping[str, Any], since: str) -> Answer:
        """Answer a question.

        Args:
            question: with parameters `$name`, and the function `prefix_of(key, depth)`.
            values: of exactly these parameters.
            since: the first day that it is about.
        """


class Local:
    """A host's own statistics.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> float:
        """Seconds since the epoch, by the store's clock."""
        return self._store.clock()

    def ask(self, question: str, values: Mapping[str, Any], since: str) -> Answer:  # noqa: ARG002 - all days are at hand
        """Answer a question.

        Raises:
            StatisticsError: the store can't be used.
        """
        with self._store.use() as connection:
            cursor = connection.execute(question, values)
            return Answer(tuple(column[0] for column in cursor.description), cursor.fetchall())


def in_tables(name: str | None) -> str | None:
    """A bucket's name as the tables have it, what is no Unicode escaped; None for all buckets."""
    return None if name is None else as_text(name)


def recent_days(source: Source, since_days: int, half_life_days: float) -> tuple[str, str]:
    """The first day, and a table of the days since, each with what a read of it counts today."""
    if since_days < 1 or half_life_days <= 0:
        raise ValueError(f"since_days is {since_days}, half_life_days {half_life_days}: both must be positive")
    today = datetime.fromtimestamp(source.now(), UTC).date()
    days = [(_ago(today, age), 0.5 ** (age / half_life_days)) for age in range(since_days)]
    values = ", ".join(f"('{day}', CAST({decay!r} AS DOUBLE))" for day, decay in days)
    return days[-1][0], f"recent(day, decay) AS (VALUES {values})"


def _ago(today: date, days: int) -> str:
    return (today - timedelta(days=days)).isoformat()
