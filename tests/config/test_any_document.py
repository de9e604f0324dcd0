"""Whatever it is given, `load` gives a configuration or tells what is wrong; and what it gives, it can read again.

The documents are made up from the real keys, with the right values and with any others.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from foodco_storage.config import (
    Backend,
    Breaker,
    Capabilities,
    Configuration,
    Default,
    Route,
    Secret,
    check,
    json_schema,
    load,
)
from foodco_storage.config.model import to_document
from foodco_storage.errors import ConfigurationError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,5}", fullmatch=True).filter(lambda name: name != "caller")
BUCKETS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
# No surrogates, which no file in UTF-8 can hold, and no references.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda text: "${" not in text)
SECONDS = st.floats(0, 31_536_000, exclude_min=True) | st.integers(1, 1000).map(float)
COUNTS = st.integers(1, 2**62)


def _optional(**strategies: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.none() | strategy for name, strategy in strategies.items()}


def _checksums() -> st.SearchStrategy[str]:
    return st.sampled_from(["when_supported", "when_required"])


@st.composite
def backends(draw: st.DrawFn, name: str) -> Backend:
    """A backend without a mistake, at an endpoint of its own."""
    keys: dict[str, Any] = draw(
        st.fixed_dictionaries(
            _optional(
                preset=st.sampled_from(["aws", "ceph", "s3"]),
                region=TEXTS,
                verify=st.booleans() | TEXTS.filter(bool),
                addressing_style=st.sampled_from(["auto", "path", "virtual"]),
                signature_version=TEXTS,
                connect_timeout_seconds=SECONDS,
                read_timeout_seconds=SECONDS,
                max_attempts=COUNTS,
                retry_mode=st.sampled_from(["legacy", "standard", "adaptive"]),
                max_pool_connections=COUNTS,
                request_checksum_calculation=_checksums(),
                response_checksum_validation=_checksums(),
            )
        )
    )
    credentials: dict[str, Any] = draw(
        st.just({})
        | st.just({"anonymous": True})
        | st.fixed_dictionaries({"profile": TEXTS})
        | st.fixed_dictionaries(
            {
                "access_key_id": TEXTS.map(Secret),
                "secret_access_key": TEXTS.map(Secret),
                "session_token": st.none() | TEXTS.map(Secret),
                "allow_plaintext_secrets": st.just(True),
            }
        )
    )
    return Backend(
        endpoint_url=f"https://rgw.example.internal/{name}",
        forbidden_means_missing=draw(st.booleans()),
        capabilities=draw(
            st.builds(Capabilities, **dict.fromkeys(Capabilities.__struct_fields__, st.none() | st.booleans()))
        ),
        breaker=draw(st.builds(Breaker, enabled=st.booleans(), failures=COUNTS, open_seconds=SECONDS)),
        **keys,
        **credentials,
    )


@st.composite
def routes(draw: st.DrawFn, name: str, known: list[str]) -> Route:
    """A route without a mistake, to buckets of its own."""
    places = draw(st.lists(st.sampled_from([*known, "caller"]), min_size=1, max_size=4, unique=True))
    bucket: Any = draw(BUCKETS.map(lambda bucket: f"{name}.{bucket}"))
    theirs: dict[str, str] = {}
    if draw(st.booleans()):
        theirs = draw(st.dictionaries(st.sampled_from(places), BUCKETS))
    elif draw(st.booleans()):
        bucket = [bucket, f"{name}.*"]
    return Route(
        bucket=bucket,
        primary=places[0],
        fallbacks=places[1:],
        prefix=draw(TEXTS),
        buckets=theirs,
        phase=draw(st.sampled_from([None, "target", "source"] if places[1:] else [None, "target"])),
        presign=draw(st.sampled_from([None, "authority", "holder"])),
        read_when_primary_down=draw(st.booleans()),
        reserved_prefix=draw(st.sampled_from([".foodco-storage/", "é/x/"])),
    )


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """A configuration without a mistake."""
    known = draw(st.lists(NAMES, max_size=3, unique=True))
    return Configuration(
        backends={name: draw(backends(name)) for name in known},
        routes={name: draw(routes(name, known)) for name in draw(st.lists(NAMES, max_size=3, unique=True))},
        default=Default(backend=draw(st.sampled_from([*known, "caller"]))),
    )


_RIGHT = [
    *("aws", "ceph", "s3", "auto", "path", "https://rgw", "https://rgw:7480/", "caller", "a", "b", "images", "img-*"),
    *(
        "source",
        "drain",
        "target",
        "authority",
        "holder",
        "when_required",
        ".foodco-storage/",
        "x/",
        "${SET}",
        "${NOT}",
    ),
    *(True, False, 1, 3, 0.5, 10.0),
]
_WRONG = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400), float("inf"), "https://[", "https://x:99999", "${", "${}", "\ud800", "a\0"])
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.dates()
    | st.times()
    | st.complex_numbers()
    | st.just(datetime.UTC)
    | st.builds(object)
    | st.builds(Secret, st.text(max_size=3))
    | st.builds(Backend)
    | st.builds(Configuration)
    | st.frozensets(st.integers(), max_size=2)
)
_KEYS = sorted(
    {
        name
        for struct in (Backend, Breaker, Capabilities, Configuration, Default, Route)
        for name in struct.__struct_fields__
    }
)
_ANY_KEYS: st.SearchStrategy[Any] = (
    st.sampled_from([*_KEYS, "a", "b", "A", "caller", "cache", "journal", "mirror", "", "é", "x.y", "a-b", "a_b"])
    | st.text(max_size=3)
    | st.sampled_from([1, None, True, 1.5, (), b"a"])
)
_LEAVES = st.sampled_from(_RIGHT) | _WRONG
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(_ANY_KEYS, inner, max_size=3),
    max_leaves=6,
)


def _tables(struct: Any, **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[Any, Any]]:
    """A table with some of the real keys, and perhaps one of another sort."""
    right = st.fixed_dictionaries(
        {}, optional={name: nested.get(name, VALUES) | VALUES for name in struct.__struct_fields__}
    )
    return st.builds(lambda real, other: {**real, **other}, right, st.dictionaries(_ANY_KEYS, VALUES, max_size=1))


_PLACES = st.sampled_from(["a", "b", "caller", "zz"])
_SOME_BACKENDS = st.dictionaries(
    _PLACES | _ANY_KEYS,
    _tables(Backend, breaker=_tables(Breaker), capabilities=_tables(Capabilities)) | VALUES,
    max_size=3,
)
_SOME_ROUTES = st.dictionaries(
    st.sampled_from(["r", "s"]) | _ANY_KEYS,
    st.builds(
        lambda required, more: {**required, **more},
        st.fixed_dictionaries({"bucket": st.sampled_from(["x", ["x", "y-*"]]), "primary": _PLACES}),
        _tables(
            Route, primary=_PLACES, fallbacks=st.lists(_PLACES, max_size=3), buckets=st.dictionaries(_PLACES, BUCKETS)
        ),
    )
    | VALUES,
    max_size=3,
)
DOCUMENTS: st.SearchStrategy[Any] = (
    _tables(Configuration, backends=_SOME_BACKENDS, routes=_SOME_ROUTES, default=_tables(Default, backend=_PLACES))
    | VALUES
)
"""Any nested document: most look like a configuration, few are one."""

ENVIRONMENTS: st.SearchStrategy[dict[str, str]] = st.dictionaries(
    st.lists(st.sampled_from([*_KEYS, "a", "B", "", "é", "a-b", "cache"]) | st.text(max_size=3), max_size=5).map(
        lambda parts: "FOODCO_STORAGE__" + "__".join(parts).upper()
    ),
    st.sampled_from(["", "1", "true", "0.5", "nan", "a,b", '["a"]', '{"a": {}}', "{", "${SET}", "${NOT}"])
    | st.text(max_size=5),
    max_size=3,
)
"""Variables that look like an overlay."""

CONFIGURATION = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def to_toml(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a TOML file."""
    if path:
        yield f"[{'.'.join(_string(name) for name in path)}]"
    for name, value in table.items():
        if not isinstance(value, dict) and value is not None:
            yield f"{_string(name)} = {_value(value)}"
    for name, value in table.items():
        if isinstance(value, dict):
            yield from to_toml(value, (*path, name))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(CONFIGURATION, max_examples=400)
