"""What a store can do beyond the plain operations, and how that is known.

Capabilities belong to a backend and a bucket. In this order: what the configuration says; what `foodco-storage doctor
--probe` recorded in the bucket's reserved location; what the preset knows of its kind of store; and, for a store that
nobody has recorded anything about, one probe at the first need. What can't be learnt counts as missing: a feature that
needs it is then refused, never done unsafely.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from botocore.exceptions import ClientError
from cachetools import TLRUCache, TTLCache

from foodco_storage.flows.request import Parameters, Response
from foodco_storage.telemetry.recording import work
from foodco_storage.telemetry.telling import PLAIN, Telling

logger = logging.getLogger("foodco_storage")

CAPABILITIES = MappingProxyType(
    {
        "conditional_put": "PUT with If-None-Match: * is honoured, and atomic, on an unversioned bucket",
        "conditional_put_versioned": "the same on a versioned bucket",
        "put_if_match": "PUT with If-Match is honoured",
        "put_if_match_quoted": "PUT with If-Match is honoured with the ETag in quotes",
        "delete_if_match": "DELETE with If-Match is honoured",
        "complete_if_none_match": "CompleteMultipartUpload with If-None-Match is honoured",
        "copy_if_none_match": "CopyObject with If-None-Match is honoured",
        "part_number": "GET and HEAD with PartNumber answer that part",
        "object_attributes": "GetObjectAttributes is answered",
        "checksums": "checksums sent with a PUT are stored and returned",
        "delete_objects_without_md5": "DeleteObjects needs no Content-MD5",
        "put_race_safe": "a plain PUT that races with an If-Match PUT is never dropped",
        "delete_race_safe": "a PUT that races with a conditional DELETE is never dropped",
    }
)
"""Name and meaning of every capability."""

_CEPH_HAS = {"conditional_put", "put_if_match", "delete_objects_without_md5"}

PRESET_CAPABILITIES: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        # As documented: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
        "aws": MappingProxyType(dict.fromkeys(CAPABILITIES, True)),
        # As measured on RGW 16.2.15; `foodco-storage doctor --probe` repeats it on yours.
        "ceph": MappingProxyType({name: name in _CEPH_HAS for name in CAPABILITIES}),
        "s3": MappingProxyType({}),
    }
)
"""What each preset knows of its kind of store; what is not there is not known."""

RECORD_NAME = "capabilities.json"
"""The record's name under the reserved prefix: `{"version": 1, "capabilities": {NAME: true|false, ...}}`."""

VERSIONING_SECONDS = 60.0
"""How long the answer about a bucket's versioning is believed."""

FAILED_SECONDS = 60.0
"""How long a store that did not let itself be probed is not probed again."""

_MAX_BUCKETS = 1024
_MAX_RECORD_BYTES = 64 * 1024
# What says something about the key, the bucket or the rights of who asks. Anything else (wrong credentials, a wrong clock,
# an outage) may be otherwise in a moment, and must not be taken for a missing capability.
_ANSWERS = frozenset({"AccessDenied", "NoSuchBucket", "NoSuchKey"})
_NO_VERSIONING = frozenset({"MethodNotAllowed", "NotImplemented"})

Call = Callable[[str, Parameters], Response]
Probe = Callable[[Call, str, str], Mapping[str, bool]]
"""Given a way to call the backend, a bucket and a reserved prefix: what was found out."""


class Asked(Protocol):
    """A client of the store (`foodco_storage.backends.plain_client`)."""

    @property
    def send(self) -> Call:
        """Sends a request."""

    def close(self) -> None:
        """Close its connections."""

    def after_fork(self) -> None:
        """Leave the parent its connections and locks."""


_About: TypeAlias = tuple[str, str]
"""A bucket and the reserved prefix in it."""


@dataclass(frozen=True, slots=True)
class _Learnt:
    capabilities: Mapping[str, bool]
    failed: bool = False


def _believed_until(about: _About, learnt: _Learnt, now: float) -> float:  # noqa: ARG001 - cachetools' signature
    return now + FAILED_SECONDS if learnt.failed else math.inf


