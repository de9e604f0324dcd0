"""From a nested mapping to objects, with every mistake in it."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from foodco_storage.config.model import NOT_IN_THIS_VERSION, Configuration
from foodco_storage.config.secret import Secret
from foodco_storage.errors import Problem

_UNREADABLE: Any = object()
"""Stands for a value with a mistake in it, that has been told."""

_INDEX = re.compile(r" - at `\$(\[\d+\])`")


def read(document: Any, problems: list[Problem]) -> Configuration:
    """Read a document; what can't be read is told, and left at its default."""
    value = _struct(Configuration, document, "", problems)
    return value if isinstance(value, Configuration) else Configuration()


def _struct(struct: type[msgspec.Struct], table: Any, path: str, problems: list[Problem]) -> Any:
    """Msgspec stops at the first mistake; so each field is converted alone, and all mistakes are told at once."""
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    required = [name for name, field in fields.items() if field.required]
    if not isinstance(table, Mapping):
        problems.append(_no_table(table, path))
        # Its name is known all the same: who refers to it makes no mistake.
        return _UNREADABLE if required else struct()
    values: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{path}.{name}" if path else str(name)
        if name in fields:
            values[name] = _value(_bare(fields[name].type), value, where, problems)
        else:
            problems.append(Problem(where, unknown(str(name), where, fields)))
    problems += (Problem(f"{path}.{name}", "is missing, and has no default") for name in required if name not in table)
    # What could not be read is left at its default, so that the rest can be checked too.
    values = {name: value for name, value in values.items() if value is not _UNREADABLE}
    return struct(**values) if all(name in values for name in required) else _UNREADABLE


def _value(kind: Any, value: Any, path: str, problems: list[Problem]) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, value, path, problems)
    if typing.get_origin(kind) is dict:
        return _entries(_bare(typing.get_args(kind)[1]), value, path, problems)
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        index = _INDEX.search(str(error))
        problems.append(Problem(f"{path}{index[1]}" if index else path, _told(str(error), value, kind)))
        return _UNREADABLE


def _entries(kind: Any, table: Any, path: str, problems: list[Problem]) -> Any:
    """A table whose keys are names of the user's choice."""
    if not isinstance(table, Mapping):
        problems.append(_no_table(table, path))
        return _UNREADABLE
    entries = {}
    for name, value in table.items():
        if isinstance(name, str):
            entries[name] = _value(kind, value, f"{path}.{name}", problems)
        else:
            problems.append(Problem(f"{path}.{name}", f"a name must be a string, not {_kind(name)}"))
    return {name: entry for name, entry in entries.items() if entry is not _UNREADABLE}


def _no_table(value: Any, path: str) -> Problem:
    return Problem(path, f"must be a table, not {_kind(value)}")


def _decode(kind: Any, value: Any) -> Any:
    if kind is Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str):
            return Secret(value)
        raise ValueError("Expected `str`")
    raise NotImplementedError(kind)


def _bare(kind: Any) -> Any:
    """A type without its description, and without a description inside an optional one."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated and _is_table(kind) else kind


def _is_table(kind: Any) -> bool:
    inner = typing.get_args(kind)[0]
    return typing.get_origin(inner) is dict or (isinstance(inner, type) and issubclass(inner, msgspec.Struct))


def unknown(name: str, path: str, known: Iterable[str]) -> str:
    """What is wrong with a key that isn't there."""
    for pattern, feature in NOT_IN_THIS_VERSION.items():
        if _matches(path, pattern):
            return f"{feature}: not available in this version of foodco_storage; leave the table out"
    return f"unknown key{suggestion(name, known)}"


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(want in ("*", part) for part, want in zip(parts, wanted, strict=True))


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'ceph'?`, or else what there is to choose from."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else ""


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


def _told(message: str, value: Any, kind: Any) -> str:
    """Msgspec's message with the fix in it, and without the value of a secret."""
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return f"{value!r} is none of {', '.join(map(repr, choices))}{_close(value, choices)}"
    # TOML has no null.
    return (message[0].lower() + message[1:].partition(" - at ")[0]).replace(" | null", "")


def _close(value: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(value, choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _choices(kind: Any) -> list[str]:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return list(typing.get_args(kind))
    if origin is typing.Annotated:
        return _choices(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [choice for part in typing.get_args(kind) for choice in _choices(part)]
    return []
