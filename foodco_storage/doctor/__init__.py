"""Checks of a configuration and of the stores that it names, for `foodco-storage doctor`.

Nothing is written anywhere, unless `probe` is asked for; then only below the routes' reserved prefixes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

from foodco_storage.backends.probe import DEFAULT_ROUNDS
from foodco_storage.config import load
from foodco_storage.doctor.finding import Finding, exit_code
from foodco_storage.errors import ConfigurationError

if TYPE_CHECKING:
    from foodco_storage.config import Configuration
    from foodco_storage.doctor.stores import Place, Store

__all__ = ["Finding", "examine", "exit_code"]


def examine(source: Any = None, *, probe: bool = False, rounds: int = DEFAULT_ROUNDS) -> Iterator[Finding]:
    """Look at everything, and say what is found as it is found.

    Args:
        source: the configuration, as for `foodco_storage.client(storage=...)`; None to look for one.
        probe: also try out what the stores can do on the buckets of the routes, and record it there.
        rounds: how often each race of the probe is run.

    Example:
        exit_code(examine("storage.toml"))
    """
    try:
        configuration = load(source)
    except ConfigurationError as error:
        for problem in error.problems:
            yield Finding("error", problem.path, problem.message)
        return
    if configuration is None:
        advice = "name a file by --config or FOODCO_STORAGE_CONFIG, or write ~/.config/foodco_storage/config.toml"
        yield Finding("error", "configuration", "there is none: clients behave as boto3's", advice)
        return
    counted = f"{len(configuration.backends)} backends, {len(configuration.routes)} routes"
    yield Finding("ok", "configuration", f"is valid: {counted}")
    stores: dict[str, Store] = {}
    yield from _backends(configuration, stores)
    yield from _routes(configuration, stores, probe=probe, rounds=rounds)


def _backends(configuration: Configuration, stores: dict[str, Store]) -> Iterator[Finding]:
    """Look at every backend; those that answer are put into `stores`."""
    from foodco_storage.doctor.reach import reach  # noqa: PLC0415 - a broken configuration comes no further
    from foodco_storage.doctor.stores import open_store, used_backends  # noqa: PLC0415

    for name, backend in used_backends(configuration).items():
        try:
            store = open_store(name, backend)
        except ConfigurationError as error:
            for problem in error.problems:
                yield Finding("error", problem.path, problem.message)
            continue
        except (BotoCoreError, ValueError) as error:
            # botocore has ValueError for what it can't make a URL of.
            yield Finding("error", f"backends.{name}", f"botocore can't make a client of these settings: {error}")
            continue
        findings = list(reach(store))
        yield from findings
        if exit_code(findings) == 0:
            stores[name] = store


def _routes(
    configuration: Configuration, stores: dict[str, Store], *, probe: bool, rounds: int
) -> Iterator[Finding]:
    """Look at every bucket of every route, on the backends that answer."""
    from foodco_storage.doctor.stores import places  # noqa: PLC0415

    probed: set[tuple[str, str, str]] = set()
    timed: set[str] = set()
    for place in places(configuration):
        store = stores.get(place.backend)
        if store is None:
            yield Finding("warning", place.subject, f"not looked at, since {place.backend!r} can't be used")
            continue
        if place.bucket is None:
            yield Finding("ok", place.subject, "not looked at: a pattern names no bucket")
            continue
        findings = list(_place(store, place))
        yield from findings
        where = (place.backend, place.bucket, place.route.reserved_prefix)
        if _is_missing(findings) or where in probed:
            continue
        probed.add(where)
        yield from _capabilities(store, place, probe=probe, rounds=rounds)
        if store.preset != "aws" and store.name not in timed:
            timed.add(store.name)
            yield from _speed(store, place, probe=probe)


def _place(store: Store, place: Place) -> Iterator[Finding]:
    from foodco_storage.doctor import buckets  # noqa: PLC0415

    findings = list(buckets.existence(store, place))
    yield from findings
    if _is_missing(findings):
        return
    yield from buckets.versioning(store, place)
    if place.role == "primary" and place.route.fallbacks:
        yield from buckets.lifecycle(store, place)


def _is_missing(findings: list[Finding]) -> bool:
    return any(finding.level == "error" or "no such bucket" in finding.message for finding in findings)


def _capabilities(store: Store, place: Place, *, probe: bool, rounds: int) -> Iterator[Finding]:
    from foodco_storage.doctor import records  # noqa: PLC0415

    if probe:
        yield from records.record(store, place, rounds)
    elif place.role == "primary":
        yield from records.recorded(store, place)


def _speed(store: Store, place: Place, *, probe: bool) -> Iterator[Finding]:
    from foodco_storage.doctor.stall import small_reads  # noqa: PLC0415

    yield from small_reads(store, place, may_write=probe)
