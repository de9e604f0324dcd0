"""Operations of users through production layers, in the words of the cases that explore them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from endings import Reconcile
from immutable_stores import BUCKET, KEY, PRIMARY, SOURCE
from linearizability import Delete, DeleteIfMatch, PutIfAbsent, PutIfMatch, Read, Value, Write
from programs import Operation, Results, failed_condition, nothing_there
from users import DEFAULT_TYPE, etag, saw_all_ok, saw_body, saw_head, saw_listed, saw_ok, value_of

from foodco_storage.config import Route as ConfiguredRoute
from foodco_storage.flows.effects import sent
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.front.routes import route_in_phase
from foodco_storage.layers.copies import Locate
from foodco_storage.layers.order import flow_through, layers_of
from foodco_storage.layers.reconcile import Reconcile as Reconciliation
from foodco_storage.layers.route import Route

Phase = Literal["source", "backfill", "cutover", "drain", "target"]

Layers = Callable[[Route, Locate], Sequence[Any]]
"""Makes the layers of a route, as `layers_of` does."""


def route_in(phase: Phase | None, **options: Any) -> Route:
    """A route over the two stores in a phase, as production makes it.

    Args:
        phase: of the migration.
        options: what else the configuration says of the route, `mirror=Mirror(mode="async")`.
    """
    configured = ConfiguredRoute(bucket=BUCKET, primary=PRIMARY, fallbacks=[SOURCE], phase=phase, **options)
    return route_in_phase("r", configured, phase, {})


def reconcile_in(*routes: Route) -> Reconcile:
    """Production's reconciliation of a journal entry, on the one of these routes that made it."""

    def reconcile(entry: Entry) -> Flow:
        (route,) = (route for route in routes if route.identity == entry.identity)
        return Reconciliation(route).key({"Bucket": entry.bucket, "Key": entry.key}, tags=entry.tags)

    return reconcile


