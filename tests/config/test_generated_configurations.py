"""Any configuration without a mistake is taken as it is, from objects, from a mapping and from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from foodco_storage.config import (
    Backend,
    Breaker,
    Capabilities,
    Configuration,
    Default,
    Mirror,
    Promote,
    Route,
    Secret,
    check,
    json_schema,
    load,
)
from foodco_storage.config.byte_size import ByteSize

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,5}", fullmatch=True).filter(lambda name: name != "caller")
BUCKETS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{2,8}", fullmatch=True)
# No surrogates, which no file in UTF-8 can hold, and no references.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(lambda text: "${" not in text)
SECONDS = st.floats(0, 86_400, exclude_min=True) | st.integers(1, 1000).map(float)
COUNTS = st.integers(1, 2**62)
CHECKSUMS = st.sampled_from(["when_supported", "when_required"])
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "preset": st.sampled_from(["aws", "ceph", "s3"]),
    "region": TEXTS,
    "verify": st.booleans() | TEXTS,
    "addressing_style": st.sampled_from(["auto", "path", "virtual"]),
    "signature_version": TEXTS,
    "connect_timeout_seconds": SECONDS,
    "read_timeout_seconds": SECONDS,
    "max_attempts": COUNTS,
    "retry_mode": st.sampled_from(["legacy", "standard", "adaptive"]),
    "max_pool_connections": COUNTS,
    "request_checksum_calculation": CHECKSUMS,
    "response_checksum_validation": CHECKSUMS,
    "forbidden_means_missing": st.booleans(),
    "capabilities": st.dictionaries(st.sampled_from(Capabilities.__struct_fields__), st.booleans(), max_size=3).map(
        lambda known: Capabilities(**known)
    ),
    "breaker": st.builds(Breaker, enabled=st.booleans(), failures=COUNTS, open_seconds=SECONDS),
}
SECRETS = TEXTS.map(Secret)
CREDENTIALS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.just({}),
    st.just({"anonymous": True}),
    st.fixed_dictionaries({"profile": TEXTS}),
    st.fixed_dictionaries(
        {
            "access_key_id": SECRETS,
            "secret_access_key": SECRETS,
            "session_token": st.none() | SECRETS,
            "allow_plaintext_secrets": st.booleans().map(lambda _: True),
        }
    ),
]


@st.composite
def routes(draw: st.DrawFn, name: str, known: list[str]) -> Route:
    """A route without a mistake, to buckets of its own."""
    places = draw(st.lists(st.sampled_from([*known, "caller"]), min_size=1, max_size=4, unique=True))
    bucket: Any = f"{name}.{draw(BUCKETS)}"
    theirs: dict[str, str] = {}
    if draw(st.booleans()):
        theirs = draw(st.dictionaries(st.sampled_from(places), BUCKETS))
    elif draw(st.booleans()):
        bucket = [bucket, f"{name}.*"]
    phases: list[str | None] = [None]
    if len(places) <= 2:
        phases += ["target", "source"] if places[1:] else ["target"]
        if places[1:] and "caller" not in places:
            phases += ["backfill", "cutover", "drain"]
    return Route(
        bucket=bucket,
        primary=places[0],
        fallbacks=places[1:],
        prefix=draw(st.just("") | TEXTS),
        buckets=theirs,
        phase=draw(st.sampled_from(phases)),
        promote=Promote(enabled=draw(st.booleans()), max_object_bytes=draw(st.integers(1, 2**60).map(ByteSize))),
        mirror=Mirror(mode=draw(st.sampled_from(["sync", "async", "off"])), required=draw(st.booleans())),
        presign=draw(st.sampled_from([None, "authority", "holder"])),
        read_when_primary_down=draw(st.booleans()),
        reserved_prefix=draw(st.sampled_from([".foodco-storage/", "é/x/"])),
    )


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """A configuration without a mistake: every backend at an endpoint of its own."""
    known = draw(st.lists(NAMES, max_size=3, unique=True))
    backends = {
        name: Backend(
            endpoint_url=f"https://rgw.example.internal/{name}",
            **draw(st.fixed_dictionaries({}, optional=SETTINGS)),
            **draw(st.one_of(CREDENTIALS)),
        )
        for name in known
    }
    return Configuration(
        backends=backends,
        routes={name: draw(routes(name, known)) for name in draw(st.lists(NAMES, max_size=3, unique=True))},
        default=Default(backend=draw(st.sampled_from([*known, "caller"]))),
    )


def as_document(value: Any) -> Any:
    """Objects as a file holds them: secrets show, and what is None is left out."""
    if isinstance(value, Struct):
        return as_document({name: getattr(value, name) for name in value.__struct_fields__})
    if isinstance(value, Mapping):
        return {name: as_document(inner) for name, inner in value.items() if inner is not None}
    return value.reveal() if isinstance(value, Secret) else value


def toml(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a TOML file, with a header for every table."""
    if path:
        yield f"[{'.'.join(map(string, path))}]"
    for name, value in table.items():
        if not isinstance(value, dict):
            yield f"{string(name)} = {literal(value)}"
    for name, value in table.items():
        if isinstance(value, dict):
            yield from toml(value, (*path, name))


def literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return string(value) if isinstance(value, str) else json.dumps(value)


def string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(deadline=None)
@given(configuration=configurations())
def test_it_is_taken_as_it_is(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory):
    document = as_document(configuration)
    file = tmp_path_factory.getbasetemp() / "generated.toml"
    file.write_bytes("\n".join(toml(document)).encode())
    assert check(configuration) == configuration
    assert load(configuration, {}) == configuration
    assert load(document, {}) == configuration
    assert load(file, {}) == configuration
    jsonschema.Draft202012Validator(json_schema()).validate(document)
    # As many as there are: none shows itself, and none is shown elsewhere.
    secrets = [
        value
        for backend in configuration.backends.values()
        for value in (backend.access_key_id, backend.secret_access_key, backend.session_token)
        if value is not None
    ]
    assert repr(configuration).count("=Secret('***')") == len(secrets)
