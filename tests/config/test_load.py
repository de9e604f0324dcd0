"""Where a configuration is looked for, what the environment says over it, and what becomes of its references."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.config import Backend, Configuration, Route, Secret, load
from foodco_storage.errors import ConfigurationError

P = "FOODCO_STORAGE__"
HIDDEN = "hunter2-hunter2"
PLAINTEXT = (
    "stands in the file in plain text; write a reference as in '${CEPH_SECRET_ACCESS_KEY}', or use profile "
    "(allow_plaintext_secrets = true accepts it)"
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and tells its path."""

    def write(text: str | bytes, name: str = "storage.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def loaded(source: Any = None, environ: Mapping[str, str] | None = None) -> Configuration:
    configuration = load(source, environ or {})
    assert configuration is not None
    return configuration


def problems(source: Any = None, environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        load(source, environ or {})
    assert caught.value.__context__ is None
    return [(problem.path, problem.message) for problem in caught.value.problems]


def region(name: str) -> str:
    return f'[backends.b]\nregion = "{name}"\n'


# Looking for a file


def test_the_first_place_that_has_one(write: Write, tmp_path: Path):
    argument = write(region("argument"), "argument.toml")
    named = write(region("named"), "named.toml")
    xdg = write(region("xdg"), "xdg/foodco_storage/config.toml")
    home = write(region("home"), "home/.config/foodco_storage/config.toml")
    environ = {
        "FOODCO_STORAGE_CONFIG": str(named),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path / "home"),
    }

    def found(source: Any = None) -> str | None:
        configuration = load(source, environ)
        return None if configuration is None else configuration.backends["b"].region

    assert found(argument) == found(str(argument)) == "argument"
    assert found() == "named"
    environ["FOODCO_STORAGE_CONFIG"] = ""
    assert found() == "xdg"
    del environ["FOODCO_STORAGE_CONFIG"]
    assert found() == "xdg"
    xdg.unlink()
    assert found() is None  # XDG_CONFIG_HOME says where to look, so not under HOME
    environ["XDG_CONFIG_HOME"] = ""
    assert found() == "home"
    del environ["XDG_CONFIG_HOME"]
    assert found() == "home"
    home.unlink()
    assert found() is None


def test_a_mapping_is_taken_in_place_of_a_file(write: Write):
    environ = {"FOODCO_STORAGE_CONFIG": str(write(region("named")))}
    assert loaded({}, environ) == Configuration()
    assert loaded(Configuration(), environ) == Configuration()


def test_nothing():
    assert load(None, {}) is None
    assert load(None, {"FOODCO_STORAGE_CONFIG": "", "FOODCO_STORAGE_REQUIRE_SERVERS": "1"}) is None


def test_the_environment_is_the_processs(write: Write, monkeypatch: pytest.MonkeyPatch):
    assert load() is None
    monkeypatch.setenv("FOODCO_STORAGE_CONFIG", str(write(region("eu"))))
    monkeypatch.setenv("FOODCO_STORAGE__BACKENDS__B__MAX_ATTEMPTS", "2")
    configuration = load()
    assert configuration == Configuration(backends={"b": Backend(region="eu", max_attempts=2)})


@pytest.mark.parametrize("relative", [".", "here", "./here"])
def test_never_the_working_directory(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: str):
    for folder in (".", "here", ".config", "here/.config"):
        for name in ("config.toml", "foodco_storage.toml", "foodco_storage/config.toml"):
            write(region("planted"), f"{folder}/{name}")
    monkeypatch.chdir(tmp_path)
    for environ in ({}, {"XDG_CONFIG_HOME": relative}, {"HOME": relative}):
        assert load(None, environ) is None


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_a_place_that_cannot_be_looked_into_is_passed_over(variable: str, write: Write):
    assert load(None, {variable: "/" + "x" * 5000}) is None
    assert load(None, {variable: str(write(""))}) is None


def test_a_folder_is_no_file(tmp_path: Path):
    (tmp_path / "foodco_storage" / "config.toml").mkdir(parents=True)
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path)}) is None


