"""When is a face a regular? A face's arrivals, the changes of group that follow from them, and how both are stored.

When a stranger is promoted: `MigrationRule` and `Visits` in core/visits; a tenant's numbers for it: groups. A
face is a stranger until its promotion and a regular from then on, by the times of its sightings and not by the order in
which they were processed. An observation names the group of its time. So if a late sighting moves the promotion, the
observations between are renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.items import every, write
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import REGULAR, STRANGER, Edit, Face, Group, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.ports import Action, Beside, ItemStore, Put, Update, absent, equals
from chalicelib.core.records.faces import face_from, face_item, picture_fields
from chalicelib.core.records.observations import observation_from
from chalicelib.core.records.visits import visits_from, visits_item
from chalicelib.core.values import milliseconds, moment
from chalicelib.core.visits import Arrival, Visits
from chalicelib.services.commit import Change, GalleryWriter, edited, limited_groups
from chalicelib.services.groups import DefaultGroups, Groups
from chalicelib.services.statistics.statistics import ChangedObservation, Recorder

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


@dataclass(frozen=True)
class VisitPlan:
    """A face's new visits. `group_id`: the group that it is in then. `refused`: a full group that it should be in."""

    visits: Visits
    group_id: str
    refused: Group | None = None


def with_sighting(
    group_id: str, visits: Visits, at_ms: int, gap_ms: int, now_ms: int, groups: DefaultGroups
) -> VisitPlan:
    """Plan a face's visits and group after one more sighting.

    A stranger with enough arrivals becomes a regular. A regular that was promoted becomes a stranger again if its
    arrivals are not enough any more.
    """
    before, arrivals = visits.arrivals, visits.arrivals.with_sighting(at_ms, gap_ms)
    visits = replace(visits, arrivals=arrivals, regrouping=False)
    # Rules only ask when arrivals begin. A sighting within an arrival does not change that, so it promotes nobody.
    joined = None if arrivals.began == before.began else arrivals.around(at_ms)
    plan = settled(group_id, visits, now_ms, groups, joined)
    promotion = plan.visits.promotion
    period_ms = groups.rule.period_ms
    if promotion:
        period_ms = max(period_ms, promotion.rule.period_ms)
    return replace(plan, visits=replace(plan.visits, arrivals=arrivals.folded_before(now_ms, period_ms)))


def settled(
    group_id: str,
    visits: Visits,
    now_ms: int,
    groups: DefaultGroups,
    joined: Arrival | None = None,
) -> VisitPlan:
    """Plan the group and promotion that a face's arrivals lead to.

    `joined`: the arrival that just got a sighting; a stranger is only promoted by it. If the group that a face should
    go to is full, the face stays in its group; a stranger is tried again at its next arrival.
    """
    if group_id == STRANGER:
        promotion = visits.promotion_of_stranger(groups.rule, joined) if joined else None
        if promotion and groups.regular.is_full:
            return VisitPlan(replace(visits, promotion=None), STRANGER, groups.regular)
        return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
    if group_id == REGULAR and visits.promotion:
        promotion = visits.promotion_of_promoted(now_ms)
        if promotion is None and groups.stranger.is_full:
            return VisitPlan(visits, REGULAR, groups.stranger)
        return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)
    return VisitPlan(replace(visits, promotion=None), group_id)


@dataclass
class FaceVisitsStore:
    items: ItemStore
    groups: Groups
    recorder: Recorder
    writer: GalleryWriter
    beside: Beside

    def read(self, tenant: Tenant, faceid: str) -> FaceVisits | None:
        """Read a face; None if there is none, or its group is just being deleted. Raises TenantNotFound."""
        awaited = self.beside(lambda: self.groups.defaults(tenant))
        # The visits come first, so that the face is never older than the version of its visits.
        stored = self.items.get(keys.ARRIVALS, (tenant.name, faceid))
        item = self.items.get(keys.FACES, (tenant.name, faceid))
        if item is None:
            return None
        face, defaults = face_from(item), awaited()
        group = defaults.of_id(face.group_id) or self.groups.of_id(tenant, face.group_id)
        return None if group is None else FaceVisits(face, visits_from(stored), defaults, group)

    def regrouped(self, tenant: str, held: FaceVisits, plan: VisitPlan) -> tuple[FaceVisits, list[ChangedObservation]]:
        """Rename the face's observations until the rest fit the plan's own transaction; return the face and that rest.

        Raises ConditionFailed if the face's visits changed meanwhile.
        """
        faceid = held.face.faceid
        left = _misnamed(self.items, tenant, faceid, held.visits, plan.visits, held.groups)
        while len(left) > _A_TRANSACTION:
            marked = replace(held.visits, regrouping=True, version=held.visits.version + 1)
            some, left = left[:_A_TRANSACTION], left[_A_TRANSACTION:]
            put = visits_put(tenant, faceid, held.visits, marked)
            write(self.items, [put, *self.recorder.actions(tenant, [], some)])
            held = replace(held, visits=marked)
        return held, left

    def save(self, tenant: str, held: FaceVisits, face: Face, actions: Sequence[Action]) -> None:
        """Do the actions, which store the changed face. If it changes its default group or learns, the gallery does so.

        Raises WrongModel if what it learns has no template of the model of searches.
        """
        entries = edited(held.face, face)
        if not entries:
            return write(self.items, actions)
        counts = {} if face.group_id == held.face.group_id else {held.face.group_id: -1, face.group_id: 1}
        new = [picture for picture in face.pictures if picture not in held.face.pictures]
        self.writer.commit(
            tenant,
            Change(
                tuple(actions),
                tuple(replace(entry, learnt=entry.edit is Edit.REPLACE) for entry in entries),
                counts,
                held.limited_groups if counts else frozenset(),
                model=new[0].templates[0].model if new else None,
            ),
        )
        return None


