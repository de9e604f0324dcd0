"""The tombstones that a route has left on its primary."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from foodco_storage.flows.effects import Call
from foodco_storage.flows.outcomes import BackendError, NoBucket
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.front.scopes import Scope
from foodco_storage.front.standalone import Standalone, server_date
from foodco_storage.layers.listed_tombstones import tombstones_among
from foodco_storage.tombstones.refusal import TombstonesRefusedError


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A key that was deleted.

    Args:
        bucket: as callers say it.
        key: the key.
        modified: when it was deleted, by the primary's clock.
        age_seconds: since then, by the same clock; None where the primary does not tell the time.
        size: of the tombstone, in bytes.
    """

    bucket: str
    key: str
    modified: dt.datetime
    age_seconds: float | None
    size: int


def tombstones_of(route: Standalone, scope: Scope) -> Iterator[list[Tombstone]]:
    """The tombstones of a route in one bucket, a page of the listing at a time.

    Raises:
        TombstonesRefusedError: there is no such bucket, or its listing does not end.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the primary can't be asked.
    """
    first = Request("ListObjectsV2", {"Bucket": scope.bucket, "Prefix": scope.prefix})
    asked = first
    while True:
        page = _page(route, scope, asked)
        now = server_date(page)
        yield [
            Tombstone(scope.bucket, item["Key"], item["LastModified"], _age(item["LastModified"], now), item["Size"])
            for item in page.get("Contents", ())
            if item["Key"] in page[_DEAD] and scope.holds(item["Key"])
        ]
        if not page["IsTruncated"]:
            return
        token = page.get("NextContinuationToken")
        if not token or token == asked.params.get("ContinuationToken"):
            raise TombstonesRefusedError(
                f"the listing of {scope.bucket!r} on {route.primary.backend!r} does not lead on: it may not be complete"
            )
        asked = first.with_params(ContinuationToken=token)


def _page(route: Standalone, scope: Scope, request: Request) -> Response:
    try:
        if "ContinuationToken" not in request.params:
            # At once: a store that can't be reached at all is to be told of soon.
            return route.driver.carry_out(_asked(route, request))
        (result,) = route.gather([lambda: _asked(route, request)])
        if isinstance(result, Exception):
            raise result
    except NoBucket as failure:
        place = route.primary
        raise TombstonesRefusedError(f"{place.backend!r} has no bucket {place.bucket(scope.bucket)!r}") from failure
    except BackendError as failure:
        raise failure.error from failure
    answer: Response = result
    return answer


def _asked(route: Standalone, request: Request) -> Flow:
    answer: Response = yield Call(route.primary, request)
    dead = yield from tombstones_among(route.primary, request, answer.get("Contents", ()))
    return answer | {_DEAD: {key for key, _ in dead}}


_DEAD = "Dead"


def _age(modified: dt.datetime, now: dt.datetime | None) -> float | None:
    return None if now is None else max(0.0, (now - modified).total_seconds())
