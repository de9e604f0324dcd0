"""`stats`: what each command prints, from where it takes it, and what it ends with; and the page that shows how to use it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
import typer

from foodco_storage.access.questions import Answer
from foodco_storage.access.rows import Batch, ObjectRow
from foodco_storage.access.shipments import Shipments
from foodco_storage.access.store import Store
from foodco_storage.access.window import Window
from foodco_storage.cli.app import app
from foodco_storage.cli.stats_output import Format, show
from foodco_storage.front.listeners import listeners
from foodco_storage.telemetry.events import Operation, Request
from foodco_storage.testing import MotoStore

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "see-what-is-read.md"

BACKEND = """
[backends.ceph]
preset = "s3"
endpoint_url = "{url}"
access_key_id = "${{AWS_ACCESS_KEY_ID}}"
secret_access_key = "${{AWS_SECRET_ACCESS_KEY}}"

"""
CONFIGURATION = (
    BACKEND
    + """
[routes.menus]
bucket = "menus"
primary = "ceph"

[telemetry.access]
enabled = {enabled}
directory = "{directory}"
half_life_days = 1000
"""
)
SHIPPING = """
[telemetry.shipping]
backend = "ceph"
bucket = "{bucket}"
prefix = "told/"
"""
NOBODY = "http://127.0.0.1:1"

COMMAND = typer.main.get_command(app)
"""Made once: to make it takes longer than most of its commands."""

# Some days ago: at midnight nothing falls out of any question's days.
AT = time.time() - 2 * 86_400
LONG_AGO = AT - 20 * 86_400
HOSTILE = '=1+1,"\r\n\x1b[31mforged\n,'
QUESTIONS = (["keys"], ["prefixes"], ["unread", "menus"], ["source"], ["hits"], ["backends"])


def got(key: str, **changed: Any) -> Operation:
    served = changed.pop("served", "ceph")
    requests = (Request(backend=served, operation="GetObject", attempts=2, status=200, received_bytes=10, seconds=0.5),)
    given = {"bucket": "menus", "route": "menus", "phase": "cutover", "backend": served, "size": 1_000_000, "at": AT}
    return Operation(**{"operation": "GetObject", "key": key, "requests": requests, **given, **changed})


EVENTS = [
    *[got("eu/a") for _ in range(3)],
    *[got("eu/a", cache="memory", requests=()) for _ in range(2)],
    got("us/b", cache="miss", served="aws", is_fallback=True),
    got(HOSTILE, served="aws", bucket="dishes", route=None),
    got("old", at=LONG_AGO),
]
READS = [("menus", "eu/a", 5.0), ("dishes", HOSTILE, 1.0), ("menus", "us/b", 1.0)]
"""Bucket, key and reads of the last week, in order."""


def seen(*events: Operation) -> Batch:
    window = Window(1000)
    for event in events:
        window(event)
    return window.take()


class Ran:
    """What a command printed."""

    def __init__(self, arguments: tuple[str, ...], printed: pytest.CaptureFixture[str]) -> None:
        printed.readouterr()
        with pytest.raises(SystemExit) as ended:
            COMMAND.main(args=list(arguments), prog_name="foodco-storage")
        self.exit_code = ended.value.code
        self.stdout, self.stderr = printed.readouterr()


class Host:
    """A host with a configuration, statistics, and the command."""

    def __init__(self, directory: Path, printed: pytest.CaptureFixture[str]) -> None:
        self.file = directory / "storage.toml"
        self.state = directory / "state"
        self.shipped = directory / "shipped"
        self._printed = printed
        self.configure()

    def configure(self, *, url: str = NOBODY, bucket: str | None = None, enabled: bool = True) -> None:
        text = CONFIGURATION.format(url=url, directory=self.state, enabled=str(enabled).lower())
        self.file.write_text(text + (SHIPPING.format(bucket=bucket) if bucket else ""))

    def store(self) -> Store:
        return Store(self.state, ships=True)

    def fill(self) -> None:
        self.store().add(seen(*EVENTS), "web")

    def ship(self, put: Callable[[str, bytes], None] | None = None, **named: Any) -> None:
        Shipments(self.store(), put or into(self.shipped), **named).ship(everything=True)

    def run(self, *arguments: str, code: int = 0, config: bool = True) -> Ran:
        named = ("--config", str(self.file)) if config else ()
        ran = Ran(("stats", *arguments, *named), self._printed)
        assert ran.exit_code == code, ran.stdout + ran.stderr
        return ran

    def told(self, *arguments: str, config: bool = True) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = json.loads(self.run(*arguments, "--format", "json", config=config).stdout)
        return told


def into(directory: Path) -> Callable[[str, bytes], None]:
    def put(key: str, data: bytes) -> None:
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return put


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


@pytest.fixture
def filled(host: Host) -> Host:
    host.fill()
    return host


def day_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def only(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def inventory(store: Store) -> None:
    objects = [ObjectRow(key="eu/a", size=5), ObjectRow(key="eu/never", size=7, modified_at=AT - 100 * 86_400)]
    store.replace_objects("menus", objects, datetime(2026, 11, 28, 1, tzinfo=UTC).timestamp())


def test_keys(filled: Host) -> None:
    rows = filled.told("keys")
    assert only(rows, "bucket", "key", "reads") == READS
    assert rows[0] | {"score": 0, "last_read_at": 0} == {
        "route": "menus",
        "bucket": "menus",
        "key": "eu/a",
        "reads": 5.0,
        "missing_at_most": 0.0,
        "read_bytes": 5e6,
        "cache_hits": 2.0,
        "score": 0,
        "last_read_at": 0,
    }
    # By the half-life of the configuration.
    assert 4.98 < rows[0]["score"] < 5
    assert rows[0]["last_read_at"] == pytest.approx(AT)
    assert only(filled.told("keys", "--limit", "1"), "key") == [("eu/a",)]
    assert only(filled.told("keys", "--bucket", "menus", "--prefix", "us/"), "key") == [("us/b",)]
    assert "old" in {row["key"] for row in filled.told("keys", "--days", "30")}
    assert filled.told("keys", "--days", "1") == []


def test_prefixes(filled: Host) -> None:
    columns = ("bucket", "prefix", "keys", "reads")
    assert only(filled.told("prefixes", "--bucket", "menus"), *columns) == [
        ("menus", "eu/", 1, 5.0),
        ("menus", "us/", 1, 1.0),
    ]
    assert only(filled.told("prefixes", "--depth", "0"), *columns) == [("menus", "", 2, 6.0), ("dishes", "", 1, 1.0)]
    assert only(filled.told("prefixes", "--limit", "1", "--days", "30"), *columns) == [("menus", "eu/", 1, 5.0)]


def test_unread(filled: Host) -> None:
    inventory(filled.store())
    ran = filled.run("unread", "menus", "--format", "json")
    assert json.loads(ran.stdout) == [
        {"age": "90-180 d", "objects": 1, "bytes": 7, "maybe_read_objects": 0, "maybe_read_bytes": 0}
    ]
    seen_at = "by the inventory of 2026-11-28 01:00Z with 2 objects\n"
    assert ran.stderr == f"{seen_at}records begin on {day_of(LONG_AGO)}: what was read before is not known\n"
    # Records go back further than the question; it does not matter that nothing was read on its first day.
    assert filled.run("unread", "menus", "--days", "10").stderr == seen_at


def test_unread_of_the_fleet(filled: Host) -> None:
    """What was shipped long ago is looked at where nothing says that there were records on the first day."""
    inventory(filled.store())
    filled.ship()
    (new,) = filled.shipped.glob("v1/accesses/*")
    long_ago = new.with_name(f"date={day_of(LONG_AGO)}")
    shutil.copytree(new, long_ago)
    data = next(long_ago.iterdir())
    rows = [json.loads(line) for line in gzip.decompress(data.read_bytes()).splitlines()]
    old = [json.dumps(row | {"number": 0}) for row in rows if row["key"] == "old"]
    data.rename(data.with_name(data.name.replace("-0000000001", "-0000000000"))).write_bytes(
        gzip.compress("\n".join(old).encode())
    )
    left = [json.dumps(row) for row in rows if row["key"] != "old"]
    next(new.iterdir()).write_bytes(gzip.compress("\n".join(left).encode()))
    there = ("--shipped", str(filled.shipped))
    assert "records begin" not in filled.run("unread", "menus", "--days", "10", *there).stderr
    assert f"records begin on {day_of(LONG_AGO)}:" in filled.run("unread", "menus", "--days", "30", *there).stderr
    shutil.rmtree(long_ago)
    assert f"records begin on {day_of(AT)}:" in filled.run("unread", "menus", "--days", "10", *there).stderr


def test_unread_where_too_little_is_known(filled: Host) -> None:
    ran = filled.run("unread", "menus", "--format", "json")
    assert json.loads(ran.stdout) == []
    assert "no objects of bucket menus are known on this host" in ran.stderr
    assert "import-inventory" in ran.stderr
    filled.store().replace_objects("menus", [ObjectRow(key="eu/a")], AT)
    ran = filled.run("unread", "menus", "--format", "json")
    assert json.loads(ran.stdout) == []
    assert "with 1 objects: all of them were read" in ran.stderr
    filled.store().replace_objects("menus", [ObjectRow(key="eu/other")], AT)
    assert "not one of them was read: see that those who read" in filled.run("unread", "menus").stderr
    filled.store().replace_objects("menus", [ObjectRow(key="eu/other"), ObjectRow(key="eu/a")], AT)
    assert "not one" not in filled.run("unread", "menus").stderr
    # All would pass for never read.
    ran = filled.run("unread", "menus", "--days", "1", code=2)
    assert ran.stdout == ""
    assert "nothing was recorded today, so whether anything was read is not known" in ran.stderr


def test_source(filled: Host) -> None:
    columns = ("service", "bucket", "backend", "why", "operations", "share_of_route")
    expected = [
        ("web", "dishes", "aws", "no route", 1.0, 1.0),
        ("web", "menus", "aws", "not on the primary", 1.0, 1 / 6),
    ]
    assert only(filled.told("source"), *columns) == expected
    assert only(filled.told("source", "--bucket", "menus"), *columns) == expected[1:]
    limited = filled.run("source", "--limit", "1", "--format", "json")
    assert only(json.loads(limited.stdout), *columns) == expected[:1]
    assert limited.stderr == "1 rows more: see --limit\n"


def test_hits(filled: Host) -> None:
    assert filled.told("hits") == [
        {"route": "", "reads": 1.0, "memory": 0.0, "disk": 0.0, "miss": 0.0, "ratio": None},
        {"route": "menus", "reads": 6.0, "memory": 2.0, "disk": 0.0, "miss": 1.0, "ratio": 2 / 3},
    ]


def test_backends(filled: Host) -> None:
    rows = filled.told("backends")
    assert only(rows, "backend", "requests", "attempts", "retries", "errors", "received_bytes", "mean_seconds") == [
        ("aws", 2.0, 4.0, 2.0, 0.0, 20.0, 0.5),
        ("ceph", 3.0, 6.0, 3.0, 0.0, 30.0, 0.5),
    ]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_formats_say_the_same(filled: Host, question: list[str]) -> None:
    inventory(filled.store())
    told = filled.told(*question)
    assert told
    text = filled.run(*question, "--format", "csv").stdout
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == list(told[0])
    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in told
    ]
    heading, *lines = filled.run(*question).stdout.splitlines()
    assert {name.replace("_", " ") for name in header} == set(re.split(r" {2,}", heading.strip()))
    assert len(lines) == len(told)


def test_a_table_is_for_people(filled: Host) -> None:
    read_at = datetime.fromtimestamp(AT, UTC).strftime("%Y-%m-%d %H:%MZ")
    assert filled.run("keys").stdout.splitlines() == [
        "route  bucket  reads  missing at most  read bytes  cache hits  score       last read at  key",
        f"menus  menus       5                0      5.0 MB           2    5.0  {read_at}  eu/a",
        f"-      dishes      1                0      1.0 MB           0    1.0  {read_at}  {HOSTILE!r}",
        f"menus  menus       1                0      1.0 MB           0    1.0  {read_at}  us/b",
    ]
    assert "66.7%" in filled.run("hits").stdout
    assert "500.0 ms" in filled.run("backends").stdout


def test_wide_characters_keep_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(("bucket", "reads", "key"), [("菜单", 1.0, "x"), ("b", 12_345.0, "k" * 300)]), Format.TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "bucket   reads  key",
        "菜单         1  x",
        f"b       12,345  {'k' * 300}",
    ]


@pytest.mark.parametrize(
    "key", ["a\rb", "a\nb", 'a"b', "a,b", 'a\r\n"menus",9', "=1+1", "@SUM(A1)", "-1", "\x85\u2028"]
)
def test_no_key_passes_for_a_row(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(("bucket", "key", "reads", "ratio"), [("b", key, 1.5, None)])
    show(answer, Format.CSV)
    text = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:] == [["b", key, "1.5", ""]]
    show(answer, Format.JSON)
    assert json.loads(capsys.readouterr().out) == [{"bucket": "b", "key": key, "reads": 1.5, "ratio": None}]
    show(answer, Format.TABLE)
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_nothing_there_yet(host: Host, question: list[str]) -> None:
    ran = host.run(*question, "--format", "json")
    assert json.loads(ran.stdout) == []
    assert f"there are no access statistics at {host.state} (user {os.geteuid()}) yet" in ran.stderr
    assert "telemetry.access.enabled" in ran.stderr
    (header,) = csv.reader(io.StringIO(host.run(*question, "--format", "csv").stdout))
    assert host.run(*question).stdout.strip() == "  ".join(
        name.replace("_", " ") for name in sorted(header, key=lambda name: name in {"key", "prefix"})
    )
    assert not host.state.exists()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_an_empty_answer_says_so(host: Host, question: list[str]) -> None:
    host.store().add(seen(got("other", at=LONG_AGO)), "web")
    ran = host.run(*question, "--days", "3")
    assert len(ran.stdout.splitlines()) == 1
    assert " known" in ran.stderr
    assert "no access statistics" not in ran.stderr


@pytest.mark.parametrize(
    "arguments", [*QUESTIONS, ["keys", "--fleet"], ["import-logs", "logs"], ["import-inventory", "logs"], ["ship"]]
)
def test_not_enabled(host: Host, arguments: list[str]) -> None:
    host.configure(enabled=False)
    assert "telemetry.access.enabled: is false" in host.run(*arguments, code=2).stderr
    assert not host.state.exists()
    host.file.unlink()
    assert "storage.toml" in host.run(*arguments, code=2).stderr
    assert "there is none" in host.run(*arguments, code=2, config=False).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "--format", "xml"], "'xml'"),
        (["keys", "--days", "0"], "--days"),
        (["keys", "--days", "3661"], "--days"),
        (["keys", "--limit", "0"], "--limit"),
        (["prefixes", "--depth", "-1"], "--depth"),
        (["unread"], "BUCKET"),
        (["keys", "--from", "nowhere"], "'nowhere'"),
        (["keys", "--fleet"], "telemetry.shipping.backend: is missing"),
        (["ship"], "telemetry.shipping.backend: is missing"),
        (["keys", "--fleet", "--shipped", "there"], "--shipped: is another place than --fleet"),
        (["keys", "--shipped", "/no/such"], "--shipped: no shipped statistics are at /no/such"),
        (["keys", "--shipped", "nonsense://there"], "--shipped: can't be opened"),
        (["keys", "--shipped", ".", "--from", "server-logs"], "--from server-logs: is of this host"),
        (["import-logs"], "LOCATION"),
        (["import-logs", "nonsense://there"], "LOCATION: can't be opened"),
        (["import-inventory", "nonsense://there"], "LOCATION: can't be opened"),
        (["import-inventory", ".", "--as", "menus*"], "--as: 'menus*' is no bucket's name"),
        (["import-logs", ".", "--as", ""], "--as: '' is no bucket's name"),
    ],
)
def test_wrong_arguments(host: Host, arguments: list[str], said: str) -> None:
    assert said in re.sub(r"[\s│]+", " ", host.run(*arguments, code=2).stderr)
    assert not host.state.exists()


def test_the_longest_and_the_most(filled: Host) -> None:
    rows = filled.told("prefixes", "--days", "3660", "--limit", "100000000", "--depth", "1024")
    assert sum(row["reads"] for row in rows) == 8


def test_a_directory_that_others_may_write(filled: Host) -> None:
    filled.state.chmod(0o777)
    for arguments in (["keys"], ["hits", "--format", "csv"]):
        ran = filled.run(*arguments, code=2)
        assert (ran.stdout, "chmod go-w" in ran.stderr) == ("", True)


def test_a_directory_that_services_can_not_use(host: Host) -> None:
    host.state.mkdir()
    host.state.chmod(0o777)
    ran = host.run("keys", code=2)
    assert "others may write to it (mode 0777)" in ran.stderr
    host.state.rmdir()
    assert f"in {host.state}\n" in host.run("keys").stderr
    host.state.write_text("")
    assert "it is a file: name another directory" in host.run("keys", code=2).stderr


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("", "is empty: name a file, a folder, or foodco://bucket/prefix"),
        ("foodco://", "names no bucket: say foodco://bucket/prefix"),
        ("what://is/that", "can't be opened: "),
    ],
)
def test_no_location(host: Host, location: str, said: str) -> None:
    for command in "import-logs", "import-inventory":
        assert f"error LOCATION: {said}" in host.run(command, location, code=2).stderr
    assert f"error --shipped: {said}" in host.run("keys", "--shipped", location, code=2).stderr


def test_a_name_that_is_no_bucket(host: Host) -> None:
    for command in "import-logs", "import-inventory":
        ran = host.run(command, "foodco://UPPER bucket/logs/", code=1)
        assert "foodco://UPPER bucket/logs/: it is no location: " in ran.stderr
    assert "UPPER bucket" in host.run("keys", "--shipped", "foodco://UPPER bucket/told/", code=2).stderr


@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_key_that_the_terminal_can_not_show(host: Host, form: str) -> None:
    host.store().add(seen(got("caf\u00e9/\u2603")), "web")
    printed = subprocess.run(
        [
            *(sys.executable, "-c", "from foodco_storage.cli import main; main()"),
            *("stats", "keys", "--format", form, "--config", str(host.file)),
        ],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert b"caf\xe9/\\u2603" in printed.stdout


def test_what_was_shipped_to_a_folder(filled: Host, tmp_path: Path) -> None:
    inventory(filled.store())
    filled.ship()
    there = ("--shipped", str(filled.shipped))
    for question in QUESTIONS:
        assert filled.told(*question, *there) == filled.told(*question), question
    # Another host's, in the other format. It counts once, wherever it lies.
    other = Store(tmp_path / "other", ships=True)
    other.add(seen(got("eu/a"), got("us/b")), "cron")
    Shipments(other, into(filled.shipped), form="parquet").ship(everything=True)
    shutil.copytree(filled.shipped, filled.shipped / "again")
    both = [("eu/a", 6.0), ("us/b", 2.0), (HOSTILE, 1.0)]
    assert only(filled.told("keys", *there), "key", "reads") == both
    # It needs no statistics of this host, and no configuration.
    filled.configure(enabled=False)
    assert only(filled.told("keys", *there), "key", "reads") == both
    assert only(filled.told("keys", *there, config=False), "key", "reads") == both
    unread = filled.run("unread", "menus", *there, config=False)
    assert "no objects of bucket menus are known on this host" in unread.stderr


def test_what_was_shipped_is_damaged(filled: Host) -> None:
    filled.ship()
    (path,) = filled.shipped.glob("v1/accesses/*/*")
    path.write_bytes(b"damaged")
    ran = filled.run("keys", "--shipped", str(filled.shipped), code=2)
    assert (ran.stdout, str(path) in ran.stderr) == ("", True)


def test_nothing_was_shipped_there(host: Host) -> None:
    host.shipped.mkdir()
    (host.shipped / "notes.txt").write_text("nothing of ours")
    for question in QUESTIONS:
        ran = host.run(*question, "--shipped", str(host.shipped), code=2)
        assert ran.stdout == ""
        assert f"--shipped: no shipped statistics are at {host.shipped}: name " in ran.stderr


def test_the_fleet(filled: Host, moto_store: MotoStore, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The telemetry bucket is asked with its backend's address, whoever else has a bucket of that name."""
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    filled.configure(url=moto_store.server.endpoint_url, bucket=bucket_name)
    with filled.file.open("a") as file:
        file.write(
            f'[backends.other]\nendpoint_url = "{NOBODY}"\n[routes.other]\nbucket = "test-*"\nprimary = "other"\n'
        )
    missing = filled.run("ship", code=2)
    assert missing.stdout == ""
    assert f"0 objects sent to bucket {bucket_name} (telemetry.shipping) on ceph; 1 shipment waits" in missing.stderr
    assert "NoSuchBucket" in missing.stderr
    assert "bucket does not exist" in filled.run("keys", "--fleet", code=2).stderr
    s3.create_bucket(Bucket=bucket_name)
    assert "no such read is known in the last 7 days in foodco://" in filled.run("keys", "--fleet").stderr
    assert filled.run("ship").stdout == f"3 objects sent to bucket {bucket_name}; 0 shipments wait\n"
    assert {key["Key"].split("/date=")[0] for key in s3.list_objects_v2(Bucket=bucket_name)["Contents"]} == {
        f"told/v1/{table}" for table in ("accesses", "traffic", "requests")
    }
    assert json.loads(filled.run("ship", "--json").stdout) == {"objects": 0, "waiting": 0, "dropped": 0}
    assert only(filled.told("keys", "--fleet"), "bucket", "key", "reads") == READS
    assert filled.told("source", "--fleet") == filled.told("source")
    # Its reader is no part of the statistics.
    listeners.end()
    assert only(filled.told("backends"), "backend", "requests") == [("aws", 2.0), ("ceph", 3.0)]
    s3.close()
    # What variables say is asked for, and nothing of it is laid over what is made of that.
    filled.configure(url=moto_store.server.endpoint_url, bucket="another")
    monkeypatch.setenv("FOODCO_STORAGE__BACKENDS__OTHER__ENDPOINT_URL", NOBODY)
    monkeypatch.setenv("FOODCO_STORAGE__DEFAULT__BACKEND", "other")
    monkeypatch.setenv("FOODCO_STORAGE__TELEMETRY__SHIPPING__BUCKET", bucket_name)
    monkeypatch.setenv("FOODCO_STORAGE__ROUTES__MENUS__PRESIGN", "holder")
    assert only(filled.told("keys", "--fleet"), "bucket", "key", "reads") == READS


