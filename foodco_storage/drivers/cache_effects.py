"""What is asked of caches, and told to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from botocore.response import StreamingBody

from foodco_storage.drivers.held_stream import HeldStream
from foodco_storage.drivers.kept_body import KeptBody
from foodco_storage.flows.cache_effects import (
    Alone,
    CachedBlocks,
    Forget,
    Hit,
    Keep,
    KeepAsRead,
    KeepMissing,
    Look,
    PassOn,
    Renew,
)
from foodco_storage.flows.cached import Looked

if TYPE_CHECKING:
    # Most routes have no cache, and need none of what it needs.
    from foodco_storage.cache.route_cache import RouteCache


class CacheEffects:
    """Carries out the effects of caches.

    Args:
        caches: of the routes that have one, by the routes' names.
    """

    def __init__(self, caches: Mapping[str, RouteCache]) -> None:
        self._caches = caches

    @property
    def carried_out(self) -> Mapping[type, Callable[[Any], Any]]:
        """What carries out each effect but `Alone`, of which `alone` is the half that is the cache's."""
        return {
            CachedBlocks: self._cached_blocks,
            Forget: self._forget,
            Hit: self._hit,
            Keep: self._keep,
            KeepAsRead: self._keep_as_read,
            KeepMissing: self._keep_missing,
            Look: self._look,
            PassOn: self._pass_on,
            Renew: self._renew,
        }

    def alone(self, effect: Alone) -> AbstractContextManager[None]:
        """In it, no other thread of this process asks for the same."""
        return self._caches[effect.route].alone(effect.bucket, effect.topic)

    def _look(self, effect: Look) -> Looked:
        return self._caches[effect.route].look(effect.bucket, effect.key)

    def _cached_blocks(self, effect: CachedBlocks) -> list[bytes | None]:
        return self._caches[effect.route].blocks(effect.head, effect.first, effect.last)

    def _hit(self, effect: Hit) -> StreamingBody | None:
        data = effect.data
        if data is None:
            self._caches[effect.route].count_hit(effect.looked)
            return None
        size = len(data)
        self._caches[effect.route].count_hit(effect.looked, size)
        return StreamingBody(HeldStream(data), size)

    def _keep(self, effect: Keep) -> None:
        self._caches[effect.route].keep(effect.head, effect.blocks, effect.looked)

    def _keep_as_read(self, effect: KeepAsRead) -> StreamingBody:
        cache, head = self._caches[effect.route], effect.head
        cache.keep(head, {}, effect.looked)
        body = KeptBody(
            effect.body,
            head,
            lambda number, data: cache.keep_blocks(head, {number: data}),
            lambda: cache.spoil(head),
        )
        return StreamingBody(body, head.size)

    def _keep_missing(self, effect: KeepMissing) -> None:
        params = effect.request.params
        cache = self._caches[effect.route]
        cache.keep_missing(effect.looked, params["Bucket"], params["Key"], effect.request.operation, effect.response)

    def _renew(self, effect: Renew) -> None:
        self._caches[effect.route].renew(effect.looked)

    def _forget(self, effect: Forget) -> None:
        self._caches[effect.route].drop(effect.bucket, effect.key)

    def _pass_on(self, effect: PassOn) -> None:
        self._caches[effect.route].pass_on(effect.bucket, effect.topic)
