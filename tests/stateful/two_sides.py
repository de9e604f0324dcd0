"""Two stores, each behind a proxy that can fail, and the library over both; a bucket for each example."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import zstandard
from botocore.config import Config
from dict_model import shown

import foodco_storage
from foodco_storage.config import load
from foodco_storage.drivers.background import background
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.front import mirroring
from foodco_storage.front.routes import identity
from foodco_storage.journal import Journal
from foodco_storage.testing import Answer, Close, Fault, FaultProxy, Reset, Server, ServerUnavailable, wait_until


@dataclass(frozen=True)
class Kind:
    """How a kind of store is configured, and what it does otherwise than S3.

    Args:
        settings: of the backend.
        copies_merge_tags: a copy adds the source's tags to those that the destination has, or had before it was deleted.
        copies_lose_tags: of a CopyObject the tags do what MetadataDirective says; TaggingDirective does harm.
        untagging_hides_etags: after a DeleteObjectTagging listings show an object without its ETag.
        repeats_prefixes: a list from within a common prefix shows it, though no key behind the start has it.
        needs_tags: a PutObjectTagging without tags, by which the library mirrors their removal, is answered 500.
    """

    settings: Mapping[str, Any]
    copies_merge_tags: bool = False
    copies_lose_tags: bool = False
    untagging_hides_etags: bool = False
    repeats_prefixes: bool = False
    needs_tags: bool = False


# It can't be probed: it judges conditions one after the other.
_MOTO_CAPABILITIES = {
    "conditional_put": True,
    "put_if_match": True,
    "put_if_match_quoted": True,
    "delete_if_match": True,
    "complete_if_none_match": True,
    "copy_if_none_match": True,
    "part_number": True,
    "object_attributes": True,
    "checksums": True,
}
MOTO = Kind(
    {"preset": "s3", "capabilities": _MOTO_CAPABILITIES}, copies_merge_tags=True, repeats_prefixes=True, needs_tags=True
)
CEPH = Kind({"preset": "ceph"}, copies_lose_tags=True, untagging_hides_etags=True)
SEAWEEDFS = Kind({"preset": "s3"})

FAULTS: dict[str, Fault | None] = {
    "refused": None,
    "503": Answer(503, b"<html>nobody home</html>", {"Content-Type": "text/html"}),
    "reset": Reset(of="request"),
    "answer lost": Reset(of="stream"),
    "closed": Close(of="stream"),
}
"""What a store that is down does; the two before the last lose the answers of what they have carried out."""

TOMBSTONE = "foodco-tombstone"
CODEC = "foodco-codec"


@dataclass(frozen=True, repr=False)
class Raw:
    """An object as it lies in a store, without the library's marks; `is_tombstone` is what those say."""

    body: bytes
    content_type: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    is_tombstone: bool

    def __repr__(self) -> str:
        if self.is_tombstone:
            return "a tombstone"
        return f"{shown(self.body)} {self.content_type} {dict(self.metadata)} tags={dict(self.tags)}"


