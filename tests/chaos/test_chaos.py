"""The short form of `python tests/chaos/run.py`, which a release runs for longer and with other seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_run import run

from foodco_storage.testing import CephCluster, SeaweedFS


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_comes_back(
    ceph: CephCluster, seaweedfs: SeaweedFS, bucket_name: str, tmp_path: Path
) -> None:
    report = run(ceph, seaweedfs, seconds=20, seed=1, directory=tmp_path, bucket=bucket_name)
    assert not report.violations, report.text()
    # It was no idle run.
    assert report.acknowledged > 50
    assert report.reads > 200
