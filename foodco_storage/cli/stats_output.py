"""How answers of `foodco-storage stats` are printed: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from foodco_storage.cli.options import printable

if TYPE_CHECKING:
    from foodco_storage.access.questions import Answer

NOTHING: Final = "-"
"""In a table, for what there is none of."""

_LAST: Final = ("key", "prefix")
"""They may be long: what comes after them would not stand below its heading."""

_SHARES: Final = frozenset({"ratio", "share_of_route"})

out = Console()


class Format(StrEnum):
    """How to print an answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show(answer: Answer, form: Format) -> None:
    """Print an answer on standard output; one without rows as an empty table or array, or as a header alone.

    * Tables have one line for each row, however long, and human units: decimal bytes (`1.2 MB`), UTC times. What could not
      be seen, or would end the line, is escaped.
    * JSON is one array of objects. CSV (https://www.rfc-editor.org/rfc/rfc4180) has a header, and lines that end with a line
      feed. Both have numbers as they are: bytes, seconds, seconds since the epoch. Keys are what they are as well: CSV quotes
      every text and changes none, not even `=1+1`, which a spreadsheet takes for a formula.

    Where standard output has another encoding than UTF-8, characters that it lacks are escaped.
    """
    if form is Format.JSON:
        lines = [json.dumps(dict(zip(answer.columns, row, strict=True))) for row in answer.rows]
        print("[" + ",\n ".join(lines) + "]")  # noqa: T201 - not to be wrapped or coloured
    elif form is Format.CSV:
        # By default, before Python 3.13, a carriage return would go without quotes, and end the line for who reads it.
        writer = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        _show_table(answer)


def note(text: str) -> None:
    """Say something on standard error, where it is in no program's way."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def moment_of(seconds: float) -> str:
    """A time since the epoch as people read it, in UTC: `2026-11-28 10:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def within(days: int) -> str:
    """How people call the last days, today included."""
    return "today" if days == 1 else f"in the last {days:,} days"


def _show_table(answer: Answer) -> None:
    order = sorted(range(len(answer.columns)), key=lambda index: answer.columns[index] in _LAST)
    names = [answer.columns[index] for index in order]
    heading = [name.replace("_", " ") for name in names]
    lines = [[_human(name, row[index]) for name, index in zip(names, order, strict=True)] for row in answer.rows]
    widths = [max(map(cell_len, column)) for column in zip(heading, *lines, strict=True)]
    is_text = [any(isinstance(row[index], str) for row in answer.rows) for index in order]

    def laid_out(cells: list[str]) -> str:
        padded = []
        for cell, width, left in zip(cells, widths, is_text, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(cell + space if left else space + cell)
        return "  ".join(padded).rstrip()

    out.print(Text(laid_out(heading), style="bold"), soft_wrap=True, highlight=False)
    for line in lines:
        print(laid_out(line))  # noqa: T201 - not to be wrapped or coloured


def _human(name: str, value: Any) -> str:
    """A cell: by its column's name, which says the unit."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, str):
        return printable(value)
    if name.endswith("_at"):
        return moment_of(value)
    if name.endswith("bytes"):
        return decimal(round(value))
    if name.endswith("_seconds"):
        return f"{value * 1000:,.1f} ms"
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,.1f}" if name == "score" else f"{value:,.0f}"
