"""The keys by which programs and cameras sign in: made, hashed, let in and shut out.

Storage holds bearer keys as hashes only.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Mapping
from datetime import datetime, timedelta

from chalicelib.domain.effects import SHARED_KEYS, Effect, name_access
from chalicelib.storage import keys
from chalicelib.storage.ports import Delete, Put, absent

FIRST = "first"
"""Id and name of the key that a tenant has from its first day."""

OF_TENANT, OF_CAMERA = "rk_", "ck_"
"""Beginnings of keys, so that a key that is found somewhere shows its kind."""

_SECRET_BYTES = 16
"""Random bytes of a key: 128 bits are not guessed."""
_RANDOM = re.compile(f"[0-9a-f]{{{2 * _SECRET_BYTES}}}")


def new_secret() -> str:
    return secrets.token_hex(_SECRET_BYTES)


_ACCESS_PREFIX = "RK"
_BASE32 = string.ascii_uppercase + "234567"
_ACCESS_CHARACTERS, _SECRET_CHARACTERS = 18, 40


def new_access_key() -> tuple[str, str]:
    """Make a pair for Signature Version 4: an id, `RK` and 18 of A-Z and 2-7, and a secret of 40
    letters and digits."""
    id_ = "".join(secrets.choice(_BASE32) for _ in range(_ACCESS_CHARACTERS))
    letters = string.ascii_letters + string.digits
    return _ACCESS_PREFIX + id_, "".join(secrets.choice(letters) for _ in range(_SECRET_CHARACTERS))


def new_key(prefix: str) -> str:
    """Make a random key that starts with `prefix`: OF_TENANT or OF_CAMERA."""
    return prefix + new_secret()


def is_key(text: str, prefix: str) -> bool:
    """Return whether the text has the form of a key of this kind."""
    return text.startswith(prefix) and _RANDOM.fullmatch(text, len(prefix)) is not None


def digest(secret: str) -> str:
    """Hash a secret. It has 128 random bits, so a plain hash keeps it as safe as a slow one."""
    return hashlib.sha256(secret.encode()).hexdigest()


_USED_EVERY = timedelta(hours=1)
"""How often the time of a key's last use is written at most: each time is a write."""


def hour_to_note(now: datetime, noted_at: datetime | None) -> datetime | None:
    """Return the hour in which a key is used, or None if its last use was noted less than an hour
    before."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour if noted_at is None or hour - noted_at >= _USED_EVERY else None


def let_in(pointer: tuple[str, str], tenant: str, **whose: str) -> Put:
    """Return the write that makes a credential valid; it fails if one of its id exists.

    `pointer` is the credential's kind and id; the id of a bearer key is its hash. `whose` is
    `key=ID` or `camera=ID` for one of the tenant's keys or cameras. Without it the credential is
    the tenant's.
    """
    kind, id_ = pointer
    item = {"kind": kind, "id": id_, "tenant": tenant, **whose}
    if_free = (absent(f"{kind}-free"),)
    gives_access = ((Effect.GIVES_ACCESS, _name_holder(pointer, whose)),)  # for the audit's entry
    return Put(keys.TENANTS, item, if_free, gives_access)


def shut_out(pointer: tuple[str, str], **whose: str) -> Delete:
    """Return the action that makes a credential invalid: the tenant's, or by `key` or `camera` that
    of one of those."""
    return Delete(
        keys.TENANTS, pointer, does=((Effect.TAKES_ACCESS, _name_holder(pointer, whose)),)
    )


def _name_holder(pointer: tuple[str, str], whose: Mapping[str, str]) -> str:
    """Return the access that a credential is of.

    Of the tenant's own, the bearer key is the first of its keys.
    """
    for kind, id_ in whose.items():
        return name_access(kind, id_)
    return name_access("key", FIRST) if pointer[0] == keys.api_key_item("")[0] else SHARED_KEYS
