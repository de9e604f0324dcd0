"""A place that keeps objects compressed: every call to it goes through here, whichever flow makes it.

So everything above it (the mirror, promotes, repairs, the cache) knows users' objects only, and the other side of a migration
never sees a stored form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from foodco_storage.flows.effects import Call
from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Flow
from foodco_storage.layers.compressed_reads import CompressedReads
from foodco_storage.layers.compressed_writes import CompressedWrites
from foodco_storage.layers.compressible import Compressing
from foodco_storage.layers.dictionaries import Dictionaries
from foodco_storage.layers.exact_sizes import ExactSizes


class CompressedPlace:
    """Translates between users' objects and what lies in a place.

    Args:
        route: its name.
        place: as it is stored.
        options: what is compressed, and how.
        dictionaries: those that this process has.
    """

    def __init__(self, route: str, place: Place, options: Compressing, dictionaries: Dictionaries) -> None:
        reads = CompressedReads(place, dictionaries, expects=options.packing is not None)
        writes = CompressedWrites(route, place, options, dictionaries)
        flows: dict[str, Callable[[Any], Flow]] = {
            "CreateMultipartUpload": writes.create_multipart_upload,
            "GetObject": reads.get_object,
            "GetObjectAttributes": reads.get_object_attributes,
            "HeadObject": reads.head_object,
            "PutObject": writes.put_object,
            "SelectObjectContent": reads.select_object_content,
        }
        if options.table or options.exact_sizes:
            sizes = ExactSizes(place, always=options.exact_sizes)
            flows |= {
                "ListObjects": sizes.list_objects,
                "ListObjectsV2": sizes.list_objects_v2,
                "ListObjectVersions": sizes.list_object_versions,
            }
        self._flows: Mapping[str, Callable[[Any], Flow]] = flows

    @property
    def operations(self) -> Mapping[str, Any]:
        """The operations that it has to do with."""
        return self._flows

    def call(self, effect: Call) -> Flow:
        """Carry out a call."""
        return self._flows[effect.request.operation](effect)
