"""Strangers: new faces made from sightings that match no face.

The commit requires that the gallery has not changed since the search, so two captures of one new person make one
stranger. If the group or the tenant is full, the same transaction deletes the stranger last seen longest ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core import keys
from chalicelib.core.captures import Capture, Resolution, Sighting
from chalicelib.core.errors import ConditionFailed, RegularsError, StorageUnavailable
from chalicelib.core.ids import photo_id, time_ordered_id
from chalicelib.core.model import REGULAR, STRANGER, Edit, Face, Group, JournalEntry, Picture, Tenant
from chalicelib.core.ports import Action, ItemStore, Put, absent
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.values import milliseconds
from chalicelib.core.visits import Visits
from chalicelib.core.webhooks import EventKind
from chalicelib.services.commit.gallery import Change, GalleryMoved, GalleryWriter, limited_groups
from chalicelib.services.faces.faces import Faces, face_deletes
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.groups.groups import DefaultGroups, Groups
from chalicelib.services.merges.records import Merges
from chalicelib.services.recognition.negatives import Negatives
from chalicelib.services.recognition.recognition import Recognised
from chalicelib.services.sightings.commit import Overtaken
from chalicelib.services.sightings.events import GroupFullEvents, sighted
from chalicelib.services.sightings.sighting import STEP, OpenSighting
from chalicelib.services.statistics.recorder import OBSERVATION_NEW, Recorder
from chalicelib.services.visits.face_visits import arrived, visits_put
from chalicelib.services.visits.plan import VisitPlan, rule_of, with_sighting
from chalicelib.services.webhooks.outbox import Outbox

_LONGEST_AWAY = 10


class NoRoom(Exception):
    """A full group of strangers, or a full tenant, without a stranger that could be deleted for the new one."""


@dataclass(frozen=True)
class _Place:
    """The place of a new face: its group by `plan`, and the face that is deleted to make room."""

    groups: DefaultGroups
    plan: VisitPlan
    evicted: Face | None
    kept_pictures: Sequence[str]
    """The keys of the pictures of faces that were merged into the deleted one."""


class Strangers:
    def __init__(
        self,
        items: ItemStore,
        groups: Groups,
        faces: Faces,
        portraits: Portraits,
        writer: GalleryWriter,
        recorder: Recorder,
        outbox: Outbox,
    ) -> None:
        self._groups = groups
        self._faces = faces
        self._portraits = portraits
        self._writer = writer
        self._recorder = recorder
        self._outbox = outbox
        self._group_full = GroupFullEvents(items)
        self._negatives = Negatives(items)
        self._merges = Merges(items)

    def create(self, open_sighting: OpenSighting, jpeg: bytes, found: Recognised) -> Capture:
        """Create a face, if the gallery is still at the seq of the search that `found` none.

        Raises GalleryMoved, Overtaken, NoRoom, Busy, StorageUnavailable, ConditionFailed (OBSERVATION_NEW) if the
        sighting was counted before.
        """
        tenant = open_sighting.tenant
        place = self._place(open_sighting)
        faceid = time_ordered_id(open_sighting.now)
        picture_key = self._portraits.store(tenant.name, faceid, jpeg)
        try:
            seen = open_sighting.seen
            photo = photo_id(open_sighting.capture.sha256)
            picture = Picture(photo, picture_key, open_sighting.now, (seen.template,), seen.estimates)
            face = Face(faceid, STRANGER, open_sighting.now, (picture,))
            face = arrived(face, place.plan)
            sighting = open_sighting.sighting(Resolution.STRANGER, faceid, decision=found.decision)
            change = self._change(open_sighting, face, place, sighting, found.seq)
            self._writer.commit(tenant.name, change)
        except StorageUnavailable:
            raise  # the outcome is unknown: the sweep removes the picture if no face names it
        except (ConditionFailed, GalleryMoved) as error:
            self._portraits.discard([picture_key])
            raise _meaning(error) from error
        except RegularsError:
            self._portraits.discard([picture_key])
            raise
        self._outbox.announce(tenant.name, change.actions)
        if place.evicted:
            self._portraits.discard([*place.evicted.picture_keys, *place.kept_pictures])
        return open_sighting.resolved_capture(sighting)

    def _place(self, open_sighting: OpenSighting) -> _Place:
        tenant = open_sighting.tenant
        groups = self._groups.defaults(tenant)
        visits = Visits()
        if open_sighting.arrives:
            now_ms, rule = milliseconds(open_sighting.now), rule_of(self._groups.migration(tenant))
            plan = with_sighting(STRANGER, visits, open_sighting.at_ms, open_sighting.gap_ms, now_ms, rule, groups)
        else:
            plan = VisitPlan(visits, STRANGER)
        group = groups.regular if plan.group_id == REGULAR else groups.stranger
        evicted = None
        if group.is_full or self._groups.faces_left(tenant) < 1:
            evicted = self._longest_unseen(tenant, groups.stranger, open_sighting.not_face)
        pictures = self._merges.deletes(tenant.name, evicted)[1] if evicted else []
        return _Place(groups, plan, evicted, pictures)

    def _longest_unseen(self, tenant: Tenant, strangers: Group, besides: str | None) -> Face:
        """Find the stranger last seen longest ago, but not `besides`, nor one whose observations are being moved.

        Raises NoRoom.
        """
        found = self._faces.longest_away(tenant, strangers.name, _LONGEST_AWAY).faces
        face = next((one for one in found if one.faceid != besides and not one.moving), None)
        if face is None:
            raise NoRoom
        return face

    def _change(self, open_sighting: OpenSighting, face: Face, place: _Place, sighting: Sighting, seq: int) -> Change:
        tenant = open_sighting.tenant.name
        group = place.groups.regular if face.group_id == REGULAR else place.groups.stranger
        observation = open_sighting.observation(sighting, face.faceid, group.name, open_sighting.seen.estimates)
        journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
        actions: list[Action] = [
            Put(keys.FACES, face_item(tenant, face), (absent("face-free"),)),
            visits_put(tenant, face.faceid, Visits(), place.plan.visits),
            open_sighting.resolved_update(sighting),
            *self._recorder.actions(tenant, [observation]),
            *self._event_actions(open_sighting, face, group, place, sighting),
        ]
        counts = {face.group_id: 1}
        if place.evicted:
            actions += [
                *face_deletes(tenant, place.evicted),
                *self._negatives.deletes(tenant, place.evicted),
                *self._merges.deletes(tenant, place.evicted)[0],
            ]
            journal.insert(0, JournalEntry(Edit.DELETE, place.evicted.faceid, STRANGER))
            counts[STRANGER] = counts.get(STRANGER, 0) - 1
        limited = limited_groups(place.groups.stranger) | limited_groups(place.groups.regular)
        return Change(tuple(actions), tuple(journal), counts, limited, based_on=seq)

    def _event_actions(
        self, open_sighting: OpenSighting, face: Face, group: Group, place: _Place, sighting: Sighting
    ) -> Sequence[Action]:
        tenant = open_sighting.tenant.name
        events = [sighted(EventKind.STRANGER_CREATED, open_sighting, face, group.name, sighting)]
        if face.arrive_count:
            events.append(sighted(EventKind.FACE_ARRIVED, open_sighting, face, group.name, sighting))
        if face.group_id == REGULAR:
            events.append(sighted(EventKind.STRANGER_PROMOTED, open_sighting, face, group.name, sighting))
        remembered: Sequence[Action] = ()
        full_group = place.plan.refused or (group if place.evicted or group.room == 1 else None)
        if full_group is not None:
            full_events, remembered = self._group_full.once_an_hour(
                tenant, full_group, open_sighting.camera.id, open_sighting.now
            )
            events += full_events
        return [*remembered, *self._outbox.actions(tenant, events)]


def _meaning(error: ConditionFailed | GalleryMoved) -> Exception:
    """Return the error to raise for a refused commit. Room and faces can only fail if the gallery has moved."""
    if isinstance(error, ConditionFailed) and STEP in error.names:
        return Overtaken()
    if isinstance(error, ConditionFailed) and OBSERVATION_NEW in error.names:
        return error
    return GalleryMoved()
