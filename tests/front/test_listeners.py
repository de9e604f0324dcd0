"""Who hears of events is said by the configuration: logs, metrics, spans, statistics, a telemetry bucket."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import foodco_storage
from foodco_storage.access.questions import Local, most_read_keys
from foodco_storage.config import check
from foodco_storage.errors import ConfigurationError
from foodco_storage.front.listeners import access_directory, listeners, store_of
from foodco_storage.telemetry import hooks


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    listeners.end()
    assert not hooks.on


def test_nobody_hears_by_default(two: Any) -> None:
    two.client()
    assert not hooks.on


def test_logs(two: Any, caplog: pytest.LogCaptureFixture) -> None:
    storage = two.storage() | {"telemetry": {"logs": "failures"}}
    with foodco_storage_client(storage) as s3:
        s3.put_object(Bucket=two.bucket, Key="k", Body=b"body")
        with pytest.raises(Exception, match="InvalidRange"):
            s3.get_object(Bucket=two.bucket, Key="k", Range="bytes=9-")
    (record,) = [one for one in caplog.records if one.name == "foodco_storage.operations"]
    assert f'GetObject "{two.bucket}/k" invalid InvalidRange' in record.getMessage()


def test_a_process_keeps_its_statistics_in_one_place(
    two: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One recorder hears of all clients: a second one would count all of it once more, and ship it under another name."""
    two.put("new", "k")

    def storage(name: str) -> dict[str, Any]:
        return {
            **two.storage(),
            "telemetry": {"access": {"enabled": True, "directory": str(tmp_path / name)}},
        }

    for name in ("first", "second", "first", "second"):
        with foodco_storage_client(storage(name)) as s3:
            s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
    listeners.end()
    answer = most_read_keys(Local(store_of(check(storage("first")), tmp_path / "first")))
    assert [row[3] for row in answer.rows] == [4.0]
    assert not (tmp_path / "second").exists()
    (said,) = [one.getMessage() for one in caplog.records if "telemetry.access.directory" in one.getMessage()]
    assert said.endswith(f"kept in {tmp_path}/first, as the first client said; {tmp_path}/second is not used")


@pytest.mark.parametrize("order", [("failures", "all"), ("all", "failures"), ("all", "all")])
def test_a_failure_is_logged_once(two: Any, caplog: pytest.LogCaptureFixture, order: tuple[str, str]) -> None:
    one, other = ({**two.storage(), "telemetry": {"logs": which}} for which in order)
    two.put("new", "k")
    with foodco_storage_client(one) as s3, foodco_storage_client(other), pytest.raises(Exception, match="InvalidRange"):
        s3.get_object(Bucket=two.bucket, Key="k", Range="bytes=99-")
    told = [record for record in caplog.records if record.name == "foodco_storage.operations"]
    assert [record.levelname for record in told] == ["WARNING"]


class foodco_storage_client:  # noqa: N801 - a function's name for what is used as one
    """A client that is closed."""

    def __init__(self, storage: dict[str, Any]) -> None:
        self._s3 = foodco_storage.client(storage=storage)

    def __enter__(self) -> Any:
        return self._s3

    def __exit__(self, *_: object) -> None:
        self._s3.close()


def test_prometheus_and_measures(two: Any, tmp_path: Path) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    storage = two.storage(phase="cutover", mirror={"mode": "async"}) | {
        "telemetry": {"prometheus": True, "access": {"enabled": True, "directory": str(tmp_path / "access")}},
        "journal": {"directory": str(tmp_path)},
    }
    # Those of other tests are measured too.
    storage["routes"] = {"measured": storage["routes"]["ours"]}
    # A second client of the same journal and stores doubles nothing.
    with foodco_storage_client(storage) as s3, foodco_storage_client(storage):
        for name in ("old", "new"):
            two.put(name, "k")
        s3.get_object(Bucket=two.bucket, Key="k")["Body"].read()
        # Not brought up to date before it was measured.
        journal = s3._dispatch.driver._journal.journal
        numbers = journal.enter([s3._dispatch.router.route(two.bucket, "k").entry({"Bucket": two.bucket, "Key": "k"})])
        told = prometheus_client.generate_latest().decode()
        journal.settle(numbers)
    lines = told.splitlines()
    assert 'foodco_storage_journal_depth{route="measured"} 1.0' in lines
    assert 'foodco_storage_breaker_state{backend="new"} 0.0' in lines
    for what in ("days", "flushes", "measures"):
        assert [line for line in lines if line.startswith(f'foodco_storage_telemetry_losses_total{{what="{what}"}}')]
    operations = [line for line in lines if line.startswith("foodco_storage_operations_total")]
    assert len(operations) == 1
    assert 'operation="GetObject"' in operations[0]
    assert operations[0].endswith(" 1.0")


