"""Two faces that may be one person, and those of which a person said that they are two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.core.model import Decision


@dataclass(frozen=True)
class Duplicate:
    """Two faces. `first` is the lower id, which is the older of two strangers."""

    first: str
    second: str
    at: datetime
    """When they were last compared, or said to be two."""
    decision: Decision | None = None
    """On their score; None: a person said that they are two, before anybody was asked."""
    are_two: bool = False
    """A person said so: they are neither joined nor suggested as long as both exist."""

    @classmethod
    def of(cls, one: str, other: str, at: datetime, decision: Decision | None = None) -> Duplicate:
        """Make the duplicate of two faces, in whatever order they come."""
        return cls(min(one, other), max(one, other), at, decision)