def sightings_newest_first(
    items: ItemStore, tenant: str, faceid: str, visits: Visits, below: str | None = None
) -> Iterator[Observation]:
    """Yield the sightings, newest first; with `below`, those whose `time_id` is less."""
    for arrival in reversed(visits.arrivals.recent):
        yield from sightings_of_arrival(items, tenant, faceid, arrival, below)


def sightings_of_arrival(
    items: ItemStore, tenant: str, faceid: str, arrival: Arrival, below: str | None = None
) -> Iterator[Observation]:
    """Yield the sightings of one arrival, newest first. All faces' observations of that time are read: few."""
    low, high = keys.observation_range(arrival.first_ms, arrival.last_ms)
    if below is not None:
        high = min(high, below)
    for day in range(arrival.last_ms // DAY_MS, arrival.first_ms // DAY_MS - 1, -1):
        partition = keys.observations(tenant, day)
        for item in every(items, keys.OBSERVATIONS, partition, low=low, high=high, reverse=True):
            sighted = item["faceid"] == faceid and item["kind"] == ObservationKind.SIGHTING
            if sighted and (below is None or item["time_id"] < below):
                yield observation_from(item)


def _misnamed(
    items: ItemStore, tenant: str, faceid: str, before: Visits, after: Visits, groups: DefaultGroups
) -> list[ChangedObservation]:
    """Return the sightings that do not have the group's name by `after`, each with the right name.

    They lie between the two promotions, unless a change was cut off before. Sightings from a time when the face was
    in a group of the user's own keep that group's name.
    """
    old, new = (None if v.promotion is None else v.promotion.at_ms for v in (before, after))
    if old == new and not before.regrouping:
        return []
    first = 0 if before.regrouping else min(at for at in (old, new) if at is not None)
    behind = None if before.regrouping or old is None or new is None else max(old, new)
    found = []
    for arrival in before.arrivals.recent:
        if arrival.last_ms < first or (behind is not None and arrival.first_ms >= behind):
            continue
        for sighting in sightings_of_arrival(items, tenant, faceid, arrival):
            renamed = named_by(groups, new, sighting)
            if renamed != sighting:
                found.append(ChangedObservation(sighting, renamed))
    return found


def named_by(groups: DefaultGroups, promotion_ms: int | None, observation: Observation) -> Observation:
    """Return a sighting with the name of the default group that the face was in by this promotion.

    Other observations, and sightings with the name of a user's own group, stay as they are.
    """
    if observation.kind is not ObservationKind.SIGHTING:
        return observation
    if observation.group_name not in (groups.stranger.name, groups.regular.name):
        return observation
    return replace(observation, group_name=groups.name_at(promotion_ms, milliseconds(observation.at)))


def arrived(face: Face, plan: VisitPlan) -> Face:
    """Return the face with the plan's group, number of arrivals and last arrival."""
    arrivals = plan.visits.arrivals
    last_ms = arrivals.last_arrival_ms
    return replace(
        face,
        group_id=plan.group_id,
        user=face.user if plan.group_id == face.group_id else "",
        arrive_count=arrivals.count,
        last_arrival_at=None if last_ms is None else moment(last_ms),
    )


def face_update(tenant: str, before: Face, after: Face) -> Update:
    """Return the update of a face's arrivals, group and pictures, under condition FACE_SAME.

    That is: nobody moved it to another group; if it is moved now, it has the same user, which it then leaves; and if
    its pictures change, nobody changed anything.
    """
    item = face_item(tenant, after)
    changed = ["group", "enrolment_key", "arrival_key", "arrive_count", "last_arrival_at"]
    when = [equals("group", before.group_id, FACE_SAME)]
    left: tuple[str, ...] = ()
    if after.group_id != before.group_id:
        left = ("user",)
        when.append(equals("user", before.user or None, FACE_SAME))
    if after.pictures != before.pictures:
        changed += picture_fields(after)
        when.append(equals("version", before.version, FACE_SAME))
    set_ = {name: item[name] for name in changed}
    return Update(keys.FACES, (tenant, after.faceid), tuple(when), set=set_, add={"version": 1}, remove=left)


def face_put(tenant: str, before: Face, after: Face) -> Put:
    """Return the write of a whole face that a caller changed, if it is still as it was read (condition FACE_SAME).

    If another name is set, the same transaction needs `renamed` of faces.
    """
    revision = before.revision + (after != before)
    item = face_item(tenant, replace(after, revision=revision, version=before.version + 1))
    return Put(keys.FACES, item, (equals("version", before.version, FACE_SAME),))


def visits_put(tenant: str, faceid: str, before: Visits, after: Visits) -> Put:
    """Return the write of a face's visits, if they are still `before` (condition VISITS_SAME)."""
    when = equals("version", before.version, VISITS_SAME) if before.version else absent(VISITS_SAME)
    after = replace(after, version=before.version + 1)
    return Put(keys.ARRIVALS, visits_item(tenant, faceid, after), (when,))
