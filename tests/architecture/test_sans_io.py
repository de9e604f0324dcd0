"""Flows and layers decide, and do nothing: what they may not import or call, looked up in their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = ("foodco_storage.flows", "foodco_storage.layers")

# A name stands for itself and for everything below it.
FORBIDDEN_MODULES = frozenset(
    {
        "asyncio",
        "boto3",
        "botocore",
        "concurrent",
        "email.utils.formatdate",
        "email.utils.localtime",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "random",
        "requests",
        "s3transfer",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "urllib3",
        "uuid",
    }
)
ALLOWED_MODULES = frozenset({"botocore.exceptions"})

FORBIDDEN_FUNCTIONS = frozenset({"__import__", "breakpoint", "exec", "eval", "input", "open", "print"})
FORBIDDEN_METHODS = frozenset({"now", "today", "utcnow"})


def violations(source: str) -> list[str]:
    """Every forbidden import and call in a module's source, with its line."""
    return [
        f"{line}: {what}" for node in ast.walk(ast.parse(source)) for line, what in (*_imports(node), *_calls(node))
    ]


def _imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module or '.'}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        parts = name.split(".")
        prefixes = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        if prefixes & FORBIDDEN_MODULES and not prefixes & ALLOWED_MODULES:
            yield node.lineno, f"imports {name}"


def _calls(node: ast.AST) -> Iterator[tuple[int, str]]:
    if not isinstance(node, ast.Call):
        return
    function = node.func
    if isinstance(function, ast.Name) and function.id in FORBIDDEN_FUNCTIONS:
        yield node.lineno, f"calls {function.id}()"
    if isinstance(function, ast.Attribute) and function.attr in FORBIDDEN_METHODS:
        yield node.lineno, f"calls .{function.attr}()"


def modules() -> list[Path]:
    files: list[Path] = []
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        files += sorted(Path(spec.submodule_search_locations[0]).rglob("*.py"))
    return files


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_does_no_io(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import threading as t",
        "from time import sleep",
        "from concurrent.futures import Future",
        "from urllib.request import urlopen",
        "from botocore.httpsession import URLLib3Session",
        "from botocore import awsrequest",
        "import botocore",
        "def flow():\n    import socket",
        "from email.utils import formatdate",
        "datetime.datetime.now(tz)",
        "open('x')",
        "print('x')",
    ],
)
def test_sees_io(source: str) -> None:
    assert len(violations(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from botocore.exceptions import ClientError",
        "import botocore.exceptions",
        "from urllib.parse import quote",
        "from email.utils import parsedate_to_datetime",
        "from foodco_storage.flows.effects import Call",
        "body.close()",
    ],
)
def test_lets_the_rest_pass(source: str) -> None:
    assert violations(source) == []