# Reading it


def test_a_file_that_is_not_there(tmp_path: Path):
    path = tmp_path / "no.toml"
    assert problems(path) == [(str(path), "can't be read: No such file or directory")]
    message = "can't be read (named by FOODCO_STORAGE_CONFIG): No such file or directory"
    assert problems(None, {"FOODCO_STORAGE_CONFIG": str(path)}) == [(str(path), message)]
    assert problems(None, {"FOODCO_STORAGE_CONFIG": f"{tmp_path}/./no.toml"}) == [(str(path), message)]
    assert problems(tmp_path) == [(str(tmp_path), "can't be read: Is a directory")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(write: Write):
    path = write(region("eu"))
    path.chmod(0)
    assert problems(path) == [(str(path), "can't be read: Permission denied")]


def test_a_syntax_error_with_its_line(write: Write):
    path = write(f'[backends.b]\nsecret_access_key = "{HIDDEN}"\nregion = \n')
    ((where, message),) = problems(path)
    assert where == str(path)
    assert message == "is not TOML: Invalid value (at line 3, column 10)"


def test_a_key_that_stands_there_twice(write: Write):
    ((_, message),) = problems(write(f'[backends.b]\nsecret_access_key = "{HIDDEN}"\nsecret_access_key = "x"\n'))
    assert message.startswith("is not TOML: Cannot overwrite a value (at line 3, column ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[backends.b]\nregion = "\xff"', "is not UTF-8: invalid start byte at byte 23"),
        (b"a = " + b"[" * 100_000, "holds too many tables or lists inside each other"),
        (b"a = " + b"9" * 5000, "is not TOML: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else(write: Write, content: bytes, message: str):
    path = write(content)
    assert problems(path) == [(str(path), message)]


def test_a_path_that_can_be_none():
    assert problems("\0") == [("\0", "is not TOML: embedded null byte")]


def test_an_empty_file(write: Write):
    assert loaded(write("")) == Configuration()


@pytest.mark.parametrize("source", [[1], 5, {1, 2}, object()])
def test_what_is_no_configuration(source: Any):
    assert problems(source) == [("", f"must be a table, not a {type(source).__name__}")]
    assert problems(source, {f"{P}DEFAULT__BACKEND": "caller"}) == problems(source)


def test_a_mapping_too_deep_to_be_one():
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"": deep}
    assert problems(deep) == [("", "holds too many tables or lists inside each other")]


def test_a_mapping_stays_as_it_was():
    source = {"backends": {"b": {"region": "${X}", "breaker": {"failures": 2}}}}
    configuration = loaded(
        source, {"X": "eu", f"{P}BACKENDS__B__BREAKER__FAILURES": "3", f"{P}BACKENDS__C__REGION": "x"}
    )
    assert configuration.backends["b"].region == "eu"
    assert source == {"backends": {"b": {"region": "${X}", "breaker": {"failures": 2}}}}


# The environment over it


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("REGION", "1", "1"),
        ("REGION", "true", "true"),
        ("REGION", "", ""),
        ("REGION", '{"a": 1}', '{"a": 1}'),
        ("PROFILE", "1.5", "1.5"),
        ("SIGNATURE_VERSION", "null", "null"),
        ("PRESET", "aws", "aws"),
        ("ADDRESSING_STYLE", "virtual", "virtual"),
        ("ANONYMOUS", "true", True),
        ("ANONYMOUS", "True", True),
        ("ANONYMOUS", "1", True),
        ("ANONYMOUS", "FALSE", False),
        ("ANONYMOUS", "0", False),
        ("VERIFY", "false", False),
        ("VERIFY", "true", True),
        ("VERIFY", "ca/bundle.pem", "ca/bundle.pem"),
        ("MAX_ATTEMPTS", "1", 1),
        ("MAX_ATTEMPTS", "9007199254740993", 9007199254740993),
        ("CONNECT_TIMEOUT_SECONDS", "2", 2.0),
        ("CONNECT_TIMEOUT_SECONDS", "0.25", 0.25),
        ("CONNECT_TIMEOUT_SECONDS", "1e-3", 0.001),
        ("BREAKER__ENABLED", "false", False),
        ("BREAKER__FAILURES", "7", 7),
        ("BREAKER__OPEN_SECONDS", "7", 7.0),
        ("CAPABILITIES__PUT_IF_MATCH", "true", True),
        ("CAPABILITIES__CHECKSUMS", "0", False),
        ("endpoint-url", "https://rgw", "https://rgw"),
        ("Endpoint_Url", "https://rgw", "https://rgw"),
    ],
)
def test_a_variable_has_its_keys_type(variable: str, text: str, value: Any):
    found: Any = loaded(None, {f"{P}BACKENDS__B__{variable}": text}).backends["b"]
    for name in variable.lower().replace("-", "_").split("__"):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("key", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"])
@pytest.mark.parametrize("text", ["1", "true", "null", '["x"]', "a,b", " x "])
def test_a_secret_stays_as_it_is(key: str, text: str):
    pair = {f"{P}BACKENDS__B__{name}": "x" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    backend = loaded(None, {**pair, f"{P}BACKENDS__B__{key}": text}).backends["b"]
    assert getattr(backend, key.lower()) == Secret(text)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("BUCKET", "images", "images"),
        ("BUCKET", "1", "1"),
        ("BUCKET", "true", "true"),
        ("BUCKET", "img-[0-9]", "img-[0-9]"),
        ("BUCKET", "images, menus", ["images", "menus"]),
        ("BUCKET", '["images"]', ["images"]),
        ("FALLBACKS", "", []),
        ("FALLBACKS", "a", ["a"]),
        ("FALLBACKS", "a, b,", ["a", "b"]),
        ("FALLBACKS", '["b", "a"]', ["b", "a"]),
        ("BUCKETS", '{"a": "1", "caller": "x"}', {"a": "1", "caller": "x"}),
        ("BUCKETS__A", "1", {"a": "1"}),
        ("PREFIX", "1", "1"),
        ("READ_WHEN_PRIMARY_DOWN", "true", True),
        ("PHASE", "target", "target"),
        ("PRESIGN", "holder", "holder"),
        ("RESERVED_PREFIX", ".x/", ".x/"),
    ],
)
def test_a_variable_of_a_route(variable: str, text: str, value: Any):
    source = {"backends": {"a": {}, "b": {}}}
    fallbacks = {"FALLBACKS": "a"} if variable.startswith("BUCKETS") else {}
    variables = {"BUCKET": "x", "PRIMARY": "caller", **fallbacks, variable: text}
    environ = {f"{P}ROUTES__R__{name}": said for name, said in variables.items()}
    route = loaded(source, environ).routes["r"]
    assert getattr(route, variable.partition("__")[0].lower()) == value


