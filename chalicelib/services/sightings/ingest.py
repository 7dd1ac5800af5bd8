"""Resolution of stored captures: each face is matched, remembered as a stranger, or skipped, exactly once.

All that the decision about a sighting needs is read first (Context), core/sighting decides, its Outcome becomes
actions, and one transaction commits them.

That transaction changes arrivals, counts, group, observation and events. It requires that its face is the capture's
next one. So a capture that is delivered twice, or cut off anywhere, continues where it stopped and repeats nothing. A
face's visits have a version, so that no writer misses another's sighting.

The commit of a new face requires that the gallery has not changed since the search, so two captures of one new person
make one stranger. If the group or the tenant is full, the same transaction deletes the stranger last seen longest ago.

The capture of a rejected sighting goes back to state STORED, and an attribute names the sighting. The next worker on
the capture continues: the request that rejected it, the same request sent again, or a worker that the watch calls.

How often a capture is tried before it is parked: services/captures/redrive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from msgspec.structs import replace

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import Act, Kind
from chalicelib.core.captures import Camera, Capture, CaptureState, Instead, Resolution, SeenFace
from chalicelib.core.duties import FULL
from chalicelib.core.errors import (
    Busy,
    CaptureNotFound,
    ConditionFailed,
    InvalidInput,
    RegularsError,
    TenantNotFound,
    Unusable,
    WrongModel,
)
from chalicelib.core.items import Changed, attempts, write
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import STRANGER, Decision, Edit, Face, Group, JournalEntry, Labels, Tenant
from chalicelib.core.observations import ChangedObservation, NearFace
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.ports import SENT_AGAIN, Action, Check, Condition, Item, Put, Update, equals, exists
from chalicelib.core.records.captures import (
    AGAIN,
    ATTEMPTS,
    CAPTURE,
    SENT_AT,
    camera_of,
    capture_from,
    seen_from,
    seen_item,
    sighting_item,
)
from chalicelib.core.records.faces import tenant_from
from chalicelib.core.records.observations import OBSERVATION_NEW, recorded, review_item
from chalicelib.core.sighting import (
    Context,
    Evicted,
    Judge,
    NotRemembered,
    OpenSighting,
    Outcome,
    founding_picture,
    is_lesser,
    plan_of,
    resolve,
)
from chalicelib.core.telemetry import CAPTURES_PARKED, CAPTURES_RESOLVED, FACES_MATCHED, FACES_NEW, FACES_SKIPPED
from chalicelib.core.templates import deleted, vector
from chalicelib.core.values import milliseconds, moment, optional, time_ordered_id
from chalicelib.core.visits import DefaultGroups, FaceVisits, Visits
from chalicelib.core.webhooks import event_puts
from chalicelib.services.commit import A_COMMIT_S, Change, GalleryMoved, face_change
from chalicelib.services.faces import face_deletes, face_puts
from chalicelib.services.models import Reading
from chalicelib.services.recognition.recognition import CANDIDATES, Probes, Recognised, searched
from chalicelib.services.rooms import UseCase
from chalicelib.services.tenants import NUMBERED
from chalicelib.services.visits import FACE_SAME, face_update, visits_puts


def corrected(tenant: Tenant, camera: Camera, capture: Capture, item: Item, now: datetime) -> OpenSighting:
    """Return the open sighting of a waiting capture, with the gap and the labels of the first time."""
    again = item[AGAIN]
    gap_s = camera.gap_s if again["gap_s"] is None else int(again["gap_s"])
    return OpenSighting(
        tenant,
        replace(camera, gap_s=gap_s, labels=Labels(*again["labels"])),
        capture,
        seen_from(again["seen"]),
        number=int(again["n"]),
        total=len(capture.sightings),
        now=now,
        correction=int(item["corrections"]),
        not_face=again["faceid"],
        other=again.get("other"),
        instead=optional(Instead, again.get("instead")),
    )


_Search = Callable[..., Recognised]

STEP = "capture-step"
"""The name of the condition that this face of the capture is the next one to be resolved."""

_MOST_DELETES = 24
"""Of a transaction's hundred actions: three events for each of twenty hooks and the new face's own need the others."""


def _known_actions(
    outcome: Outcome, face: Face, held: FaceVisits, renamed: Sequence[ChangedObservation]
) -> list[Action]:
    """Return the actions of a known face's sighting.

    `face`: with the keys of its pictures; `held`, `renamed`: what is left after the parts that were renamed before.
    """
    one = outcome.context.sighted
    tenant = one.tenant.name
    if not one.is_of_arrival:
        present = Check(keys.FACES, (tenant, face.faceid), (equals("group", face.group_id, FACE_SAME),))
        return [present, *_rows(outcome)]
    actions: list[Action] = visits_puts(tenant, face.faceid, held.visits, outcome.visits)
    if face != held.face:
        actions.append(face_update(tenant, held.face, face))
    return [*actions, *_rows(outcome, renamed)]


def _new_change(outcome: Outcome, seq: int) -> Change:
    """Return the change that makes a new face, and deletes the one that goes for it."""
    evicted, face, held = outcome.context.evicted, outcome.face, outcome.context.held
    tenant, counts = outcome.context.sighted.tenant.name, {face.group_id: 1}
    journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
    actions: list[Action] = [
        *face_puts(tenant, face),
        *visits_puts(tenant, face.faceid, held.visits, outcome.visits),
        *_rows(outcome),
    ]
    if evicted:
        actions += evicted.deletes
        journal.insert(0, deleted(evicted.face))
        counts[STRANGER] = counts.get(STRANGER, 0) - 1
    numbered = {NUMBERED: 1}  # based on the seq at which the last number was read: so each is given once
    return Change(tuple(actions), tuple(journal), counts, held.limited_groups, tenant=numbered, based_on=seq)


def _rows(outcome: Outcome, renamed: Sequence[ChangedObservation] = ()) -> list[Action]:
    """Return the actions that store a sighting: in its capture, as an observation, as what it asks for and tells.

    `renamed`: earlier sightings.
    """
    context, one = outcome.context, outcome.context.sighted
    tenant = one.tenant.name
    actions: list[Action] = [
        resolved(one, outcome.capture),
        *recorded(tenant, [outcome.observation], renamed, context.months, one.now),
        *(Put(keys.REVIEWS, review_item(tenant, review)) for review in outcome.reviews),
        *event_puts(tenant, context.hooks, outcome.events, one.now),
    ]
    if (full := context.full) is not None and context.tells_full:
        noted = {"tenant": tenant, "item": keys.full_item(full.id), "at": milliseconds(one.now)}
        actions.append(Put(keys.DIRECTORY, noted))
    return actions


def resolved(one: OpenSighting, after: Capture) -> Update:
    """Return the update that stores the outcome in the capture, once: condition STEP."""
    tenant = one.tenant.name
    if one.correction:
        waits = (equals("state", CaptureState.STORED, STEP), equals("corrections", one.correction, STEP))
        return sightings_update(tenant, after, waits, {}, (AGAIN, ATTEMPTS, SENT_AT))
    return progress_update(tenant, after, one.number)


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores a capture's state and sightings.

    It requires that `done_before` of the capture's faces were resolved before: condition STEP.
    """
    fields = {
        **({"done": len(capture.sightings)} if capture.sightings else {}),
        **CAPTURE.write(capture, "sides"),
    }
    gone = ("detection", "reason", ATTEMPTS, SENT_AT) if capture.state is CaptureState.RESOLVED else ("reason",)
    return sightings_update(tenant, capture, [equals("done", done_before or None, STEP)], fields, gone)


