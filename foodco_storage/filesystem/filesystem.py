"""`FoodcoFileSystem`: the face that fsspec sees. What is done lies in the modules that its methods call."""

from __future__ import annotations

import errno
import io
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from fsspec.asyn import AsyncFileSystem, get_loop
from fsspec.compression import compr
from fsspec.core import get_compression

from foodco_storage.filesystem.addresses import VERSION_MARK, without_protocol
from foodco_storage.filesystem.arguments import cache_type as known_cache_type
from foodco_storage.filesystem.arguments import check, whole_number
from foodco_storage.filesystem.attribute_methods import AttributeMethods
from foodco_storage.filesystem.attributes import KEY_ACLS, known_acl
from foodco_storage.filesystem.bulk_methods import BulkMethods
from foodco_storage.filesystem.compressed_file import CompressedFile
from foodco_storage.filesystem.instances import Instances
from foodco_storage.filesystem.object_methods import ObjectMethods
from foodco_storage.filesystem.options import ClientOptions
from foodco_storage.filesystem.pools import FILE_THREADS, Pools
from foodco_storage.filesystem.read_file import STREAM, ReadFile
from foodco_storage.filesystem.store import Store
from foodco_storage.filesystem.streamed_file import StreamedFile
from foodco_storage.filesystem.text_file import TextFile
from foodco_storage.filesystem.tree_methods import TreeMethods
from foodco_storage.filesystem.uploads import DEFAULT_PART_BYTES, LEAST_PART_BYTES
from foodco_storage.filesystem.write_file import WriteFile

DEFAULT_READ_BLOCK_BYTES: Final = 50 * 1024**2
"""Asked for by one request of a file that is read on and on, at most; it is not held in memory."""

FETCHED_PART_BYTES: Final = 8 * 1024**2
"""Of what is read whole: larger objects are read in parts at once, as s3transfer does."""


