"""The JSON schema of the configuration file, for editors."""

from __future__ import annotations

from typing import Any

import msgspec

from foodco_storage.config.byte_size import ByteSize
from foodco_storage.config.model import Configuration
from foodco_storage.config.secret import Secret


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema 2020-12) of the file, with the description of every key.

    Example: written to `foodco_storage.schema.json`, and named by `#:schema ./foodco_storage.schema.json` at the
    top of the TOML file, for editors with Taplo.
    """
    schema = msgspec.json.schema(Configuration, schema_hook=_of_our_types)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "foodco_storage", **schema}


def _of_our_types(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string"}
    if kind is ByteSize:
        return {"type": ["integer", "string"], "exclusiveMinimum": 0, "pattern": r"^\d+(\.\d+)?\s*([KMGT]i?B|B|)$"}
    raise NotImplementedError(kind)
