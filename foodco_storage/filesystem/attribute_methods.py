"""Methods of s3fs beyond fsspec's: metadata, tags, access, versions, URLs, uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foodco_storage.filesystem import attributes
from foodco_storage.filesystem.in_thread import in_thread
from foodco_storage.filesystem.store import Store


class AttributeMethods:
    """What `FoodcoFileSystem` tells and changes of objects beside their bytes; coroutines have `_` in front."""

    store: Store

    def metadata(self, path: str, refresh: bool = False, **kwargs: Any) -> dict[str, str]:
        """User metadata of an object; `_` in names is told as `-`."""
        return attributes.metadata(self.store, self.store.key(path), kwargs)

    _metadata = in_thread(metadata)

    def getxattr(self, path: str, attr_name: str, **kwargs: Any) -> str | None:
        """One name of the metadata; None where there is none."""
        return self.metadata(path, **kwargs).get(attr_name.replace("_", "-"))

    _getxattr = in_thread(getxattr)

    def setxattr(self, path: str, copy_kwargs: Mapping[str, Any] | None = None, **kw_args: str | None) -> None:
        """Change metadata, and keep what else the object carries, but for its ACL.

        Args:
            path: of the object.
            copy_kwargs: parameters of CopyObject (`{"ContentType": "application/pdf"}`).
            **kw_args: new values by name; None takes a name away.

        Example:
            fs.setxattr("foodco-images/pizza.jpg", kitchen="naples", draft=None)
        """
        attributes.set_metadata(self.store, self.store.writable_key(path), kw_args, copy_kwargs)

    _setxattr = in_thread(setxattr)

    def get_tags(self, path: str) -> dict[str, str]:
        """Tags of an object."""
        return attributes.get_tags(self.store, self.store.key(path))

    _get_tags = in_thread(get_tags)

    def put_tags(self, path: str, tags: Mapping[str, str], mode: str = "o") -> None:
        """Write tags: mode `o` in place of those that are there, `m` beside them."""
        attributes.put_tags(self.store, self.store.key(path), tags, mode)

    _put_tags = in_thread(put_tags)

    def chmod(self, path: str, acl: str, recursive: bool = False, **kwargs: Any) -> None:
        """Set the canned ACL of an object or a bucket; `recursive`: of all objects below a path."""
        address = self.store.parse(path)
        if recursive:
            for name in self.find(path):  # type: ignore[attr-defined]
                attributes.set_access(self.store, self.store.key(name), acl, kwargs)
        if not recursive or not address.key:
            attributes.set_access(self.store, address, acl, kwargs)

    _chmod = in_thread(chmod)

    def url(self, path: str, expires: int = 3600, client_method: str = "get_object", **kwargs: Any) -> str:
        """A presigned URL.

        Args:
            path: of the object.
            expires: seconds that it is good for.
            client_method: what it does.
            **kwargs: parameters of that request.

        Raises:
            OSError: the object lies compressed, and whoever follows the URL would get that.
        """
        return attributes.url(self.store, self.store.key(path), expires, client_method, kwargs)

    _url = in_thread(url)

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        """A presigned URL that is good for `expiration` seconds."""
        return self.url(path, expires=expiration, **kwargs)

    _sign = in_thread(sign)

    def object_version_info(self, path: str, **_: Any) -> list[dict[str, Any]]:
        """Every version of an object, the latest first, as S3 tells of them.

        Raises:
            ValueError: the filesystem was not made with `version_aware=True`.
        """
        if not self.store.version_aware:
            raise ValueError("versions are told by a filesystem that is made with version_aware=True only")
        return attributes.versions(self.store, self.store.key(path))

    _object_version_info = in_thread(object_version_info)

    def is_bucket_versioned(self, bucket: str) -> bool:
        """Whether a bucket keeps versions."""
        answer = self.store.call("get_bucket_versioning", bucket, {"Bucket": bucket})
        return bool(answer.get("Status") == "Enabled")

    _is_bucket_versioned = in_thread(is_bucket_versioned)

    def make_bucket_versioned(self, bucket: str, versioned: bool = True) -> dict[str, Any]:
        """Make a bucket keep versions, or no more."""
        status = {"Status": "Enabled" if versioned else "Suspended"}
        return self.store.call("put_bucket_versioning", bucket, {"Bucket": bucket, "VersioningConfiguration": status})

    _make_bucket_versioned = in_thread(make_bucket_versioned)

    def list_multipart_uploads(self, bucket: str) -> list[dict[str, Any]]:
        """Uploads in parts that have not ended, as S3 tells of them."""
        return attributes.uploads(self.store, bucket)

    _list_multipart_uploads = in_thread(list_multipart_uploads)

    def abort_mpu(self, bucket: str, key: str, mpu: str) -> None:
        """Give up an upload in parts."""
        where = {"Bucket": bucket, "Key": key, "UploadId": mpu}
        self.store.call("abort_multipart_upload", f"{bucket}/{key}", where)

    _abort_mpu = in_thread(abort_mpu)

    def clear_multipart_uploads(self, bucket: str) -> None:
        """Give up every upload of a bucket, also those that others are at."""
        for upload in self.list_multipart_uploads(bucket):
            self.abort_mpu(bucket, upload["Key"], upload["UploadId"])

    _clear_multipart_uploads = in_thread(clear_multipart_uploads)

    def call_s3(self, method: str, *akwarglist: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Send any request of the client.

        Args:
            method: of the client, `head_object`.
            *akwarglist: parameters, of which those that it does not take are left out.
            **kwargs: parameters.
        """
        path = "/".join(str(kwargs[name]) for name in ("Bucket", "Key") if name in kwargs)
        return self.store.call(method, path, kwargs, *akwarglist)

    _call_s3 = in_thread(call_s3)
