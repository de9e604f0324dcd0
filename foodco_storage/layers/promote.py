"""On-demand migration: what a read found only in the source is copied to the primary (DESIGN 6, rules 1 and 10).

One PUT with `If-None-Match: *`, so that no copy ever overwrites a write, or a tombstone, that came in between. The body that
a caller reads is kept as it passes, so that the source is read once; after a range the whole object is fetched once more.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

from botocore.exceptions import ParamValidationError

from foodco_storage.flows.conditions import bare
from foodco_storage.flows.effects import Able, Call, Discard, Later, Spooled, Tee, Tell, Warn
from foodco_storage.flows.origin import Origin
from foodco_storage.flows.outcomes import BackendError, Deleted, NoBucket, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import refused
from foodco_storage.layers.object_copy import Read, is_whole, part_sizes, put_whole, read_whole, spool
from foodco_storage.layers.route import Route
from foodco_storage.layers.sight import whole_size

PHASES = frozenset({"cutover", "drain"})
"""In which the primary decides, and the source is read after it."""

KEPT_BYTES = 64 * 1024**2
"""Bodies up to here are kept while a caller reads them; larger objects are read once more, in the background."""

_FORBIDDEN = 403
_PRECONDITION_FAILED = 412
_SPECIAL = frozenset({"SSECustomerKey", "VersionId"})
"""Reads of what can't be promoted: an object that needs the caller's key, an old version."""


class Promotes:
    """Copies objects of one route from the source to the primary.

    Args:
        route: in cutover or drain.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._primary = route.authority
        self._options = route.promoting
        self._stopped = False

    def after_get(self, source: Place, request: Request, answer: Response, metadata: Parameters) -> Flow:
        """Arrange for the promotion of what a GET found in the source.

        Args:
            source: who answered.
            request: the GET.
            answer: to be handed to the caller; its body is the caller's to read.
            metadata: the object's, as it is stored.

        Returns:
            The answer, perhaps with a body that keeps what passes.
        """
        if self._stopped or not self._options.enabled or not _SPECIAL.isdisjoint(request.params):
            return answer
        # Headers that the caller asked to see in place of the object's are not the object's.
        is_as_stored = not any(name.startswith("Response") for name in request.params)
        is_whole_object = "ContentRange" not in answer and "PartNumber" not in request.params and is_as_stored
        if whole_size(answer) > self._options.max_object_bytes:
            yield Tell("promote", "too_large", self._route.name, _which(request.params), size=whole_size(answer))
            return answer
        if not (yield from self._is_safe(request)):
            return answer
        which = _which(request.params)
        again = partial(self._later, which, partial(self.promote, source, which))
        if not is_whole_object or whole_size(answer) > KEPT_BYTES:
            yield again()
            return answer
        as_stored = {**answer, "Metadata": metadata}
        del as_stored["Body"]

        def finished(spooled: Spooled) -> Later:
            return self._later(which, partial(self._promote_kept, source, which, Read(as_stored, spooled)), spooled)

        answer["Body"] = yield Tee(answer["Body"], answer["ContentLength"], finished, again)
        return answer

    def promote(self, source: Place, which: Parameters) -> Flow:
        """Read an object in the source, and write it to the primary unless something lies there."""
        try:
            answer: Response = yield Call(source, Request("GetObject", which))
        except (NotThere, Deleted, NoBucket):
            return {}
        if whole_size(answer) > self._options.max_object_bytes:
            yield Discard(answer["Body"])
            yield Tell("promote", "too_large", self._route.name, which, size=whole_size(answer))
            return {}
        return (yield from self._promote_kept(source, which, (yield from spool(source, which, answer))))

    def bring(self, source: Place, request: Request) -> Generator[Any, Any, None]:
        """Bring an object over now, because the primary's is to be changed.

        Raises:
            BackendError: it could not be, and does not lie there either.
        """
        which = _which(request.params)
        if not (yield Able(self._primary, which["Bucket"], "conditional_put")):
            raise refused(
                request,
                f"the object lies in {source.backend!r} only, and the backend {self._primary.backend!r} can't make sure that "
                "nobody writes it while it is brought over (conditional_put). Write the object again, or copy it by batch",
            )
        read = yield from read_whole(source, which)
        try:
            yield from self._put(source, which, read)
        except Rejected as error:
            if error.status != _PRECONDITION_FAILED:
                raise

    def _later(self, which: Parameters, flow: Any, spooled: Spooled | None = None) -> Later:
        return Later(
            self._route.name,
            (self._route.identity, which["Bucket"], which["Key"]),
            flow,
            gate=self._route.gate,
            phases=PHASES,
            size=spooled.size if spooled else 0,
            deadline_seconds=self._options.deadline_seconds,
            inline=not self._options.background,
            dropped=spooled.file.close if spooled else None,
            which=which,
        )

    def _is_safe(self, request: Request) -> Generator[Any, Any, bool]:
        if (yield Able(self._primary, request.params["Bucket"], "conditional_put")):
            return True
        yield from self._stop(
            f"the backend {self._primary.backend!r} can't write under If-None-Match: * here (conditional_put): reads of "
            f"route {self._route.name!r} promote nothing; copy by batch before the cutover"
        )
        return False

    def _promote_kept(self, source: Place, which: Parameters, read: Read) -> Flow:
        name = self._route.name
        if not is_whole(read.answer, read.spooled):
            yield Tell("promote", "failed", name, which, why="the body that was read is not whole")
            yield Discard(read.spooled.file)
            return {}
        try:
            response = yield from self._put(source, which, read)
        except Rejected as error:
            if error.status == _PRECONDITION_FAILED:
                yield Tell("promote", "overtaken", name, which, size=read.spooled.size)
                return {}
            yield Tell("promote", "failed", name, which, size=read.spooled.size, why=error.error)
            if error.status != _FORBIDDEN:
                raise
            what = "write" if error.backend == self._primary.backend else "read all (tags among it) of"
            yield from self._stop(
                f"the credentials of {error.backend!r} may not {what} {which['Bucket']!r}: reads of route {name!r} promote "
                "nothing in this process"
            )
            return {}
        except ParamValidationError as error:
            # Another program wrote what botocore does not send: a date that is none.
            yield Tell(
                "promote", "failed", name, which, size=read.spooled.size, why="botocore does not send what it holds"
            )
            yield Warn(
                ("not promoted", self._route.identity), f"{which['Bucket']}/{which['Key']} stays where it is: {error}"
            )
            return {}
        except BackendError as error:
            yield Tell("promote", "failed", name, which, size=read.spooled.size, why=error.error)
            raise
        yield Tell("promote", "done", name, which, size=read.spooled.size)
        if "VersionId" in response:
            yield from self._stop(
                f"bucket {which['Bucket']!r} on {self._primary.backend!r} is versioned: reads of route {name!r} promote "
                "nothing any more, since such stores may ignore If-None-Match: *"
            )
        return {}

    def _put(self, source: Place, which: Parameters, read: Read) -> Flow:
        answer = read.answer
        parts = yield from part_sizes(source, which, answer)
        origin = Origin(bare(answer["ETag"]), answer["LastModified"], parts)
        return (yield from put_whole(source, self._primary, which, read, origin=origin, only_if_absent=True))

    def _stop(self, why: str) -> Generator[Any, Any, None]:
        self._stopped = True
        yield Tell("promote", "stopped", self._route.name, why=why)
        yield Warn(("promotes", self._route.identity), why)


def _which(params: Parameters) -> Parameters:
    return {"Bucket": params["Bucket"], "Key": params["Key"]}