def test_tables_are_json():
    environ = {
        f"{P}BACKENDS": '{"a": {"region": "1"}}',
        f"{P}BACKENDS__B": '{"max_attempts": 2, "breaker": {"failures": 9, "open_seconds": 2}}',
        f"{P}BACKENDS__B__BREAKER__FAILURES": "3",
        f"{P}BACKENDS__B__CAPABILITIES": '{"checksums": true}',
        f"{P}DEFAULT": '{"backend": "a"}',
    }
    expected = {
        "backends": {
            "a": {"region": "1"},
            "b": {
                "max_attempts": 2,
                "breaker": {"failures": 3, "open_seconds": 2},
                "capabilities": {"checksums": True},
            },
        },
        "default": {"backend": "a"},
    }
    assert loaded(None, environ) == loaded(expected)
    # A whole table goes before the keys in it, however the variables are written.
    lower = {name.replace("BACKENDS__B__BREAKER", "backends__B__BREAKER"): text for name, text in environ.items()}
    assert loaded(None, lower) == loaded(expected)


@pytest.mark.parametrize("name", ["my-ceph", "my_ceph", "My-Ceph"])
@pytest.mark.parametrize("variable", ["MY_CEPH", "my-ceph", "My_cepH"])
def test_names_match_without_case_and_dashes(write: Write, name: str, variable: str):
    path = write(f"[backends.{name}]\nmax_attempts = 3\n")
    backends = loaded(path, {f"{P}backends__{variable}__Region": "eu"}).backends
    assert backends == {name: Backend(region="eu", max_attempts=3)}


