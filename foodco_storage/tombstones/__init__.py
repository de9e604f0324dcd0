"""The tombstones of routes: counting, listing and collecting them, for `foodco-storage tombstones`.

A tombstone keeps the source's copy of a deleted key from showing again. It may go when the source does not hold the key, and
nothing that read it before the delete is still on its way; and only where its collection can't take a write along that comes
at the same moment (DESIGN 6, rule 3).
"""

from __future__ import annotations

from collections.abc import Iterator

from foodco_storage.config import Configuration
from foodco_storage.front.scopes import scopes
from foodco_storage.front.standalone import opened, phase_of
from foodco_storage.tombstones.collection import GRACE_SECONDS, Collected, Collection, Fate
from foodco_storage.tombstones.refusal import TombstonesRefusedError
from foodco_storage.tombstones.survey import Tombstone, tombstones_of

__all__ = [
    "GRACE_SECONDS",
    "Collected",
    "Fate",
    "Tombstone",
    "TombstonesRefusedError",
    "collect",
    "survey",
    "tombstones_left",
]


def survey(
    configuration: Configuration, route_name: str, *, bucket: str | None = None, phase: str | None = None
) -> Iterator[Tombstone]:
    """The tombstones that a route has on its primary, bucket by bucket in the order of their keys.

    Args:
        configuration: validated.
        route_name: the route's name in it.
        bucket: only this bucket; needed where the route names buckets by a pattern.
        phase: the route's; by default the configuration's. Needed where a control object holds it.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or the bucket is not the route's.
        TombstonesRefusedError: there is no such bucket.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the primary can't be asked.

    Example:
        sum(one.size for one in survey(load("storage.toml"), "images"))
    """
    phase = phase_of(configuration, route_name, phase)
    found = scopes(configuration, route_name, bucket)
    with opened(configuration, route_name, phase=phase) as route:
        for scope in found:
            for page in tombstones_of(route, scope):
                yield from page


def tombstones_left(
    configuration: Configuration, route_name: str, *, bucket: str | None = None, phase: str | None = None
) -> int:
    """How many tombstones a route has on its primary: 0 before the library is left.

    Args and errors are those of `survey`. Lists the whole route.
    """
    return sum(1 for _ in survey(configuration, route_name, bucket=bucket, phase=phase))


def collect(
    configuration: Configuration,
    route_name: str,
    *,
    grace_seconds: float = GRACE_SECONDS,
    no_writers: bool = False,
    bucket: str | None = None,
    phase: str | None = None,
) -> Iterator[Collected]:
    """Collect the tombstones of a route that nothing needs any more.

    Each by itself, after a look at both sides: ended at any moment, what is gone is gone rightly and the rest stays.

    Args:
        configuration: validated.
        route_name: the route's name in it.
        grace_seconds: tombstones younger than this stay, by the primary's clock; 7 days by default.
        no_writers: your word that nobody writes the route's buckets now. Needed where the primary can't delete under a
            condition, or loses writes that race with such a delete; in `cutover` and `drain` no word is enough there.
        bucket: only this bucket; needed where the route names buckets by a pattern.
        phase: the route's; by default the configuration's. Needed where a control object holds it.

    Returns:
        What became of each tombstone, as it does: iterate it to the end.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or the bucket is not the route's.
        TombstonesRefusedError: it would not be safe; nothing was deleted.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: a store can't be asked. The rest stays.

    Example:
        Counter(one.fate for one in collect(load("storage.toml"), "images"))
    """
    phase = phase_of(configuration, route_name, phase)
    found = scopes(configuration, route_name, bucket)
    with opened(configuration, route_name, phase=phase, changes=True) as route:
        # All of them before the first: nothing is deleted where one is refused.
        collections = [Collection(route, scope, grace_seconds, no_writers=no_writers) for scope in found]
        for one in collections:
            yield from one
