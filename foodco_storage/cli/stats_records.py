"""What fills and sends the statistics: `foodco-storage stats import-logs`, `import-inventory` and `ship`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import msgspec
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile, printable
from foodco_storage.cli.stats_buckets import naming
from foodco_storage.cli.stats_output import moment_of, note
from foodco_storage.cli.stats_sources import enabled, existing_store, host_store, location_options
from foodco_storage.errors import ConfigurationError, Problem, RecordsError

if TYPE_CHECKING:
    from foodco_storage.access.log_imports import LogsReport
    from foodco_storage.access.shipments import Shipments
    from foodco_storage.access.store import Store
    from foodco_storage.config.telemetry_model import Shipping

IMPORT_EPILOG: Final = (
    "Exit code: 0; 1 when nothing is there that could be read as such; 2 when it could not be done otherwise."
)
SHIP_EPILOG: Final = "Exit code: 0; 1 when another process is at it and shipments wait; 2 when it could not be done."

_UNREADABLE: Final = 1
_WAITING: Final = 1

Location = Annotated[
    str,
    typer.Argument(metavar="LOCATION", help="A file or folder, or a URL that fsspec opens: foodco://bucket/prefix/."),
]
AsBucket = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="BUCKET",
        help="What callers call the bucket; by default as the routes of the configuration say (routes.NAME.buckets), or as "
        "its store calls it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]

out = Console()


@explained
def import_logs(
    location: Location, *, as_bucket: AsBucket = None, as_json: AsJson = False, config: ConfigFile = None
) -> None:
    """Add server access logs of S3 (or of Ceph RGW) to this host's statistics: every file once, so run it again for new ones.

    They tell what everybody has read, with this library or without. Ask of them with '--from server-logs'.
    """
    from foodco_storage.access.log_imports import import_server_logs  # noqa: PLC0415 - slow to import, and only used here

    configuration = enabled(config)
    called = naming(configuration, as_bucket)
    options = location_options("LOCATION", location, configuration)
    try:
        report = import_server_logs(host_store(configuration), location, bucket=called, storage_options=options)
    except RecordsError as error:
        _refuse(error)
    if as_json:
        _say_json(msgspec.to_builtins(report))
    else:
        _show_logs(report)
    raise typer.Exit(0 if report.known or report.lines > report.unparsed else _UNREADABLE)


@explained
def import_inventory(
    location: Location, *, as_bucket: AsBucket = None, as_json: AsJson = False, config: ConfigFile = None
) -> None:
    """Replace what this host's statistics know of the objects in a bucket, by its newest S3 Inventory (CSV, Parquet, ORC).

    LOCATION is a manifest.json, or a folder that has those of one inventory below it. 'stats unread' is about these objects.
    """
    from foodco_storage.access.inventory_imports import import_inventory as imported  # noqa: PLC0415 - slow to import

    configuration = enabled(config)
    called = naming(configuration, as_bucket)
    options = location_options("LOCATION", location, configuration)
    try:
        report = imported(host_store(configuration), location, bucket=called, storage_options=options)
    except RecordsError as error:
        _refuse(error)
    if as_json:
        _say_json(msgspec.to_builtins(report))
        return
    source = "" if report.source_bucket == report.bucket else f" (of {report.source_bucket}, as its store calls it)"
    _say(
        f"{report.bucket}{source}: {report.objects:,} objects at {moment_of(report.seen_at)}, of {_files(report.files)}"
    )


@explained
def ship(*, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Send what this host's statistics have for the telemetry bucket now: for a cron job, or before a host goes.

    Services do that by themselves, every 'telemetry.shipping.every_seconds' and when they end.
    """
    from foodco_storage.front.listeners import telemetry_client  # noqa: PLC0415 - slow to import, and only used here

    configuration = enabled(config)
    shipping = configuration.telemetry.shipping
    backend, bucket = shipping.backend, shipping.bucket
    if backend is None or bucket is None:
        message = "is missing: name the backend of the telemetry bucket, and its bucket"
        raise ConfigurationError([Problem("telemetry.shipping.backend", message)])
    store = existing_store(configuration)
    sent = waiting = dropped = 0
    if store is not None:
        with closing(telemetry_client(configuration, backend)) as client:

            def put(key: str, data: bytes) -> None:
                nonlocal sent
                client.send("PutObject", {"Bucket": bucket, "Key": key, "Body": data})
                sent += 1

            shipments = _shipments(store, put, shipping)
            try:
                shipments.ship(everything=True)
            except (BotoCoreError, ClientError, OSError):
                waiting, _ = shipments.pending()
                note(
                    f"{_objects(sent)} sent to bucket {bucket} (telemetry.shipping) on {backend}; {_waiting(waiting)} to be "
                    "sent the next time"
                )
                raise
            waiting, dropped = shipments.pending()
    if as_json:
        _say_json({"objects": sent, "waiting": waiting, "dropped": dropped})
    else:
        lost = f"; {dropped:,} were dropped so far, since too many waited" if dropped else ""
        _say(f"{_objects(sent)} sent to bucket {bucket}; {_waiting(waiting)}{lost}")
    if waiting:
        note("another process of this host is sending them, or was until a moment ago: run it again")
        raise typer.Exit(_WAITING)


def _shipments(store: Store, put: Callable[[str, bytes], None], shipping: Shipping) -> Shipments:
    from foodco_storage.access.shipments import Shipments  # noqa: PLC0415 - slow to import, and only used here

    every, form = shipping.every_seconds, shipping.format
    try:
        return Shipments(store, put, prefix=shipping.prefix, every_seconds=every, form=form)
    except ModuleNotFoundError as error:
        raise ConfigurationError([Problem("telemetry.shipping.format", str(error))]) from error


def _show_logs(report: LogsReport) -> None:
    records = report.lines - report.unparsed
    text = f"{_files(report.files)} read: {records:,} records, {report.rows:,} rows of keys and days"
    if report.unparsed:
        text += f"; {report.unparsed:,} of {report.lines:,} lines are no records"
    if report.known:
        text += f"; {_files(report.known)} known before"
    _say(text)
    for example in report.examples:
        note(f"no record: {printable(example)}")
    for name in report.changed:
        note(f"left out, since it has changed after it was read: {printable(name)}")


def _refuse(error: RecordsError) -> NoReturn:
    """What is there is not what was to be read."""
    Console(stderr=True).print(f"[bold red]error[/] {escape(printable(str(error)))}", soft_wrap=True, highlight=False)
    raise typer.Exit(_UNREADABLE) from error


def _say(text: str) -> None:
    out.print(escape(text), soft_wrap=True, highlight=False)


def _say_json(told: Any) -> None:
    print(json.dumps(told))  # noqa: T201 - not to be wrapped or coloured


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count:,} objects"


def _waiting(count: int) -> str:
    return "1 shipment waits" if count == 1 else f"{count:,} shipments wait"