class FoodcoFileSystem(
    ObjectMethods,
    TreeMethods,
    AttributeMethods,
    BulkMethods,
    AsyncFileSystem,  # type: ignore[misc] # fsspec is untyped
    metaclass=Instances,
):
    """The stores of a configuration as a file system: `foodco://bucket/key`.

    A path and a service see the same: fallback reads, promotes, caches and compression are those of
    `foodco_storage.client()`. Names and meanings of arguments and methods are s3fs's.

    Args:
        storage: the configuration: a `Configuration`, a mapping of its shape, or a path; None to look for one.
        anon: send requests unsigned.
        endpoint_url: of one store, in place of what the configuration says.
        key: access key id, with `secret` and perhaps `token` (also `username` and `password`).
        secret: secret access key.
        token: session token.
        use_ssl: False for `http` where no endpoint is given.
        profile: of the AWS configuration.
        session: a `foodco_storage.Session` or boto3 session.
        client_kwargs: more arguments of `boto3.client`.
        config_kwargs: of `botocore.config.Config`.
        requester_pays: say so with each request.
        s3_additional_kwargs: parameters for every request that takes them (`ServerSideEncryption`, ...).
        default_block_size: of files: bytes asked for at once when reading (50 MiB), of a part when writing (16 MiB).
        default_cache_type: of files open for reading: `stream` (`filesystem.streaming`), or one of fsspec's.
        default_fill_cache: taken as s3fs takes it, and of no effect.
        version_aware: whether paths may name versions, `bucket/key?versionId=...`.
        max_concurrency: parts of a file that are moved at once.
        fixed_upload_size: all parts of an upload but the last have one size, as Cloudflare R2 wants it.
        local_expiry_check: compare ETags here, for stores that know no `If-Match`.
        cache_regions: of no effect: boto3 finds regions by itself.
        use_listings_cache: keep listings. Unlike in s3fs they are kept where the user says so only: other programs write.
        listings_expiry_time: seconds that listings are kept; implies that they are.
        max_paths: listings that are kept.
        asynchronous: for use in coroutines: `await fs._cat_file(path)`.
        loop: event loop of the synchronous methods of bulk operations; fsspec's own by default.
        batch_size: files of a bulk operation that are begun at once; 16 are worked at.
        skip_instance_cache: make a new instance, whatever fsspec has kept.

    Raises:
        TypeError: an argument of another name.
        ConfigurationError: from the first request, with every mistake in the configuration.

    Example:
        fs = fsspec.filesystem("foodco")
        fs.ls("foodco-images/2026")
        with fs.open("foodco-images/2026/pizza.jpg") as file:
            image = PIL.Image.open(file)
    """

    protocol: ClassVar[str | tuple[str, ...]] = ("foodco",)
    root_marker = ""
    _extra_tokenize_attributes = ("default_block_size", "origin")
    default_block_size: int | None = None

    def __init__(
        self,
        *,
        storage: Any = None,
        anon: bool = False,
        endpoint_url: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        use_ssl: bool = True,
        profile: str | None = None,
        session: Any = None,
        client_kwargs: Mapping[str, Any] | None = None,
        config_kwargs: Mapping[str, Any] | None = None,
        requester_pays: bool = False,
        s3_additional_kwargs: Mapping[str, Any] | None = None,
        default_block_size: int | None = None,
        default_cache_type: str = STREAM,
        default_fill_cache: bool = True,
        version_aware: bool = False,
        max_concurrency: int = 10,
        fixed_upload_size: bool = False,
        local_expiry_check: bool = False,
        cache_regions: bool = False,
        use_listings_cache: bool | None = None,
        listings_expiry_time: float | None = None,
        max_paths: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        skip_instance_cache: bool = False,
    ) -> None:
        # All there are so far: the arguments.
        check(locals())
        keeps = use_listings_cache if use_listings_cache is not None else bool(listings_expiry_time or max_paths)
        super().__init__(
            asynchronous=asynchronous,
            loop=loop,
            batch_size=batch_size,
            use_listings_cache=keeps,
            listings_expiry_time=listings_expiry_time,
            max_paths=max_paths,
        )
        options = ClientOptions(
            storage=storage,
            anon=anon,
            endpoint_url=endpoint_url,
            key=key if key is not None else username,
            secret=secret if secret is not None else password,
            token=token,
            use_ssl=use_ssl,
            profile=profile,
            session=session,
            client_kwargs=client_kwargs or {},
            config_kwargs=config_kwargs or {},
            connections=FILE_THREADS + max_concurrency,
        )
        extra = dict(s3_additional_kwargs or {})
        if requester_pays:
            extra["RequestPayer"] = "requester"
        self.store = Store(
            _opener(options, weakref.ref(self)),
            Pools(max_concurrency),
            self.dircache,
            version_aware=version_aware,
            extra=extra,
            part_bytes=FETCHED_PART_BYTES,
            concurrency=max_concurrency,
            compares_etags=local_expiry_check,
        )
        self._pid = os.getpid()
        self.version_aware = version_aware
        self.max_concurrency = max_concurrency
        self._read_block = default_block_size or DEFAULT_READ_BLOCK_BYTES
        self._write_block = max(default_block_size or DEFAULT_PART_BYTES, LEAST_PART_BYTES)
        self.default_cache_type = default_cache_type
        self._fixed_upload_size = fixed_upload_size

    @property
    def _fs_token(self) -> str:
        # `Instances` sets it; fsspec looks at every property before.
        return str(self.__dict__.get("_stable_token"))

    @property
    def loop(self) -> Any:
        """The event loop of synchronous bulk operations; a new one in a forked child."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._loop = None if self.asynchronous else get_loop()
        return self._loop

    @property
    def s3(self) -> Any:
        """The client: `foodco_storage.client()` of this filesystem's arguments."""
        return self.store.client

    def connect(self, refresh: bool = False) -> Any:
        """Make the client, which the first request does by itself; `refresh` makes a new one.

        Raises:
            ConfigurationError: with every mistake in the configuration.
        """
        if refresh:
            self.store.renew()
        return self.store.client

    async def set_session(self, refresh: bool = False, kwargs: Any = None) -> Any:
        """`connect` for coroutines."""
        return await self.store.pools.run(self.connect, refresh)

    _connect = set_session

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return without_protocol(path).strip("/")

    async def _expand_path(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._expand_path(path, *args, **kwargs)
        except FileNotFoundError as error:
            if error.filename is not None:
                raise
            # fsspec's own, which has nothing but the path.
            raise FileNotFoundError(errno.ENOENT, "nothing lies there", str(path)) from error

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return {"version_aware": True} if VERSION_MARK in str(path) else {}

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """Bucket, key and version of a path: `("photos", "2026/pizza.jpg", None)`."""
        address = self.store.parse(path)
        return address.bucket, address.key, address.version

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Mapping[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file: `fsspec.spec.AbstractFileSystem.open`, with the arguments of `_open` besides.

        Text files that fail in their `with` block leave nothing, as binary ones do.
        """
        path = without_protocol(path)
        # What is wrong is told before there is a file, whose end would empty the object.
        codec = get_compression(path, compression)
        if mode == "rb" and path.endswith("/"):
            # The object of this very key, which `find` tells: super() would take the slash away.
            file = self._open(path, mode, block_size, cache_options=cache_options, **kwargs)
            return file if codec is None else compr[codec](file, mode=mode[0])
        if "b" in mode and (codec is None or mode == "rb"):
            return super().open(path, mode, block_size, cache_options, codec, **kwargs)
        if "b" in mode:
            file = super().open(path, mode, block_size, cache_options, **kwargs)
            try:
                return CompressedFile(compr[codec](file, mode=mode[0]), file)
            except BaseException:
                # A codec that is not installed.
                file.discard()
                raise
        text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
        io.TextIOWrapper(io.BytesIO(), **text)
        binary = self.open(path, mode.replace("t", "") + "b", block_size, cache_options, compression, **kwargs)
        return TextFile(binary, **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        *,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        cache_type: str | None = None,
        fill_cache: bool | None = None,
        size: int | None = None,
        version_id: str | None = None,
        acl: str | None = None,
        requester_pays: bool | None = None,
        **kwargs: Any,
    ) -> ReadFile | WriteFile:
        """Open a binary file.

        Args:
            path: of the file.
            mode: `rb`; `wb`, `xb` (fails if there is an object), `ab` (copies the object and goes on).
            block_size: bytes asked for at once at most, or of a part, 5 MiB or more.
            autocommit: False for an object that appears when the transaction ends.
            cache_options: of a cache of fsspec's.
            cache_type: `stream`, or one of fsspec's.
            fill_cache: taken as s3fs takes it, and of no effect.
            size: of the file, if it is known.
            version_id: of the object to read.
            acl: canned ACL of the object to write.
            requester_pays: say so with each request.
            **kwargs: parameters of GetObject, others are left out; or of PutObject.

        Raises:
            FileNotFoundError: no such object to read.
            TypeError: an argument that neither this nor PutObject takes.
            NotImplementedError: a mode that is none of these.
        """
        # "default" is fsspec's own word for it.
        asked = None if block_size == "default" else block_size
        whole_number("block_size", asked, 0)
        if requester_pays:
            kwargs["RequestPayer"] = "requester"
        if acl is not None:
            kwargs["ACL"] = known_acl(acl, KEY_ACLS)
        if mode == "rb":
            # Tools hand on whatever they were given; what is written is another matter.
            kwargs = self.store.taken("get_object", kwargs)
            return ReadFile(
                self,
                self.store,
                path,
                block_size=int(asked or self._read_block),
                cache_type=known_cache_type("cache_type", cache_type or self.default_cache_type),
                cache_options=cache_options,
                size=size,
                version_id=version_id,
                read=kwargs,
                autocommit=autocommit,
            )
        if mode not in {"ab", "wb", "xb"}:
            raise NotImplementedError(f"mode must be one of rb, wb, xb, ab (or r, w, x, a for text), not {mode!r}")
        if unknown := self.store.unknown("put_object", kwargs):
            raise TypeError(f"open() takes no {', '.join(unknown)} in mode {mode!r}")
        return WriteFile(
            self,
            self.store,
            path,
            mode,
            block_size=int(asked or self._write_block),
            params=kwargs,
            autocommit=autocommit,
            grows=not self._fixed_upload_size,
        )

    async def open_async(
        self, path: str, mode: str = "rb", *, version_id: str | None = None, compression: None = None, **kwargs: Any
    ) -> StreamedFile:
        """Open a file to be read from its beginning to its end in coroutines.

        Args:
            path: of the file.
            mode: `rb`.
            version_id: of the object to read.
            compression: None.
            **kwargs: parameters of GetObject; others are left out.

        Raises:
            ValueError: another mode than `rb`, or a compression.
        """
        if mode != "rb" or compression:
            raise ValueError(f"open_async reads files as they are: mode must be 'rb', not {mode!r}, compression None")
        # Making the client may read files.
        read = await self.store.pools.run(self.store.taken, "get_object", kwargs)
        return StreamedFile(self, self.store, path, version_id=version_id, read=read)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings that are kept: of a path and all above it, or all."""
        if path is None:
            self.dircache.clear()
        else:
            self.store.written(self._strip_protocol(path))
            self.dircache.pop("", None)


def _opener(options: ClientOptions, of: weakref.ref[FoodcoFileSystem]) -> Callable[[], Any]:
    def open_client() -> Any:
        client = options.open()
        if (fs := of()) is not None:
            type(fs).opened(fs)
        return client

    return open_client
