"""The changes that enrol the faces of a picture: gathered face by face, committed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.errors import GroupFull
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Labels
from chalicelib.core.observations import Observation, ObservationKind, observed_estimates
from chalicelib.core.pictures import Box, Estimates
from chalicelib.core.ports import Action, Put, absent
from chalicelib.core.records.faces import face_item, group_item
from chalicelib.core.templates import compared
from chalicelib.services.commit.gallery import Change, edited, limited_groups
from chalicelib.services.faces.portraits import Portrait
from chalicelib.services.faces.visits import face_put
from chalicelib.services.statistics.recorder import new_id
from chalicelib.services.tenants.accounts import CAPACITY_LEFT, GROUPS_LEFT, name_put


@dataclass(frozen=True)
class EnrolledFace:
    """One face of an enrolment, as stored.

    `box`: its place in the picture, None for a stored face; `known`: it was in the group, or in the picture, before.
    """

    face: Face
    group: Group
    box: Box | None
    known: bool
    estimates: Estimates

    def observation(self, now: datetime, labels: Labels) -> Observation:
        return Observation(
            at=now,
            id=new_id(),
            faceid=self.face.faceid,
            group_name=self.group.name,
            labels=labels,
            kind=ObservationKind.ENROLMENT,
            box=self.box,
            estimates=observed_estimates(self.face, self.estimates),
        )


@dataclass
class EnrolmentPlan:
    """The changes of one enrolment, valid while the gallery is at `seq`. `makes_group`: the group is created too."""

    tenant: str
    group: Group
    makes_group: bool
    seq: int
    enrolled: list[EnrolledFace] = field(default_factory=list)
    replaced_pictures: list[str] = field(default_factory=list)
    _actions: list[Action] = field(default_factory=list)
    _journal: list[JournalEntry] = field(default_factory=list)
    _gained: int = 0

    def find(self, faceid: str) -> Face | None:
        """Find the face with that id, as planned so far."""
        return next((one.face for one in self.enrolled if one.face.faceid == faceid), None)

    def add(self, face: Face, portrait: Portrait) -> None:
        """Add a face that is not in the group yet."""
        self._actions.append(Put(keys.FACES, face_item(self.tenant, face), (absent("face-free"),)))
        self._journal.append(JournalEntry(Edit.PUT, face.faceid, self.group.id, compared(face.templates)))
        self._gained += 1
        self._answer(face, portrait, known=False)

    def refresh(self, old: Face, face: Face, portrait: Portrait) -> None:
        """Change a face of the group from `old` to `face`."""
        self._actions.append(face_put(self.tenant, old, face))
        self.replaced_pictures += [key for key in old.picture_keys if key not in face.picture_keys]
        self._journal += edited(old, face)
        self._answer(face, portrait, known=True)

    def repeat(self, face: Face, portrait: Portrait) -> None:
        """Report a face once more, since the picture shows it twice."""
        self._answer(face, portrait, known=True)

    def observations(self, now: datetime, labels: Labels) -> list[Observation]:
        """Return one observation for each face of the picture, known or new, with the labels of the call."""
        return [one.observation(now, labels) for one in self.enrolled]

    def change(self, now: datetime, observed: Sequence[Action]) -> Change:
        """Return the change to commit. `observed`: the actions that record the observations.

        Raises GroupFull if the new group would be too small.
        """
        actions = (*self._actions, *observed)
        if not self.makes_group:
            counts = {self.group.id: self._gained}
            return Change(actions, tuple(self._journal), counts, limited_groups(self.group), based_on=self.seq)
        capacity = self.group.capacity
        if capacity is not None and self._gained > capacity:
            raise GroupFull(f"{self._gained} faces do not fit: a new group would have room for {capacity}")
        return Change(
            (*actions, name_put(self.tenant, self.group)),
            tuple(self._journal),
            new_group=group_item(self.tenant, replace(self.group, count=self._gained), now),
            tenant={GROUPS_LEFT: -1, CAPACITY_LEFT: -(capacity or 0)},
            based_on=self.seq,
        )

    def _answer(self, face: Face, portrait: Portrait, *, known: bool) -> None:
        self.enrolled.append(EnrolledFace(face, self.group, portrait.box, known, portrait.estimates))
