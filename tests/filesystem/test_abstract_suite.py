"""fsspec's own suite for filesystems, whole.

`FOODCO_STORAGE_TEST_EVERY=1` runs it with each layer by itself, with none and with all, on moto and on Ceph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract
from layered import LAYERS, MakeBucket, OpenFilesystem
from matrix import EVERY

_PAIRS = (
    list(itertools.product(LAYERS, ("moto_store", "ceph")))
    if EVERY
    else [("plain route", "moto_store"), ("all", "ceph")]
)
"""Layers and stores. Every one of each takes an hour; of the gate's two, one has no layer and one has all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What a glob means is decided above all layers: its hundred edge cases run without any."""
    if "fs" in metafunc.fixturenames:
        pairs = _PAIRS if EVERY or "glob_edge_cases" not in metafunc.function.__name__ else _PAIRS[:1]
        metafunc.parametrize("fs", pairs, ids=[" on ".join(pair) for pair in pairs], indirect=True)


class _Fixtures(abstract.AbstractFixtures):  # type: ignore[misc] # fsspec is untyped
    @pytest.fixture
    def fs(self, request: pytest.FixtureRequest, open_filesystem: OpenFilesystem) -> Any:
        layers, store = request.param
        return open_filesystem(layers, store, "moto_store_2")

    @pytest.fixture
    def fs_path(self, request: pytest.FixtureRequest, fs: Any, make_bucket: MakeBucket) -> Any:
        return make_bucket("moto_store_2", request.node.callspec.params["fs"][1])

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, _Fixtures):  # type: ignore[misc]
    pass


class TestGet(abstract.AbstractGetTests, _Fixtures):  # type: ignore[misc]
    pass


class TestPut(abstract.AbstractPutTests, _Fixtures):  # type: ignore[misc]
    pass


class TestOpen(abstract.AbstractOpenTests, _Fixtures):  # type: ignore[misc]
    pass


class TestPipe(abstract.AbstractPipeTests, _Fixtures):  # type: ignore[misc]
    pass
