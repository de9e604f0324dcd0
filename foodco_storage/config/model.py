"""The configuration as objects: what may be set, of what type, with what default, and what it means.

These classes are the one source of the validation, of the JSON schema and of the list of keys in the documentation.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from foodco_storage.config.byte_size import ByteSize
from foodco_storage.config.secret import REFERENCE, Secret
from foodco_storage.config.telemetry_model import RouteTelemetry, Telemetry

CALLER = "caller"
"""The backend that a caller's own arguments, or boto3's defaults, resolve to: it can be named, not defined."""

Preset: TypeAlias = Literal["aws", "ceph", "s3"]
Phase: TypeAlias = Literal["source", "backfill", "cutover", "drain", "target"]
Checksums: TypeAlias = Literal["when_supported", "when_required"]
# A day: beyond any use, and below what a socket refuses.
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=86400)]
Ttl: TypeAlias = Annotated[float, Meta(ge=0, le=31_536_000)]
Level: TypeAlias = Annotated[int, Meta(ge=-7, le=22)]
Share: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Verify: TypeAlias = bool | str
Buckets: TypeAlias = str | list[str]


LARGEST_PUT = ByteSize(5 * 1024**3)
"""Of one PutObject (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html); Ceph RGW's `rgw_max_put_size` too."""


def _is(description: str) -> Meta:
    return Meta(description=description)