def test_statistics_are_kept_and_shipped(two: Any, tmp_path: Path) -> None:
    storage = two.storage() | {
        "telemetry": {
            "service": "menus",
            "access": {"enabled": True, "directory": str(tmp_path / "access")},
            "shipping": {"backend": "new", "bucket": two.bucket, "prefix": "telemetry/"},
        }
    }
    two.put("new", "read")
    with foodco_storage_client(storage) as s3:
        for _ in range(3):
            s3.get_object(Bucket=two.bucket, Key="read")["Body"].read()
    listeners.end()
    configuration = check(storage)
    answer = most_read_keys(Local(store_of(configuration, access_directory(configuration, {}))), limit=10)
    row = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert (row["bucket"], row["key"], row["reads"]) == (two.bucket, "read", 3)
    shipped = {key: body for key, body in two.content("new").items() if key.startswith("telemetry/v1/")}
    (accesses,) = [body for key, body in shipped.items() if "/accesses/" in key]
    (line,) = [json.loads(line) for line in gzip.decompress(accesses).splitlines()]
    assert (line["key"], line["reads"]) == ("read", 3)
    (traffic,) = [body for key, body in shipped.items() if "/traffic/" in key]
    assert {json.loads(line)["service"] for line in gzip.decompress(traffic).splitlines()} == {"menus"}


PROGRAM = """
import sys, os, json, signal
import foodco_storage
s3 = foodco_storage.client(storage=json.loads(sys.argv[1]))
for _ in range(5):
    s3.get_object(Bucket=sys.argv[2], Key="read")["Body"].read()
os.kill(os.getpid(), int(sys.argv[3])) if sys.argv[3] != "0" else None
"""


@pytest.mark.parametrize(("ends_by", "counted"), [(0, True), (signal.SIGTERM, True), (signal.SIGKILL, False)])
def test_a_process_that_ends_ships_what_it_has_seen(two: Any, tmp_path: Path, ends_by: int, counted: bool) -> None:
    two.put("new", "read")
    storage = two.storage(fallbacks=()) | {
        "telemetry": {
            "access": {"enabled": True, "directory": str(tmp_path / "access"), "flush_seconds": 3600},
            "shipping": {"backend": "new", "bucket": two.bucket},
        }
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(storage), two.bucket, str(int(ends_by))],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert ended.returncode == -ends_by, ended.stderr
    shipped = [body for key, body in two.content("new").items() if "/accesses/" in key]
    reads = [json.loads(line)["reads"] for body in shipped for line in gzip.decompress(body).splitlines()]
    assert reads == ([5] if counted else [])


def test_without_a_telemetry_bucket_sigterm_writes_down_what_was_seen(two: Any, tmp_path: Path) -> None:
    two.put("new", "read")
    access = {"enabled": True, "directory": str(tmp_path), "flush_seconds": 3600}
    for directory, wanted, counted in (("a", True, [5]), ("b", False, [])):
        access |= {"directory": str(tmp_path / directory), "on_sigterm": wanted}
        storage = two.storage(fallbacks=()) | {"telemetry": {"access": access}}
        program = [sys.executable, "-c", PROGRAM, json.dumps(storage), two.bucket, str(int(signal.SIGTERM))]
        assert subprocess.run(program, check=False, capture_output=True).returncode == -signal.SIGTERM
        configuration = check(storage)
        store = store_of(configuration, access_directory(configuration, {}))
        assert [row[3] for row in most_read_keys(Local(store), limit=10).rows] == counted


@pytest.mark.parametrize(
    ("telemetry", "path", "message"),
    [
        ({"keys": "hash"}, "telemetry.keys", "needs telemetry.hash_secret"),
        ({"hash_secret": "short"}, "telemetry.hash_secret", "could be guessed"),
        ({"sample": 0}, "telemetry.sample", "> 0"),
        ({"access": {"enabled": True}, "shipping": {"backend": "new"}}, "telemetry.shipping.bucket", "is missing"),
        ({"shipping": {"bucket": "abc"}}, "telemetry.shipping.backend", "is missing"),
        (
            {"access": {"enabled": True}, "shipping": {"backend": "nwe", "bucket": "abc"}},
            "telemetry.shipping.backend",
            "did you mean 'new'",
        ),
        ({"shipping": {"backend": "new", "bucket": "abc"}}, "telemetry.shipping.backend", "telemetry.access.enabled"),
        ({"access": {"directory": "here"}}, "telemetry.access.directory", "absolute path"),
    ],
)
def test_mistakes_are_told(two: Any, telemetry: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        foodco_storage.client(storage=two.storage() | {"telemetry": telemetry})
    (problem,) = raised.value.problems
    assert problem.path == path
    assert message in problem.message


def test_a_secret_in_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "storage.toml"
    file.write_text('[telemetry]\nkeys = "hash"\nhash_secret = "in plain text for all to see"\n')
    with pytest.raises(ConfigurationError, match="plain text"):
        foodco_storage.config.load(file)
    file.write_text('[telemetry]\nkeys = "hash"\nhash_secret = "${SECRET}"\n')
    loaded = foodco_storage.config.load(file, {"SECRET": "long enough for that"})
    assert "long enough" not in repr(loaded)
