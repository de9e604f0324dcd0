"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]

EXIT_OK = 0
EXIT_WARNINGS = 1
EXIT_ERRORS = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        level: `ok`; `warning`, works but not as it should; `error`, does not work.
        subject: what it is about, as in the configuration: `backends.ceph`, `routes.images`.
        message: what was found.
        advice: what to do; empty when nothing has to be done.
    """

    level: Level
    subject: str
    message: str
    advice: str = ""


def exit_code(findings: Iterable[Finding], *, strict: bool = False) -> int:
    """0 when all is well, 2 when anything is an error; warnings make 1 when `strict`, else 0."""
    levels = {finding.level for finding in findings}
    if "error" in levels:
        return EXIT_ERRORS
    return EXIT_WARNINGS if strict and "warning" in levels else EXIT_OK
