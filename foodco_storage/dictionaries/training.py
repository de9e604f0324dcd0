"""Training, and measuring on objects that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import zstandard

from foodco_storage.compression.codecs import compressor
from foodco_storage.dictionaries.copies import Copy
from foodco_storage.dictionaries.sampling import Sample
from foodco_storage.errors import StorageError
from foodco_storage.flows.compression_effects import Dictionary
from foodco_storage.layers.dictionaries import id_of

_FEWEST: Final = 50
_HELD_OUT: Final = 5
"""Each fifth object is not trained on."""

_SMALLEST_BYTES: Final = 256


class DictionaryRefusedError(StorageError):
    """Give it more, or other objects: a dictionary made of these would save nothing. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A dictionary, and what it saves.

    Args:
        id: its id, for `routes.NAME.compression.dictionary`.
        data: its bytes.
        listed: keys that were looked at.
        samples: objects that it was trained on.
        held_out: objects that it was not trained on, by which the following are measured.
        held_out_bytes: of them.
        plain_bytes: of them, compressed without it.
        dictionary_bytes: of them, compressed with it.
        copies: where it was stored.
    """

    id: str
    data: bytes = field(repr=False)
    listed: int
    samples: int
    held_out: int
    held_out_bytes: int
    plain_bytes: int
    dictionary_bytes: int
    copies: Sequence[Copy] = ()

    def stored(self, copies: Sequence[Copy]) -> Trained:
        """The same, and where it lies."""
        return replace(self, copies=tuple(copies))


def trained_on(sample: Sample, *, level: int, dictionary_bytes: int) -> Trained:
    """Train a dictionary on four fifths of a sample, and measure it by the rest.

    Args:
        sample: objects of a route.
        level: the route's.
        dictionary_bytes: the dictionary's size at most.

    Raises:
        DictionaryRefusedError: there are too few objects, or it saves nothing.
    """
    held_out = sample.bodies[::_HELD_OUT]
    training: list[Any] = [body for number, body in enumerate(sample.bodies) if number % _HELD_OUT]
    if len(sample.bodies) < _FEWEST:
        raise DictionaryRefusedError(
            f"{len(sample.bodies)} of {sample.listed} objects are of a size and kind that dictionaries are for; it takes "
            f"{_FEWEST} at least, and some thousands to be of use"
            + (f" ({sample.unread} could not be read: {sample.why})" if sample.unread else "")
        )
    # A dictionary as large as what it is made of has learnt nothing.
    size = max(_SMALLEST_BYTES, min(dictionary_bytes, sum(map(len, training)) // 4))
    try:
        made = zstandard.train_dictionary(size, training, level=level)
    except zstandard.ZstdError as error:
        raise DictionaryRefusedError(
            f"zstd can't make a dictionary of {len(training)} objects: {error}; give it more of them"
        ) from error
    data = made.as_bytes()
    dictionary = Dictionary(id_of(data), data)
    plain = _compressed(held_out, level, None)
    with_it = _compressed(held_out, level, dictionary)
    result = Trained(
        dictionary.id,
        data,
        sample.listed,
        len(training),
        len(held_out),
        sum(map(len, held_out)),
        plain,
        with_it,
    )
    if with_it >= plain:
        raise DictionaryRefusedError(
            f"the {len(held_out)} objects that it was not trained on take {plain} bytes without it and {with_it} with it: "
            "they have too little in common"
        )
    return result


def _compressed(bodies: Sequence[bytes], level: int, dictionary: Dictionary | None) -> int:
    compress = compressor(level, dictionary).compress
    return sum(len(compress(body)) for body in bodies)
