"""What the library adds to a response, all of it under `ResponseMetadata["Storage"]`."""

from __future__ import annotations

from typing import Any

from foodco_storage.flows.request import Response


def note(response: Response, **facts: Any) -> Response:
    """Add facts to `response["ResponseMetadata"]["Storage"]`, and return the response."""
    response.setdefault("ResponseMetadata", {}).setdefault("Storage", {}).update(facts)
    return response
