"""Reading objects of a place that may hold them compressed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from foodco_storage.flows.compression_effects import Dictionary, Unpack
from foodco_storage.flows.effects import Call, Discard, sent
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected
from foodco_storage.flows.stored_form import StoredForm
from foodco_storage.layers.compressed_answers import check_size, checksum_of, describe, form_of, form_or_drop
from foodco_storage.layers.compressed_ranges import CompressedRanges
from foodco_storage.layers.dictionaries import Dictionaries
from foodco_storage.layers.sight import head_of, whole_size
from foodco_storage.layers.spans import Span, narrow

_ENABLED: Final = "ENABLED"


class CompressedReads:
    """Reads of one place.

    Args:
        place: as it is stored.
        dictionaries: those that this process has.
        expects: whether objects are mostly compressed there.
    """

    def __init__(self, place: Place, dictionaries: Dictionaries, *, expects: bool) -> None:
        self._place = place
        self._dictionaries = dictionaries
        self._ranges = CompressedRanges(place, self.dictionary, expects=expects)

    def get_object(self, call: Call) -> Flow:
        """The object, or a part of it."""
        request = call.request
        wants_part = "PartNumber" in request.params
        if "Range" in request.params and "PartNumber" not in request.params:
            span = Span.of(request.params["Range"])
            if span is not None:
                return (yield from self._ranges.get(request, span))
        answer: Response = yield Call(self._place, request, once=call.once)
        form = yield from form_or_drop(self._place, request, answer)
        if form is None:
            return answer
        if answer["ContentLength"] != whole_size(answer):
            # A part of what lies there: of a stored form that was copied in parts, which is an object of one all the same; or
            # an odd range, that S3 ignores and this store makes something of.
            yield Discard(answer["Body"])
            _check_part(request)
            request = request.without_params("Range", "PartNumber")
            answer = yield Call(self._place, request, once=call.once)
            form = yield from form_or_drop(self._place, request, answer)
            if form is None:
                return answer
        _check_part(request)
        return (yield from self._whole(request, answer, form, wants_part=wants_part))

    def head_object(self, call: Call) -> Flow:
        """What is known of the object."""
        request = call.request
        asked = Span.of(request.params["Range"]) if "Range" in request.params else None
        answer: Response = yield Call(self._place, request.without_params("Range") if asked else request)
        form = yield from form_or_drop(self._place, request, answer)
        if form is None:
            return (yield from sent(self._place, request)) if asked else answer
        _check_part(request)
        check_size(self._place, request, form, whole_size(answer))
        is_part = "ContentRange" in answer or "PartNumber" in request.params
        answer.pop("PartsCount", None)
        describe(answer, form, request.params)
        part = (0, form.size) if asked is None else asked.within(form.size)
        if part is None:
            raise rejected(request, "416", 416, "Requested Range Not Satisfiable")
        if is_part or asked is not None:
            narrow(answer, *part, form.size)
        return answer

    def get_object_attributes(self, call: Call) -> Flow:
        """The attributes of what the user stored, but for the ETag."""
        head = yield from self._looked_at(call.request)
        form = head[_FORM]
        answer: Response = yield Call(self._place, call.request)
        if form is None:
            return answer
        if "ObjectSize" in answer:
            answer["ObjectSize"] = form.size
        if "Checksum" in answer:
            answer["Checksum"] = checksum_of(form)
        return answer

    def select_object_content(self, call: Call) -> Flow:
        """Refused for what lies compressed: the store would look at that."""
        head = yield from self._looked_at(call.request)
        if head[_FORM] is not None:
            raise refused(
                call.request,
                "the object lies compressed, and the store can't select from it; read it by get_object and select here",
            )
        return (yield from sent(self._place, call.request))

    def dictionary(self, request: Request, form: StoredForm) -> Generator[Any, Any, Dictionary | None]:
        """The dictionary that an object needs."""
        if not form.dictionary:
            return None
        return (yield from self._dictionaries.get(self._place, request.params["Bucket"], form.dictionary))

    def _looked_at(self, request: Request) -> Flow:
        head = head_of(request)
        answer: Response = yield Call(self._place, head)
        return {_FORM: form_of(self._place, head, answer)}

    def _whole(self, request: Request, answer: Response, form: StoredForm, *, wants_part: bool) -> Flow:
        is_part = "ContentRange" in answer or wants_part
        try:
            check_size(self._place, request, form, answer["ContentLength"])
            dictionary = yield from self.dictionary(request, form)
        except Exception:
            yield Discard(answer["Body"])
            raise
        whose = (request.params["Bucket"], request.params["Key"])
        answer["Body"] = yield Unpack(answer["Body"], form, whose, dictionary=dictionary, size=form.size)
        describe(answer, form, request.params)
        if is_part:
            # The only part of an object of one, or all that an odd range asks for.
            status = 206 if wants_part else answer["ResponseMetadata"]["HTTPStatusCode"]
            narrow(answer, 0, form.size, form.size)
            answer["ResponseMetadata"]["HTTPStatusCode"] = status
        return answer


def _check_part(request: Request) -> None:
    """Refuse a part beyond the only one.

    Raises:
        Rejected: 416, as S3 answers.
    """
    if request.params.get("PartNumber", 1) == 1:
        return
    if request.operation == "HeadObject":
        raise rejected(request, "416", 416, "Requested Range Not Satisfiable")
    raise rejected(request, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable")


_FORM: Final = "form"
