"""`PartNumber` on backends that ignore it.

Ceph RGW 16.2 answers the whole object whatever part was asked for. A caller that puts parts together would write wrong
data, so an answer that does not show which part it is, and can't be right, is refused.
"""

from __future__ import annotations

from foodco_storage.flows.effects import Discard
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow, Request, Response
from foodco_storage.flows.s3_errors import refused, rejected


def check_part_number(place: Place, request: Request, response: Response) -> Flow:
    """Let the answer pass where it is the part that was asked for.

    Raises:
        Rejected: 416 `InvalidPartNumber` for a part beyond the only one; a refusal where the object has parts and the
            backend does not know them.
    """
    params = request.params
    has_parts = "-" in str(response.get("ETag", ""))
    shows_its_part = "PartsCount" in response or ("ContentRange" in response and "Range" not in params)
    if shows_its_part or (params["PartNumber"] == 1 and not has_parts):
        return response
    if (body := response.get("Body")) is not None:
        yield Discard(body)
    if has_parts:
        raise refused(
            request,
            f"the backend {place.backend!r} ignores PartNumber and would answer the whole object; "
            "ask for a Range instead",
        )
    raise rejected(request, "InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
