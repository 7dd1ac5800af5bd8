"""Merges of two faces, and what undoing them needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.core.model import Face, Negative
from chalicelib.core.visits import Visits


class MergeState(StrEnum):
    MOVING = "moving"
    """The two are one face; observations of the other are still on their way to it."""
    DONE = "done"
    UNDOING = "undoing"
    """The two are two again; observations are still on their way back."""
    UNDONE = "undone"


@dataclass(frozen=True)
class Kept:
    """What undoing a merge needs: the other face whole, and what the survivor was before."""

    face: Face
    visits: Visits
    negatives: tuple[Negative, ...]
    survivor_group_id: str
    survivor_visits: Visits
    pictures: tuple[str, ...]
    """The ids of those of the survivor's that came from the other."""
    given: tuple[str, ...]
    """The sighting ids of those of the survivor's negatives that came from the other."""


@dataclass(frozen=True)
class Merge:
    """`other` was absorbed by `survivor` at a time. `kept` None: it is undone."""

    id: str
    survivor: str
    other: str
    at: datetime
    state: MergeState
    renaming: tuple[int, int] | None
    """The times, in ms, of the survivor's sightings whose group is not what it was; the second is not included."""
    kept: Kept | None

    @property
    def is_active(self) -> bool:
        return self.state in (MergeState.MOVING, MergeState.DONE)

    @property
    def picture_keys(self) -> tuple[str, ...]:
        """The other's, which nobody removes while it can come back."""
        return self.kept.face.picture_keys if self.is_active and self.kept is not None else ()
