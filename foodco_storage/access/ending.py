"""A process that is told to end (SIGTERM) writes down and ships what it has seen, and then does as it would have done."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from foodco_storage.access.recorder import EXIT_SECONDS, Recorder


def install_sigterm(recorder: Recorder, seconds: float = EXIT_SECONDS) -> bool:
    """Close a recorder when the process gets SIGTERM, and let it die of it all the same: exit status -15.

    Python runs the handler in the main thread, between two of its steps; the main thread stands still meanwhile. A second
    SIGTERM ends the process at once.

    The first process of a container, PID 1, does not die of it unless it handles it (`man 2 kill`, notes): it has all written
    down and shipped in the background, since SIGKILL may follow, and goes on, and goes on to be recorded.

    Args:
        recorder: whose counts are not to be lost.
        seconds: how long that may take at most.

    Returns:
        Whether it was installed: only by the main thread, and only where nobody handles SIGTERM already.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        return False

    def handler(number: int, _: FrameType | None) -> None:
        if _is_first():
            recorder.hurry()
            return
        try:
            recorder.close(seconds)
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handler)
    return True


def _is_first() -> bool:
    return os.getpid() == 1
