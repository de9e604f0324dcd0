"""Errors are those that a file system has, with the path, and boto3's behind them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from foodco_storage.errors import CircuitOpenError, ConfigurationError
from foodco_storage.filesystem import FoodcoFileSystem
from foodco_storage.filesystem.failures import as_os_error
from foodco_storage.testing import Answer, FaultProxy, MotoStore


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


@pytest.mark.parametrize(
    ("code", "status", "kind", "number"),
    [
        ("NoSuchKey", 404, FileNotFoundError, errno.ENOENT),
        ("NoSuchBucket", 404, FileNotFoundError, errno.ENOENT),
        ("404", 404, FileNotFoundError, errno.ENOENT),
        ("AccessDenied", 403, PermissionError, errno.EACCES),
        ("SignatureDoesNotMatch", 403, PermissionError, errno.EACCES),
        ("SomethingNew", 403, PermissionError, errno.EACCES),
        ("BucketAlreadyExists", 409, FileExistsError, errno.EEXIST),
        ("BucketNotEmpty", 409, OSError, errno.ENOTEMPTY),
        ("MethodNotAllowed", 405, PermissionError, errno.EPERM),
        ("KeyTooLongError", 400, OSError, errno.ENAMETOOLONG),
        ("SlowDown", 503, OSError, errno.EBUSY),
        ("InternalError", 500, OSError, errno.EREMOTEIO),
        ("Unheard", 502, OSError, errno.EREMOTEIO),
        ("Unheard", 400, OSError, errno.EINVAL),
        ("Unheard", 0, OSError, errno.EIO),
        ("RequestTimeout", 400, TimeoutError, errno.ETIMEDOUT),
    ],
)
def test_codes_of_s3(code: str, status: int, kind: type[OSError], number: int) -> None:
    error = as_os_error(client_error(code, status), "bucket/key")
    assert type(error) is kind
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror, error.filename) == (number, "told", "bucket/key")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), PermissionError),
        (EndpointConnectionError(endpoint_url="http://x"), ConnectionError),
        (ReadTimeoutError(endpoint_url="http://x"), TimeoutError),
        (ConnectTimeoutError(endpoint_url="http://x"), TimeoutError),
        (ParamValidationError(report="no"), ValueError),
        (KeyError("ours"), KeyError),
    ],
)
def test_what_never_reached_s3(error: Exception, kind: type[Exception]) -> None:
    assert isinstance(as_os_error(error, "bucket/key"), kind)


@pytest.fixture
def fs(moto_store: MotoStore) -> Iterator[FoodcoFileSystem]:
    server = moto_store.server
    fs = FoodcoFileSystem(
        endpoint_url=server.endpoint_url,
        key=server.access_key_id,
        secret=server.secret_access_key,
        skip_instance_cache=True,
    )
    yield fs
    fs.s3.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda fs, path: fs.open(path),
        lambda fs, path: fs.cat_file(path),
        lambda fs, path: fs.info(path),
        lambda fs, path: fs.ls(path),
        lambda fs, path: fs.cp_file(path, path + "2"),
        lambda fs, path: fs.get_file(path, "/tmp/never"),
        lambda fs, path: fs.metadata(path),
        lambda fs, path: fs.modified(path),
    ],
)
def test_a_missing_path_is_named(fs: FoodcoFileSystem, bucket_name: str, ask: Any) -> None:
    fs.mkdir(bucket_name)
    for path in (f"{bucket_name}/missing", f"{bucket_name}-missing/key"):
        with pytest.raises(FileNotFoundError) as caught:
            ask(fs, path)
        assert caught.value.filename == path
        assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fs, path: fs.open(path),
        lambda fs, path: fs.open(path, "wb"),
        lambda fs, path: fs.cat_file(path),
        lambda fs, path: fs.pipe_file(path, b""),
        lambda fs, path: fs.rm_file(path),
        lambda fs, path: fs.touch(path),
    ],
)
def test_a_bucket_is_no_file(fs: FoodcoFileSystem, bucket_name: str, ask: Any) -> None:
    for path in (bucket_name, ""):
        with pytest.raises(IsADirectoryError) as caught:
            ask(fs, path)
        assert caught.value.filename == path


class TestOutages:
    """Nothing that could not be asked is taken for missing."""

    ASK = (
        lambda fs, path: fs.exists(path),
        lambda fs, path: fs.isfile(path),
        lambda fs, path: fs.isdir(path),
        lambda fs, path: fs.find(path),
        lambda fs, path: fs.ls(path),
        lambda fs, path: fs.cat(path),
        lambda fs, path: fs.exists("some-bucket"),
    )

    @pytest.fixture(scope="class")
    @classmethod
    def behind(cls, moto_store: MotoStore) -> Iterator[tuple[FoodcoFileSystem, FaultProxy]]:
        server = moto_store.server
        with FaultProxy(server.host, server.port) as proxy:
            fs = FoodcoFileSystem(
                endpoint_url=proxy.endpoint_url,
                key=server.access_key_id,
                secret=server.secret_access_key,
                config_kwargs={"retries": {"total_max_attempts": 1}},
                skip_instance_cache=True,
            )
            yield fs, proxy
            fs.s3.close()

    @pytest.mark.parametrize("ask", ASK)
    @pytest.mark.parametrize(("status", "kind"), [(503, OSError), (403, PermissionError)])
    def test_answers(self, behind: Any, ask: Any, status: int, kind: type[OSError]) -> None:
        fs, proxy = behind
        proxy.inject(Answer(status=status))
        with pytest.raises(kind):
            ask(fs, "some-bucket/key")
        proxy.pass_through()

    @pytest.mark.parametrize("ask", ASK)
    def test_nobody_there(self, behind: Any, ask: Any) -> None:
        fs, proxy = behind
        proxy.refuse()
        with pytest.raises(ConnectionError):
            ask(fs, "some-bucket/key")
        proxy.pass_through()


def test_a_configuration_with_mistakes_is_told_as_it_is() -> None:
    fs = FoodcoFileSystem(storage={"backends": {"one": {"preset": "nonsense"}}}, skip_instance_cache=True)
    with pytest.raises(ConfigurationError, match="preset"):
        fs.ls("bucket")


def test_an_open_circuit_is_a_connection_that_is_not_there() -> None:
    error = CircuitOpenError(endpoint_url="http://x", failures=3, retry_after_seconds=1.0)
    assert isinstance(as_os_error(error, "bucket/key"), ConnectionError)
