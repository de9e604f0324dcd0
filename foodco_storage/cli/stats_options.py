"""Options that several commands of `foodco-storage stats` have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from foodco_storage.cli.stats_output import Format

_MOST_DAYS: Final = 3660
"""As `telemetry.access.retention_days`."""

_MOST_ROWS: Final = 100_000_000
"""As `telemetry.access.max_keys`."""


class Record(StrEnum):
    """Whose record of what was read."""

    LIBRARY = "library"
    SERVER_LOGS = "server-logs"


Days = Annotated[
    int, typer.Option("--days", min=1, max=_MOST_DAYS, metavar="N", help="Of the last N days of UTC, today included.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=_MOST_ROWS, metavar="N", help="Print at most N rows.")]
OfBucket = Annotated[str | None, typer.Option("--bucket", metavar="NAME", help="Only this bucket.")]
From = Annotated[
    Record,
    typer.Option(
        "--from",
        help="Whose record: 'library', what programs with this library did; 'server-logs', what anybody did, as 'stats "
        "import-logs' has read it.",
    ),
]
Fleet = Annotated[
    bool, typer.Option("--fleet", help="Of all hosts: what was shipped to the telemetry bucket of the configuration.")
]
Shipped = Annotated[
    str | None,
    typer.Option(
        "--shipped",
        metavar="LOCATION",
        help="What was shipped to a folder, or a URL that fsspec opens: a copy of the bucket.",
    ),
]
As = Annotated[
    Format,
    typer.Option("--format", help="'json': one array of objects. 'csv': with a header line. Both with raw numbers."),
]
