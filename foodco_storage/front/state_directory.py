"""Where a process keeps what must survive it, unless the configuration names a place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from foodco_storage.errors import ConfigurationError, Problem


def state_directory(configured: str | None, environ: Mapping[str, str], name: str, path: str) -> Path:
    """A directory as configured, or of a name under the user's state directory.

    Args:
        configured: what the configuration says.
        environ: environment variables.
        name: of the directory under `foodco_storage` there.
        path: of the key in the configuration, for the error.

    Raises:
        ConfigurationError: there is no such directory, since the process has no home.
    """
    if configured is not None:
        return Path(configured).expanduser().absolute()
    state = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else "")
    if not Path(state).is_absolute():
        message = (
            "is missing, and the process has no home to put it in; name a directory on a disk that survives the process"
        )
        raise ConfigurationError([Problem(path, message)])
    return Path(state, "foodco_storage", name)
