"""`cache`: what it prints, what it takes away, and what it ends with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from typer.testing import CliRunner

import foodco_storage
from foodco_storage.cli import cache
from foodco_storage.testing import MotoStore

CONFIGURATION = """
[backends.one]
preset = "s3"
endpoint_url = "{url}"
access_key_id = "${{AWS_ACCESS_KEY_ID}}"
secret_access_key = "${{AWS_SECRET_ACCESS_KEY}}"

[routes.menus]
bucket = "{bucket}"
prefix = "menu/"
primary = "one"
cache = {{ memory_max_bytes = "10MiB", disk_max_bytes = "10MiB" }}

[routes.dishes]
bucket = "{bucket}"
primary = "one"
cache = {{ disk_max_bytes = "10MiB" }}

[cache]
directory = "{directory}"
"""
BODY = os.urandom(3000)


class Operator:
    """A service with a cache, and the command."""

    def __init__(self, store: MotoStore, bucket: str, directory: Path) -> None:
        self.bucket = bucket
        self.directory = directory / "cache"
        s3 = boto3.client("s3", **store.server.client_arguments())
        self._url = store.server.endpoint_url
        s3.create_bucket(Bucket=bucket)
        for key in ("menu/a", "menu/b", "dish"):
            s3.put_object(Bucket=bucket, Key=key, Body=BODY)
        self.file = directory / "storage.toml"
        self.configure(self.directory)
        self.s3 = foodco_storage.client(storage=str(self.file))
        self.app = typer.Typer(pretty_exceptions_enable=False)
        self.app.command("cache", epilog=cache.EPILOG)(cache.cache)

    def configure(self, directory: Path) -> None:
        self.file.write_text(CONFIGURATION.format(url=self._url, bucket=self.bucket, directory=directory))

    def level(self, key: str) -> str | None:
        answer: Any = self.s3.get_object(Bucket=self.bucket, Key=key)
        assert answer["Body"].read() == BODY
        level: str | None = answer["ResponseMetadata"]["Storage"].get("cache")
        return level

    def files(self) -> list[Path]:
        return [path for path in self.directory.glob("*/data/*/*") if path.is_file()]

    def run(self, *arguments: str, file: Path | None = None) -> Any:
        result = CliRunner().invoke(self.app, [*arguments, "--config", str(file or self.file)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]


@pytest.fixture
def operator(moto_store: MotoStore, bucket_name: str, tmp_path: Path) -> Operator:
    return Operator(moto_store, bucket_name, tmp_path)


def test_nothing_yet(operator: Operator, tmp_path: Path) -> None:
    operator.configure(tmp_path / "another")
    for action in ([], ["stats"], ["clear"], ["verify"]):
        ran = operator.run(*action)
        assert (ran.exit_code, ran.stdout) == (
            0,
            f"nothing is cached in {tmp_path / 'another'} (user {os.geteuid()})\n",
        )
    assert operator.lines("stats") == []
    assert not (tmp_path / "another").exists()


def test_stats(operator: Operator) -> None:
    for key in ("menu/a", "menu/b", "dish"):
        operator.level(key)
    found = {line["route"]: line for line in operator.lines("stats")}
    assert found.keys() == {"menus", "dishes"}
    assert (found["menus"]["files"], found["dishes"]["files"]) == (2, 1)
    assert found["menus"]["bytes"] == sum(
        path.stat().st_size for path in operator.files() if found["menus"]["directory"] in str(path)
    )
    text = operator.run("stats", "--route", "menus").stdout
    assert text.startswith(
        f"menus ({found['menus']['directory']}): 2 files, {found['menus']['bytes']:,} bytes, the oldest "
    )
    assert len(text.splitlines()) == 1


def test_clear_reaches_the_memory_of_a_service(operator: Operator) -> None:
    for key in ("menu/a", "dish"):
        assert operator.level(key) is None
    assert (operator.level("menu/a"), operator.level("dish")) == ("memory", "disk")
    cleared = operator.run("clear", "--route", "menus")
    assert cleared.stdout.endswith(": 1 file removed\n")
    assert len(operator.files()) == 1
    assert operator.level("menu/a") is None
    assert operator.level("menu/a") == "memory"
    assert [line["removed"] for line in operator.lines("clear")] == [1, 1]
    assert operator.files() == []


def test_verify(operator: Operator) -> None:
    for key in ("menu/a", "menu/b", "dish"):
        operator.level(key)
    assert operator.run("verify").exit_code == 0
    damaged = next(path for path in operator.files() if path.stat().st_size > 100)
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    ran = operator.run("verify", "--json")
    assert ran.exit_code == 1
    assert [line["damaged"] for line in map(json.loads, ran.stdout.splitlines()) if line["damaged"]] == [[str(damaged)]]
    assert not damaged.exists()
    assert operator.run("verify").exit_code == 0


def test_nothing_outside_is_touched(operator: Operator, tmp_path: Path) -> None:
    operator.level("dish")
    (data,) = operator.directory.glob("*/data/*")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(BODY)
    (data.parent / "zz").symlink_to(outside)
    for action in ("stats", "verify", "clear"):
        assert operator.run(action).exit_code == 0
    assert (outside / "kept").read_bytes() == BODY


@pytest.mark.parametrize("which", [".", "*/"])
def test_a_directory_that_others_may_write(operator: Operator, which: str) -> None:
    operator.level("dish")
    next(operator.directory.glob(which) if which != "." else iter([operator.directory])).chmod(0o777)
    for action in ("stats", "verify", "clear"):
        ran = operator.run(action)
        assert ran.exit_code == 2
        assert "chmod go-w" in ran.output
    assert operator.files()


def test_wrong_arguments(operator: Operator, tmp_path: Path) -> None:
    operator.level("dish")
    assert operator.run("empty").exit_code == 2
    unknown = operator.run("stats", "--route", "dihses")
    assert unknown.exit_code == 2
    assert "routes.dihses: there is no such route; did you mean 'dishes'?" in unknown.output
    missing = operator.run("stats", file=tmp_path / "missing.toml")
    assert missing.exit_code == 2
    assert "missing.toml" in missing.output
