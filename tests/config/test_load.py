"""Where a configuration is found, what the environment does to it, and that secrets stay secret."""

from __future__ import annotations

import copy
import json
import pickle
import tomllib
import traceback

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foodco_storage.config import Backend, Breaker, Capabilities, Configuration, Default, Route, Secret, check, load
from foodco_storage.config.model import Settled
from foodco_storage.errors import ConfigurationError

GOOD = {
    "backends": {"aws": {}, "ceph-1": {"preset": "ceph", "endpoint_url": "https://rgw"}},
    "routes": {"images": {"bucket": "foodco-images", "primary": "ceph-1", "fallbacks": ["aws"]}},
}
HIDDEN = "wJalrXUtnFEMI-never-shown"


def message(source, environ=None):
    with pytest.raises(ConfigurationError) as caught:
        load(source, environ or {})
    return str(caught.value)


def found(source, environ=None):
    configuration = load(source, environ or {})
    assert configuration is not None
    return configuration


def revealed(secret):
    assert secret is not None
    return secret.reveal()


def written(folder, text, name="config.toml"):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def region_of(configuration):
    return configuration.backends["aws"].region


def test_what_is_settled_stays_as_it_is():
    """A configuration that was made of a loaded one: what was said by variables is in it, or was left out on purpose."""
    settled = Settled(backends={"aws": Backend()}, default=Default(backend="aws"))
    assert load(settled, {"FOODCO_STORAGE__DEFAULT__BACKEND": "ceph"}) is settled


def test_nothing_found_is_none(tmp_path):
    assert load(None, {}) is None
    assert load(None, {"HOME": str(tmp_path), "FOODCO_STORAGE_CONFIG": ""}) is None


def test_discovery_in_order(tmp_path):
    home = written(tmp_path, '[backends.aws]\nregion = "home"', ".config/foodco_storage/config.toml")
    xdg = written(tmp_path / "xdg", '[backends.aws]\nregion = "xdg"', "foodco_storage/config.toml")
    named = written(tmp_path, '[backends.aws]\nregion = "named"', "named.toml")
    environ = {"HOME": str(home.parents[2])}
    assert region_of(load(None, environ)) == "home"
    environ["XDG_CONFIG_HOME"] = str(xdg.parents[1])
    assert region_of(load(None, environ)) == "xdg"
    environ["FOODCO_STORAGE_CONFIG"] = str(named)
    assert region_of(load(None, environ)) == "named"
    assert region_of(load(home, environ)) == "home"
    assert region_of(load(str(home), environ)) == "home"


def test_the_working_directory_is_never_looked_at(tmp_path, monkeypatch):
    written(tmp_path, "nonsense", "foodco_storage/config.toml")
    written(tmp_path, "nonsense", ".config/foodco_storage/config.toml")
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) is None
    assert load(None, {"XDG_CONFIG_HOME": "."}) is None
    assert load(None, {"HOME": "."}) is None


def test_a_home_that_cannot_be_looked_into_holds_nothing():
    # Stands for a directory that may not be entered too, which root, and so CI, may.
    assert load(None, {"HOME": "/" + "a" * 5000}) is None


def test_os_environ_is_the_default(monkeypatch):
    monkeypatch.setenv("FOODCO_STORAGE__BACKENDS__AWS__REGION", "eu-west-1")
    assert region_of(load()) == "eu-west-1"


def test_missing_files_are_mistakes(tmp_path):
    missing = tmp_path / "no.toml"
    assert message(missing) == f"{missing}: can't be read: No such file or directory"
    assert message(None, {"FOODCO_STORAGE_CONFIG": str(missing)}) == (
        f"{missing}: can't be read (named by FOODCO_STORAGE_CONFIG): No such file or directory"
    )
    assert message(None, {"FOODCO_STORAGE_CONFIG": f"{tmp_path}/./no.toml"}) == (
        f"{missing}: can't be read (named by FOODCO_STORAGE_CONFIG): No such file or directory"
    )
    assert message("") == ".: can't be read: Is a directory"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a = 1\nb = = 2", "is not TOML: Invalid value (at line 2, column 5)"),
        (b"a = '\xff'", "is not UTF-8: invalid start byte at byte 5"),
        (b"a = " + b"[" * 20_000, "can't be read: not a path, or a number too long, or tables too deep"),
        (b"a = " + b"1" * 20_000, "can't be read: not a path, or a number too long, or tables too deep"),
    ],
)
def test_what_is_not_toml(tmp_path, content, told):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    assert message(file) == f"{file}: {told}"