class CapabilityBook:
    """What is known of one backend, bucket by bucket.

    Args:
        backend: the backend's name, for messages.
        preset: `aws`, `ceph` or `s3`.
        configured: what the configuration says; wins over everything.
        asked: the backend's client for such questions.
        probe: finds out what nobody has recorded.
        clock: seconds that only grow.
        telling: whether anything may be told of what is asked for it.
    """

    def __init__(
        self,
        backend: str,
        preset: str,
        configured: Mapping[str, bool],
        asked: Asked,
        probe: Probe,
        clock: Callable[[], float] = time.monotonic,
        telling: Telling = PLAIN,
    ) -> None:
        self._backend = backend
        self._telling = telling
        self._preset = PRESET_CAPABILITIES[preset]
        self._configured = configured
        self._asked = asked
        self._probe = probe
        self._clock = clock
        # Buckets are few, but their names come from callers: bounded.
        self._learnt: TLRUCache[_About, _Learnt] = TLRUCache(_MAX_BUCKETS, _believed_until, timer=clock)
        self._versioned: TTLCache[str, bool | None] = TTLCache(_MAX_BUCKETS, VERSIONING_SECONDS, timer=clock)
        self._lock = threading.Lock()
        self._turns: dict[_About, threading.Lock] = {}

    def able(self, bucket: str, capability: str, reserved_prefix: str) -> bool:
        """Whether the backend has a capability on a bucket.

        Asks the backend once per bucket, at the first capability that the configuration does not settle.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: when the backend could not answer. Nothing
                is taken from an outage: the next call asks again.
        """
        able = self._known(bucket, capability, reserved_prefix)
        if capability == "conditional_put":
            versioned = self._known(bucket, "conditional_put_versioned", reserved_prefix)
            if able != versioned:
                state = self._is_versioned(bucket)
                return False if state is None else (versioned if state else able)
        return able

    def _known(self, bucket: str, capability: str, reserved_prefix: str) -> bool:
        known = self._configured.get(capability)
        return bool(self._of(bucket, reserved_prefix).get(capability) if known is None else known)

    def _is_versioned(self, bucket: str) -> bool | None:
        """Whether a bucket has, or had, versioning; None where that can't be told.

        Asked again now and then, since an operator may turn it on.
        """
        with self._lock:
            if bucket in self._versioned:
                return self._versioned[bucket]
        versioned = self._ask_whether_versioned(bucket)
        with self._lock:
            self._versioned[bucket] = versioned
        return versioned

    def _ask_whether_versioned(self, bucket: str) -> bool | None:
        try:
            # Suspended counts too: such a bucket keeps its versions, and RGW its way of ignoring conditions.
            return "Status" in self._asked.send("GetBucketVersioning", {"Bucket": bucket})
        except ClientError as error:
            if _code(error) in _NO_VERSIONING:
                return False
            _must_be_an_answer(error)
            logger.warning(
                "versioning of bucket %r of backend %r can't be read, so conditional writes count as impossible: %s",
                bucket,
                self._backend,
                error,
            )
            return None

    def _of(self, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
        about = bucket, reserved_prefix
        with self._lock:
            learnt = self._learnt.get(about)
            if learnt is not None:
                return learnt.capabilities
            turn = self._turns.setdefault(about, threading.Lock())
        # One thread learns; those that want to know of the same bucket wait for it, others don't.
        with turn:
            with self._lock:
                learnt = self._learnt.get(about)
            if learnt is None:
                try:
                    learnt = self._learn(bucket, reserved_prefix)
                    with self._lock:
                        self._learnt[about] = learnt
                finally:
                    with self._lock:
                        self._turns.pop(about, None)
        return learnt.capabilities

    def _learn(self, bucket: str, reserved_prefix: str) -> _Learnt:
        # For all who come after as well: no part of the operation that happens to be the first.
        with work("probe", None, bucket, None, self._telling):
            return self._found_out(bucket, reserved_prefix)

    def _found_out(self, bucket: str, reserved_prefix: str) -> _Learnt:
        recorded = self.recorded(bucket, reserved_prefix)
        if recorded is not None or self._preset:
            return _Learnt({**self._preset, **(recorded or {})})
        try:
            return _Learnt(self._probe(self._asked.send, bucket, reserved_prefix))
        except ClientError as error:
            _must_be_an_answer(error)
            logger.warning(
                "capabilities of backend %r on bucket %r could not be probed, and count as missing: %s",
                self._backend,
                bucket,
                error,
            )
            return _Learnt({}, failed=True)

    def recorded(self, bucket: str, reserved_prefix: str) -> Mapping[str, bool] | None:
        """What an operator recorded for a bucket; None where nothing readable is."""
        key = reserved_prefix + RECORD_NAME
        try:
            body = self._asked.send("GetObject", {"Bucket": bucket, "Key": key})["Body"]
            try:
                text = body.read(_MAX_RECORD_BYTES)
            finally:
                body.close()
            return parse_record(text)
        except ValueError as error:
            logger.warning("the record %s in bucket %r of backend %r is damaged: %s", key, bucket, self._backend, error)
        except ClientError as error:
            _must_be_an_answer(error)
            logger.debug("no record of capabilities in bucket %r of backend %r: %s", bucket, self._backend, error)
        return None

    def close(self) -> None:
        """Close the connections that questions were asked by."""
        self._asked.close()

    def after_fork(self) -> None:
        """A lock that another thread held at the fork would stay locked in the child."""
        self._lock = threading.Lock()
        self._turns = {}
        self._asked.after_fork()


def _must_be_an_answer(error: ClientError) -> None:
    """Let a store's "not there" or "you may not" pass; what says nothing about the store's abilities goes up."""
    if _code(error) not in _ANSWERS:
        raise error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def parse_record(text: bytes) -> dict[str, bool]:
    """Read a record.

    Raises:
        ValueError: when it is not one.
    """
    record: Any = json.loads(text)
    match record:
        case {"version": 1, "capabilities": {**found}}:
            return {name: able for name in CAPABILITIES if isinstance(able := found.get(name), bool)}
    raise ValueError("not a record of capabilities, version 1")


def format_record(capabilities: Mapping[str, bool]) -> bytes:
    """Write a record."""
    return json.dumps({"version": 1, "capabilities": dict(capabilities)}, indent=2, sort_keys=True).encode()
