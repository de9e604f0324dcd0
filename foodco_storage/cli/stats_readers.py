"""`foodco-storage stats readers`: who does what, by S3's own logs."""

from __future__ import annotations

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile
from foodco_storage.cli.stats_options import As, Days, Limit, OfBucket
from foodco_storage.cli.stats_output import Format, note, show, within
from foodco_storage.cli.stats_sources import asked


@explained
def readers(
    *, days: Days = 7, limit: Limit = 100, bucket: OfBucket = None, form: As = Format.TABLE, config: ConfigFile = None
) -> None:
    """Print who asked S3 for what, and by which program: by the server access logs that were imported on this host.

    Everybody is in it, with this library or without. Operations: 'read', 'look' (HEAD), 'list', 'write', 'delete', 'other';
    those that failed too.
    """
    from foodco_storage.access.questions import Local  # noqa: PLC0415 - slow to import, and only used here
    from foodco_storage.access.questions import readers as by_reader  # noqa: PLC0415 - the same

    with asked(config, fleet=False, shipped=None) as who:
        answer = by_reader(Local(who.store), since_days=days, limit=limit, bucket=bucket)
    show(answer, form)
    if not answer.rows:
        note(
            f"no request is known {within(days)} in {who.place} from server logs; see `foodco-storage stats import-logs`"
        )
