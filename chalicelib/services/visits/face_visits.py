"""Faces that are read together with their visits and groups, and the actions that store changes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.model import REGULAR, STRANGER, Edit, Face, Group, JournalEntry, Tenant
from chalicelib.core.ports import Action, ItemStore, Put, Update, absent, equals
from chalicelib.core.records.faces import face_from, face_item
from chalicelib.core.records.values import moment
from chalicelib.core.records.visits import visits_from, visits_item
from chalicelib.core.visits import Visits
from chalicelib.services.commit.gallery import Change, limited_groups
from chalicelib.services.commit.transaction import write
from chalicelib.services.groups.groups import DefaultGroups, Groups
from chalicelib.services.statistics.recorder import ChangedObservation, Recorder
from chalicelib.services.visits.plan import VisitPlan
from chalicelib.services.visits.regrouping import FaceSightings

VISITS_SAME = "visits-same"
FACE_SAME = "face-same"

_A_TRANSACTION = 20
"""Observations that are renamed in one transaction; more take several."""


@dataclass(frozen=True)
class FaceVisits:
    """A face as it was read, with its visits and the groups that it may be in."""

    face: Face
    visits: Visits
    groups: DefaultGroups
    group: Group
    """The group that the face is in."""

    @property
    def limited_groups(self) -> frozenset[str]:
        """Return the ids of the groups with a capacity that the face can leave or enter."""
        return limited_groups(self.group) | limited_groups(self.groups.stranger) | limited_groups(self.groups.regular)

    @property
    def is_promoted(self) -> bool:
        """Return whether the face is a regular because it came often enough."""
        return self.face.group_id == REGULAR and self.visits.promotion is not None

    @property
    def is_grouped_by_visits(self) -> bool:
        """Return whether the face's arrivals decide which default group it is in; else a person put it there."""
        return self.face.group_id == STRANGER or self.is_promoted

    def name_of(self, group_id: str) -> str:
        """Return the name of a group that the face may be in after its visits changed."""
        names = {group.id: group.name for group in (self.groups.stranger, self.groups.regular)}
        return names.get(group_id, self.group.name)

    def name_at(self, visits: Visits, group_id: str, at_ms: int) -> str:
        """Return the group's name for an observation of that time, if the face is in `group_id` with these visits."""
        if visits.promotion is not None:
            return self.groups.name_at(visits.promotion.at_ms, at_ms)
        return self.groups.stranger.name if group_id == STRANGER else self.group.name


class FaceVisitsStore:
    def __init__(self, items: ItemStore, groups: Groups, recorder: Recorder) -> None:
        self._items = items
        self._groups = groups
        self._recorder = recorder
        self._sightings = FaceSightings(items)

    def read(self, tenant: Tenant, faceid: str) -> FaceVisits | None:
        """Read a face; None if there is none, or its group is just being deleted. Raises TenantNotFound."""
        # The visits come first, so that the face is never older than the version of its visits.
        stored = self._items.get(keys.ARRIVALS, (tenant.name, faceid))
        item = self._items.get(keys.FACES, (tenant.name, faceid))
        if item is None:
            return None
        face = face_from(item)
        group = self._groups.of_id(tenant, face.group_id)
        if group is None:
            return None
        return FaceVisits(face, visits_from(stored), self._groups.defaults(tenant), group)

    def regrouped(self, tenant: str, held: FaceVisits, plan: VisitPlan) -> tuple[FaceVisits, list[ChangedObservation]]:
        """Rename the face's observations until the rest fit the plan's own transaction; return the face and that rest.

        Raises ConditionFailed if the face's visits changed meanwhile.
        """
        faceid = held.face.faceid
        left = self._sightings.misnamed(tenant, faceid, held.visits, plan.visits, held.groups)
        while len(left) > _A_TRANSACTION:
            marked = replace(held.visits, regrouping=True, version=held.visits.version + 1)
            some, left = left[:_A_TRANSACTION], left[_A_TRANSACTION:]
            put = visits_put(tenant, faceid, held.visits, marked)
            write(self._items, [put, *self._recorder.actions(tenant, [], some)])
            held = replace(held, visits=marked)
        return held, left


def arrived(face: Face, plan: VisitPlan) -> Face:
    """Return the face with the plan's group, number of arrivals and last arrival."""
    arrivals = plan.visits.arrivals
    last_ms = arrivals.last_arrival_ms
    return replace(
        face,
        group_id=plan.group_id,
        arrive_count=arrivals.count,
        last_arrival_at=None if last_ms is None else moment(last_ms),
    )


def face_update(tenant: str, before: Face, after: Face) -> Update:
    """Return the update of a face's arrivals and group, if nobody moved it to another group (condition FACE_SAME)."""
    item = face_item(tenant, after)
    changed = ("group", "enrolment_key", "arrival_key", "arrive_count", "last_arrival_at")
    return Update(
        keys.FACES,
        (tenant, after.faceid),
        (equals("group", before.group_id, FACE_SAME),),
        set={name: item[name] for name in changed},
        add={"version": 1},
    )


def face_put(tenant: str, before: Face, after: Face) -> Put:
    """Return the write of a whole face, if it is still as it was read (condition FACE_SAME)."""
    item = face_item(tenant, replace(after, version=before.version + 1))
    return Put(keys.FACES, item, (equals("version", before.version, FACE_SAME),))


def visits_put(tenant: str, faceid: str, before: Visits, after: Visits) -> Put:
    """Return the write of a face's visits, if they are still `before` (condition VISITS_SAME)."""
    when = equals("version", before.version, VISITS_SAME) if before.version else absent(VISITS_SAME)
    after = replace(after, version=before.version + 1)
    return Put(keys.ARRIVALS, visits_item(tenant, faceid, after), (when,))


def move(held: FaceVisits, face: Face, actions: Sequence[Action]) -> Change:
    """Return the change that does `actions` and moves the face from one default group to the other."""
    return Change(
        tuple(actions),
        (JournalEntry(Edit.MOVE, face.faceid, face.group_id),),
        {held.face.group_id: -1, face.group_id: 1},
        held.limited_groups,
    )
