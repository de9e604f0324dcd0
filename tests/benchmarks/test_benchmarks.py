"""Every benchmark runs, in its smallest form. What it measures is not looked at: machines that run tests are noisy."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from foodco_storage.testing import CephCluster, SeaweedFS

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATIONS = ("get", "head", "put", "list", "large get", "large upload")
CLIENTS = ("boto3", "library, no configuration", "library, one backend", "library, fallback configured")


def run(module, *arguments):
    argv = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=150, check=False)
    asked_and_missed = "--check" in arguments and "NOT MET" in done.stdout
    assert done.returncode == (1 if asked_and_missed else 0), done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


def rows(output):
    """The names in the first column of each table, by the table's title."""
    tables: dict[str, list[str]] = {}
    for line in output.splitlines():
        if line.startswith("## "):
            names = tables[line.removeprefix("## ")] = []
        elif line.startswith("| "):
            names.append(line.split("|")[1].strip())
    return tables


def test_operations_on_the_static_server():
    tables = rows(run("operations", "--quick"))
    for operation in OPERATIONS:
        assert set(CLIENTS) <= set(tables[operation])
    assert "library, key only on the fallback" in tables["get"]


@pytest.mark.slow
def test_operations_on_a_real_store():
    if missing := CephCluster.missing():
        pytest.skip(missing)
    tables = rows(run("operations", "--quick", "--no-peers", "--server", "ceph"))
    assert set(OPERATIONS) <= set(tables)


def test_only_the_small_operations():
    assert set(rows(run("operations", "--quick", "--no-peers", "--only-small"))) == {"get", "head", "put"}


def test_the_exit_status_of_the_check_says_what_it_prints():
    output = run("operations", "--only-small", "--no-peers", "--processes", "1", "--rounds", "1", "--check")
    assert output.count("at most") == 6


def test_cache():
    if missing := SeaweedFS.missing():
        pytest.skip(missing)
    tables = rows(run("cache", "--quick"))
    assert set(tables) == {
        "4 KiB, one thread",
        "4 KiB, 16 threads, reads a second of all together",
        "1 MiB, one thread",
        "1 MiB, 16 threads, reads a second of all together",
    }
    for names in tables.values():
        assert {"floor: a dict", "boto3, uncached", "library, memory", "library, disk"} <= set(names)


def test_compression():
    if missing := SeaweedFS.missing():
        pytest.skip(missing)
    tables = rows(run("compression", "--quick", "--server", "seaweedfs"))
    titles = list(tables)
    assert titles[0].startswith("2 API descriptions, ")
    assert {"boto3, as it is", "library, zstd", "boto3, gzip by hand"} <= set(tables[titles[0]])
    assert {"library, zstd", "library, zstd, first read of an object"} <= set(tables[titles[1]])
    assert {"files", "operations", "shapes"} <= set(tables[titles[2]])
    assert "library, zstd: told by a sample" in tables[titles[3]]


def test_filesystem():
    output = run("filesystem", "--quick")
    tables = rows(output)
    (names,) = tables.values()
    tools = {"pyarrow": "one of 20 columns by pyarrow, of 0 MB", "zarr": "1 chunks of 256 KiB by zarr"}
    assert names == [
        "",
        "open and read 4 KiB",
        "open and read 4 KiB, cached",
        "cat_file of 4 KiB",
        "info of an object",
        "cat of 10 files of 4 KiB",
        "17 MiB in reads of 1 MiB",
        "17 MiB by one read()",
        "10 ranges of 64 KiB by cat_ranges",
        "5 ranges of 64 KiB by seek and read",
        "find over 20 keys",
        *(name for module, name in tools.items() if find_spec(module) is not None),
    ]
    peers = {"s3fs": "s3fs", "obstore": "obstore", "multistorageclient": "multi-storage-client"}
    for module, name in peers.items():
        assert (f" {name} |" in output) == (find_spec(module) is not None)
        assert (f"{module} is not installed" in output) == (find_spec(module) is None)


def test_the_check_of_the_filesystem():
    if find_spec("s3fs") is None:
        pytest.skip("its bars are s3fs's times")
    output = run("filesystem", "--rounds", "1", "--only", "info", "--check")
    assert output.count("at least") == 1


def test_coexistence():
    if missing := SeaweedFS.missing():
        pytest.skip(missing)
    tables = rows(run("coexistence", "--quick", "--server", "seaweedfs"))
    assert set(tables) == {"get", "head", "put", "delete", "get from the source", "delete 1000 keys"}
    assert {"boto3", "boto3, two requests by hand", "library, cutover", "library, drain"} <= set(tables["put"])


def test_telemetry():
    output = run("telemetry", "--quick")
    tables = rows(output)
    hooks = {"a hook that does nothing", "LogHook, level off", "metrics", "access statistics"}
    if find_spec("opentelemetry") is not None:
        hooks.add("OpenTelemetry without an SDK")
    for operation in ("head", "get", "put"):
        assert {"library, telemetry off", *hooks} <= set(tables[f"{operation}, telemetry alone"])
        for client in ("no route", "a route"):
            assert {"boto3", "library, telemetry off", *hooks} <= set(tables[f"{operation}, {client}"])
    assert output.count("us, at most 5 us") == 3
    assert tables["memory, 2,000 keys read once each"] == [
        "who keeps",
        "a dict of Counter",
        "window, max_keys 200",
        "window, max_keys 2,000",
        "window and store, max_keys 200",
        "window and store, max_keys 2,000",
    ]
    assert {"window, Zipf 1.0", "window and store, Zipf 1.0"} <= set(tables["counts, 5,000 reads of 2,000 keys"])
    # No measurement: what it says of the counts is so on every machine.
    assert output.count("at most reads / (max_keys + 1): met") == 1


def test_import_time():
    tables = rows(run("import_time", "--rounds", "2"))
    assert list(tables) == ["import boto3", "import of what the library adds", "first client", "second client"]
    assert all(len(names) == 5 for names in tables.values())
