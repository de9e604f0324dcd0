"""As whom a store is asked, told without asking anybody."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from botocore import UNSIGNED
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    CachedCredentialFetcher,
)
from botocore.utils import InstanceMetadataFetcher


def principal_of(client: Any) -> str:
    """As whom a client asks its store; to be hashed, never to be shown.

    Who assumes a role is that role in every process and after every refresh of its keys. What can't be told is nobody else's.

    Args:
        client: botocore's.
    """
    if client.meta.config.signature_version is UNSIGNED:
        return "anonymous"
    return _of(client._request_signer._credentials)  # noqa: SLF001 - botocore has no other way


def _of(credentials: Any) -> str:
    if credentials is None:
        return "anonymous"
    fetcher = getattr(getattr(credentials, "_refresh_using", None), "__self__", None)
    if isinstance(fetcher, CachedCredentialFetcher):
        return _of_fetched(fetcher)
    if isinstance(fetcher, InstanceMetadataFetcher):
        return "the role of this machine"
    # Those that are fetched when they are needed have none yet; asking for it would fetch them now.
    key, secret = (_known(credentials, name) for name in ("access_key", "secret_key"))
    if not isinstance(key, str) or not isinstance(secret, str):
        return _unknown()
    # Who knows another's key id alone is not him.
    return f"key {key} {hashlib.blake2b(secret.encode(), digest_size=16).hexdigest()}"


def _of_fetched(fetcher: CachedCredentialFetcher) -> str:
    """A role: what it is restricted to, and who assumes it, since a store may give rights by that."""
    # botocore's own digest of the first, by which it finds the role's keys in a cache that processes share.
    role = getattr(fetcher, "_cache_key", None)
    if not isinstance(role, str):
        return _unknown()
    if isinstance(fetcher, AssumeRoleCredentialFetcher):
        return f"role {role} of {_of(fetcher._source_credentials)}"  # noqa: SLF001
    if isinstance(fetcher, AssumeRoleWithWebIdentityCredentialFetcher):
        token = getattr(fetcher, "_web_identity_token_loader", None)
        path = getattr(token, "_web_identity_token_path", None)
        return f"role {role} of {path}" if isinstance(path, str) else _unknown()
    return f"role {role}"


def _known(credentials: Any, name: str) -> Any:
    held = getattr(credentials, "__dict__", {})
    return held.get(name, held.get(f"_{name}"))


def _unknown() -> str:
    return f"unknown {secrets.token_hex(16)}"
