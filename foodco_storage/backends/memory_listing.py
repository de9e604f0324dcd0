"""One page of a listing, as S3 makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from foodco_storage.flows.request import Parameters, Response

_MAX_KEYS = 1000


def list_page(rows: Iterable[tuple[str, dict[str, Any]]], params: Parameters, after: str) -> tuple[Response, str]:
    """A page of the keys after `after`, and the last name in it.

    Args:
        rows: keys in order, with what a listing says of each.
        params: `Prefix`, `Delimiter` and `MaxKeys` of the request.
        after: a key, or a common prefix that was shown already.
    """
    prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter", "")
    limit = min(params.get("MaxKeys", _MAX_KEYS), _MAX_KEYS)
    contents: list[dict[str, Any]] = []
    prefixes: list[str] = []
    truncated, last = False, ""
    for key, row in rows:
        if key <= after or not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        common = key[: end + len(delimiter)] if end >= 0 else None
        if common is not None and (common == after or (prefixes and prefixes[-1] == common)):
            continue
        if len(contents) + len(prefixes) >= limit:
            truncated = limit > 0
            break
        if common is None:
            contents.append(row)
        else:
            prefixes.append(common)
        last = common or key
    page: Response = {"IsTruncated": truncated, "Name": params["Bucket"], "Prefix": prefix}
    page["MaxKeys"] = params.get("MaxKeys", _MAX_KEYS)
    if delimiter:
        page["Delimiter"] = delimiter
    if contents:
        page["Contents"] = contents
    if prefixes:
        page["CommonPrefixes"] = [{"Prefix": name} for name in prefixes]
    return page, last
