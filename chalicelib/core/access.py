"""Keys of a tenant, and the sessions that stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from chalicelib.core.model import Tenant
from chalicelib.core.roles import Role

FIRST = "first"
"""Id and name of the key that a tenant has from its first day."""


@dataclass(frozen=True)
class ApiKey:
    """A tenant's key. Its secret is stored as a hash only."""

    id: str
    name: str
    role: Role
    created_at: datetime
    digest: str
    """Hash of the secret: another one after the key was renewed."""
    pictures: bool = True
    """Whether it sees pictures of people."""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the hour."""
    version: int = 1

    @property
    def rules(self) -> bool:
        """True if it is an admin's key that never ends. A tenant always has one, so that it is never locked out."""
        return self.role is Role.ADMIN and self.expires_at is None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class Session(NamedTuple):
    """A sign-in with a key: a cookie stands for the key until `expires_at`, or until the key is renewed or deleted."""

    tenant: Tenant
    key: ApiKey
    expires_at: datetime
