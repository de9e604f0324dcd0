"""The whole library against a dict: whatever is done to it, in whatever phase, every read tells what the dict holds."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import FLAT, SLASHED
from moving_rules import Legacy, Moving
from object_rules import Reading, Writing
from other_rules import Listing, Uploading
from two_sides import CEPH, MOTO, SEAWEEDFS, Kind, Side, TwoSides

from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS, Server

pytestmark = pytest.mark.slow  # a minute or more


class AgainstADict(Writing, Reading, Uploading, Listing, Moving, Legacy):
    """All rules."""


Store = tuple[Server, Kind]


every_phase = pytest.mark.parametrize("phase", ["source", "backfill", "cutover", "drain"])


def play(
    primary: Store, source: Store, phase: str, directory: Path, max_examples: int, keys: tuple[str, ...] = SLASHED
) -> None:
    """Examples that begin in a phase, and go where they want."""
    with ExitStack() as stack:
        both = TwoSides(Side(*primary, stack), Side(*source, stack), directory)

        class Machine(AgainstADict):
            sides = both
            first_phase = phase

        Machine.keys = keys
        # Every step is a request or ten: hypothesis would find all of it slow.
        chosen = settings(max_examples=max_examples, stateful_step_count=30, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Machine, settings=chosen)


@every_phase
def test_on_moto(moto_store: MotoStore, moto_store_2: MotoStore, phase: str, tmp_path: Path) -> None:
    play((moto_store.server, MOTO), (moto_store_2.server, MOTO), phase, tmp_path, 6)


@pytest.mark.parametrize("phase", ["cutover"])
def test_on_ceph_and_moto(ceph: CephCluster, moto_store: MotoStore, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (moto_store.server, MOTO), phase, tmp_path, 6)


@pytest.mark.parametrize("phase", ["backfill", "drain"])
def test_on_ceph_and_seaweedfs(ceph: CephCluster, seaweedfs: SeaweedFS, phase: str, tmp_path: Path) -> None:
    play((ceph.server, CEPH), (seaweedfs.server, SEAWEEDFS), phase, tmp_path, 6, FLAT)
