"""Merges of two faces that are one person: suggested, made, finished, and undone while they are remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.chores import Chore
from chalicelib.core.merges import Duplicate
from chalicelib.core.model import Face
from chalicelib.services.rooms import Made, UseCase

if TYPE_CHECKING:
    from chalicelib.services.merges.merging import Merging
    from chalicelib.services.merges.observations import FaceObservations, MergeChores, ObservationMover
    from chalicelib.services.merges.records import Duplicates, MergeRecords
    from chalicelib.services.merges.undo import MergeUndo

MAX_MERGES = 20
"""The most merges that a face may come from and that can be undone, including those of the faces merged into it."""


@dataclass(frozen=True)
class Suggestion:
    """A pair of faces that may be one person: the lower id first."""

    duplicate: Duplicate
    faces: tuple[Face, Face]


class Merges(UseCase):
    records: Made[MergeRecords] = Made("merges.records.MergeRecords")

    duplicates: Made[Duplicates] = Made("merges.records.Duplicates")

    observations: Made[FaceObservations] = Made("merges.observations.FaceObservations")

    mover: Made[ObservationMover] = Made("merges.observations.ObservationMover")
    merging: Made[Merging] = Made("merges.merging.Merging")
    undoing: Made[MergeUndo] = Made("merges.undo.MergeUndo")
    upkeep: Made[MergeChores] = Made("merges.observations.MergeChores")

    def chores(self) -> tuple[Chore, ...]:
        return (
            Chore("merges", lambda one: self.upkeep.tenant(one.tenant)),
            Chore("duplicates", lambda one: self.duplicates.tidy(one.tenant), nightly=True),
        )
