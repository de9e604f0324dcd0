"""The reference says what the tables in the code say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from foodco_storage.access.database import KINDS
from foodco_storage.telemetry import BreakerChange, Operation, Request, Step, Work
from foodco_storage.telemetry.metric_names import METRICS, prometheus_name
from foodco_storage.telemetry.outcomes import FAILURES

PAGE = (Path(__file__).parents[2] / "docs/reference/telemetry.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def test_every_metric_is_documented_and_no_other() -> None:
    told = [row for row in ROWS if row[0].startswith("`foodco_storage.")]
    assert told == [
        [
            f"`{metric.name}`",
            metric.kind,
            f"`{metric.unit}`",
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.description,
            f"`{prometheus_name(metric)}`",
        ]
        for metric in METRICS
    ]


def test_every_table_that_is_shipped_is_documented() -> None:
    told = {row[0].strip("`"): row[1:] for row in ROWS if row[0].strip("`") in KINDS}
    assert told == {
        name: [", ".join(f"`{column}`" for column in names), ", ".join(f"`{column}`" for column in (*sums, *latest))]
        for name, (names, sums, latest) in KINDS.items()
    }


def test_the_outcomes_that_are_errors_are_documented() -> None:
    assert "Outcomes that are errors: " + ", ".join(f"`{outcome}`" for outcome in FAILURES) in " ".join(PAGE.split())


@pytest.mark.parametrize("event", [Operation, Request, Work, Step, BreakerChange])
def test_every_field_of_an_event_is_described(event: type) -> None:
    described = re.findall(r"^        (\w+): ", event.__doc__ or "", re.MULTILINE)
    assert described == list(event.__struct_fields__)  # type: ignore[attr-defined] # msgspec's
