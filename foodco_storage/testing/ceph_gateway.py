"""One radosgw of a `foodco_storage.testing.ceph.CephCluster`."""

from __future__ import annotations

from foodco_storage.testing.processes import PrivateDirectory, ServerProcess
from foodco_storage.testing.tls import TlsFiles


class Gateway:
    """A radosgw on one port of loopback, which can be ended and started again.

    Args:
        directory: that of the cluster.
        port: where it listens.
        tcp_nodelay: False leaves Ceph's default.
        tls: serve https with this certificate.
        lifecycle: run the lifecycle rules of the cluster.
    """

    def __init__(
        self,
        directory: PrivateDirectory,
        port: int,
        *,
        tcp_nodelay: bool,
        tls: TlsFiles | None,
        lifecycle: bool,
    ) -> None:
        self._directory = directory
        self._port = port
        endpoint = f"ssl_endpoint=127.0.0.1:{port}" if tls else f"endpoint=127.0.0.1:{port}"
        if tls:
            endpoint += f" ssl_certificate={tls.certificate_file} ssl_private_key={tls.private_key_file}"
        # Only the first runs lifecycle rules: one that has just started waits 5 s for that lock
        # even when told to end.
        self._lifecycle = lifecycle
        self._frontend = f"beast {endpoint}" + (" tcp_nodelay=1" if tcp_nodelay else "")
        self.process = self._started()

    def start(self) -> None:
        """Start it again after it ended."""
        self.process = self._started()

    def wait(self) -> None:
        """Wait until it listens: radosgw does so once it can serve.

        Raises:
            ServerUnavailable: it ended or did not listen in time; shows the end of its log.
        """
        self.process.wait_for_port(self._port)

    def _started(self) -> ServerProcess:
        path = self._directory.path
        return ServerProcess(
            [
                *("radosgw", "-f", "-c", str(path / "ceph.conf"), "-n", "client.rgw"),
                f"--rgw-enable-lc-threads={str(self._lifecycle).lower()}",
                f"--rgw-frontends={self._frontend}",
            ],
            log_file=path / "log" / f"radosgw.{self._port}.log",
        )
