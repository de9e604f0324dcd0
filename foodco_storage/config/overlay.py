"""What the environment says over a configuration: one variable for one key."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from foodco_storage.config.load import OVERLAY_PREFIX
from foodco_storage.config.model import Configuration
from foodco_storage.config.read import unknown
from foodco_storage.errors import Problem

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def overlay(document: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> None:
    """Put every `FOODCO_STORAGE__...` variable into the document."""
    variables = [
        (variable.removeprefix(OVERLAY_PREFIX).split("__"), variable)
        for variable in environ
        if variable.startswith(OVERLAY_PREFIX)
    ]
    # A whole table before the keys in it.
    for parts, variable in sorted(variables, key=lambda item: (len(item[0]), item[1])):
        _set(document, parts, environ[variable], variable, problems)


def _set(document: dict[str, Any], parts: list[str], value: str, variable: str, problems: list[Problem]) -> None:
    """Put one variable into the document; names are matched without regard to case and to `-` against `_`."""
    table: Any = document
    path: list[str] = []
    kind: Any = Configuration
    for part in parts:
        if not isinstance(table, dict) or not _is_table(kind):
            problems.append(Problem(variable, f"{'.'.join(path)} is no table"))
            return
        fields = _fields(kind)
        names = [name for name in fields or table if isinstance(name, str) and _folded(name) == _folded(part)]
        name = names[0] if names else part.lower()
        where = ".".join([*path, name])
        if len(names) > 1:
            problems.append(Problem(variable, f"may mean {' or '.join(map(repr, names))}"))
            return
        if fields and not names:
            problems.append(Problem(variable, f"{where}: {unknown(name, where, fields)}"))
            return
        path.append(name)
        kind = fields[name] if fields else _entry(kind)
        table = table.get(name, {})
    table = document
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = _typed(value, kind)


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_table(kind: Any) -> bool:
    return typing.get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def _fields(kind: Any) -> dict[str, Any]:
    """The keys of a table and their types; empty for one whose keys are names of the user's choice."""
    return {} if typing.get_origin(kind) is dict else {f.name: _bare(f.type) for f in msgspec.structs.fields(kind)}


def _entry(kind: Any) -> Any:
    return _bare(typing.get_args(kind)[1])


def _bare(kind: Any) -> Any:
    """A type without what is said of it."""
    return _bare(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else kind


def _leaves(kind: Any) -> set[Any]:
    """The types that a value may have."""
    kind = _bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return {leaf for part in typing.get_args(kind) for leaf in _leaves(part)}
    return {typing.get_origin(kind) or kind}


def _typed(value: str, kind: Any) -> Any:
    """The value as the key's type wants it: lists and tables are JSON, or for lists names with commas between them.

    What is none is left as it is, for the validation to tell.
    """
    leaves = _leaves(kind)
    if _is_table(kind):
        return _json(value, dict)
    if list in leaves:
        return _names(value, one=str in leaves)
    if bool in leaves and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    for number in leaves & {int, float}:
        try:
            return number(value)
        except ValueError:
            return value
    return value


def _json(value: str, kind: type) -> Any:
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, kind) else value


def _names(value: str, *, one: bool) -> Any:
    parsed = _json(value, list)
    if isinstance(parsed, list):
        return parsed
    names = [part.strip() for part in value.split(",") if part.strip()]
    return names[0] if one and len(names) == 1 else names
