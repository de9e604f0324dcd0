"""The code of the page on data tools, section by section, as its reader runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from layered import MakeBucket, configured

from foodco_storage.testing import MotoStore, Server

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "read-and-write-with-data-tools.md"

WRITTEN: dict[str, set[str]] = {
    "pandas": {"pandas/prices.csv.gz", "pandas/prices.parquet"},
    "pyarrow": {f"pyarrow/orders/city={city}/part-0.parquet" for city in ("Naples", "Rome")},
    "Polars": {"polars/monday.parquet", "polars/tuesday.parquet"},
    "DuckDB": {f"duckdb/orders/city={city}/data_0.parquet" for city in ("Naples", "Rome")},
    "Dask": {f"dask/csv/{n}.csv" for n in range(4)} | {f"dask/parquet/part.{n}.parquet" for n in range(4)},
    "Zarr": {"zarr/oven/zarr.json"} | {f"zarr/oven/c/{n}/0" for n in range(5)},
    "Xarray": {
        f"xarray/ovens.zarr/{key}"
        for key in ("zarr.json", "celsius/zarr.json", "celsius/c/0/0", "oven/zarr.json", "oven/c/0")
    },
    "Paths: universal_pathlib": {"menus/naples/today.txt"},
    "Images: Pillow": {"images/pizza.jpg"},
    "Models: scikit-learn": {"models/bill.joblib"},
    "Files in files, and local copies": {"chained/prices.zip"},
}
"""The sections, and what lies in the bucket after each."""

TOLD_BY_OTHERS = {
    # Of pandas, for how Dask's to_parquet and read_parquet call it: set_index(inplace=True), reset_index(inplace=True).
    "Dask": "The inplace keyword in DataFrame.:DeprecationWarning",
    # The page tells of it.
    "Paths: universal_pathlib": "UPath 'foodco' filesystem not explicitly implemented:UserWarning",
}
"""Warnings that are not this library's: how each begins, and its category."""

ABORTS_AT_EXIT = {"pandas", "pyarrow", "Polars", "Dask"}
"""pyarrow's threads may still hold a file when Python ends, and with any filesystem of fsspec then abort the process:
https://github.com/apache/arrow/issues/39162. It happened once in some hundred runs of a loaded machine."""


def sections() -> dict[str, list[str]]:
    """The code under each heading of the page; the prologue's is "". A line stands where the page has it."""
    lines = PAGE.read_text("utf-8").splitlines()
    found: dict[str, list[str]] = {}
    heading, inside = "", False
    for number, line in enumerate(lines):
        if inside and line == "```":
            inside = False
        elif inside:
            found[heading][number] = line
        elif line == "```python":
            inside = True
            found.setdefault(heading, [""] * len(lines))
        elif line.startswith("## "):
            heading = line.removeprefix("## ")
    return found


def as_toml(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from as_toml(value, f"{above}{name}.")
        else:
            yield f"{above}{name} = {json.dumps(value)}\n"


def sizes(server: Server, bucket: str) -> dict[str, int]:
    """What lies in a store, as one without the library sees it."""
    s3 = boto3.client("s3", **server.client_arguments())
    found = {item["Key"]: item["Size"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    s3.close()
    return found


@pytest.mark.parametrize("heading", WRITTEN)
def test_how_to(
    heading: str, make_bucket: MakeBucket, moto_store: MotoStore, moto_store_2: MotoStore, tmp_path: Path
) -> None:
    store, source = moto_store.server, moto_store_2.server
    bucket = make_bucket("moto_store", "moto_store_2")
    (tmp_path / "storage.toml").write_text(
        "".join(as_toml(configured("all", store, source, str(tmp_path / "journal"))))
    )
    code = sections()
    lines = [prologue or line for prologue, line in zip(code[""], code[heading], strict=True)]
    program = tmp_path / "how_to.py"
    lines.append('print("done", flush=True)')
    program.write_text("\n".join(lines).replace("foodco-analytics", bucket), "utf-8")
    # In a process of its own: these libraries start threads, and other tests fork.
    warnings = ["-W", "error"]
    if heading in TOLD_BY_OTHERS:
        warnings += ["-W", f"ignore:{TOLD_BY_OTHERS[heading]}"]
    ran = subprocess.run(
        [sys.executable, *warnings, str(program)],
        cwd=tmp_path,
        env={**os.environ, "FOODCO_STORAGE_CONFIG": "storage.toml"},
        check=False,
        capture_output=True,
        text=True,
    )
    ended = [(0, "")]
    if heading in ABORTS_AT_EXIT:
        ended.append((-signal.SIGABRT, "terminate called without an active exception\n"))
    assert (ran.returncode, ran.stderr) in ended
    assert ran.stdout == "done\n"
    assert sizes(store, bucket).keys() == sizes(source, bucket).keys() == WRITTEN[heading]


def test_every_section_is_run() -> None:
    assert sections().keys() == {"", *WRITTEN}
