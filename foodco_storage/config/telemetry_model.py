"""The configuration of telemetry as objects; a part of `foodco_storage.config.model`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from foodco_storage.config.secret import REFERENCE, Secret

Keys: TypeAlias = Literal["plain", "hash", "drop"]
Sample: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
MaxKeys: TypeAlias = Annotated[int, Meta(ge=100, le=100_000_000)]
Days: TypeAlias = Annotated[int, Meta(ge=1, le=3660)]
HalfLife: TypeAlias = Annotated[float, Meta(gt=0, le=3660)]
# A day: statistics of yesterday are to be there today.
Interval: TypeAlias = Annotated[float, Meta(gt=0, le=86400)]


def _is(description: str) -> Meta:
    return Meta(description=description)


class RouteTelemetry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is told of a route, where that differs from what `telemetry` says."""

    enabled: Annotated[bool, _is("whether its operations end in events")] = True
    sample: Annotated[Sample | None, _is("the share of its operations that do; None for `telemetry.sample`")] = None
    keys: Annotated[Keys | None, _is("how events name its keys; None for `telemetry.keys`")] = None


class Access(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Access statistics: what is read how often, kept on this host."""

    enabled: Annotated[bool, _is("whether they are kept")] = False
    directory: Annotated[str | None, _is("where; on a local disk")] = None
    max_keys: Annotated[MaxKeys, _is("so many keys are told apart, in each process and for each day")] = 100_000
    flush_seconds: Annotated[Interval, _is("how often they are written down: what a killed process loses")] = 10.0
    retention_days: Annotated[Days, _is("older days are forgotten")] = 90
    half_life_days: Annotated[HalfLife, _is("after so long a read counts half in a key's score")] = 7.0
    on_sigterm: Annotated[
        bool, _is("they are written down, and sent, on SIGTERM too, unless the program handles that itself")
    ] = True


class Shipping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The telemetry bucket, to which the statistics of all hosts are sent."""

    backend: Annotated[str | None, _is("the backend that it lies on; None: nothing is sent")] = None
    bucket: Annotated[str | None, _is("the bucket, as that backend calls it")] = None
    prefix: Annotated[str, _is("the keys of what is sent start with it")] = "foodco-storage-telemetry/"
    every_seconds: Annotated[Interval, _is("how often")] = 3600.0
    format: Annotated[Literal["jsonl", "parquet"], _is("gzipped JSON lines, or Parquet (needs pyarrow)")] = "jsonl"


class Telemetry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is told of operations, to whom."""

    enabled: Annotated[bool, _is("whether operations end in events at all")] = True
    sample: Annotated[Sample, _is("the share of operations that do")] = 1.0
    keys: Annotated[Keys, _is("how events name keys: as they are, by a keyed digest, or not")] = "plain"
    hash_secret: Annotated[Secret | None, _is("for digests, as a reference: ${VARIABLE}")] = None
    service: Annotated[str | None, _is("what this program is called; by default $OTEL_SERVICE_NAME, or its name")] = (
        None
    )
    logs: Annotated[Literal["off", "failures", "all"], _is("which events are logged")] = "off"
    opentelemetry: Annotated[bool, _is("spans and metrics through the OpenTelemetry API")] = False
    prometheus: Annotated[bool, _is("metrics in prometheus_client's default registry")] = False
    access: Annotated[Access, _is("access statistics")] = field(default_factory=Access)
    shipping: Annotated[Shipping, _is("the telemetry bucket")] = field(default_factory=Shipping)

    def __post_init__(self) -> None:
        # As with the keys of backends.
        value: object = self.hash_secret
        if isinstance(value, str) and not REFERENCE.fullmatch(value):
            force_setattr(self, "hash_secret", Secret(value))
