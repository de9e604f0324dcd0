"""Deletes on a route with fallbacks: refused, until tombstones can keep them deleted.

A plain delete on the primary would bring the fallback's older copy back to light; a delete on the fallback would take away
what may be the only copy (DESIGN section 6, rule 2).
"""

from __future__ import annotations

from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Below, Flow, Request
from foodco_storage.flows.s3_errors import refused


class RefusedDeletes:
    """Refuses every operation that takes objects away from a route with fallbacks."""

    def __init__(self, primary: Place, fallbacks: tuple[Place, ...]) -> None:
        names = ", ".join(repr(place.backend) for place in fallbacks)
        self._why = (
            f"a delete on {primary.backend!r} would bring back what the fallback {names} still holds: this route only "
            "reads from its fallbacks. Delete on both stores with plain boto3 while no one reads, or take the fallback "
            "out of the route"
        )

    def delete_object(self, request: Request, below: Below) -> Flow:
        """Refuse, before anything is sent."""
        yield from ()
        raise refused(request, self._why)

    delete_objects = delete_object
    rename_object = delete_object
    delete_bucket = delete_object
