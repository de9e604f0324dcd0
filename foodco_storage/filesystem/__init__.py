"""The stores as a file system for fsspec: `foodco://bucket/key` (DESIGN 11).

fsspec finds `FoodcoFileSystem` by an entry point; nobody needs to import it. The way of a read: `filesystem` (`open`),
`read_file`, `streaming`, `pieces`, `store`, and then the client's. The way of a write: `filesystem`, `write_file`, `uploads`,
`store`.
"""

from __future__ import annotations

from foodco_storage.filesystem.failures import FileChangedError
from foodco_storage.filesystem.filesystem import FoodcoFileSystem

__all__ = ["FileChangedError", "FoodcoFileSystem"]
