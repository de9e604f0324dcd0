"""What `FOODCO_STORAGE__...` variables lay over a document."""

from __future__ import annotations

import json
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from foodco_storage.config.load import OVERLAY_PREFIX
from foodco_storage.config.model import Configuration
from foodco_storage.config.plain import joined, plain
from foodco_storage.config.read import unknown
from foodco_storage.errors import Problem


def overlay(document: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> dict[str, str]:
    """Set in a document what the environment says.

    Returns:
        The variable that each path was set by.
    """
    origins: dict[str, str] = {}
    # Shorter names first: a variable for a key wins over one for the table that holds it.
    for variable in sorted(environ, key=lambda name: (name.count("__"), name)):
        if variable.startswith(OVERLAY_PREFIX):
            path = _set(document, variable, environ[variable], problems)
            if path is not None:
                origins[path] = variable
    return origins


def _set(document: dict[str, Any], variable: str, value: str, problems: list[Problem]) -> str | None:
    """Put one variable where it belongs; its path, or None and a problem."""
    parts = variable.removeprefix(OVERLAY_PREFIX).split("__")
    table: Any = document
    kind: Any = Configuration
    path = ""
    for number, part in enumerate(parts):
        below = _keys(kind)
        if below is None or not isinstance(table, dict):
            problems.append(Problem(variable, f"{path} is no table"))
            return None
        if not part:
            problems.append(Problem(variable, "has an empty name between double underscores"))
            return None
        names = [name for name in below or table if _folded(name) == _folded(part)]
        if len(names) > 1:
            problems.append(
                Problem(variable, f"may mean {' or '.join(joined(path, name) for name in names)}; rename one")
            )
            return None
        name = names[0] if names else part.lower()
        where = joined(path, name)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if name not in below:
                problems.append(Problem(variable, f"{where}: {unknown(name, below)}"))
                return None
            kind = below[name]
        else:
            kind = typing.get_args(kind)[1]
        path = where
        if number == len(parts) - 1:
            table[name] = _typed(value, kind, variable, problems)
        else:
            # A key that can hold no table stays as it is; the next turn tells.
            table = table.setdefault(name, {}) if _keys(kind) is not None else None
    return path


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _keys(kind: Any) -> dict[str, Any] | None:
    """The keys of a table, with their types; empty where names are free, None for what is no table."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {field.name: _leaves(field.type)[0] if _is_table(field.type) else field.type for field in _fields(kind)}
    return {} if _is_table(kind) else None


def _fields(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


def _is_table(kind: Any) -> bool:
    leaf = _leaves(kind)[0]
    return typing.get_origin(leaf) is dict or (isinstance(leaf, type) and issubclass(leaf, msgspec.Struct))


def _leaves(kind: Any) -> list[Any]:
    """The types that a union offers, without descriptions and bounds."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _leaves(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [leaf for part in typing.get_args(kind) for leaf in _leaves(part)]
    return [kind]


def _typed(value: str, kind: Any, variable: str, problems: list[Problem]) -> Any:
    """The value as the key wants it; a string that does not fit stays one, for the validation to name."""
    leaves = _leaves(kind)
    is_list = any(typing.get_origin(leaf) is list for leaf in leaves)
    if is_list or _is_table(kind):
        parsed = plain(_parsed(value), variable, problems)
        if isinstance(parsed, list if is_list else dict):
            return parsed
        if is_list and ("," in value or str not in leaves):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value
    if str in leaves and bool in leaves:  # a path, or a switch: `1` could be either, the words can't
        return {"true": True, "false": False}.get(value.lower(), value)
    number = next((number for number in (bool, int, float) if number in leaves), str)
    try:
        return msgspec.convert(value, number, strict=False)
    except msgspec.ValidationError:
        return value


def _parsed(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
