"""What callers must see: a dict. Nothing here knows the library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def etag_of_parts(parts: Iterable[bytes]) -> str:
    digests = [hashlib.md5(part).digest() for part in parts]
    return f"{md5(b''.join(digests))}-{len(digests)}"


def shown(body: bytes) -> str:
    """For messages."""
    return repr(body) if len(body) <= 20 else f"{body[:8]!r}...{len(body)} bytes"


@dataclass(frozen=True, repr=False)
class Object:
    """An object as its writer meant it."""

    body: bytes
    content_type: str = "text/plain"
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parts_etag: str | None = None

    @property
    def etags(self) -> set[str]:
        """Those that it may go by: a copy of an object of several parts is an object of one."""
        return {md5(self.body)} | ({self.parts_etag} if self.parts_etag else set())

    def parameters(self) -> dict[str, Any]:
        """Of a PUT, without the body."""
        described: dict[str, Any] = {"ContentType": self.content_type, "Metadata": dict(self.metadata)}
        return described | ({"Tagging": urlencode(self.tags)} if self.tags else {})

    def is_described_by(self, answer: Mapping[str, Any]) -> bool:
        """Whether a GET or HEAD of it may answer so."""
        return bool(
            etag_of(answer) in self.etags
            and answer["ContentType"] == self.content_type
            and answer["Metadata"] == self.metadata
        )

    def __repr__(self) -> str:
        return (
            f"{shown(self.body)} {self.content_type} {dict(self.metadata)} tags={dict(self.tags)} {sorted(self.etags)}"
        )


State = Object | None


def etag_of(answer: Mapping[str, Any]) -> str:
    """The ETag of an object, or what it would be if the object did not lie compressed."""
    recorded: str | None = answer["ResponseMetadata"]["Storage"].get("md5")
    return recorded or str(answer["ETag"]).strip('"')


class Dict:
    """Keys and what they may hold. Mostly that is one thing; several after a write whose outcome nobody knows."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._states: dict[str, list[State]] = {key: [None] for key in keys}

    def __iter__(self) -> Any:
        return iter(self._states)

    def states(self, key: str) -> list[State]:
        return self._states[key]

    def is_known(self, key: str) -> bool:
        return len(self._states[key]) == 1

    def get(self, key: str) -> State:
        """What a key holds, once that is known; of states that no read tells apart, one."""
        return self._states[key][0]

    def holds(self, key: str, state: State) -> None:
        """A write was acknowledged."""
        self._states[key] = [state]

    def may_hold(self, key: str, state: State) -> None:
        """A write failed in a way that does not tell whether it took place."""
        if state not in self._states[key]:
            self._states[key] = [*self._states[key], state]

    def saw(self, key: str, states: list[State], what: str) -> None:
        """Something was read that only these states explain."""
        possible = " or ".join(repr(state) if state else "nothing" for state in self._states[key])
        assert states, f"{key!r} holds {possible}, but {what}"
        self._states[key] = states


@dataclass(frozen=True)
class Listing:
    """Names as a listing shows them, in order, with sizes of the keys."""

    sizes: dict[str, int]
    prefixes: list[str]


def listing(model: Dict, prefix: str, delimiter: str | None, after: str) -> Listing:
    """What a listing must show. Every key must be known."""
    sizes: dict[str, int] = {}
    prefixes: list[str] = []
    for key in sorted(model, key=str.encode):
        state = model.get(key)
        if state is None or not key.startswith(prefix):
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if found and delimiter:
            name = prefix + head + delimiter
            # S3 leaves out what a listing from behind this very name has passed.
            if name.encode() > after.encode() and not after.startswith(name) and name not in prefixes:
                prefixes.append(name)
        elif key.encode() > after.encode():
            sizes[key] = len(state.body)
    return Listing(sizes, prefixes)
