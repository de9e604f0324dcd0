"""One fresh process that imports boto3 or this library and makes clients, and writes what that took: a step of `import_time`.

Usage: python -m benchmarks.start boto3|no-configuration|one-backend|fallback
"""

import itertools
import sys
import time

_ENDPOINT = "http://127.0.0.1:1"  # nothing is sent


def _clocks() -> tuple[int, int]:
    return time.process_time_ns(), time.perf_counter_ns()


def main(kind: str) -> None:
    """Write CPU and wall nanoseconds: of importing boto3, of what this library adds, of the first client, of the second."""
    before = [_clocks()]
    import boto3 as library  # noqa: PLC0415 - what is measured

    before.append(_clocks())
    if kind != "boto3":
        import foodco_storage as library  # noqa: PLC0415 - what is measured
    before.append(_clocks())
    arguments = _arguments(kind)
    for _ in range(2):
        library.client("s3", **arguments)
        before.append(_clocks())
    spent = [after[i] - start[i] for start, after in itertools.pairwise(before) for i in (0, 1)]
    sys.stdout.write(" ".join(map(str, spent)))


def _arguments(kind: str) -> dict[str, object]:
    if kind in {"boto3", "no-configuration"}:
        return {"endpoint_url": _ENDPOINT}
    store = {"preset": "ceph", "endpoint_url": _ENDPOINT}
    route: dict[str, object] = {"bucket": "bench", "primary": "ceph"}
    if kind == "one-backend":
        return {"storage": {"backends": {"ceph": store}, "routes": {"bench": route}}}
    route |= {"fallbacks": ["old"], "buckets": {"old": "bench-old"}}
    return {"storage": {"backends": {"ceph": store, "old": store}, "routes": {"bench": route}}}


if __name__ == "__main__":
    main(sys.argv[1])
