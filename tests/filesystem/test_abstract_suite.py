"""fsspec's own suite for filesystems, whole, with every layer on and off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract
from layered import LAYERS, MakeBucket, OpenFilesystem


def _marks(layers: str) -> list[pytest.MarkDecorator]:
    # Once on every Python; each by itself on one.
    return [] if layers == "all" else [pytest.mark.slow]


class _Fixtures(abstract.AbstractFixtures):  # type: ignore[misc] # fsspec is untyped
    @pytest.fixture(params=[pytest.param(layers, marks=_marks(layers)) for layers in LAYERS])
    def fs(self, request: pytest.FixtureRequest, open_filesystem: OpenFilesystem) -> Any:
        return open_filesystem(request.param, "moto_store", "moto_store_2")

    @pytest.fixture
    def fs_path(self, fs: Any, make_bucket: MakeBucket) -> Any:
        return make_bucket("moto_store", "moto_store_2")

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
