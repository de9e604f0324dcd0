"""What every test server has in common: how to reach it, wait for it, say that it is missing."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections (32768 and up): a server
# that is killed and restarted on its port would else find it taken, now and then, by a client.
_FIRST_PORT, _LAST_PORT = 20000, 32000
_handed_out: set[int] = set()
# Not the module's functions: test runners seed those, and two processes would hand out the same ports.
_random = random.SystemRandom()


class ServerUnavailable(RuntimeError):  # noqa: N818 - the condition is its name
    """A server can't be started here.

    The message says what to install, or shows the end of the server's log.
    """


@dataclass(frozen=True)
class Server:
    """How to reach one S3 server.

    Args:
        endpoint_url: `http://127.0.0.1:PORT` or `https://...`.
        access_key_id: of a user that may do everything.
        secret_access_key: its secret; never in the repr.
        region: what requests are signed for.
        verify: as in boto3: True, False, or the path of a file with CA certificates.

    Example:
        >>> server = Server("http://127.0.0.1:8000", "key", "secret")
        >>> boto3.client("s3", **server.client_arguments()).list_buckets()
    """

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"
    verify: bool | str = True

    @property
    def host(self) -> str:
        """The host name or address in the endpoint."""
        return self.endpoint_url.split("://", 1)[1].rsplit(":", 1)[0]

    @property
    def port(self) -> int:
        """The TCP port in the endpoint."""
        return int(self.endpoint_url.rsplit(":", 1)[1].rstrip("/"))

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `boto3.client("s3", ...)`."""
        return {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": self.region,
            "verify": self.verify,
        }


def free_port() -> int:
    """A TCP port on loopback that nobody listens on, never the same one twice in a process.

    Raises:
        ServerUnavailable: no port was free in many tries.
    """
    for _ in range(1000):
        port = _random.randint(_FIRST_PORT, _LAST_PORT)
        if port in _handed_out:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    message = f"no free TCP port on {LOOPBACK} between {_FIRST_PORT} and {_LAST_PORT}"
    raise ServerUnavailable(message)


def port_answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections there now."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(
    condition: Callable[[], bool],
    *,
    what: str,
    timeout_seconds: float = 60.0,
    interval_seconds: float = 0.02,
) -> None:
    """Poll until `condition()` is true.

    Args:
        condition: asked again and again; what it raises goes to the caller at once.
        what: the end of the sentence "waited in vain for ...".
        timeout_seconds: when to give up.
        interval_seconds: the pause between two looks.

    Raises:
        ServerUnavailable: it did not become true in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {timeout_seconds:g} s in vain for {what}"
            raise ServerUnavailable(message)
        time.sleep(interval_seconds)
