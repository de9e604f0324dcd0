"""What a store can do beyond the plain operations, and how that is known.

Capabilities belong to a backend and a bucket. In this order: what the configuration says; what `foodco-storage doctor
--probe` recorded in the bucket's reserved location; what the preset knows of its kind of store; and, for a store that
nobody has recorded anything about, one probe at the first need. What can't be learnt counts as missing: a feature that
needs it is then refused, never done unsafely.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from foodco_storage.flows.request import Parameters, Response

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

_MAX_RECORD_BYTES = 64 * 1024
_SERVER_ERROR = 500

Call = Callable[[str, Parameters], Response]
Probe = Callable[[Call, str, str], Mapping[str, bool]]
"""Given a way to call the backend, a bucket and a reserved prefix: what was found out."""


class CapabilityBook:
    """What is known of one backend, bucket by bucket.

    Args:
        backend: the backend's name, for messages.
        preset: `aws`, `ceph` or `s3`.
        configured: what the configuration says; wins over everything.
        call: sends a request to the backend.
        probe: finds out what nobody has recorded.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        backend: str,
        preset: str,
        configured: Mapping[str, bool],
        call: Call,
        probe: Probe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._preset = PRESET_CAPABILITIES[preset]
        self._configured = configured
        self._call = call
        self._probe = probe
        self._clock = clock
        self._learnt: dict[str, Mapping[str, bool]] = {}
        self._versioning: dict[str, tuple[bool, float]] = {}
        self._lock = threading.Lock()

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
                return versioned if self._is_versioned(bucket) else able
        return able

    def _known(self, bucket: str, capability: str, reserved_prefix: str) -> bool:
        known = self._configured.get(capability)
        return bool(self._of(bucket, reserved_prefix).get(capability) if known is None else known)

    def _is_versioned(self, bucket: str) -> bool:
        """Whether a bucket has, or had, versioning; asked again now and then, since an operator may turn it on."""
        answer = self._versioning.get(bucket)
        if answer is None or answer[1] < self._clock():
            try:
                # Suspended counts too: such a bucket keeps its versions, and RGW its way of ignoring conditions.
                versioned = "Status" in self._call("GetBucketVersioning", {"Bucket": bucket})
            except ClientError as error:
                _must_be_an_answer(error)
                logger.warning(
                    "versioning of bucket %r of backend %r can't be read, so it counts as versioned: %s",
                    bucket,
                    self._backend,
                    error,
                )
                versioned = True
            answer = self._versioning[bucket] = (versioned, self._clock() + VERSIONING_SECONDS)
        return answer[0]

    def _of(self, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
        learnt = self._learnt.get(bucket)
        if learnt is None:
            with self._lock:
                learnt = self._learnt.get(bucket)
                if learnt is None:
                    learnt = self._learnt[bucket] = {**self._preset, **self._learn(bucket, reserved_prefix)}
        return learnt

    def _learn(self, bucket: str, reserved_prefix: str) -> Mapping[str, bool]:
        recorded = self.recorded(bucket, reserved_prefix)
        if recorded is not None or self._preset:
            return recorded or {}
        try:
            return self._probe(self._call, bucket, reserved_prefix)
        except ClientError as error:
            _must_be_an_answer(error)
            logger.warning(
                "capabilities of backend %r on bucket %r could not be probed, and count as missing: %s",
                self._backend,
                bucket,
                error,
            )
            return {}

    def recorded(self, bucket: str, reserved_prefix: str) -> Mapping[str, bool] | None:
        """What an operator recorded for a bucket; None where nothing readable is."""
        key = reserved_prefix + RECORD_NAME
        try:
            body = self._call("GetObject", {"Bucket": bucket, "Key": key})["Body"]
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

    def after_fork(self) -> None:
        """A lock that another thread held at the fork would stay locked in the child."""
        self._lock = threading.Lock()


def _must_be_an_answer(error: ClientError) -> None:
    """Let a store's "not there" or "you may not" pass; what says nothing about the store's abilities goes up."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # `404` without a name is not S3's: a GET has a body to name the error in.
    if status in (0, 429) or status >= _SERVER_ERROR or code in ("", "404"):
        raise error


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
