"""What the commands print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

from foodco_storage.config import Configuration, Secret
from foodco_storage.config.byte_size import ByteSize
from foodco_storage.doctor.finding import Finding

_MARKS = {"ok": "[green]ok     [/]", "warning": "[yellow]warning[/]", "error": "[bold red]error  [/]"}


def show_finding(console: Console, finding: Finding) -> None:
    """One finding: a line, and a second one with what to do."""
    mark = _MARKS[finding.level]
    console.print(f"{mark} {escape(finding.subject)}: {escape(finding.message)}", soft_wrap=True, highlight=False)
    if finding.advice:
        console.print(f"        -> {escape(finding.advice)}", soft_wrap=True, highlight=False)


def show_summary(console: Console, findings: Sequence[Finding]) -> None:
    """How many findings there were of each level."""
    counted = Counter(finding.level for finding in findings)
    parts = (f"{counted[level]} {level}" for level in ("ok", "warning", "error"))
    console.print(", ".join(parts), style="bold", highlight=False)


def show_configuration(console: Console, configuration: Configuration | None) -> None:
    """The effective configuration as TOML; secrets as `***`."""
    if configuration is None:
        console.print("There is no configuration: clients behave as boto3's.")
        return
    document = msgspec.to_builtins(configuration, enc_hook=_hidden)
    for line in _tables(document, ""):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _hidden(value: Any) -> Any:
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, ByteSize):
        return int(value)
    raise NotImplementedError(type(value))


def _tables(table: dict[str, Any], path: str) -> list[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{path}]"] if plain and path else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in plain.items() if value is not None]
    for name, value in table.items():
        if isinstance(value, dict) and value:
            lines += _tables(value, f"{path}.{_key(name)}" if path else _key(name))
    return lines


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isalnum() and bare.isascii() else _value(name)


def _value(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of them are TOML's.
    return msgspec.json.encode(value).decode()
