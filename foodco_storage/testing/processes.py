"""Server processes that end with the process that started them, however that one ends.

A second, tiny process (the reaper) reads the ids of what we start from a pipe. When the pipe
closes, because we died, even by SIGKILL, it kills them and removes their directories.
`PR_SET_PDEATHSIG` would do less: it fires when the *thread* that started a process ends, and knows
nothing of directories.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from foodco_storage.testing.server import ServerUnavailable, port_answers, wait_until

_REAPER = """
import os, shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
pids, paths = set(), set()
for line in sys.stdin:
    verb, what = line.rstrip("\\n").split(" ", 1)
    {"+p": pids.add, "-p": pids.discard, "+d": paths.add, "-d": paths.discard}[verb](what)
for pid in pids:
    try:
        os.kill(int(pid), getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:
        pass
for path in paths:
    shutil.rmtree(path, ignore_errors=True)
    try:
        os.unlink(path)
    except OSError:
        pass
"""


class _Reaper:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def tell(self, verb: str, what: object) -> None:
        with self._lock:
            if self._process is None:
                read_end, self._pipe = os.pipe()
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-I", "-S", "-c", _REAPER],
                    stdin=read_end,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                os.close(read_end)
            os.write(self._pipe, f"{verb} {what}\n".encode())

    def release(self) -> None:
        """At exit: close the pipe, wait until what is left has been cleared away."""
        with self._lock:
            if self._process is not None:
                os.close(self._pipe)
                self._process.wait()
                self._process = None

    def forget_in_child(self) -> None:
        """In a forked child: drop the inherited pipe, else our parent's death would go unseen."""
        self._lock = threading.Lock()
        if self._process is not None:
            os.close(self._pipe)
            self._process.returncode = 0  # not our child: nothing for Popen to wait for
            self._process = None


_reaper = _Reaper()
atexit.register(_reaper.release)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reaper.forget_in_child)


class PrivateDirectory:
    """A directory only we can read, removed by `remove()` or when this process ends."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._claimed: list[Path] = []
        _reaper.tell("+d", self.path)

    def claim(self, file: Path) -> None:
        """Remove a file with this directory: one that a server insists on writing elsewhere."""
        self._claimed.append(file)
        _reaper.tell("+d", file)

    def remove(self) -> None:
        """Remove it with all it holds. Safe to call twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        for file in self._claimed:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        for path in (self.path, *self._claimed):
            _reaper.tell("-d", path)


class ServerProcess:
    """A server running in a process of its own, its output in a log file.

    Args:
        argv: the program (looked up in PATH) and its arguments; it must stay in the foreground.
        log_file: takes its stdout and stderr.
        environment: what to set on top of this process's environment.

    Example:
        >>> process = ServerProcess(["weed", "server"], log_file=directory / "weed.log")
        >>> process.wait_for_port(9333)
        >>> process.end()
    """

    def __init__(self, argv: Sequence[str], *, log_file: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = Path(argv[0]).name
        self.log_file = log_file
        with log_file.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - the caller's own program
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # Ctrl-C in a terminal is for the tests, which then end their servers in order.
                start_new_session=True,
            )
        _reaper.tell("+p", self._popen.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            ServerUnavailable: it has ended; the message shows the end of its log.
        """
        if not self.running:
            message = f"{self.name} ended with status {self._popen.returncode}; its log ends:\n{self.log_tail()}"
            raise ServerUnavailable(message)

    def wait_for_port(self, port: int, *, timeout_seconds: float = 60.0) -> None:
        """Wait until the server accepts connections on a port of loopback.

        Raises:
            ServerUnavailable: it ended or did not listen in time; the message shows the end of its
                log.
        """

        def listens() -> bool:
            self.check()
            return port_answers(port)

        try:
            wait_until(
                listens,
                what=f"{self.name} to listen on port {port}",
                timeout_seconds=timeout_seconds,
            )
        except ServerUnavailable as error:
            if not self.running:
                raise
            message = f"{error}; its log ends:\n{self.log_tail()}"
            raise ServerUnavailable(message) from error

    def log_tail(self, max_bytes: int = 3000) -> str:
        """The last part of its log."""
        with contextlib.suppress(OSError):
            return self.log_file.read_bytes()[-max_bytes:].decode(errors="replace")
        return "(no log)"

    def end(self, *, grace_seconds: float = 5.0) -> None:
        """Ask it to end (SIGTERM); kill it when it takes longer than the grace.

        Safe to call twice.
        """
        if self.running:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill it now (SIGKILL) and wait until it is gone. Safe to call twice."""
        if self.running:
            self._popen.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._popen.wait()
        _reaper.tell("-p", self._popen.pid)
