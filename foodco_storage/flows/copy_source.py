"""`CopySource`, in the forms that boto3 takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from foodco_storage.flows.place import Place
from foodco_storage.flows.request import Parameters

# As botocore finds it (botocore.handlers.VERSION_ID_SUFFIX).
_VERSION_ID = re.compile(r"\?versionId=(\S+)$")


@dataclass(frozen=True, slots=True)
class CopySource:
    """What a copy reads: a bucket, a key and perhaps a version."""

    bucket: str
    key: str
    version_id: str | None = None

    @classmethod
    def of(cls, value: Any) -> CopySource | None:
        """Read a `CopySource` parameter; None where it is not of a form that names a bucket and a key.

        A dict holds the names. A string is `bucket/key`, perhaps with a leading slash and with `?versionId=` after it;
        botocore percent-encodes the whole of it, so the key in it is meant as it stands.
        """
        if isinstance(value, dict):
            bucket, key, version_id = value.get("Bucket"), value.get("Key"), value.get("VersionId")
        elif isinstance(value, str):
            match = _VERSION_ID.search(value)
            path, version_id = (value[: match.start()], match[1]) if match else (value, None)
            bucket, _, key = path.removeprefix("/").partition("/")
        else:
            return None
        if (
            not isinstance(bucket, str)
            or not isinstance(key, str)
            or not bucket
            or not key
            or bucket.startswith("arn:")
        ):
            return None
        return cls(bucket, key, version_id)

    def at(self, place: Place) -> Parameters:
        """The same as a `CopySource` parameter for the backend of `place`."""
        return {"Bucket": place.bucket(self.bucket), "Key": self.key} | self._version()

    def read(self) -> Parameters:
        """The same as parameters of a GET."""
        return {"Bucket": self.bucket, "Key": self.key} | self._version()

    def _version(self) -> Parameters:
        return {} if self.version_id is None else {"VersionId": self.version_id}
