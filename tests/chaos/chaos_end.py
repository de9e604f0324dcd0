"""When all is quiet: the journal empties itself, and both stores and the library tell the same story."""

from __future__ import annotations

from typing import Any

import zstandard
from botocore.exceptions import ClientError
from chaos_checker import History
from chaos_load import Load, Store
from chaos_log import now
from chaos_values import Version, WrongBodyError, check_body, version_of

import foodco_storage
from foodco_storage.config import load as load_configuration
from foodco_storage.drivers.background import background
from foodco_storage.front.mirroring import mirroring_of
from foodco_storage.testing import wait_until

DRAIN_SECONDS = 90.0
"""An entry that failed again and again is left alone for up to a minute."""

TOMBSTONE = "foodco-tombstone"


class EndState:
    """Looks at everything once more, with a client that knows nothing of what has been.

    Attributes:
        drain_seconds: how long the journal took.
        left_over: entries that the workers had left.
        checks: how many things were looked at.
    """

    def __init__(self, load: Load, histories: dict[str, History]) -> None:
        self._load = load
        self._histories = histories
        self.drain_seconds = 0.0
        self.left_over = 0
        self.checks = 0

    def violations(self) -> list[str]:
        configuration = load_configuration(self._load.storage)
        assert configuration is not None
        mirroring = mirroring_of(configuration)
        self.left_over = mirroring.journal.depth()
        client: Any = foodco_storage.client(storage=self._load.storage)
        try:
            start = now()
            self._drain(mirroring)
            self.drain_seconds = now() - start
            found = [line for key in self._load.keys for line in self._of_key(client, key)]
            # What reads have copied must not have changed anything.
            assert background.join()
            found += [line for key in self._load.keys for line in self._of_key(client, key)]
            return found + self._of_listing(client)
        finally:
            client.close()

    def _drain(self, mirroring: Any) -> None:
        def is_empty() -> bool:
            mirroring.replay()
            return bool(mirroring.journal.depth() == 0)

        wait_until(is_empty, what="the journal to be empty", timeout_seconds=DRAIN_SECONDS, interval_seconds=0.2)

    def _of_key(self, client: Any, key: str) -> list[str]:
        self.checks += 3
        at = now()
        possible = self._histories[key].possible(at, at)
        try:
            seen = _get(client, self._load.bucket, key)
            primary = _stored(self._load.primary, self._load.bucket, key)
            source = _stored(self._load.source, self._load.bucket, key)
        except WrongBodyError as error:
            return [f"{key}: in the end: {error}"]
        if seen is None:
            shown = any(write.is_delete for write in possible)
        else:
            shown = any(write.number == seen.number and not write.is_delete for write in possible)
        numbers = ["nothing" if write.is_delete else write.number for write in possible]
        story = f"{key}: in the end a GET shows {seen}, the primary holds {primary}, the source {source}; possible: {numbers}"
        if not shown:
            return [story]
        if primary is None:
            # Nobody has written or read it: what the source holds is what lay there before.
            is_right = source == seen == self._load.before.get(key)
        elif primary == TOMBSTONE:
            is_right = seen is None and source is None
        else:
            is_right = primary == seen == source
        return [] if is_right else [story]

    def _of_listing(self, client: Any) -> list[str]:
        self.checks += 1
        listed = {item["Key"] for item in client.list_objects_v2(Bucket=self._load.bucket).get("Contents", [])}
        held = {key for key in self._load.keys if _get(client, self._load.bucket, key) is not None}
        return [] if listed == held else [f"in the end {sorted(held)} are there, and {sorted(listed)} are listed"]


def _get(client: Any, bucket: str, key: str) -> Version | None:
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    version = version_of(key, answer["Metadata"])
    if any(name.startswith("foodco-") for name in answer["Metadata"]):
        raise WrongBodyError(f"{key}: marks are shown: {answer['Metadata']}")
    check_body(version, answer["Body"].read())
    return version


def _stored(store: Store, bucket: str, key: str) -> Version | str | None:
    """What a store holds, or `TOMBSTONE`."""
    try:
        answer = store.s3.get_object(Bucket=bucket, Key=key)
    except store.s3.exceptions.NoSuchKey:
        return None
    if TOMBSTONE in answer["Metadata"]:
        return TOMBSTONE
    version = version_of(key, answer["Metadata"])
    body = answer["Body"].read()
    if "foodco-codec" in answer["Metadata"]:
        # By zstd itself, not by what is tested.
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            body = reader.read()
    check_body(version, body)
    return version
