"""Servers shared by the whole session, and an environment that holds nothing of the developer's own.

Set `FOODCO_STORAGE_REQUIRE_SERVERS=1`, as CI does, to make a missing server a failure instead of a skip.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.loaders import Loader
from hypothesis import settings

from foodco_storage.testing import CephCluster, MotoStore, SeaweedFS

# The same examples in every run: a test that fails for one change fails for all. More, and others, with
# `--hypothesis-profile=search`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=300)
settings.load_profile("same")

_Store = TypeVar("_Store")

# Read before the fixture below removes it with the other FOODCO_STORAGE_ variables.
_SERVERS_ARE_REQUIRED = os.environ.get("FOODCO_STORAGE_REQUIRE_SERVERS") == "1"


# Botocore's descriptions of AWS, read once and not for each of some thousands of sessions: 0.03 s instead of 0.3 s for one
# with a client.
_DESCRIPTIONS: dict[Any, Any] = {}
_make_loader = Loader.__init__


def _make_sharing_loader(self: Loader, *args: Any, **kwargs: Any) -> None:
    _make_loader(self, *args, **kwargs)
    # moto's own have search paths, and with them more operations.
    if not args and not kwargs:
        self._cache = _DESCRIPTIONS


Loader.__init__ = _make_sharing_loader


# Long, and about stores and phases more than about Python: one of its versions is enough.
_LONG = frozenset(
    {
        "test_abstract_suite",
        "test_against_boto3",
        "test_aws_chunked",
        "test_broken_bodies",
        "test_broken_transfers",
        "test_buckets",
        "test_caching",
        "test_compressed_corruption",
        "test_compression",
        "test_control_threads",
        "test_demo",
        "test_dictionary",
        "test_generated",
        "test_generated_configurations",
        "test_https_stores",
        "test_load",
        "test_mocking",
        "test_moves",
        "test_operator_commands",
        "test_pack_and_unpack",
        "test_phase_checks",
        "test_phases_end_to_end",
        "test_phases_generated",
        "test_presigned",
        "test_probe",
        "test_progress",
        "test_protocol",
        "test_quirks",
        "test_reach",
        "test_simulation",
        "test_store_down",
        "test_tombstones_collected",
        "test_typing",
        "test_user_events",
        "test_verify_against_dicts",
        "test_verify_phases",
        "test_what_callers_get_wrong",
        "test_writing",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs Ceph, or is long, as slow."""
    for item in items:
        if "ceph" in getattr(item, "fixturenames", ()) or item.path.stem in _LONG:
            item.add_marker(pytest.mark.slow)


def _running(make: Callable[[], AbstractContextManager[_Store]], missing: str | None) -> Iterator[_Store]:
    if missing and _SERVERS_ARE_REQUIRED:
        pytest.fail(f"FOODCO_STORAGE_REQUIRE_SERVERS=1, but: {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)
    with make() as store:
        yield store


@pytest.fixture(scope="session")
def ceph() -> Iterator[CephCluster]:
    """A Ceph cluster for the whole session: use a fresh bucket, start gateways of your own to kill."""
    yield from _running(CephCluster, CephCluster.missing())


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """A SeaweedFS for the whole session."""
    yield from _running(SeaweedFS, SeaweedFS.missing())


@pytest.fixture(scope="session")
def moto_store() -> Iterator[MotoStore]:
    """A moto server for the whole session."""
    yield from _running(MotoStore, MotoStore.missing())


@pytest.fixture(scope="session")
def moto_store_2() -> Iterator[MotoStore]:
    """A second moto server, which shares nothing with the first: another provider."""
    yield from _running(MotoStore, MotoStore.missing())


@pytest.fixture(scope="session")
def zstd_program() -> Iterator[str]:
    """The path of the program `zstd`."""
    found = shutil.which("zstd")
    missing = None if found else "no zstd on PATH: apt-get install --no-install-recommends zstd"
    yield from _running(lambda: nullcontext(found or ""), missing)


@pytest.fixture
def bucket_name() -> str:
    """A bucket name that nobody has used. The bucket is yours to make."""
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with no settings in it: one for all tests, as pytest looks through all others for the name of each."""
    return tmp_path_factory.mktemp("environment")


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, _empty: Path, _states: Path) -> None:
    assert not any(_empty.iterdir()), "a test has left settings"
    for name in list(os.environ):
        if name.startswith(("AWS_", "FOODCO_STORAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(_empty / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(_empty / "no-aws-credentials"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(_empty))
    # Journals that no test names a place for: each its own, and none in the developer's home.
    monkeypatch.setenv("XDG_STATE_HOME", str(_states / uuid.uuid4().hex))
