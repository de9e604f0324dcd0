from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # its stubs are a package of their own

from foodco_storage.telemetry.metric_names import ERROR_OUTCOMES, METRICS, prometheus_name

OBSERVABILITY = Path(__file__).parents[2] / "examples" / "observability"
DASHBOARD = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text())
RULES = [
    rule for group in yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
TESTS = ["alerts_test.yml", "alerts_days_test.yml"]

# Series as Prometheus has them; `test_prometheus.py` shows that these are the names and labels that are exported.
SERIES: dict[str, set[str]] = {}
for _metric in METRICS:
    _name = prometheus_name(_metric)
    if _metric.kind == "histogram":
        SERIES[f"{_name}_bucket"] = {*_metric.labels, "le"}
        SERIES |= {f"{_name}_{kind}": set(_metric.labels) for kind in ("sum", "count")}
    else:
        SERIES[_name] = set(_metric.labels)

ADDED = {"instance", "job"}
"""Labels that Prometheus adds to each series."""

# `label=~"..."` or `label="..."`, of the bounded labels: what may stand there.
VALUES = {
    "outcome": {*ERROR_OUTCOMES, "ok", "abandoned", "done", "dropped", "stopped"},
    "operation": {"GetObject", "HeadObject"},
    "level": {"memory", "disk"},
    "cache": {"memory", "disk", ""},
    "direction": {"read", "written"},
    "phase": {"drain", ""},
}


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def dashboard_expressions() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [one["expr"] for one in DASHBOARD["annotations"]["list"] if "expr" in one]
    return found


EXPRESSIONS = [*dashboard_expressions(), *(rule["expr"] for rule in RULES)]


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """The series of a PromQL expression, each with what stands in its braces."""
    return ((name, inside or "") for name, inside in re.findall(r"\b(foodco_storage_\w+)(?:\{([^}]*)\})?", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_series_and_labels_exist(expression: str) -> None:
    found = list(selectors(expression))
    assert found
    for name, inside in found:
        matchers = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', inside)
        assert re.sub(r'\w+\s*(?:=~|!~|!=|=)\s*"[^"]*"', "", inside).strip(", ") == ""
        for label, value in matchers:
            assert label in SERIES[name]
            assert value.startswith("$") or set(value.split("|")) <= VALUES[label]
    common = set.intersection(*(SERIES[name] for name, _ in found)) | ADDED
    for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        needed = {label.strip() for label in labels.split(",")}
        # Of a ratio of hits to reads, one side has a level.
        assert needed <= common | ({"level"} if "cache_hits" in expression else set())


def test_every_metric_is_to_be_seen() -> None:
    shown = {name for expression in EXPRESSIONS for name, _ in selectors(expression)}
    unseen = {
        prometheus_name(metric)
        for metric in METRICS
        if not any(name.startswith(prometheus_name(metric)) for name in shown)
    }
    assert unseen == set()


def test_errors_are_the_outcomes_that_are_errors() -> None:
    matched = [
        set(value.split("|"))
        for expression in EXPRESSIONS
        for value in re.findall(r'outcome=~"([^"]*denied[^"]*)"', expression)
    ]
    assert len(matched) >= 4
    assert all(outcomes == set(ERROR_OUTCOMES) for outcomes in matched)


def test_expressions_are_promql(promtool: str, tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:{number}",
            "expr": re.sub(r"\$__\w+", "5m", expression).replace("$route", ".*").replace("$backend", ".*"),
        }
        for number, expression in enumerate(dashboard_expressions())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_rules_are_valid(promtool: str) -> None:
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"],
        cwd=OBSERVABILITY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("tests", TESTS)
def test_rules_fire_when_they_should(promtool: str, tests: str) -> None:
    ran = subprocess.run(
        [promtool, "test", "rules", tests], cwd=OBSERVABILITY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_rule_is_shown_to_fire_and_to_be_silent() -> None:
    shown: set[tuple[str, bool]] = set()
    series: set[str] = set()
    for path in TESTS:
        for test in yaml.safe_load((OBSERVABILITY / path).read_text())["tests"]:
            series |= {name for one in test["input_series"] for name, _ in selectors(one["series"])}
            for case in test.get("promql_expr_test", ()):
                (name,) = re.findall(r'alertname="(\w+)"', case["expr"])
                shown.add((name, bool(case["exp_samples"])))
    assert shown == {(rule["alert"], fires) for rule in RULES for fires in (True, False)}
    assert series <= set(SERIES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(len(text) > 30 for text in rule["annotations"].values())


def test_panels_are_laid_out() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_panel_asks_the_source_that_is_chosen() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"DS_PROMETHEUS", "route", "backend"}
    for name in ("route", "backend"):
        series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables[name]["definition"]).groups()  # type: ignore[union-attr]
        assert label in SERIES[series]
    for panel in panels():
        assert panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
        for variable in re.findall(r"\$\{?([A-Za-z_]+)", json.dumps(panel["targets"])):
            assert variable in {*variables, "__rate_interval", "__range", "__auto"}
