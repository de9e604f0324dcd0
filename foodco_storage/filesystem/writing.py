"""Writing objects from memory and from local files."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from foodco_storage.filesystem.addresses import Address
from foodco_storage.filesystem.information import is_file
from foodco_storage.filesystem.store import FAILURES, Store
from foodco_storage.filesystem.uploads import Upload, fail_write, part_bytes_for, send_all

MODES: Final = ("create", "overwrite")


def condition(mode: str) -> dict[str, str]:
    """Parameters that keep what is there, where the caller wants that.

    Raises:
        ValueError: an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be 'create' or 'overwrite', not {mode!r}")
    return {"IfNoneMatch": "*"} if mode == "create" else {}


def put(
    store: Store, address: Address, body: Any, params: Mapping[str, Any], match: Mapping[str, str]
) -> dict[str, Any]:
    """Write an object by one request.

    Raises:
        FileExistsError: there is one, and `match` says that it must stay.
    """
    where = {"Bucket": address.bucket, "Key": address.key}
    given = {name: value for name, value in params.items() if value is not None}
    try:
        return store.send("put_object", {**given, **where, "Body": body, **match})
    except FAILURES as error:
        fail_write(error, address.path, match)


def check(store: Store, address: Address, params: Mapping[str, Any], match: Mapping[str, str]) -> None:
    """Before many parts are sent: that nothing stands against it.

    Raises:
        FileExistsError: there is an object, which must stay.
        ValueError: a parameter that PutObject does not take.
    """
    if unknown := store.unknown("put_object", params):
        raise ValueError(f"{address.path}: PutObject takes no {', '.join(unknown)}")
    if match and is_file(store, address.path):
        raise FileExistsError(17, "there is an object already", address.path)


def pipe_file(
    store: Store,
    address: Address,
    data: Any,
    params: Mapping[str, Any],
    *,
    mode: str = "overwrite",
    chunksize: int | None = None,
    concurrency: int | None = None,
) -> dict[str, Any] | None:
    """Write bytes: by one PUT, and what has two parts or more in parts at once.

    Returns:
        The answer of PutObject; None where it was written in parts.
    """
    match = condition(mode)
    view = memoryview(data).cast("B")
    part = part_bytes_for(len(view), chunksize)
    if len(view) < 2 * part:
        return put(store, address, data if isinstance(data, bytes | bytearray) else bytes(view), params, match)
    check(store, address, params, match)
    upload = Upload(store, address, params, concurrency)
    send_all(upload, (view[start : start + part] for start in range(0, len(view), part)), match)
    return None


def put_file(
    store: Store,
    address: Address,
    local: str,
    params: Mapping[str, Any],
    told: Callable[[int], Any],
    *,
    mode: str = "overwrite",
    chunksize: int | None = None,
    concurrency: int | None = None,
) -> None:
    """Write what a local file holds.

    Args:
        store: who is asked.
        address: of the object.
        local: path of the file.
        params: of PutObject; `ContentType` is guessed from the file's name if it is missing.
        told: called with the bytes that were sent since the last call.
        mode: `create` fails if there is an object.
        chunksize: size of parts; what has less than two is sent by one PUT.
        concurrency: parts that are sent at once.
    """
    match = condition(mode)
    if "ContentType" not in params and (guessed := mimetypes.guess_type(local)[0]) is not None:
        params = {**params, "ContentType": guessed}
    with Path(local).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        part = part_bytes_for(size, chunksize)
        if size < 2 * part:
            put(store, address, file, params, match)
            told(size)
            return
        check(store, address, params, match)
        upload = Upload(store, address, params, concurrency, told)
        send_all(upload, iter(lambda: file.read(part), b""), match)


def is_directory(local: str) -> bool:
    """Whether a local path is a directory."""
    return Path(local).is_dir()


def size_of(local: str) -> int:
    """Bytes of a local file."""
    return Path(local).stat().st_size
