"""The journal: a durable local record of writes whose two sides may differ, so that none is forgotten.

One directory serves all threads and processes of a host:

* `journal.sqlite3`: the entries. A write-ahead log that is synced at checkpoints only: what `enter` returned for survives the
  death of the process, and most of it a loss of power. A lost journal is repaired by verifying the routes.
* `owners/`: one file per open journal, locked for as long as its process lives. Entries whose owner is dead are anyone's.

The directory must be on a local disk: neither the log nor the locks work on network file systems. Keys are recorded, and
where they lie; never what an object holds.
"""

from foodco_storage.journal.rows import Row, Summary, Taken
from foodco_storage.journal.store import Journal

__all__ = ["Journal", "Row", "Summary", "Taken"]
