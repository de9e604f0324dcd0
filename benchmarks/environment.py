"""An environment for measuring processes that holds nothing of the developer's own."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

_THEIRS = ("AWS_", "FOODCO_STORAGE_")


def clean_environment(access_key_id: str = "testing", secret_access_key: str = "testing") -> dict[str, str]:  # noqa: S107 - for servers that take any
    """The environment of a process that finds no configuration, and these credentials."""
    nowhere = os.devnull
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_THEIRS)}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "XDG_CONFIG_HOME": nowhere,
        "NO_PROXY": "127.0.0.1",
    }
