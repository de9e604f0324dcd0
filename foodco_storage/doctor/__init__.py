"""Checks of a configuration and of the stores that it names, for `foodco-storage doctor`.

Nothing is written anywhere, unless a probe is asked for; then only to primaries, below the routes' reserved prefixes.
"""

from foodco_storage.doctor.examination import examine
from foodco_storage.doctor.finding import Finding, exit_code

__all__ = ["Finding", "examine", "exit_code"]
