"""Each mistake with its exact message, and all of them at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from foodco_storage.config import Backend, Configuration, Route, Secret, check, load
from foodco_storage.errors import ConfigurationError

CEPH: dict[str, Any] = {"preset": "ceph", "endpoint_url": "https://rgw.example.internal"}
GOOD: dict[str, Any] = {
    "backends": {"aws": {"preset": "aws", "region": "eu-west-1"}, "ceph": CEPH},
    "routes": {"images": {"bucket": "foodco-images", "primary": "ceph", "fallbacks": ["aws"]}},
}


def messages(document, environ=None):
    with pytest.raises(ConfigurationError) as caught:
        load(document, environ or {})
    return str(caught.value).splitlines()


def with_changes(**changes):
    document = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *tables, key = path.split("__")
        table: Any = document
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return document


BACKENDS = [
    ({"region": 5}, "region: expected `str`, got `int`"),
    ({"regoin": "x"}, "regoin: unknown key; did you mean 'region'?"),
    ({"preset": "cehp"}, "preset: 'cehp' is none of 'aws', 'ceph', 's3'; did you mean 'ceph'?"),
    ({"preset": "ceph"}, "endpoint_url: is missing: preset 'ceph' needs the store's URL"),
    ({"preset": "s3"}, "endpoint_url: is missing: preset 's3' needs the store's URL"),
    ({"endpoint_url": "rgw:8080"}, "endpoint_url: must be a URL as in 'https://rgw.example.internal:8443'"),
    ({"endpoint_url": "https://"}, "endpoint_url: must be a URL as in 'https://rgw.example.internal:8443'"),
    ({"endpoint_url": "ftp://x"}, "endpoint_url: must be a URL as in 'https://rgw.example.internal:8443'"),
    ({"endpoint_url": "https://x:99999"}, "endpoint_url: must be a URL as in 'https://rgw.example.internal:8443'"),
    ({"endpoint_url": "https://x\ny"}, "endpoint_url: must be a URL as in 'https://rgw.example.internal:8443'"),
    (
        {"endpoint_url": "https://me:pw@x"},
        "endpoint_url: must not hold a user or a password; use access_key_id and secret_access_key",
    ),
    ({"endpoint_url": "https://x?y=1"}, "endpoint_url: must not hold a query or a fragment"),
    ({"access_key_id": "a"}, "secret_access_key: is missing: a key pair needs both"),
    ({"secret_access_key": "a"}, "access_key_id: is missing: a key pair needs both"),
    ({"session_token": "a"}, "session_token: needs access_key_id and secret_access_key beside it"),
    (
        {"access_key_id": "a", "secret_access_key": "b", "profile": "p"},
        "profile: stands beside keys; keep one of the two",
    ),
    (
        {"access_key_id": "a", "secret_access_key": "b", "anonymous": True},
        "anonymous: stands beside credentials; keep one of the two",
    ),
    ({"profile": "p", "anonymous": True}, "anonymous: stands beside credentials; keep one of the two"),
    ({"region": ""}, "region: is empty; leave it out, or set the variable that it refers to"),
    (
        {"access_key_id": "", "secret_access_key": "b"},
        "access_key_id: is empty; leave it out, or set the variable that it refers to",
    ),
    ({"verify": ""}, "verify: is empty; name a CA bundle, or leave it out"),
    ({"verify": 1}, "verify: expected `bool | str`, got `int`"),
    ({"max_attempts": 0}, "max_attempts: expected `int` >= 1"),
    ({"max_attempts": True}, "max_attempts: expected `int`, got `bool`"),
    ({"connect_timeout_seconds": 0}, "connect_timeout_seconds: expected `float` > 0.0"),
    ({"read_timeout_seconds": float("inf")}, "read_timeout_seconds: expected `float` <= 86400.0"),
    ({"read_timeout_seconds": float("nan")}, "read_timeout_seconds: expected `float` > 0.0"),
    (
        {"retry_mode": "standart"},
        "retry_mode: 'standart' is none of 'adaptive', 'legacy', 'standard'; did you mean 'standard'?",
    ),
    ({"breaker": 3}, "breaker: must be a table, not an integer"),
    ({"breaker": {"failure": 3}}, "breaker.failure: unknown key; did you mean 'failures'?"),
    ({"capabilities": {"checksum": True}}, "capabilities.checksum: unknown key; did you mean 'checksums'?"),
    ({"capabilities": {"checksums": "yes"}}, "capabilities.checksums: expected `bool`, got `str`"),
]


@pytest.mark.parametrize(("backend", "message"), BACKENDS, ids=[message.split(";")[0] for _, message in BACKENDS])
def test_backend(backend, message):
    found = messages({"backends": {"other": backend}})
    # The choices of a Literal are told in the order of its definition, which the table above need not know.
    expected = f"backends.other.{message}".replace(
        "'adaptive', 'legacy', 'standard'", "'legacy', 'standard', 'adaptive'"
    )
    assert found == [expected]


ROUTES = [
    ({"primary": "cepf"}, "primary: no backend 'cepf'; did you mean 'ceph'?"),
    ({"fallbacks": ["asw"]}, "fallbacks[0]: no backend 'asw'; did you mean 'aws'?"),
    ({"fallbacks": ["zzz"]}, "fallbacks[0]: no backend 'zzz'; there are: aws, caller, ceph"),
    ({"fallbacks": ["ceph"]}, "fallbacks[0]: 'ceph' is the primary already"),
    ({"fallbacks": ["aws", "aws"]}, "fallbacks[1]: 'aws' stands there twice"),
    ({"fallbacks": "aws"}, "fallbacks: expected `array`, got `str`"),
    ({"fallbacks": [1]}, "fallbacks[0]: expected `str`, got `int`"),
    ({"buckets": {"cehp": "images"}}, "buckets.cehp: 'cehp' has no part in this route; did you mean 'ceph'?"),
    ({"buckets": {"ceph": "a*b"}}, "buckets.ceph: 'a*b' can't be the name of a bucket"),
    ({"buckets": {"ceph": 1}}, "buckets.ceph: expected `str`, got `int`"),
    (
        {"bucket": "foodco-*", "buckets": {"ceph": "images"}},
        "buckets.ceph: would put several buckets into one; give each bucket a route of its own",
    ),
    (
        {"bucket": ["one", "two"], "buckets": {"ceph": "images"}},
        "buckets.ceph: would put several buckets into one; give each bucket a route of its own",
    ),
    ({"bucket": "ab"}, "bucket: 'ab' can't be the name of a bucket"),
    ({"bucket": "a/b"}, "bucket: 'a/b' can't be the name of a bucket"),
    ({"bucket": "a" * 256}, f"bucket: '{'a' * 256}' can't be the name of a bucket"),
    ({"bucket": ""}, "bucket: '' can't be the name of a bucket"),
    ({"bucket": []}, "bucket: is empty; name a bucket, or '*' for all"),
    ({"bucket": ["one", "one"]}, "bucket[1]: 'one' stands there twice"),
    ({"bucket": ["one", 2]}, "bucket[1]: expected `str`, got `int`"),
    ({"bucket": 5}, "bucket: expected `str | array`, got `int`"),
    ({"phase": "source", "fallbacks": []}, "fallbacks: is empty, but phase 'source' needs the source of the migration"),
    ({"reserved_prefix": "x"}, "reserved_prefix: must end with '/', and not begin with it, as in '.foodco-storage/'"),
    ({"reserved_prefix": ""}, "reserved_prefix: must end with '/', and not begin with it, as in '.foodco-storage/'"),
    (
        {"promote": {"max_object_bytes": "many"}},
        "promote.max_object_bytes: expected a number of bytes or a size such as '64MiB'",
    ),
    ({"promote": {"max_object_bytes": 0}}, "promote.max_object_bytes: expected a size above 0"),
    (
        {"promote": {"max_object_bytes": True}},
        "promote.max_object_bytes: expected a number of bytes or a size such as '64MiB', got bool",
    ),
    ({"mirror": {"mode": "sinc"}}, "mirror.mode: 'sinc' is none of 'sync', 'async', 'off'; did you mean 'sync'?"),
    ({"mirror": {"required": 1}}, "mirror.required: expected `bool`, got `int`"),
    (
        {"control": {"enabled": True, "lease_seconds": 3}},
        "control.lease_seconds: must be at least twice refresh_seconds",
    ),
    (
        {"control": {"enabled": True}, "phase": "cutover"},
        (
            "phase: is the control object's to say while control.enabled is true; leave it out (`foodco-storage phase "
            "init` makes the control object)"
        ),
    ),
    (
        {"control": {"enabled": True}, "fallbacks": []},
        "fallbacks: is empty, but a phase held by the control object needs the source of the migration",
    ),
    ({"cache": {"disk_max_bytes": 0}}, "cache.disk_max_bytes: expected a size above 0"),
    ({"cache": {"ttl_seconds": -1}}, "cache.ttl_seconds: expected `float` >= 0.0"),
    ({"cache": {"max_bytes": "1GiB"}}, "cache.max_bytes: unknown key; did you mean 'disk_max_bytes'?"),
    ({"cache": {"ttl_seconds": 5}}, "cache: keeps nothing: give memory_max_bytes or disk_max_bytes a size"),
    (
        {"cache": {"memory_max_bytes": "1GiB", "block_bytes": 1000}},
        "cache.block_bytes: must be between '4KiB' and '64MiB'",
    ),
    (
        {"cache": {"memory_max_bytes": "1MiB"}},
        "cache.memory_max_bytes: has no room for two blocks; raise it, or lower block_bytes",
    ),
    (
        {"cache": {"disk_max_bytes": "100MB", "max_object_bytes": "1KiB"}},
        "cache.max_object_bytes: is less than block_bytes; raise it, or lower block_bytes",
    ),
    (
        {"cache": {"disk_max_bytes": "100MB", "block_bytes": "64MiB", "max_object_bytes": "1GiB"}},
        "cache.disk_max_bytes: has no room for two blocks; raise it, or lower block_bytes",
    ),
    ({"compression": {"level": 5}}, "compression.codec: is missing; without it the table means nothing"),
    ({"compression": {"codec": "gzip"}}, "compression.codec: 'gzip' is none of 'zstd', 'none'"),
    ({"compression": {"codec": "zstd", "level": 23}}, "compression.level: expected `int` <= 22"),
    ({"compression": {"codec": "zstd", "min_gain": 1}}, "compression.min_gain: expected `float` < 1.0"),
    (
        {"compression": {"codec": "zstd", "frame_bytes": "32MiB"}},
        "compression.frame_bytes: must be between '16KiB' and '16MiB'",
    ),
    (
        {"compression": {"codec": "zstd", "dictionary": "abc"}},
        (
            "compression.dictionary: 'abc' is no id of a dictionary: it has 32 hex digits, and `foodco-storage dictionary "
            "train` prints it"
        ),
    ),
    (
        {"compression": {"codec": "zstd", "exclude_types": ["image/*", "jpeg"]}},
        "compression.exclude_types[1]: 'jpeg' is no content type, such as 'text/*', without parameters",
    ),
    (
        {"compression": {"codec": "zstd", "include_types": ["text/plain; charset=utf-8"]}},
        (
            "compression.include_types[0]: 'text/plain; charset=utf-8' is no content type, such as 'text/*', without "
            "parameters"
        ),
    ),
    (
        {"compression": {"codec": "zstd", "presigned": "encoded", "frame_bytes": "9MiB"}},
        (
            "compression.frame_bytes: must be at most '8MiB' with presigned = 'encoded': readers of zstd encodings need not "
            "take more"
        ),
    ),
    *(
        (
            {"compression": {"codec": "zstd", "dictionary": "0" * 32, **odd}},
            (
                "compression.dictionary: is for objects up to 64KiB: min_bytes must not be above that, and frame_bytes must "
                "be"
            ),
        )
        for odd in ({"min_bytes": "65KiB"}, {"frame_bytes": "64KiB"})
    ),
    *(
        (
            {"phase": phase, "compression": {"codec": "zstd"}},
            (
                f"compression.codec: can't be 'zstd' in phase {phase!r}: clients without the library still read the bucket. "
                "Leave the table out until the cutover; after a way back from it say 'none', which reads what was "
                "compressed meanwhile"
            ),
        )
        for phase in ("source", "backfill")
    ),
    *(
        (
            {"phase": phase, "fallbacks": []},
            f"fallbacks: is empty, but phase {phase!r} needs the source of the migration",
        )
        for phase in ("backfill", "cutover", "drain")
    ),
    (
        {"phase": "cutover", "fallbacks": ["aws", "caller"]},
        "fallbacks: names 2 backends, but phase 'cutover' moves from one source",
    ),
    (
        {"phase": "cutover", "primary": "caller"},
        (
            "primary: 'caller' can't take part in phase 'cutover': its writes are finished by whoever finds them in the "
            "journal, and so need a backend of the configuration"
        ),
    ),
    (
        {"phase": "drain", "fallbacks": ["caller"]},
        (
            "fallbacks[0]: 'caller' can't take part in phase 'drain': its writes are finished by whoever finds them in the "
            "journal, and so need a backend of the configuration"
        ),
    ),
]


@pytest.mark.parametrize(("route", "message"), ROUTES, ids=[message.split(";")[0][:60] for _, message in ROUTES])
def test_route(route, message):
    document = copy.deepcopy(GOOD)
    document["routes"]["images"] |= route
    assert messages(document) == [f"routes.images.{message}"]


DOCUMENTS = [
    (
        with_changes(backends__caller={}),
        "backends.caller: 'caller' is reserved for the caller's own arguments; choose another name",
    ),
    (with_changes(default__backend="cep"), "default.backend: no backend 'cep'; did you mean 'ceph'?"),
    (with_changes(cache={"directory": 7}), "cache.directory: expected `str`, got `int`"),
    *(
        (
            with_changes(cache={"directory": directory}),
            "cache.directory: must be an absolute path, or begin with '~': processes meet there wherever they were started",
        )
        for directory in ("", "cache", "./cache", "/a\0b")
    ),
    (with_changes(journal={"max_entries": 0}), "journal.max_entries: expected `int` >= 1"),
    (with_changes(route={}), "route: unknown key; did you mean 'routes'?"),
    (with_changes(backends=[]), "backends: must be a table, not an array"),
    (with_changes(**{"backends__a b": {}}), "backends.\"a b\": a name is made of letters, digits, '-' and '_'"),
    (with_changes(backends__aws=3), "backends.aws: must be a table, not an integer"),
    (
        with_changes(routes__again=GOOD["routes"]["images"]),
        "routes.again.bucket: bucket 'foodco-images' belongs to routes.images already",
    ),
    (
        with_changes(
            routes__images__prefix="a/", routes__again={"bucket": ["foodco-images"], "prefix": "a/", "primary": "ceph"}
        ),
        "routes.again.bucket: bucket 'foodco-images' and prefix 'a/' belongs to routes.images already",
    ),
    (
        with_changes(
            backends__twin={"endpoint_url": "https://RGW.example.internal:443/"}, routes__images__fallbacks=["twin"]
        ),
        "routes.images.fallbacks[0]: 'twin' is the same bucket of the same store as 'ceph'",
    ),
    (
        with_changes(
            backends__twin=CEPH, routes__images__fallbacks=["twin"], routes__images__buckets={"twin": "foodco-images"}
        ),
        "routes.images.fallbacks[0]: 'twin' is the same bucket of the same store as 'ceph'",
    ),
    (
        with_changes(backends__frankfurt={"region": "eu-central-1"}, routes__images__fallbacks=["aws", "frankfurt"]),
        "routes.images.fallbacks[1]: 'frankfurt' is the same bucket of the same store as 'aws'",
    ),
    (with_changes(routes__bare={"bucket": "other"}), "routes.bare.primary: is missing, and has no default"),
]


@pytest.mark.parametrize(("document", "message"), DOCUMENTS, ids=[message[:60] for _, message in DOCUMENTS])
def test_document(document, message):
    # Names of tables in `with_changes` are split at `__`; a name with a space is one of them.
    document = copy.deepcopy(document)
    assert messages(document) == [message]


FINE = [
    {},
    with_changes(),
    with_changes(routes__images__primary="caller"),
    with_changes(default__backend="caller"),
    with_changes(routes__images__phase="source"),
    with_changes(routes__images__phase="backfill", routes__images__mirror={"mode": "async", "required": True}),
    with_changes(routes__images__phase="cutover", routes__images__promote={"max_object_bytes": "1.5 GiB"}),
    with_changes(routes__images__phase="drain", journal={"directory": "/var/lib/journal", "max_entries": 10}),
    with_changes(routes__images__control={"enabled": True, "lease_seconds": 20}),
    with_changes(routes__images__phase="target", routes__images__fallbacks=[]),
    with_changes(routes__images__bucket="*"),
    with_changes(routes__images__bucket="Under_score.dots"),
    with_changes(routes__more={"bucket": "foodco-images", "prefix": "thumbs/", "primary": "ceph"}),
    with_changes(backends__tenant=CEPH | {"profile": "other"}, routes__images__fallbacks=["tenant"]),
    with_changes(backends__china={"region": "cn-north-1"}, routes__images__fallbacks=["aws", "china"]),
    with_changes(backends__old=CEPH, routes__images__fallbacks=["old"], routes__images__buckets={"old": "images-old"}),
    with_changes(
        backends__aws={"profile": "p"}, backends__two={"profile": "q"}, routes__images__fallbacks=["aws", "two"]
    ),
]


@pytest.mark.parametrize("document", FINE, ids=range(len(FINE)))
def test_no_mistake(document):
    assert isinstance(load(document, {}), Configuration)


def test_all_mistakes_are_told_together():
    document = {
        "bakends": {},
        "backends": {"ceph": {"preset": "ceph", "regoin": "x", "max_attempts": 0}, "aws": {"access_key_id": "a"}},
        "routes": {
            "images": {"bucket": 7, "primary": "cepf", "fallbacks": ["aws", "aws"], "phase": "drain"},
            "empty": {},
        },
        "default": {"backend": "${NOT_SET}"},
    }
    assert sorted(messages(document, {"FOODCO_STORAGE__ROUTES__IMAGES__PREFX": "x"})) == sorted(
        [
            "FOODCO_STORAGE__ROUTES__IMAGES__PREFX: routes.images.prefx: unknown key; did you mean 'prefix'?",
            "bakends: unknown key; did you mean 'backends'?",
            "backends.ceph.regoin: unknown key; did you mean 'region'?",
            "backends.ceph.max_attempts: expected `int` >= 1",
            "backends.ceph.endpoint_url: is missing: preset 'ceph' needs the store's URL",
            "backends.aws.secret_access_key: is missing: a key pair needs both",
            "routes.images.bucket: expected `str | array`, got `int`",
            "routes.images.primary: no backend 'cepf'; did you mean 'ceph'?",
            "routes.images.fallbacks[1]: 'aws' stands there twice",
            "routes.images.fallbacks: names 2 backends, but phase 'drain' moves from one source",
            "routes.empty.bucket: is missing, and has no default",
            "routes.empty.primary: is missing, and has no default",
            "default.backend: refers to ${NOT_SET}, which is not set in the environment",
        ]
    )


def test_objects_go_through_the_same_checks():
    with pytest.raises(ConfigurationError) as caught:
        check(
            Configuration(backends={"ceph": Backend(preset="ceph")}, routes={"i": Route(bucket="abc", primary="cehp")})
        )
    assert str(caught.value).splitlines() == [
        "backends.ceph.endpoint_url: is missing: preset 'ceph' needs the store's URL",
        "routes.i.primary: no backend 'cehp'; did you mean 'ceph'?",
    ]


def test_a_checked_configuration_is_checked_again_to_the_same():
    configuration = Configuration(backends={"a": Backend(access_key_id=Secret("${x}"), secret_access_key=Secret("y"))})
    once = check(configuration)
    assert check(once) == once == load(configuration, {})
