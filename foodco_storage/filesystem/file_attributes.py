"""What s3fs's files tell beside their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FileAttributes:
    """Methods of the filesystem, for an open file."""

    fs: Any
    path: str

    def metadata(self, refresh: bool = False, **kwargs: Any) -> dict[str, str]:
        """User metadata of the object."""
        found: dict[str, str] = self.fs.metadata(self.path, refresh, **kwargs)
        return found

    def getxattr(self, xattr_name: str, **kwargs: Any) -> str | None:
        """One name of the metadata; None where there is none."""
        found: str | None = self.fs.getxattr(self.path, xattr_name, **kwargs)
        return found

    def setxattr(self, copy_kwargs: Mapping[str, Any] | None = None, **kwargs: str | None) -> None:
        """Change metadata.

        Raises:
            NotImplementedError: the file is open for writing, and there is no object yet.
        """
        if self.writable():  # type: ignore[attr-defined]
            raise NotImplementedError("metadata can't be changed while the file is open for writing: close it first")
        self.fs.setxattr(self.path, copy_kwargs=copy_kwargs, **kwargs)

    def url(self, **kwargs: Any) -> str:
        """A presigned URL of the object."""
        signed: str = self.fs.url(self.path, **kwargs)
        return signed
