"""Who answers `foodco-storage stats`: this host's statistics, the telemetry bucket, or what was shipped to some place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from foodco_storage.cli.options import loaded
from foodco_storage.cli.stats_output import note
from foodco_storage.config import load
from foodco_storage.database_files import judge
from foodco_storage.errors import ConfigurationError, Problem, StatisticsError
from foodco_storage.places import shown

if TYPE_CHECKING:
    from foodco_storage.access.questions import Source
    from foodco_storage.access.store import Store
    from foodco_storage.config import Configuration

DEFAULT_HALF_LIFE_DAYS: Final = 7.0
"""As `telemetry.access.half_life_days`, where there is no configuration."""


@dataclass(frozen=True)
class Asked:
    """Who is asked.

    Args:
        source: who answers.
        store: this host's, which has the inventories; an empty one where there is none.
        place: where the statistics lie.
        half_life_days: after so long a read counts half in a score.
    """

    source: Source
    store: Store
    place: str
    half_life_days: float


@contextmanager
def asked(config: Path | None, *, fleet: bool, shipped: str | None) -> Iterator[Asked]:
    """Find who is to be asked. To look makes no statistics where there are none.

    Args:
        config: the configuration's file; None to look for one. With `shipped` there need not be any.
        fleet: the telemetry bucket of the configuration.
        shipped: a folder, or a URL that fsspec opens, of shipped statistics.

    Raises:
        ConfigurationError: there is no configuration, or what it would have to say is not in it; or the location is none.
        StatisticsError: DuckDB is not installed.
    """
    if fleet and shipped is not None:
        raise ConfigurationError([Problem("--shipped", "is another place than --fleet: give one of them")])
    configuration = load(config) if shipped is not None else enabled(config)
    half_life_days = configuration.telemetry.access.half_life_days if configuration else DEFAULT_HALF_LIFE_DAYS
    with _store(configuration, is_needed=not fleet and shipped is None) as (store, own_place):
        if shipped is not None:
            source, place = _shipped(shipped, configuration, store)
        elif fleet:
            assert configuration is not None  # noqa: S101 - for mypy
            source, place = _fleet(configuration, store)
        else:
            from foodco_storage.access.questions import Local  # noqa: PLC0415 - slow to import, and only used here

            source, place = Local(store), own_place
        yield Asked(source, store, place, half_life_days)


def enabled(config: Path | None) -> Configuration:
    """The configuration, in which access statistics are enabled.

    Raises:
        ConfigurationError: there is none, or they are not.
    """
    configuration = loaded(config)
    if not configuration.telemetry.access.enabled:
        message = "is false: no access statistics are kept; set it to true, here and for the services"
        raise ConfigurationError([Problem("telemetry.access.enabled", message)])
    return configuration


def host_store(configuration: Configuration) -> Store:
    """This host's store, made where it is not there.

    Raises:
        ConfigurationError: nothing says where it is.
    """
    from foodco_storage.front.listeners import access_directory, store_of  # noqa: PLC0415 - slow to import

    return store_of(configuration, access_directory(configuration, os.environ))


def existing_store(configuration: Configuration, *, is_needed: bool = True) -> Store | None:
    """This host's store; None, and a note where one is needed, if nobody has written it yet.

    Raises:
        ConfigurationError: nothing says where it is.
        StatisticsError: services can't write there.
        OSError: another user's directory, which can't be looked into.
    """
    from foodco_storage.access.trouble import DATABASE  # noqa: PLC0415 - slow to import, and only used here

    store = host_store(configuration)
    if (store.directory / DATABASE).exists():
        return store
    if store.directory.exists():
        # Where services can't write either, what they say.
        judge(store.directory, StatisticsError)
    if is_needed:
        note(
            f"there are no access statistics at {store.directory} (user {os.geteuid()}) yet: services of this user write "
            "them there, with telemetry.access.enabled"
        )
    return None


@contextmanager
def _store(configuration: Configuration | None, *, is_needed: bool) -> Iterator[tuple[Store, str]]:
    """This host's store, or an empty one in its place, whose answers have columns too; and where it is, or would be."""
    place = ""
    if configuration is not None and configuration.telemetry.access.enabled:
        place = str(host_store(configuration).directory)
        store = existing_store(configuration, is_needed=is_needed)
        if store is not None:
            yield store, place
            return
    from foodco_storage.access.store import Store  # noqa: PLC0415 - slow to import, and only used here

    with TemporaryDirectory(prefix="foodco-storage-") as directory:
        yield Store(Path(directory)), place


