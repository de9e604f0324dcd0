"""Errors as messages: a traceback is for mistakes of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from rich.console import Console
from rich.markup import escape

from foodco_storage.errors import ConfigurationError, StorageError

P = ParamSpec("P")

FAILED = 2
"""Exit code when a command could not do what it was asked."""


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose expected errors end it with a message and exit code 2."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            # RuntimeErrors too, but of typer's own: an exit code, and the end of what was to be typed in.
            raise
        except BrokenPipeError:
            # Whoever read what is printed has seen enough: `| head`.
            _close_stdout()
            raise typer.Exit(FAILED) from None
        except ConfigurationError as error:
            for problem in error.problems:
                _tell(str(problem))
        except (StorageError, BotoCoreError, ClientError, ResponseParserError, OSError) as error:
            _tell(str(error))
        except RuntimeError as error:
            # What the local stores and the demo raise: their messages say what is missing.
            if type(error) is RuntimeError:
                raise
            _tell(str(error))
        else:
            return
        raise typer.Exit(FAILED)

    return run


def _close_stdout() -> None:
    """Have the interpreter not fail once more when it flushes what is left at its end.

    As https://docs.python.org/3/library/signal.html#note-on-sigpipe says.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str) -> None:
    Console(stderr=True).print(f"[bold red]error[/] {escape(message)}", soft_wrap=True, highlight=False)
