"""Deletes on routes that migrate: nothing deleted comes back (DESIGN 6, rule 2).

While the primary is the authority and the source may hold the key, a delete writes a tombstone: a plain delete, in whatever
order, would let a promote that is under way bring the key back. While the source is the authority it deletes there, and the
tombstone keeps what may lie on the primary out of sight for later.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from foodco_storage.flows.effects import Call, Defer, Enter, Gather, Tell, sent
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.outcomes import BackendError, NoBucket, Unavailable
from foodco_storage.flows.request import Below, Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected
from foodco_storage.layers.conditional_writes import ConditionalWrites, is_conditional
from foodco_storage.layers.delete_parameters import NOT_CARRIED, check_one, check_several
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.route import Route
from foodco_storage.layers.storage_metadata import note

_NO_CONTENT = 204
_OWNERS = ("ExpectedBucketOwner", "RequestPayer")
_REFUSALS = frozenset(
    {"AccessDenied", "InvalidArgument", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion", "PreconditionFailed"}
)
"""What a store tells of a key of DeleteObjects that it has certainly not deleted; `InternalError` leaves that open."""

_TO_THE_TOMBSTONE = (*_OWNERS, "IfMatch", "IfNoneMatch")


class Deletes:
    """Deletes objects of one route.

    Args:
        route: in backfill, cutover or drain.
        conditions: settles the caller's.
        mirror: lets the other side follow.
    """

    def __init__(self, route: Route, conditions: ConditionalWrites, mirror: Mirror) -> None:
        self._route = route
        self._conditions = conditions
        self._authority = route.authority
        self._mirror = mirror

    def delete_object(self, request: Request, below: Below) -> Flow:
        """Delete one object, or one version of it where the source is the authority."""
        if self._route.marks_deletes:
            check_one(request)
        direct = None
        if "VersionId" not in request.params or self._route.marks_deletes:
            which: Parameters = {name: request.params[name] for name in ("Bucket", "Key") if name in request.params}
            direct = partial(self._mirror.direct_delete, which)
        response = yield from self._mirror.around(request, self._take_away(request), direct)
        return note(response, backend=self._authority.backend)

    def delete_objects(self, request: Request, below: Below) -> Flow:
        """Delete up to 1000 keys at once."""
        if self._route.marks_deletes:
            check_several(request)
        objects = _listed(request)
        if objects is None:
            # Empty, or not of the form that botocore takes: it says so better than we could.
            return (yield from below(request))
        response = yield from self._delete_each(request, objects)
        return note(response, backend=self._authority.backend)

    def rename_object(self, request: Request, below: Below) -> Flow:
        """Refuse: it deletes its source without a tombstone."""
        yield from ()
        raise refused(request, "a rename would let the source's copy show again under the old name; copy, then delete")

    def delete_bucket(self, request: Request, below: Below) -> Flow:
        """Refuse: the bucket holds tombstones, or the other side of what it holds."""
        yield from ()
        raise refused(request, f"the bucket takes part in a migration (phase {self._route.phase!r}); end that first")

    def _take_away(self, request: Request) -> Flow:
        """Delete on the authority."""
        if not self._route.marks_deletes:
            return (yield from sent(self._authority, request, once=is_conditional(request)))
        params = request.params
        if params.get("VersionId", "null") != "null":
            raise refused(
                request,
                "deleting one version on the primary could let the source's copy show again; delete the key, or the version "
                "when the migration has ended",
            )
        if not NOT_CARRIED.isdisjoint(params):
            raise refused(
                request,
                "a delete can't be tied to IfMatchLastModifiedTime or IfMatchSize while the bucket migrates; use IfMatch",
            )
        response = yield from self._conditions.carry_out(request, "put_if_match", self._put_tombstone)
        yield Tell("tombstone", "done", self._route.name, {"Bucket": params["Bucket"], "Key": params["Key"]})
        return _as_of_a_delete(response)

    def _put_tombstone(self, request: Request) -> Flow:
        """Send a delete to the authority as the PUT that stands for it."""
        params = request.params
        ask = tombstone(params["Bucket"], params["Key"], **{k: params[k] for k in _TO_THE_TOMBSTONE if k in params})
        return (yield from sent(self._authority, ask, once=is_conditional(request)))

    def _delete_each(self, request: Request, objects: Sequence[Parameters]) -> Flow:
        """Each key by itself on the authority, the other side by one request."""
        requests = [_single(request, item) for item in objects]
        keys = [{"Bucket": one.params["Bucket"], "Key": one.params["Key"]} for one in requests]
        numbers: Sequence[int] = [0] * len(keys)
        if self._mirror.follows:
            numbers = yield Enter([self._route.entry(which) for which in keys])
        results, response = yield from self._take_each_away(request, requests)
        done = []
        for number, which, result in zip(numbers, keys, results, strict=True):
            if not isinstance(result, Exception):
                done.append((number, which))
            elif self._mirror.follows:
                yield from self._mirror.not_written([number], result)
        if (failure := _failure_of_all(results, response)) is not None:
            if self._mirror.follows:
                yield Defer([number for number, _ in done])
            raise failure
        answer = response if isinstance(response, dict) else _answer(request, objects, results)
        if not self._mirror.follows:
            return answer
        deleted = [which for _, which in done]
        gone = yield from self._tell_other(request, deleted)
        versions = {one.params["Key"] for one in requests if "VersionId" in one.params}
        pending = yield from self._mirror.follow_deletes(
            deleted, [number for number, _ in done], gone, () if self._route.marks_deletes else versions
        )
        return note(answer, mirror="pending") if pending else answer

    def _tell_other(self, request: Request, keys: Sequence[Parameters]) -> Generator[Any, Any, set[str]]:
        """Delete on the source by one request in place of a thousand; which keys that has reached."""
        route = self._route
        if not keys or route.other is None or not route.marks_deletes or route.mirroring.mode != "sync":
            return set()
        objects = [{"Key": which["Key"]} for which in keys]
        delete = {"Bucket": request.params["Bucket"], "Delete": {"Objects": objects}}
        try:
            answer: Response = yield Call(route.other, Request("DeleteObjects", delete))
        except BackendError:
            # Each key by itself then, whose failure is told and journalled.
            return set()
        # Told key by key: an answer that was cut off tells of none.
        return {told.get("Key") for told in answer.get("Deleted", ())}

    def _take_each_away(
        self, request: Request, requests: Sequence[Request]
    ) -> Generator[Any, Any, tuple[list[Any], Response | Exception | None]]:
        """What became of each key; and the answer, where the store knows the operation itself."""
        if self._route.marks_deletes:
            return list((yield Gather([self._take_away(one) for one in requests]))), None
        try:
            answer: Response = yield Call(self._authority, request)
        except Exception as error:  # noqa: BLE001 - raised when the journal knows of it
            return [error] * len(requests), error
        return [self._failure_among(answer, one) or {} for one in requests], answer

    def _failure_among(self, answer: Response, request: Request) -> BackendError | None:
        """What the store tells of one of several keys, where it could not be deleted; some leave the version out."""
        key, versions = request.params["Key"], (None, request.params.get("VersionId"))
        for error in answer.get("Errors", ()):
            if error.get("Key") == key and error.get("VersionId") in versions:
                break
        else:
            return None
        code = str(error.get("Code"))
        failure = rejected(request, code, 400, "told in the answer")
        if code not in _REFUSALS:
            return Unavailable(self._authority.backend, failure.error)
        # An earlier attempt, whose answer was lost, may have deleted it.
        attempts = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        failure.error.response["ResponseMetadata"]["RetryAttempts"] = attempts  # type: ignore[attr-defined]
        return failure


def _listed(request: Request) -> list[Parameters] | None:
    delete: Any = request.params.get("Delete")
    objects = delete.get("Objects") if isinstance(delete, dict) else None
    if not isinstance(objects, list | tuple) or not objects:
        return None
    if not all(isinstance(item, dict) and isinstance(item.get("Key"), str) for item in objects):
        return None
    return list(objects)


def _single(request: Request, item: Parameters) -> Request:
    """The delete of one of several keys."""
    params = {"Bucket": request.params["Bucket"], "Key": item["Key"], **_owners(request)}
    if "VersionId" in item:
        params["VersionId"] = item["VersionId"]
    if "ETag" in item:
        params["IfMatch"] = item["ETag"]
    for name in NOT_CARRIED.intersection(item):
        params[f"IfMatch{name}"] = item[name]
    return Request("DeleteObject", params)


def _owners(request: Request) -> Parameters:
    return {name: request.params[name] for name in _OWNERS if name in request.params}


def _failure_of_all(results: Sequence[Any], response: Response | Exception | None) -> Exception | None:
    """The failure that has to be raised, since no answer can tell it: of the whole request, of the store, or a mistake."""
    if response is not None:
        return response if isinstance(response, Exception) else None
    failures = [result for result in results if isinstance(result, Exception)]
    unexpected = [failure for failure in failures if not isinstance(failure, BackendError)]
    outages = [failure for failure in failures if isinstance(failure, NoBucket | Unavailable)]
    return next(iter(unexpected), None) or (outages[0] if len(outages) == len(results) else None)


def _as_of_a_delete(response: Response) -> Response:
    """What a DELETE answers, taken out of what the tombstone's PUT answered."""
    metadata = response.get("ResponseMetadata", {})
    return {"ResponseMetadata": {**metadata, "HTTPStatusCode": _NO_CONTENT}}


def _answer(request: Request, objects: Sequence[Parameters], results: Sequence[Any]) -> Response:
    deleted: list[Parameters] = []
    errors: list[Parameters] = []
    metadata: Parameters = {}
    for item, result in zip(objects, results, strict=True):
        named: Parameters = {name: item[name] for name in ("Key", "VersionId") if name in item}
        if isinstance(result, BackendError):
            response: Response = getattr(result.error, "response", None) or {}
            error = response.get("Error", {})
            code, message = error.get("Code") or "InternalError", error.get("Message") or str(result.error)
            errors.append({**named, "Code": code, "Message": message})
        else:
            metadata = metadata or result.get("ResponseMetadata", {})
            deleted.append(named)
    if metadata:
        metadata = {**metadata, "HTTPStatusCode": 200}
    else:
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    answer: Response = {"ResponseMetadata": metadata}
    if deleted and not request.params["Delete"].get("Quiet"):
        answer["Deleted"] = deleted
    if errors:
        answer["Errors"] = errors
    return answer
