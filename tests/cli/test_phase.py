"""`foodco-storage phase`: a migration from `source` to `target` while a service writes, moved by the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from typer.testing import CliRunner

import foodco_storage
from foodco_storage.backends.capabilities import CAPABILITIES
from foodco_storage.cli.app import app
from foodco_storage.drivers.background import background
from foodco_storage.testing import MotoStore

pytestmark = pytest.mark.slow  # every move waits for a lease

ROUTE = """
[routes.images]
bucket = "{bucket}"
primary = "ceph"
fallbacks = ["aws"]
[routes.images.control]
enabled = true
refresh_seconds = 0.2
lease_seconds = 1.0
pause_seconds = 30.0
[journal]
directory = "{directory}/journal"
"""
BACKEND = """
[backends.{name}]
preset = "s3"
endpoint_url = "{url}"
access_key_id = "x"
secret_access_key = "x"
allow_plaintext_secrets = true
[backends.{name}.capabilities]
{capabilities}
"""


class World:
    def __init__(self, directory: Path, bucket: str, new: MotoStore, old: MotoStore) -> None:
        self.bucket = bucket
        self.file = directory / "storage.toml"
        able = "\n".join(f"{name} = true" for name in CAPABILITIES)
        self.direct = {n: boto3.client("s3", **s.server.client_arguments()) for n, s in (("ceph", new), ("aws", old))}
        for s3 in self.direct.values():
            s3.create_bucket(Bucket=bucket)
        backends = [
            BACKEND.format(name=name, url=store.server.endpoint_url, capabilities=able)
            for name, store in (("ceph", new), ("aws", old))
        ]
        self.file.write_text("".join(backends) + ROUTE.format(bucket=bucket, directory=directory))

    def run(self, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["phase", *arguments, "--config", str(self.file)])
        return done.exit_code, done.output

    def moved(self, phase: str) -> str:
        code, output = self.run("set", "images", phase, "--yes")
        assert code == 0, output
        return output

    def refused(self, phase: str) -> str:
        code, output = self.run("set", "images", phase, "--yes")
        assert code == 2, output
        return output


@pytest.fixture
def world(tmp_path: Path, bucket_name: str, moto_store: MotoStore, moto_store_2: MotoStore) -> Iterator[World]:
    world = World(tmp_path, bucket_name, moto_store, moto_store_2)
    yield world
    for s3 in world.direct.values():
        s3.close()


class Service:
    """Writes, reads back and deletes, until it is told to stop; what it sees that it should not is an error."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._s3, self._bucket = client, bucket
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.rounds, self.errors = 0, list[str]()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set() and not self.errors:
            self.rounds += 1
            which = {"Bucket": self._bucket, "Key": f"k{self.rounds % 5}"}
            body = str(self.rounds).encode()
            try:
                self._s3.put_object(**which, Body=body)
                if (got := self._s3.get_object(**which)["Body"].read()) != body:
                    self.errors.append(f"{which}: {got!r} instead of {body!r}")
                if self.rounds % 4 == 0:
                    self._s3.delete_object(**which)
                    if which["Key"] in _listed(self._s3, self._bucket):
                        self.errors.append(f"{which} is listed though it was deleted")
            except Exception as error:  # noqa: BLE001 - whatever a user would see
                self.errors.append(repr(error))


def _listed(client: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_migration_while_a_service_writes(world: World) -> None:
    world.direct["aws"].put_object(Bucket=world.bucket, Key="old", Body=b"from before")
    assert world.run("init", "images", "source")[0] == 0
    client = foodco_storage.client(storage=str(world.file))
    with Service(client, world.bucket) as service:
        assert "one at a time" in world.refused("cutover")
        world.moved("backfill")
        world.moved("cutover")
        code, shown = world.run("show", "images", "--json")
        assert code == 0
        shown_now = json.loads(shown)
        assert (shown_now["control"]["phase"], shown_now["control"]["paused"]) == ("cutover", False)
        assert [one["report"]["phase"] for one in shown_now["clients"]] == ["cutover"]
        world.moved("backfill")
        world.moved("cutover")
        world.moved("drain")
        assert "point of no return" in world.refused("cutover")
        assert "1 keys lie only in the source" in world.refused("target")
        assert client.get_object(Bucket=world.bucket, Key="old")["Body"].read() == b"from before"
        assert background.join()
        world.moved("target")
    assert service.errors == []
    assert service.rounds > 10
    assert client.get_object(Bucket=world.bucket, Key="old")["ResponseMetadata"]["Storage"]["backend"] == "ceph"  # type: ignore[typeddict-item]
    code, shown = world.run("show", "images", "--tombstones")
    assert code == 0
    assert "tombstones on the primary" in shown
    client.close()


def test_a_lifecycle_rule_on_the_primary_is_refused(world: World) -> None:
    rule = {"ID": "old ones", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    world.direct["ceph"].put_bucket_lifecycle_configuration(
        Bucket=world.bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    world.run("init", "images", "backfill")
    assert "'old ones' deletes objects" in world.refused("cutover")


def test_what_differs_is_refused(world: World) -> None:
    world.run("init", "images", "backfill")
    world.direct["aws"].put_object(Bucket=world.bucket, Key="k", Body=b"newer")
    world.direct["ceph"].put_object(Bucket=world.bucket, Key="k", Body=b"older")
    assert "1 keys differs" in world.refused("cutover")
    world.direct["ceph"].put_object(Bucket=world.bucket, Key="k", Body=b"newer")
    world.moved("cutover")


def test_without_a_control_object(world: World) -> None:
    code, output = world.run("show", "images")
    assert code == 0
    assert "phase init images" in output
    assert "phase init images" in world.refused("cutover")
    client = foodco_storage.client(storage=str(world.file))
    with pytest.raises(client.exceptions.ClientError, match="phase of route 'images' is not known"):
        client.put_object(Bucket=world.bucket, Key="k", Body=b"")
    client.close()


def test_a_move_that_cant_be_taken_back_is_asked_about(world: World) -> None:
    world.run("init", "images", "cutover")
    arguments = ["phase", "set", "images", "drain", "--config", str(world.file)]
    assert CliRunner().invoke(app, arguments, input="n\n").exit_code == 1
    assert json.loads(world.run("show", "images", "--json")[1])["control"]["phase"] == "cutover"
    assert CliRunner().invoke(app, arguments, input="y\n").exit_code == 0
    assert json.loads(world.run("show", "images", "--json")[1])["control"]["phase"] == "drain"


def test_wrong_words(world: World) -> None:
    assert world.run("init", "images", "cutofer")[0] == 2
    assert "no such route" in world.run("show", "image")[1]
    world.run("init", "images", "source")
    assert "there is no phase 'cutofer'" in world.refused("cutofer")
    assert "already" in world.run("init", "images", "source")[1]
