"""`verify`, `tombstones` and `journal`: what they print, where, and what they end with."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from typer.testing import CliRunner

import foodco_storage.verify.verification
from foodco_storage.backends.capabilities import CAPABILITIES
from foodco_storage.cli import journal, tombstones, verify
from foodco_storage.cli.options import moment, printable, seconds
from foodco_storage.config import load
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.marks import tombstone
from foodco_storage.front.routes import identity
from foodco_storage.journal import Journal
from foodco_storage.testing import Answer, FaultProxy, MotoStore, free_port
from foodco_storage.verify import looks

BACKEND = """\
[backends.{name}]
preset = "s3"
endpoint_url = "{url}"
access_key_id = "${{AWS_ACCESS_KEY_ID}}"
secret_access_key = "${{AWS_SECRET_ACCESS_KEY}}"
max_attempts = 1
[backends.{name}.capabilities]
{capabilities}
"""
ROUTE = """\
[routes.images]
bucket = "{bucket}"
primary = "new"
fallbacks = ["old"]
phase = "{phase}"
[journal]
directory = "{journal}"
"""


class Operator:
    """A configuration file, both stores, and the commands."""

    def __init__(self, new: Any, old: Any, bucket: str, directory: Path) -> None:
        self.bucket = bucket
        self.file = directory / "storage.toml"
        self.journal = directory / "journal"
        self.urls = {"new": new.endpoint_url, "old": old.endpoint_url}
        self.new, self.old = (boto3.client("s3", **server.client_arguments()) for server in (new, old))
        for s3 in (self.new, self.old):
            s3.create_bucket(Bucket=bucket)
        self.configure("backfill")
        self.app = typer.Typer(pretty_exceptions_enable=False)
        self.app.command("verify", epilog=verify.EPILOG)(verify.verify)
        self.app.command("tombstones", epilog=tombstones.EPILOG)(tombstones.tombstones)
        self.app.command("journal", epilog=journal.EPILOG)(journal.journal)

    def configure(self, phase: str, more: str = "") -> None:
        able = "\n".join(f"{name} = true" for name in CAPABILITIES)
        backends = [BACKEND.format(name=name, url=url, capabilities=able) for name, url in self.urls.items()]
        route = ROUTE.format(bucket=self.bucket, phase=phase, journal=self.journal)
        self.file.write_text("\n".join([*backends, route, more]))

    def run(self, *arguments: str) -> Any:
        result = CliRunner().invoke(self.app, [*arguments, "--config", str(self.file)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def put(self, s3: Any, *keys: str) -> None:
        for key in keys:
            s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")

    def keys(self, s3: Any) -> set[str]:
        return {item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())}

    def owe(self, *keys: str, why: str = "", decides: str = "new", bucket: str = "") -> None:
        """Leave entries in the journal, as a service does whose other side was down."""
        configuration = load(self.file)
        assert configuration is not None
        who = identity("images", configuration.routes["images"], configuration.backends, decides)
        left = Journal(self.journal)
        numbers = left.enter([Entry("images", who, bucket or self.bucket, key) for key in keys])
        for _ in range(4):
            left.defer(numbers, why)
        left.close()


@pytest.fixture
def operator(
    moto_store: MotoStore,
    moto_store_2: MotoStore,
    bucket_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Operator]:
    monkeypatch.setattr(looks, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "60")
    one = Operator(moto_store.server, moto_store_2.server, bucket_name, tmp_path)
    yield one
    for s3 in (one.new, one.old):
        s3.close()


def test_verify(operator):
    operator.put(operator.old, "a", "[b]old", "z ")
    result = operator.run("verify", "images")
    assert result.exit_code == 1
    assert result.stderr == ""
    first, *found, last = result.stdout.splitlines()
    assert first.startswith("phase backfill: 'old' decides: 'new' must hold the same")
    where = f"missing     {operator.bucket}/"
    assert found == [
        f"{where}[b]old: 'old' holds it, 'new' does not",
        f"{where}a: 'old' holds it, 'new' does not",
        f"{where}'z ': 'old' holds it, 'new' does not",
    ]
    assert last == "3 keys, 0 the same, 3 differences (3 missing)"
    repaired = operator.run("verify", "images", "--repair")
    assert repaired.exit_code == 0
    assert repaired.stdout.count("(repaired)") == 3
    assert repaired.stdout.endswith("3 differences (3 missing), 3 of them repaired\n")
    clean = operator.run("verify", "images", "--deep")
    assert (clean.exit_code, clean.stdout.splitlines()[1:]) == (0, ["3 keys, 3 the same, 0 differences"])


def test_verify_prints_so_many_and_counts_all(operator):
    operator.put(operator.old, "a", "b", "c")
    result = operator.run("verify", "images", "--limit", "1")
    assert result.stdout.splitlines()[2:] == [
        "... and 2 more (--limit)",
        "3 keys, 0 the same, 3 differences (3 missing)",
    ]


def test_verify_in_json(operator):
    operator.put(operator.old, "a")
    difference, last = operator.lines("verify", "images")
    expected = {"route": "images", "bucket": operator.bucket, "key": "a", "kind": "missing", "repaired": None}
    assert {name: difference[name] for name in expected} == expected
    summary = last["summary"]
    assert (summary["compared"], summary["differences"], summary["is_clean"]) == (1, {"missing": 1}, False)
    assert summary["phase"] == "backfill"


def test_verify_says_what_is_not_yet_on_the_primary(operator):
    operator.put(operator.old, "a")
    for phase in ("cutover", "drain", "target"):
        operator.configure(phase)
        result = operator.run("verify", "images")
        assert result.exit_code == 0
        assert "1 keys are not yet on the primary" in result.stdout
        assert ("1 objects are left in the source" in result.stdout) == (phase != "cutover")


def test_verify_tells_how_far_it_is(operator, monkeypatch):
    monkeypatch.setattr(verify, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(foodco_storage.verify.verification, "AT_ONCE", 2)
    operator.put(operator.old, "a", "b", "c")
    result = operator.run("verify", "images", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()]
    assert "2 keys, 2 differences, at b" in result.stderr


def test_verify_since(operator):
    operator.put(operator.old, "a")
    assert operator.run("verify", "images", "--since", "1h").exit_code == 1
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat()
    assert operator.run("verify", "images", "--since", tomorrow).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "imagse"), "did you mean 'images'?"),
        (("verify",), "Missing argument 'ROUTE'"),
        (("verify", "images", "--since", "soon"), "'soon' is no time and no duration"),
        (("verify", "images", "--since", "5y"), "'5y' is no duration"),
        (("verify", "images", "--limit", "-1"), "--limit"),
        (("verify", "images", "--bucket", "other"), "belongs to no route"),
        (("tombstones", "imagse"), "did you mean 'images'?"),
        (("tombstones", "images", "--grace", "long"), "'long' is no duration"),
        (("journal", "reply"), "'reply'"),
        (("journal", "--route", "imagse"), "did you mean 'images'?"),
        (("journal", "replay", "--route", "imagse"), "did you mean 'images'?"),
    ],
)
def test_wrong_arguments(operator, arguments, message):
    result = operator.run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_without_a_phase_or_with_one_that_is_held(operator):
    text = operator.file.read_text()
    operator.file.write_text(text.replace('phase = "backfill"\n', ""))
    for command in ("verify", "tombstones"):
        result = operator.run(command, "images")
        assert (result.exit_code, "routes.images.phase: is missing" in result.stderr) == (2, True)
    operator.file.write_text(text.replace('phase = "backfill"\n', "control = { enabled = true }\n"))
    for command in ("verify", "tombstones"):
        result = operator.run(command, "images")
        assert (result.exit_code, "`foodco-storage phase init images PHASE` makes it" in result.stderr) == (2, True)


def test_a_store_that_is_not_there(operator):
    operator.urls["old"] = f"http://127.0.0.1:{free_port()}"
    operator.configure("backfill")
    result = operator.run("verify", "images")
    assert result.exit_code == 2
    assert "Could not connect" in result.stderr


def test_a_store_that_is_none(operator, moto_store_2):
    server = moto_store_2.server
    with FaultProxy(server.host, server.port) as proxy:
        proxy.inject(Answer(200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"}))
        operator.urls["new"] = proxy.endpoint_url
        operator.configure("cutover")
        for command in ("verify", "tombstones"):
            result = operator.run(command, "images")
            assert result.exit_code == 2
            assert "no S3 store" in result.stderr.replace("\n", " ")


def test_without_a_configuration(tmp_path, operator):
    for command in (["verify", "images"], ["tombstones", "images"], ["journal"]):
        result = CliRunner().invoke(operator.app, command)
        assert (result.exit_code, "there is none; name a file by --config" in result.stderr) == (2, True)


def test_tombstones(operator):
    operator.configure("cutover")
    for key in ("a", "held"):
        operator.new.put_object(**tombstone(operator.bucket, key).params)
    operator.put(operator.old, "held")
    result = operator.run("tombstones", "images")
    assert (result.exit_code, result.stdout) == (0, "2 tombstones, 1,018 bytes; 0 older than 7 days\n")
    listed = operator.run("tombstones", "images", "--list").stdout.splitlines()
    assert listed[:2] == [f"{operator.bucket}/{key}: 0.0 days old" for key in ("a", "held")]
    young = operator.run("tombstones", "images", "--collect")
    assert young.stdout == "2 tombstones, 1,018 bytes: 2 too young; 0 bytes freed\n"
    one, other, last = operator.lines("tombstones", "images", "--collect", "--list", "--grace", "0")
    assert (one["key"], one["fate"], other["key"], other["fate"]) == ("a", "collected", "held", "held by the source")
    assert last["summary"]["fates"] == {"collected": 1, "held by the source": 1}
    assert last["summary"]["freed_bytes"] == 509
    assert operator.keys(operator.new) == {"held"}


def test_tombstones_are_not_collected_where_a_write_could_be_lost(operator):
    operator.configure("cutover")
    operator.file.write_text(operator.file.read_text().replace("delete_race_safe = true", "delete_race_safe = false"))
    operator.new.put_object(**tombstone(operator.bucket, "a").params)
    for arguments in (["--collect"], ["--collect", "--no-writers"]):
        result = operator.run("tombstones", "images", *arguments)
        assert (result.exit_code, "stay until the phase 'target'" in result.stderr) == (2, True)
    operator.file.write_text(operator.file.read_text().replace('"cutover"', '"target"'))
    assert "--no-writers" in operator.run("tombstones", "images", "--collect").stderr
    done = operator.run("tombstones", "images", "--collect", "--no-writers", "--grace", "0")
    assert (done.exit_code, operator.keys(operator.new)) == (0, set())


def test_a_journal_that_nobody_has_written(operator):
    assert operator.run("journal").stdout == "nothing is left to be mirrored\n"
    assert operator.run("journal", "list").stdout == ""
    # It may be the wrong place: no all-clear.
    result = operator.run("journal", "replay")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no journal at {operator.journal}" in result.stderr.replace("\n", "")
    assert not operator.journal.exists()


def test_a_journal_that_is_a_file(operator):
    operator.journal.write_text("")
    for action in ("show", "list", "replay"):
        result = operator.run("journal", action)
        assert (result.exit_code, "it is a file" in result.stderr) == (2, True)


def test_entries_that_nobody_replays_can_be_dropped(operator):
    operator.configure("cutover")
    operator.owe("a", "b")
    operator.file.write_text(operator.file.read_text().replace('phase = "cutover"', 'phase = "backfill"'))
    assert operator.run("journal", "replay").exit_code == 1
    assert "--route" in operator.run("journal", "drop", "--yes").stderr
    # Nobody answers the question.
    assert operator.run("journal", "drop", "--route", "images").exit_code == 1
    assert operator.lines("journal")[0]["entries"] == 2
    result = operator.run("journal", "drop", "--route", "images", "--yes")
    assert (result.exit_code, "2 dropped, 0 are being worked on" in result.stdout) == (0, True)
    assert operator.run("journal").stdout == "nothing is left to be mirrored\n"
    assert operator.run("journal", "drop", "--route", "images").exit_code == 0


def test_journal(operator):
    operator.configure("cutover")
    operator.put(operator.new, "a", "b")
    operator.owe("a", "b", "absent", why="the store was down")
    shown = operator.run("journal", "show")
    assert shown.exit_code == 0
    assert shown.stdout.startswith(
        "images: 3 writes that 'new' has taken, the oldest 0 s ago; failed last: the store was"
    )
    (summary,) = operator.lines("journal")
    assert (summary["entries"], summary["authority"], summary["last_error"]) == (3, "new", "the store was down")
    rows = operator.lines("journal", "list")
    assert [(row["route"], row["key"], row["attempts"]) for row in rows] == [
        ("images", key, 4) for key in ("a", "b", "absent")
    ]
    assert len(operator.run("journal", "list", "--limit", "2").stdout.splitlines()) == 2
    # Services would wait for seconds, after so many failures.
    assert rows[0]["due_seconds"] > 2
    result = operator.run("journal", "replay")
    assert (result.exit_code, result.stdout) == (0, "images: 3 settled, 0 left\n0 entries remain\n")
    assert operator.keys(operator.old) == {"a", "b"}
    assert operator.run("journal").stdout == "nothing is left to be mirrored\n"


def test_more_entries_than_are_taken_at_once(operator):
    operator.configure("cutover")
    operator.owe(*(f"{number}" for number in range(250)))
    (one, last) = operator.lines("journal", "replay", "--route", "images")
    assert (one["settled"], one["left"], last["summary"]) == (250, 0, {"settled": 250, "remain": 0})


def test_entries_that_remain(operator):
    operator.configure("cutover")
    operator.put(operator.new, "a")
    operator.owe("a")
    operator.owe("b", decides="old")
    operator.old.delete_bucket(Bucket=operator.bucket)
    result = operator.run("journal", "replay")
    assert result.exit_code == 1
    assert "images: 0 settled, 1 left" in result.stdout
    assert "2 entries remain" in result.stdout
    lines = {line["authority"]: line["last_error"] for line in operator.lines("journal")}
    assert "NoSuchBucket" in lines["new"]
    assert lines["old"] == ""


def test_entries_of_a_route_that_is_not_there_any_more(operator):
    operator.owe("a", decides="old")
    operator.file.write_text(operator.file.read_text().replace("[routes.images]", "[routes.pictures]"))
    assert operator.lines("journal", "show", "--route", "images")[0]["entries"] == 1
    assert [row["key"] for row in operator.lines("journal", "list", "--route", "images")] == ["a"]
    assert operator.run("journal", "show", "--route", "pictures").stdout == "nothing is left to be mirrored\n"
    assert operator.run("journal", "replay").exit_code == 1
    assert operator.run("journal", "replay", "--route", "pictures").exit_code == 0


def test_a_replay_of_a_phase_that_is_held(operator):
    operator.owe("a", decides="old")
    operator.file.write_text(
        operator.file.read_text().replace('phase = "backfill"\n', "control = { enabled = true }\n")
    )
    result = operator.run("journal", "replay")
    assert (result.exit_code, "`foodco-storage phase init images PHASE` makes it" in result.stdout) == (1, True)
    assert operator.run("journal", "replay", "--route", "images").exit_code == 2


def test_a_journal_that_cant_be_used(operator):
    operator.journal.mkdir()
    (operator.journal / "journal.sqlite3").write_text("nonsense")
    result = operator.run("journal")
    assert (result.exit_code, "is damaged" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("7d", 604800), ("1w", 604800), (" 1 d ", 86400), ("0", 0)],
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "d", "-1d", "1y", "1e5", "٣d", "1d2h", "nan", "9999999999d"])
def test_no_durations(text):
    with pytest.raises(typer.BadParameter):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24", dt.datetime(2026, 11, 24, tzinfo=dt.UTC)),
        ("2026-11-24T06:30", dt.datetime(2026, 11, 24, 6, 30, tzinfo=dt.UTC)),
        ("2026-11-24T06:30Z", dt.datetime(2026, 11, 24, 6, 30, tzinfo=dt.UTC)),
        ("2026-11-24 06:30+01:00", dt.datetime(2026, 11, 24, 5, 30, tzinfo=dt.UTC)),
        ("7d", dt.timedelta(days=7)),
        ("1.5h", dt.timedelta(minutes=90)),
    ],
)
def test_moments(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "3600", "2026-13-01", "1x", "Z", "d"])
def test_no_moments(text):
    with pytest.raises(typer.BadParameter):
        moment(text)


def test_printable():
    assert [printable(key) for key in ("a b", "ü/🍕", "a\nb", " a", "\x1b[31m")] == [
        "a b",
        "ü/🍕",
        "'a\\nb'",
        "' a'",
        "'\\x1b[31m'",
    ]
