"""As whom a store is asked, told without asking anybody."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from botocore import UNSIGNED
from botocore.credentials import CachedCredentialFetcher


def principal_of(client: Any) -> str:
    """As whom a client asks its store; to be hashed, never to be shown.

    Who assumes a role is that role in every process and after every refresh of its keys. What can't be told is nobody else's.

    Args:
        client: botocore's.
    """
    credentials = client._request_signer._credentials  # noqa: SLF001 - botocore has no other way
    if credentials is None or client.meta.config.signature_version is UNSIGNED:
        return "anonymous"
    fetcher = getattr(getattr(credentials, "_refresh_using", None), "__self__", None)
    role = getattr(fetcher, "_cache_key", None)
    if isinstance(fetcher, CachedCredentialFetcher) and isinstance(role, str):
        # A digest of the role, and of what it is restricted to: botocore's own name for it in a cache that processes share.
        return f"role {role}"
    # Those that are fetched when they are needed have none yet; asking for it would fetch them now.
    key, secret = (_known(credentials, name) for name in ("access_key", "secret_key"))
    if not isinstance(key, str) or not isinstance(secret, str):
        return f"unknown {secrets.token_hex(16)}"
    # Who knows another's key id alone is not him.
    return f"key {key} {hashlib.blake2b(secret.encode(), digest_size=16).hexdigest()}"


def _known(credentials: Any, name: str) -> Any:
    held = getattr(credentials, "__dict__", {})
    return held.get(name, held.get(f"_{name}"))