@given(DOCUMENTS, ENVIRONMENTS)
@example({"backends": {1: {}}}, {"FOODCO_STORAGE__BACKENDS__A__REGION": "x"})
@example({"routes": {"r": {"bucket": "x", "primary": "caller", "fallbacks": None}}}, {})
@example({"routes": {"r": {"bucket": [1], "primary": "caller"}}}, {})
@example({"default": None}, {})
@example({}, {"FOODCO_STORAGE__BACKENDS__A__CONNECT_TIMEOUT_SECONDS": "inf"})
def test_any_document_is_loaded_or_its_mistakes_are_told(document: Any, variables: dict[str, str]):
    try:
        configuration = load(document, {"SET": "set", **variables})
    except ConfigurationError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        assert len(set(error.problems)) == len(error.problems)
    else:
        if configuration is not None:
            assert check(configuration) == configuration


@settings(CONFIGURATION, max_examples=100)
@given(DOCUMENTS)
def test_any_document_is_checked_or_its_mistakes_are_told(document: Any):
    try:
        configuration = check(document)
    except ConfigurationError as error:
        assert error.problems
    else:
        assert isinstance(configuration, Configuration)


@settings(CONFIGURATION, max_examples=100)
@given(configurations())
def test_a_configuration_without_a_mistake_is_taken_as_it_is(configuration: Configuration):
    assert check(configuration) == configuration
    assert load(configuration, {}) == configuration
    assert load(to_document(configuration), {}) == configuration


@settings(CONFIGURATION, max_examples=100)
@given(configuration=configurations())
def test_a_configuration_goes_through_a_file(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("file") / "storage.toml"
    path.write_bytes("\n".join(to_toml(to_document(configuration))).encode())
    assert load(path, {}) == configuration


@settings(CONFIGURATION, max_examples=100)
@given(configuration=configurations())
def test_no_secret_is_shown(configuration: Configuration):
    shown = repr(configuration)
    secrets = [
        value
        for backend in configuration.backends.values()
        for value in (backend.access_key_id, backend.secret_access_key, backend.session_token)
    ]
    assert shown.count("Secret('***')") == sum(isinstance(secret, Secret) for secret in secrets)


@settings(CONFIGURATION, max_examples=50)
@given(configurations())
def test_the_schema_takes_a_configuration_without_a_mistake(configuration: Configuration):
    jsonschema.Draft202012Validator(json_schema()).validate(to_document(configuration))
