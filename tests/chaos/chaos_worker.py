"""One process of the load: a writer with keys of its own, or a reader of all; until SIGTERM, or SIGKILL.

`python chaos_worker.py CONFIGURATION NAME SEED`, where CONFIGURATION is a JSON file (see `chaos_load`).
"""

from __future__ import annotations

import io
import json
import logging
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from chaos_log import Log, Record, now, read
from chaos_values import PART_BYTES, Version, WrongBodyError, check_body, version_of

import foodco_storage

Step = Callable[[], dict[str, Any]]


class Worker:
    """What both have in common: one operation after the other, each written down before and after."""

    def __init__(self, name: str, bucket: str, client: Any, log_file: Path, seed: int) -> None:
        self.name = name
        self.bucket = bucket
        self.client = client
        self.random = random.Random(seed)
        self.is_over = False
        self.records = list(read(log_file)) if log_file.exists() else []
        self.operation = max((record.operation for record in self.records), default=0)
        self.log = Log(log_file)
        signal.signal(signal.SIGTERM, self.end)

    def end(self, *_: Any) -> None:
        self.is_over = True

    def run(self) -> None:
        self.log.write(Record(self.name, "started", now()))
        while not self.is_over:
            self.step()

    def step(self) -> None:
        raise NotImplementedError

    def carry_out(self, kind: str, key: str, do: Step, version: int | None = None, size: int = 0) -> None:
        """Do one thing; whatever goes wrong is written down."""
        self.operation += 1
        common = {"worker": self.name, "operation": self.operation, "kind": kind, "key": key}
        self.log.write(Record(event="begun", at=now(), version=version, size=size, **common))  # type: ignore[arg-type]
        try:
            result = do()
        except WrongBodyError as error:
            result = {"outcome": "wrong", "error": str(error)}
        except ClientError as error:
            result = self.failure(kind, error)
        except Exception as error:  # noqa: BLE001 - the checker has to know of it, whatever it is
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            result = {"outcome": "failed", "error": f"{type(error).__name__}: {error} ({where})"}
        result = {"version": version, "size": size, "outcome": "ok", **result}
        self.log.write(Record(event="ended", at=now(), **common, **result))  # type: ignore[arg-type]
        if result["outcome"] == "failed":
            # As a service would: not at once again.
            time.sleep(self.random.uniform(0.0, 0.2))

    @staticmethod
    def failure(kind: str, error: ClientError) -> dict[str, Any]:
        code = error.response["Error"].get("Code")
        if kind in {"get", "range", "head"} and code in {"NoSuchKey", "404"}:
            return {"outcome": "absent"}
        return {"outcome": "failed", "error": f"{code}: {error}"}


class Writer(Worker):
    """Writes and deletes its own keys."""

    def __init__(self, *args: Any, keys: Sequence[str]) -> None:
        super().__init__(*args)
        self.keys = keys
        # Also of those that were cut: no number is given twice.
        self.numbers = dict.fromkeys(keys, 0)
        for record in self.records:
            if record.key in self.numbers:
                self.numbers[record.key] = max(self.numbers[record.key], record.version or 0)

    def step(self) -> None:
        key = self.random.choice(self.keys)
        self.numbers[key] += 1
        number, dice = self.numbers[key], self.random.random()
        if dice < 0.25:
            self.carry_out("delete", key, lambda: self.delete(key), number)
        elif dice < 0.265:
            version = Version(key, self.name, number, PART_BYTES + self.random.randrange(1, 1000))
            self.carry_out("multipart", key, lambda: self.put_in_parts(version), number, version.size)
        else:
            size = int(10 ** self.random.uniform(2, 4.7))
            version = Version(key, self.name, number, size)
            self.carry_out("put", key, lambda: self.put(version), number, size)

    def put(self, version: Version) -> dict[str, Any]:
        body: Any = version.body()
        if self.random.random() < 0.3:
            # Its mirror has to read it back.
            body = io.BytesIO(body)
        self.client.put_object(Bucket=self.bucket, Key=version.key, Body=body, Metadata=version.metadata())
        return {}

    def put_in_parts(self, version: Version) -> dict[str, Any]:
        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
        extra = {"Metadata": version.metadata()}
        self.client.upload_fileobj(io.BytesIO(version.body()), self.bucket, version.key, ExtraArgs=extra, Config=config)
        return {}

    def delete(self, key: str) -> dict[str, Any]:
        if self.random.random() < 0.3:
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key}]})
            if answer.get("Errors"):
                return {"outcome": "failed", "error": str(answer["Errors"][0].get("Code"))}
        else:
            self.client.delete_object(Bucket=self.bucket, Key=key)
        return {}


class Reader(Worker):
    """Reads everything."""

    def __init__(self, *args: Any, keys: Sequence[str], lists: bool) -> None:
        super().__init__(*args)
        self.keys = keys
        # ETags in a list tell the version, unless they are of what lies compressed.
        self.lists = lists

    def step(self) -> None:
        key, dice = self.random.choice(self.keys), self.random.random()
        if dice < 0.06 and self.lists:
            self.carry_out("list", "", self.list_keys)
        elif dice < 0.2:
            self.carry_out("head", key, lambda: self.head(key))
        elif dice < 0.4:
            self.carry_out("range", key, lambda: self.get_range(key))
        else:
            self.carry_out("get", key, lambda: self.get(key))

    def get(self, key: str) -> dict[str, Any]:
        answer = self.client.get_object(Bucket=self.bucket, Key=key)
        version = version_of(key, answer["Metadata"])
        check_body(version, answer["Body"].read())
        return {"version": version.number}

    def get_range(self, key: str) -> dict[str, Any]:
        start = self.random.randrange(0, 80)
        answer = self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-")
        version = version_of(key, answer["Metadata"])
        check_body(version, answer["Body"].read(), start)
        return {"version": version.number}

    def head(self, key: str) -> dict[str, Any]:
        answer = self.client.head_object(Bucket=self.bucket, Key=key)
        version = version_of(key, answer["Metadata"])
        if answer["ContentLength"] != version.size:
            raise WrongBodyError(f"{version} is said to have {answer['ContentLength']} bytes")
        return {"version": version.number}

    def list_keys(self) -> dict[str, Any]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, PaginationConfig={"PageSize": self.random.choice([5, 1000])}
        )
        return {"listed": {i["Key"]: i["ETag"].strip('"') for page in pages for i in page.get("Contents", [])}}


def main(file: str, name: str, seed: str) -> None:
    given = json.loads(Path(file).read_text())
    # Its warnings go to the process's log file, with what the library has to say of its journal.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    client = foodco_storage.client(storage=given["storage"])
    log_file = Path(given["directory"], f"{name}.log")
    common = (name, given["bucket"], client, log_file, int(seed))
    if name in given["writers"]:
        Writer(*common, keys=given["writers"][name]).run()
    else:
        lists = "compression" not in given["storage"]["routes"]["chaos"]
        Reader(*common, keys=given["keys"], lists=lists).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
