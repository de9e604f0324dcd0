"""Listings that tell the sizes of what users stored: one HEAD for each entry that is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from foodco_storage.flows.effects import Call, Gather, sent
from foodco_storage.flows.outcomes import Deleted, NotThere, Rejected
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.layers.compressed_answers import form_of
from foodco_storage.layers.recent import Recent

_WEIGHT: Final = 300


class ExactSizes:
    """Listings of one place.

    Args:
        place: as it is stored.
        always: for every listing; else for those that ask for it.
    """

    def __init__(self, place: Place, *, always: bool) -> None:
        self._place = place
        self._always = always
        self._sizes: Recent[tuple[Any, ...], int] = Recent(lambda _: _WEIGHT)

    def list_objects(self, call: Call) -> Flow:
        """A page of any kind of listing of objects."""
        request = call.request
        page: Response = yield Call(self._place, request, once=call.once)
        if not (self._always or request.exact_sizes):
            return page
        items = [*page.get("Contents", ()), *page.get("Versions", ())]
        asked = [item for item in items if self._known(request, item) is None]
        results: Sequence[Any] = yield Gather([self._size(request, item) for item in asked])
        for result in results:
            # One that is gone, may not be read, or is damaged, is no reason to show nothing: its size is the stored one.
            if isinstance(result, Exception) and not isinstance(result, NotThere | Deleted | Rejected):
                raise result
        for item in items:
            item["Size"] = self._known(request, item) or item["Size"]
        return page

    def _known(self, request: Request, item: dict[str, Any]) -> int | None:
        return self._sizes.get(self._which(request, item))

    def _which(self, request: Request, item: dict[str, Any]) -> tuple[Any, ...]:
        # The same bytes may be put there again by another program, without the mark.
        names = ("Key", "VersionId", "ETag", "LastModified")
        return (request.params["Bucket"], *(item.get(name) for name in names))

    def _size(self, request: Request, item: dict[str, Any]) -> Flow:
        key = item["Key"]
        params = {
            "Bucket": request.params["Bucket"],
            "Key": unquote_plus(key) if request.params.get("EncodingType") == "url" else key,
        }
        if item.get("VersionId", "null") != "null":
            params["VersionId"] = item["VersionId"]
        if "RequestPayer" in request.params:
            params["RequestPayer"] = request.params["RequestPayer"]
        head = Request("HeadObject", params)
        answer: Response = yield from sent(self._place, head)
        if answer.get("ETag") == item.get("ETag"):
            form = form_of(self._place, head, answer)
            self._sizes.put(self._which(request, item), form.size if form is not None else item["Size"])
        return answer

    list_objects_v2 = list_objects
    list_object_versions = list_objects
