"""Strangers: new faces made from sightings that match no face.

The commit requires that the gallery has not changed since the search, so two captures of one new person make one
stranger. If the group or the tenant is full, the same transaction deletes the stranger last seen longest ago.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.captures import Capture, Resolution, Sighting
from chalicelib.core.errors import Busy, ConditionFailed
from chalicelib.core.ids import photo_id, time_ordered_id
from chalicelib.core.items import attempts
from chalicelib.core.model import REGULAR, STRANGER, Edit, Face, Group, JournalEntry, Picture, Tenant
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.ports import Action, ItemStore, Put, absent
from chalicelib.core.records.faces import face_item
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import Visits
from chalicelib.core.webhooks import EventKind
from chalicelib.services.commit import Change, GalleryMoved, GalleryWriter, deleted, limited_groups
from chalicelib.services.faces import Faces, face_deletes
from chalicelib.services.groups import DefaultGroups, Groups
from chalicelib.services.merges.records import MergeRecords
from chalicelib.services.portraits import Portraits
from chalicelib.services.recognition.negatives import Negatives
from chalicelib.services.recognition.recognition import Recognised
from chalicelib.services.sightings.sighting import STEP, OpenSighting, Overtaken, SightingCommit
from chalicelib.services.statistics.statistics import OBSERVATION_NEW
from chalicelib.services.visits import VisitPlan, arrived, visits_put, with_sighting
from chalicelib.services.webhooks import Outbox


class NoRoom(Exception):
    """A full group of strangers, or a full tenant, without a stranger that could be deleted for the new one."""


@dataclass(frozen=True)
class _Place:
    """The place of a new face in the gallery as it was read: its group by `plan`, and the face deleted to make room."""

    face: Face
    group: Group
    groups: DefaultGroups
    plan: VisitPlan
    evicted: Face | None
    merges: tuple[Sequence[Action], Sequence[str]]
    """The actions that delete its merges, and the keys of the pictures that only those name."""
    events: Sequence[Action]


@dataclass
class Strangers:
    items: ItemStore
    groups: Groups
    faces: Faces
    portraits: Portraits
    commit: SightingCommit
    writer: GalleryWriter
    outbox: Outbox

    def create(self, open_sighting: OpenSighting, jpeg: FaceJpeg, search: Callable[[], Recognised]) -> Capture:
        """Create a face, if the gallery is still at the seq of a `search` that finds nobody.

        Raises GalleryMoved if the search finds somebody; Overtaken, NoRoom, Busy, StorageUnavailable; ConditionFailed
        (OBSERVATION_NEW) if the sighting was counted before.
        """
        tenant, seen, now = open_sighting.tenant.name, open_sighting.seen, open_sighting.now
        faceid = time_ordered_id(now)
        capture = open_sighting.capture
        photo = Picture(
            photo_id(capture.sha256), "", now, (seen.template,), seen.estimates, founded_at=capture.captured_at
        )
        new = Face(faceid, STRANGER, now, ())
        picture = self.portraits.kept(open_sighting.tenant, new, photo, jpeg)
        try:
            with self.portraits.discarded_if_refused([picture.key]):
                sighting, place = self._committed(open_sighting, replace(new, pictures=(picture,)), search)
        except ConditionFailed as error:
            if STEP in error.names:
                raise Overtaken from error
            raise
        except NoRoom:
            self.portraits.discard([picture.key])
            raise
        self.outbox.announce(tenant, place.events)
        if place.evicted:
            self.portraits.discard([*place.evicted.picture_keys, *place.merges[1]])
        return open_sighting.resolved_capture(sighting)

    def _committed(
        self, open_sighting: OpenSighting, new: Face, search: Callable[[], Recognised]
    ) -> tuple[Sighting, _Place]:
        """Search and commit until no other process changes the gallery in between.

        The less lies in between, the fewer do. So the place is read before the search, and again only if the gallery
        moved up to the search.
        """
        tenant = open_sighting.tenant.name
        for _ in attempts():
            place = self._place(open_sighting, new)
            with self.writer.exclusive(tenant):
                found = search()
                if found.face is not None:
                    raise GalleryMoved
                if place.groups.seq != found.seq:
                    place = self._place(open_sighting, new)
                sighting = open_sighting.sighting(Resolution.STRANGER, new.faceid, decision=found.decision)
                try:
                    self.writer.commit(tenant, self._change(open_sighting, place, sighting, found.seq))
                except GalleryMoved:
                    continue
                except ConditionFailed as error:
                    if STEP in error.names or OBSERVATION_NEW in error.names:
                        raise
                    continue  # room and faces can only fail if the gallery has moved
            return sighting, place
        raise Busy("many faces of this tenant are made at once: deliver this capture again in a moment")

    def _place(self, open_sighting: OpenSighting, new: Face) -> _Place:
        tenant = open_sighting.tenant
        groups = self.groups.defaults(tenant)
        visits = Visits()
        if open_sighting.arrives:
            now_ms = milliseconds(open_sighting.now)
            plan = with_sighting(STRANGER, visits, open_sighting.at_ms, open_sighting.gap_ms, now_ms, groups)
        else:
            plan = VisitPlan(visits, STRANGER)
        group = groups.regular if plan.group_id == REGULAR else groups.stranger
        evicted = None
        if group.is_full or groups.faces_left < 1:
            evicted = self._longest_unseen(tenant, groups.stranger, open_sighting.not_face)
        merges = MergeRecords(self.items).deletes(tenant.name, evicted) if evicted else ([], [])
        full = plan.refused or (group if evicted or group.room == 1 else None)
        face = arrived(new, plan)
        events = self._event_actions(open_sighting, face, group, full)
        return _Place(face, group, groups, plan, evicted, merges, events)

    def _longest_unseen(self, tenant: Tenant, strangers: Group, besides: str | None) -> Face:
        """Find the stranger last seen longest ago, but not `besides`, nor one that is held or whose observations move.

        Raises NoRoom.
        """
        found = self.faces.by_arrival(tenant, strangers)
        face = next((one for one in found if one.faceid != besides and not one.moving and one.hold is None), None)
        if face is None:
            raise NoRoom
        return face

    def _change(self, open_sighting: OpenSighting, place: _Place, sighting: Sighting, seq: int) -> Change:
        tenant, face, groups = open_sighting.tenant.name, place.face, place.groups
        journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
        actions: list[Action] = [
            Put(keys.FACES, face_item(tenant, face), (absent("face-free"),)),
            visits_put(tenant, face.faceid, Visits(), place.plan.visits),
            *self.commit.seen_actions(open_sighting, face, place.group.name, sighting),
            *place.events,
        ]
        counts = {face.group_id: 1}
        if place.evicted:
            actions += [
                *face_deletes(tenant, place.evicted),
                *Negatives(self.items).deletes(tenant, place.evicted),
                *place.merges[0],
            ]
            journal.insert(0, deleted(place.evicted))
            counts[STRANGER] = counts.get(STRANGER, 0) - 1
        limited = limited_groups(groups.stranger) | limited_groups(groups.regular)
        return Change(tuple(actions), tuple(journal), counts, limited, based_on=seq)

    def _event_actions(
        self, open_sighting: OpenSighting, face: Face, group: Group, full: Group | None
    ) -> Sequence[Action]:
        kinds = [EventKind.STRANGER_CREATED]
        if face.arrive_count:
            kinds.append(EventKind.FACE_ARRIVED)
        if face.group_id == REGULAR:
            kinds.append(EventKind.STRANGER_PROMOTED)
        sighting = open_sighting.sighting(Resolution.STRANGER, face.faceid)
        return self.commit.event_actions(open_sighting, kinds, face, group.name, sighting, full=full)
