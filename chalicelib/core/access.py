"""Keys of a tenant, their roles, and the sessions that stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib.core.model import Tenant

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


class Role(StrEnum):
    VIEWER = "viewer"
    """Reads the book."""
    OPERATOR = "operator"
    """Also enrols, edits, moves, merges, rejects, deletes, searches and reviews."""
    ADMIN = "admin"
    """Also has cameras, hooks, settings, keys and the export."""
    CAMERA = "camera"
    """Uploads one camera's captures; it includes no other role, and none includes it."""

    def includes(self, needed: Role) -> bool:
        """Tell whether a key of this role may do what `needed` may."""
        if Role.CAMERA in (self, needed):
            return self is needed
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
