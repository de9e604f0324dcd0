"""Writes of any client of the process, told to every cache of it.

What was kept of a key is good no more when a write of it has ended, however it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from foodco_storage.operations import OPERATIONS, OperationClass

if TYPE_CHECKING:
    # Most processes have no cache.
    from foodco_storage.cache.generations import Generations
    from foodco_storage.flows.request import Parameters

_WRITES = {OperationClass.OBJECT_WRITE, OperationClass.OBJECT_DELETE}


class Invalidation:
    """Changes the numbers of what is written.

    Args:
        generations: all that caches of the process go by; more may come.
    """

    operations = frozenset({name for name, kind in OPERATIONS.items() if kind in _WRITES} | {"CompleteMultipartUpload"})
    """Those that change what a read of an object answers."""

    def __init__(self, generations: Sequence[Generations]) -> None:
        self._generations = generations

    def change(self, names: Iterable[str], operation: str, params: Parameters) -> None:
        """What one of `operations` writes is about to be written, or may have been.

        Args:
            names: what callers and stores call the bucket.
            operation: botocore's name of it.
            params: its parameters.
        """
        slots = _slots(names, _keys(operation, params))
        for generations in tuple(self._generations):
            generations.change(slots)


def _slots(names: Iterable[str], keys: Iterable[str]) -> list[int]:
    from foodco_storage.cache.generations import seed_of, slots_of  # noqa: PLC0415 - most processes have no cache

    seeds = [seed_of(name) for name in names]
    return [slot for key in keys for slot in slots_of(seeds, key)]


def _keys(operation: str, params: Parameters) -> list[str]:
    """The keys that an operation changes; what botocore will refuse names none."""
    if operation == "DeleteObjects":
        delete: Any = params.get("Delete")
        objects = delete.get("Objects", ()) if isinstance(delete, dict) else ()
        named = (
            [item.get("Key") for item in objects if isinstance(item, dict)] if isinstance(objects, list | tuple) else []
        )
    else:
        named = [params.get("Key")]
        if operation == "RenameObject":
            named += _renamed(params.get("RenameSource"))
    # An enumeration's member, numpy's string: botocore sends the characters, whatever `str()` makes of them.
    return [str.__str__(key) for key in named if isinstance(key, str)]


def _renamed(source: Any) -> list[str]:
    """What a key that is renamed may have been called: S3 takes it with its bucket's name and without."""
    if not isinstance(source, str):
        return []
    key = unquote(source).removeprefix("/")
    return [key, key.partition("/")[2]]