OVERLAYS = [
    ("BACKENDS__CEPH_1__ENDPOINT_URL", "https://other", "backends.ceph-1.endpoint_url", "https://other"),
    ("backends__Ceph_1__region", "1", "backends.ceph-1.region", "1"),
    ("BACKENDS__CEPH_1__MAX_ATTEMPTS", "3", "backends.ceph-1.max_attempts", 3),
    ("BACKENDS__CEPH_1__READ_TIMEOUT_SECONDS", "2.5", "backends.ceph-1.read_timeout_seconds", 2.5),
    ("BACKENDS__CEPH_1__FORBIDDEN_MEANS_MISSING", "true", "backends.ceph-1.forbidden_means_missing", True),
    ("BACKENDS__CEPH_1__VERIFY", "FALSE", "backends.ceph-1.verify", False),
    ("BACKENDS__CEPH_1__VERIFY", "ca.pem", "backends.ceph-1.verify", "ca.pem"),
    ("BACKENDS__CEPH_1__CAPABILITIES__CHECKSUMS", "1", "backends.ceph-1.capabilities.checksums", True),
    ("BACKENDS__CEPH_1__BREAKER", "{failures = 2}", "backends.ceph-1.breaker", Breaker(failures=2)),
    ("BACKENDS__CEPH_1__BREAKER", '{"failures": 2}', "backends.ceph-1.breaker", Breaker(failures=2)),
    ("BACKENDS__CEPH_1__BREAKER__ENABLED", "0", "backends.ceph-1.breaker.enabled", False),
    ("BACKENDS__NEW__REGION", "x", "backends.new.region", "x"),
    ("ROUTES__IMAGES__FALLBACKS", "aws, caller", "routes.images.fallbacks", ["aws", "caller"]),
    ("ROUTES__IMAGES__FALLBACKS", '["aws"]', "routes.images.fallbacks", ["aws"]),
    ("ROUTES__IMAGES__FALLBACKS", "", "routes.images.fallbacks", []),
    ("ROUTES__IMAGES__BUCKET", "one-bucket", "routes.images.bucket", "one-bucket"),
    ("ROUTES__IMAGES__BUCKET", "one,two", "routes.images.bucket", ["one", "two"]),
    ("ROUTES__IMAGES__BUCKETS", '{ceph-1 = "images"}', "routes.images.buckets.ceph-1", "images"),
    ("ROUTES__IMAGES__BUCKETS__CEPH-1", "images", "routes.images.buckets.ceph-1", "images"),
    ("ROUTES__IMAGES__PREFIX", "true", "routes.images.prefix", "true"),
    ("DEFAULT__BACKEND", "ceph-1", "default.backend", "ceph-1"),
]


def at(configuration, path):
    value = configuration
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


@pytest.mark.parametrize(("variable", "text", "path", "value"), OVERLAYS)
def test_overlay(variable, text, path, value):
    before = copy.deepcopy(GOOD)
    configuration = load(GOOD, {f"FOODCO_STORAGE__{variable}": text})
    assert at(configuration, path) == value
    assert type(at(configuration, path)) is type(value)
    assert before == GOOD, "the caller's mapping was changed"


def test_a_key_wins_over_its_table():
    environ = {
        "FOODCO_STORAGE__BACKENDS__AWS__REGION": "key",
        "FOODCO_STORAGE__BACKENDS": '{"aws": {"region": "table", "profile": "p"}}',
    }
    assert load(None, environ) == Configuration(backends={"aws": Backend(region="key", profile="p")})


OVERLAY_MISTAKES = [
    ("BACKENDS__AWS__MAX_ATTEMPTS", "abc", "backends.aws.max_attempts expected `int`, got `str`"),
    ("BACKENDS__AWS__READ_TIMEOUT_SECONDS", "inf", "backends.aws.read_timeout_seconds expected `float` <= 86400.0"),
    ("BACKENDS__AWS__REGOIN", "x", "backends.aws.regoin: unknown key; did you mean 'region'?"),
    ("BACKENDS__AWS__REGION__X", "x", "backends.aws.region is no table"),
    ("BACKENDS__AWS", "x", "backends.aws must be a table, not a string"),
    ("BACKENDS", "[" * 100_000, "backends must be a table, not a string"),
    ("BACKENDS____X", "x", "has an empty name between double underscores"),
    ("", "x", "has an empty name between double underscores"),
    ("ROUTES__IMAGES__PRIMARY", "asw", "routes.images.primary no backend 'asw'; did you mean 'aws'?"),
    (
        "ROUTES__IMAGES__FALLBACKS",
        "aws,zz",
        "routes.images.fallbacks[1] no backend 'zz'; there are: aws, caller, ceph-1",
    ),
    ("BACKENDS__AWS__REGION", "${NO}", "backends.aws.region refers to ${NO}, which is not set in the environment"),
    (
        "ROUTES__IMAGES__COMPRESSION__CODEC",
        "x",
        "routes.images.compression.codec 'x' is none of 'zstd', 'none'",
    ),
]


