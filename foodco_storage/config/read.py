"""From a nested mapping to objects, with every mistake in it."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from foodco_storage.config.byte_size import ByteSize
from foodco_storage.config.model import Configuration
from foodco_storage.config.plain import joined
from foodco_storage.config.secret import Secret
from foodco_storage.errors import Problem

_KINDS = {
    dict: "a table",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    type(None): "nothing",
}


def read(document: Any, problems: list[Problem]) -> Configuration | None:
    """Read a document; what can't be read is told, and stands empty or at its default in the answer.

    So everything else can be checked too; None only where there is no document at all.
    """
    value = _struct(Configuration, document, "", problems)
    return value if isinstance(value, Configuration) else None


def _struct(struct: type[msgspec.Struct], table: Any, path: str, problems: list[Problem]) -> Any:
    # msgspec stops at the first mistake; so each value is converted alone, and all mistakes are told at once.
    if not isinstance(table, Mapping):
        problems.append(Problem(path, f"must be a table, not {_kind(table)}"))
        return None
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        where = joined(path, name)
        if name not in fields:
            problems.append(Problem(where, unknown(name, fields)))
            continue
        before = len(problems)
        read_value = _value(_bare(fields[name].type), value, where, problems)
        if read_value is not None or len(problems) == before:
            values[name] = read_value
    for name, field in fields.items():
        if field.required and name not in values:
            if name not in table:
                problems.append(Problem(joined(path, name), "is missing, and has no default"))
            values[name] = ""
    return struct(**values)


def _value(kind: Any, value: Any, path: str, problems: list[Problem]) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, value, path, problems)
    if typing.get_origin(kind) is dict:
        return _entries(_bare(typing.get_args(kind)[1]), value, path, problems)
    if isinstance(value, list) and (inner := _item(kind)) is not None:
        items = [_value(inner, item, f"{path}[{number}]", problems) for number, item in enumerate(value)]
        return [item for item in items if item is not None]
    try:
        return msgspec.convert(value, kind, dec_hook=_decode)
    except (ValueError, OverflowError) as error:  # not only msgspec's: text that is no Unicode fails otherwise
        problems.append(Problem(path, _told(error, value, kind)))
        return None


def _entries(kind: Any, table: Any, path: str, problems: list[Problem]) -> Any:
    """A table of free names. One that can't be read is empty: others may refer to its name, which is there."""
    if not isinstance(table, Mapping):
        problems.append(Problem(path, f"must be a table, not {_kind(table)}"))
        return None
    entries = {}
    for name, value in table.items():
        entry = _value(kind, value, joined(path, name), problems)
        if entry is None and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            entry = _struct(kind, {}, joined(path, name), [])
        if entry is not None:
            entries[name] = entry
    return entries


def _decode(kind: Any, value: Any) -> Any:
    if kind is ByteSize:
        return ByteSize.of(value)
    if kind is Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str):
            return Secret(value)
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    raise NotImplementedError(kind)


def _bare(kind: Any) -> Any:
    """The type of a table, a list or a dictionary without its description; others keep theirs, with the bounds."""
    if typing.get_origin(kind) is not typing.Annotated:
        return kind
    inner = typing.get_args(kind)[0]
    is_container = typing.get_origin(inner) in (dict, list) or isinstance(inner, type)
    return inner if is_container and inner not in (int, float) else kind


def _item(kind: Any) -> Any:
    """The type of a list's items; None for what can't be a list."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return parts[0]
    if origin is typing.Annotated:
        return _item(parts[0])
    if origin in (typing.Union, types.UnionType):
        return next((item for part in parts if (item := _item(part)) is not None), None)
    return None


def unknown(name: str, known: Iterable[str]) -> str:
    """Why there is no such key."""
    return f"unknown key{suggestion(name, known)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'ceph'?`, or else what there is to choose from."""
    names = sorted(known)
    return _close(name, names) or (f"; there are: {', '.join(joined('', known) for known in names)}" if names else "")


def _close(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _told(error: Exception, value: Any, kind: Any) -> str:
    """What msgspec said, with the fix in it; the value only where it can't be a secret."""
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return f"{value!r} is none of {', '.join(map(repr, choices))}{_close(value, choices)}"
    if not isinstance(error, msgspec.ValidationError):
        return "is not valid here"
    message = str(error).partition(" - at ")[0].replace(" | null", "")
    return message[0].lower() + message[1:]


def _choices(kind: Any) -> list[str]:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return list(typing.get_args(kind))
    if origin is typing.Annotated:
        return _choices(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [choice for part in typing.get_args(kind) for choice in _choices(part)]
    return []
