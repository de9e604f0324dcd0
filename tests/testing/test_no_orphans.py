"""What was started ends with the process that started it, and its directory goes too."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foodco_storage.testing import ServerUnavailable, port_answers, wait_until
from foodco_storage.testing.processes import PrivateDirectory, ServerProcess

_STARTS_MOTO = """
import os, signal, sys
from foodco_storage.testing import MotoStore
store = MotoStore()
store.__enter__()
print(store.server.port, store._directory.path, flush=True)
{end}
"""


@pytest.mark.usefixtures("moto_store")  # skips where moto is missing
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", id="killed"),
        pytest.param("sys.exit(3)", id="left without closing"),
        pytest.param("os._exit(3)", id="left without cleaning up"),
        pytest.param(
            "if os.fork() == 0: signal.alarm(60); signal.pause()\nos.kill(os.getpid(), 9)",
            id="a fork lives on",
        ),
    ],
)
def test_nothing_outlives_the_process(end: str) -> None:
    program = [sys.executable, "-c", _STARTS_MOTO.format(end=end)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        assert process.stdout is not None
        port, directory = process.stdout.readline().decode().split(" ", 1)
        process.wait()
        wait_until(
            lambda: not port_answers(int(port)) and not Path(directory.strip()).exists(),
            what="the end of the server",
        )
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_server_that_ends_at_once_shows_its_log() -> None:
    directory = PrivateDirectory("foodco-test-")
    program = [sys.executable, "-c", "import sys; sys.exit('the reason is this')"]
    process = ServerProcess(program, log_file=directory.path / "log")
    with pytest.raises(ServerUnavailable, match="the reason is this"):
        process.wait_for_port(1)
    process.end()
    directory.remove()
    assert not directory.path.exists()
