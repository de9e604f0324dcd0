"""moto's S3 in a process of its own: a second one is another provider, with other buckets.

Servers of moto in one process share one backend, so `ThreadedMotoServer` twice is the same store
twice.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.processes import PrivateDirectory, ServerProcess
from foodco_storage.testing.server import LOOPBACK, Server, ServerUnavailable, free_port

# werkzeug logs a line per request, which nobody reads and a long session keeps on disk. moto looks for a condition in one
# step and writes in another: of two PUTs with If-None-Match at once both may win, which S3 promises never happens. It looks
# through its own folder and a few hundred patterns for the service of every request.
_PROGRAM = """
import functools, logging, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3.responses import S3Response
DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)
one_at_a_time = threading.RLock()
def alone(method):
    @functools.wraps(method)
    def run(*args, **kwargs):
        with one_at_a_time:
            return method(*args, **kwargs)
    return run
for name in ("put_object", "delete_object"):
    setattr(S3Response, name, alone(getattr(S3Response, name)))
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import main
main(["-H", sys.argv[1], "-p", sys.argv[2]])
"""


class MotoStore(Started):
    """moto's S3 server; every instance is independent of all others.

    Attributes:
        server: how to reach it; it takes any credentials.

    Raises:
        ServerUnavailable: on entry, when moto is missing or doesn't start; says how to get it, or
            shows the log.

    Example:
        >>> with MotoStore() as aws, MotoStore() as other:
        ...     s3 = boto3.client("s3", **aws.server.client_arguments())
        ...     s3.create_bucket(Bucket="only-here")
    """

    server: Server

    def __init__(self) -> None:
        self._directory: PrivateDirectory | None = None
        self._process: ServerProcess | None = None

    @staticmethod
    def missing() -> str | None:
        """What is absent here and how to get it; None when it can be started."""
        if all(find_spec(module) is not None for module in ("moto", "flask", "flask_cors")):
            return None
        return "moto's server needs: pip install 'foodco-storage[demo]'"

    def _start(self) -> None:
        missing = self.missing()
        if missing:
            raise ServerUnavailable(missing)
        port = free_port()
        self.server = Server(f"http://{LOOPBACK}:{port}", "testing", "any-secret-will-do")
        self._directory = PrivateDirectory("foodco-moto-")
        self._process = ServerProcess(
            [sys.executable, "-P", "-c", _PROGRAM, LOOPBACK, str(port)],
            log_file=self._directory.path / "moto.output",
        )
        self._process.wait_for_port(port)

    def close(self) -> None:
        """Kill it; what it stored goes with it. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._directory is not None:
            self._directory.remove()
            self._directory = None