def test_stores_are_read_by_the_commands_configuration(
    filled: Host, moto_store: MotoStore, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    s3.create_bucket(Bucket=bucket_name)
    s3.put_object(Bucket=bucket_name, Key="logs/a", Body=log_line("eu/a").encode())
    filled.ship(lambda key, data: s3.put_object(Bucket=bucket_name, Key=f"copy/{key}", Body=data))
    s3.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    filled.configure(url=moto_store.server.endpoint_url)
    with filled.file.open("a") as file:
        file.write('[default]\nbackend = "ceph"\n')
    assert filled.run("import-logs", f"foodco://{bucket_name}/logs/").stdout.startswith("1 file read: 1 records")
    there = ("--shipped", f"foodco://{bucket_name}/copy")
    assert only(filled.told("keys", *there), "bucket", "key", "reads") == READS
    listeners.end()
    assert only(filled.told("backends"), "backend", "requests") == [("aws", 2.0), ("ceph", 3.0)]


def test_ship_where_there_is_nothing(host: Host) -> None:
    host.configure(bucket="anywhere")
    ran = host.run("ship")
    assert ran.stdout == "0 objects sent to bucket anywhere; 0 shipments wait\n"
    assert "there are no access statistics" in ran.stderr
    assert not host.state.exists()


def test_ship_while_another_does(filled: Host) -> None:
    filled.configure(bucket="anywhere")

    def put(key: str, data: bytes) -> None:
        ran = filled.run("ship", code=1)
        assert ran.stdout == "0 objects sent to bucket anywhere; 1 shipment waits\n"
        assert "another process of this host is sending" in ran.stderr

    filled.ship(put)


def test_ship_parquet_without_pyarrow(filled: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.configure(bucket="anywhere")
    filled.file.write_text(filled.file.read_text() + 'format = "parquet"\n')
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'foodco-storage[telemetry]'" in filled.run("ship", code=2).stderr


def log_line(key: str, at: float = AT, agent: str = "curl/8") -> str:
    when = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return (
        f"owner menus [{when}] 192.0.2.3 arn:aws:iam::1:user/web 3E57427F3EXAMPLE REST.GET.OBJECT {key} "
        f'"GET /{key}?X-Amz-Signature=5ec3e7 HTTP/1.1" 200 - 10 10 5 3 "-" "{agent}" - x= SigV4 ECDHE QueryString s3 TLSv1.2 - -\n'
    )


def test_import_logs(filled: Host, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a").write_text(log_line("eu/a") * 2 + "X-Amz-Signature=5ec3e7\n" + log_line("log/only"))
    (logs / "b\n").write_text(log_line("eu/a"))
    ran = filled.run("import-logs", str(logs))
    assert ran.stdout == "2 files read: 4 records, 3 rows of keys and days; 1 of 5 lines are no records\n"
    assert ran.stderr == f"no record: file://{logs}/a: line 3: columns: 1, a record has more\n"
    assert only(filled.told("keys", "--from", "server-logs"), "key", "reads") == [("eu/a", 3.0), ("log/only", 1.0)]
    assert only(filled.told("prefixes", "--from", "server-logs"), "prefix", "reads") == [("eu/", 3.0), ("log/", 1.0)]
    assert only(filled.told("keys"), "bucket", "key", "reads") == READS
    filled.store().replace_objects("menus", [ObjectRow(key="log/only", size=1), ObjectRow(key="never", size=2)], AT)
    assert only(filled.told("unread", "menus"), "objects", "bytes") == [(1, 2)]

    (logs / "b\n").write_text("longer" + log_line("eu/a"))
    again = filled.run("import-logs", str(logs))
    assert again.stdout == "0 files read: 0 records, 0 rows of keys and days; 1 file known before\n"
    assert again.stderr == f"left out, since it has changed after it was read: {f'file://{logs}/b{chr(10)}'!r}\n"
    report = json.loads(filled.run("import-logs", str(logs / "a"), "--json").stdout)
    assert report == {"files": 0, "known": 1, "changed": [], "lines": 0, "unparsed": 0, "examples": [], "rows": 0}


RENAMED = """
[backends.aws]
preset = "s3"
endpoint_url = "http://127.0.0.1:2"

[routes.images]
bucket = "images"
primary = "ceph"
fallbacks = ["aws"]
buckets = {aws = "foodco-images"}
"""


def test_a_bucket_that_its_store_calls_otherwise(host: Host, tmp_path: Path) -> None:
    """What callers have read of it does not pass for never read."""
    host.file.write_text(host.file.read_text() + RENAMED)
    host.store().add(seen(got("a", bucket="images", route="images")), "web")
    put = into(tmp_path / "stock")
    deliver(put, *(f'"{key}","5","2020-01-01T00:00:00.000Z"' for key in "abc"))
    log = tmp_path / "log"
    log.write_text(log_line("b").replace(" menus ", " foodco-images ") + log_line("b"))
    assert host.run("import-inventory", str(tmp_path / "stock")).stdout == (
        "images (of foodco-images, as its store calls it): 3 objects at 2026-11-28 01:00Z, of 1 file\n"
    )
    host.run("import-logs", str(log))
    assert only(host.told("unread", "images"), "objects") == [(1,)]
    assert "no objects of bucket foodco-images are known" in host.run("unread", "foodco-images").stderr
    assert only(host.told("keys", "--from", "server-logs"), "bucket", "key") == [("images", "b"), ("menus", "b")]
    assert only(host.told("readers"), "bucket", "operations") == [("images", 1.0), ("menus", 1.0)]


@pytest.mark.parametrize(
    "other",
    [
        '[routes.old]\nbucket = "pictures"\nprimary = "aws"\nbuckets = {aws = "foodco-images"}\n',
        '[routes.old]\nbucket = ["foodco-images", "x-*"]\nprimary = "ceph"\n',
    ],
)
def test_a_bucket_that_callers_may_call_otherwise(host: Host, tmp_path: Path, other: str) -> None:
    host.file.write_text(host.file.read_text() + RENAMED + other)
    deliver(into(tmp_path / "stock"), '"a","5","2020-01-01T00:00:00.000Z"')
    log = tmp_path / "log"
    log.write_text(log_line("b").replace(" menus ", " foodco-images "))
    for arguments in (["import-inventory", str(tmp_path / "stock")], ["import-logs", str(log)]):
        ran = host.run(*arguments, code=2)
        assert (
            "--as: is missing: by the configuration, bucket foodco-images may be images of routes.images" in ran.stderr
        )
        assert "of routes.old" in ran.stderr
    assert host.told("keys", "--from", "server-logs") == []
    for arguments in (["import-inventory", str(tmp_path / "stock")], ["import-logs", str(log)]):
        host.run(*arguments, "--as", "pictures")
    assert only(host.told("keys", "--from", "server-logs"), "bucket", "key") == [("pictures", "b")]
    assert only(host.told("unread", "pictures"), "objects") == [(1,)]


def test_routes_of_one_bucket_agree(host: Host, tmp_path: Path) -> None:
    again = RENAMED[RENAMED.index("[routes") :].replace("[routes.images]", '[routes.some]\nprefix = "eu/"')
    host.file.write_text(host.file.read_text() + RENAMED + again)
    deliver(into(tmp_path / "stock"), '"a","5","2020-01-01T00:00:00.000Z"')
    assert json.loads(host.run("import-inventory", str(tmp_path / "stock"), "--json").stdout)["bucket"] == "images"


def test_readers(host: Host, tmp_path: Path) -> None:
    ran = host.run("readers", "--format", "json")
    assert json.loads(ran.stdout) == []
    assert "no request is known in the last 7 days" in ran.stderr
    assert "import-logs" in ran.stderr
    (tmp_path / "log").write_text(log_line("a") * 2 + log_line("a", agent="Boto3/1") + log_line("a", at=LONG_AGO))
    host.run("import-logs", str(tmp_path / "log"))
    row = {"requester": "arn:aws:iam::1:user/web", "bucket": "menus", "operation": "read"}
    assert host.told("readers") == [
        row | {"agent": "curl", "operations": 2.0, "bytes": 20.0},
        row | {"agent": "Boto3", "operations": 1.0, "bytes": 10.0},
    ]
    assert only(host.told("readers", "--days", "30", "--limit", "1", "--bucket", "menus"), "operations") == [(3.0,)]
    assert host.told("readers", "--bucket", "other") == []
    assert host.run("readers").stdout.splitlines()[1].split() == [
        "arn:aws:iam::1:user/web", "curl", "menus", "read", "2", "20", "bytes",
    ]  # fmt: skip
    assert "No such option" in host.run("readers", "--fleet", code=2).stderr


@pytest.mark.parametrize("command", ["keys", "prefixes", "source", "readers", "unread"])
def test_names_that_are_no_unicode(filled: Host, command: str) -> None:
    named = ["caf\udce9"] if command == "unread" else ["--bucket", "caf\udce9"]
    assert filled.told(command, *named) == []
    if command == "keys":
        filled.store().add(seen(got("caf\udce9/1")), "web")
        assert only(filled.told(command, "--prefix", "caf\udce9"), "key") == [("caf\\udce9/1",)]
    if command == "source":
        filled.store().add(seen(got("a", bucket="caf\udce9", route=None)), "web")
        assert only(filled.told(command, *named), "bucket") == [("caf\\udce9",)]


@pytest.mark.parametrize("content", [None, "", "no log\nat all\n", b"\x1f\x8b"])
def test_nothing_is_parsed(host: Host, tmp_path: Path, content: str | bytes | None) -> None:
    path = tmp_path / "log.gz"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else gzip.compress(content.encode()))
    ran = host.run("import-logs", str(path), code=1)
    if content != "":
        assert ran.stdout == ""
        assert "error" in ran.stderr
        assert "log.gz" in ran.stderr
    assert host.told("keys", "--from", "server-logs") == []


def deliver(put: Callable[[str, bytes], Any], *rows: str) -> None:
    """An inventory as S3 delivers it: keys of the bucket that it is delivered to."""
    data = gzip.compress("".join(f'"foodco-images",{row}\n' for row in rows).encode())
    key = "foodco-images/daily/data/one.csv.gz"
    manifest = {
        "sourceBucket": "foodco-images",
        "destinationBucket": "arn:aws:s3:::foodco-inventory",
        "version": "2016-11-30",
        "creationTimestamp": "1795827600000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate",
        "files": [{"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}],
    }
    put(key, data)
    put("foodco-images/daily/2026-11-28T01-00Z/manifest.json", json.dumps(manifest).encode())


def test_import_inventory(host: Host, tmp_path: Path) -> None:
    put = into(tmp_path / "stock")
    deliver(put, '"a","5","2020-01-01T00:00:00.000Z"', '"b","6","2020-01-01T00:00:00.000Z"')
    stock = str(tmp_path / "stock")
    assert host.run("import-inventory", stock).stdout == "foodco-images: 2 objects at 2026-11-28 01:00Z, of 1 file\n"
    report = json.loads(host.run("import-inventory", stock, "--json").stdout)
    assert (report["bucket"], report["objects"], report["files"]) == ("foodco-images", 2, 1)
    put("foodco-images/daily/data/one.csv.gz", b"damaged")
    assert "its MD5 is" in host.run("import-inventory", stock, code=1).stderr
    assert "manifest.json" in host.run("import-inventory", str(tmp_path / "nowhere"), code=1).stderr
    # What was known stays.
    host.fill()
    assert only(host.told("unread", "foodco-images"), "age", "objects") == [(">365 d", 2)]


def blocks(language: str, heading: str | None = None) -> list[str]:
    """The code of the page, or under one of its headings."""
    text = PAGE.read_text("utf-8")
    if heading is not None:
        (text,) = re.findall(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Reader:
    """Who does what the page says, in a folder of their own, in a world as the page has it."""

    def __init__(self, s3: Any, printed: pytest.CaptureFixture[str]) -> None:
        self.s3 = s3
        self.commands = 0
        self._printed = printed

    def follow(self, heading: str) -> list[str]:
        """What each command of a section prints, as it stands."""
        printed = []
        for line in "".join(blocks("sh", heading)).splitlines():
            program, *arguments = shlex.split(line)
            assert program == "foodco-storage"
            ran = Ran(tuple(arguments), self._printed)
            assert ran.exit_code == 0, (line, ran.stderr)
            printed.append(ran.stdout)
            self.commands += 1
        return printed

    def copy_what_was_shipped(self) -> None:
        for found in self.s3.list_objects_v2(Bucket="foodco-telemetry")["Contents"]:
            body = self.s3.get_object(Bucket="foodco-telemetry", Key=found["Key"])["Body"].read()
            into(Path("shipped"))(found["Key"].removeprefix("foodco-storage-telemetry/"), body)


def cells(table: str, *columns: int) -> list[tuple[str, ...]]:
    """Cells of a table's lines, by the number of their columns."""
    lines = [re.split(r" {2,}", line.strip()) for line in table.splitlines()[1:]]
    return [tuple(line[column] for column in columns) for line in lines]


@pytest.fixture
def reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moto_store: MotoStore, capsys: pytest.CaptureFixture[str]
) -> Iterator[Reader]:
    s3 = boto3.client("s3", **moto_store.server.client_arguments())
    buckets = ("foodco-telemetry", "foodco-logs", "foodco-inventory")
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
    deliver(
        lambda key, data: s3.put_object(Bucket="foodco-inventory", Key=key, Body=data),
        '"2026/pizza.jpg","5","2020-01-01T00:00:00.000Z"',
        '"2026/never.jpg","6","2020-01-01T00:00:00.000Z"',
    )
    log = log_line("2026/pizza.jpg", agent="Mozilla/5.0").replace(" menus ", " foodco-images ")
    s3.put_object(Bucket="foodco-logs", Key="foodco-images/2026-11-28-01-00-00-AAAA", Body=log.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    # boto3 and the configuration find their store; it is one here.
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_store.server.endpoint_url)
    monkeypatch.setenv("FOODCO_STORAGE_CONFIG", "storage.toml")
    Path("storage.toml").write_text(
        BACKEND.format(url=moto_store.server.endpoint_url) + blocks("toml", "Have it counted")[0]
    )
    yield Reader(s3, capsys)
    listeners.end()
    for bucket in buckets:
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
        s3.delete_bucket(Bucket=bucket)
    s3.close()


def test_the_page(reader: Reader) -> None:
    image = {"bucket": "foodco-images", "route": "images"}
    store = Store(Path.home() / ".local/state/foodco_storage/access", ships=True)
    pizza, date, old = (
        got("2026/pizza.jpg", **image),
        got("2026-11-28", **image, served="aws", is_fallback=True),
        got("2026/old.jpg", **image, at=LONG_AGO),
    )
    store.add(seen(pizza, pizza, pizza, date, old), "web")
    assert reader.follow("Have it counted") == ["3 objects sent to bucket foodco-telemetry; 0 shipments wait\n"]
    reader.copy_what_was_shipped()

    fleet, copy, prefixes = reader.follow("The most read keys of last week")
    assert cells(fleet, 1, 2, 8) == [("foodco-images", "3", "2026/pizza.jpg"), ("foodco-images", "1", "2026-11-28")]
    assert copy == fleet
    assert cells(prefixes, 3, 8) == [("3", "2026/"), ("1", "-")]
    imported, unread = reader.follow("What was never read")
    assert imported == "foodco-images: 2 objects at 2026-11-28 01:00Z, of 1 file\n"
    assert cells(unread, 0, 1, 2) == [(">365 d", "1", "6 bytes")]
    (source,) = reader.follow("Who still reads S3")
    assert cells(source, 0, 3, 4, 7) == [("web", "aws", "not on the primary", "25.0%")]

    (question,) = blocks("sql", "By SQL")
    with duckdb.connect() as database:
        assert database.execute(question).fetchall() == [
            ("images", "foodco-images", "2026/pizza.jpg", 3.0, 3e6),
            ("images", "foodco-images", "2026-11-28", 1.0, 1e6),
        ]
    names: dict[str, Any] = {}
    exec(blocks("python", "By SQL")[0], names)
    assert names["reads"].fetchall() == [("2026/pizza.jpg", 3.0), ("2026-11-28", 1.0)]
    names["db"].close()
    # Its filesystem counts what it reads, as any service's does.
    listeners.end()

    # Elsewhere.
    shutil.rmtree(store.directory)
    Path("stats.toml").write_text(blocks("toml", "Before anything is deployed")[0])
    logs, keys, prefixes, who, imported, unread = reader.follow("Before anything is deployed")
    assert logs == "1 file read: 1 records, 1 rows of keys and days\n"
    assert cells(keys, 1, 2, 8) == [("foodco-images", "1", "2026/pizza.jpg")]
    assert cells(prefixes, 3, 8) == [("1", "2026/")]
    assert cells(unread, 0, 1, 2) == [(">365 d", "1", "6 bytes")]
    assert cells(who, 0, 1, 2, 3, 4) == [("arn:aws:iam::1:user/web", "Mozilla", "foodco-images", "read", "1")]
    assert reader.commands == sum(block.count("foodco-storage ") for block in blocks("sh"))
