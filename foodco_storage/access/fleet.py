"""The same questions over everything that was shipped, by any host: DuckDB reads the objects where they lie."""

# ruff: noqa: S608 - what is put into statements are names of this package, and paths, quoted

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import fsspec
import msgspec

from foodco_storage.access.asking import Answer
from foodco_storage.access.database import KINDS
from foodco_storage.access.formats import SUFFIXES, columns, kind
from foodco_storage.access.prefixes import WHOLE
from foodco_storage.access.store import Store
from foodco_storage.errors import StatisticsError
from foodco_storage.places import shown

if TYPE_CHECKING:
    # An extra.
    from duckdb import DuckDBPyConnection

_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "real": "DOUBLE"}
_DATE = "date="

# As `prefixes.prefix_of`; of a list's slices beyond its end DuckDB takes what is there.
_PREFIX_OF = f"""CREATE MACRO prefix_of(key, depth) AS CASE
    WHEN depth >= {WHOLE} THEN key
    ELSE array_to_string(list_append(list_slice(string_split(key, '/')[:-2], 1, depth), ''), '/')
END"""


class Fleet:
    """What was shipped to a location. Each shipment counts once, however often it lies there.

    Args:
        location: a local directory, or a URL that fsspec opens: `foodco://bucket/prefix`. Everything below it is looked at.
        store: whose inventories `never_read` is about, and whose clock says what is now.
        storage_options: for fsspec.

    Raises:
        StatisticsError: DuckDB is not installed.

    Example:
        questions.most_read_keys(Fleet("foodco://telemetry/foodco-storage-telemetry/", store))
    """

    def __init__(self, location: str, store: Store, **storage_options: Any) -> None:
        self._location = location
        self._files, self._root = fsspec.core.url_to_fs(location, **storage_options)
        self._store = store
        _duckdb(location)

    def now(self) -> float:
        """Seconds since the epoch, by the store's clock."""
        return self._store.clock()

    def ask(self, question: str, values: Mapping[str, Any], since: str) -> Answer:
        """Answer a question. Objects that were shipped before its first day are not read.

        Raises:
            StatisticsError: an object can't be read.
        """
        duckdb = _duckdb(self._location)
        with TemporaryDirectory() as scratch, duckdb.connect() as connection:
            connection.execute(f"SET temp_directory = '{scratch}'")
            if "file" not in self._protocols():
                connection.register_filesystem(self._files)
            connection.execute(_PREFIX_OF)
            try:
                found = self._shipped(since)
                for table in KINDS:
                    # DuckDB looks into Parquet already for this.
                    self._make_view(connection, table, found.get(table, []))
                connection.execute(_TOLD)
                if "objects" in question:
                    self._copy_objects(connection, Path(scratch))
                answer = connection.execute(question, dict(values))
                return Answer(tuple(column[0] for column in answer.description), answer.fetchall())
            except (duckdb.Error, OSError) as error:
                raise StatisticsError(shown(self._location), f"what was shipped can't be read: {error}") from error

    def is_empty(self) -> bool:
        """Whether nothing was ever shipped there."""
        return not self._shipped("")

    def _protocols(self) -> tuple[str, ...]:
        protocol = self._files.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _shipped(self, since: str) -> dict[str, list[str]]:
        """The objects of each table, one for each shipment."""
        found: dict[str, dict[str, str]] = {}
        self._files.invalidate_cache()
        try:
            paths = sorted(self._files.find(self._root))
        except ValueError as error:
            raise StatisticsError(shown(self._location), f"it is no location: {error}") from error
        for path in paths:
            folders, name = posixpath.split(path)
            folders, dated = posixpath.split(folders)
            suffix = next((suffix for suffix in SUFFIXES.values() if name.endswith(suffix)), None)
            table = posixpath.basename(folders)
            if suffix is None or table not in KINDS or not dated.startswith(_DATE) or dated[len(_DATE) :] < since:
                continue
            found.setdefault(table, {}).setdefault(name.removesuffix(suffix), path)
        return {table: list(by_name.values()) for table, by_name in found.items()}

    def _make_view(self, connection: DuckDBPyConnection, table: str, paths: list[str]) -> None:
        if "file" not in self._protocols():
            paths = [self._files.unstrip_protocol(path) for path in paths]
        types = {name: _TYPES[kind(name)] for name in columns(table)}
        lines = [path for path in paths if path.endswith(SUFFIXES["jsonl"])]
        parquets = [path for path in paths if path.endswith(SUFFIXES["parquet"])]
        names = ", ".join(types)
        parts = []
        if lines:
            described = ", ".join(f"{name}: '{type_}'" for name, type_ in types.items())
            parts.append(
                f"SELECT {names} FROM read_json([{_listed(lines)}], format = 'newline_delimited', compression = 'gzip', "
                f"columns = {{{described}}}, hive_partitioning = false)"
            )
        if parquets:
            parts.append(f"SELECT {names} FROM read_parquet([{_listed(parquets)}], hive_partitioning = false)")
        nothing = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in types.items())
        connection.execute(
            f"CREATE VIEW {table} AS {' UNION ALL BY NAME '.join(parts) or f'SELECT {nothing} WHERE false'}"
        )

    def _copy_objects(self, connection: DuckDBPyConnection, scratch: Path) -> None:
        """Have the host's inventories among the tables."""
        path = scratch / "objects.jsonl"
        encoder = msgspec.json.Encoder()
        with path.open("wb") as file, self._store.use() as local:
            for bucket, key, size, modified_at in local.execute("SELECT bucket, key, size, modified_at FROM objects"):
                file.write(
                    encoder.encode({"bucket": bucket, "key": key, "size": size, "modified_at": modified_at}) + b"\n"
                )
        connection.execute(
            f"CREATE VIEW objects AS SELECT * FROM read_json([{_listed([str(path)])}], format = 'newline_delimited', "
            "columns = {bucket: 'VARCHAR', key: 'VARCHAR', size: 'BIGINT', modified_at: 'DOUBLE'})"
        )


_TOLD = """CREATE VIEW told AS
    SELECT accesses.*, coalesce(floors.floor, 0.0) AS floor
    FROM accesses LEFT JOIN floors USING (writer, number, day, source)"""


def _listed(paths: list[str]) -> str:
    return ", ".join("'" + path.replace("'", "''") + "'" for path in paths)


def _duckdb(location: str) -> Any:
    try:
        import duckdb  # noqa: PLC0415 - optional, and slow to load
    except ModuleNotFoundError as error:
        raise StatisticsError(
            shown(location), "to ask about what was shipped needs DuckDB: pip install 'foodco-storage[telemetry]'"
        ) from error
    return duckdb
