"""A store that takes requests and does not answer: what a client knows of the phase must not be lost over one of them."""

from __future__ import annotations

import gc
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import foodco_storage
from foodco_storage.config import load
from foodco_storage.control.existence import create
from foodco_storage.front.control_access import control_access
from foodco_storage.front.standalone import configured
from foodco_storage.testing import Hang, wait_until

if TYPE_CHECKING:
    from pathlib import Path

LEASE_SECONDS = 1.5


def test_one_answer_that_never_comes_does_not_stop_writes(stores: Any, tmp_path: Path) -> None:
    control = {"enabled": True, "lease_seconds": LEASE_SECONDS, "refresh_seconds": 0.3, "pause_seconds": 2.0}
    route = {"bucket": stores.bucket, "primary": "primary", "fallbacks": ["fallback"], "control": control}
    configuration = load(
        {
            "backends": {"primary": stores.primary.backend, "fallback": stores.fallback.backend},
            "routes": {"ours": route},
            "journal": {"directory": str(tmp_path)},
        }
    )
    assert configuration is not None
    with control_access(configuration, "ours", configured(configuration, "ours")) as access:
        create(access.place, access.call, "cutover", lease_seconds=LEASE_SECONDS, refresh_seconds=0.3)
    s3 = foodco_storage.client(storage=configuration)
    with closing(s3):
        s3.put_object(Bucket=stores.bucket, Key="k", Body=b"before")
        before = stores.primary.proxy.faults
        stores.primary.proxy.inject(Hang())
        wait_until(lambda: stores.primary.proxy.faults > before, what="a look at the control object")
        stores.primary.proxy.pass_through()
        # The request that hangs is left alone for a third of the lease, not for the backend's 20 s.
        time.sleep(LEASE_SECONDS)
        s3.put_object(Bucket=stores.bucket, Key="k", Body=b"after")
        assert stores.primary.content()["k"] == b"after"
    # While the store is there, it takes its report away.
    del s3
    gc.collect()
