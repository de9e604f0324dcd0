"""A process that uses no configuration pays for nothing that only routes, or only some users, need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    *("cachetools", "fsspec", "moto", "msgspec", "rich", "tomllib", "typer", "zstandard"),
    *("foodco_storage.backends.boto", "foodco_storage.cli", "foodco_storage.drivers", "foodco_storage.layers"),
    *("foodco_storage.config.model", "foodco_storage.testing"),
]


@pytest.mark.parametrize(
    "program",
    ["import foodco_storage", "import foodco_storage; foodco_storage.client(region_name='eu-west-1')"],
    ids=["import", "client"],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    check = f"{program}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
