"""Commands that change objects hold the phase as clients do: it does not move under their work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from foodco_storage.cli.phase import phase_app
from foodco_storage.config import load
from foodco_storage.errors import PhaseMovedError
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.front.mirroring import Mirroring
from foodco_storage.front.routes import identity
from foodco_storage.front.standalone import opened
from foodco_storage.journal import Journal
from foodco_storage.testing import MotoStore
from foodco_storage.verify import verify

pytestmark = pytest.mark.slow

BACKEND = """\
[backends.{name}]
preset = "s3"
endpoint_url = "{server.endpoint_url}"
access_key_id = "{server.access_key_id}"
secret_access_key = "{server.secret_access_key}"
allow_plaintext_secrets = true
[backends.{name}.capabilities]
conditional_put = true
put_if_match = true
put_if_match_quoted = true
"""
ROUTE = """\
[routes.images]
bucket = "{bucket}"
primary = "new"
fallbacks = ["old"]
control = {{ enabled = true, lease_seconds = 1.0, refresh_seconds = 0.2, pause_seconds = 5.0 }}
[journal]
directory = "{directory}/journal"
"""
KEYS = [f"k{number:02}" for number in range(30)]
"""More than are repaired at once."""


class World:
    def __init__(self, new: Any, old: Any, bucket: str, directory: Path) -> None:
        self.bucket = bucket
        self.file = directory / "storage.toml"
        backends = [BACKEND.format(name=name, server=server) for name, server in (("new", new), ("old", old))]
        self.file.write_text("".join([*backends, ROUTE.format(bucket=bucket, directory=directory)]))
        self.journal = directory / "journal"
        self.new, self.old = (boto3.client("s3", **server.client_arguments()) for server in (new, old))
        for s3 in (self.new, self.old):
            s3.create_bucket(Bucket=bucket)
        self.configuration: Any = load(self.file)

    def phase(self, *arguments: str) -> Any:
        result = CliRunner().invoke(phase_app, [*arguments, "--config", str(self.file)])
        assert result.exit_code == 0, result.output
        return result

    def keys(self, s3: Any) -> list[str]:
        items = s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [item["Key"] for item in items if not item["Key"].startswith(".foodco-storage/")]


@pytest.fixture
def world(moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str, tmp_path: Path) -> Iterator[World]:
    one = World(moto_store.server, moto_store_2.server, bucket_name, tmp_path)
    yield one
    for s3 in (one.new, one.old):
        s3.close()


def test_a_repair_ends_where_the_phase_has_moved(world: World) -> None:
    world.phase("init", "images", "backfill")
    for key in KEYS:
        world.old.put_object(Bucket=world.bucket, Key=key, Body=b"x")
    run = verify(world.configuration, "images", repair=True)
    assert next(run).repaired
    done = world.keys(world.new)
    assert 0 < len(done) < len(KEYS)
    world.phase("set", "images", "cutover")
    with pytest.raises(PhaseMovedError, match=r"from phase 'backfill' to 'cutover'.*run it again"):
        list(run)
    assert world.keys(world.new) == done


def test_a_move_waits_for_a_repair(world: World) -> None:
    world.phase("init", "images", "backfill")
    with opened(world.configuration, "images", changes=True) as route:
        with route.changing("a repair"):
            refused = CliRunner().invoke(
                phase_app, ["set", "images", "source", "--wait", "2", "--config", str(world.file)]
            )
        assert refused.exit_code == 2
        assert "taken back: phase 'backfill'" in refused.output
        world.phase("set", "images", "source")
        with pytest.raises(PhaseMovedError), route.changing("a repair"):
            raise AssertionError("it was let in")


@pytest.mark.parametrize("moved", [False, True])
def test_entries_are_replayed_in_their_phase_only(world: World, moved: bool) -> None:
    world.phase("init", "images", "backfill")
    world.old.put_object(Bucket=world.bucket, Key="k", Body=b"x")
    route = world.configuration.routes["images"]
    journal = Journal(world.journal)
    who = identity("images", route, world.configuration.backends, "old")
    journal.defer(journal.enter([Entry("images", who, world.bucket, "k")]))
    with opened(world.configuration, "images", journal=journal, changes=True) as found:
        if moved:
            world.phase("set", "images", "source")
            world.phase("set", "images", "backfill")
            world.phase("set", "images", "cutover")
        found.wait_to_reconcile()
        mirroring = Mirroring(journal)
        mirroring.serve(found.driver, found.route)
        assert mirroring.replay() == ((0, 1) if moved else (1, 0))
    journal.close()
    assert world.keys(world.new) == ([] if moved else ["k"])
