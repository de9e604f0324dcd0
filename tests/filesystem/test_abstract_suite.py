"""fsspec's own suite for filesystems, whole, with every layer on and off."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract
from layered import LAYERS, MakeBucket, OpenFilesystem


def _over(*pairs: tuple[str, str]) -> list[Any]:
    """Layers and stores, and when they are run: moto's plain route on every Python, the others on one."""
    return [
        pytest.param(
            pair, marks=[] if pair == ("plain route", "moto_store") else [pytest.mark.slow], id=" on ".join(pair)
        )
        for pair in pairs
    ]


_STORES = ("moto_store", "ceph")
_PAIRS = list(itertools.product(LAYERS, _STORES))


class _Fixtures(abstract.AbstractFixtures):  # type: ignore[misc] # fsspec is untyped
    @pytest.fixture(params=_over(*_PAIRS))
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
