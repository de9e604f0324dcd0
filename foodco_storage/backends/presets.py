"""Presets: how botocore is set up for a kind of store, where the user did not say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config

from foodco_storage.config import Backend

# Non-AWS stores: botocore's default checksums break some of them (boto3 issue 4392), virtual-hosted addresses need DNS for
# every bucket, and a dead store should cost seconds, not the 60 s of botocore's timeouts.
_OTHER_STORES: dict[str, Any] = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    "addressing_style": "path",
    "connect_timeout": 3.0,
    "read_timeout": 30.0,
    "retry_mode": "standard",
}
_DEFAULTS: dict[str, dict[str, Any]] = {"aws": {}, "ceph": _OTHER_STORES, "s3": _OTHER_STORES}


def preset_of(backend: Backend) -> str:
    """The preset that a backend has, named or by its endpoint."""
    return backend.preset or ("s3" if backend.endpoint_url else "aws")


def client_config(backend: Backend, caller: Config | None = None) -> Config:
    """Botocore's `Config` for a backend: its preset, over it the caller's, over it what the configuration says."""
    configured = {
        "request_checksum_calculation": backend.request_checksum_calculation,
        "response_checksum_validation": backend.response_checksum_validation,
        "addressing_style": backend.addressing_style,
        "signature_version": UNSIGNED if backend.anonymous else backend.signature_version,
        "connect_timeout": backend.connect_timeout_seconds,
        "read_timeout": backend.read_timeout_seconds,
        "retry_mode": backend.retry_mode,
        "max_attempts": backend.max_attempts,
        "max_pool_connections": backend.max_pool_connections,
    }
    config = _config(_DEFAULTS[preset_of(backend)])
    for over in (caller, _config({name: value for name, value in configured.items() if value is not None})):
        if over is not None:
            config = _merged(config, over)
    return config


def unshared(config: Config) -> Config:
    """A copy of a caller's `Config` that botocore may write into.

    Making a client fills what was left open into the dicts of the `Config` itself: the retry mode that boto3 resolved for the
    caller's store would look like the caller's own wish for every other.
    """
    shared = {name: value for name in ("retries", "s3") if (value := getattr(config, name)) is not None}
    return config.merge(Config(**{name: dict(value) for name, value in shared.items()}))


def _config(settings: Mapping[str, Any]) -> Config:
    """A `Config` of our flat names."""
    options = dict(settings)
    retries = {
        theirs: options.pop(ours)
        for ours, theirs in (("retry_mode", "mode"), ("max_attempts", "total_max_attempts"))
        if ours in options
    }
    if retries:
        options["retries"] = retries
    if "addressing_style" in options:
        options["s3"] = {"addressing_style": options.pop("addressing_style")}
    return Config(**options)


def _merged(below: Config, over: Config) -> Config:
    """`Config.merge`, but of the two that hold several settings, setting by setting."""
    merged = below.merge(over)
    for name in ("retries", "s3"):
        parts = [part for part in (getattr(below, name), getattr(over, name)) if part]
        if len(parts) > 1:
            merged = merged.merge(Config(**{name: parts[0] | parts[1]}))
    return merged