def is_waiting_for(item: Item, faceid: str) -> bool:
    """Return whether the capture has a sighting that was rejected for this face and is not resolved again yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def sightings_update(
    tenant: str, capture: Capture, when: Sequence[Condition], fields: Item, remove: tuple[str, ...] = ()
) -> Update:
    """Return the update that stores a capture's state and sightings, and other fields; a repeat finds it done."""
    sightings = [sighting_item(one) for one in capture.sightings]
    changed = {"state": capture.state, "sightings": sightings, **fields}
    key = keys.capture(tenant, capture.camera_id, capture.id)
    return Update(keys.CAPTURES, key, tuple(when), set=changed, remove=remove, twice=True)


class Overtaken(Changed):
    """Another worker resolved this face of the capture first: read the capture again."""


@contextmanager
def once() -> Iterator[None]:
    """Raise Overtaken or NotRemembered if the commit in the block was refused because the face was resolved before."""
    try:
        yield
    except ConditionFailed as error:
        if STEP in error.names:
            raise Overtaken from error
        if OBSERVATION_NEW in error.names:
            raise NotRemembered("this sighting was counted before") from error
        raise


TAKES_TURNS_AFTER = timedelta(seconds=3)
"""If a capture waited longer, the queue is taken for long, and it is sent again in its tenant's name. It then waits
about twice as long."""

