"""What is asked of s3fs and of ours alike. Each case gets a filesystem, a bucket and a local directory.

`READS` share one bucket, `WRITES` get a new one each, with the same content.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec

Case = Callable[[Any, str, Path], Any]

CONTENT: dict[str, bytes] = {
    "a.txt": b"alpha",
    "b.txt": b"line one\nline two\nline three",
    "empty": b"",
    "dir/one": b"1",
    "dir/two": b"22",
    "dir/sub/three": b"333",
    "dir/sub/deep/four": b"4444",
    "both": b"a file",
    "both/below": b"and a directory",
    "marked/": b"",
    "marked/inside": b"in a folder with a marker",
    "lone-marker/": b"",
    "dots.in.name/x.y.z": b"dots",
    "odd/space in it": b"space",
    "odd/plus+and&=?#": b"plus",
    "odd/ünïcödé": b"unicode",
    "odd/percent%20": b"percent",
    "odd/double//slash": b"slashes",
    "many/00": b"0",
    "many/01": b"1",
    "many/10": b"10",
    "large": bytes(range(256)) * 1024,
}


def _open(fs: Any, path: str, **options: Any) -> Any:
    with fs.open(path, **options) as file:
        return file.read()


def _steps(fs: Any, path: str) -> Any:
    with fs.open(path, "rb", block_size=5 * 2**20) as file:
        return [
            file.size,
            file.read(3),
            file.tell(),
            file.seek(-4, 2),
            file.read(),
            file.seek(2),
            file.readline(),
            file.seek(0),
            file.readlines()[:2],
            file.readable(),
            file.writable(),
            file.seekable(),
        ]


def _readinto(fs: Any, path: str) -> Any:
    buffer = bytearray(4)
    with fs.open(path) as file:
        return file.readinto(buffer), bytes(buffer), file.readuntil(b"\n"), list(file)


def _got(fs: Any, remote: Any, local: Path, **options: Any) -> Any:
    fs.get(remote, str(local), **options)
    return sorted(
        (str(p.relative_to(local.parent)), p.read_bytes() if p.is_file() else None) for p in local.parent.rglob("*")
    )


def _walk(fs: Any, path: str, **options: Any) -> Any:
    return [(root, sorted(dirs), sorted(files)) for root, dirs, files in fs.walk(path, **options)]


def _asked(method: str, path: str) -> Case:
    return lambda fs, b, _: getattr(fs, method)(f"{b}/{path}" if path else b)


def _opened(cache: str) -> Case:
    return lambda fs, b, _: _open(fs, f"{b}/large", cache_type=cache, block_size=4096)


_METHODS = ("exists", "isdir", "isfile", "info", "size", "ls", "find", "checksum", "du", "glob")
_PATHS = (
    "", "a.txt", "empty", "dir", "dir/", "dir/sub", "dir/one", "both", "both/below", "marked", "marked/", "lone-marker",
    "lone-marker/", "dots.in.name", "odd/space in it", "odd/plus+and&=?#", "odd/ünïcödé", "odd/percent%20", "odd/double/",
    "odd/double//slash", "missing", "missing/", "a.txt/below", "di", "large",
)  # fmt: skip

READS: dict[str, Case] = {
    **{f"{method} {path or 'bucket'}": _asked(method, path) for method in _METHODS for path in _PATHS},
    "exists missing bucket": lambda fs, b, _: fs.exists(f"{b}-missing"),
    "exists key in missing bucket": lambda fs, b, _: fs.exists(f"{b}-missing/key"),
    "info missing bucket": lambda fs, b, _: fs.info(f"{b}-missing"),
    "info root": lambda fs, _b, _: fs.info(""),
    "isdir missing bucket": lambda fs, b, _: fs.isdir(f"{b}-missing"),
    "isdir root": lambda fs, _b, _: fs.isdir(""),
    "ls missing bucket": lambda fs, b, _: fs.ls(f"{b}-missing"),
    "ls root": lambda fs, b, _: b in fs.ls(""),
    "ls detail": lambda fs, b, _: fs.ls(f"{b}/dir", detail=True),
    "ls detail bucket": lambda fs, b, _: fs.ls(b, detail=True),
    "ls detail file": lambda fs, b, _: [e["size"] for e in fs.ls(f"{b}/a.txt", detail=True)],
    "ls with protocol": lambda fs, b, _: fs.ls(f"s3://{b}/dir/"),
    "find detail": lambda fs, b, _: fs.find(f"{b}/dir", detail=True),
    "find withdirs": lambda fs, b, _: fs.find(f"{b}/dir", withdirs=True),
    "find withdirs detail": lambda fs, b, _: fs.find(f"{b}/odd", withdirs=True, detail=True),
    "find withdirs bucket": lambda fs, b, _: fs.find(b, withdirs=True),
    "find maxdepth": lambda fs, b, _: fs.find(f"{b}/dir", maxdepth=1),
    "find maxdepth 2": lambda fs, b, _: fs.find(f"{b}/dir", maxdepth=2),
    "find maxdepth withdirs": lambda fs, b, _: fs.find(f"{b}/dir", maxdepth=2, withdirs=True),
    "find maxdepth bucket": lambda fs, b, _: fs.find(b, maxdepth=1, withdirs=True),
    "find prefix": lambda fs, b, _: fs.find(f"{b}/many", prefix="0"),
    "find prefix withdirs": lambda fs, b, _: fs.find(b, prefix="dir", withdirs=True),
    "find prefix maxdepth": lambda fs, b, _: fs.find(b, prefix="d", maxdepth=1, withdirs=True),
    "find root": lambda fs, _b, _: fs.find(""),
    "walk": lambda fs, b, _: _walk(fs, f"{b}/dir"),
    "walk bucket": lambda fs, b, _: _walk(fs, b),
    "walk maxdepth": lambda fs, b, _: _walk(fs, b, maxdepth=1),
    "walk bottom up": lambda fs, b, _: _walk(fs, f"{b}/dir", topdown=False),
    "walk missing": lambda fs, b, _: _walk(fs, f"{b}/missing"),
    "walk missing raises": lambda fs, b, _: _walk(fs, f"{b}/missing", on_error="raise"),
    "walk root": lambda fs, _b, _: _walk(fs, ""),
    "tree": lambda fs, b, _: fs.tree(f"{b}/dir"),
    "glob star": lambda fs, b, _: fs.glob(f"{b}/*"),
    "glob star txt": lambda fs, b, _: fs.glob(f"{b}/*.txt"),
    "glob two stars": lambda fs, b, _: fs.glob(f"{b}/**"),
    "glob two stars below": lambda fs, b, _: fs.glob(f"{b}/dir/**/f*"),
    "glob maxdepth": lambda fs, b, _: fs.glob(f"{b}/dir/**", maxdepth=1),
    "glob question": lambda fs, b, _: fs.glob(f"{b}/many/0?"),
    "glob class": lambda fs, b, _: fs.glob(f"{b}/many/[!0]*"),
    "glob directories": lambda fs, b, _: fs.glob(f"{b}/d*/"),
    "glob detail": lambda fs, b, _: fs.glob(f"{b}/dir/*", detail=True),
    "glob all buckets": lambda fs, _b, _: fs.glob("*"),
    "expand_path": lambda fs, b, _: fs.expand_path(f"{b}/dir", recursive=True),
    "expand_path missing": lambda fs, b, _: fs.expand_path(f"{b}/missing", recursive=True),
    "du each": lambda fs, b, _: fs.du(f"{b}/dir", total=False),
    "du maxdepth": lambda fs, b, _: fs.du(f"{b}/dir", maxdepth=1),
    "sizes": lambda fs, b, _: fs.sizes([f"{b}/a.txt", f"{b}/large"]),
    "modified": lambda fs, b, _: fs.modified(f"{b}/a.txt").tzinfo is not None,
    "modified directory": lambda fs, b, _: fs.modified(f"{b}/dir"),
    "created": lambda fs, b, _: fs.created(f"{b}/a.txt"),
    "checksum changes": lambda fs, b, _: fs.checksum(f"{b}/a.txt") == fs.checksum(f"{b}/b.txt"),
    "cat": lambda fs, b, _: fs.cat(f"{b}/a.txt"),
    "cat many": lambda fs, b, _: fs.cat([f"{b}/a.txt", f"{b}/empty"]),
    "cat recursive": lambda fs, b, _: fs.cat(f"{b}/dir/sub", recursive=True, on_error="omit"),
    "cat glob": lambda fs, b, _: fs.cat(f"{b}/many/*"),
    "cat missing": lambda fs, b, _: fs.cat(f"{b}/missing"),
    "cat missing returned": lambda fs, b, _: {
        k: type(v).__name__ for k, v in fs.cat([f"{b}/missing", f"{b}/a.txt"], on_error="return").items()
    },
    "cat missing omitted": lambda fs, b, _: fs.cat([f"{b}/missing", f"{b}/a.txt"], on_error="omit"),
    "cat_file": lambda fs, b, _: fs.cat_file(f"{b}/a.txt"),
    "cat_file range": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=1, end=3),
    "cat_file from": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=3),
    "cat_file to": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", end=2),
    "cat_file last": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=-2),
    "cat_file but last": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", end=-2),
    "cat_file between": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=-3, end=-1),
    "cat_file long": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=2, end=500),
    "cat_file empty": lambda fs, b, _: fs.cat_file(f"{b}/empty"),
    "cat_file positional": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", 1, 3),
    "cat_file past the end": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=50, end=60),
    "cat_file nothing": lambda fs, b, _: fs.cat_file(f"{b}/a.txt", start=2, end=2),
    "cat_file bucket": lambda fs, b, _: fs.cat_file(b),
    "cat_file directory": lambda fs, b, _: fs.cat_file(f"{b}/dir"),
    "cat_ranges": lambda fs, b, _: fs.cat_ranges([f"{b}/a.txt", f"{b}/large", f"{b}/large"], [0, 5, 700], [2, 9, 702]),
    "cat_ranges one number": lambda fs, b, _: fs.cat_ranges([f"{b}/a.txt", f"{b}/b.txt"], 1, 4),
    "cat_ranges error": lambda fs, b, _: [
        v if isinstance(v, bytes) else type(v).__name__ for v in fs.cat_ranges([f"{b}/a.txt", f"{b}/missing"], 0, 2)
    ],
    "cat_ranges raises": lambda fs, b, _: fs.cat_ranges([f"{b}/missing"], 0, 2, on_error="raise"),
    "cat_ranges lengths": lambda fs, b, _: fs.cat_ranges([f"{b}/a.txt"], [0, 1], [2, 3]),
    "cat_ranges no list": lambda fs, b, _: fs.cat_ranges(f"{b}/a.txt", [0], [2]),
    "head": lambda fs, b, _: fs.head(f"{b}/b.txt", 4),
    "tail": lambda fs, b, _: fs.tail(f"{b}/b.txt", 5),
    "read_block": lambda fs, b, _: fs.read_block(f"{b}/b.txt", 3, 10, delimiter=b"\n"),
    "read_bytes": lambda fs, b, _: fs.read_bytes(f"{b}/a.txt"),
    "read_text": lambda fs, b, _: fs.read_text(f"{b}/b.txt", newline="\n"),
    "open": lambda fs, b, _: _open(fs, f"{b}/a.txt"),
    "open empty": lambda fs, b, _: _open(fs, f"{b}/empty"),
    "open text": lambda fs, b, _: _open(fs, f"{b}/odd/ünïcödé", mode="r", encoding="utf-8"),
    "open missing": lambda fs, b, _: _open(fs, f"{b}/missing"),
    "open directory": lambda fs, b, _: _open(fs, f"{b}/dir"),
    "open bucket": lambda fs, b, _: _open(fs, b),
    "open in missing bucket": lambda fs, b, _: _open(fs, f"{b}-missing/key"),
    "open mode": lambda fs, b, _: _open(fs, f"{b}/a.txt", mode="r+b"),
    # fsspec leaves mmap's file open.
    **{
        f"open {cache}": _opened(cache)
        for cache in ("none", "readahead", "bytes", "all", "blockcache", "first", "background")
    },
    "open size given": lambda fs, b, _: _open(fs, f"{b}/a.txt", size=5),
    "steps": lambda fs, b, _: _steps(fs, f"{b}/b.txt"),
    "readinto": lambda fs, b, _: _readinto(fs, f"{b}/b.txt"),
    "file info": lambda fs, b, _: fs.open(f"{b}/a.txt").info()["size"],
    "file equals": lambda fs, b, _: fs.open(f"{b}/a.txt") == fs.open(f"{b}/a.txt"),
    "file differs": lambda fs, b, _: fs.open(f"{b}/a.txt") == fs.open(f"{b}/b.txt"),
    "pickled file": lambda fs, b, _: pickle.loads(pickle.dumps(fs.open(f"{b}/a.txt"))).read(),
    "mapper": lambda fs, b, _: dict(fs.get_mapper(f"{b}/dir")),
    "mapper length": lambda fs, b, _: len(fs.get_mapper(f"{b}/dir")),
    "mapper missing": lambda fs, b, _: fs.get_mapper(f"{b}/dir")["missing"],
    "get file": lambda fs, b, tmp: _got(fs, f"{b}/a.txt", tmp / "to" / "a"),
    "get tree": lambda fs, b, tmp: _got(fs, f"{b}/dir", tmp / "to" / "d", recursive=True),
    "get marked": lambda fs, b, tmp: _got(fs, f"{b}/marked", tmp / "to" / "m", recursive=True),
    "get glob": lambda fs, b, tmp: _got(fs, f"{b}/many/*", tmp / "to" / "m"),
    "get missing": lambda fs, b, tmp: _got(fs, f"{b}/missing", tmp / "to" / "m"),
    "get_file directory": lambda fs, b, tmp: fs.get_file(f"{b}/dir", str(tmp / "x")),
    "metadata": lambda fs, b, _: fs.metadata(f"{b}/a.txt"),
    "metadata missing": lambda fs, b, _: fs.metadata(f"{b}/missing"),
    "getxattr": lambda fs, b, _: fs.getxattr(f"{b}/a.txt", "kitchen"),
    "getxattr none": lambda fs, b, _: fs.getxattr(f"{b}/a.txt", "nothing"),
    "get_tags": lambda fs, b, _: fs.get_tags(f"{b}/a.txt"),
    "split_path": lambda fs, _b, _: fs.split_path("s3://bucket/a/b//c/"),
    "split_path bucket": lambda fs, _b, _: fs.split_path("bucket"),
    "split_path access point": lambda fs, _b, _: fs.split_path(
        "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/a/b"
    ),
    "is_bucket_versioned": lambda fs, b, _: fs.is_bucket_versioned(b),
    "object_version_info": lambda fs, b, _: fs.object_version_info(f"{b}/a.txt"),
    "ls versions": lambda fs, b, _: fs.ls(f"{b}/dir", versions=True),
    "url": lambda fs, b, _: fs.url(f"{b}/a.txt").partition("?")[0],
    "sign": lambda fs, b, _: "Expires" in fs.sign(f"{b}/a.txt", expiration=60),
    "list_multipart_uploads": lambda fs, b, _: fs.list_multipart_uploads(b),
    "call_s3": lambda fs, b, _: fs.call_s3("head_object", Bucket=b, Key="a.txt")["ContentLength"],
    "unstrip_protocol": lambda fs, _b, _: fs.unstrip_protocol("bucket/key").partition("://")[2],
    "parent": lambda fs, _b, _: (fs._parent("b/c/d"), fs._parent("b"), fs._parent("s3://b/c/")),
}


def _written(fs: Any, path: str, mode: str, *chunks: bytes, **options: Any) -> Any:
    with fs.open(path, mode, **options) as file:
        for chunk in chunks:
            file.write(chunk)
    return fs.cat_file(path)


def _local(tmp: Path) -> str:
    (tmp / "in" / "sub").mkdir(parents=True)
    (tmp / "in" / "x.txt").write_bytes(b"x")
    (tmp / "in" / "sub" / "y").write_bytes(b"yy")
    return str(tmp / "in")


def _transaction(fs: Any, b: str) -> Any:
    with fs.transaction:
        with fs.open(f"{b}/in-transaction", "wb") as file:
            file.write(b"later")
        before = fs.exists(f"{b}/in-transaction")
    return before, fs.cat_file(f"{b}/in-transaction")


def _failed_transaction(fs: Any, b: str) -> Any:
    try:
        with fs.transaction, fs.open(f"{b}/in-transaction", "wb") as file:
            file.write(b"never")
            raise KeyError  # noqa: TRY301
    except KeyError:
        return fs.exists(f"{b}/in-transaction")


def _failed_with(fs: Any, b: str, mode: str, data: Any) -> Any:
    try:
        with fs.open(f"{b}/half", mode) as file:
            file.write(data)
            raise KeyError  # noqa: TRY301
    except KeyError:
        return fs.exists(f"{b}/half")


def _open_files(fs: Any, b: str) -> Any:
    with fsspec.core.open_files(
        [f"{fs.protocol[0]}://{b}/p{n}" for n in range(2)], "wb", **fs.storage_options
    ) as files:
        for number, file in enumerate(files):
            file.write(b"%d" % number)
    return fs.cat(f"{b}/p*")


def _progress(fs: Any, b: str, tmp: Path) -> Any:
    callback = fsspec.Callback()
    (tmp / "file").write_bytes(b"x" * 1000)
    fs.put_file(str(tmp / "file"), f"{b}/p", callback=callback)
    first = callback.size, callback.value
    callback = fsspec.Callback()
    fs.get_file(f"{b}/large", str(tmp / "got"), callback=callback)
    return first, callback.size, callback.value


WRITES: dict[str, Case] = {
    "pipe_file": lambda fs, b, _: fs.pipe_file(f"{b}/new", b"new") and None,
    "pipe_file over": lambda fs, b, _: fs.pipe_file(f"{b}/a.txt", b"new") and None,
    "pipe_file create": lambda fs, b, _: fs.pipe_file(f"{b}/new", b"new", mode="create") and None,
    "pipe_file create over": lambda fs, b, _: fs.pipe_file(f"{b}/a.txt", b"new", mode="create"),
    "pipe_file type": lambda fs, b, _: (
        fs.pipe_file(f"{b}/n", b"x", ContentType="text/x") and fs.info(f"{b}/n")["ContentType"]
    ),
    "pipe_file unknown": lambda fs, b, _: fs.pipe_file(f"{b}/n", b"x", Nonsense="y"),
    "pipe_file missing bucket": lambda fs, b, _: fs.pipe_file(f"{b}-missing/n", b"x"),
    "pipe": lambda fs, b, _: fs.pipe({f"{b}/p1": b"1", f"{b}/p2": b"2"}) and None,
    "pipe large": lambda fs, b, _: fs.pipe_file(f"{b}/n", bytes(13 * 2**20), chunksize=5 * 2**20),
    "write": lambda fs, b, _: _written(fs, f"{b}/w", "wb", b"one", b"two"),
    "write empty": lambda fs, b, _: _written(fs, f"{b}/w", "wb"),
    "write over": lambda fs, b, _: _written(fs, f"{b}/a.txt", "wb", b"one"),
    "write parts": lambda fs, b, _: len(
        _written(fs, f"{b}/w", "wb", *[bytes(3 * 2**20)] * 4, b"rest", block_size=5 * 2**20)
    ),
    "write small blocks": lambda fs, b, _: _written(fs, f"{b}/w", "wb", b"x", block_size=1000),
    "write in missing bucket": lambda fs, b, _: _written(fs, f"{b}-missing/w", "wb", b"x"),
    "write bucket": lambda fs, b, _: _written(fs, b, "wb", b"x"),
    "write text": lambda fs, b, _: fs.write_text(f"{b}/t", "ünïcödé\n", encoding="utf-8") and fs.cat_file(f"{b}/t"),
    "write compressed": lambda fs, b, _: (
        _written(fs, f"{b}/t.bz2", "wb", b"zip", compression="bz2")
        and fs.open(f"{b}/t.bz2", compression="infer").read()
    ),
    "append": lambda fs, b, _: _written(fs, f"{b}/a.txt", "ab", b" and beta"),
    "append new": lambda fs, b, _: _written(fs, f"{b}/new", "ab", b"alone"),
    "append nothing": lambda fs, b, _: _written(fs, f"{b}/a.txt", "ab"),
    "append keeps metadata": lambda fs, b, _: _written(fs, f"{b}/a.txt", "ab", b"+") and fs.metadata(f"{b}/a.txt"),
    "append large": lambda fs, b, _: (
        fs.pipe_file(f"{b}/l", bytes(6 * 2**20)),
        len(_written(fs, f"{b}/l", "ab", b"tail", block_size=5 * 2**20)),
    )[1],
    "exclusive": lambda fs, b, _: _written(fs, f"{b}/new", "xb", b"x"),
    "exclusive over": lambda fs, b, _: _written(fs, f"{b}/a.txt", "xb", b"x"),
    "read of a file open for writing": lambda fs, b, _: fs.open(f"{b}/w", "wb").read(),
    "transaction": lambda fs, b, _: _transaction(fs, b),
    "transaction that fails": lambda fs, b, _: _failed_transaction(fs, b),
    "with that fails": lambda fs, b, _: _failed_with(fs, b, "wb", b"half"),
    "with that fails, text": lambda fs, b, _: _failed_with(fs, b, "w", "half"),
    "open_files": lambda fs, b, _: _open_files(fs, b),
    "touch": lambda fs, b, _: fs.touch(f"{b}/t") and None,
    "touch over": lambda fs, b, _: fs.touch(f"{b}/a.txt") and None,
    "touch not truncate": lambda fs, b, _: fs.touch(f"{b}/a.txt", truncate=False),
    "rm": lambda fs, b, _: fs.rm(f"{b}/a.txt"),
    "rm missing": lambda fs, b, _: fs.rm(f"{b}/missing"),
    "rm recursive missing": lambda fs, b, _: fs.rm(f"{b}/missing", recursive=True),
    "rm directory": lambda fs, b, _: fs.rm(f"{b}/dir"),
    "rm recursive": lambda fs, b, _: sorted(fs.rm(f"{b}/dir", recursive=True)),
    "rm marked": lambda fs, b, _: fs.rm(f"{b}/marked", recursive=True) and None,
    "rm both": lambda fs, b, _: fs.rm(f"{b}/both", recursive=True) and None,
    "rm glob": lambda fs, b, _: fs.rm(f"{b}/many/0*"),
    "rm list": lambda fs, b, _: fs.rm([f"{b}/a.txt", f"{b}/b.txt"]),
    "rm maxdepth": lambda fs, b, _: fs.rm(f"{b}/dir", recursive=True, maxdepth=1) and None,
    "rm bucket": lambda fs, b, _: fs.rm(b, recursive=True) and fs.exists(b),
    "rm missing bucket": lambda fs, b, _: fs.rm(f"{b}-missing/key"),
    "rm_file": lambda fs, b, _: fs.rm_file(f"{b}/a.txt"),
    "rm_file missing": lambda fs, b, _: fs.rm_file(f"{b}/missing"),
    "rmdir": lambda fs, b, _: fs.rmdir(f"{b}/dir"),
    "rmdir missing": lambda fs, b, _: fs.rmdir(f"{b}/missing"),
    "rmdir full bucket": lambda fs, b, _: fs.rmdir(b),
    "rmdir missing bucket": lambda fs, b, _: fs.rmdir(f"{b}-missing"),
    "mkdir": lambda fs, b, _: fs.mkdir(f"{b}-new") or fs.exists(f"{b}-new"),
    "mkdir there": lambda fs, b, _: fs.mkdir(b),
    "mkdir below": lambda fs, b, _: fs.mkdir(f"{b}/d/e") or fs.exists(f"{b}/d/e"),
    "mkdir below missing": lambda fs, b, _: fs.mkdir(f"{b}-new/d", create_parents=False),
    "mkdir and bucket": lambda fs, b, _: fs.mkdir(f"{b}-new/d") or fs.exists(f"{b}-new"),
    "mkdir nothing": lambda fs, _b, _: fs.mkdir(""),
    "mkdir acl": lambda fs, b, _: fs.mkdir(f"{b}-new", acl="nonsense"),
    "makedirs there": lambda fs, b, _: fs.makedirs(b),
    "makedirs there, ok": lambda fs, b, _: fs.makedirs(b, exist_ok=True),
    "cp": lambda fs, b, _: fs.cp(f"{b}/a.txt", f"{b}/copy"),
    "cp missing": lambda fs, b, _: fs.cp(f"{b}/missing", f"{b}/copy"),
    "cp recursive": lambda fs, b, _: fs.cp(f"{b}/dir", f"{b}/copy", recursive=True),
    "cp into": lambda fs, b, _: fs.cp(f"{b}/a.txt", f"{b}/dir/"),
    "cp metadata": lambda fs, b, _: fs.cp(f"{b}/a.txt", f"{b}/copy") or fs.metadata(f"{b}/copy"),
    "cp same": lambda fs, b, _: fs.cp(f"{b}/a.txt", f"{b}/a.txt"),
    "mv": lambda fs, b, _: fs.mv(f"{b}/a.txt", f"{b}/moved"),
    "mv missing": lambda fs, b, _: fs.mv(f"{b}/missing", f"{b}/moved"),
    "mv recursive": lambda fs, b, _: fs.mv(f"{b}/dir", f"{b}/moved", recursive=True),
    "put": lambda fs, b, tmp: fs.put(_local(tmp) + "/x.txt", f"{b}/put.txt") and None,
    "put recursive": lambda fs, b, tmp: fs.put(_local(tmp), f"{b}/put", recursive=True) and None,
    "put missing": lambda fs, b, tmp: fs.put(str(tmp / "missing"), f"{b}/put"),
    "put type": lambda fs, b, tmp: (
        fs.put(_local(tmp) + "/x.txt", f"{b}/put.txt") and fs.info(f"{b}/put.txt")["ContentType"]
    ),
    "put_file create": lambda fs, b, tmp: fs.put_file(_local(tmp) + "/x.txt", f"{b}/a.txt", mode="create"),
    "put large": lambda fs, b, tmp: (
        (tmp / "l").write_bytes(bytes(11 * 2**20)) and fs.put_file(str(tmp / "l"), f"{b}/l", chunksize=5 * 2**20)
    ),
    "progress": _progress,
    "setxattr": lambda fs, b, _: fs.setxattr(f"{b}/a.txt", oven="wood") or fs.metadata(f"{b}/a.txt"),
    "setxattr underscore": lambda fs, b, _: fs.setxattr(f"{b}/a.txt", two_words="x") or fs.metadata(f"{b}/a.txt"),
    "setxattr none": lambda fs, b, _: fs.setxattr(f"{b}/a.txt", kitchen=None) or fs.metadata(f"{b}/a.txt"),
    "setxattr type": lambda fs, b, _: (
        fs.setxattr(f"{b}/a.txt", copy_kwargs={"ContentType": "a/b"}) or fs.info(f"{b}/a.txt")["ContentType"]
    ),
    "setxattr keeps the type": lambda fs, b, _: (
        fs.setxattr(f"{b}/a.txt", oven="wood") or fs.info(f"{b}/a.txt")["ContentType"]
    ),
    "put_tags": lambda fs, b, _: fs.put_tags(f"{b}/a.txt", {"x": "y"}) or fs.get_tags(f"{b}/a.txt"),
    "put_tags merge": lambda fs, b, _: fs.put_tags(f"{b}/a.txt", {"x": "y"}, mode="m") or fs.get_tags(f"{b}/a.txt"),
    "put_tags mode": lambda fs, b, _: fs.put_tags(f"{b}/a.txt", {"x": "y"}, mode="z"),
    "chmod": lambda fs, b, _: fs.chmod(f"{b}/a.txt", "public-read"),
    "chmod nonsense": lambda fs, b, _: fs.chmod(f"{b}/a.txt", "nonsense"),
    "merge": lambda fs, b, _: (
        fs.pipe_file(f"{b}/l", bytes(5 * 2**20)),
        fs.merge(f"{b}/m", [f"{b}/l", f"{b}/a.txt"]),
        fs.size(f"{b}/m"),
    )[2],
    "make_bucket_versioned": lambda fs, b, _: fs.make_bucket_versioned(b) and fs.is_bucket_versioned(b),
    "mapper set": lambda fs, b, _: fs.get_mapper(f"{b}/map").__setitem__("k", b"v"),
    "mapper delete": lambda fs, b, _: fs.get_mapper(f"{b}/dir").__delitem__("one"),
    "clear_multipart_uploads": lambda fs, b, _: (
        fs.call_s3("create_multipart_upload", Bucket=b, Key="k"),
        fs.clear_multipart_uploads(b),
        fs.list_multipart_uploads(b),
    )[2],
}
