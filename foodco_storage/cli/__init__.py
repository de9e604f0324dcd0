"""The command line, `foodco-storage`. It needs the extra `cli`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        from foodco_storage.cli.app import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich", "click"}:
            raise
        print(f"foodco-storage needs {error.name}: pip install 'foodco-storage[cli]'", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        # A key may have characters that a terminal of another encoding has not.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
