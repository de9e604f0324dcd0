"""Metrics that `foodco_storage.counting` counts already, whether or not somebody listens: they are read from there."""

from __future__ import annotations

from collections.abc import Iterator

from foodco_storage.counting import counters

COUNTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "degraded_reads": ("foodco_storage.degraded.reads", ()),
    "cache_memory_hits": ("foodco_storage.cache.hits", ("memory",)),
    "cache_disk_hits": ("foodco_storage.cache.hits", ("disk",)),
    "cache_misses": ("foodco_storage.cache.misses", ()),
    "cache_revalidated": ("foodco_storage.cache.revalidations", ()),
    "cache_stale": ("foodco_storage.cache.stale", ()),
    "cache_memory_evictions": ("foodco_storage.cache.evictions", ("memory",)),
    "cache_disk_evictions": ("foodco_storage.cache.evictions", ("disk",)),
    "cache_memory_bytes": ("foodco_storage.cache.size", ("memory",)),
    "cache_disk_bytes": ("foodco_storage.cache.size", ("disk",)),
    "cache_saved_bytes": ("foodco_storage.cache.saved", ()),
    "cache_saved_requests": ("foodco_storage.cache.saved_requests", ()),
    "promotes": ("foodco_storage.promotes", ("done",)),
    "promotes_overtaken": ("foodco_storage.promotes", ("overtaken",)),
    "promotes_dropped": ("foodco_storage.promotes", ("dropped",)),
    "promotes_too_large": ("foodco_storage.promotes", ("too_large",)),
    "promotes_stopped": ("foodco_storage.promotes", ("stopped",)),
    "promote_failures": ("foodco_storage.promotes", ("failed",)),
    "promoted_bytes": ("foodco_storage.promoted", ()),
    "mirrored": ("foodco_storage.mirrors", ("done",)),
    "mirror_failures": ("foodco_storage.mirrors", ("failed",)),
    "tombstones": ("foodco_storage.tombstones", ()),
    "presigned_writes": ("foodco_storage.presigned_writes", ()),
    "compressed": ("foodco_storage.compression.objects", ()),
    "compressed_bytes": ("foodco_storage.compression.logical", ()),
    "compressed_stored_bytes": ("foodco_storage.compression.stored", ()),
}
"""For each counter its metric, and the values of the labels after `route`.

What compression saves is no counter of its own: its two are added to one after the other, and a difference that is read in
between goes down again, which to Prometheus is a restart.
"""

COUNTED_METRICS = frozenset(metric for metric, _ in COUNTED.values())
"""What is told here."""


def counted(name: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """The values of one metric as they are now, each with those of its labels."""
    for route, counts in counters().items():
        for counter, count in counts.items():
            metric, labels = COUNTED.get(counter, ("", ()))
            if metric == name:
                yield (route, *labels), count