class Capabilities(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a store can do, where the preset, the record or the probe should not decide. See `docs/reference`."""

    conditional_put: Annotated[bool | None, _is("PUT with If-None-Match: * on an unversioned bucket")] = None
    conditional_put_versioned: Annotated[bool | None, _is("the same on a versioned bucket")] = None
    put_if_match: Annotated[bool | None, _is("PUT with If-Match")] = None
    put_if_match_quoted: Annotated[bool | None, _is("PUT with If-Match, the ETag in quotes")] = None
    delete_if_match: Annotated[bool | None, _is("DELETE with If-Match")] = None
    complete_if_none_match: Annotated[bool | None, _is("CompleteMultipartUpload with If-None-Match")] = None
    copy_if_none_match: Annotated[bool | None, _is("CopyObject with If-None-Match")] = None
    part_number: Annotated[bool | None, _is("GET and HEAD with PartNumber")] = None
    object_attributes: Annotated[bool | None, _is("GetObjectAttributes")] = None
    checksums: Annotated[bool | None, _is("checksums of a PUT are stored and returned")] = None
    delete_objects_without_md5: Annotated[bool | None, _is("DeleteObjects without Content-MD5")] = None
    put_race_safe: Annotated[bool | None, _is("a plain PUT racing with an If-Match PUT is never dropped")] = None
    delete_race_safe: Annotated[bool | None, _is("a PUT racing with a conditional DELETE is never dropped")] = None


class Breaker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a store that fails is left alone for a while."""

    enabled: Annotated[bool, _is("whether there is a breaker")] = True
    failures: Annotated[Count, _is("outages in a row before it opens")] = 5
    open_seconds: Annotated[Seconds, _is("how long it stays open before one request is tried")] = 10.0


class Backend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One S3-compatible store."""

    preset: Annotated[Preset | None, _is("defaults for a kind of store; `s3` with an endpoint_url, else `aws`")] = None
    endpoint_url: Annotated[str | None, _is("the store's URL; left out for AWS")] = None
    region: Annotated[str | None, _is("region to sign for")] = None
    profile: Annotated[str | None, _is("profile of the AWS configuration files: credentials, endpoint, region")] = None
    access_key_id: Annotated[Secret | None, _is("access key, as a reference: ${VARIABLE}")] = None
    secret_access_key: Annotated[Secret | None, _is("secret key, as a reference: ${VARIABLE}")] = None
    session_token: Annotated[Secret | None, _is("session token, as a reference: ${VARIABLE}")] = None
    anonymous: Annotated[bool, _is("send requests unsigned")] = False
    allow_plaintext_secrets: Annotated[bool, _is("accept keys that stand in the file themselves")] = False
    verify: Annotated[Verify | None, _is("TLS: path of a CA bundle, or false to check nothing")] = None
    addressing_style: Annotated[Literal["auto", "path", "virtual"] | None, _is("how a bucket is put into the URL")] = (
        None
    )
    signature_version: Annotated[str | None, _is("botocore's signature_version")] = None
    connect_timeout_seconds: Annotated[Seconds | None, _is("time to connect")] = None
    read_timeout_seconds: Annotated[Seconds | None, _is("time between two reads")] = None
    max_attempts: Annotated[Count | None, _is("attempts of one request in all, the first included")] = None
    retry_mode: Annotated[Literal["legacy", "standard", "adaptive"] | None, _is("botocore's retry mode")] = None
    max_pool_connections: Annotated[Count | None, _is("connections kept open")] = None
    request_checksum_calculation: Annotated[Checksums | None, _is("checksums sent with requests")] = None
    response_checksum_validation: Annotated[Checksums | None, _is("checksums asked for with responses")] = None
    forbidden_means_missing: Annotated[bool, _is("AccessDenied on a read says that the key is not there")] = False
    capabilities: Annotated[Capabilities, _is("what the store can do")] = field(default_factory=Capabilities)
    breaker: Annotated[Breaker, _is("the circuit breaker")] = field(default_factory=Breaker)

    def __post_init__(self) -> None:
        # A key that code gave as a string must not show in this object's repr. A reference may, and is yet to be resolved.
        for name in SECRETS:
            value: object = getattr(self, name)
            if isinstance(value, str) and not REFERENCE.fullmatch(value):
                force_setattr(self, name, Secret(value))


class Promote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How what a read finds only in the source is copied to the primary, in `cutover` and `drain`."""

    enabled: Annotated[bool, _is("whether it is")] = True
    background: Annotated[bool, _is("readers go on at once; false: the read that brings the last byte waits")] = True
    max_object_bytes: Annotated[ByteSize, _is("larger objects stay in the source")] = field(
        default_factory=lambda: LARGEST_PUT
    )
    deadline_seconds: Annotated[Seconds, _is("copies that could not be begun until then are dropped")] = 60.0


class Mirror(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the other side follows the authority's writes, in `backfill` and `cutover`."""

    mode: Annotated[Literal["sync", "async", "off"], _is("before a write is acknowledged, after it, or not at all")] = (
        "sync"
    )
    required: Annotated[bool, _is("a write that could not be mirrored is an error, though the authority took it")] = (
        False
    )


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The control object, by which an operator moves the phase while clients run."""

    enabled: Annotated[bool, _is("the phase is the control object's, not the configuration's")] = False
    refresh_seconds: Annotated[Seconds, _is("how often clients read it again")] = 2.0
    lease_seconds: Annotated[Seconds, _is("a client that could not read it for so long stops writing")] = 10.0
    pause_seconds: Annotated[Seconds, _is("how long a write waits for a phase on the move before it is refused")] = 30.0


class Cache(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept on this host of the objects that are read; off unless a level has a size."""

    memory_max_bytes: Annotated[ByteSize | None, _is("what the level in memory may take, in each process")] = None
    disk_max_bytes: Annotated[ByteSize | None, _is("what the level on disk may take, of all processes together")] = None
    max_object_bytes: Annotated[ByteSize, _is("larger objects, and larger ranges, are not kept")] = field(
        default_factory=lambda: ByteSize(8 * 1024**2)
    )
    block_bytes: Annotated[ByteSize, _is("objects above this are kept in blocks of it")] = field(
        default_factory=lambda: ByteSize(1024**2)
    )
    ttl_seconds: Annotated[Ttl, _is("how long an object is answered without asking a store")] = 60.0
    missing_ttl_seconds: Annotated[
        Ttl, _is("how long a key is remembered not to be there, in memory; 0: not at all")
    ] = 0.0
    stale_if_error: Annotated[bool, _is("answer with what is kept, though too old, when no store can be asked")] = False


class Compression(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is compressed on its way to the primary; off unless a codec is named."""

    codec: Annotated[
        Literal["zstd", "none"] | None, _is("`zstd`; `none`: compress nothing more, and read what is compressed")
    ] = None
    level: Annotated[Level, _is("zstd's: -7 is fastest, 22 smallest")] = 3
    min_bytes: Annotated[ByteSize, _is("smaller objects are left as they are")] = field(
        default_factory=lambda: ByteSize(1024)
    )
    min_gain: Annotated[Share, _is("the share of an object that compressing must save, else it is left as it is")] = 0.1
    include_types: Annotated[
        list[str] | None, _is("patterns of content types to compress even where `exclude_types` names them")
    ] = None
    exclude_types: Annotated[
        list[str] | None, _is("patterns of content types to leave as they are; images, video, archives, parquet")
    ] = None
    frame_bytes: Annotated[ByteSize, _is("so much is compressed by itself: a range costs whole frames")] = field(
        default_factory=lambda: ByteSize(512 * 1024)
    )
    dictionary: Annotated[
        str | None, _is("for small objects: the id that `foodco-storage dictionary train` printed")
    ] = None
    exact_sizes: Annotated[bool, _is("listings tell the sizes before compression, by one HEAD for each new entry")] = (
        False
    )
    presigned: Annotated[
        Literal["refuse", "encoded"],
        _is("GET URLs for compressed objects: none, or such as answer `Content-Encoding: zstd`"),
    ] = "refuse"


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which buckets, or which keys in them, lie where."""

    bucket: Annotated[Buckets, _is("the bucket as callers say it; a list, or patterns with `*`")]
    primary: Annotated[str, _is("the backend that is read first, and written")]
    fallbacks: Annotated[list[str], _is("backends read for what the primary does not hold, in order")] = field(
        default_factory=list
    )
    prefix: Annotated[str, _is("narrows the route to the keys that start with it")] = ""
    buckets: Annotated[dict[str, str], _is("what a backend calls the bucket, where it differs")] = field(
        default_factory=dict
    )
    phase: Annotated[Phase | None, _is("where the migration stands")] = None
    presign: Annotated[
        Literal["authority", "holder"] | None, _is("whom presigned GETs are signed for; `holder` with fallbacks")
    ] = None
    read_when_primary_down: Annotated[bool, _is("read fallbacks also when the primary can't answer")] = False
    reserved_prefix: Annotated[str, _is("where the library keeps its own objects on the primary")] = ".foodco-storage/"
    promote: Annotated[Promote, _is("copying to the primary what is read")] = field(default_factory=Promote)
    mirror: Annotated[Mirror, _is("writing the other side")] = field(default_factory=Mirror)
    control: Annotated[Control, _is("the phase is held by lease")] = field(default_factory=Control)
    cache: Annotated[Cache, _is("what is kept on this host")] = field(default_factory=Cache)
    compression: Annotated[Compression, _is("what is compressed")] = field(default_factory=Compression)
    telemetry: Annotated[RouteTelemetry, _is("what is told of it")] = field(default_factory=RouteTelemetry)


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The record of writes that the other side does not have yet."""

    directory: Annotated[str | None, _is("where it lies; on a disk that survives the process")] = None
    max_entries: Annotated[Count, _is("writes are refused beyond")] = 1_000_000


class CacheDirectory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where routes keep what they keep on disk."""

    directory: Annotated[str | None, _is("where it lies; on a local disk")] = None


class Default(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of buckets without a route."""

    backend: Annotated[str, _is("the backend; `caller`: as boto3 resolves it")] = CALLER


class Filesystem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Paths of fsspec."""

    register_s3: Annotated[
        bool, _is("`s3://` paths are opened by this library once it is imported, in place of s3fs")
    ] = False


class Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything: backends, routes, and the default.

    Example:
        Configuration(
            backends={"aws": Backend(region="eu-west-1"), "ceph": Backend(preset="ceph", endpoint_url="https://rgw")},
            routes={"images": Route(bucket="foodco-images", primary="ceph", fallbacks=["aws"])},
        )
    """

    backends: Annotated[dict[str, Backend], _is("stores, by a name of your choice")] = field(default_factory=dict)
    routes: Annotated[dict[str, Route], _is("routes, by a name of your choice")] = field(default_factory=dict)
    journal: Annotated[Journal, _is("writes not mirrored yet")] = field(default_factory=Journal)
    cache: Annotated[CacheDirectory, _is("what is kept on disk")] = field(default_factory=CacheDirectory)
    filesystem: Annotated[Filesystem, _is("paths of fsspec")] = field(default_factory=Filesystem)
    telemetry: Annotated[Telemetry, _is("what is told of operations")] = field(default_factory=Telemetry)
    default: Annotated[Default, _is("buckets without a route")] = field(default_factory=Default)

    is_settled: ClassVar[bool] = False
    """Whether `load` takes it as it is."""


class Settled(Configuration, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A configuration that was made of one that `load` has given: the environment is not laid over it once more."""

    is_settled: ClassVar[bool] = True


SECRETS = ("access_key_id", "secret_access_key", "session_token")
