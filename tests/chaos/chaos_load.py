"""The stores under test, and the processes that work on them."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from chaos_log import Log, Record, now, read
from chaos_values import Version

from foodco_storage.testing import CephCluster, FaultProxy, SeaweedFS, Server
from foodco_storage.testing.processes import ServerProcess

BUCKET = "chaos"
WRITERS = 3
READERS = 2
KEYS_OF_A_WRITER = 8
END_SECONDS = 30.0
WORKER = Path(__file__).with_name("chaos_worker.py")


@dataclass
class Store:
    """One store: `s3` goes straight to it, the load goes through the proxy."""

    server: Server
    proxy: FaultProxy
    s3: Any

    def backend(self, preset: str) -> dict[str, Any]:
        return {
            "preset": preset,
            "endpoint_url": self.proxy.endpoint_url,
            "region": self.server.region,
            "access_key_id": self.server.access_key_id,
            "secret_access_key": self.server.secret_access_key,
            "allow_plaintext_secrets": True,
            "max_attempts": 2,
            "connect_timeout_seconds": 2.0,
            "read_timeout_seconds": 5.0,
            "breaker": {"failures": 5, "open_seconds": 0.2},
        }


class Load:
    """Writers and readers over Ceph and, as the source of the migration, SeaweedFS; in phase cutover.

    Args:
        ceph: running.
        seaweedfs: running. Keys have no slash, since it does not list those in order.
        bucket: nobody has it yet.
        directory: for logs, configuration and journal.
        stack: closes what is opened.
    """

    def __init__(
        self,
        ceph: CephCluster,
        seaweedfs: SeaweedFS,
        bucket: str,
        directory: Path,
        stack: ExitStack,
        *,
        compresses: bool = False,
    ) -> None:
        self.ceph = ceph
        self.bucket = bucket
        self.directory = directory
        # One to kill: others may use the cluster, and what is looked at in the end does not come through it.
        self.gateway = ceph.start_gateway()
        stack.callback(ceph.stop_gateway, self.gateway)
        self.primary = self._store(self.gateway, stack, ceph.server)
        self.source = self._store(seaweedfs.server, stack)
        self.writers = {
            f"w{writer}": [f"key-{writer}-{number}" for number in range(KEYS_OF_A_WRITER)] for writer in range(WRITERS)
        }
        self.readers = [f"r{reader}" for reader in range(READERS)]
        self.keys = [key for keys in self.writers.values() for key in keys]
        # Every other key lies in the source already, and nowhere else.
        self.before = {key: Version(key, "before", 0, 1000 + 10 * n) for n, key in enumerate(self.keys) if n % 2}
        self.storage: dict[str, Any] = {
            "backends": {"ceph": self.primary.backend("ceph"), "old": self.source.backend("s3")},
            "routes": {"chaos": {"bucket": bucket, "primary": "ceph", "fallbacks": ["old"], "phase": "cutover"}},
            "journal": {"directory": str(directory / "journal")},
            "default": {"backend": "ceph"},
        }
        if compresses:
            compression = {
                "codec": "zstd",
                "min_bytes": 1,
                "min_gain": 0.0,
                "frame_bytes": "16KiB",
                "exact_sizes": True,
            }
            self.storage["routes"]["chaos"]["compression"] = compression
        self._controller = Log(directory / "controller.log")
        stack.callback(self._controller.close)
        self._processes: dict[str, ServerProcess] = {}
        stack.callback(self.kill_all)

    @staticmethod
    def _store(server: Server, stack: ExitStack, around: Server | None = None) -> Store:
        s3 = boto3.client("s3", **(around or server).client_arguments())
        stack.callback(s3.close)
        return Store(server, stack.enter_context(FaultProxy(server.host, server.port)), s3)

    @property
    def names(self) -> list[str]:
        return [*self.writers, *self.readers]

    def prepare(self) -> None:
        """Buckets, and what lies in the source."""
        for store in (self.primary, self.source):
            store.s3.create_bucket(Bucket=self.bucket)
        for key, version in self.before.items():
            self.source.s3.put_object(Bucket=self.bucket, Key=key, Body=version.body(), Metadata=version.metadata())
        given = {
            "bucket": self.bucket,
            "directory": str(self.directory),
            "keys": self.keys,
            "storage": self.storage,
            "writers": self.writers,
        }
        file = self.directory / "load.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(given))

    def start(self, name: str, seed: int) -> None:
        argv = [sys.executable, str(WORKER), str(self.directory / "load.json"), name, str(seed)]
        self._processes[name] = ServerProcess(argv, log_file=self.directory / f"{name}.output")

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._processes[name].check()
        self._processes[name].kill()
        self._controller.write(Record(name, "killed", now()))

    def end(self) -> list[str]:
        """Let every process finish what it is about; those that would not."""
        late = []
        for process in self._processes.values():
            process.check()
            process._popen.terminate()
        for name, process in self._processes.items():
            process.end(grace_seconds=END_SECONDS)
            # Ended by the signal itself: it had not begun yet.
            if process._popen.returncode not in {0, -signal.SIGTERM}:
                late.append(f"{name} ended with status {process._popen.returncode}: {process.log_tail()}")
                self._controller.write(Record(name, "killed", now()))
        return late

    def kill_all(self) -> None:
        for process in self._processes.values():
            process.kill()

    def records(self) -> list[Record]:
        """What all of them have written down."""
        files = [self.directory / f"{name}.log" for name in [*self.names, "controller"]]
        return [record for file in files if file.exists() for record in read(file)]
