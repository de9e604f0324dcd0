"""S3's own records come into the store once."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest

from foodco_storage.access.inventory_imports import InventoryReport, import_inventory
from foodco_storage.access.log_imports import LogsReport, import_server_logs
from foodco_storage.access.questions import Local, never_read
from foodco_storage.access.store import Store
from foodco_storage.errors import RecordsError
from foodco_storage.places import shown

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "access", clock=lambda: NOW)


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory, which all tests of a process share, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def get(key: str, *, day: int = 28, agent: str = "Boto3/1.43") -> str:
    return (
        f"owner shop [{day}/Nov/2026:10:00:00 +0000] 192.0.2.3 arn:aws:iam::1:user/web 3E57427F3EXAMPLE REST.GET.OBJECT {key} "
        f'"GET /{key}?X-Amz-Signature=5ec3e7 HTTP/1.1" 200 - 10 10 5 3 "-" "{agent}" - x= SigV4 ECDHE QueryString s3 TLSv1.2 - -\n'
    )


def rows(store: Store, columns: str, table: str) -> list[Any]:
    with store.use() as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3").fetchall()


def reads(store: Store) -> list[Any]:
    return rows(store, "day, bucket, key, reads, read_bytes, source", "accesses")


def test_a_folder_of_logs_is_read_once(store: Store, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "2026").mkdir(parents=True)
    (logs / "2026" / "2026-11-28-10-00-00-AAAA").write_text(get("a") + "what?\n" + get("a") + get("b"))
    (logs / "2026-11-27-10-00-00-BBBB.gz").write_bytes(gzip.compress(get("a", day=27).encode()))
    (logs / "2026-11-29-00-00-00-CCCC").write_text("")
    report = import_server_logs(store, str(logs))
    (example,) = report.examples
    assert example.startswith(f"file://{logs}/2026/2026-11-28-10-00-00-AAAA: line 2: ")
    assert report == LogsReport(files=3, lines=5, unparsed=1, examples=(example,), rows=3)
    expected = [
        ("2026-11-27", "shop", "a", 1.0, 10.0, "server log"),
        ("2026-11-28", "shop", "a", 2.0, 20.0, "server log"),
        ("2026-11-28", "shop", "b", 1.0, 10.0, "server log"),
    ]
    assert reads(store) == expected
    readers = "day, requester, agent, operation, operations, size"
    assert rows(store, readers, "readers") == [
        ("2026-11-27", "arn:aws:iam::1:user/web", "Boto3", "REST.GET.OBJECT", 1.0, 10.0),
        ("2026-11-28", "arn:aws:iam::1:user/web", "Boto3", "REST.GET.OBJECT", 3.0, 30.0),
    ]

    (logs / "2026-11-29-11-00-00-DDDD").write_text(get("c", day=29))
    assert import_server_logs(store, str(logs)) == LogsReport(files=1, known=3, lines=1, rows=1)
    assert reads(store) == [*expected, ("2026-11-29", "shop", "c", 1.0, 10.0, "server log")]


def test_a_file_is_the_same_by_its_own_name_and_by_a_pattern(store: Store, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("web-1", "web-2", "other"):
        (tmp_path / "logs" / name).write_text(get(name))
    (tmp_path / "logs" / "web-folder").mkdir()
    assert import_server_logs(store, f"{tmp_path}/logs/web-1").files == 1
    assert import_server_logs(store, f"{tmp_path}/logs/web-*") == LogsReport(files=1, known=1, lines=1, rows=1)
    assert import_server_logs(store, f"file://{tmp_path}/logs") == LogsReport(files=1, known=2, lines=1, rows=1)


def test_a_file_of_a_system_that_says_nothing_of_it(store: Store, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/logs/1", get("a").encode())
    # As fsspec's own `find` does for a file by its name, where a system has no better one.
    monkeypatch.setattr(type(memory), "find", lambda self, path, **_: {path: {}})
    assert import_server_logs(store, "memory://logs/1").files == 1
    monkeypatch.undo()
    assert import_server_logs(store, "memory://logs") == LogsReport(known=1)


def test_a_carriage_return_ends_no_line(store: Store, tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(get("a", agent="x\ry").encode())
    assert import_server_logs(store, str(tmp_path / "1")) == LogsReport(files=1, lines=1, rows=1)


def test_of_the_bad_lines_of_all_files_a_few_are_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(3):
        (tmp_path / "logs" / str(number)).write_text("?\n" * 4 + get("a"))
    report = import_server_logs(store, str(tmp_path / "logs"))
    assert report.unparsed == 12
    assert [example.partition(": ")[0][-1] for example in report.examples] == ["0", "0", "0", "0", "1"]


def test_a_name_is_kept_without_credentials(store: Store, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/logs/1", get("a").encode())
    url = "https://me:5ec3e7@host/logs/1?X-Amz-Signature=5ec3e7"
    monkeypatch.setattr(type(memory), "unstrip_protocol", lambda self, path: url)
    import_server_logs(store, "memory://logs/1")
    assert rows(store, "name, tag, day", "imported")[0][0] == "https://host/logs/1"


def test_a_file_that_has_grown_is_left_out_and_told(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(get("a"))
    import_server_logs(store, str(log))
    before = reads(store)
    log.write_text(get("a") * 2)
    assert import_server_logs(store, str(log)) == LogsReport(changed=(f"file://{log}",))
    assert reads(store) == before


def test_a_url_is_read(store: Store, memory: Any) -> None:
    memory.pipe("/logs/shop/1", get("a").encode())
    memory.pipe("/logs/shop/2.gz", gzip.compress(get("b").encode()))
    assert import_server_logs(store, "memory://logs/shop/") == LogsReport(files=2, lines=2, rows=2)
    assert import_server_logs(store, "memory://logs/shop/1") == LogsReport(known=1)
    assert [row[2] for row in reads(store)] == ["a", "b"]


def test_a_log_counts_once_wherever_it_was_copied(store: Store, memory: Any, tmp_path: Path) -> None:
    name = "2026-11-28-10-00-00-0123456789ABCDEF"
    memory.pipe(f"/logs/shop/{name}", get("a").encode())
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / name).write_text(get("a"))
    (copied / "mine").write_text(get("b"))
    assert import_server_logs(store, "memory://logs/shop/") == LogsReport(files=1, lines=1, rows=1)
    assert import_server_logs(store, str(copied)) == LogsReport(files=1, known=1, lines=1, rows=1)
    assert [row[2:4] for row in reads(store)] == [("a", 1.0), ("b", 1.0)]
    (copied / name).write_text(get("a") * 2)
    assert import_server_logs(store, str(copied)).changed == (f"file://{copied}/{name}",)


def test_no_log_at_all_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="nothing: no file is there"):
        import_server_logs(store, str(tmp_path / "nothing"))
    (tmp_path / "nothing" / "below").mkdir(parents=True)
    with pytest.raises(RecordsError, match="nothing: no file is there"):
        import_server_logs(store, str(tmp_path / "nothing"))
    for name, content in (("1", get("a")), ("2", "X-Amz-Signature=5ec3e7\n"), ("3", get("c"))):
        (tmp_path / name).write_text(content)
    with pytest.raises(RecordsError, match=r"/2: it is no server access log of S3 \(line 1: ") as refused:
        import_server_logs(store, f"{tmp_path}/?")
    assert "5ec3e7" not in str(refused.value)
    assert [row[2] for row in reads(store)] == ["a"]
    (tmp_path / "2").unlink()
    assert import_server_logs(store, f"{tmp_path}/?") == LogsReport(files=1, known=1, lines=1, rows=1)


def test_a_damaged_file_adds_nothing(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "1.gz"
    whole = gzip.compress((get("a") * 100).encode())
    for content in whole[:-8], whole[:40] + b"\xff" * 8 + whole[48:], b"no gzip":
        log.write_bytes(content)
        with pytest.raises(RecordsError, match=r"/1\.gz: it is damaged, or not whole: "):
            import_server_logs(store, str(log))
    log.write_bytes(whole)
    assert import_server_logs(store, str(log)).lines == 100
    assert [row[3] for row in reads(store)] == [100.0]


def test_a_line_without_end_is_not_held(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "1.gz"
    with gzip.open(log, "wt") as file:
        file.write(get("a"))
        for _ in range(64):
            file.write("a" * (1 << 20))
        file.write("\n" + get("b"))
    tracemalloc.start()
    try:
        report = import_server_logs(store, str(log))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (report.lines, report.unparsed) == (3, 1)
    assert "line 2: it is longer than 65536 characters" in report.examples[0]
    assert [row[2] for row in reads(store)] == ["a", "b"]
    assert peak < 8 << 20


def test_two_at_once_count_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "1"
    log.write_text(get("a"))
    looked = store.imported

    def overtaken(name: str) -> str | None:
        found = looked(name)
        monkeypatch.undo()
        assert import_server_logs(store, str(log)).files == 1
        return found

    monkeypatch.setattr(store, "imported", overtaken)
    assert import_server_logs(store, str(log)) == LogsReport(known=1)
    assert [row[3] for row in reads(store)] == [1.0]


CSV = '"shop","a+b","7","2026-11-01T00:00:00.000Z","STANDARD"\n"shop","c","8","2026-10-01T00:00:00.000Z","GLACIER"\n'


def deliver(system: Any, root: str, stamp: str, *contents: str) -> None:
    files = []
    for number, content in enumerate(contents):
        data = gzip.compress(content.encode(), mtime=0)
        key = f"inv/shop/daily/data/{stamp}-{number}.csv.gz"
        system.pipe(f"{root}/{key}", data)
        files.append({"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()})
    created = datetime.strptime(stamp, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC).timestamp()
    manifest = {
        "sourceBucket": "shop",
        "destinationBucket": "arn:aws:s3:::stock",
        "version": "2016-11-30",
        "creationTimestamp": str(int(created * 1000)),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, StorageClass",
        "files": files,
    }
    system.pipe(f"{root}/inv/shop/daily/{stamp}/manifest.json", json.dumps(manifest).encode())


def objects(store: Store) -> list[Any]:
    return rows(store, "bucket, key, size, modified_at, storage_class, seen_at", "objects")


def test_the_newest_inventory_replaces_what_was_known(store: Store, memory: Any) -> None:
    seen = datetime(2026, 11, 28, 1, tzinfo=UTC).timestamp()
    deliver(memory, "/stock", "2026-11-27T01-00Z", '"shop","old","1","2026-11-01T00:00:00.000Z","STANDARD"\n')
    assert import_inventory(store, "memory://stock/inv").objects == 1
    deliver(memory, "/stock", "2026-11-28T01-00Z", *CSV.splitlines(keepends=True))
    report = import_inventory(store, "memory://stock/inv/")
    assert report == InventoryReport(
        bucket="shop",
        source_bucket="shop",
        manifest="memory:///stock/inv/shop/daily/2026-11-28T01-00Z/manifest.json",
        seen_at=seen,
        files=2,
        objects=2,
    )
    written = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert objects(store) == [
        ("shop", "a b", 7, written, "STANDARD", seen),
        ("shop", "c", 8, written - 31 * 86_400, "GLACIER", seen),
    ]
    older = import_inventory(store, "memory://stock/inv/shop/daily/2026-11-27T01-00Z/manifest.json")
    assert older.objects == 1
    assert [row[1] for row in objects(store)] == ["old"]


def test_statistics_are_kept_under_the_name_that_callers_use(store: Store, tmp_path: Path, memory: Any) -> None:
    """Else what was read would pass for never read."""
    (tmp_path / "log").write_text(get("a+b") + get("a+b", day=27) + get("log"))
    asked = []

    def called(name: str) -> str:
        asked.append(name)
        return "pictures"

    import_server_logs(store, str(tmp_path / "log"), bucket=called)
    assert asked == ["shop"]
    assert {(row[1], row[2]) for row in reads(store)} == {("pictures", "a b"), ("pictures", "log")}
    assert {row[0] for row in rows(store, "bucket, day, requester", "readers")} == {"pictures"}
    deliver(memory, "/stock", "2026-11-28T01-00Z", CSV)
    for name in (called, "pictures"):
        report = import_inventory(store, "memory://stock", bucket=name)
        assert (report.bucket, report.source_bucket) == ("pictures", "shop")
        assert {row[0] for row in objects(store)} == {"pictures"}
    # Of `a b` and `c`, the latter.
    assert [row[1:3] for row in never_read(Local(store), "pictures").rows] == [(1, 8)]
    assert never_read(Local(store), "shop").rows == []


def test_two_buckets_under_one_name_add_up(store: Store, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(get("a") + get("a").replace(" shop ", " other "))
    import_server_logs(store, str(tmp_path / "log"), bucket=lambda _: "shop")
    assert [row[1:4] for row in reads(store)] == [("shop", "a", 2.0)]
    assert rows(store, "bucket, operations, size", "readers") == [("shop", 2.0, 20.0)]


def test_one_name_is_given_to_one_bucket(store: Store, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "1").write_text(get("a"))
    (tmp_path / "logs" / "2").write_text(get("a").replace(" shop ", " other "))
    with pytest.raises(RecordsError, match=r"logs of several buckets \(other and shop\)"):
        import_server_logs(store, str(tmp_path / "logs"), bucket="pictures")
    assert [row[1:4] for row in reads(store)] == [("pictures", "a", 1.0)]


def test_an_empty_bucket_has_no_files(store: Store, memory: Any) -> None:
    deliver(memory, "/stock", "2026-11-27T01-00Z", CSV)
    import_inventory(store, "memory://stock")
    deliver(memory, "/stock", "2026-11-28T01-00Z")
    assert import_inventory(store, "memory://stock").objects == 0
    assert objects(store) == []


def test_a_copied_folder_is_read(store: Store, tmp_path: Path) -> None:
    deliver(fsspec.filesystem("file", auto_mkdir=True), str(tmp_path), "2026-11-28T01-00Z", CSV)
    (tmp_path / "inv" / "shop" / "daily").rename(tmp_path / "copy")
    assert import_inventory(store, str(tmp_path / "copy")).objects == 2


def test_a_broken_inventory_changes_nothing(store: Store, memory: Any) -> None:
    deliver(memory, "/stock", "2026-11-27T01-00Z", CSV)
    import_inventory(store, "memory://stock")
    before = objects(store)
    deliver(memory, "/stock", "2026-11-28T01-00Z", CSV.replace("c", "d"), CSV.replace("c", "e"))
    second = "/stock/inv/shop/daily/data/2026-11-28T01-00Z-1.csv.gz"
    memory.pipe(second, b"other")
    with pytest.raises(RecordsError, match="its MD5 is"):
        import_inventory(store, "memory://stock")
    memory.rm(second)
    with pytest.raises(RecordsError, match="get the whole inventory again"):
        import_inventory(store, "memory://stock")
    memory.rm("/stock/inv/shop/daily/data", recursive=True)
    with pytest.raises(RecordsError, match="copy the inventory's whole folder"):
        import_inventory(store, "memory://stock")
    assert objects(store) == before
    with store.use() as connection:
        assert connection.execute("SELECT count(*) FROM arriving").fetchone() == (0,)


def test_no_inventory_at_all_is_an_error(store: Store, tmp_path: Path, memory: Any) -> None:
    with pytest.raises(RecordsError, match=r"is not there: name a manifest\.json"):
        import_inventory(store, str(tmp_path / "manifest.json"))
    for location in (str(tmp_path / "nothing"), "memory://nothing"):
        with pytest.raises(RecordsError, match="nothing: no "):
            import_inventory(store, location)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RecordsError, match="no manifest of S3 Inventory"):
        import_inventory(store, str(tmp_path / "manifest.json"))


def test_places_are_told_without_secrets() -> None:
    assert shown("https://me:5ec3e7@host/a?X-Amz-Signature=5ec3e7") == "https://host/a"
    assert shown("s3://bucket/me@home") == "s3://bucket/me@home"
    assert shown("s3://bucket//me@home") == "s3://bucket//me@home"
    assert shown("/local/a?b") == "/local/a?b"
    assert shown("s3://bucket/a?b") == "s3://bucket/a?b"
    assert shown("simplecache::https://me@host/a?b") == "simplecache::https://host/a"
    error = RecordsError("sftp://me:5ec3e7@host/a", "no")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.place, again.problem) == ("sftp://host/a: no", "sftp://host/a", "no")
