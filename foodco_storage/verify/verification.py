"""Verifying a route: both sides' listings side by side, a look where those can't tell, and a repair where that is wanted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from foodco_storage.config import Configuration
from foodco_storage.flows.outcomes import BackendError
from foodco_storage.front.scopes import Scope, scopes
from foodco_storage.front.standalone import Standalone, opened, phase_of
from foodco_storage.layers.reconcile import Reconcile
from foodco_storage.verify.difference import NOT_YET, Difference, Kind, Summary
from foodco_storage.verify.expected import Expected, expected
from foodco_storage.verify.listing import Listing, Row, VerifyRefusedError
from foodco_storage.verify.looks import Looks, Seen
from foodco_storage.verify.pairs import Pair, pairs

AT_ONCE: Final = 1000
"""Keys that are looked at together."""

REPAIRED_AT_ONCE: Final = 20
"""Keys that are repaired together: each may be a large object."""

Since: TypeAlias = dt.datetime | dt.timedelta | None
Progress: TypeAlias = Callable[[Summary], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to verify.

    Args:
        since: only keys that were changed later on either side: a time, or how long before now by each store's clock.
        repair: whether differences are put right.
        deep: whether headers, metadata and tags of objects that look alike are compared, and contents read where ETags can't
            be compared.
        progress: called now and then.
    """

    since: Since = None
    repair: bool = False
    deep: bool = False
    progress: Progress | None = None


class Verification(Iterator[Difference]):
    """A verification under way: iterate it for the differences, in the order of their keys.

    Args:
        configuration: validated.
        name: the route's name.
        phase: in which it is verified; by default the configuration's.
        bucket: only this one of the route's.
        options: how.

    Raises:
        ConfigurationError: there is no such route, it has no two sides, or the bucket is not its.
        VerifyRefusedError: there is nothing to be repaired in its phase.
    """

    def __init__(
        self, configuration: Configuration, name: str, phase: str | None, bucket: str | None, options: Options
    ) -> None:
        self._configuration = configuration
        self._name = name
        self._phase = phase_of(configuration, name, phase)
        self._scopes = scopes(configuration, name, bucket)
        self._options = options
        route = configuration.routes[name]
        if not route.fallbacks:
            raise VerifyRefusedError(
                f"route {name!r} has no fallbacks: there is nothing to compare {route.primary!r} with"
            )
        self._expected = expected(self._phase, route)
        if options.repair and not self._expected.repairs:
            raise VerifyRefusedError(
                f"route {name!r} is in phase {self._phase!r}, in which no side follows the other: nothing is repaired there"
            )
        self.summary = Summary(name, self._phase, self._expected.says)
        self._differences = self._run()

    def __next__(self) -> Difference:
        """The next difference.

        Raises:
            VerifyRefusedError: the sides can't be compared.
            PhaseMovedError: the phase was moved while it repaired.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: a store could not be asked.
        """
        return next(self._differences)

    def close(self) -> None:
        """End it early, and close its connections."""
        self._differences.close()

    def _run(self) -> Generator[Difference, None, None]:
        with opened(self._configuration, self._name, phase=self._phase, changes=self._options.repair) as route:
            for scope in self._scopes:
                yield from BucketVerification(route, scope, self._expected, self._options, self.summary).differences()