@pytest.mark.parametrize(("variable", "text", "told"), OVERLAY_MISTAKES, ids=[v for v, _, _ in OVERLAY_MISTAKES])
def test_mistakes_in_the_environment_name_the_variable(variable, text, told):
    assert message(GOOD, {f"FOODCO_STORAGE__{variable}": text}) == f"FOODCO_STORAGE__{variable}: {told}"


def test_references_anywhere(tmp_path):
    file = written(
        tmp_path,
        '[backends.aws]\naccess_key_id = "${ID}"\nsecret_access_key = "${KEY}"\nregion = "${PART}-west-${N}"\n'
        '[routes.i]\nbucket = ["${B}"]\nprimary = "aws"',
    )
    configuration = found(file, {"ID": "id", "KEY": HIDDEN, "PART": "eu", "N": "1", "B": "abc"})
    backend = configuration.backends["aws"]
    assert (revealed(backend.access_key_id), revealed(backend.secret_access_key)) == ("id", HIDDEN)
    assert (backend.region, configuration.routes["i"].bucket) == ("eu-west-1", ["abc"])
    assert message(file, {"ID": "id", "KEY": "k", "PART": "eu", "N": "1"}) == (
        "routes.i.bucket[0]: refers to ${B}, which is not set in the environment"
    )


def test_plaintext_secrets_in_a_file_are_refused_and_not_shown(tmp_path):
    text = f'[backends.aws]\naccess_key_id = "${{ID}}"\nsecret_access_key = "{HIDDEN}"\n'
    file = written(tmp_path, text)
    assert message(file, {"ID": "id"}) == (
        "backends.aws.secret_access_key: stands in the file in plain text; write a reference as in "
        "'${CEPH_SECRET_ACCESS_KEY}', or use profile (allow_plaintext_secrets = true accepts it)"
    )
    half = written(tmp_path, text.replace(HIDDEN, HIDDEN + "${ID}"))
    assert "in plain text" in message(half, {"ID": "id"})
    allowed = written(tmp_path, text + "allow_plaintext_secrets = true")
    assert revealed(found(allowed, {"ID": "id"}).backends["aws"].secret_access_key) == HIDDEN


