"""`foodco-storage dictionary`, as an operator runs it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

import foodco_storage
from foodco_storage.cli.app import app
from foodco_storage.testing import MotoStore


@pytest.fixture
def world(
    moto_store: MotoStore, moto_store_2: MotoStore, bucket_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    return World(moto_store, moto_store_2, bucket_name, tmp_path, monkeypatch)


class World:
    def __init__(
        self, new: MotoStore, old: MotoStore, bucket: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.bucket, self.file = bucket, folder / "storage.toml"
        self.direct, text = {}, ""
        for name, store in (("new", new), ("old", old)):
            server = store.server
            monkeypatch.setenv(f"{name.upper()}_KEY", server.access_key_id)
            monkeypatch.setenv(f"{name.upper()}_SECRET", server.secret_access_key)
            text += (
                f'[backends.{name}]\npreset = "s3"\nendpoint_url = "{server.endpoint_url}"\n'
                f'access_key_id = "${{{name.upper()}_KEY}}"\nsecret_access_key = "${{{name.upper()}_SECRET}}"\n'
            )
            self.direct[name] = boto3.client("s3", **server.client_arguments())
            self.direct[name].create_bucket(Bucket=bucket)
        self.text = text + f'[routes.food]\nbucket = "{bucket}"\nprimary = "new"\nfallbacks = ["old"]\n'
        self.configure()

    def configure(self, **compression: Any) -> None:
        options = {"codec": "zstd", **compression}
        table = "[routes.food.compression]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in options.items())
        self.file.write_text(self.text + table)

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, ["dictionary", *arguments, "--config", str(self.file)], terminal_width=200)

    def fill(self, where: str = "new", count: int = 120) -> None:
        chance = random.Random(3)
        words = ["flour", "salt", "tomato", "basil", "mozzarella", "olive oil", "gluten", "milk", "celery"]
        for n in range(count):
            items = [{"name": chance.choice(words), "grams": chance.randrange(500)} for _ in range(40)]
            body = json.dumps({"id": n, "ingredients": items}).encode()
            self.direct[where].put_object(Bucket=self.bucket, Key=f"items/{n}.json", Body=body)

    def keys(self, where: str) -> list[str]:
        items = self.direct[where].list_objects_v2(Bucket=self.bucket, Prefix=".foodco-storage/").get("Contents", [])
        return [item["Key"].rpartition("/")[2] for item in items]


def test_train_store_and_use(world: World) -> None:
    world.fill()
    dry = world.run("train", "food", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "nothing was stored" in dry.output
    assert not world.keys("new")
    told = json.loads(world.run("train", "food", "--json").output)
    assert told["samples"] + told["held_out"] == told["listed"] == 120
    assert told["dictionary_bytes"] < told["plain_bytes"] < told["held_out_bytes"]
    assert world.keys("new") == world.keys("old") == [told["id"]]
    assert told["id"] in dry.output, "the same objects make the same dictionary"
    again = world.run("train", "food")
    assert "new/" in again.output
    assert f"routes.food.compression.dictionary = '{told['id']}'" in again.output
    world.configure(dictionary=told["id"])
    s3: Any = foodco_storage.client("s3", storage=str(world.file))
    with world.direct["new"].get_object(Bucket=world.bucket, Key="items/5.json")["Body"] as body:
        document = body.read()
    s3.put_object(Bucket=world.bucket, Key="k", Body=document)
    assert told["id"] in world.direct["new"].head_object(Bucket=world.bucket, Key="k")["Metadata"]["foodco-codec"]
    with s3.get_object(Bucket=world.bucket, Key="k")["Body"] as body:
        assert body.read() == document
    # Trained anew, on what lies compressed as well.
    assert world.run("train", "food", "--dry-run").exit_code == 0
    s3.close()


def test_objects_that_only_a_fallback_holds_count_too(world: World) -> None:
    world.fill("old", 60)
    told = json.loads(world.run("train", "food", "--json", "--dry-run").output)
    assert told["listed"] == 60


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "food"], "0 of 0 objects are of a size and kind that dictionaries are for"),
        (["train", "fod"], "routes.fod: there is no such route; did you mean 'food'?"),
        (["train", "food", "--bucket", "elsewhere"], "bucket 'elsewhere' belongs to no route"),
        (["list", "fod"], "did you mean 'food'?"),
    ],
)
def test_what_can_not_be_done_is_told(world: World, arguments: list[str], told: str) -> None:
    answer = world.run(*arguments)
    assert answer.exit_code == 2, answer.output
    assert told in " ".join(answer.output.split())


def test_objects_without_anything_in_common(world: World) -> None:
    for n in range(60):
        body = random.Random(n).randbytes(2000)
        world.direct["new"].put_object(Bucket=world.bucket, Key=f"{n}", Body=body)
    answer = world.run("train", "food")
    assert answer.exit_code == 2
    assert "they have too little in common" in " ".join(answer.output.split())
    assert not world.keys("new")


def test_list_and_repair(world: World) -> None:
    assert world.run("list", "food").output == "route 'food' has no dictionaries\n"
    world.fill()
    one = json.loads(world.run("train", "food", "--json").output)["id"]
    world.configure(dictionary=one)
    fine = world.run("list", "food")
    assert fine.exit_code == 0
    assert fine.output.count(": ok, ") == 2
    assert fine.output.count(", in use") == 2
    key = f".foodco-storage/dictionaries/{one}"
    world.direct["new"].delete_object(Bucket=world.bucket, Key=key)
    world.direct["old"].put_object(Bucket=world.bucket, Key=f".foodco-storage/dictionaries/{'0' * 32}", Body=b"x")
    wrong = [json.loads(line) for line in world.run("list", "food", "--json").output.splitlines()]
    assert [(copy["dictionary"], copy["backend"], copy["state"]) for copy in wrong] == [
        ("0" * 32, "new", "missing"),
        ("0" * 32, "old", "damaged"),
        (one, "new", "missing"),
        (one, "old", "ok"),
    ]
    assert world.run("list", "food").exit_code == 1
    repaired = world.run("list", "food", "--repair")
    assert repaired.exit_code == 1, "nobody has the other one"
    assert f"{one} new/{world.bucket}: put back" in repaired.output
    assert one in world.keys("new")
    world.direct["old"].delete_object(Bucket=world.bucket, Key=f".foodco-storage/dictionaries/{'0' * 32}")
    assert world.run("list", "food").exit_code == 0
