"""Profiles of the AWS configuration files, as a backend's configuration names them."""

from __future__ import annotations

from typing import Any

import msgspec

from foodco_storage.config import Backend
from foodco_storage.errors import ConfigurationError, Problem


def with_profile(name: str, backend: Backend) -> Backend:
    """A backend with the endpoint and the region of its profile, where its configuration names none.

    The profile's own: botocore would let AWS_ENDPOINT_URL and AWS_DEFAULT_REGION win, which speak of the caller's store.

    Raises:
        ConfigurationError: there is no such profile.
    """
    if backend.profile is None:
        return backend
    from botocore.configprovider import ConfiguredEndpointProvider  # noqa: PLC0415 - only for backends with a profile

    session = profile_session(name, backend.profile)
    profile = session.get_scoped_config()
    found = {"region": profile.get("region")}
    if str(profile.get("ignore_configured_endpoint_urls")).lower() != "true":
        found["endpoint_url"] = ConfiguredEndpointProvider(session.full_config, profile, "s3", environ={}).provide()
    missing = {key: value for key, value in found.items() if value is not None and getattr(backend, key) is None}
    return msgspec.structs.replace(backend, **missing)


def profile_session(name: str, profile: str) -> Any:
    """The botocore session of a backend's profile.

    Raises:
        ConfigurationError: there is no such profile.
    """
    import botocore.session  # noqa: PLC0415 - only for backends with a profile
    from botocore.exceptions import ProfileNotFound  # noqa: PLC0415

    session = botocore.session.Session(profile=profile)
    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        problem = Problem(f"backends.{name}.profile", f"no profile {profile!r} in the AWS configuration files")
        raise ConfigurationError([problem]) from error
    return session
