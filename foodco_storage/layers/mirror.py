"""The mirror: the other side follows what the authority has taken, and the journal knows of it until it has.

DESIGN section 6, rules 5, 6, 15. One frame for every operation that changes an object: enter, write the authority, bring the
other side up to date, settle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ParamValidationError

from foodco_storage.flows.effects import Call, Defer, Enter, Gather, Settle, Tell
from foodco_storage.flows.journal_entry import Entry
from foodco_storage.flows.marks import tombstone
from foodco_storage.flows.outcomes import BackendError, Unavailable
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.layers.listed_tombstones import tombstoned
from foodco_storage.layers.reconcile import Reconcile, delete_plainly
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import find, head_of
from foodco_storage.layers.storage_metadata import note

_FOLLOWING = (
    "Body",
    "Bucket",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentLength",
    "ContentMD5",
    "ContentType",
    "Expires",
    "Key",
    "Metadata",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "SSECustomerKeyMD5",
    "Tagging",
    "WebsiteRedirectLocation",
)
"""What the other side is told of a PUT. The rest (ACLs, KMS keys, storage classes, locks) means something on one side."""

_WORTH_A_LIST = 20
"""So many keys are looked at by listing them, fewer one by one."""


class Mirror:
    """Follows the writes of one route.

    Args:
        route: whose writes.
        follows: whether the other side takes part in these writes; without it nothing is journalled.
    """

    def __init__(self, route: Route, *, follows: bool) -> None:
        self._route = route
        self.follows = follows
        self._reconcile = Reconcile(route) if follows else None

    def around(
        self, request: Request, write: Flow, direct: Callable[[], Flow] | None = None, *, tags: bool = False
    ) -> Flow:
        """Carry out a write of one key, and let the other side follow.

        Args:
            request: what the caller asked for.
            write: the flow that writes the authority.
            direct: makes the flow that brings the other side up to date without reading the authority's object; it answers
                whether the authority still held what was brought. None, or "no": the key is reconciled.
            tags: whether the write changes tags, which a HEAD does not show.

        Raises:
            BackendError: the authority's own; and, with `required`, that of the other side.
        """
        if self._reconcile is None or not has_names(request.params):
            # Without a key botocore sends nothing.
            return (yield from write)
        entry = self._route.entry(request.params, tags=tags)
        numbers = yield Enter([entry])
        response = yield from self._decided(numbers, write)
        if self._route.mirroring.mode == "async":
            yield Defer(numbers)
            yield Tell("mirror", "deferred", self._route.name, {"Bucket": entry.bucket, "Key": entry.key})
            return note(response, mirror="pending")
        try:
            yield from self._follow(entry, direct)
        except Exception as failure:  # noqa: BLE001 - the authority has taken the write: whatever it is, it is no failure of that
            yield from self._left_over(numbers, failure, {"Bucket": entry.bucket, "Key": entry.key})
            return note(response, mirror="pending")
        yield Settle(numbers)
        yield Tell("mirror", "done", self._route.name, {"Bucket": entry.bucket, "Key": entry.key})
        return response

    def follow_deletes(
        self, keys: Sequence[Parameters], numbers: Sequence[int], gone: Collection[str], versions: Collection[str] = ()
    ) -> Generator[Any, Any, bool]:
        """Let the other side follow deletes of several keys, each of them entered in the journal.

        Args:
            keys: bucket and key of each.
            numbers: their entries.
            gone: keys that the other side has been told of already.
            versions: keys of which only a version was deleted: something may lie there still.

        Returns:
            Whether it has yet to follow some.

        Raises:
            BackendError: with `required`, that of the other side.
        """
        if not keys:
            return False
        if self._route.mirroring.mode == "async":
            yield Defer(numbers)
            yield Tell("mirror", "deferred", self._route.name, count=len(numbers))
            return True
        # One list in place of a thousand looks; what it does not show as deleted is looked at by itself.
        seen = yield from self._seen_deleted(keys, gone)
        left = [(number, which) for number, which in zip(numbers, keys, strict=True) if which["Key"] not in seen]
        follow = [
            self._follow(
                self._route.entry(which),
                None if which["Key"] in versions else partial(self.direct_delete, which, gone=which["Key"] in gone),
            )
            for _, which in left
        ]
        results: Sequence[Any] = yield Gather(follow)
        failed = {
            number: result for (number, _), result in zip(left, results, strict=True) if isinstance(result, Exception)
        }
        yield Settle([number for number in numbers if number not in failed])
        if len(failed) < len(numbers):
            yield Tell("mirror", "done", self._route.name, count=len(numbers) - len(failed))
        for number, failure in failed.items():
            yield from self._left_over([number], failure)
        return bool(failed)

    def _seen_deleted(self, keys: Sequence[Parameters], gone: Collection[str]) -> Generator[Any, Any, set[str]]:
        """Which keys that the other side has lost are seen to be deleted on the authority still."""
        if not self._route.marks_deletes or len(gone) < _WORTH_A_LIST:
            return set()
        try:
            return (yield from tombstoned(self._route.authority, keys[0]["Bucket"], gone))
        except BackendError:
            # Then each by itself, whose failure is told and journalled.
            return set()

    def direct_put(self, request: Request, write_id: str) -> Callable[[], Flow] | None:
        """The same PUT on the other side, where its body is at hand a second time."""
        other, body = self._route.other, request.params.get("Body", b"")
        if other is None or not isinstance(body, bytes | bytearray):
            return None

        count = len(parse_qsl(str(request.params.get("Tagging", "")), keep_blank_values=True))

        def bring() -> Flow:
            yield Call(other, Request("PutObject", {n: request.params[n] for n in _FOLLOWING if n in request.params}))
            found = yield from find([self._route.authority], head_of(request))
            is_ours = found is not None and not found.is_deleted and found.write_id == write_id
            # Tags may have been changed between the two writes, which the id does not show.
            return _answer(is_ours and found is not None and found.head.get("TagCount", count) == count)

        return bring

    def direct_delete(self, which: Parameters, *, gone: bool = False) -> Flow:
        """A delete on the other side; a tombstone where that is the primary.

        Args:
            which: bucket and key.
            gone: whether the other side has been told already.
        """
        other = self._route.other
        if other is None:
            raise LookupError(which["Key"])
        if not self._route.marks_deletes:
            yield Call(other, tombstone(which["Bucket"], which["Key"]))
        elif not gone:
            yield from delete_plainly(other, which)
        found = yield from find([self._route.authority], Request("HeadObject", which))
        return _answer(
            found is not None and found.is_deleted if self._route.marks_deletes else not found or found.is_deleted
        )

    def _decided(self, numbers: Sequence[int], write: Flow) -> Flow:
        """Run the flow that writes the authority; when it fails, let go of the entries, or leave them to be looked into."""
        try:
            return (yield from write)
        except Exception as error:
            yield from self.not_written(numbers, error)
            raise

    def not_written(self, numbers: Sequence[int], error: Exception) -> Generator[Any, Any, None]:
        """Let go of the entries of a write that failed on the authority, unless it may have taken place."""
        if took_no_effect(error):
            yield Settle(numbers)
        else:
            yield Defer(numbers, str(error.error if isinstance(error, BackendError) else error))

    def _follow(self, entry: Entry, direct: Callable[[], Flow] | None) -> Flow:
        """Bring the other side up to date.

        Raises:
            BackendError: it could not be.
        """
        if self._reconcile is None:
            raise LookupError(entry.key)
        if direct is not None and (yield from direct())[_SETTLED]:
            return {}
        tags = entry.tags or direct is not None
        return (yield from self._reconcile.key({"Bucket": entry.bucket, "Key": entry.key}, tags=tags))

    def _left_over(
        self, numbers: Sequence[int], failure: Exception, which: Parameters | None = None
    ) -> Generator[Any, Any, None]:
        seen = failure.error if isinstance(failure, BackendError) else failure
        yield Defer(numbers, str(seen) or type(seen).__name__)
        yield Tell("mirror", "failed", self._route.name, which, count=len(numbers), why=seen)
        if self._route.mirroring.required:
            seen.add_note(
                f"foodco_storage: {self._route.authority.backend!r} has taken the write, and it will be mirrored; "
                "mirror.required makes this an error"
            )
            raise failure


def has_names(params: Parameters) -> bool:
    """Whether a request says which object it is about, in a form that botocore takes."""
    return all(isinstance(params.get(name), str) for name in ("Bucket", "Key"))


_SETTLED = "settled"


def _answer(settled: bool) -> Response:  # noqa: FBT001 - one word for one bit
    return {_SETTLED: settled}


def took_no_effect(error: Exception) -> bool:
    """Whether a write that failed has certainly not taken place.

    A refusal says so only where it answers the one request that was sent: an earlier one, whose answer was lost, may have
    taken place before it.
    """
    if isinstance(error, ParamValidationError):
        return True
    if not isinstance(error, BackendError) or isinstance(error, Unavailable):
        return False
    response: Parameters | None = getattr(error.error, "response", None)
    # Without an answer it may have been raised by a retry, as by credentials that could not be had again.
    return response is not None and not response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
