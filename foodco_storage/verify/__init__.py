"""Whether the two sides of a route are as its phase demands: `foodco-storage verify`, and what phase moves ask first.

Both listings are laid side by side, page by page, so memory does not grow with the bucket. Where a listing can't tell (ETags
of multipart uploads, of promoted copies) both sides are asked by HEAD, and before a difference is reported both sides are
looked at again, so that a write under way is none.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.config import Configuration
from foodco_storage.errors import ConfigurationError, StorageError
from foodco_storage.verify.difference import Difference, Kind, Summary
from foodco_storage.verify.listing import VerifyRefusedError
from foodco_storage.verify.verification import Options, Progress, Since, Verification

__all__ = ["Difference", "Kind", "Summary", "Verification", "VerifyRefusedError", "verify", "verify_reasons"]

_EXAMPLES = 3
_SAID: Mapping[str, str] = MappingProxyType(
    {
        "missing": "keys of the side that decides are missing on the other one",
        "extra": "keys lie on the primary only, though the source decides",
        "differs": "keys hold different objects",
        "not deleted": "keys were deleted on the primary, and still lie in the source",
        "hidden": "keys lie in the source, which decides, and were deleted on the primary: nobody would find them there",
        "unproven": "keys hold objects that only reading can prove to be the same (`foodco-storage verify --deep`)",
        "unreadable": "keys could not be looked at",
    }
)


def verify(  # noqa: PLR0913 - all but two by name
    configuration: Configuration,
    route_name: str,
    *,
    since: Since = None,
    repair: bool = False,
    deep: bool = False,
    bucket: str | None = None,
    phase: str | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare the two sides of a route.

    Args:
        configuration: validated.
        route_name: the route's name in it.
        since: only keys that were changed later on either side: a time (UTC where it has no zone), or how long before now
            by each store's clock. Deletes that left no tombstone have no time, and are not found so.
        repair: bring the other side up to date where it differs, as the mirror would.
        deep: compare headers, metadata and tags of objects that look alike too, and read contents where ETags can't be
            compared (all of them, else only when something is repaired), and of all that lies compressed.
        bucket: only this bucket; needed where the route names buckets by a pattern.
        phase: compare as this phase demands; by default the configuration's. Needed where a control object holds it.
        progress: called every thousand keys or so.

    Returns:
        An iterator over the differences, whose `summary` counts everything; nothing is asked of a store before the first.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or the bucket is not the route's.
        VerifyRefusedError: there is nothing to compare, or nothing to repair in this phase.

    Example:
        run = verify(load("storage.toml"), "images")
        for difference in run:
            print(difference.kind, difference.key)
        run.summary.is_clean
    """
    if isinstance(since, dt.datetime) and since.tzinfo is None:
        since = since.replace(tzinfo=dt.UTC)
    return Verification(configuration, route_name, phase, bucket, Options(since, repair, deep, progress))


def verify_reasons(
    configuration: Configuration,
    route_name: str,
    *,
    since: Since = None,
    deep: bool = False,
    bucket: str | None = None,
    phase: str | None = None,
) -> list[str]:
    """Why it would not be safe to move a route on from its phase; empty when both sides are as they should be.

    In `source` nothing is promised of the primary, and in `target` nothing of the source: there is no reason there.

    Args:
        configuration: as for `verify`, as are all others.
        route_name: the route's name.
        since: only keys that were changed later.
        deep: compare what hangs on objects too, and read contents where nothing else can tell.
        bucket: only this bucket.
        phase: the phase to be left.

    Raises:
        ConfigurationError: there is no such route, it does not migrate, or the bucket is not the route's.
    """
    examples: defaultdict[str, list[str]] = defaultdict(list)
    try:
        run = verify(configuration, route_name, since=since, deep=deep, bucket=bucket, phase=phase)
        if run.summary.phase in {"source", "target"}:
            return []
        for difference in run:
            if len(examples[difference.kind]) < _EXAMPLES:
                examples[difference.kind].append(repr(difference.key))
    except ConfigurationError:
        raise
    except (StorageError, BotoCoreError, ClientError) as error:
        return [f"the two sides could not be compared: {error}"]
    summary = run.summary
    reasons = [
        f"{count} {_SAID[kind]}: {', '.join(examples[kind])}{' ...' if count > _EXAMPLES else ''}"
        for kind, count in sorted(summary.differences.items())
    ]
    if summary.phase == "drain" and summary.not_on_primary:
        reasons.append(f"{summary.not_on_primary} keys are not yet on the primary: only the source holds them")
    return reasons
