"""Bodies and what breaks them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError, ResponseStreamingError

from foodco_storage.testing import Close, Fault, Reset

LINE = b"%07d is a line of this object\n"
SMALL = b"".join(LINE % number for number in range(20_000))
OTHER = b"".join(b"%07d is a line of another one\n" % number for number in range(20_000))
LARGE = b"".join(LINE % number for number in range((16 << 20) // len(LINE % 0) + 1))
BROKEN = (IncompleteReadError, ResponseStreamingError)

cuts = pytest.mark.parametrize("cut", [Reset(300_000), Close(300_000)], ids=["reset", "closed"])


def cut_once(store: Any, fault: Fault) -> None:
    store.proxy.inject(fault, times=1, methods=["GET"])
