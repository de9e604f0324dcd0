"""Writes that change what hangs on an object: tags, ACL, holds, retention, annotations."""

from __future__ import annotations

from foodco_storage.flows.effects import Call, Warn
from foodco_storage.flows.outcomes import NotThere
from foodco_storage.flows.request import Below, Flow, Request, Response
from foodco_storage.flows.s3_errors import deleted, refused
from foodco_storage.layers.mirror import Mirror
from foodco_storage.layers.promote import Promotes
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import find
from foodco_storage.layers.storage_metadata import note


class ObjectMetadataWrites:
    """Sends them to the authority, and tells an object that lies only in a fallback from one that nobody holds.

    Args:
        route: whose objects.
        mirror: lets the other side follow; None on a route that does not migrate.
        promotes: brings an object over that only the source holds; None where that is not done.
    """

    def __init__(self, route: Route, mirror: Mirror | None = None, promotes: Promotes | None = None) -> None:
        self._route = route
        self._authority = route.authority
        self._mirror = mirror
        self._promotes = promotes

    def put_object_tagging(self, request: Request, below: Below) -> Flow:
        """Change the tags of an object."""
        if self._mirror is None:
            return (yield from self._on_the_authority(request))
        return (yield from self._mirror.around(request, self._on_the_authority(request), tags=True))

    def put_object_acl(self, request: Request, below: Below) -> Flow:
        """Change what means something on one store only; nothing of it follows on the other side."""
        if self._mirror is not None and self._mirror.follows:
            yield Warn(
                ("not mirrored", self._route.identity, request.operation),
                f"{request.operation} on route {self._route.name!r} changes the authority {self._authority.backend!r} alone: "
                "ACLs, locks and the like are not mirrored",
            )
        return (yield from self._on_the_authority(request))

    def _on_the_authority(self, request: Request) -> Flow:
        if self._route.may_hold_tombstones:
            found = yield from find(self._route.places, request)
            if found is not None and found.is_deleted:
                # Only a look tells: a tombstone takes tags as any object does.
                raise deleted(request, found.place.backend)
            if found is not None and found.place.backend != self._authority.backend and self._promotes is not None:
                yield from self._promotes.bring(found.place, request)
        try:
            response: Response = yield Call(self._authority, request)
        except NotThere:
            yield from self._refuse_for_fallback(request)
            raise
        return note(response, backend=self._authority.backend)

    def _refuse_for_fallback(self, request: Request) -> Flow:
        """Refuse where only a fallback holds the object: it would have to be written there."""
        found = yield from find(self._route.fallbacks, request)
        if found is not None and not found.is_deleted:
            raise refused(
                request,
                f"the object lies only in the fallback {found.place.backend!r}, which this route never writes; copy it onto "
                f"itself first (copy_object with StorageClass='STANDARD'), which brings it to {self._authority.backend!r} as "
                "it is",
            ) from None
        return {}

    delete_object_tagging = put_object_tagging
    delete_object_annotation = put_object_acl
    put_object_annotation = put_object_acl
    put_object_legal_hold = put_object_acl
    put_object_retention = put_object_acl
    restore_object = put_object_acl
    update_object_encryption = put_object_acl
