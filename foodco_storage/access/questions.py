"""What statistics are asked: one text of SQL for each question, for SQLite and DuckDB both.

They are asked of a `Source`: a host's store (`Local`), or everything that was shipped (`foodco_storage.access.fleet`).

Example:
    for route, bucket, key, reads, *_ in most_read_keys(Local(store), limit=10).rows:
        print(route, bucket, key, reads)
"""

from foodco_storage.access.asking import Answer, Local, Source
from foodco_storage.access.key_questions import most_read_keys, most_read_prefixes, never_read
from foodco_storage.access.traffic_questions import backends, hit_ratios, readers, still_reads

__all__ = [
    "Answer",
    "Local",
    "Source",
    "backends",
    "hit_ratios",
    "most_read_keys",
    "most_read_prefixes",
    "never_read",
    "readers",
    "still_reads",
]