class BucketVerification:
    """Verifies one bucket of a route.

    Args:
        route: an opened one, with a source.
        scope: the bucket.
        expected: what counts as a difference.
        options: how.
        summary: to be added to.
    """

    def __init__(self, route: Standalone, scope: Scope, expected: Expected, options: Options, summary: Summary) -> None:
        self._route = route
        self._scope = scope
        self._expected = expected
        self._options = options
        self._summary = summary
        reads = options.deep or options.repair
        self._looks = Looks(route, expected, scope.bucket, deep=options.deep, reads=reads)

    def differences(self) -> Iterator[Difference]:
        """Every difference, in the order of the keys."""
        assert self._route.source is not None  # noqa: S101 - for mypy
        scope = self._scope
        with ThreadPoolExecutor(2, "foodco-storage-verify") as threads:
            primary = Listing(self._route, self._route.primary, scope, threads, tombstones=True)
            source = Listing(self._route, self._route.source, scope, threads, tombstones=False)
            self._check_repair(source)
            starts = primary.date, source.date
            doubtful = []
            for number, pair in enumerate(pairs(primary, source), start=1):
                if self._is_in_question(pair, starts) and self._is_doubtful(pair, starts):
                    doubtful.append(pair.key)
                if len(doubtful) == AT_ONCE:
                    yield from self._examined(doubtful)
                    doubtful = []
                if not number % AT_ONCE:
                    self._tell(pair.key)
            yield from self._examined(doubtful)

    def _check_repair(self, source: Listing) -> None:
        """Don't take a wrong bucket for a source that has lost everything: all of the primary would be deleted.

        Raises:
            VerifyRefusedError: the source decides, and holds nothing.
        """
        if self._options.repair and not self._expected.primary_decides and source.is_empty:
            bucket = self._scope.bucket
            raise VerifyRefusedError(
                f"the source holds nothing in bucket {bucket!r}{self._under}: a repair would delete there all that the "
                "primary holds. Is it the right bucket? If so, delete by hand"
            )

    @property
    def _under(self) -> str:
        return f" under {self._scope.prefix!r}" if self._scope.prefix else ""

    def _is_in_question(self, pair: Pair, starts: Sequence[dt.datetime]) -> bool:
        """Whether a key was changed later than was asked for."""
        since = self._options.since
        if since is None:
            return True
        times = [since if isinstance(since, dt.datetime) else start - since for start in starts]
        return any(_changed_after(row, time) for row, time in zip((pair.primary, pair.source), times, strict=True))

    def _is_doubtful(self, pair: Pair, starts: Sequence[dt.datetime]) -> bool:
        """Count a key; whether it has to be looked at."""
        summary = self._summary
        summary.compared += 1
        primary, source = pair.states
        summary.in_source += source == "object"
        summary.tombstones += primary == "tombstone"
        kind = self._expected.kind(primary, source)
        looks_deeper = self._options.deep and self._expected.matters(kind)
        if kind == "differs" and pair.looks_alike and not looks_deeper:
            kind = None
        if kind == NOT_YET and not _changed_after(pair.source, starts[1] - _A_DATE):
            # A key that came since may have been on its way when the primary was listed.
            summary.not_on_primary += 1
            return False
        if not self._expected.matters(kind):
            summary.same += kind is None
            return False
        return True

    def _examined(self, keys: Sequence[str]) -> Iterator[Difference]:
        """The differences among keys that may be some."""
        found = []
        for key, seen in self._looks.certain(keys).items() if keys else ():
            if seen.kind == NOT_YET:
                self._summary.not_on_primary += 1
            elif seen.kind is None or not self._expected.matters(seen.kind):
                self._summary.same += seen.kind is None
            else:
                found.append(self._difference(key, seen, seen.kind))
        for start in range(0, len(found), REPAIRED_AT_ONCE):
            some = found[start : start + REPAIRED_AT_ONCE]
            for difference in self._repaired(some) if self._options.repair else some:
                self._summary.differences[difference.kind] += 1
                self._summary.repaired += difference.repaired is True
                yield difference
            self._tell(some[-1].key)

    def _difference(self, key: str, seen: Seen, kind: Kind) -> Difference:
        return Difference(self._summary.route, self._scope.bucket, key, kind, seen.detail, size=seen.size)

    def _repaired(self, differences: Sequence[Difference]) -> Iterator[Difference]:
        """The differences, once the flow that serves the journal has brought the other side up to date."""
        reconcile = Reconcile(self._route.route)
        tags = self._options.deep
        with self._route.changing("verify --repair"):
            results = self._route.gather(
                [partial(reconcile.key, {"Bucket": one.bucket, "Key": one.key}, tags=tags) for one in differences]
            )
        again = self._looks.certain([one.key for one in differences])
        for one, result in zip(differences, results, strict=True):
            seen = again[one.key]
            is_right = seen.kind is None or not self._expected.matters(seen.kind)
            if is_right:
                yield replace(one, repaired=True)
            elif isinstance(result, Exception):
                why = str(result.error if isinstance(result, BackendError) else result)
                yield replace(one, detail=f"{one.detail}; it could not be repaired: {why}", repaired=False)
            else:
                yield replace(one, detail=f"{one.detail}; after the repair: {seen.kind}, {seen.detail}", repaired=False)

    def _tell(self, at: str) -> None:
        self._summary.at = at
        if self._options.progress is not None:
            self._options.progress(self._summary)


_A_DATE: Final = dt.timedelta(seconds=1)
"""HTTP's dates have whole seconds."""


def _changed_after(row: Row | None, time: dt.datetime) -> bool:
    return row is not None and row.modified > time
