"""Stores as values: what a store holds is one hashable object, and each call makes another of it.

The behaviour is `MemoryBackend`'s: it is loaded with the contents, asked, and read back. What only grows there (dates,
numbers of uploads) is no part of the value, so that equal contents are equal states.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from frozen import Failure, Frozen, freeze, shown, thaw

from foodco_storage.backends.capabilities import CAPABILITIES, PRESET_CAPABILITIES
from foodco_storage.backends.memory import MemoryBackend, Stored, Upload
from foodco_storage.flows.outcomes import BackendError, NotThere, Rejected
from foodco_storage.flows.request import Parameters, Request, Response

PRIMARY, SOURCE, BUCKET, KEY = "p", "s", "b", "k"

RGW_LACKS = frozenset(name for name in CAPABILITIES if not PRESET_CAPABILITIES["ceph"].get(name))
"""What Ceph's gateway lacks, the safety of racing writes included (DESIGN 5)."""

MODIFIED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""When everything was last modified: no protocol may decide by dates of two clocks (DESIGN 6, rule 12)."""

Contents: TypeAlias = Mapping[str, bytes | Parameters] | bytes | Parameters | None
"""What a store holds at first: by key a body, or parameters of a PutObject. Without a key it is that of `KEY`."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How the two stores behave.

    Args:
        primary_lacks: capabilities that the primary is without; what it lacks it ignores. Without `put_race_safe` it may
            drop a plain write that races with an If-Match PUT, without `delete_race_safe` a PUT that races with an If-Match
            DELETE, and acknowledge both.
        source_lacks: the same of the source.
        buckets: those that each store has.
    """

    primary_lacks: frozenset[str] = frozenset()
    source_lacks: frozenset[str] = frozenset()
    buckets: tuple[str, ...] = (BUCKET,)


class FrozenCall:
    """A request to one store, as a value. Equal ones of one exploration are one object (`Calls`).

    Args:
        number: orders the calls of one exploration.
        backend: the store's name.
        operation: botocore's name of the operation.
        params: its parameters, frozen.
        once: whether the store's client may not send it again by itself.
        fresh: the name of the upload that it would begin.
    """

    __slots__ = (
        "backend",
        "fresh",
        "if_match",
        "mutates",
        "number",
        "once",
        "operation",
        "params",
        "plain",
        "resent",
        "target",
    )

    def __init__(self, number: int, backend: str, operation: str, params: Frozen, *, once: bool, fresh: str) -> None:
        self.number = number
        self.backend = backend
        self.operation = operation
        self.params = params
        self.once = once
        self.fresh = fresh
        names = dict(params[1])
        self.target = backend, names.get("Bucket"), names.get("Key")
        self.mutates = not operation.startswith(("Get", "Head", "List", "Select"))
        self.if_match = "IfMatch" in names
        conditional = self.if_match or "IfNoneMatch" in names
        self.plain = operation in _WRITES and not conditional
        # A plain write that is sent again is a second write, and nobody can make one of the two.
        self.resent = self.mutates and not once and (conditional or operation == "CompleteMultipartUpload")

    def __str__(self) -> str:
        params = ", ".join(f"{name}={shown(value)}" for name, value in self.params[1] if name not in _SELF_EVIDENT)
        return f"{self.backend}.{self.operation}({params})"


_SELF_EVIDENT = {"Bucket", "ContentLength", "ContentMD5"}
_WRITES = {"PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject"}


class Calls:
    """Makes frozen calls, each of them once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, FrozenCall] = {}

    def call(self, backend: str, request: Request, *, once: bool, fresh: str) -> FrozenCall:
        """The one value of a request; its body is read to the end."""
        params = freeze(request.params)
        fresh = fresh if request.operation == "CreateMultipartUpload" else ""
        known = backend, request.operation, params, once, fresh
        if known not in self._known:
            self._known[known] = FrozenCall(
                len(self._known), backend, request.operation, params, once=once, fresh=fresh
            )
        return self._known[known]


class Answer:
    """What a call came to, as a value. Equal ones of one exploration are one object (`Answers`)."""

    __slots__ = ("value",)

    def __init__(self, value: Frozen | Failure) -> None:
        self.value = value

    @property
    def failed(self) -> bool:
        """Whether it is an error."""
        return isinstance(self.value, Failure)

    def __str__(self) -> str:
        if isinstance(self.value, Failure):
            return str(self.value)
        if self.value is None:
            return "done, SENT AGAIN below the flow"
        facts = dict(self.value[1])
        return " ".join(
            ["ok", *(f"{name}={shown(facts[name])}" for name in _TOLD if facts.get(name, _EMPTY) != _EMPTY)]
        )


_EMPTY: Frozen = ("dict", ())
_TOLD = ("Body", "Contents", "ETag", "Metadata", "Deleted", "Errors", "UploadId")


class Answers:
    """Makes answers, each of them once."""

    def __init__(self) -> None:
        self._known: dict[Frozen | Failure, Answer] = {}

    def answer(self, value: Frozen | Failure) -> Answer:
        """The one answer of this value."""
        if value not in self._known:
            self._known[value] = Answer(value)
        return self._known[value]


