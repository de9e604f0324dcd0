"""Chaos on a real Ceph: `python tests/chaos/run.py --seconds 120 --seed 1`; see `chaos_run`."""

from __future__ import annotations

import sys

from chaos_run import main

if __name__ == "__main__":
    sys.exit(main())
