"""Writes whose answer was lost (DESIGN 6, rule 16).

A conditional write is sent once: if botocore sent it again after a broken connection, it would fail over what it wrote
itself. Here it is sent again with the knowledge of which write it is.
"""

from __future__ import annotations

from foodco_storage.flows.effects import Pause, sent
from foodco_storage.flows.outcomes import BackendError, NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request
from foodco_storage.layers.sight import find, head_of

ATTEMPTS = 3
PAUSE_SECONDS = 0.1
"""Before the second attempt; doubled before the next."""


def send_once(place: Place, request: Request, write_id: str | None) -> Flow:
    """Send a conditional PUT, again too where that is safe, and find out what became of it.

    Args:
        place: the authority.
        request: stamped with the id.
        write_id: of this write; None where there is none, and an unknown outcome stays unknown.

    Raises:
        Unavailable: nobody knows whether it took place.
        Rejected: it did not.
    """
    lost: Unavailable | None = None
    can_repeat = write_id is not None and isinstance(request.params.get("Body", b""), bytes)
    for number in range(ATTEMPTS if can_repeat else 1):
        if number:
            yield Pause(PAUSE_SECONDS * 2 ** (number - 1))
        try:
            return (yield from sent(place, request, once=True))
        except Unavailable as error:
            lost = error
        except (NotThere, Rejected):
            if lost is None:
                raise
            # Of an earlier attempt that took place, or of somebody else's write: a look tells.
            break
    if lost is None or write_id is None:
        raise lost or LookupError(write_id)
    return (yield from _as_it_is(place, request, write_id, lost))


def _as_it_is(place: Place, request: Request, write_id: str, lost: Unavailable) -> Flow:
    try:
        found = yield from find([place], head_of(request))
    except BackendError:
        raise lost from None
    if found is None or found.write_id != write_id:
        raise lost
    names = ("ETag", "VersionId", "ResponseMetadata")
    return {name: found.head[name] for name in names if name in found.head}
