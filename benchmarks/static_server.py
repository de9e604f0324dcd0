"""nginx that answers as an S3 store would, from files: a server that never is the bottleneck.

It checks no signature and stores nothing: a PUT is read and answered.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from benchmarks.stores import (
    FALLBACK,
    LARGE,
    ON_FALLBACK,
    PRIMARY,
    SMALL,
    Sizes,
    large_body,
    listed_names,
    small_body,
)
from foodco_storage.testing import Server, ServerUnavailable, free_port
from foodco_storage.testing.lifecycle import Started
from foodco_storage.testing.processes import PrivateDirectory, ServerProcess

_CONFIGURATION = Template("""
daemon off;
master_process off;  # one process of the user who started it
error_log stderr;
pid $directory/pid;
events { worker_connections 256; }
http {
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    keepalive_timeout 600;
    client_max_body_size 0;
    client_body_temp_path $directory/bodies;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    scgi_temp_path $directory/scgi;
    uwsgi_temp_path $directory/uwsgi;
    map $$arg_uploadId $$post_answer {
        "" "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
        default "<CompleteMultipartUploadResult><ETag>&quot;$etag-2&quot;</ETag></CompleteMultipartUploadResult>";
    }
    map $$args $$page {
        default "";
        "~(?:^|&)continuation-token=(?<number>[0-9]+)" "-$$number";
    }
    server {
        listen 127.0.0.1:$port;
        root $directory;
        $etags
        add_header x-amz-request-id tx000001-0065f0c0de-1234-default always;
        types {}
        default_type binary/octet-stream;
        location / {
            error_page 404 @no_such_key;
            if ($$request_method = PUT) { return 200; }
            if ($$request_method = POST) { return 200 $$post_answer; }
            if ($$request_method = DELETE) { return 204; }
        }
        location ~ ^/[^/]+/?$$ {
            default_type application/xml;
            rewrite ^ /list$$page.xml break;
        }
        location @no_such_key {
            default_type application/xml;
            return 404 "<Error><Code>NoSuchKey</Code><RequestId>tx000001</RequestId></Error>";
        }
    }
}
""")
_ETAG = "9bb58f26192e4ba00f01e2e7b136bbd8"
_ONE_FOR_ALL = f"""etag off;
        add_header ETag '"{_ETAG}"';"""
_OWN = "etag on;"


class StaticServer(Started):
    """nginx over files, with the names of `benchmarks.stores`.

    Args:
        sizes: of what is stored.
        own_etags: every file has its own, by which nginx answers `If-Match`: with one for all it answers every such request
            with 412.

    Raises:
        ServerUnavailable: on entry, when nginx is missing or doesn't start.
    """

    server: Server
    files: Path
    """A directory of each bucket: a file that is laid there is an object."""

    def __init__(self, sizes: Sizes, *, own_etags: bool = False) -> None:
        self._sizes = sizes
        self._etags = _OWN if own_etags else _ONE_FOR_ALL
        self._directory: PrivateDirectory | None = None
        self._process: ServerProcess | None = None

    @staticmethod
    def missing() -> str | None:
        """What is absent here and how to get it; None when it can be started."""
        if _program() is not None:
            return None
        return "the static server needs nginx: apt-get install --no-install-recommends nginx-light"

    def _start(self) -> None:
        program = _program()
        if program is None:
            raise ServerUnavailable(self.missing())
        self._directory = PrivateDirectory("foodco-nginx-")
        path = self.files = self._directory.path
        self._write_files(path)
        port = free_port()
        configuration = path / "nginx.conf"
        configuration.write_text(_CONFIGURATION.substitute(directory=path, port=port, etag=_ETAG, etags=self._etags))
        self.server = Server(f"http://127.0.0.1:{port}", "testing", "any-secret-will-do")
        self._process = ServerProcess(
            [program, "-e", "stderr", "-p", str(path), "-c", str(configuration)], log_file=path / "nginx.output"
        )
        self._process.wait_for_port(port)

    def _write_files(self, path: Path) -> None:
        small = small_body()
        for bucket in (PRIMARY, FALLBACK):
            (path / bucket).mkdir()
            (path / bucket / SMALL).write_bytes(small)
        (path / PRIMARY / LARGE).write_bytes(large_body(self._sizes))
        (path / FALLBACK / LARGE).hardlink_to(path / PRIMARY / LARGE)
        (path / FALLBACK / ON_FALLBACK).write_bytes(small)
        for name, page in _pages(self._sizes):
            (path / name).write_text(page)

    def close(self) -> None:
        """End it and remove its files. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._directory is not None:
            self._directory.remove()
            self._directory = None


def _program() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def _pages(sizes: Sizes) -> Iterator[tuple[str, str]]:
    """The files of the listing: each names the next one by its continuation token."""
    names = list(listed_names(sizes))
    starts = range(0, len(names), sizes.page_keys)
    for number, start in enumerate(starts):
        following = number + 1 if number + 1 < len(starts) else None
        name = f"list-{number}.xml" if number else "list.xml"
        yield name, _listing(names[start : start + sizes.page_keys], following)


def _listing(names: Sequence[str], following: int | None) -> str:
    contents = "".join(
        f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{_ETAG}&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for name in names
    )
    more = "" if following is None else f"<NextContinuationToken>{following}</NextContinuationToken>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bench</Name><Prefix>list/</Prefix><MaxKeys>1000</MaxKeys><KeyCount>{len(names)}</KeyCount>"
        f"<EncodingType>url</EncodingType><IsTruncated>{'false' if following is None else 'true'}</IsTruncated>"
        f"{more}{contents}</ListBucketResult>"
    )
