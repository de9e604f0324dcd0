"""Real S3 servers on loopback, and proxies that make them fail: for tests, CI and the demo.

Nothing here is needed to use the library. Ceph comes from the packages of the operating system,
SeaweedFS and moto from PyPI; each class says by `missing()` what it lacks.

Example:
    >>> with MotoStore() as aws, CephCluster() as ceph, FaultProxy(ceph.server.host,
    ceph.server.port) as proxy: ...     proxy.inject(Reset(after_bytes=1000), times=1)
"""

from foodco_storage.testing.ceph import CephCluster
from foodco_storage.testing.fault_kinds import (
    LOAD_BALANCER_NOT_FOUND,
    LOAD_BALANCER_UNAVAILABLE,
    Answer,
    Close,
    Delay,
    Fault,
    Hang,
    Reset,
)
from foodco_storage.testing.faults import FaultProxy
from foodco_storage.testing.moto_server import MotoStore
from foodco_storage.testing.seaweedfs import SeaweedFS
from foodco_storage.testing.server import (
    Server,
    ServerUnavailable,
    free_port,
    port_answers,
    wait_until,
)
from foodco_storage.testing.tls import TlsFiles, TlsProxy, make_ca

__all__ = [
    "LOAD_BALANCER_NOT_FOUND",
    "LOAD_BALANCER_UNAVAILABLE",
    "Answer",
    "CephCluster",
    "Close",
    "Delay",
    "Fault",
    "FaultProxy",
    "Hang",
    "MotoStore",
    "Reset",
    "SeaweedFS",
    "Server",
    "ServerUnavailable",
    "TlsFiles",
    "TlsProxy",
    "free_port",
    "make_ca",
    "port_answers",
    "wait_until",
]
