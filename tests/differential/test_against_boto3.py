"""The same script through boto3 and through the library, on each store: equal results, types and errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matrix import cells
from script import OBJECTS, Deletes, Reads, Writes, load, play
from stores import AS_PRESET, backend, boto3_client, same

import foodco_storage
from foodco_storage.config import load as load_configuration
from foodco_storage.counting import counters
from foodco_storage.drivers.background import background
from foodco_storage.flows.marks import TOMBSTONE_BODY
from foodco_storage.front.mirroring import mirroring_of
from foodco_storage.testing import Server

STORES = ("moto_store", "seaweedfs", "ceph")
on_every_store = pytest.mark.parametrize("store", STORES, indirect=True)

# Where a store's own answer is at odds with S3 in a way that no merge of two answers can, or should, repeat.
KNOWN = {
    "moto_store": (
        # ListObjects gives prefixes regardless of the marker, a NextMarker without a delimiter, and no Marker.
        r"list_v1\[\d\]\.(Next)?Marker",
        r"paginate\[(9|11|13)\]",
        # CopySourceIfMatch is ignored when the server copies.
        r"copies\[8\]",
        # An UploadPartCopy of a missing key is answered 404 without an S3 error, which counts as an outage.
        r"part_copies",
    ),
    "seaweedfs": (
        # It lists in the order of its folders, not of bytes: such pages can't be merged, and are refused.
        r"list_v[12]",
        r"paginate",
        # CopyObject answers an ETag without quotes.
        r"copies\[\d+\]\.CopyObjectResult\.ETag",
        # A PUT without ContentType is given one by the key's ending.
        r"copies\[7\]\.ContentType",
    ),
    "ceph": (
        # ListObjects answers a NextMarker without a delimiter, and one that botocore decodes wrongly.
        r"list_v1\[4\]\.NextMarker",
        r"paginate\[(8|9|11)\]",
        # CopyObject answers an ETag without quotes, and compares CopySourceIfMatch without them.
        r"copies\[\d+\]\.CopyObjectResult\.ETag",
        r"copies\[(8|9)\]",
    ),
}


KNOWN_IN_PHASES = {
    # moto tells what was deleted although it was asked to be quiet.
    "moto_store": (r"delete_many\[1\]\.Deleted",),
    # The step ends with a list.
    "seaweedfs": (r"delete_many",),
    "ceph": (),
}


def preset(name: str) -> str:
    return "ceph" if name == "ceph" else "s3"


@pytest.fixture(autouse=True)
def _tries_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is answered 500 for a strange request waits some seconds for nothing."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def store(request: pytest.FixtureRequest) -> tuple[str, Server]:
    fixture = request.getfixturevalue(request.param)
    return request.param, fixture.server


def empty(server: Server, bucket: str) -> None:
    client = boto3_client(server)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


@pytest.fixture
def new_bucket(store: tuple[str, Server], bucket_name: str) -> Iterator[Callable[[], str]]:
    """Makes buckets: a store may remember what lay in one (SeaweedFS keeps empty folders), so each run has its own."""
    made: list[str] = []
    client = boto3_client(store[1])

    def make() -> str:
        made.append(f"{bucket_name}-{len(made)}")
        client.create_bucket(Bucket=made[-1])
        return made[-1]

    yield make
    for name in made:
        empty(store[1], name)
        client.delete_bucket(Bucket=name)


def run(client: Any, bucket: str, folder: Path, steps: Sequence[type]) -> dict[str, Any]:
    outcomes: dict[str, Any] = {}
    for step in steps:
        outcomes |= play(step, client, bucket, folder)
    return outcomes


def steps_must_work(outcomes: dict[str, Any]) -> None:
    """A step that fails as a whole in boto3 compares nothing."""
    failed = {
        name: result for name, result in outcomes.items() if isinstance(result, list) and result[:1] == ["raised"]
    }
    assert set(failed) <= {"get_missing"}, failed


@pytest.fixture(scope="module")
def told() -> dict[Any, dict[str, Any]]:
    """What boto3 told of a store, by its name and the steps."""
    return {}


@pytest.fixture
def expected_of(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, told: dict[Any, dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    """What boto3 tells of the steps on this store: asked once, as it depends on nothing else."""

    def expected(*steps: type) -> dict[str, Any]:
        name, server = store
        if (name, steps) not in told:
            told[name, steps] = run(boto3_client(server), loaded(server, new_bucket()), tmp_path, steps)
        return told[name, steps]

    return expected


Expected = Callable[..., dict[str, Any]]


@on_every_store
def test_without_configuration(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, expected_of: Expected
) -> None:
    _, server = store
    ours = loaded(server, new_bucket())
    client = foodco_storage.client("s3", **server.client_arguments(), config=AS_PRESET)
    expected = expected_of(Reads, Writes, Deletes)
    steps_must_work(expected)
    same(run(client, ours, tmp_path, [Reads, Writes, Deletes]), expected)


@on_every_store
def test_with_one_backend(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, expected_of: Expected
) -> None:
    name, server = store
    ours = loaded(server, new_bucket())
    configuration = {
        "backends": {"store": backend(server, preset(name))},
        "routes": {"all": {"bucket": ours, "primary": "store"}},
        "default": {"backend": "store"},
    }
    expected = expected_of(Reads, Writes, Deletes)
    same(run(foodco_storage.client(storage=configuration), ours, tmp_path, [Reads, Writes, Deletes]), expected)


LEVELS = {
    "memory": {"memory_max_bytes": "64MiB"},
    "disk": {"disk_max_bytes": "64MiB"},
    "both": {"memory_max_bytes": "64MiB", "disk_max_bytes": "64MiB", "block_bytes": 4096},
}


@pytest.mark.parametrize(
    ("store", "levels"),
    cells(STORES, LEVELS, chosen=[("seaweedfs", "memory"), ("moto_store", "disk"), ("ceph", "both")]),
    indirect=["store"],
)
def test_with_a_cache(store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, levels: str) -> None:
    name, server = store
    theirs, ours = loaded(server, new_bucket()), loaded(server, new_bucket())
    configuration = {
        "backends": {"store": backend(server, preset(name))},
        "routes": {"all": {"bucket": ours, "primary": "store", "cache": LEVELS[levels]}},
        "default": {"backend": "store"},
        "cache": {"directory": str(tmp_path / "cache")},
    }
    client = foodco_storage.client(storage=configuration)
    plain = boto3_client(server)
    expected = run(plain, theirs, tmp_path, [Reads])
    same(run(client, ours, tmp_path, [Reads]), expected)
    # From the cache, by another client of the process and by one that begins with what lies on disk.
    same(run(client, ours, tmp_path, [Reads]), expected)
    same(run(foodco_storage.client(storage=configuration), ours, tmp_path, [Reads]), expected)
    counted = counters()["all"]
    assert counted.get("cache_memory_hits", 0) + counted.get("cache_disk_hits", 0) > 20
    steps = [Writes, Reads, Deletes]
    same(run(client, ours, tmp_path, steps), run(plain, theirs, tmp_path, steps))


COMPRESSION = {"codec": "zstd", "min_bytes": 1, "min_gain": 0, "frame_bytes": "16KiB", "exact_sizes": True}
COMPRESSED = (
    # The stored object's.
    r".*\.ETag",
    # Whoever follows the URL would get what lies in the store: refused.
    r"presigned",
)


@on_every_store
def test_with_compression(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, expected_of: Expected
) -> None:
    name, server = store
    ours = new_bucket()
    configuration = {
        "backends": {"store": backend(server, preset(name))},
        "routes": {"all": {"bucket": ours, "primary": "store", "compression": COMPRESSION}},
        "default": {"backend": "store"},
    }
    client: Any = foodco_storage.client(storage=configuration)
    load(client, ours)
    assert client.head_object(Bucket=ours, Key="z/last")["ResponseMetadata"]["Storage"]["codec"] == "zstd"
    expected = expected_of(Reads, Writes, Deletes)
    same(run(client, ours, tmp_path, [Reads, Writes, Deletes]), expected, COMPRESSED)


@pytest.mark.parametrize(
    ("store", "in_source"),
    cells(
        STORES,
        ("none", "all", "half"),
        chosen=[("seaweedfs", "none"), ("ceph", "all"), ("moto_store", "half")],
    ),
    indirect=["store"],
)
def test_with_two_backends(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, in_source: str, expected_of: Expected
) -> None:
    name, server = store
    keys = {"none": [], "all": list(OBJECTS), "half": list(OBJECTS)[::2]}[in_source]
    ours = loaded(server, new_bucket(), [key for key in OBJECTS if key not in keys])
    source = loaded(server, new_bucket(), keys)
    configuration = {
        "backends": {"new": backend(server, preset(name)), "old": backend(server, "s3")},
        "routes": {"all": {"bucket": ours, "primary": "new", "fallbacks": ["old"], "buckets": {"old": source}}},
        "default": {"backend": "new"},
    }
    expected = expected_of(Reads, Writes)
    same(run(foodco_storage.client(storage=configuration), ours, tmp_path, [Reads, Writes]), expected, KNOWN[name])

    # A fallback is never written.
    left = boto3_client(server).list_objects_v2(Bucket=source).get("Contents", [])
    assert sorted(item["Key"] for item in left) == sorted(keys)


PHASES = ("source", "backfill", "cutover", "drain", "target")


@pytest.mark.parametrize(
    ("store", "phase", "cached"),
    cells(
        STORES,
        PHASES,
        (False, True),
        chosen=[
            *(("ceph", phase, False) for phase in PHASES),
            ("ceph", "cutover", True),
            ("moto_store", "drain", False),
            ("seaweedfs", "backfill", True),
        ],
    ),
    indirect=["store"],
)
def test_in_a_phase(
    store: tuple[str, Server],
    new_bucket: Callable[[], str],
    tmp_path: Path,
    phase: str,
    cached: bool,
    expected_of: Expected,
) -> None:
    options = {"cache": LEVELS["both"]} if cached else {}
    check_in_a_phase(store, new_bucket, tmp_path, phase, options, (), expected_of)


@pytest.mark.parametrize(
    ("store", "phase"),
    cells(
        STORES[1:],
        PHASES[2:],
        chosen=[("ceph", "cutover"), ("ceph", "drain"), ("ceph", "target"), ("seaweedfs", "drain")],
    ),
    indirect=["store"],
)
def test_with_compression_in_a_phase(
    store: tuple[str, Server], new_bucket: Callable[[], str], tmp_path: Path, phase: str, expected_of: Expected
) -> None:
    check_in_a_phase(store, new_bucket, tmp_path, phase, {"compression": COMPRESSION}, COMPRESSED, expected_of)


def check_in_a_phase(
    store: tuple[str, Server],
    new_bucket: Callable[[], str],
    tmp_path: Path,
    phase: str,
    options: dict[str, Any],
    known: Sequence[str],
    expected_of: Expected,
) -> None:
    name, server = store
    in_source = {"source": list(OBJECTS), "backfill": list(OBJECTS), "target": []}.get(phase, list(OBJECTS)[::2])
    ours = loaded(server, new_bucket(), [key for key in OBJECTS if key not in in_source])
    source = loaded(server, new_bucket(), in_source)
    route: dict[str, Any] = {"bucket": ours, "primary": "new", "fallbacks": ["old"], "phase": phase}
    route["buckets"] = {"old": source}
    configuration = {
        "backends": {"new": backend(server, preset(name)), "old": backend(server, preset(name))},
        "routes": {"all": route},
        "default": {"backend": "new"},
        "journal": {"directory": str(tmp_path / "journal")},
        "cache": {"directory": str(tmp_path / "cache")},
    }
    route |= options
    client = foodco_storage.client(storage=configuration)
    if "compression" in options:
        load(client, ours, [key for key in OBJECTS if key not in in_source])
    expected = expected_of(Reads, Writes, Deletes)
    same(
        run(client, ours, tmp_path, [Reads, Writes, Deletes]), expected, (*KNOWN[name], *KNOWN_IN_PHASES[name], *known)
    )
    assert background.join()
    drain_journal(configuration)
    if phase in {"backfill", "cutover"}:
        follows(server, ours, source, phase, client)


def drain_journal(configuration: dict[str, Any]) -> None:
    loaded_configuration = load_configuration(configuration)
    assert loaded_configuration is not None
    mirroring = mirroring_of(loaded_configuration)
    until = time.monotonic() + 20
    while mirroring.journal.depth():
        assert time.monotonic() < until, f"left in the journal: {mirroring.journal.entries()}"
        if mirroring.replay() == (0, 0):
            time.sleep(0.05)


def follows(server: Server, ours: str, source: str, phase: str, client: Any) -> None:
    """What was written by the library lies on both sides: on the source as it is, whatever the primary makes of it."""
    primary, theirs = (
        {k: v for k, v in contents(server, b).items() if not k.endswith("/signed")} for b in (ours, source)
    )
    for key, body in primary.items():
        if body.startswith(b"\x28\xb5\x2f\xfd"):
            primary[key] = client.get_object(Bucket=ours, Key=key)["Body"].read()
    dead = {key for key, body in primary.items() if body == TOMBSTONE_BODY}
    decides, other = (primary, theirs) if phase == "cutover" else (theirs, primary)
    for key, body in decides.items():
        if key not in dead and key.startswith(("new/", "copy/")):
            assert other[key] == body, key
    assert not dead & theirs.keys()


def contents(server: Server, bucket: str) -> dict[str, bytes]:
    client = boto3_client(server)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def loaded(server: Server, bucket: str, keys: list[str] | None = None) -> str:
    load(boto3_client(server), bucket, keys)
    return bucket