class Held:
    """What a store holds, as a value. Equal ones of one shelf are one object."""

    __slots__ = ("objects", "uploads")

    def __init__(self, objects: Frozen, uploads: Frozen) -> None:
        self.objects = objects
        self.uploads = uploads

    def __str__(self) -> str:
        objects = [(key, dict(stored[1])) for (_, key), stored in self.objects]
        held = [f"{key}={shown(stored['data'])} {shown(stored['described'])}" for key, stored in objects]
        return ", ".join(held) or "nothing"


class Shelf:
    """All that one store was seen to hold, and what every call made of it.

    Args:
        name: the backend's.
        buckets: those that exist.
        lacks: capabilities that it is without.
        answers: makes the answers.
    """

    def __init__(self, name: str, buckets: Iterable[str], lacks: Iterable[str], answers: Answers) -> None:
        self.name = name
        self.lacks = frozenset(lacks)
        self.drops_overwrites = "put_race_safe" in self.lacks
        self.drops_overwrites_by_deletes = "delete_race_safe" in self.lacks
        self._buckets = tuple(buckets)
        self._answers = answers
        self._known: dict[Frozen, Held] = {}
        self._done: dict[tuple[Held, FrozenCall], tuple[Held, Answer]] = {}

    def start(self, contents: Contents) -> Held:
        """What a store holds at first."""
        store = StoreInMemory(self.name, self._buckets, ())
        by_key = contents if isinstance(contents, Mapping) and "Body" not in contents else {KEY: contents}
        for key, content in by_key.items():
            if content is not None:
                params = content if isinstance(content, Mapping) else {"Body": content}
                store.call(Request("PutObject", {"Bucket": self._buckets[0], "Key": key, **params}))
        return self._read(store)

    def apply(self, held: Held, call: FrozenCall) -> tuple[Held, Answer]:
        """What a call makes of the store, and answers."""
        done = held, call
        if done not in self._done:
            store = self._loaded(held)
            store.fresh = call.fresh
            try:
                value: Frozen | Failure = freeze(store.call(Request(call.operation, thaw(call.params))))
            except BackendError as error:
                value = Failure.of(error)
            self._done[done] = self._read(store), self._answers.answer(value)
        return self._done[done]

    def objects(self, held: Held) -> dict[str, Stored]:
        """The objects in the first bucket, by key."""
        return self._loaded(held).buckets[self._buckets[0]]

    def _loaded(self, held: Held) -> StoreInMemory:
        store = StoreInMemory(self.name, self._buckets, self.lacks)
        for (bucket, key), stored in held.objects:
            store.buckets[bucket][key] = Stored(**thaw(stored), modified=MODIFIED)
        for upload_id, upload in held.uploads:
            store._uploads[upload_id] = Upload(**dict(zip(_UPLOAD_FIELDS, map(thaw, upload), strict=True)))
        return store

    def _read(self, store: StoreInMemory) -> Held:
        objects = tuple(
            ((bucket, key), freeze({name: getattr(stored, name) for name in _STORED_FIELDS}))
            for bucket, objects in sorted(store.buckets.items())
            for key, stored in sorted(objects.items())
        )
        uploads = tuple(
            (upload_id, tuple(freeze(getattr(upload, name)) for name in _UPLOAD_FIELDS))
            for upload_id, upload in sorted(store._uploads.items())
        )
        known = objects, uploads
        if known not in self._known:
            self._known[known] = Held(objects, uploads)
        return self._known[known]


_STORED_FIELDS = [field.name for field in fields(Stored) if field.name != "modified"]
_UPLOAD_FIELDS = [field.name for field in fields(Upload)]


class StoreInMemory(MemoryBackend):
    """The store in memory, with what only conditions in a race of two sides need.

    `fresh` names the next upload: no two of one exploration may be alike.
    """

    fresh = ""

    def _create_multipart_upload(self, params: Parameters) -> Response:
        self._uploads[self.fresh] = Upload(params["Key"], dict(params))
        return {"UploadId": self.fresh, "Bucket": params["Bucket"], "Key": params["Key"]}

    def _store(self, *args: Any) -> Stored:
        stored = super()._store(*args)
        stored.modified = MODIFIED
        return stored

    def _check_write(self, params: Parameters, capability: str) -> None:
        super()._check_write(params, capability)
        quoted = str(params.get("IfMatch", "")).startswith('"')
        if quoted and "put_if_match_quoted" in self._lacks and capability not in self._lacks:
            raise self._failed_condition()

    def _delete_object(self, params: Parameters) -> Response:
        if "IfMatch" in params and "delete_if_match" not in self._lacks:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
            stored = self._objects(params).get(params["Key"])
            if stored is None:
                raise self._error(NotThere, "NoSuchKey", 404, "The specified key does not exist.")
            if params["IfMatch"] != "*" and params["IfMatch"].strip('"') != stored.etag.strip('"'):
                raise self._failed_condition()
        return super()._delete_object(params)

    def _failed_condition(self) -> BackendError:
        return self._error(Rejected, "PreconditionFailed", 412, "At least one of the pre-conditions did not hold")
