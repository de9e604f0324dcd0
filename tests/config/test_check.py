"""Every mistake is told with its path and what to do; all of them at once; and no secret is ever told."""

from __future__ import annotations

import copy
import pickle
from types import MappingProxyType
from typing import Any

import pytest

from foodco_storage.config import Backend, Breaker, Capabilities, Configuration, Default, Route, Secret, check
from foodco_storage.errors import ConfigurationError

HIDDEN = "hunter2-hunter2"


def problems(source: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        check(source)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def backend(**keys: Any) -> dict[str, Any]:
    return {"backends": {"b": keys}}


def route(**keys: Any) -> dict[str, Any]:
    backends = {name: {"endpoint_url": f"https://{name}.example.internal"} for name in ("new", "old")}
    return {"backends": backends, "routes": {"r": {"bucket": "images", "primary": "new", **keys}}}


URL = "must be a URL as in 'https://rgw.example.internal:8443'"
NAME = "a name is made of letters, digits, '-' and '_'"
BACKEND_KEYS = ", ".join(sorted(Backend.__struct_fields__))
ROUTE_KEYS = ", ".join(sorted(Route.__struct_fields__))
RESERVED = "must end with '/', and not begin with it, as in '.foodco-storage/'"
SEVERAL = "would put several buckets into one; give each bucket a route of its own"


def later(phase: str) -> str:
    return f"{phase!r} is not available in this version of foodco_storage; leave phase out to read through from the fallbacks, or use 'source' or 'target'"


def not_yet(feature: str) -> str:
    return f"{feature}: not available in this version of foodco_storage; leave the table out"


MISTAKES: list[tuple[str, Any, str, str]] = [
    # Keys and tables
    ("unknown table", {"backend": {}}, "backend", "unknown key; did you mean 'backends'?"),
    ("nothing like it", {"zzz": {}}, "zzz", "unknown key; there are: backends, default, routes"),
    ("empty key", {"": 1}, "", "unknown key; there are: backends, default, routes"),
    ("key that is no string", {1: {}}, "1", "unknown key; there are: backends, default, routes"),
    ("unknown key", backend(regoin="x"), "backends.b.regoin", "unknown key; did you mean 'region'?"),
    ("unknown, listed", backend(x=1), "backends.b.x", f"unknown key; there are: {BACKEND_KEYS}"),
    ("unknown in a route", route(x=1), "routes.r.x", f"unknown key; there are: {ROUTE_KEYS}"),
    ("unknown in the breaker", backend(breaker={"failure": 1}), "backends.b.breaker.failure", "unknown key; did you mean 'failures'?"),
    ("unknown capability", backend(capabilities={"part_numbers": True}), "backends.b.capabilities.part_numbers", "unknown key; did you mean 'part_number'?"),
    ("unknown in default", {"default": {"backends": "b"}}, "default.backends", "unknown key; did you mean 'backend'?"),
    ("no document", [], "", "must be a table, not a list"),
    ("no table of backends", {"backends": []}, "backends", "must be a table, not a list"),
    ("backends are null", {"backends": None}, "backends", "must be a table, not a NoneType"),
    ("no table", {"backends": {"b": "https://rgw"}}, "backends.b", "must be a table, not a str"),
    ("no table of routes", {"routes": 1}, "routes", "must be a table, not a int"),
    ("a route is no table", {"routes": {"r": 1}}, "routes.r", "must be a table, not a int"),
    ("default is no table", {"default": "b"}, "default", "must be a table, not a str"),
    ("default is null", {"default": None}, "default", "must be a table, not a NoneType"),
    ("breaker is no table", backend(breaker=False), "backends.b.breaker", "must be a table, not a bool"),
    ("buckets are no table", route(buckets="x"), "routes.r.buckets", "must be a table, not a str"),
    # Types
    ("string", backend(region=1), "backends.b.region", "expected `str`, got `int`"),
    ("bytes", backend(region=b"eu"), "backends.b.region", "expected `str`, got `bytes`"),
    ("anything", backend(region=object()), "backends.b.region", "expected `str`, got `object`"),
    ("bool", backend(anonymous=1), "backends.b.anonymous", "expected `bool`, got `int`"),
    ("null where nothing is optional", backend(anonymous=None), "backends.b.anonymous", "expected `bool`, got `null`"),
    ("bool or path", backend(verify=1), "backends.b.verify", "expected `bool | str`, got `int`"),
    ("int", backend(max_attempts="3"), "backends.b.max_attempts", "expected `int`, got `str`"),
    ("int, not bool", backend(max_attempts=True), "backends.b.max_attempts", "expected `int`, got `bool`"),
    ("int, not float", backend(max_attempts=1.5), "backends.b.max_attempts", "expected `int`, got `float`"),
    ("at least one", backend(max_attempts=0), "backends.b.max_attempts", "expected `int` >= 1"),
    ("float", backend(read_timeout_seconds="3"), "backends.b.read_timeout_seconds", "expected `float`, got `str`"),
    ("no time", backend(read_timeout_seconds=0), "backends.b.read_timeout_seconds", "expected `float` > 0.0"),
    ("not a number", backend(connect_timeout_seconds=float("nan")), "backends.b.connect_timeout_seconds", "expected `float` > 0.0"),
    ("for ever", backend(connect_timeout_seconds=float("inf")), "backends.b.connect_timeout_seconds", "expected `float` <= 31536000.0"),
    ("beyond floats", backend(connect_timeout_seconds=10**400), "backends.b.connect_timeout_seconds", "number out of range"),
    ("breaker's count", backend(breaker={"failures": 0}), "backends.b.breaker.failures", "expected `int` >= 1"),
    ("breaker's time", backend(breaker={"open_seconds": -1}), "backends.b.breaker.open_seconds", "expected `float` > 0.0"),
    ("capability", backend(capabilities={"checksums": "yes"}), "backends.b.capabilities.checksums", "expected `bool`, got `str`"),
    ("choice, close", backend(preset="cehp"), "backends.b.preset", "'cehp' is none of 'aws', 'ceph', 's3'; did you mean 'ceph'?"),
    ("choice, far", backend(retry_mode="x"), "backends.b.retry_mode", "'x' is none of 'legacy', 'standard', 'adaptive'"),
    ("choice of addresses", backend(addressing_style="paths"), "backends.b.addressing_style", "'paths' is none of 'auto', 'path', 'virtual'; did you mean 'path'?"),
    ("choice of checksums", backend(request_checksum_calculation="x"), "backends.b.request_checksum_calculation", "'x' is none of 'when_supported', 'when_required'"),
    ("choice that is no string", backend(preset=1), "backends.b.preset", "expected `str`, got `int`"),
    ("phase", route(phase="targte"), "routes.r.phase", "'targte' is none of 'source', 'backfill', 'cutover', 'drain', 'target'; did you mean 'target'?"),
    ("presign", route(presign="x"), "routes.r.presign", "'x' is none of 'authority', 'holder'"),
    ("list", route(fallbacks="old"), "routes.r.fallbacks", "expected `array`, got `str`"),
    ("list is null", route(fallbacks=None), "routes.r.fallbacks", "expected `array`, got `null`"),
    ("in a list", route(fallbacks=["old", 1]), "routes.r.fallbacks[1]", "expected `str`, got `int`"),
    ("in the buckets", route(bucket=[1]), "routes.r.bucket[0]", "expected `str`, got `int`"),
    ("name or list", route(bucket={}), "routes.r.bucket", "expected `str | array`, got `object`"),
    ("in a table of names", route(buckets={"new": 1}), "routes.r.buckets.new", "expected `str`, got `int`"),
    ("name that is no string", route(buckets={1: "x"}), "routes.r.buckets.1", "a name must be a string, not a int"),
    ("backend's name is no string", {"backends": {1: {}}}, "backends.1", "a name must be a string, not a int"),
    # Backends
    ("name", {"backends": {"my ceph": {}}}, "backends.my ceph", NAME),
    ("empty name", {"backends": {"": {}}}, "backends.", NAME),
    ("name with a dot", {"routes": {"a.b": {"bucket": "x", "primary": "caller"}}}, "routes.a.b", NAME),
    ("name that is not ASCII", {"backends": {"céph": {}}}, "backends.céph", NAME),
    ("caller", {"backends": {"caller": {}}}, "backends.caller", "'caller' is reserved for the caller's own arguments; choose another name"),
    ("ceph where", backend(preset="ceph"), "backends.b.endpoint_url", "is missing: preset 'ceph' needs the store's URL"),
    ("s3 where", backend(preset="s3"), "backends.b.endpoint_url", "is missing: preset 's3' needs the store's URL"),
    *[
        (f"URL {url!r}", backend(endpoint_url=url), "backends.b.endpoint_url", URL)
        for url in ("", "rgw.example.internal", "ftp://rgw", "https://", "https://[::1", "https://rgw:0", "https://rgw:99999", "https://rgw:port", "https://\u2100")
    ],
    ("password in the URL", backend(endpoint_url="https://me:pass@rgw"), "backends.b.endpoint_url", "must not hold a user or a password; use access_key_id and secret_access_key"),
    ("query in the URL", backend(endpoint_url="https://rgw/?x=1"), "backends.b.endpoint_url", "must not hold a query or a fragment"),
    ("half a pair", backend(access_key_id="A"), "backends.b.secret_access_key", "is missing: a key pair needs both"),
    ("other half", backend(secret_access_key=HIDDEN), "backends.b.access_key_id", "is missing: a key pair needs both"),
    ("lone token", backend(session_token=HIDDEN), "backends.b.session_token", "needs access_key_id and secret_access_key beside it"),
    ("keys and profile", backend(access_key_id="A", secret_access_key=HIDDEN, profile="p"), "backends.b.profile", "stands beside keys; keep one of the two"),
    ("anonymous with keys", backend(access_key_id="A", secret_access_key=HIDDEN, anonymous=True), "backends.b.anonymous", "stands beside credentials; keep one of the two"),
    ("anonymous with a profile", backend(profile="p", anonymous=True), "backends.b.anonymous", "stands beside credentials; keep one of the two"),
    ("empty CA bundle", backend(verify=""), "backends.b.verify", "is empty; name a CA bundle, or leave it out"),
    ("secret's type", backend(access_key_id="A", secret_access_key=[HIDDEN]), "backends.b.secret_access_key", "expected `str`"),
    ("secret as a table", backend(access_key_id={HIDDEN: HIDDEN}, secret_access_key="S"), "backends.b.access_key_id", "expected `str`"),
    # Routes
    ("default", {"default": {"backend": "b"}}, "default.backend", "no backend 'b'; there are: caller"),
    ("primary", route(primary="nwe"), "routes.r.primary", "no backend 'nwe'; did you mean 'new'?"),
    ("fallback", route(fallbacks=["old", "zzz"]), "routes.r.fallbacks[1]", "no backend 'zzz'; there are: caller, new, old"),
    ("fallback is primary", route(fallbacks=["new"]), "routes.r.fallbacks[0]", "'new' is the primary already"),
    ("fallback twice", route(fallbacks=["old", "old"]), "routes.r.fallbacks[1]", "'old' stands there twice"),
    ("no bucket", {"routes": {"r": {"primary": "caller"}}}, "routes.r.bucket", "is missing, and has no default"),
    ("no primary", {"routes": {"r": {"bucket": "x"}}}, "routes.r.primary", "is missing, and has no default"),
    ("no buckets", route(bucket=[]), "routes.r.bucket", "is empty; name a bucket, or '*' for all"),
    ("empty bucket", route(bucket=""), "routes.r.bucket", "'' can't be the name of a bucket"),
    ("no bucket's name", route(bucket="a/b"), "routes.r.bucket", "'a/b' can't be the name of a bucket"),
    ("too long", route(bucket="x" * 256), "routes.r.bucket", f"'{'x' * 256}' can't be the name of a bucket"),
    ("bucket of a stranger", route(buckets={"old": "x"}), "routes.r.buckets.old", "'old' has no part in this route; there are: new"),
    ("several into one", route(bucket=["a", "b"], buckets={"new": "x"}), "routes.r.buckets.new", SEVERAL),
    ("pattern into one", route(bucket="img-*", buckets={"new": "x"}), "routes.r.buckets.new", SEVERAL),
    ("pattern of a backend", route(buckets={"new": "x*"}), "routes.r.buckets.new", "'x*' can't be the name of a bucket"),
    *[(f"phase {phase}", route(phase=phase, fallbacks=["old"]), "routes.r.phase", later(phase)) for phase in ("backfill", "cutover", "drain")],
    ("source of what", route(phase="source"), "routes.r.fallbacks", "is empty, but phase 'source' needs the source of the migration"),
    ("empty reserved prefix", route(reserved_prefix=""), "routes.r.reserved_prefix", RESERVED),
    ("reserved file", route(reserved_prefix="x"), "routes.r.reserved_prefix", RESERVED),
    ("rooted", route(reserved_prefix="/x/"), "routes.r.reserved_prefix", RESERVED),
    (
        "same place",
        {
            "backends": {"a": {"endpoint_url": "https://rgw/"}, "b": {"endpoint_url": "https://rgw"}},
            "routes": {"r": {"bucket": "x", "primary": "a", "fallbacks": ["b"]}},
        },
        "routes.r",
        "'a' and 'b' are the same bucket of the same endpoint",
    ),
    (
        "two routes, one bucket",
        {"routes": {"r": {"bucket": "x", "primary": "caller"}, "s": {"bucket": ["y", "x"], "primary": "caller"}}},
        "routes.s.bucket",
        "bucket 'x' belongs to routes.r already",
    ),
    (
        "two routes, one prefix",
        {"routes": {name: {"bucket": "x", "primary": "caller", "prefix": "p/"} for name in "rs"}},
        "routes.s.bucket",
        "bucket 'x' and prefix 'p/' belongs to routes.r already",
    ),
    # Later versions
    ("cache", {"cache": {}}, "cache", not_yet("the local cache")),
    ("journal", {"journal": {}}, "journal", not_yet("the journal of mirrored writes")),
    ("route's cache", route(cache={}), "routes.r.cache", not_yet("the local cache")),
    ("compression", route(compression={}), "routes.r.compression", not_yet("compression")),
    ("mirror", route(mirror={}), "routes.r.mirror", not_yet("mirrored writes")),
    ("promote", route(promote={}), "routes.r.promote", not_yet("on-demand migration")),
]  # fmt: skip


@pytest.mark.parametrize(("source", "path", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake(source: Any, path: str, message: str):
    before = copy.deepcopy(source) if "object" not in message else source
    assert problems(source) == [(path, message)]
    assert source == before


def test_all_mistakes_are_told_at_once():
    source = {
        "backends": {
            "ceph": {"preset": "ceph", "regoin": "x", "breaker": {"failures": 0, "opne_seconds": 1}},
            "aws": {"max_attempts": 0, "verify": ""},
        },
        "routes": {
            "r": {"bucket": "a b", "primary": "cehp", "fallbacks": ["aws", "aws"]},
            "s": {"bucket": "x"},
        },
        "default": {"backend": "nowhere"},
        "cache": {},
    }
    assert sorted(path for path, _ in problems(source)) == [
        "backends.aws.max_attempts",
        "backends.aws.verify",
        "backends.ceph.breaker.failures",
        "backends.ceph.breaker.opne_seconds",
        "backends.ceph.endpoint_url",
        "backends.ceph.regoin",
        "cache",
        "default.backend",
        "routes.r.bucket",
        "routes.r.fallbacks[1]",
        "routes.r.primary",
        "routes.s.primary",
    ]


def test_the_error_is_one_line_per_mistake_and_survives_pickling():
    with pytest.raises(ConfigurationError) as caught:
        check({"backends": {"b": {"preset": "ceph", "region": 1}}})
    error = caught.value
    assert str(error) == (
        "backends.b.region: expected `str`, got `int`\n"
        "backends.b.endpoint_url: is missing: preset 'ceph' needs the store's URL"
    )
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (backend(preset="ceph", endpoint_url=1), "backends.b.endpoint_url"),
        (backend(access_key_id=1, secret_access_key="S"), "backends.b.access_key_id"),
        (route(phase="source", fallbacks="old"), "routes.r.fallbacks"),
        ({**route(), "backends": {"new": 1}}, "backends.new"),
        ({**route(), "backends": {"new": None}}, "backends.new"),
    ],
)
def test_one_mistake_is_told_once(source: Any, path: str):
    assert [where for where, _ in problems(source)] == [path]


GOOD: list[Any] = [
    {},
    Configuration(),
    {"backends": {"aws": {}, "Ceph_2-b": {"preset": "ceph", "endpoint_url": "http://[::1]:7480/rgw"}}},
    backend(profile="p", verify=False, max_attempts=1, read_timeout_seconds=1, capabilities={"checksums": False}),
    backend(access_key_id="A", secret_access_key="S", session_token="T", verify="ca.pem"),
    backend(anonymous=True, region=None),
    route(fallbacks=["old"], phase="source"),
    route(fallbacks=["old", "caller"], phase="target", buckets={"new": "other", "old": "Old_Bucket"}),
    route(phase="target"),
    route(bucket=["a", "b-*", "[a-z]?"], fallbacks=("old",), prefix="x"),
    route(bucket="x" * 255),
    {"routes": {"r": {"bucket": "*", "primary": "caller"}}, "default": {"backend": "caller"}},
    {"routes": {"r": {"bucket": "x", "primary": "caller"}, "s": {"bucket": "x", "prefix": "p/", "primary": "caller"}}},
    # The same endpoint, but another bucket there, or another tenant.
    {
        "backends": {"a": {"endpoint_url": "https://rgw"}, "b": {"endpoint_url": "https://rgw"}},
        "routes": {"r": {"bucket": "x", "primary": "a", "fallbacks": ["b"], "buckets": {"b": "y"}}},
    },
    {
        "backends": {"a": {"endpoint_url": "https://rgw"}, "b": {"endpoint_url": "https://rgw", "profile": "p"}},
        "routes": {"r": {"bucket": "x", "primary": "a", "fallbacks": ["b"]}},
    },
    MappingProxyType({"backends": MappingProxyType({"b": MappingProxyType({"region": "eu"})})}),
]


@pytest.mark.parametrize("source", GOOD, ids=range(len(GOOD)))
def test_no_mistake(source: Any):
    configuration = check(source)
    assert isinstance(configuration, Configuration)
    assert check(configuration) == configuration


def test_objects_and_a_mapping_are_the_same_configuration():
    objects = Configuration(
        backends={
            "aws": Backend(region="eu-west-1", capabilities=Capabilities(checksums=True)),
            "ceph": Backend(
                preset="ceph",
                endpoint_url="https://rgw",
                access_key_id=Secret("A"),
                secret_access_key=Secret("S"),
                breaker=Breaker(failures=3, open_seconds=1.5),
            ),
        },
        routes={"images": Route(bucket=["foodco-images"], primary="ceph", fallbacks=["aws"], buckets={"ceph": "img"})},
        default=Default(backend="aws"),
    )
    mapping = {
        "backends": {
            "aws": {"region": "eu-west-1", "capabilities": {"checksums": True}},
            "ceph": {
                "preset": "ceph",
                "endpoint_url": "https://rgw",
                "access_key_id": "A",
                "secret_access_key": Secret("S"),
                "breaker": {"failures": 3, "open_seconds": 1.5},
            },
        },
        "routes": {
            "images": {
                "bucket": ["foodco-images"],
                "primary": "ceph",
                "fallbacks": ["aws"],
                "buckets": {"ceph": "img"},
            }
        },
        "default": {"backend": "aws"},
    }
    assert check(objects) == check(mapping) == objects
    # Objects within a mapping as well.
    assert (
        check({"backends": objects.backends, "routes": mapping["routes"], "default": Default(backend="aws")}) == objects
    )


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        (Configuration(backends={"b": Backend(preset="cehp")}), "backends.b.preset", "'cehp' is none of 'aws', 'ceph', 's3'; did you mean 'ceph'?"),  # type: ignore[arg-type]
        (Configuration(backends={"b": Backend(region=object())}), "backends.b.region", "expected `str`, got `object`"),  # type: ignore[arg-type]
        (Configuration(backends={"b": Backend(region=b"eu")}), "backends.b.region", "expected `str`, got `bytes`"),  # type: ignore[arg-type]
        (Configuration(backends={"b": Backend(breaker=Breaker(failures=0))}), "backends.b.breaker.failures", "expected `int` >= 1"),
        (Configuration(backends={"b": None}), "backends.b", "must be a table, not a NoneType"),  # type: ignore[dict-item]
        (Configuration(routes={"r": Route(bucket="x", primary="ceph")}), "routes.r.primary", "no backend 'ceph'; there are: caller"),
        (Configuration(default=Default(backend="ceph")), "default.backend", "no backend 'ceph'; there are: caller"),
    ],
)  # fmt: skip
def test_objects_are_checked_like_a_mapping(source: Configuration, path: str, message: str):
    assert problems(source) == [(path, message)]


