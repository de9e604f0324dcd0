"""Finding out what a store can do, by trying it: real requests on keys of its own, removed afterwards.

`probe` is the quick form that a service runs at first need; `probe_all` is what `foodco-storage doctor --probe` runs, with
races. Both need a client without the repairs of `backends.quirks`, which would hide what they look for, and one that does
not retry (`total_max_attempts=1`): a retry turns a conditional write that took place into a 412.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from foodco_storage.backends import probe_races, probe_requests
from foodco_storage.backends.capabilities import Call
from foodco_storage.backends.probe_sandbox import THREADS, NotAnswered, Sandbox, sandbox

logger = logging.getLogger("foodco_storage")

DEFAULT_ROUNDS = 200
"""Rounds of every race. RGW 16 loses a write in more than a third of them."""

_QUICK_ROUNDS = 8
_QUICK_WRITERS = 2

Check = Callable[[Sandbox], bool]


def probe(call: Call, bucket: str, reserved_prefix: str) -> dict[str, bool]:
    """Find out what a store can do on a bucket; without the races that only show by chance.

    Args:
        call: sends a request, given botocore's name of the operation and its parameters; called from several threads.
        bucket: an existing bucket of the store, by the store's name for it.
        reserved_prefix: everything is written below `<reserved_prefix>probe/`, and removed again.

    Returns:
        What was found out, by name (`CAPABILITIES`). What could not be determined is left out, as are `put_race_safe` and
        `delete_race_safe`, unless the condition that they are about is missing; and of `conditional_put` and
        `conditional_put_versioned` the one that is not about this bucket.

    Raises:
        botocore.exceptions.ClientError: not even a plain object could be written and read back.
        botocore.exceptions.BotoCoreError: the same.

    Example:
        probe(client._make_api_call, "images", ".foodco-storage/")["conditional_put"]
    """
    with sandbox(call, bucket, reserved_prefix) as place:
        return _found(place, _checks(place, _QUICK_ROUNDS, _QUICK_WRITERS))


def probe_all(call: Call, bucket: str, reserved_prefix: str, *, rounds: int = DEFAULT_ROUNDS) -> dict[str, bool]:
    """Find out what a store can do on a bucket, races included; it takes seconds.

    Args:
        call: as in `probe`.
        bucket: as in `probe`.
        reserved_prefix: as in `probe`.
        rounds: how often each race is run. A capability counts as present only if no round went wrong.

    Returns:
        As `probe`, with `put_race_safe` and `delete_race_safe`.

    Raises:
        botocore.exceptions.ClientError: as in `probe`.
        botocore.exceptions.BotoCoreError: as in `probe`.
    """
    with sandbox(call, bucket, reserved_prefix) as place:
        found = _found(place, _checks(place, rounds, THREADS))
        races: dict[str, Check] = {}
        if found.get("put_if_match"):
            quoted = found.get("put_if_match_quoted", False)
            races["put_race_safe"] = lambda place: probe_races.put_race_safe(place, rounds, quoted=quoted)
        if found.get("delete_if_match"):
            races["delete_race_safe"] = lambda place: probe_races.delete_race_safe(place, rounds)
        return found | _found(place, races)


def _checks(place: Sandbox, rounds: int, writers: int) -> dict[str, Check]:
    def conditional_put(place: Sandbox) -> bool:
        return probe_requests.conditional_put(place) and probe_races.conditional_put_is_atomic(
            place, rounds, writers=writers
        )

    return {
        "conditional_put_versioned" if place.versioned else "conditional_put": conditional_put,
        "put_if_match_quoted": probe_requests.put_if_match_quoted,
        "put_if_match": probe_requests.put_if_match,
        "delete_if_match": probe_requests.delete_if_match,
        "complete_if_none_match": probe_requests.complete_if_none_match,
        "copy_if_none_match": probe_requests.copy_if_none_match,
        "part_number": probe_requests.part_number,
        "object_attributes": probe_requests.object_attributes,
        "checksums": probe_requests.checksums,
        "delete_objects_without_md5": probe_requests.delete_objects_without_md5,
    }


def _found(place: Sandbox, checks: Mapping[str, Check]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name, check in checks.items():
        try:
            found[name] = check(place)
        except (BotoCoreError, ClientError, NotAnswered) as error:
            logger.info("capability %s of bucket %r could not be determined: %s", name, place.bucket, error)
    for condition, race in (("put_if_match", "put_race_safe"), ("delete_if_match", "delete_race_safe")):
        # A request that ignores its condition undoes whatever was written before it.
        if found.get(condition) is False:
            found[race] = False
    return found