def test_a_new_name_is_in_lower_case():
    assert list(loaded(None, {f"{P}BACKENDS__MY_Ceph__REGION": "eu"}).backends) == ["my_ceph"]


def test_a_variable_wins_over_the_file(write: Write):
    path = write('[routes.r]\nbucket = "x"\nprimary = "caller"\nbuckets = { caller = "y" }\n[default]\nbackend = "b"\n')
    environ = {f"{P}DEFAULT__BACKEND": "caller", f"{P}ROUTES__R__BUCKETS__CALLER": "z"}
    configuration = loaded(path, environ)
    assert configuration.default.backend == "caller"
    assert configuration.routes["r"].buckets == {"caller": "z"}


def test_a_variable_wins_over_objects():
    source = Configuration(backends={"b": Backend(region="eu", max_attempts=2)})
    assert loaded(source, {f"{P}BACKENDS__B__REGION": "us"}).backends["b"] == Backend(region="us", max_attempts=2)
    assert source.backends["b"].region == "eu"


def test_names_that_a_variable_cannot_tell_apart():
    source: dict[str, Any] = {"backends": {"my-ceph": {}, "my_ceph": {}}}
    variable = f"{P}BACKENDS__MY_CEPH__REGION"
    assert problems(source, {variable: "eu"}) == [(variable, "may mean 'my-ceph' or 'my_ceph'")]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("", ": unknown key; there are: backends, default, routes"),
        ("BACKEND__B__REGION", "backend: unknown key; did you mean 'backends'?"),
        ("BACKENDS__B__REGOIN", "backends.b.regoin: unknown key; did you mean 'region'?"),
        ("BACKENDS__B__BREAKER__FAILURE", "backends.b.breaker.failure: unknown key; did you mean 'failures'?"),
        ("BACKENDS__B__REGION__X", "backends.b.region is no table"),
        ("ROUTES__R__FALLBACKS__X", "routes.r.fallbacks is no table"),
        ("DEFAULT__BACKENDS", "default.backends: unknown key; did you mean 'backend'?"),
        ("CACHE__DIRECTORY", "cache: the local cache: not available in this version of foodco_storage; leave the table out"),
        ("ROUTES__R__MIRROR__X", "routes.r.mirror: mirrored writes: not available in this version of foodco_storage; leave the table out"),
    ],
)  # fmt: skip
def test_a_wrong_name_tells_the_variable(variable: str, message: str):
    source = {"routes": {"r": {"bucket": "x", "primary": "caller"}}}
    assert problems(source, {P + variable: HIDDEN}) == [(P + variable, message)]
    assert problems({}, {P + variable: HIDDEN}) == [(P + variable, message)]