@dataclass(frozen=True, slots=True)
class Through:
    """Operations through the layers of a route.

    Each run of an operation has layers of its own, since they may remember: whatever one operation leaves there for the
    next is not seen, as if every operation came from another process.

    Args:
        route: whose.
        layers: makes other layers than the route's own: with a rule taken out, say.
        locate: the route of the source of a copy; the same by default.
        who: put in front of the operations' names, where clients differ.
    """

    route: Route
    layers: Layers = layers_of
    locate: Locate | None = None
    who: str = ""

    def flow(self, operation: str, **params: Any) -> Callable[[], Flow]:
        """Makes the flow of an operation."""
        return lambda: self._send(self._made(), operation, **params)

    def put(self, body: bytes, *, key: str = KEY, **params: Any) -> Operation:
        """PutObject."""
        value = value_of(body, params.get("ContentType", DEFAULT_TYPE))
        flow = self.flow("PutObject", Key=key, Body=body, **params)
        return Operation(f"{self.who}put {value!r}", flow, ((key, Write(value)),), saw_ok)

    def put_if_absent(self, body: bytes, *, key: str = KEY, **params: Any) -> Operation:
        """PutObject with `IfNoneMatch="*"`."""
        value = value_of(body, params.get("ContentType", DEFAULT_TYPE))
        flow = self.flow("PutObject", Key=key, Body=body, IfNoneMatch="*", **params)
        actions = ((key, PutIfAbsent(value)),)
        return Operation(f"{self.who}put {value!r} if absent", flow, actions, saw_ok, failed_condition)

    def put_if_match(self, expected: bytes, body: bytes, *, key: str = KEY, **params: Any) -> Operation:
        """PutObject with `IfMatch`."""
        value = value_of(body, params.get("ContentType", DEFAULT_TYPE))
        flow = self.flow("PutObject", Key=key, Body=body, IfMatch=etag(expected), **params)
        actions = ((key, PutIfMatch(expected, value)),)
        return Operation(f"{self.who}put {value!r} if {expected!r}", flow, actions, saw_ok, failed_condition)

    def upload(self, *parts: bytes, key: str = KEY, completes: Through | None = None, **params: Any) -> Operation:
        """A multipart upload, from its creation to its completion.

        Args:
            parts: what is uploaded.
            key: where to.
            completes: who completes it, where that is another: the phase was moved meanwhile.
            params: of its creation.
        """

        def flow() -> Flow:
            layers = self._made()
            created = yield from self._send(layers, "CreateMultipartUpload", Key=key, **params)
            upload = {"Key": key, "UploadId": created["UploadId"]}
            done = []
            for number, part in enumerate(parts, 1):
                answer = yield from self._send(layers, "UploadPart", PartNumber=number, Body=part, **upload)
                done.append({"PartNumber": number, "ETag": answer["ETag"]})
            complete = partial(self._send, layers) if completes is None else partial(completes._send, completes._made())
            return (yield from complete("CompleteMultipartUpload", MultipartUpload={"Parts": done}, **upload))

        value = value_of(b"".join(parts), params.get("ContentType", DEFAULT_TYPE))
        return Operation(f"{self.who}upload {value!r}", flow, ((key, Write(value)),), saw_ok)

    def copy(self, source_key: str, value: Value, *, key: str = KEY, **params: Any) -> Operation:
        """CopyObject from a key that nobody writes, and which holds `value`."""
        flow = self.flow("CopyObject", Key=key, CopySource={"Bucket": BUCKET, "Key": source_key}, **params)
        return Operation(f"{self.who}copy {source_key}", flow, ((key, Write(value)),), saw_ok)

    def delete(self, *, key: str = KEY) -> Operation:
        """DeleteObject."""
        return Operation(f"{self.who}delete", self.flow("DeleteObject", Key=key), ((key, Delete()),), saw_ok)

    def delete_if_match(self, expected: bytes, *, key: str = KEY) -> Operation:
        """DeleteObject with `IfMatch`."""
        flow = self.flow("DeleteObject", Key=key, IfMatch=etag(expected))
        actions = ((key, DeleteIfMatch(expected)),)
        return Operation(f"{self.who}delete if {expected!r}", flow, actions, saw_ok, failed_condition)

    def delete_many(self, *keys: str) -> Operation:
        """DeleteObjects; where one key has an error, nothing is known of any."""
        keys = keys or (KEY,)
        flow = self.flow("DeleteObjects", Delete={"Objects": [{"Key": key} for key in keys]})
        actions = tuple((key, Delete()) for key in keys)
        return Operation(f"{self.who}delete {', '.join(keys)}", flow, actions, saw_all_ok(len(keys)))

    def get(self, *, key: str = KEY, reads_body: bool = True, **params: Any) -> Operation:
        """GetObject, and the body read to its end; or not read at all, and then nothing was seen."""
        flow = self.flow("GetObject", Key=key, **params)
        if not reads_body:
            return Operation(f"{self.who}get, body not read", flow, knows=_whatever_it_is)
        return Operation(f"{self.who}get", flow, ((key, Read()),), saw_body, nothing_there)

    def head(self, *, key: str = KEY, **params: Any) -> Operation:
        """HeadObject."""
        flow = self.flow("HeadObject", Key=key, **params)
        return Operation(f"{self.who}head", flow, ((key, Read()),), saw_head, nothing_there)

    def list(self, *keys: str, operation: str = "ListObjectsV2", **params: Any) -> Operation:
        """A listing, and what it shows of some keys."""
        keys = keys or (KEY,)
        actions = tuple((key, Read()) for key in keys)
        return Operation(f"{self.who}list", self.flow(operation, **params), actions, saw_listed(keys))

    def work(self, name: str, flow: Callable[[], Flow]) -> Operation:
        """Work that no user sees: a promote, a collection of tombstones. Its failure is nobody's."""
        return Operation(f"{self.who}{name}", flow, knows=_whatever_it_is)

    def _made(self) -> Sequence[Any]:
        return self.layers(self.route, self.locate or (lambda bucket, key: self.route))

    def _send(self, layers: Sequence[Any], operation: str, **params: Any) -> Flow:
        authority = self.route.authority
        below: Below = flow_through(layers, operation, authority) or partial(sent, authority)
        return below(Request(operation, {"Bucket": BUCKET, **params}))


def _whatever_it_is(error: Exception) -> Results:
    return ()
