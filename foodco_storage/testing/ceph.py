"""A real Ceph cluster of one node, in RAM, with S3 gateways on loopback.

Needs Debian's or Ubuntu's packages ceph-mon, ceph-mgr, ceph-osd and radosgw, and nothing else: no
root, no containers, no configuration of the host. Everything it writes lies under one temporary
directory, which goes with it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import uuid
from typing import Final

from foodco_storage.testing.ceph_config import write_configuration
from foodco_storage.testing.ceph_gateway import Gateway
from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.processes import PrivateDirectory, ServerProcess
from foodco_storage.testing.server import Server, ServerUnavailable, free_port
from foodco_storage.testing.tls import TlsFiles

_PROGRAMS: Final = {
    "ceph-mon": "ceph-mon",
    "monmaptool": "ceph-common",
    "ceph": "ceph-common",
    "ceph-mgr": "ceph-mgr",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "radosgw-admin": "radosgw",
}

_GRACE_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 60.0


class CephCluster(Started):
    """One monitor, one manager, one OSD in memory, and as many S3 gateways as you start.

    Args:
        tcp_nodelay: of the first gateway, see `start_gateway`.

    Attributes:
        server: how to reach the first gateway, as a user that may do everything.

    Raises:
        ServerUnavailable: on entry, when programs are missing or it doesn't boot; says which, or
            shows the log.

    Example:
        >>> with CephCluster() as ceph:
        ...     s3 = boto3.client("s3", **ceph.server.client_arguments())
        ...     s3.create_bucket(Bucket="images")
    """

    server: Server

    def __init__(self, *, tcp_nodelay: bool = True) -> None:
        self._tcp_nodelay = tcp_nodelay
        self._directory: PrivateDirectory | None = None
        self._daemons: list[ServerProcess] = []
        self._gateways: dict[str, Gateway] = {}
        self._access_key_id = ""
        self._secret_access_key = ""

    @staticmethod
    def missing() -> str | None:
        """What is absent here and how to get it; None when a cluster can be started."""
        absent = [program for program in _PROGRAMS if shutil.which(program) is None]
        if not absent:
            return None
        packages = " ".join(sorted({_PROGRAMS[program] for program in absent}))
        return f"Ceph needs {', '.join(absent)}: apt-get install --no-install-recommends {packages}"

    def close(self) -> None:
        """Kill the daemons and remove what they wrote. Safe to call twice."""
        # Nothing is worth an orderly end: the data lived in RAM.
        for gateway in self._gateways.values():
            gateway.process.kill()
        for daemon in reversed(self._daemons):
            daemon.kill()
        self._gateways.clear()
        self._daemons.clear()
        if self._directory is not None:
            self._directory.remove()
            self._directory = None

    def start_gateway(self, *, tcp_nodelay: bool = True, tls: TlsFiles | None = None) -> Server:
        """Start one more radosgw on this cluster: the same users, buckets, objects; another port.

        Args:
            tcp_nodelay: False gives Ceph's default, with which a small read waits 40 ms (Nagle
                against delayed ACKs).
            tls: serve https with this certificate; plain http by default.

        Raises:
            ServerUnavailable: it did not start; shows the end of its log.
        """
        port = free_port()
        server = Server(
            f"{'https' if tls else 'http'}://127.0.0.1:{port}",
            self._access_key_id,
            self._secret_access_key,
            verify=str(tls.ca_file) if tls else True,
        )
        gateway = Gateway(self._place(), port, tcp_nodelay=tcp_nodelay, tls=tls, lifecycle=not self._gateways)
        self._gateways[server.endpoint_url] = gateway
        gateway.wait()
        return server

    def stop_gateway(self, server: Server) -> None:
        """End a gateway in order: it answers the requests under way first."""
        self._gateways[server.endpoint_url].process.end(grace_seconds=_GRACE_SECONDS)

    def kill_gateway(self, server: Server) -> None:
        """Kill a gateway as a crash would: SIGKILL, connections dropped, nothing finished.

        For some seconds after it the other gateways wait with every change of a bucket or a user:
        they expect the dead one to take note. Reads and writes of objects go on.
        """
        self._gateways[server.endpoint_url].process.kill()

    def restart_gateway(self, server: Server) -> None:
        """Start a stopped or killed gateway again, on the same port and with the same settings.

        One that still runs is stopped first.
        """
        gateway = self._gateways[server.endpoint_url]
        gateway.process.end(grace_seconds=_GRACE_SECONDS)
        gateway.start()
        gateway.wait()

    def create_user(self, name: str) -> tuple[str, str]:
        """Make a user of the object gateway, with no buckets and no rights on those of others.

        Returns:
            Its access key id and secret access key.
        """
        access_key_id, secret_access_key = secrets.token_hex(10).upper(), secrets.token_hex(20)
        self._run(
            *(
                "radosgw-admin",
                "-n",
                "client.rgw",
                "user",
                "create",
                f"--uid={name}",
                f"--display-name={name}",
            ),
            *(f"--access-key={access_key_id}", f"--secret-key={secret_access_key}"),
        )
        return access_key_id, secret_access_key

    def stored_bytes(self) -> int:
        """Bytes that the OSD holds in RAM, deleted objects not yet collected included.

        The OSD counts them anew every few seconds.
        """
        (socket,) = (self._place().path / "run").glob("osd.0.*.asok")
        counters = json.loads(self._run("ceph", "--admin-daemon", str(socket), "perf", "dump", "osd"))
        return int(counters["osd"]["stat_bytes_used"])

    def _start(self) -> None:
        missing = self.missing()
        if missing:
            raise ServerUnavailable(missing)
        self._directory = PrivateDirectory("foodco-ceph-")
        path = self._directory.path
        mon_port = free_port()
        fsid = write_configuration(path, mon_port=mon_port)
        self._run(
            *("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{mon_port}]"),
            *("--fsid", fsid, str(path / "monmap")),
        )
        self._run(
            "ceph-mon",
            "--mkfs",
            "-i",
            "a",
            "--monmap",
            str(path / "monmap"),
            "--keyring",
            str(path / "keyring"),
        )
        self._daemon("ceph-mon", "-i", "a").wait_for_port(mon_port)
        self._daemon("ceph-mgr", "-i", "x")
        osd_id = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd_id)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd_id)
        self._daemon("ceph-osd", "-i", "0")
        self._access_key_id, self._secret_access_key = self.create_user("foodco")
        self.server = self.start_gateway(tcp_nodelay=self._tcp_nodelay)

    def _place(self) -> PrivateDirectory:
        if self._directory is None:
            message = "the cluster isn't running: use it in a `with` block"
            raise ServerUnavailable(message)
        return self._directory

    def _daemon(self, program: str, *arguments: str) -> ServerProcess:
        path = self._place().path
        daemon = ServerProcess(
            [program, "-f", "-c", str(path / "ceph.conf"), *arguments],
            log_file=path / "log" / f"{program}.log",
        )
        self._daemons.append(daemon)
        return daemon

    def _run(self, program: str, *arguments: str) -> str:
        command = [program, "-c", str(self._place().path / "ceph.conf"), *arguments]
        # Arguments may hold a secret key, so messages show only the program's own words.
        try:
            done = subprocess.run(  # noqa: S603 - Ceph's own programs
                command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            logs = "\n".join(f"{daemon.name}: {daemon.log_tail()}" for daemon in self._daemons)
            message = f"{program} did not end in {_PATIENCE_SECONDS:g} s; the logs end:\n{logs}"
            raise ServerUnavailable(message) from None
        if done.returncode != 0:
            for daemon in self._daemons:
                daemon.check()
            message = f"{program} failed with status {done.returncode}: {done.stderr[-2000:]}"
            raise ServerUnavailable(message)
        return done.stdout