def test_a_variable_into_what_is_no_table():
    variable = f"{P}BACKENDS__B__REGION"
    expected = [(variable, "backends.b is no table"), ("backends.b", "must be a table, not a int")]
    assert problems({"backends": {"b": 1}}, {variable: "eu"}) == expected


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("ANONYMOUS", "yes", "expected `bool`, got `str`"),
        ("MAX_ATTEMPTS", "0", "expected `int` >= 1"),
        ("MAX_ATTEMPTS", "1.5", "expected `int`, got `str`"),
        ("MAX_ATTEMPTS", "", "expected `int`, got `str`"),
        ("MAX_ATTEMPTS", "true", "expected `int`, got `str`"),
        ("READ_TIMEOUT_SECONDS", "-1", "expected `float` > 0.0"),
        ("READ_TIMEOUT_SECONDS", "nan", "expected `float` > 0.0"),
        ("READ_TIMEOUT_SECONDS", "inf", "expected `float` <= 31536000.0"),
        ("READ_TIMEOUT_SECONDS", "3s", "expected `float`, got `str`"),
        ("BREAKER", "off", "must be a table, not a str"),
        ("BREAKER", "[1]", "must be a table, not a str"),
        ("CAPABILITIES", "[" * 100_000, "must be a table, not a str"),
        ("PRESET", "cehp", "'cehp' is none of 'aws', 'ceph', 's3'; did you mean 'ceph'?"),
    ],
    ids=range(13),
)
def test_a_wrong_value_tells_the_key(variable: str, text: str, message: str):
    assert problems(None, {f"{P}BACKENDS__B__{variable}": text}) == [(f"backends.b.{variable.lower()}", message)]


def test_other_variables_are_none_of_it():
    assert load(None, {"FOODCO_STORAGE_": "", "FOODCO_STORAGE_BACKENDS__B": "", "foodco_storage__X": ""}) is None


# References


def test_references():
    source = {
        "backends": {
            "b": {
                "endpoint_url": "https://${HOST}:${PORT}",
                "access_key_id": "${ID}",
                "secret_access_key": "${SECRET}",
                "region": "$HOST $${HOST} ${",
            }
        },
        "routes": {"r": {"bucket": ["${BUCKET}"], "primary": "b", "prefix": "${EMPTY}"}},
    }
    environ = {"HOST": "rgw", "PORT": "80", "ID": "1", "SECRET": "${HOST}", "BUCKET": "images", "EMPTY": ""}
    configuration = loaded(source, environ)
    backend = configuration.backends["b"]
    assert backend.endpoint_url == "https://rgw:80"
    assert backend.access_key_id == Secret("1")
    assert backend.secret_access_key == Secret("${HOST}")  # what a variable holds is taken as it is
    assert backend.region == "$HOST $rgw ${"
    assert configuration.routes["r"] == Route(bucket=["images"], primary="b")


def test_references_in_objects_and_in_variables():
    source = Configuration(backends={"b": Backend(access_key_id=Secret("${X}"), secret_access_key=Secret("y"))})
    backend = loaded(source, {"X": "x", f"{P}BACKENDS__B__REGION": "${X}"}).backends["b"]
    assert backend == Backend(access_key_id=Secret("x"), secret_access_key=Secret("y"), region="x")


def test_references_to_nothing(write: Write):
    path = write(
        '[backends.b]\nendpoint_url = "${U}"\naccess_key_id = "${A}"\nsecret_access_key = "${}"\n'
        '[routes.r]\nbucket = ["x", "${B}"]\nprimary = "b"\n'
    )

    def unset(name: str) -> str:
        return f"refers to ${{{name}}}, which is not set in the environment"

    assert problems(path) == [
        ("backends.b.endpoint_url", unset("U")),
        ("backends.b.access_key_id", unset("A")),
        ("backends.b.secret_access_key", unset("")),
        ("routes.r.bucket[1]", unset("B")),
        ("routes.r.bucket", "'' can't be the name of a bucket"),
    ]


# Secrets in a file


def secrets(access: str, secret: str, more: str = "") -> str:
    return f'[backends.b]\naccess_key_id = "{access}"\nsecret_access_key = "{secret}"\n{more}'


