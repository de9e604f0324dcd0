"""`python -m foodco_storage` is `foodco-storage`."""

from __future__ import annotations

from foodco_storage.cli import main

if __name__ == "__main__":
    main()
