"""Whether a route's phase may be moved: what `foodco-storage phase set` asks before, and in the pause.

DESIGN section 6: rules 1 (what can't be promoted has to be on the primary before the cutover), 17 (nobody else deletes on the
primary) and 18 (both sides are verified).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends.capabilities import CapabilityBook
from foodco_storage.backends.plain_client import PlainClient
from foodco_storage.backends.probe import probe
from foodco_storage.config import Configuration, Route
from foodco_storage.config.model import CALLER
from foodco_storage.control.place import ControlPlace, place_of
from foodco_storage.doctor.buckets import lifecycle
from foodco_storage.doctor.stores import Place, Store, open_store
from foodco_storage.errors import ConfigurationError, Problem
from foodco_storage.front.siblings import configured_capabilities
from foodco_storage.front.standalone import configured
from foodco_storage.tombstones import tombstones_left
from foodco_storage.verify import verify

_PRIMARY_DECIDES: Final = frozenset({"cutover", "drain"})
_MARGIN: Final = timedelta(minutes=5)
"""Stores' clocks differ, and a write is dated by its beginning."""


@dataclass(frozen=True, slots=True)
class _Primary:
    """The primary of a route, and what is known of its abilities."""

    name: str
    route: Route
    place: ControlPlace
    store: Store
    book: CapabilityBook

    def able(self, capability: str) -> bool:
        return self.book.able(self.place.bucket, capability, self.place.reserved_prefix)


def control_reasons(configuration: Configuration, route: str) -> list[str]:
    """Why a route's phase can't be held by a control object on its primary; empty where it can.

    A primary that nobody has recorded anything about is tried out for it.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or its control object has no one place.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the primary could not be asked.
    """
    return list(_inabilities(_primary(configuration, route)))


class PhaseChecks:
    """The checks of one move of a route (`foodco_storage.control.flip.Checks`).

    Args:
        configuration: validated.
        route: the route's name.
        deep: read contents where nothing else tells whether two objects are the same.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or its control object has no one place.
    """

    def __init__(self, configuration: Configuration, route: str, *, deep: bool = False) -> None:
        self._configuration = configuration
        self._deep = deep
        self._primary = _primary(configuration, route)
        self._compared_at: float | None = None

    def before(self, start: str, end: str) -> list[str]:
        """What can be found out while services go on: abilities and settings, and all that differs already."""
        reasons = [*_inabilities(self._primary), *self._lifecycle(end)]
        if not reasons:
            self._compared_at = time.monotonic()
            reasons += self._differences(start, end, None)
        return reasons

    def paused(self, start: str, end: str) -> list[str]:
        """What must be so while nobody writes: what changed since `before` began is alike on both sides."""
        since = None
        if self._compared_at is not None:
            since = timedelta(seconds=time.monotonic() - self._compared_at) + _MARGIN
        return list(self._differences(start, end, since))

    def _lifecycle(self, end: str) -> Iterator[str]:
        if end not in _PRIMARY_DECIDES:
            return
        one = self._primary
        place = Place(one.name, one.route, one.route.primary, one.place.bucket, one.place.bucket)
        for finding in lifecycle(one.store, place):
            yield f"{finding.message}; {finding.advice}" if finding.advice else finding.message

    def _differences(self, start: str, end: str, since: timedelta | None) -> Iterator[str]:
        """What the side that will decide lacks, or has otherwise."""
        if "source" in {start, end}:
            # The source decides before and after.
            return
        if end == "backfill" and self._primary.route.mirror.mode == "off":
            yield (
                "mirror.mode is 'off': the source, which would decide, has not followed what was written. Set it to 'sync' "
                f"everywhere, bring the source up to date (`foodco-storage verify {self._primary.name} --repair`), then move"
            )
            return
        name = self._primary.name
        counted: Counter[str] = Counter()
        example: dict[str, str] = {}
        run = verify(self._configuration, self._primary.name, phase=start, since=since, deep=self._deep)
        for difference in run:
            if end == "cutover" and difference.kind == "missing" and self._is_promoted(difference.size):
                # Reads find it in the source, and bring it over: that the primary takes it was asked before.
                continue
            counted[difference.kind] += 1
            example.setdefault(difference.kind, repr(difference.key))
        if end == "target" and run.summary.not_on_primary:
            yield f"{run.summary.not_on_primary} keys lie only in the source: in 'target' nobody would find them"
        for kind, count in sorted(counted.items()):
            advice = "`phase set --deep` reads them" if kind == "unproven" else f"see `foodco-storage verify {name}`"
            yield f"verify: {count} keys {kind}, as {example[kind]}; {advice}"

    def _is_promoted(self, size: int | None) -> bool:
        promote = self._primary.route.promote
        return promote.enabled and (size is None or size <= promote.max_object_bytes)


def tombstones(configuration: Configuration, route: str, phase: str) -> int | None:
    """How many tombstones a route has on its primary; None in phases that make none. Lists the whole route."""
    return tombstones_left(configuration, route, phase=phase) if phase in {"cutover", "drain", "target"} else None


def _primary(configuration: Configuration, name: str) -> _Primary:
    route = configured(configuration, name)
    if not route.fallbacks:
        raise ConfigurationError([Problem(f"routes.{name}.fallbacks", "is empty: the route has nowhere to move from")])
    place = place_of(name, route)
    backend = None if route.primary == CALLER else configuration.backends[route.primary]
    store = open_store(route.primary, backend)
    settled = configured_capabilities(backend) if backend is not None else {}
    # What boto3 resolves by itself may be any store.
    preset = store.preset if backend is not None else "s3"
    book = CapabilityBook(
        route.primary, preset, settled, PlainClient(lambda: store.client, backend=route.primary), probe
    )
    return _Primary(name, route, place, store, book)


def _inabilities(one: _Primary) -> Iterator[str]:
    where = f"bucket {one.place.bucket!r} on {one.route.primary}"
    if not one.able("put_if_match"):
        yield f"{where} does not honour PUT with If-Match: two operators could overwrite each other's control object"
    if one.able("conditional_put"):
        return
    if _is_versioned(one):
        yield (
            f"{where} keeps versions, and the store ignores conditions on such buckets: neither can the control object be "
            "changed safely, nor may reads promote, so everything would have to be on the primary before 'cutover'. Use a "
            "bucket without versions, or change the phase by configuration while the writers are stopped"
        )
    else:
        yield f"{where} does not honour PUT with If-None-Match: *, which the control object needs, and promotes do"


def _is_versioned(one: _Primary) -> bool:
    try:
        return "Status" in one.store.call("GetBucketVersioning", {"Bucket": one.place.bucket})
    except (ClientError, BotoCoreError):
        return False