def test_secrets_in_a_file_are_refused(write: Write):
    path = write(secrets(HIDDEN, f"x${{HOME}}{HIDDEN}", f'session_token = "{HIDDEN}"\n'))
    keys = ("access_key_id", "secret_access_key", "session_token")
    assert problems(path, {"HOME": "/"}) == [(f"backends.b.{key}", PLAINTEXT) for key in keys]


@pytest.mark.parametrize("insist", ["1", '"true"', "false"])
def test_nothing_but_true_insists(write: Write, insist: str):
    paths = [path for path, _ in problems(write(secrets("A", "S", f"allow_plaintext_secrets = {insist}\n")))]
    assert paths[:2] == ["backends.b.access_key_id", "backends.b.secret_access_key"]


def test_secrets_in_a_file_are_taken_from_who_insists(write: Write):
    path = write(secrets("A", "S", "allow_plaintext_secrets = true\n"))
    assert loaded(path).backends["b"].secret_access_key == Secret("S")


def test_the_environment_may_insist(write: Write):
    path = write(secrets("A", "S"))
    configuration = loaded(path, {f"{P}BACKENDS__B__ALLOW_PLAINTEXT_SECRETS": "true"})
    assert configuration.backends["b"].secret_access_key == Secret("S")
    insisting = write(secrets("A", "S", "allow_plaintext_secrets = true\n"))
    assert len(problems(insisting, {f"{P}BACKENDS__B__ALLOW_PLAINTEXT_SECRETS": "false"})) == 2


def test_a_variable_does_not_take_the_secret_out_of_the_file(write: Write):
    environ = {f"{P}BACKENDS__B__ACCESS_KEY_ID": "A", f"{P}BACKENDS__B__SECRET_ACCESS_KEY": "S"}
    assert len(problems(write(secrets("A", "S")), environ)) == 2


def test_references_in_a_file_are_no_secrets(write: Write):
    backend = loaded(write(secrets("${A}", "${S}")), {"A": "1", "S": "2"}).backends["b"]
    assert (backend.access_key_id, backend.secret_access_key) == (Secret("1"), Secret("2"))


def test_secrets_in_code_and_in_variables_are_accepted():
    pair = {"access_key_id": "A", "secret_access_key": "S"}
    assert loaded({"backends": {"b": pair}}).backends["b"].secret_access_key == Secret("S")
    environ = {f"{P}BACKENDS__B__{name.upper()}": value for name, value in pair.items()}
    assert loaded(None, environ).backends["b"].secret_access_key == Secret("S")


@pytest.mark.parametrize(
    "value", ["{x}", "['{x}']", "{{ '{x}' = '{x}' }}", "{{ a = '${{UNSET}}{x}' }}", "'${{UNSET}}{x}'"]
)
@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key", "session_token"])
def test_no_secret_is_told(write: Write, key: str, value: str):
    hidden = "918273645"
    with pytest.raises(ConfigurationError) as caught:
        load(write(f"[backends.b]\n{key} = {value.format(x=hidden)}\nprofile = 'p'\n"), {})
    assert hidden not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)


def test_no_secret_of_the_environment_is_told():
    environ = {
        f"{P}BACKENDS__B__SECRET_ACCESS_KEY": HIDDEN,
        f"{P}BACKENDS__B__SECRET_ACCESS_KEYS": HIDDEN,
        f"{P}BACKENDS__B__SECRET_ACCESS_KEY__X": HIDDEN,
        f"{P}BACKENDS__C": f'{{"access_key_id": ["{HIDDEN}"], "session_token": {{"x": "{HIDDEN}"}}}}',
        f"{P}BACKENDS__D": f"{HIDDEN}",
        "KEY": HIDDEN,
    }
    source = {"backends": {"e": {"endpoint_url": "${KEY}", "access_key_id": "${KEY}"}}}
    with pytest.raises(ConfigurationError) as caught:
        load(source, environ)
    assert HIDDEN not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    assert len(caught.value.problems) == 8
