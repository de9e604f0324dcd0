from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from foodco_storage import __version__
from foodco_storage.cli.app import app
from foodco_storage.testing import MotoStore, free_port

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

VALID = """\
[backends.ceph]
preset = "ceph"
endpoint_url = "http://127.0.0.1:{port}"
access_key_id = "${{CEPH_KEY}}"
secret_access_key = "${{CEPH_SECRET}}"

[routes.images]
bucket = "images"
primary = "ceph"
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEPH_KEY", "the key")
    monkeypatch.setenv("CEPH_SECRET", "the secret")
    path = tmp_path / "storage.toml"
    path.write_text(VALID.format(port=free_port()))
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_version() -> None:
    assert run("--version").output == f"foodco-storage {__version__}\n"


def test_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "foodco_storage", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"foodco-storage {__version__}\n"


def test_without_the_extra(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from foodco_storage.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "foodco-storage needs typer: pip install 'foodco-storage[cli]'\n"


def test_config_check(configuration: Path) -> None:
    result = run("config", "check", "--config", str(configuration))
    assert (result.exit_code, result.output) == (0, "valid: 1 backends, 1 routes\n")


def test_config_check_names_every_mistake(configuration: Path) -> None:
    configuration.write_text(configuration.read_text().replace("[backends.ceph]", "[backends.cepf]") + "colour = 1\n")
    result = run("config", "check", "-c", str(configuration))
    assert result.exit_code == 2
    assert "routes.images.primary: no backend 'ceph'; did you mean 'cepf'?" in result.output
    assert "routes.images.colour: unknown key" in result.output


@pytest.mark.parametrize("command", [["config", "check"], ["config", "show"], ["doctor"]])
def test_a_file_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--config", str(tmp_path / "no.toml"))
    assert result.exit_code == 2
    assert "can't be read" in result.output
    assert "Traceback" not in result.output


def test_config_show_without_secrets(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOODCO_STORAGE__BACKENDS__CEPH__MAX_ATTEMPTS", "2")
    result = run("config", "show", "--config", str(configuration))
    assert result.exit_code == 0
    assert "max_attempts = 2" in result.output
    assert 'secret_access_key = "***"' in result.output
    assert "the secret" not in result.output


def test_config_show_without_a_configuration() -> None:
    assert "behave as boto3's" in run("config", "show").output


def test_config_schema() -> None:
    schema = json.loads(run("config", "schema").output)
    assert "Route" in schema["$defs"]


def test_doctor_without_a_configuration() -> None:
    result = run("doctor")
    assert result.exit_code == 2
    assert "there is none" in result.output


def test_doctor_where_nothing_listens(configuration: Path) -> None:
    result = run("doctor", "--config", str(configuration))
    assert result.exit_code == 2
    assert "nothing listens" in result.output
    assert "the secret" not in result.output


def test_doctor_in_json(configuration: Path, moto_store: MotoStore) -> None:
    import boto3  # noqa: PLC0415

    boto3.client("s3", **moto_store.server.client_arguments()).create_bucket(Bucket="images")
    configuration.write_text(VALID.format(port=moto_store.server.port))
    result = run("doctor", "--config", str(configuration), "--json")
    findings = [json.loads(line) for line in result.output.splitlines()]
    assert {finding["level"] for finding in findings} <= {"ok", "warning"}
    assert result.exit_code == 0
    assert all(set(finding) == {"level", "subject", "message", "advice"} for finding in findings)
    assert all(finding["advice"] for finding in findings if finding["level"] == "warning")
    strict = run("doctor", "--config", str(configuration), "--json", "--strict")
    assert strict.exit_code == 1


def test_demo_of_nothing(tmp_path: Path) -> None:
    result = run("demo", "--from", str(tmp_path))
    assert result.exit_code == 2
    assert "holds no file" in result.output.replace("\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["doctor", "--rounds", "0"], ["demo", "--limit", "x"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_and_option_is_documented() -> None:
    text = DOCUMENTATION.read_text()
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    found = dict(commands(typer.main.get_command(app), "foodco-storage"))
    assert set(sections) == set(found)
    for name, command in found.items():
        assert command.help, name
        documented = set(re.findall(r"`(--[a-z-]+)", sections[name]))
        assert documented == {opt for p in command.params for opt in p.opts if opt.startswith("--")} - {"--help"}, name


def test_an_error_is_shown_as_it_stands(tmp_path: Path) -> None:
    """Brackets are markup to what prints it."""
    path = tmp_path / "storage.toml"
    path.write_text('[backends.x]\npreset = "[/bold]"\n')
    result = run("config", "check", "--config", str(path))
    assert result.exit_code == 2
    assert "[/bold]" in result.output
