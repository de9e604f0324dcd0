from __future__ import annotations

from typing import Any

import pytest

from foodco_storage.config import Backend, Configuration, Route, Secret
from foodco_storage.doctor import Finding, examine


class Doctor:
    """Examines a configuration, and makes sure that no finding holds a secret and that every error comes with advice."""

    def __call__(self, source: Any, *, advised: bool = True, **options: Any) -> list[Finding]:
        findings = list(examine(source, **options))
        backends = source.backends.values() if isinstance(source, Configuration) else ()
        secrets = [one.secret_access_key.reveal() for one in backends if one.secret_access_key is not None]
        assert not [finding for finding in findings if any(secret in str(finding) for secret in secrets)]
        assert not advised or all(finding.advice for finding in findings if finding.level == "error")
        return findings

    @staticmethod
    def backend(server: Any, preset: Any = "s3", **settings: Any) -> Backend:
        verify = None if server.verify is True else server.verify
        keys = {"access_key_id": Secret(server.access_key_id), "secret_access_key": Secret(server.secret_access_key)}
        return Backend(**{"preset": preset, "endpoint_url": server.endpoint_url, "verify": verify, **keys, **settings})

    @staticmethod
    def configuration(bucket: str, **backends: Backend) -> Configuration:
        """A route with the first backend as its primary and the others as fallbacks."""
        primary, *fallbacks = backends
        route = Route(bucket=bucket, primary=primary, fallbacks=fallbacks)
        return Configuration(backends=backends, routes={"r": route})


@pytest.fixture
def doctor() -> Doctor:
    return Doctor()
