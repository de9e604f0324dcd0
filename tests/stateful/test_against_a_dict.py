"""The whole library against a dict: whatever is done to it, in whatever phase, every read tells what the dict holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import FLAT, SLASHED, Machine
from moving_rules import Legacy, Moving
from object_rules import Reading, Writing
from other_rules import Listing, Uploading
from two_sides import CEPH, MOTO, SEAWEEDFS, Kind, Side, TwoSides

from foodco_storage import counters
from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS, Server

pytestmark = pytest.mark.slow  # a minute or more


class AgainstADict(Writing, Reading, Uploading, Listing, Moving, Legacy):
    """All rules."""


class Cached(Writing, Reading, Uploading, Listing, Moving):
    """Nobody writes past the library: what was kept is what the dict holds, also in the next phase."""

    cache = MappingProxyType(
        {"memory_max_bytes": 500_000, "disk_max_bytes": 500_000, "block_bytes": 16_384, "ttl_seconds": 3600.0}
    )

    def check_get(self, key: str, **params: Any) -> Mapping[str, Any] | None:
        super().check_get(key, **params)
        return super().check_get(key, **params)


class Compressed(Writing, Reading, Uploading, Listing, Moving, Legacy):
    """The primary keeps zstd, the source what users stored, in every phase and on every way back."""

    compression = MappingProxyType(
        {"codec": "zstd", "min_bytes": 1, "min_gain": 0.0, "frame_bytes": 16_384, "exact_sizes": True}
    )


Store = tuple[Server, Kind]


def play(
    primary: Store,
    source: Store,
    phase: str,
    directory: Path,
    max_examples: int,
    *,
    keys: tuple[str, ...] = SLASHED,
    rules: type[Machine] = AgainstADict,
) -> None:
    """Examples that begin in a phase, and go where they want."""
    with ExitStack() as stack:
        both = TwoSides(Side(*primary, stack), Side(*source, stack), directory)

        class Played(rules):  # type: ignore[misc, valid-type]
            sides = both
            first_phase = phase

        Played.keys = keys
        # Every step is a request or ten: hypothesis would find all of it slow.
        chosen = settings(max_examples=max_examples, stateful_step_count=30, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Played, settings=chosen)


@pytest.mark.parametrize("phase", ["source", "drain"])
def test_on_moto(moto_store: MotoStore, moto_store_2: MotoStore, phase: str, tmp_path: Path) -> None:
    play((moto_store.server, MOTO), (moto_store_2.server, MOTO), phase, tmp_path, 4)


@pytest.mark.parametrize("phase", ["backfill", "cutover"])
def test_on_ceph_and_moto(ceph: CephCluster, moto_store: MotoStore, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (moto_store.server, MOTO), phase, tmp_path, 4)


@pytest.mark.parametrize("phase", ["backfill", "drain"])
def test_on_ceph_and_seaweedfs(ceph: CephCluster, seaweedfs: SeaweedFS, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (seaweedfs.server, SEAWEEDFS), phase, tmp_path, 4, keys=FLAT)


@pytest.mark.parametrize("phase", ["source"])
def test_with_a_cache(moto_store: MotoStore, moto_store_2: MotoStore, phase: str, tmp_path: Path) -> None:
    before = hits()
    play((moto_store.server, MOTO), (moto_store_2.server, MOTO), phase, tmp_path, 4, rules=Cached)
    assert hits() > before + 5


def hits() -> int:
    counted = counters().get("r", {})
    return counted.get("cache_memory_hits", 0) + counted.get("cache_disk_hits", 0)


@pytest.mark.parametrize("phase", ["backfill", "cutover"])
def test_compressed_on_ceph(ceph: CephCluster, moto_store: MotoStore, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (moto_store.server, MOTO), phase, tmp_path, 4, rules=Compressed)


@pytest.mark.parametrize("phase", ["backfill", "cutover"])
def test_with_a_cache_on_ceph(ceph: CephCluster, moto_store: MotoStore, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (moto_store.server, MOTO), phase, tmp_path, 4, rules=Cached)
