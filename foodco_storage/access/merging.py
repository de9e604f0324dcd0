"""Adds what a process has seen to what is in the database, and keeps that bounded. All within a transaction of the caller.

The rules are those of `summary` and `rests`, in SQL: a day's rows of one source are a summary, and so are those of an open
shipment.
"""

# ruff: noqa: S608 - what is put into statements are names of tables and columns, and numbers, of this package

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from foodco_storage.access.database import KINDS
from foodco_storage.access.prefixes import ANY_BUCKET, FOLD_DEPTH, WHOLE, as_text
from foodco_storage.access.rests import most_rests
from foodco_storage.access.rows import ACCESS_LATEST, ACCESS_SUMS, READER_NAMES, READER_SUMS, Day
from foodco_storage.access.traffic import MAX_TRAFFIC_ROWS

_SUMS = (
    ", ".join(f"sum({name})" for name in ACCESS_SUMS[1:]) + ", " + ", ".join(f"max({name})" for name in ACCESS_LATEST)
)
_WEIGHT = "reads + writes + deletes + lost"


class Merging:
    """Adds to the host's tables, or to those of an open shipment.

    Args:
        connection: in a transaction that writes.
        max_keys: of a day and source, so many keys are told apart at least (`summary`).
        number: the open shipment's; None for the host's tables.
    """

    def __init__(self, connection: sqlite3.Connection, max_keys: int, number: int | None = None) -> None:
        self._connection = connection
        self._max_keys = max_keys
        self._prefix = "" if number is None else "out_"
        self._scope: dict[str, Any] = {} if number is None else {"number": number}

    def add_day(self, day: str, source: str, seen: Day) -> None:
        """Add the accesses of one UTC date."""
        if seen.floor:
            # To whoever has a row here and none there, as much may have been lost there.
            where, values = self._where(day=day, source=source, depth=WHOLE)
            self._execute(f"UPDATE {self._prefix}accesses SET lost = lost + ? WHERE {where}", (seen.floor, *values))
            self._upsert("floors", [(day, source, seen.floor)])
        floor = self._floor(day, source)
        self._upsert("accesses", _values(day, source, seen, floor), floor)
        self._trim(day, source, floor)
        self._trim_rests(day, source)

    def add_traffic(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add traffic, as rows of the table; all of one service."""
        added = list(rows)
        self._upsert("traffic", added)
        for day, service in {(row[0], row[1]) for row in added}:
            self._trim_traffic(day, service)

    def add_requests(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add requests, as rows of the table."""
        self._upsert("requests", rows)

    def _floor(self, day: str, source: str) -> float:
        where, values = self._where(day=day, source=source)
        found = self._execute(f"SELECT floor FROM {self._prefix}floors WHERE {where}", values).fetchone()
        return found[0] if found else 0.0

    def _trim(self, day: str, source: str, floor: float) -> None:
        table = f"{self._prefix}accesses"
        where, values = self._where(day=day, source=source, depth=WHOLE)
        (count,) = self._execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()
        if count <= 2 * self._max_keys:
            return
        self._execute(
            "CREATE TEMP TABLE going (route, bucket, key, weight, PRIMARY KEY (route, bucket, key)) WITHOUT ROWID"
        )
        self._execute(
            f"INSERT INTO going SELECT route, bucket, key, {_WEIGHT} FROM {table} WHERE {where} "
            f"ORDER BY {_WEIGHT} DESC LIMIT -1 OFFSET ?",
            (*values, self._max_keys),
        )
        gone = f"{where} AND (route, bucket, key) IN (SELECT route, bucket, key FROM going)"
        self._fold(gone, values, "bucket", f"prefix_of(key, {FOLD_DEPTH})", FOLD_DEPTH)
        self._execute(f"DELETE FROM {table} WHERE {gone}", values)
        (highest,) = self._execute("SELECT max(weight) FROM going").fetchone()
        self._execute("DROP TABLE going")
        self._upsert("floors", [(day, source, highest - floor)])

    def _fold(self, where: str, values: Sequence[Any], bucket: str, prefix: str, depth: int) -> None:
        """Add rows to those of prefixes."""
        names = [*self._scope, "day", "source", "route"]
        self._execute(
            f"INSERT INTO {self._prefix}accesses "
            f"SELECT {', '.join(names)}, {bucket}, {prefix}, {depth}, 0.0, {_SUMS} "
            f"FROM {self._prefix}accesses WHERE {where} GROUP BY {', '.join(names)}, {bucket}, {prefix} "
            f"ON CONFLICT DO UPDATE SET {_setters(ACCESS_SUMS, ACCESS_LATEST)}",
            values,
        )

    def _trim_rests(self, day: str, source: str) -> None:
        table = f"{self._prefix}accesses"
        where, values = self._where(day=day, source=source)
        where = f"{where} AND depth < {WHOLE}"
        find = f"SELECT count(*), max(depth), min(bucket = '{ANY_BUCKET}') FROM {table} WHERE {where}"
        count, deepest, are_any = self._execute(find, values).fetchone()
        if count <= most_rests(self._max_keys):
            return
        while count > most_rests(self._max_keys) // 2 and not are_any:
            longest = f"{where} AND depth = {deepest}"
            if deepest:
                self._fold(longest, values, "bucket", f"prefix_of(key, {deepest - 1})", deepest - 1)
            else:
                longest += f" AND bucket <> '{ANY_BUCKET}'"
                self._fold(longest, values, f"'{ANY_BUCKET}'", "''", 0)
            self._execute(f"DELETE FROM {table} WHERE {longest}", values)
            count, deepest, are_any = self._execute(find, values).fetchone()

    def _trim_traffic(self, day: str, service: str) -> None:
        table = f"{self._prefix}traffic"
        where, values = self._where(day=day, service=service)
        (count,) = self._execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()
        if count <= 2 * MAX_TRAFFIC_ROWS:
            return
        names, sums, _ = KINDS["traffic"]
        found = self._execute(
            f"SELECT {', '.join((*names, *sums))} FROM {table} WHERE {where} AND bucket <> ? "
            "ORDER BY operations DESC LIMIT -1 OFFSET ?",
            (*values, ANY_BUCKET, MAX_TRAFFIC_ROWS),
        ).fetchall()
        gone, _ = self._where(**dict.fromkeys(names))
        scope = tuple(self._scope.values())
        self._connection.executemany(
            f"DELETE FROM {table} WHERE {gone}", [(*scope, *row[: len(names)]) for row in found]
        )
        at = names.index("bucket")
        self._upsert("traffic", [(*row[:at], ANY_BUCKET, *row[at + 1 :]) for row in found])

    def _where(self, **values: Any) -> tuple[str, tuple[Any, ...]]:
        both = {**self._scope, **values}
        return " AND ".join(f"{name} = ?" for name in both), tuple(both.values())

    def _upsert(self, kind: str, rows: Iterable[Sequence[Any]], floor: float = 0.0) -> None:
        names, sums, latest = KINDS[kind]
        names = (*self._scope, *names)
        marks = ", ".join("?" for _ in (*names, *sums, *latest))
        statement = (
            f"INSERT INTO {self._prefix}{kind} VALUES ({marks}) ON CONFLICT DO UPDATE SET {_setters(sums, latest)}"
        )
        scope = tuple(self._scope.values())
        if kind == "accesses":
            # A row that comes in may have lost the floor; one that was there has its own.
            statement += ", lost = lost + excluded.lost - ?"
            self._connection.executemany(statement, ((*scope, *row, floor if row[5] == WHOLE else 0.0) for row in rows))
            return
        self._connection.executemany(statement, ((*scope, *row) for row in rows))

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


def _setters(sums: Sequence[str], latest: Sequence[str]) -> str:
    setters = [f"{name} = {name} + excluded.{name}" for name in sums if name != "lost"]
    setters += [
        f"{name} = max(coalesce({name}, excluded.{name}), coalesce(excluded.{name}, {name}))" for name in latest
    ]
    return ", ".join(setters)


def _values(day: str, source: str, seen: Day, floor: float) -> Iterator[tuple[Any, ...]]:
    for (route, bucket, key, depth), (lost, *others) in seen.accesses.items():
        # The window's floor is in the table's already.
        missing = (lost or 0.0) - seen.floor + floor if depth == WHOLE else 0.0
        yield day, source, as_text(route or ""), as_text(bucket or ""), as_text(key), depth, missing, *others


def with_service(rows: Mapping[tuple[str | None, ...], Sequence[float]], service: str) -> Iterator[tuple[Any, ...]]:
    """Rows of traffic or requests, as the tables have them."""
    for (day, *names), sums in rows.items():
        yield day, service, *(as_text(name or "") for name in names), *sums


ADD_READERS = (
    f"INSERT INTO readers VALUES ({', '.join('?' for _ in (*READER_NAMES, *READER_SUMS))}) "
    f"ON CONFLICT DO UPDATE SET {_setters(READER_SUMS, ())}"
)