_log = logging.getLogger(__name__)


class Ingest(UseCase):
    def message(self, body: str, receive_count: int = 1, sent_at: datetime | None = None) -> None:
        """Resolve the captures of an S3 event, as SQS carries it. `receive_count`: how often SQS has given it out.

        One of S3's that was `sent_at` a time long ago takes its turn: S3 does not tell SQS the tenant, so those of a
        tenant with many would be before those of others. It is sent again in the tenant's name.

        The first attempt at a capture is not counted. Any that may be a repeat is counted before the picture is opened:
        a message that was received before, or an event that was sent again.

        A message that names no capture of ours (S3's test event) counts as done. Raises Busy, StorageUnavailable or
        InvalidInput if it must be delivered again; a message that is no event so ends in the dead letters.
        """
        for key, sent_again in _stored_keys(body):
            try:
                place = keys.capture_of_picture(key)
                telemetry.of_tenant(place[0])
                if sent_at and not sent_again and self.book.clock.now() - sent_at > TAKES_TURNS_AFTER:
                    self.book.captures.redrive.send(*place)
                elif sent_again or receive_count > 1:
                    self._counted(*place)
                else:
                    self.capture(*place)
            except (ValueError, CaptureNotFound, TenantNotFound):
                continue  # not offered by us, or erased since

    def _counted(self, tenant_name: str, camera_id: str, capture_id: str) -> None:
        """Resolve the capture, and count the attempt unless an error of core.errors ended it: that is no fault of the
        picture, which parks the capture instead."""
        if not self.book.captures.redrive.begin(tenant_name, camera_id, capture_id):
            tenant = self.book.tenants.named(tenant_name)
            capture = self.book.captures.get(tenant, camera_id, capture_id)
            self.book.captures.kept.forget(tenant, capture)
            return
        try:
            self.capture(tenant_name, camera_id, capture_id)
        except RegularsError:
            self.book.captures.redrive.give_back(tenant_name, camera_id, capture_id)
            raise

    def capture(self, tenant_name: str, camera_id: str, capture_id: str) -> Capture:
        """Resolve the faces of a capture that are not resolved yet. Called again, change nothing.

        A capture whose picture cannot be used is parked with the reason, and for nothing else. Faces embedded with a
        model that is no longer the tenant's are embedded again. Raises CaptureNotFound, Busy, StorageUnavailable,
        InvalidInput if an adapter refused what we asked of it.
        """
        act = Act("sighting", f"camera {camera_id}", Kind.SIGHTING, tenant_name, {"of": capture_id})
        for _ in attempts():
            picture = self.book.storage.beside(
                partial(self.book.storage.uploads.get, keys.capture_picture(tenant_name, camera_id, capture_id))
            )
            try:
                with acts.begun(act):
                    tenant, capture = self._as_it_is(tenant_name, camera_id, capture_id, picture)
            except (Overtaken, WrongModel):
                continue
            self.book.captures.kept.forget(tenant, capture)
            return capture
        raise Busy("another worker is at this capture: deliver it again in a moment")

    def _as_it_is(
        self, tenant_name: str, camera_id: str, capture_id: str, awaited: Callable[[], bytes | None]
    ) -> tuple[Tenant, Capture]:
        """Go on from the point at which the last worker stopped. `awaited`: gives the picture.

        The tenant is read each time, since its model may be another. Raises CaptureNotFound, Overtaken, WrongModel.
        """
        of_tenant, of_camera, item = self.book.items.get_each(
            [
                (keys.TENANTS, keys.tenant_item(tenant_name)),
                (keys.CAMERAS, (tenant_name, camera_id)),
                (keys.CAPTURES, keys.capture(tenant_name, camera_id, capture_id)),
            ]
        )
        if of_tenant is None or item is None:
            raise CaptureNotFound(f"there is no capture {capture_id!r} of camera {camera_id!r}")
        tenant, capture = tenant_from(of_tenant), capture_from(item)
        picture = None if capture.state in (CaptureState.RESOLVED, CaptureState.PARKED) else awaited()
        if picture is None:
            return tenant, capture
        try:
            camera = camera_of(capture, of_camera)
            return tenant, _measured(self._resolve(tenant, camera, capture, item, picture))
        except Unusable as error:
            return tenant, self._park(tenant, capture, str(error))

    def _resolve(self, tenant: Tenant, camera: Camera, capture: Capture, item: Item, picture: bytes) -> Capture:
        if AGAIN in item:
            again = corrected(tenant, camera, capture, item, self.book.clock.now())
            reading = self._read(tenant, picture, [again.seen])
            return self._face(replace(again, seen=reading.faces[0]), reading)
        found = [seen_from(one) for one in item["detection"]] if "detection" in item else None
        reading = self._read(tenant, picture, found)
        capture = replace(capture, sides=reading.sides or capture.sides)
        if not reading.faces:
            capture = replace(capture, state=CaptureState.RESOLVED)
            with once():
                write(self.book.items, [progress_update(tenant.name, capture, 0)])
            return capture
        if len(reading.faces) > 1 and "detection" not in item:
            self._keep_detection(tenant, capture, reading)
        while len(capture.sightings) < len(reading.faces):
            seen = reading.faces[len(capture.sightings)]
            open_sighting = OpenSighting(
                tenant,
                camera,
                capture,
                seen,
                number=len(capture.sightings),
                total=len(reading.faces),
                now=self.book.clock.now(),
                beside=reading.faces,
            )
            capture = self._face(open_sighting, reading)
        return capture

    def _read(self, tenant: Tenant, picture: bytes, faces: Sequence[SeenFace] | None) -> Reading:
        return Reading(self.book.tenant_vision.of(tenant.model), tenant, picture, faces)

    def _keep_detection(self, tenant: Tenant, capture: Capture, reading: Reading) -> None:
        """Store the detected faces, so that a worker that continues after a cut-off resolves the same faces."""
        key = keys.capture(tenant.name, capture.camera_id, capture.id)
        found = [seen_item(seen) for seen in reading.faces]
        when = (equals("detection", None, STEP), equals("done", None, STEP))
        fields = {"detection": found, **CAPTURE.write(capture, "sides")}
        update = Update(keys.CAPTURES, key, when, set=fields, twice=True)
        with once():
            write(self.book.items, [update])

    def _face(self, one: OpenSighting, reading: Reading) -> Capture:
        """Match, read, decide and write; all again if what was read changed in between."""
        try:
            if one.why_unsearched:
                raise NotRemembered(one.why_unsearched)
            search = self._search(one)
            crop = partial(reading.crop, one.seen)
            for _ in attempts():
                try:
                    if one.other is not None:
                        return self._known(one, one.other, None, crop)
                    groups = self.book.face_visits.defaults(one.tenant)
                    if groups.model != one.seen.template.model:
                        raise WrongModel("the tenant is searched with another model by now: embed the picture with it")
                    found = search(groups)
                    if found.face is not None:
                        return self._known(one, found.face.faceid, found, crop)
                    if one.why_not_kept:
                        raise NotRemembered(one.why_not_kept, _why(one, found))
                    return self._new(one, groups, crop(), search)
                except GalleryMoved:
                    one = replace(one, other=None)  # if somebody said who it is, that face is gone
                except ConditionFailed:
                    continue
        except NotRemembered as why:
            return self._skipped(one, why.reason, why.decision)
        raise Busy("the faces that this one is like are changed all the time: deliver this capture again in a moment")

    def _known(self, one: OpenSighting, faceid: str, found: Recognised | None, crop: Callable[[], FaceJpeg]) -> Capture:
        """Record a sighting of a known face. `found`: what the search says; None: somebody said who it is.

        It may learn it: `crop` cuts the face out of its capture. Raises GalleryMoved if the face was deleted meanwhile,
        ConditionFailed if it was changed, Overtaken, NotRemembered; WrongModel if it is to learn.
        """
        held, decision = (found.held, found.decision) if found else (None, None)
        outcome = resolve(self._of_known(one, faceid, decision, held))
        tenant = one.tenant.name
        with once(), self._taught(outcome, crop) as face:
            held, renamed = self.book.face_visits.renamed(tenant, outcome.context.held, outcome.renamed)
            actions = [*_known_actions(outcome, face, held, renamed), *self._entry(outcome)]
            self.book.writer.save(tenant, face_change(held.face, face, actions, held.limited_groups))
        self._delivered(outcome, actions)
        return outcome.capture

    def _new(self, one: OpenSighting, groups: DefaultGroups | None, jpeg: FaceJpeg, search: _Search) -> Capture:
        """Make a face, if the gallery is still at the seq of a `search` that finds nobody.

        Another process may change the gallery between search and commit: the less we do there, the fewer collide. So
        all is read before the search, and again only if the gallery moved up to the search. Raises GalleryMoved if the
        search finds somebody; NotRemembered, Overtaken, Busy, StorageUnavailable.
        """
        with self._portrayed(one, jpeg) as face:
            for _ in attempts(first_s=A_COMMIT_S):
                context = self._of_new(one, face, groups)
                groups = None
                with self.book.writer.exclusive(one.tenant.name):
                    found = search()
                    if found.face is not None:
                        raise GalleryMoved
                    if context.held.groups.seq != found.seq:
                        context = self._of_new(one, face)
                    # Room and faces can only fail if the gallery has moved.
                    with suppress(GalleryMoved, ConditionFailed):
                        return self._write_new(resolve(replace(context, decision=_why(one, found))), found.seq)
        raise Busy("many faces of this tenant are made at once: deliver this capture again in a moment")

    def _search(self, one: OpenSighting) -> _Search:
        """Return the search for the face that a sighting is.

        If the search gets the tenant's groups, which were read just before, it reads a face with its visits.

        If nobody is found, the faces of the same visit are looked at: once, unless the gallery has changed since.
        """
        looked: dict[int, Recognised] = {}
        others = [other for other in one.beside if other is not one.seen]
        probes = Probes(one.seen.template.model, vector(one.seen.template)[None, :], [one.seen.estimates.quality])

        def search(groups: DefaultGroups | None = None) -> Recognised:
            visit = None if groups is None else (one.at_ms, groups)
            (found,) = self.book.recognition.of(
                one.tenant, probes, group_ids=searched(one.camera), besides=one.not_face, visit=visit
            )
            if one.instead is not None:
                return replace(found, face=None)
            if found.face is None and found.seq not in looked:
                looked[found.seq] = self.book.recognition.of_visit(
                    one.tenant, one.camera, one.capture, one.seen, others=others, found=found, not_face=one.not_face
                )
            return looked[found.seq] if found.face is None else found

        return search

    def _of_known(
        self, one: OpenSighting, faceid: str, decision: Decision | None, held: FaceVisits | None = None
    ) -> Context:
        """Read what a sighting of a known face changes. `held`: the face, if the search has read it.

        Raises GalleryMoved if the face is gone.
        """
        held = held or self.book.face_visits.read(one.tenant, faceid, one.at_ms)
        if held is None:
            raise GalleryMoved
        vision = self.book.tenant_vision.of(one.seen.template.model)
        judge = Judge(vision.impostor_curve, vision.population)
        if decision is not None:
            one = replace(one, twice=is_lesser(one, held.face, judge))
        if one.is_uncertain(decision) and not one.near:
            found = self.book.recognition.nearest(one.tenant, one.camera, one.seen, CANDIDATES)
            one = replace(one, near=tuple(NearFace(near.faceid, min(near.score, 1.0)) for near in found))
        return self._completed(Context(one, held, plan_of(one, held), decision, judge=judge))

    def _of_new(self, one: OpenSighting, face: Face, groups: DefaultGroups | None = None) -> Context:
        """Read what the sighting that makes a new face changes, its number, and who goes for it.

        Raises NotRemembered, TenantNotFound.
        """
        groups = groups or self.book.face_visits.defaults(one.tenant)
        face = replace(face, number=groups.numbered + 1)
        held = FaceVisits(face, Visits(), groups, groups.stranger)
        context = Context(one, held, plan_of(one, held), is_new=True)
        if not context.has_room:
            context = replace(context, evicted=self._evicted(one.tenant, groups.stranger, one.not_face))
        return self._completed(context)

    def _completed(self, context: Context) -> Context:
        """Read what the plan of the face's visits asks for: the sightings that it may rename, and who is told."""
        one, full, tenant = context.sighted, context.full, context.sighted.tenant.name
        between = self.book.face_visits.between(tenant, context.held, context.plan) if one.is_of_arrival else ()
        told = full and self.book.items.get(keys.DIRECTORY, (tenant, keys.full_item(full.id)))
        context = replace(
            context,
            sightings=tuple(between),
            told_at=moment(told["at"]) if told else None,
            months=self.book.statistics.calendar.months(tenant, [one.at_ms // DAY_MS]),
        )
        return replace(context, hooks=self.book.webhooks.hooks.all(tenant)) if context.tells else context

    def _evicted(self, tenant: Tenant, strangers: Group, besides: str | None) -> Evicted:
        """Find the stranger without a name last seen longest ago, but not `besides`, and what goes with that face.

        Nor one that is held, whose observations move, or with whom more goes than one transaction has room for. Raises
        NotRemembered.
        """
        for face in self.book.faces.by_arrival(tenant, strangers):
            if face.faceid != besides and not face.name and not face.moving and face.hold is None:
                merges, pictures = self.book.merges.records.deletes(tenant.name, face)
                negatives = self.book.recognition.negatives.deletes(tenant.name, face)
                deletes = [*face_deletes(self.book.items, tenant.name, face), *negatives, *merges]
                if len(deletes) > _MOST_DELETES:
                    continue
                departure = self.book.duties.faces_leave(tenant, [face], FULL, erases=tenant.deletes_erase)
                return Evicted(face, [*deletes, *departure.actions], (*face.picture_keys, *pictures))
        raise NotRemembered("the group of strangers is full, and nobody could go for it")

    def _skipped(self, one: OpenSighting, reason: str, decision: Decision | None = None) -> Capture:
        """Record a face that is nobody's, in the capture only. Raises Overtaken."""
        sighting = one.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        capture = one.resolved_capture(sighting)
        with once():
            entry = self.book.duties.sighting_resolved(one.tenant.name, capture, sighting)
            write(self.book.items, [resolved(one, capture), *entry])
        return capture

    @contextmanager
    def _taught(self, outcome: Outcome, crop: Callable[[], FaceJpeg]) -> Iterator[Face]:
        """Give the face with the keys of its pictures; the commit in the block stores it.

        The crop is stored before the commit, and deleted if the commit is refused. The pictures that the new one pushes
        out are deleted afterwards.
        """
        face, new = outcome.face, outcome.learnt
        if new is None:
            yield face
            return
        # Without a thumbnail, which would cost as much to store again: a learnt picture is no portrait.
        stored = self.book.face_pictures.kept(
            outcome.context.sighted.tenant, outcome.context.held.face, new, FaceJpeg(crop().data)
        )
        face = replace(face, pictures=tuple(stored if one is new else one for one in face.pictures))
        with self.book.face_pictures.replaced(outcome.context.held.face.picture_keys, face.picture_keys):
            yield face

    @contextmanager
    def _portrayed(self, one: OpenSighting, jpeg: FaceJpeg) -> Iterator[Face]:
        """Give a new face, whose picture is stored, and deleted if the commit in the block is refused."""
        new = Face(time_ordered_id(one.now), STRANGER, one.now, ())
        picture = self.book.face_pictures.kept(one.tenant, new, founding_picture(one), jpeg)
        with self.book.face_pictures.replaced((), [picture.key]):
            yield replace(new, pictures=(picture,))

    def _write_new(self, outcome: Outcome, seq: int) -> Capture:
        """Write the sighting that makes a new face, if the gallery is still at the seq of the search that found nobody.

        Raises GalleryMoved, ConditionFailed, Overtaken, NotRemembered.
        """
        change = _new_change(outcome, seq)
        change = replace(change, actions=(*change.actions, *self._entry(outcome)))
        with once():
            self.book.writer.commit(outcome.context.sighted.tenant.name, change)
        self._delivered(outcome, change.actions)
        if outcome.context.evicted:
            self.book.face_pictures.discard(outcome.context.evicted.picture_keys)
        return outcome.capture

    def _entry(self, outcome: Outcome) -> Sequence[Action]:
        """Return the actions by which others take note of the sighting."""
        tenant = outcome.context.sighted.tenant.name
        return self.book.duties.sighting_resolved(tenant, outcome.capture, outcome.sighting)

    def _delivered(self, outcome: Outcome, actions: Sequence[Action]) -> None:
        tenant = outcome.context.sighted.tenant.name
        self.book.statistics.calendar.holds(tenant, [outcome.context.sighted.at_ms // DAY_MS])
        self.book.webhooks.outbox.announce(tenant, actions)

    def _park(self, tenant: Tenant, capture: Capture, reason: str) -> Capture:
        key = keys.capture(tenant.name, capture.camera_id, capture.id)
        fields = {"state": CaptureState.PARKED, "reason": reason}
        write(self.book.items, [Update(keys.CAPTURES, key, (exists("capture-there"),), set=fields)])
        telemetry.count(CAPTURES_PARKED)
        _log.warning("capture %s of camera %s is parked: %s", capture.id, capture.camera_id, reason)
        return replace(capture, state=CaptureState.PARKED, reason=reason)


def _why(one: OpenSighting, found: Recognised) -> Decision | None:
    """Return the decision that found nobody known; None: somebody said so."""
    return found.decision if one.instead is None else None


_OUTCOMES = {
    Resolution.MATCHED: FACES_MATCHED,
    Resolution.STRANGER: FACES_NEW,
    Resolution.SKIPPED: FACES_SKIPPED,
}


def _measured(capture: Capture) -> Capture:
    telemetry.count(CAPTURES_RESOLVED, *(_OUTCOMES[one.resolution] for one in capture.sightings))
    return capture


def _stored_keys(body: str) -> list[tuple[str, bool]]:
    """Return the keys of an event's pictures, and for each whether we sent the event again."""
    try:
        event: Any = json.loads(body)
        records = event.get("Records", []) if isinstance(event, dict) else []
        return [
            (unquote_plus(record["s3"]["object"]["key"]), record.get("eventName") == SENT_AGAIN)
            for record in records
            if "s3" in record
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"this is no event of S3: {body[:100]!r}") from error