def test_a_variable_may_accept_plaintext_secrets(tmp_path):
    file = written(tmp_path, f'[backends.aws]\naccess_key_id = "id"\nsecret_access_key = "{HIDDEN}"\n')
    accepts = {"FOODCO_STORAGE__BACKENDS__AWS__ALLOW_PLAINTEXT_SECRETS": "true"}
    assert revealed(found(file, accepts).backends["aws"].secret_access_key) == HIDDEN
    # One that sets the key leaves the other in the file.
    sets = {f"FOODCO_STORAGE__BACKENDS__AWS__{key}": "x" for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    assert message(file, sets).count("in plain text") == 2
    accepting = written(tmp_path, file.read_text() + "allow_plaintext_secrets = true")
    refuses = {"FOODCO_STORAGE__BACKENDS__AWS__ALLOW_PLAINTEXT_SECRETS": "false"}
    assert message(accepting, refuses).count("in plain text") == 2


def test_references_in_objects():
    backend = Backend(access_key_id="${ID}", secret_access_key="${KEY}", region="${REGION}")  # type: ignore[arg-type]
    environ = {"ID": "id", "KEY": "${ID}", "REGION": "eu"}
    resolved = found(Configuration(backends={"a": backend}), environ).backends["a"]
    assert revealed(resolved.access_key_id) == "id"
    assert revealed(resolved.secret_access_key) == "${ID}", "what a variable holds is taken as it is"
    assert resolved.region == "eu"
    assert "x" * 9 not in repr(Backend(access_key_id="${ID}" + "x" * 9))  # type: ignore[arg-type]


def test_names_that_a_variable_cannot_tell_apart():
    source: dict[str, object] = {"backends": {"my-ceph": {}, "my_ceph": {}}}
    assert message(source, {"FOODCO_STORAGE__BACKENDS__MY_CEPH__REGION": "eu"}) == (
        "FOODCO_STORAGE__BACKENDS__MY_CEPH__REGION: may mean backends.my-ceph or backends.my_ceph; rename one"
    )


def test_secrets_do_not_show():
    given_as_text = Backend(access_key_id=HIDDEN, secret_access_key=Secret(HIDDEN), session_token=HIDDEN)  # type: ignore[arg-type]
    configuration = Configuration(backends={"a": given_as_text})
    for thing in (given_as_text, configuration, check(configuration), Secret(HIDDEN), [Secret(HIDDEN)]):
        assert HIDDEN not in repr(thing) + str(thing) + f"{thing}"
    assert check(configuration).backends["a"].session_token == Secret(HIDDEN)


@pytest.mark.parametrize(
    "backend",
    [
        {"secret_access_key": HIDDEN, "profile": "p"},
        {"secret_access_key": [HIDDEN]},
        {"access_key_id": {"x": HIDDEN}},
        {"secret_acess_key": HIDDEN},
        {"endpoint_url": f"https://me:{HIDDEN}@host"},
        {"endpoint_url": f"nonsense-{HIDDEN}"},
        {"session_token": HIDDEN, "anonymous": True},
        {"max_attempts": HIDDEN},
        {"breaker": HIDDEN},
    ],
)
def test_errors_do_not_show_values(backend, tmp_path):
    for source in (
        {"backends": {"a": backend}},
        written(tmp_path, "backends.a = " + toml(backend)),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load(source, {})
        assert HIDDEN not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


def test_errors_can_be_pickled():
    with pytest.raises(ConfigurationError) as caught:
        check({"x": 1})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def toml(value):
    """Enough of TOML for a round trip: JSON's strings, numbers and arrays are TOML's; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def test_objects_and_toml_are_the_same(tmp_path):
    configuration = Configuration(
        backends={
            "aws": Backend(
                region="eu-west-1", profile="p", breaker=Breaker(enabled=False, failures=1, open_seconds=0.5)
            ),
            "ceph": Backend(
                preset="ceph",
                endpoint_url="https://rgw",
                access_key_id=Secret("id"),
                secret_access_key=Secret('"quoted" ü'),
                allow_plaintext_secrets=True,
                verify=False,
                max_attempts=2,
                capabilities=Capabilities(conditional_put=True, checksums=False),
            ),
        },
        routes={"i": Route(bucket=["abc", "d*"], prefix="a/", primary="ceph", fallbacks=["aws"], phase="source")},
        default=Default(backend="aws"),
    )
    document = msgspec.to_builtins(
        configuration, enc_hook=lambda value: value.reveal() if isinstance(value, Secret) else int(value)
    )
    text = "\n".join(f"{name} = {toml(value)}" for name, value in document.items())
    assert tomllib.loads(text) == document
    assert load(written(tmp_path, text), {}) == configuration == load(configuration, {})


KEYS = ["backends", "routes", "default", "cache", *Backend.__struct_fields__, *Route.__struct_fields__, "a", "caller"]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=3)
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["ceph", "aws", "a", "*", "[", "https://x", "https://[x", "${A}", "${", "target", "abc"])
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def table_of(struct):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(struct.__struct_fields__, ANYTHING)) | ANYTHING


DOCUMENTS = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "backends": st.dictionaries(
            st.sampled_from(["a", "b", "ceph"]) | st.text(max_size=3), table_of(Backend), max_size=3
        ),
        "routes": st.dictionaries(st.sampled_from(["a", "b"]) | st.text(max_size=3), table_of(Route), max_size=3),
        "default": table_of(Default),
    },
)
VARIABLES = st.dictionaries(
    st.lists(st.sampled_from([*KEYS, "A", "CEPH", "", "breaker", "X"]), max_size=5).map(
        lambda names: "__".join(["FOODCO_STORAGE", *names])
    ),
    st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["1", "inf", "nan", "[1, [2]]", '{"a": {}}', "{a = 1}", "x,y"]),
    max_size=3,
)


# An explicit path is a string or a path: those are tested above. None here would look for this machine's files.
@settings(max_examples=600, deadline=None)
@given(DOCUMENTS.filter(lambda document: document is not None and not isinstance(document, str)), VARIABLES)
def test_any_document_loads_or_is_a_configuration_error(document, environ):
    try:
        configuration = load(document, environ)
    except ConfigurationError as error:
        problems = error.problems
    else:
        assert configuration is not None
        assert check(configuration) == configuration
        return
    assert problems
    assert all(len(str(problem).splitlines()) <= 1 for problem in problems)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file_loads_or_is_a_configuration_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    try:
        load(file, {})
    except ConfigurationError as error:
        problems = error.problems
    else:
        return
    assert problems


def test_a_name_with_a_line_break_does_not_break_the_line():
    document = {"backends": {"\r": {}}, "routes": {"a": {"bucket": "abc", "primary": ""}}}
    assert message(document).splitlines() == [
        """backends."\\r": a name is made of letters, digits, '-' and '_'""",
        """routes.a.primary: no backend ''; there are: "\\r", caller""",
    ]


def test_a_list_without_its_unreadable_items_is_not_told_as_empty():
    document = {"routes": {"a": {"bucket": [1], "primary": "caller"}}}
    assert message(document) == "routes.a.bucket[0]: expected `str`, got `int`"


def test_a_document_that_holds_itself():
    document: dict[str, object] = {}
    document["backends"] = document
    assert "nested too deeply" in message(document)
