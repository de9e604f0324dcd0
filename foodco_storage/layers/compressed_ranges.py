"""Ranges of objects that lie compressed: only the frames that hold them are fetched, and once the seek table.

What nobody knows yet is asked for by its end, where the seek table lies: small objects come whole with it. What is known is
asked for by one request, tied to the ETag by which it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ResponseStreamingError

from foodco_storage.flows.compression_effects import Dictionary, Unpack
from foodco_storage.flows.conditions import matches
from foodco_storage.flows.effects import BytesBody, Call, Discard, ReadBody, sent
from foodco_storage.flows.outcomes import Deleted, NotThere, Rejected, Unavailable
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Parameters, Request, Response
from foodco_storage.flows.s3_errors import rejected
from foodco_storage.flows.seek_table import BadTableError, Cut, SeekTable, table_bytes
from foodco_storage.flows.stored_form import StoredForm
from foodco_storage.layers.compressed_answers import check_size, corrupt, describe, form_or_drop
from foodco_storage.layers.compressible import has_excluded_ending
from foodco_storage.layers.recent import Recent
from foodco_storage.layers.sight import whole_size
from foodco_storage.layers.spans import Span, first_byte, narrow

TAIL_BYTES: Final = 32 * 1024
"""Asked for first: holds the seek tables of most objects, and small objects whole."""

_ROUNDS: Final = 4
_NOT_AGAIN: Final = ("ChecksumMode", "IfMatch")
_PRECONDITION_FAILED: Final = 412
_NOT_SATISFIABLE: Final = 416
_PLAIN_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Known:
    """An object that lies compressed.

    Args:
        etag: the stored object's.
        form: what its metadata say.
        table: where its frames lie; None for one frame.
    """

    etag: str
    form: StoredForm
    table: SeekTable | None

    def cut(self, start: int, end: int) -> Cut | None:
        """The frames that hold a part; None for the whole."""
        return self.table.cut(start, end) if self.table is not None else None


class CompressedRanges:
    """Ranges of objects of one place.

    Args:
        place: as it is stored.
        dictionary: given a request and a form, the flow that brings the dictionary it needs.
        expects: whether what nobody knows yet is taken to be compressed; else a range of it is asked for as it is.
    """

    def __init__(
        self,
        place: Place,
        dictionary: Callable[[Request, StoredForm], Generator[Any, Any, Dictionary | None]],
        *,
        expects: bool,
    ) -> None:
        self._expects = expects
        self._place = place
        self._dictionary = dictionary
        # None is known to lie as it is.
        self._known: Recent[tuple[Any, ...], Known | None] = Recent(
            lambda known: _PLAIN_BYTES + (known.table.memory_bytes if known is not None and known.table else 0)
        )

    def get(self, request: Request, span: Span) -> Flow:
        """A range of an object."""
        which = tuple(request.params.get(name) for name in ("Bucket", "Key", "VersionId"))
        known = self._known.get(which)
        is_plain = which in self._known and known is None
        # It is judged with the end alone: an IfMatch of ours would overrule it.
        is_dated = "IfUnmodifiedSince" in request.params and "IfMatch" not in request.params
        if known is not None and not is_dated and matches(request.params.get("IfMatch", "*"), {known.etag.strip('"')}):
            answer = yield from self._of_known(request, span, which, known)
            if answer is not None:
                return answer
        broken: _BrokenError | None = None
        for number in range(_ROUNDS):
            if is_plain or (not number and self._is_likely_plain(request, known)):
                plain = yield from self._as_it_lies(request, which)
                if plain is not None:
                    return plain
            try:
                answer = yield from self._unknown(request, span, which)
            except _BrokenError as error:
                broken = error
                continue
            if answer is not None:
                return answer
            is_plain = which in self._known and self._known.get(which) is None
        if broken is not None:
            raise Unavailable(
                self._place.backend, ResponseStreamingError(error="the end of the object could not be read")
            )
        raise rejected(request, "SlowDown", 503, "The object kept changing while it was read; try again")

    def _is_likely_plain(self, request: Request, known: Known | None) -> bool:
        return known is None and (not self._expects or has_excluded_ending(str(request.params["Key"])))

    def _as_it_lies(self, request: Request, which: tuple[Any, ...]) -> Generator[Any, Any, Response | None]:
        """The range, of an object that is taken to lie as it is; None where it may not."""
        try:
            answer: Response = yield Call(self._place, request)
        except Rejected as error:
            if error.status != _NOT_SATISFIABLE:
                raise
            # What lies compressed has fewer bytes than what it is.
            return None
        form = yield from form_or_drop(self._place, request, answer)
        if form is None:
            self._known.put(which, None)
            return answer
        # Written anew since.
        yield Discard(answer["Body"])
        return None

    def _of_known(
        self, request: Request, span: Span, which: tuple[Any, ...], known: Known
    ) -> Generator[Any, Any, Response | None]:
        """The range, of an object that is known; None where it is another by now."""
        part = span.within(known.form.size)
        if part is None:
            # Of another object it may be one.
            return None
        try:
            return (yield from self._fetched(request, known, *part))
        except (NotThere, Deleted):
            self._known.drop(which)
            raise
        except _ChangedError:
            self._known.drop(which)
            return None

    def _fetched(self, request: Request, known: Known, start: int, end: int) -> Flow:
        """The frames of a part, by one request.

        Raises:
            _ChangedError: another object lies there now.
        """
        form, cut = known.form, known.cut(start, end)
        ask = request.without_params("Range", *_NOT_AGAIN).with_params(IfMatch=known.etag)
        if cut is not None:
            ask = ask.with_params(Range=f"bytes={cut.start}-{cut.end - 1}")
        try:
            answer: Response = yield Call(self._place, ask)
        except Rejected as error:
            if error.status not in {_PRECONDITION_FAILED, _NOT_SATISFIABLE}:
                raise
            raise _ChangedError from error
        whole = whole_size(answer)
        expected = (cut.start, cut.end - cut.start) if cut is not None else (None, form.stored_size)
        found = yield from form_or_drop(self._place, ask, answer)
        if answer.get("ETag") != known.etag or found != form:
            yield Discard(answer["Body"])
            raise _ChangedError
        if whole != form.stored_size or (first_byte(answer), answer["ContentLength"]) != expected:
            yield Discard(answer["Body"])
            raise corrupt(self._place, request, "the store answered another part of it than was asked for")
        return (yield from self._answered(request, answer, known, cut, start, end))

    def _answered(
        self, request: Request, answer: Response, known: Known, cut: Cut | None, start: int, end: int
    ) -> Flow:
        """Turn an answer with the frames of a part into that to the part."""
        form = known.form
        try:
            dictionary = yield from self._dictionary(request, form)
        except Exception:
            yield Discard(answer["Body"])
            raise
        answer["Body"] = yield Unpack(
            answer["Body"],
            form,
            (request.params["Bucket"], request.params["Key"]),
            dictionary=dictionary,
            frames=cut.frames if cut is not None else None,
            skip=cut.skip if cut is not None else start,
            size=end - start,
        )
        describe(answer, form, request.params)
        narrow(answer, start, end, form.size)
        return answer

    def _unknown(self, request: Request, span: Span, which: tuple[Any, ...]) -> Generator[Any, Any, Response | None]:
        """Ask for an object's end, and with it for what it is; None where it was another a moment later."""
        try:
            tail = request.without_params("ChecksumMode").with_params(Range=f"bytes=-{TAIL_BYTES}")
            answer: Response = yield Call(self._place, tail)
        except Rejected as error:
            if error.status != _NOT_SATISFIABLE:
                raise
            # It is empty: the store says what there is to say.
            return (yield from sent(self._place, request))
        form = yield from form_or_drop(self._place, request, answer)
        first = first_byte(answer) if "ContentRange" in answer else 0
        if form is None:
            self._known.put(which, None)
            return (yield from self._of_plain(request, answer, span, first))
        if first is None or answer["ContentLength"] > TAIL_BYTES:
            yield Discard(answer["Body"])
            raise corrupt(self._place, request, "the store answered another part of it than was asked for")
        return (yield from self._of_end(request, span, which, answer, form, first))

    def _of_plain(
        self, request: Request, answer: Response, span: Span, first: int | None
    ) -> Generator[Any, Any, Response | None]:
        """The range, where the end of an object that lies as it is holds it."""
        size, length = whole_size(answer), answer["ContentLength"]
        part = span.within(size)
        if part is None:
            yield Discard(answer["Body"])
            # The store says what there is to say.
            return (yield from sent(self._place, request))
        if first is None or length > TAIL_BYTES:
            yield Discard(answer["Body"])
            return None
        # Read also where it is of no use: the connection is.
        data = yield from _read(answer)
        if part[0] < first:
            return None
        answer["Body"] = yield BytesBody(data[part[0] - first : part[1] - first])
        narrow(answer, *part, size)
        return answer

    def _of_end(
        self, request: Request, span: Span, which: tuple[Any, ...], answer: Response, form: StoredForm, first: int
    ) -> Generator[Any, Any, Response | None]:
        """The range, of an object of which the end is at hand."""
        size = whole_size(answer)
        data = yield from _read(answer)
        check_size(self._place, request, form, size)
        known = yield from self._table(request, answer["ETag"], form, data)
        if known is None:
            return None
        self._known.put(which, known)
        part = span.within(form.size)
        if part is None:
            raise rejected(request, "InvalidRange", _NOT_SATISFIABLE, "The requested range is not satisfiable")
        cut = known.cut(*part)
        begin, stop = (cut.start, cut.end) if cut is not None else (0, form.stored_size)
        if begin < first:
            return (yield from self._of_known(request, span, which, known))
        answer["Body"] = yield BytesBody(data[begin - first : stop - first])
        return (yield from self._answered(request, answer, known, cut, *part))

    def _table(self, request: Request, etag: str, form: StoredForm, tail: bytes) -> Generator[Any, Any, Known | None]:
        """Read an object's seek table from its end, of which the last bytes are at hand."""
        if form.frames == 1:
            return Known(etag, form, None)
        size = table_bytes(form.frames)
        if size >= form.stored_size:
            raise corrupt(self._place, request, "its seek table would be larger than itself")
        if size > len(tail):
            params: Parameters = {"Range": f"bytes={form.stored_size - size}-", "IfMatch": etag}
            try:
                answer: Response = yield Call(self._place, request.without_params(*_NOT_AGAIN).with_params(**params))
            except Rejected as error:
                if error.status not in {_PRECONDITION_FAILED, _NOT_SATISFIABLE}:
                    raise
                return None
            if answer["ContentLength"] != size:
                yield Discard(answer["Body"])
                return None
            tail = yield from _read(answer)
        try:
            return Known(etag, form, SeekTable.read(tail[-size:], form))
        except BadTableError as error:
            raise corrupt(self._place, request, str(error)) from error


def _read(answer: Response) -> Generator[Any, Any, bytes]:
    data: bytes | None = yield ReadBody(answer["Body"], answer["ContentLength"])
    if data is None:
        raise _BrokenError
    return data


class _BrokenError(Exception):
    """A body that was to be read at once broke."""


class _ChangedError(Exception):
    """What is known of an object is of an earlier one."""