class Side:
    """One store: `s3` goes straight to it, the library goes through the proxy."""

    def __init__(self, server: Server, kind: Kind, stack: ExitStack) -> None:
        self.kind = kind
        self.proxy = stack.enter_context(FaultProxy(server.host, server.port))
        arguments = server.client_arguments()
        config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        self.s3 = boto3.client("s3", **arguments, config=config)
        stack.callback(self.s3.close)
        self.backend = {
            **kind.settings,
            "endpoint_url": self.proxy.endpoint_url,
            "region": server.region,
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
            "allow_plaintext_secrets": True,
            # What fails, fails at once: nobody waits for retries.
            "max_attempts": 1,
            "connect_timeout_seconds": 5.0,
            "read_timeout_seconds": 30.0,
            "breaker": {"enabled": False},
        }

    def fail(self, kind: str) -> None:
        fault = FAULTS[kind]
        if fault is None:
            self.proxy.refuse()
        else:
            self.proxy.inject(fault)

    def cut_once(self, after_bytes: int) -> None:
        """Break the connection of the next GET, that many bytes into its body."""
        self.proxy.inject(Reset(after_bytes), times=1, methods=["GET"])

    def raw(self, bucket: str, key: str) -> Raw | None:
        """What lies there."""
        try:
            answer = self.s3.get_object(Bucket=bucket, Key=key)
        except self.s3.exceptions.NoSuchKey:
            return None
        stored = answer["Metadata"]
        metadata = {name: value for name, value in stored.items() if not name.startswith("foodco-")}
        tags = self.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        body = answer["Body"].read()
        if CODEC in stored:
            # By zstd itself, not by what is tested.
            with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                body = reader.read()
        return Raw(
            body,
            answer["ContentType"],
            metadata,
            {tag["Key"]: tag["Value"] for tag in tags},
            TOMBSTONE in stored,
        )

    def keys(self, bucket: str) -> set[str]:
        """Everything that lies in the bucket."""
        return {item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


class Clock:
    """The system's, and ahead of it whenever a test would not wait."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_seconds


class TwoSides:
    """A primary and a source, for a whole test."""

    def __init__(self, primary: Side, source: Side, directory: Path) -> None:
        self.primary = primary
        self.source = source
        self.directory = directory / "journal"
        self.clock = Clock()
        self._identities: dict[str, dict[str, str]] = {}
        self.mirroring = mirroring.Mirroring(Journal(self.directory, clock=self.clock))
        # The one of this process: its journal's clock is the test's, so that backoffs cost no time.
        mirroring._opened[self.directory] = self.mirroring

    def new_bucket(self) -> str:
        bucket = f"dict-{uuid.uuid4().hex[:20]}"
        for side in (self.primary, self.source):
            side.proxy.pass_through()
            side.s3.create_bucket(Bucket=bucket)
        return bucket

    def configuration(self, bucket: str, phase: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if options.get("compression") and phase in {"source", "backfill"}:
            # Whoever goes back goes on reading what was compressed.
            options = {**options, "compression": {**options["compression"], "codec": "none"}}
        return {
            "backends": {"new": self.primary.backend, "old": self.source.backend},
            "routes": {"r": {"bucket": bucket, "primary": "new", "fallbacks": ["old"], "phase": phase, **options}},
            "journal": {"directory": str(self.directory)},
            "cache": {"directory": str(self.directory.with_name("cache"))},
            "default": {"backend": "new"},
        }

    def client(self, bucket: str, phase: str, options: Mapping[str, Any], *, in_a_new_session: bool = False) -> Any:
        """A client of the library, perhaps in a session that knows nothing of those before."""
        storage = self.configuration(bucket, phase, options)
        return (foodco_storage.Session() if in_a_new_session else foodco_storage).client(storage=storage)

    def identities(self, bucket: str) -> dict[str, str]:
        """Of the route in the journal, by who is the authority."""
        if bucket not in self._identities:
            configuration = load(self.configuration(bucket, "cutover", {}))
            assert configuration is not None
            route, backends = configuration.routes["r"], configuration.backends
            self._identities[bucket] = {name: identity("r", route, backends, name) for name in ("new", "old")}
        return self._identities[bucket]

    def depth(self, bucket: str) -> int:
        """How many writes of the bucket are not on both sides yet."""
        return sum(self.mirroring.journal.depth(name) for name in self.identities(bucket).values())

    def wait_until_mirrored(self, bucket: str) -> None:
        """Both stores are up: what is left over is brought over, without waiting for its time."""
        assert background.join(), "promotes take too long"

        def is_empty() -> bool:
            if not self.depth(bucket):
                return True
            self.clock.ahead_seconds += 61.0
            self.mirroring.wake()
            return False

        try:
            wait_until(is_empty, what="the journal to be empty", timeout_seconds=20.0)
        except ServerUnavailable as error:
            # Of the failures in it the first tells why.
            raise AssertionError([str(row) for row in self.mirroring.journal.entries()]) from error

    def reconcile(self, bucket: str, keys: list[str]) -> None:
        """In backfill: bring keys of the primary up to date, as after the loss of a journal."""
        journal, theirs = self.mirroring.journal, self.identities(bucket)["old"]
        journal.defer(journal.enter([Entry("r", theirs, bucket, key, tags=True) for key in keys]))
        self.wait_until_mirrored(bucket)