def _fleet(configuration: Configuration, store: Store) -> tuple[Source, str]:
    """The telemetry bucket, asked as its backend is, whatever routes and default there are."""
    from foodco_storage.access.fleet import Fleet  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.config.model import Default  # noqa: PLC0415 - as everywhere

    shipping = configuration.telemetry.shipping
    if shipping.backend is None or shipping.bucket is None:
        message = "is missing: nothing is shipped; name the backend of the telemetry bucket, and its bucket"
        raise ConfigurationError([Problem("telemetry.shipping.backend", message)])
    alone = _unheard(configuration, routes={}, default=Default(backend=shipping.backend))
    location = f"foodco://{shipping.bucket}/{shipping.prefix}"
    return Fleet(location, store, storage=alone), location


def _shipped(location: str, configuration: Configuration | None, store: Store) -> tuple[Source, str]:
    from foodco_storage.access.fleet import Fleet  # noqa: PLC0415 - slow to import, and only used here

    fleet = Fleet(location, store, **location_options("--shipped", location, configuration))
    if fleet.is_empty():
        message = (
            f"no shipped statistics are at {shown(location)}: name the bucket and prefix to which they are shipped, or a "
            "copy of it"
        )
        raise ConfigurationError([Problem("--shipped", message)])
    return fleet, shown(location)


def location_options(name: str, location: str, configuration: Configuration | None) -> dict[str, Any]:
    """Options of fsspec for a location: `foodco://` is read by the configuration of the command, and not counted.

    Args:
        name: of the argument, for errors.
        location: a path or URL.
        configuration: the command's; None for what the filesystem finds.

    Raises:
        ConfigurationError: nobody opens such locations, who does is not installed, or it is none.
    """
    if not location:
        raise ConfigurationError([Problem(name, "is empty: name a file, a folder, or foodco://bucket/prefix")])
    import fsspec  # noqa: PLC0415 - slow to import, and only used here
    from fsspec.utils import get_protocol  # noqa: PLC0415 - the same

    from foodco_storage.filesystem import FoodcoFileSystem  # noqa: PLC0415 - the same

    try:
        opener = fsspec.get_filesystem_class(get_protocol(location))
    except (ImportError, ValueError) as error:
        message = f"can't be opened: {error}. Stores are read by this library too: foodco://bucket/prefix"
        raise ConfigurationError([Problem(name, message)]) from error
    if not issubclass(opener, FoodcoFileSystem):
        return {}
    if not opener._strip_protocol(location):  # noqa: SLF001 - fsspec's, for all to use
        raise ConfigurationError([Problem(name, "names no bucket: say foodco://bucket/prefix")])
    return {} if configuration is None else {"storage": _unheard(configuration)}


def _unheard(configuration: Configuration, **changes: Any) -> Configuration:
    """A configuration whose clients tell nobody what they do: the statistics are not about their own reader."""
    from foodco_storage.config.model import Settled  # noqa: PLC0415 - as everywhere
    from foodco_storage.config.telemetry_model import Telemetry  # noqa: PLC0415 - the same

    told = {name: getattr(configuration, name) for name in configuration.__struct_fields__}
    return Settled(**{**told, "telemetry": Telemetry(enabled=False), **changes})
