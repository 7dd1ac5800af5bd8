"""Bearer keys: how they are made, hashed and let in. Storage holds hashes only."""

from __future__ import annotations

import hashlib
import re
import secrets

from chalicelib.core import keys
from chalicelib.core.ports import Delete, Put, absent

OF_TENANT, OF_CAMERA = "rk_", "ck_"
"""What keys begin with, so that who finds one knows what it opens."""

_SECRET_BYTES = 16
_RANDOM = re.compile(f"[0-9a-f]{{{2 * _SECRET_BYTES}}}")


def new_secret() -> str:
    return secrets.token_hex(_SECRET_BYTES)


def new_key(mark: str) -> str:
    """`mark`: OF_TENANT or OF_CAMERA."""
    return mark + new_secret()


def is_key(text: str, mark: str) -> bool:
    """Whether a key of this kind may read so."""
    return text.startswith(mark) and _RANDOM.fullmatch(text, len(mark)) is not None


def digest(secret: str) -> str:
    """Secrets are 128 random bits, so a plain hash keeps them as safe as a slow one."""
    return hashlib.sha256(secret.encode()).hexdigest()


def let_in(key: str, tenant: str, camera_id: str | None = None) -> Put:
    """The action from which on the key is good: the tenant's own, or the key of one of its cameras."""
    kind, hashed = keys.api_key_item(digest(key))
    of_camera = {} if camera_id is None else {"camera": camera_id}
    return Put(keys.TENANTS, {"kind": kind, "id": hashed, "tenant": tenant, **of_camera}, (absent("api-key-free"),))


def shut_out(hashed: str) -> Delete:
    """The action from which on the key of this hash is good no more."""
    return Delete(keys.TENANTS, keys.api_key_item(hashed))
