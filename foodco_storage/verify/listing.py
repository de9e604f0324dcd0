"""One side's keys, in UTF-8 byte order, page by page: never more of them in memory than two pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from foodco_storage.errors import StorageError
from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import BackendError, NoBucket
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone, server_date
from foodco_storage.layers.listed_tombstones import tombstones_among
from foodco_storage.layers.listing import LAST_CHARACTER, entries_of


class VerifyRefusedError(StorageError):
    """Mend what the message says: the two sides can't be compared. Nothing was changed."""


class Row(NamedTuple):
    """A key of a listing.

    Args:
        key: the key.
        etag: without quotes; empty where the store tells none.
        size: in bytes.
        modified: by the store's clock.
        is_tombstone: whether it says that the key was deleted.
    """

    key: str
    etag: str
    size: int
    modified: dt.datetime
    is_tombstone: bool


class Listing:
    """The keys of a route in one bucket of one side. Iterate once.

    The next page is asked for while this one is worked on.

    Args:
        route: an opened one.
        place: the side.
        scope: which keys.
        threads: where requests wait for their answers.
        tombstones: whether some of the keys may be tombstones.
    """

    def __init__(self, route: Standalone, place: Place, scope: Scope, threads: Executor, *, tombstones: bool) -> None:
        self._route = route
        # Its sizes are compared with nothing that is compressed.
        self._place = place.as_stored
        self._scope = scope
        self._threads = threads
        self._tombstones = tombstones
        self._first = Request("ListObjectsV2", {"Bucket": scope.bucket, "Prefix": scope.prefix})
        # At once: a store that can't be reached at all is to be told of soon.
        self._page = threads.submit(route.driver.carry_out, self._asked(self._first))

    @property
    def date(self) -> dt.datetime:
        """The store's clock when the listing began; this machine's where the store does not tell."""
        return server_date(self._answer(self._page)) or dt.datetime.now(dt.UTC)

    @property
    def is_empty(self) -> bool:
        """Whether the listing begins with nothing."""
        return not self._answer(self._page).get("Contents")

    def __iter__(self) -> Iterator[Row]:
        """Every key.

        Raises:
            VerifyRefusedError: there is no such bucket, or the store has an order of its own.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it can't be listed.
        """
        asked, last = self._first, ""
        while True:
            page = self._answer(self._page)
            rows = self._rows(page, last)
            last = rows[-1].key if rows else last
            following = self._following(asked, page, last)
            if following is not None:
                asked = following
                self._page = self._ask(asked)
            yield from (row for row in rows if self._scope.holds(row.key))
            if following is None:
                return

    def _ask(self, request: Request) -> Future[Response]:
        return self._threads.submit(self._patiently, request)

    def _patiently(self, request: Request) -> Response:
        (result,) = self._route.gather([lambda: self._asked(request)])
        if isinstance(result, Exception):
            raise result
        answer: Response = result
        return answer

    def _asked(self, request: Request) -> Flow:
        answer: Response = yield Call(self._place, request)
        items = answer.get("Contents", ()) if self._tombstones else ()
        dead = yield from tombstones_among(self._place, request, items)
        return answer | {_DEAD: {key for key, _ in dead}}

    def _answer(self, page: Future[Response]) -> Response:
        try:
            return page.result()
        except NoBucket as failure:
            place, bucket = self._place, self._scope.bucket
            raise VerifyRefusedError(f"{place.backend!r} has no bucket {place.bucket(bucket)!r}") from failure
        except BackendError as failure:
            raise failure.error from failure

    def _rows(self, page: Response, last: str) -> Sequence[Row]:
        try:
            entries = entries_of(page)
        except ValueError as error:
            raise self._not_in_order(str(error)) from error
        if entries and last and entries[0].name <= last:
            raise self._not_in_order(f"{entries[0].name!r} comes after {last!r}")
        return [_row(entry.answer, page[_DEAD]) for entry in entries]

    def _following(self, asked: Request, page: Response, last: str) -> Request | None:
        if not page.get("IsTruncated"):
            return None
        for prefix in self._scope.others:
            if last.startswith(prefix):
                # There may be millions of keys that are another route's.
                return self._first.with_params(StartAfter=prefix + LAST_CHARACTER)
        token = page.get("NextContinuationToken")
        if not token or token == asked.params.get("ContinuationToken"):
            raise self._not_in_order("a page that is not the last has no token that leads on")
        return self._first.with_params(ContinuationToken=token)

    def _not_in_order(self, why: str) -> VerifyRefusedError:
        bucket = self._place.bucket(self._scope.bucket)
        return VerifyRefusedError(
            f"{self._place.backend!r} does not list bucket {bucket!r} in UTF-8 byte order ({why}), so two listings can't be "
            "laid side by side"
        )


_DEAD = "Dead"


def _row(item: dict[str, Any], dead: set[str]) -> Row:
    key = item["Key"]
    return Row(key, bare(str(item.get("ETag", ""))), int(item["Size"]), item["LastModified"], key in dead)
