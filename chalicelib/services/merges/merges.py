"""Merges of two faces that are one person: suggested, made, finished, and undone while they are remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.chores import Chore
from chalicelib.core.lazy import lazy
from chalicelib.core.merges import Duplicate
from chalicelib.core.model import Face
from chalicelib.core.ports import Clock, ItemStore
from chalicelib.services.commit import GalleryWriter
from chalicelib.services.faces import Faces
from chalicelib.services.groups import Groups
from chalicelib.services.idempotency import Requests
from chalicelib.services.models import TenantVision
from chalicelib.services.portraits import Portraits
from chalicelib.services.statistics.statistics import Statistics
from chalicelib.services.visits import FaceVisitsStore
from chalicelib.services.webhooks import Webhooks

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


@dataclass
class Merges:
    items: ItemStore
    groups: Groups
    faces: Faces
    portraits: Portraits
    face_visits: FaceVisitsStore
    statistics: Statistics
    webhooks: Webhooks
    tenant_vision: TenantVision
    writer: GalleryWriter
    requests: Requests
    clock: Clock

    @lazy
    def records(self) -> MergeRecords:
        from chalicelib.services.merges.records import MergeRecords

        return MergeRecords(self.items)

    @lazy
    def duplicates(self) -> Duplicates:
        from chalicelib.services.merges.records import Duplicates

        return Duplicates(self.items, self.faces, self.requests, self.clock)

    @lazy
    def observations(self) -> FaceObservations:
        from chalicelib.services.merges.observations import FaceObservations

        return FaceObservations(self.items, self.statistics)

    @lazy
    def mover(self) -> ObservationMover:
        from chalicelib.services.merges.observations import ObservationMover

        return ObservationMover(self.items, self.face_visits, self.statistics)

    @lazy
    def merging(self) -> Merging:
        from chalicelib.services.merges.merging import Merging

        return Merging(
            self.items,
            self.face_visits,
            self.writer,
            self.mover,
            portraits=self.portraits,
            requests=self.requests,
            outbox=self.webhooks.outbox,
            clock=self.clock,
        )

    @lazy
    def undoing(self) -> MergeUndo:
        from chalicelib.services.merges.undo import MergeUndo

        return MergeUndo(
            self.items,
            self.groups,
            self.face_visits,
            self.statistics,
            writer=self.writer,
            mover=self.mover,
            tenant_vision=self.tenant_vision,
            portraits=self.portraits,
            requests=self.requests,
            clock=self.clock,
        )

    @lazy
    def upkeep(self) -> MergeChores:
        from chalicelib.services.merges.observations import MergeChores

        return MergeChores(self.items, self.mover, self.portraits, self.clock)

    def chores(self) -> tuple[Chore, ...]:
        return (
            Chore("merges", lambda one: self.upkeep.tenant(one.tenant)),
            Chore("duplicates", lambda one: self.duplicates.tidy(one.tenant), nightly=True),
        )
