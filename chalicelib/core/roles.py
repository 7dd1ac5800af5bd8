"""Roles of keys: what a key may do."""

from __future__ import annotations

from enum import StrEnum


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
