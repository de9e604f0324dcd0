"""Finding a configuration, and what the environment says over it.

Importing this module costs next to nothing: what reads and validates is loaded when there is something to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from foodco_storage.config.model import Configuration

FILE_VARIABLE = "FOODCO_STORAGE_CONFIG"
"""Names the configuration file."""

OVERLAY_PREFIX = "FOODCO_STORAGE__"
"""`FOODCO_STORAGE__BACKENDS__CEPH__REGION=eu` sets `backends.ceph.region`."""

_FILE = "foodco_storage/config.toml"


def load(
    source: Configuration | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Configuration | None:
    """Load and validate a configuration.

    Args:
        source: objects, a mapping of the same shape, or the path of a TOML file. None looks for a file: what
            `FOODCO_STORAGE_CONFIG` names, `$XDG_CONFIG_HOME/foodco_storage/config.toml` (by default under `~/.config`),
            `/etc/foodco_storage/config.toml`; the first that exists.
        environ: environment variables, `os.environ` by default. `FOODCO_STORAGE__...` variables are laid over what was
            found, `${NAME}` in any string stands for a variable.

    Returns:
        The configuration, or None where there is neither a file nor a variable.

    Raises:
        ConfigurationError: with every mistake.

    Example:
        load({"backends": {"ceph": {"preset": "ceph", "endpoint_url": "https://rgw.example.internal"}}})
    """
    if getattr(source, "is_settled", False):
        return cast("Configuration", source)
    environ = os.environ if environ is None else environ
    path: Path | None = None
    if source is None or isinstance(source, str | os.PathLike):
        path = find(source, environ)
        if path is None and not any(name.startswith(OVERLAY_PREFIX) for name in environ):
            return None

    from foodco_storage.config.assemble import assemble  # noqa: PLC0415 - a plain client has nothing to read

    return assemble(source if path is None else path, environ)


def find(source: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The file that a configuration is read from; None where there is none.

    Args:
        source: its path; None to look where `load` does.
        environ: environment variables, `os.environ` by default.
    """
    environ = os.environ if environ is None else environ
    return _named(source, environ) or _conventional(environ)


def _named(source: Any, environ: Mapping[str, str]) -> Path | None:
    if source is not None:
        return Path(source)
    return Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None


def _conventional(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    # Never the working directory, so no relative path either: whoever may write there would decide where the data goes.
    # os.path's, because Path's raises where a directory may not be entered, as /root for a service; and Path costs more, for
    # every path that is opened.
    places = [f"{place}/{_FILE}" for place in (home, "/etc") if os.path.isabs(place)]  # noqa: PTH117
    return next((Path(place) for place in places if os.path.isfile(place)), None)  # noqa: PTH113
