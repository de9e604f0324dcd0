"""Dictionaries for small objects: trained on what a route holds, measured on what they were not trained on, kept as data.

`foodco-storage dictionary`. A dictionary is stored, and read back, before anybody is told its id; nothing is ever changed or
deleted under an id.
"""

from __future__ import annotations

from collections.abc import Iterator

from foodco_storage.config import Configuration
from foodco_storage.dictionaries.copies import Copy, copies_of, spread
from foodco_storage.dictionaries.sampling import sampled
from foodco_storage.dictionaries.training import DictionaryRefusedError, Trained, trained_on
from foodco_storage.errors import StorageError
from foodco_storage.front.scopes import scopes
from foodco_storage.front.standalone import opened_places

__all__ = ["Copy", "DictionaryRefusedError", "Trained", "copies", "train"]

SAMPLES = 4000
"""Objects that a dictionary is trained on and measured by, unless the caller says otherwise."""

DICTIONARY_BYTES = 112_640
"""Size of a dictionary: that of `zstd --train`."""


def train(
    configuration: Configuration,
    route_name: str,
    *,
    bucket: str | None = None,
    prefix: str | None = None,
    samples: int = SAMPLES,
    dictionary_bytes: int = DICTIONARY_BYTES,
    store: bool = True,
) -> Trained:
    """Train a dictionary on objects of a route, measure what it saves, and store it in every bucket of every backend.

    Args:
        configuration: validated.
        route_name: the route's name in it.
        bucket: only the objects of this bucket, and stored there alone; needed where the route names buckets by a pattern.
        prefix: only objects whose keys start with it.
        samples: how many objects at most, a fifth of which it is measured by.
        dictionary_bytes: its size at most.
        store: whether to store it; without it is trained and measured only.

    Returns:
        What it saves on the objects that it was not trained on, and where it lies.

    Raises:
        ConfigurationError: there is no such route, or the bucket is not the route's.
        DictionaryRefusedError: there is too little to train on, or it saves nothing.
        StorageError: the primary did not take it.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: a store can't be asked.

    Example:
        train(load("storage.toml"), "food-metadata").id
    """
    found = scopes(configuration, route_name, bucket)
    options = configuration.routes[route_name].compression
    with opened_places(configuration, route_name) as (places, driver):
        sample = sampled(places, driver, found, prefix=prefix, most=samples, smallest=int(options.min_bytes))
        result = trained_on(sample, level=options.level, dictionary_bytes=dictionary_bytes)
        if not store:
            return result
        lies = spread(places, driver, [scope.bucket for scope in found], result.id, result.data)
        failed = [copy for copy in lies if copy.backend == places[0].backend and copy.state != "ok"]
        if failed:
            raise StorageError(f"the dictionary could not be stored: {failed[0].where}: {failed[0].state}")
        return result.stored(lies)


def copies(
    configuration: Configuration, route_name: str, *, bucket: str | None = None, repair: bool = False
) -> Iterator[Copy]:
    """Every copy that there should be of every dictionary of a route, each read and verified.

    Args:
        configuration: validated.
        route_name: the route's name in it.
        bucket: only in this bucket; needed where the route names buckets by a pattern.
        repair: put back what is missing or damaged, from a copy that is right.

    Raises:
        ConfigurationError: there is no such route, or the bucket is not the route's.
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the primary can't be asked.

    Example:
        all(copy.state == "ok" for copy in copies(load("storage.toml"), "food-metadata"))
    """
    found = scopes(configuration, route_name, bucket)
    in_use = configuration.routes[route_name].compression.dictionary
    with opened_places(configuration, route_name) as (places, driver):
        yield from copies_of(places, driver, [scope.bucket for scope in found], in_use, repair=repair)
