"""From a nested mapping to objects, with every mistake in it."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from foodco_storage.config.model import NOT_IN_THIS_VERSION, Configuration
from foodco_storage.config.secret import Secret
from foodco_storage.errors import Problem


def read(document: Mapping[str, Any], problems: list[Problem]) -> Configuration | None:
    """Read a document; None, and at least one more problem, where something required can't be read."""
    value = _struct(Configuration, document, "", problems)
    return value if isinstance(value, Configuration) else None


def _struct(struct: type[msgspec.Struct], table: Any, path: str, problems: list[Problem]) -> Any:
    """Msgspec stops at the first mistake; so each field is converted alone, and all mistakes are told at once."""
    if not isinstance(table, Mapping):
        problems.append(Problem(path, f"must be a table, not {_kind(table)}"))
        return None
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{path}.{name}" if path else str(name)
        if name in fields:
            values[name] = _value(_bare(fields[name].type), value, where, problems)
        else:
            problems.append(Problem(where, _unknown(str(name), where, fields)))
    for name, field in fields.items():
        if field.required and name not in table:
            problems.append(Problem(f"{path}.{name}", "is missing, and has no default"))
            return None
    # What could not be read is left at its default, so that the rest can be checked too.
    return struct(**{name: value for name, value in values.items() if value is not None or table[name] is None})


def _value(kind: Any, value: Any, path: str, problems: list[Problem]) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, value, path, problems)
    if typing.get_origin(kind) is dict and (inner := _bare(typing.get_args(kind)[1])) is not str:
        if not isinstance(value, Mapping):
            problems.append(Problem(path, f"must be a table, not {_kind(value)}"))
            return None
        entries = {name: _struct(inner, table, f"{path}.{name}", problems) for name, table in value.items()}
        return {name: entry for name, entry in entries.items() if entry is not None}
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        problems.append(Problem(path, _told(str(error), value, kind)))
        return None


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


def _unknown(name: str, path: str, known: Iterable[str]) -> str:
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
    return message[0].lower() + message[1:].partition(" - at ")[0]


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
