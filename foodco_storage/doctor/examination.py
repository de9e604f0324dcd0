"""Which checks are run, on what, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError

from foodco_storage.backends.probe import DEFAULT_ROUNDS
from foodco_storage.config import Configuration, load
from foodco_storage.doctor import buckets, records
from foodco_storage.doctor.dictionary import dictionary
from foodco_storage.doctor.finding import Finding
from foodco_storage.doctor.reach import reach
from foodco_storage.doctor.stall import small_reads
from foodco_storage.doctor.stores import Place, Store, open_store, places, used_backends
from foodco_storage.doctor.telemetry_bucket import telemetry_bucket
from foodco_storage.errors import ConfigurationError


def examine(source: Any = None, *, probe: bool = False, rounds: int = DEFAULT_ROUNDS) -> Iterator[Finding]:
    """Look at everything, and say what is found as it is found.

    Args:
        source: the configuration, as for `foodco_storage.client(storage=...)`; None to look for one.
        probe: also try out what the primaries can do on the buckets of the routes, and record it there.
        rounds: how often each race of the probe is run.

    Example:
        exit_code(examine("storage.toml"))
    """
    try:
        configuration = load(source)
    except ConfigurationError as error:
        yield from _problems(error)
        return
    if configuration is None:
        advice = "name a file by --config or FOODCO_STORAGE_CONFIG, or write ~/.config/foodco_storage/config.toml"
        yield Finding("error", "configuration", "there is none: clients behave as boto3's", advice)
        return
    counted = f"{len(configuration.backends)} backends, {len(configuration.routes)} routes"
    yield Finding("ok", "configuration", f"is valid: {counted}")
    stores: dict[str, Store] = {}
    yield from _backends(configuration, stores)
    probed: set[tuple[str, str | None, str]] = set()
    timed: set[str] = set()
    for place in places(configuration):
        store = stores.get(place.backend)
        if store is None:
            yield Finding("warning", place.subject, f"not looked at, since {place.backend!r} can't be used")
            continue
        if place.bucket is None:
            yield Finding("ok", place.subject, "not looked at: a pattern names no bucket")
            continue
        finding, is_there = buckets.existence(store, place)
        yield finding
        if not is_there:
            continue
        yield from _settings(store, place)
        # Fallbacks are read only.
        is_written = place.role == "primary"
        # Routes may share a bucket.
        where = (place.backend, place.bucket, place.route.reserved_prefix)
        if is_written and where not in probed:
            probed.add(where)
            yield from records.record(store, place, rounds) if probe else records.recorded(store, place)
        if is_written:
            yield from dictionary(store, place)
        if store.preset != "aws" and store.name not in timed:
            timed.add(store.name)
            yield from small_reads(store, place, may_write=probe and is_written)
    yield from telemetry_bucket(configuration.telemetry.shipping, stores)


def _backends(configuration: Configuration, stores: dict[str, Store]) -> Iterator[Finding]:
    """Look at every backend; those that can be used are put into `stores`."""
    for name, backend in used_backends(configuration).items():
        try:
            store = open_store(name, backend)
        except ConfigurationError as error:
            yield from _problems(error)
            continue
        except (BotoCoreError, ValueError) as error:
            # botocore has ValueError for what it can't make a URL of.
            yield Finding("error", f"backends.{name}", f"botocore can't make a client of these settings: {error}")
            continue
        findings = list(reach(store))
        yield from findings
        if not any(finding.level == "error" for finding in findings):
            stores[name] = store


def _settings(store: Store, place: Place) -> Iterator[Finding]:
    yield from buckets.versioning(store, place)
    if place.role == "primary" and place.route.fallbacks:
        yield from buckets.lifecycle(store, place)


def _problems(error: ConfigurationError) -> Iterator[Finding]:
    for problem in error.problems:
        yield Finding("error", problem.path or "configuration", problem.message)
