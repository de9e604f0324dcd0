"""Whatever it is given, `load` gives a configuration or tells what is wrong; and what it gives, it can read again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import generated
import pytest
from hypothesis import HealthCheck, example, given, settings

from foodco_storage.config import Configuration, Secret, check, load
from foodco_storage.config.model import to_document
from foodco_storage.errors import ConfigurationError

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
@given(generated.DOCUMENTS, generated.ENVIRONMENTS)
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
@given(generated.DOCUMENTS)
def test_any_document_is_checked_or_its_mistakes_are_told(document: Any):
    try:
        configuration = check(document)
    except ConfigurationError as error:
        assert error.problems
    else:
        assert isinstance(configuration, Configuration)


@settings(CONFIGURATION, max_examples=100)
@given(generated.configurations())
def test_a_configuration_without_a_mistake_is_taken_as_it_is(configuration: Configuration):
    assert check(configuration) == configuration
    assert load(configuration, {}) == configuration
    assert load(to_document(configuration), {}) == configuration


@settings(CONFIGURATION, max_examples=100)
@given(configuration=generated.configurations())
def test_a_configuration_goes_through_a_file(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("file") / "storage.toml"
    path.write_bytes("\n".join(to_toml(to_document(configuration))).encode())
    assert load(path, {}) == configuration


@settings(CONFIGURATION, max_examples=100)
@given(configuration=generated.configurations())
def test_no_secret_is_shown(configuration: Configuration):
    shown = repr(configuration)
    secrets = [
        value
        for backend in configuration.backends.values()
        for value in (backend.access_key_id, backend.secret_access_key, backend.session_token)
    ]
    assert shown.count("Secret('***')") == sum(isinstance(secret, Secret) for secret in secrets)