@pytest.mark.parametrize("value", [HIDDEN, HIDDEN.encode(), [HIDDEN], {HIDDEN: HIDDEN}, Secret(HIDDEN)])
@pytest.mark.parametrize("key", ["access_key_id", "secret_access_key", "session_token"])
def test_no_secret_is_shown(key: str, value: Any):
    unchecked = Backend(**{key: value})
    assert HIDDEN not in repr(unchecked) + str(unchecked) + f"{unchecked}" + repr(
        Configuration(backends={"b": unchecked})
    )

    with pytest.raises(ConfigurationError) as caught:
        check({"backends": {"b": {key: value, "profile": "p", "anonymous": True}}})
    error = caught.value
    assert HIDDEN not in str(error) + repr(error) + repr(error.problems)
    assert error.__cause__ is None
    assert error.__context__ is None

    pair = {"access_key_id": "A", "secret_access_key": "S", key: value}
    if isinstance(value, str | Secret):
        checked = check({"backends": {"b": pair}})
        assert HIDDEN not in repr(checked) + str(checked)
        assert getattr(checked.backends["b"], key).reveal() == HIDDEN
    else:
        assert problems({"backends": {"b": pair}}) == [(f"backends.b.{key}", "expected `str`")]


def test_a_secret():
    secret = Secret("S")
    assert (repr(secret), str(secret), f"{secret}", f"{secret!r:>3}") == ("Secret('***')",) * 4
    assert secret == Secret("S")
    assert secret != Secret("T")
    assert secret != "S"
    assert len({secret, Secret("S"), Secret("T")}) == 2
    assert secret.reveal() == "S"
