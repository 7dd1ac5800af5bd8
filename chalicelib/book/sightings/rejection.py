"""Rejections ("not this person") of sightings, and corrections of whole visits.

A rejected sighting leaves its face, its picture becomes a negative of that face, and the sighting
is resolved again. All sightings of a visit are given to one person by one call, which a repeat
finishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.captures.captures import not_found
from chalicelib.book.commit import Change, make_face_change
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.faces import face_deletes
from chalicelib.book.idempotency import OK, PARTIAL, Answer, RequestId
from chalicelib.book.sightings.changes import is_waiting_for, sightings_update
from chalicelib.book.visits import face_put, sightings_of_arrival, visits_puts
from chalicelib.domain.captures import (
    Capture,
    CaptureState,
    Instead,
    Resolution,
    SeenFace,
    Sighting,
    parts_of_sighting,
)
from chalicelib.domain.done import ActKind, Was
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    Conflict,
    FaceHeld,
    FaceNotFound,
    InvalidInput,
    LastPicture,
    LimitReached,
    RejectionNotFound,
    SightingNotFound,
    WrongModel,
)
from chalicelib.domain.grounds import require_record
from chalicelib.domain.model import (
    BLANK,
    MAX_NEGATIVES,
    REGULAR,
    Face,
    Learnt,
    Negative,
    Picture,
    Tenant,
)
from chalicelib.domain.names import face_name
from chalicelib.domain.observations import ChangedObservation, Observation, ReviewKind, review_id
from chalicelib.domain.pictures import FaceJpeg
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.domain.rules.sighting import Reassignment, Rejected
from chalicelib.domain.rules.templates import (
    list_given_pictures,
    make_delete_entry,
    remove_rejected_pictures,
)
from chalicelib.domain.rules.visits import (
    KEPT_MS,
    FaceVisits,
    VisitPlan,
    apply_plan,
    plan_without_sighting,
    rename_sightings,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed, count_attempts, retry_if_changed, write_unless_changed
from chalicelib.storage.ports import Action, Check, Item, Update, equals, exists
from chalicelib.storage.records.captures import (
    AGAIN,
    STEP,
    capture_from,
    if_nobody_erased,
    seen_item,
)
from chalicelib.storage.records.faces import face_update
from chalicelib.storage.records.merges import return_put
from chalicelib.storage.records.observations import observation_item, review_delete
from chalicelib.storage.values import milliseconds, moment, omit_none

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_MODEL_SAME = "model-same"
_WAITING = "rejected for the face that it matched; being resolved again"
_BUSY = (
    "others change this face, or faces of this capture, at this moment: send the request "
    "again in a moment"
)


_READ_AGAIN = ("tenant_day", "labels", "box", "estimates")
"""Fields of an observation that are read again when its sighting comes back."""


class _RejectedSighting(Struct, frozen=True):
    """A face's sighting with its capture, as they were read.

    `item`: the stored capture; `number`: the sighting's.
    """

    face_visits: FaceVisits
    observation: Observation
    item: Item
    capture: Capture
    number: int


class _RejectedFace(Struct, frozen=True):
    """The seen face of somebody who was rejected.

    `learnt`: by sighting, in ms, when the face had learnt it.

    `other`: the face that it is instead, `instead`: that it is nobody known; without both, a search
    says who. `is_rest`: another one of its visit was rejected before, by the same request.
    """

    seen: SeenFace
    learnt: Mapping[str, int]
    other: str | None
    instead: Instead | None
    is_rest: bool = False


def _require_not_made_from(sighting: _RejectedSighting) -> None:
    """Raise Conflict if the face was made from the sighting, and nobody gave it another picture."""
    resolution = sighting.capture.sightings[sighting.number].resolution
    if resolution is Resolution.STRANGER and not _is_by_hand(sighting.face_visits.face):
        raise Conflict(
            "a face was made from this sighting: delete the face, merge it with the right one, or "
            "undo the merge "
            "that brought the sighting here"
        )


def _require_room_for_negative(sighting: _RejectedSighting) -> None:
    """Raise LimitReached if the face can remember no further photo that is not of it."""
    face = sighting.face_visits.face
    if face.negatives >= MAX_NEGATIVES:
        raise LimitReached(
            f"face {face.faceid!r} has {MAX_NEGATIVES} negatives already, as many as it can have: "
            "enrol a better picture of it, or delete it"
        )


class Rejection(Service["Book"]):
    def reject(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        request: RequestId | None = None,
        *,
        other: str | None = None,
        instead: Instead | None = None,
        progress: Mapping[str, Any] | None = None,
        unmakes: bool = False,
        is_rest: bool = False,
    ) -> Rejected:
        """Detach a sighting from a face, and resolve it again without that face.

        Called again, continue after a crash.

        `other`: the face that it is instead, `instead`: that it is nobody known; without both, a
        search says who. `progress`: by what the rest of the request is done, which this is the
        begin of. `is_rest`: it is a part of such a request, which is listed as one act. `unmakes`:
        the face goes, once it has lost the sighting that it was made from; so
        its pictures stay until then.

        If the photo is one of the face's pictures, that is removed first, and with it what the face
        learnt of whom it shows. Raises FaceNotFound, FaceHeld, SightingNotFound (also if it is
        another face's), LimitReached if the face has 20 negatives and a search is to say who it is,
        Busy, WrongModel, LastPicture if the face has no other picture, Conflict if a face was made
        from the sighting, its picture is not kept any more, or it is over 100 days old.
        AnsweredAlready has the id of the `camera`, and `other`, with which `continue_rejection`
        continues.
        """
        _require_one_answer(faceid, other, instead)
        if other is not None:
            self.services.faces.get(tenant, other)
        seen_face: SeenFace | None = None
        learnt: dict[str, int] = {}
        for _ in count_attempts():
            try:
                sighting = self._find_rejected(tenant, faceid, sighting_id)
            except Changed:
                continue
            if sighting is None:
                return self._find_and_continue(tenant, faceid, sighting_id, other)
            if not unmakes:
                _require_not_made_from(sighting)
            if not (other or instead):
                _require_room_for_negative(sighting)
            seen_face = seen_face or self._read_seen_face(tenant, sighting)
            if not unmakes and (
                removed_pictures := self._remove_pictures(tenant, sighting, seen_face)
            ):
                learnt |= _list_learnt(removed_pictures)
                continue  # the face is another one now
            if self._try_to_detach(
                tenant,
                sighting,
                _RejectedFace(seen_face, learnt, other, instead, is_rest=is_rest),
                request,
                progress,
            ):
                return self.continue_rejection(
                    tenant, faceid, sighting_id, sighting.capture.camera_id, other
                )
        raise Busy(_BUSY)

    def _find_rejected(
        self, tenant: Tenant, faceid: str, sighting_id: str
    ) -> _RejectedSighting | None:
        """Read a face's sighting that is to be rejected, as `_read_rejected` does; None: the face
        has no such sighting.

        Raises FaceNotFound, FaceHeld, Busy, and what `_read_rejected` raises: Changed while the
        face is being merged.
        """
        face_visits = self.services.face_visits.read_face(tenant, faceid)
        if face_visits is None:
            raise FaceNotFound(f"there is no face {faceid[:70]!r}")
        require_no_loss(face_visits.face)
        if self.services.merges.mover.settle_faces(tenant, face_visits.face):
            raise Changed
        observation = self.services.captures.find_observation(tenant, faceid, sighting_id)
        if observation is None:
            return None
        return self._read_rejected(tenant, face_visits, observation)

    def _read_seen_face(self, tenant: Tenant, sighting: _RejectedSighting) -> SeenFace:
        capture = sighting.capture
        box = capture.sightings[sighting.number].box
        return self.services.captures.read_face_in_box(
            tenant, capture.camera_id, capture.id, box
        ).seen

    def _remove_pictures(
        self, tenant: Tenant, sighting: _RejectedSighting, seen_face: SeenFace
    ) -> list[Picture]:
        """Remove the face's pictures of the person who was rejected.

        Return those that it had of them as it was read.

        Raises FaceNotFound, LastPicture, FaceHeld, Busy.
        """
        face = sighting.face_visits.face
        choose = partial(_remove_pictures_of, seen_face=seen_face, photos=sighting.capture.photos)
        kept_pictures = choose(face)
        if kept_pictures != face.pictures:
            self.services.enrolment.pictures.keep_pictures(tenant, face.faceid, choose)
        return [picture for picture in face.pictures if picture not in kept_pictures]

    def _try_to_detach(
        self,
        tenant: Tenant,
        sighting: _RejectedSighting,
        rejected_face: _RejectedFace,
        request: RequestId | None,
        progress: Mapping[str, Any] | None,
    ) -> bool:
        """Detach the sighting, and store the answer. Return False if others changed what was read.

        `progress`: as in `reject`. Raises AnsweredAlready, and WrongModel if the tenant's model was
        changed.
        """
        body = progress or {"camera": sighting.capture.camera_id, "other": rejected_face.other}
        answer = Answer(PARTIAL if progress else OK, body)
        try:
            with self.services.requests.raise_if_answered(tenant.name, request):
                record = (
                    [self.services.requests.make_answer_put(tenant.name, request, answer)]
                    if request
                    else []
                )
                was = None if rejected_face.is_rest else _say_what_was(sighting, body)
                self._detach_sighting(tenant, sighting, rejected_face, record, was)
        except ConditionFailed as error:
            if _MODEL_SAME in error.names:
                raise WrongModel(
                    f"the model of tenant {tenant.name!r} was changed: embed the picture with it"
                ) from error
            return False
        return True

    def best_first(
        self, tenant: Tenant, face_visits: FaceVisits, visit: Iterable[Observation]
    ) -> list[Observation]:
        """Return the sightings, best picture first, after a check that each can be assigned to
        another person.

        The best one is the one that makes a face. Raises Conflict, LastPicture, Changed.
        """
        sightings: list[_RejectedSighting] = []
        for observation in visit:
            sightings.append(self._read_rejected(tenant, face_visits, observation))
            _require_not_made_from(sightings[-1])
        for sighting in sightings:
            self.services.captures.require_picture(
                tenant, sighting.capture.camera_id, sighting.capture.id
            )
        photos = frozenset[str]().union(*(sighting.capture.photos for sighting in sightings))
        if all(picture.id in photos for picture in face_visits.face.pictures):
            raise LastPicture(
                "this visit has the only picture of the face: delete the face, or add another "
                "picture"
            )
        sightings.sort(
            key=lambda sighting: sighting.capture.sightings[sighting.number].quality or 0.0,
            reverse=True,
        )
        return [sighting.observation for sighting in sightings]

    def is_first(self, tenant: Tenant, observation: Observation) -> bool:
        """Return whether a face was made from this sighting."""
        capture_id, number = parts_of_sighting(observation.id)
        capture = self.services.captures.find(tenant, observation.camera, capture_id)
        return capture is not None and capture.sightings[number].resolution is Resolution.STRANGER

    def _find_and_continue(
        self, tenant: Tenant, faceid: str, sighting_id: str, other: str | None
    ) -> Rejected:
        """Continue an earlier rejection that was cut off.

        Raises SightingNotFound if there is none.
        """
        negatives = self.services.recognition.negatives
        negative = negatives.find_by_sighting(tenant.name, faceid, sighting_id)
        if negative is None and other is not None:
            negative = negatives.find_by_sighting(tenant.name, other, sighting_id)
        if negative is not None:
            capture_key = keys.capture(
                tenant.name, negative.camera, parts_of_sighting(sighting_id)[0]
            )
            item = self.services.items.get(keys.CAPTURES, capture_key)
            if item is not None and is_waiting_for(item, faceid):
                return self.continue_rejection(tenant, faceid, sighting_id, negative.camera, other)
        raise not_found(faceid, sighting_id)

    def continue_rejection(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        camera_id: str,
        other: str | None = None,
    ) -> Rejected:
        """Answer a rejection that was done, and continue it if it was cut off.

        Raises FaceNotFound, CaptureNotFound.
        """
        self.services.book_hooks.face_changed(tenant, faceid)
        capture_id, number = parts_of_sighting(sighting_id)
        capture = self.services.sightings.ingest.resolve_capture(tenant.name, camera_id, capture_id)
        # As stored, so that a repeat is answered the same.
        capture = self.services.captures.find(tenant, camera_id, capture_id) or capture
        if other is not None and capture.sightings[number].faceid == other:
            self._learn_pictures_again(tenant, other, sighting_id)
            # it was said before that it is not this face
            with suppress(FaceNotFound, FaceHeld, RejectionNotFound):
                self.take_back(tenant, other, sighting_id)
        return Rejected(capture, capture.sightings[number], self.services.faces.get(tenant, faceid))

    def _learn_pictures_again(self, tenant: Tenant, faceid: str, sighting_id: str) -> None:
        """Give a face the pictures again that left it with a sighting that has come back, if they
        can be read yet."""
        negative = self.services.recognition.negatives.find_by_sighting(
            tenant.name, faceid, sighting_id
        )
        for learnt, at_ms in (negative.learnt if negative else {}).items():
            observation = self.services.captures.find_observation(tenant, faceid, learnt)
            if observation is None or observation.box is None:  # it has not come back
                continue
            with suppress(Conflict, FaceHeld, FaceNotFound, WrongModel):
                self._learn_picture_again(tenant, faceid, observation, moment(at_ms))

    def _learn_picture_again(
        self, tenant: Tenant, faceid: str, observation: Observation, learnt_at: datetime
    ) -> None:
        """Give a face the picture of one of its sightings again.

        `learnt_at`: when it had learnt that first.

        A face that has the photo already, or a capture that is gone, changes nothing. Raises
        Conflict if the picture is gone, Busy.
        """
        capture_id, box = parts_of_sighting(observation.id)[0], observation.box
        capture = self.services.captures.find(tenant, observation.camera, capture_id)
        face = self.services.faces.get(tenant, faceid)
        if (
            capture is None
            or box is None
            or any(picture.id in capture.photos for picture in face.pictures)
        ):
            return
        sighted_face = self.services.captures.read_face_in_box(
            tenant, observation.camera, capture_id, box
        )
        jpeg = FaceJpeg(sighted_face.reading.crop_face(sighted_face.seen).data)
        learnt = Learnt(observation.id, observation.camera, observation.at)
        templates, estimates = (sighted_face.seen.template,), sighted_face.seen.estimates
        picture = Picture(capture.photo, "", learnt_at, templates, estimates, learnt=learnt)
        stored_picture = self.services.face_pictures.write_picture(tenant, face, picture, jpeg)

        # An erasure of somebody else on it gives the photo another id: then it is read again at the
        # next request.
        if_same = if_nobody_erased(capture, "capture-same")
        check = Check(
            keys.CAPTURES, keys.capture(tenant.name, observation.camera, capture_id), if_same
        )

        def add_picture(face: Face) -> tuple[Face, Change]:
            pictures = self.services.tenant_vision.make_chooser(tenant).choose_pictures(
                (*face.pictures, stored_picture)
            )
            after = replace(face, pictures=pictures)
            return after, make_face_change(face, after, (check,))

        self.services.faces.change_face(tenant, faceid, add_picture, None)

    def _read_rejected(
        self, tenant: Tenant, face_visits: FaceVisits, observation: Observation
    ) -> _RejectedSighting:
        """Read a sighting of a face with its capture.

        Raises Conflict if it is too old to be rejected.

        Raises Changed while faces of the capture are being resolved: maybe another call has just
        rejected this one.
        """
        capture_id, number = parts_of_sighting(observation.id)
        item = self.services.items.get(
            keys.CAPTURES, keys.capture(tenant.name, observation.camera, capture_id)
        )
        age_ms = milliseconds(self.services.clock.now()) - observation.at_ms
        if item is None or (observation.gap_s is not None and age_ms > KEPT_MS):
            raise Conflict(
                "this sighting is over 100 days old: its arrival is closed, and its capture "
                "forgotten"
            )
        capture = capture_from(item)
        if capture.state is not CaptureState.RESOLVED:
            raise Changed
        return _RejectedSighting(face_visits, observation, item, capture, number)

    def _detach_sighting(
        self,
        tenant: Tenant,
        sighting: _RejectedSighting,
        rejected_face: _RejectedFace,
        record: Iterable[Action],
        was: Was | None,
    ) -> None:
        """Detach the sighting, and have its capture wait. `was`: what somebody may take back.

        Raises ConditionFailed: read all again.
        """
        observation = sighting.observation
        face_visits, plan, renamed_observations = self._plan_visits(tenant, sighting)
        is_remembered = self._is_to_be_remembered(
            tenant, face_visits.face, observation, rejected_face.other
        )
        face = replace(
            apply_plan(face_visits.face, plan), negatives=face_visits.face.negatives + is_remembered
        )
        negative = (
            self._make_negative(tenant, observation, rejected_face) if is_remembered else None
        )
        changes = [
            ChangedObservation(observation, None),
            *(change for change in renamed_observations if change.before.id != observation.id),
        ]
        actions: list[Action] = [
            *self._make_leave_actions(tenant, sighting, rejected_face, negative),
            replace(face_put(tenant, face_visits.face, face), was=was),
            *self.services.statistics.make_actions(tenant.name, [], changes),
            *record,
        ]
        if observation.gap_s is not None:
            actions += visits_puts(tenant.name, face.faceid, face_visits.visits, plan.visits)
        self.services.writer.save(
            tenant.name,
            make_face_change(face_visits.face, face, actions, face_visits.limited_groups),
        )

    def _plan_visits(
        self, tenant: Tenant, sighting: _RejectedSighting
    ) -> tuple[FaceVisits, VisitPlan, Sequence[ChangedObservation]]:
        """Plan the face's visits without the sighting.

        Return also the observations that get another group's name.

        If these are more than one transaction takes, the first are stored at once: so return the
        face as it is then.
        """
        face_visits, visits = sighting.face_visits, self.services.face_visits
        if sighting.observation.gap_s is None:  # it is no arrival
            return face_visits, VisitPlan(face_visits.visits, face_visits.face.group_id), ()
        plan = self._plan_without(tenant, face_visits, sighting.observation)
        misnamed_ones = rename_sightings(
            face_visits.groups,
            plan.visits,
            visits.list_touched_sightings(tenant.name, face_visits, plan),
        )
        stored_face_visits, renamed_observations = visits.write_surplus_changes(
            tenant.name, face_visits, misnamed_ones
        )
        return stored_face_visits, plan, renamed_observations

    def _is_to_be_remembered(
        self, tenant: Tenant, face: Face, observation: Observation, other: str | None
    ) -> bool:
        """Return whether the face gets a negative: a face with as many as it can have does not
        remember another one.

        A merge may bring back a sighting that was rejected before: that is remembered already.
        """
        negatives = self.services.recognition.negatives
        return (
            negatives.find_by_sighting(tenant.name, face.faceid, observation.id) is None
            and face.negatives < MAX_NEGATIVES
            and not self._is_taken_back(tenant, observation, other)
        )

    def _make_negative(
        self, tenant: Tenant, observation: Observation, rejected_face: _RejectedFace
    ) -> Negative:
        """Make the negative that the face remembers: by it, the sighting can come back."""
        item = self.services.items.get(
            keys.REVIEWS, (tenant.name, review_id(ReviewKind.UNCERTAIN, observation.id))
        )
        stored_item = observation_item(tenant.name, observation)
        return Negative(
            observation.id,
            (rejected_face.seen.template,),
            observation.camera,
            {name: value for name, value in stored_item.items() if name not in _READ_AGAIN},
            asked=item is not None,
            learnt=rejected_face.learnt,
        )

    def _make_leave_actions(
        self,
        tenant: Tenant,
        sighting: _RejectedSighting,
        rejected_face: _RejectedFace,
        negative: Negative | None,
    ) -> list[Action]:
        """Return the actions by which the sighting leaves its face: all but the changes of face,
        visits and counts."""
        faceid, sighting_id = sighting.face_visits.face.faceid, sighting.observation.id
        model_check = equals("model", rejected_face.seen.template.model, _MODEL_SAME)
        capture = sighting.capture
        return [
            # Before the switch to another model, or not at all: the change embeds what it finds
            # then.
            Check(keys.TENANTS, keys.tenant_item(tenant.name), (model_check,)),
            _make_waiting_update(tenant.name, sighting, rejected_face),
            *(
                [self.services.recognition.negatives.make_put(tenant.name, faceid, negative)]
                if negative
                else []
            ),
            review_delete(tenant.name, sighting_id),
            *self.services.book_hooks.sighting_rejected(
                tenant.name, capture, capture.sightings[sighting.number]
            ),
        ]

    def _is_taken_back(self, tenant: Tenant, observation: Observation, other: str | None) -> bool:
        """Return whether a sighting that somebody said is the face's goes back to the one that it
        was taken from.

        The face then never had it, and remembers nothing.
        """
        if other is None or observation.decision is not None:
            return False
        return (
            self.services.recognition.negatives.find_by_sighting(tenant.name, other, observation.id)
            is not None
        )

    def _plan_without(
        self, tenant: Tenant, face_visits: FaceVisits, observation: Observation
    ) -> VisitPlan:
        """Plan a face's visits as they are without one sighting, by the other sightings of its
        arrival.

        An arrival is the begin of a visit, with the sightings that follow it without a long pause.
        Raises Conflict if it is so old that only its count is left.
        """
        at_ms = observation.at_ms
        arrival = face_visits.visits.arrivals.find_around(at_ms)
        if arrival is None:
            raise Conflict("the arrival of this sighting is closed: what is left of it is a count")
        remaining = [
            (sighting.at_ms, sighting.gap_s * 1000)
            for sighting in sightings_of_arrival(
                self.services.items, tenant.name, face_visits.face, arrival
            )
            if sighting.id != observation.id and sighting.gap_s is not None
        ]
        return plan_without_sighting(
            face_visits, arrival, remaining, milliseconds(self.services.clock.now())
        )

    def of_face(self, tenant: Tenant, faceid: str) -> list[Negative]:
        """Return the sightings that are not the face's, newest first. Raises FaceNotFound."""
        face = self.services.faces.get(tenant, faceid)
        return self.services.recognition.negatives.read_of_face(tenant.name, face)[::-1]

    def take_back(
        self, tenant: Tenant, faceid: str, sighting_id: str, request: RequestId | None = None
    ) -> None:
        """Forget that the face is not this sighting.

        The sighting stays what it was resolved to since.

        Raises FaceNotFound, RejectionNotFound, FaceHeld, Busy, AnsweredAlready.
        """
        negatives = self.services.recognition.negatives

        def delete_negative(face: Face) -> tuple[Face, Change]:
            if negatives.find_by_sighting(tenant.name, faceid, sighting_id) is None:
                raise RejectionNotFound(
                    f"sighting {sighting_id[:100]!r} is not rejected for face {faceid!r}"
                )
            forgotten = negatives.make_delete(tenant.name, faceid, sighting_id)
            return replace(face, negatives=face.negatives - 1), Change((forgotten,), ())

        self.services.faces.change_face(tenant, faceid, delete_negative, request)

    def give_visit(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        gift: Reassignment,
        request: RequestId | None = None,
    ) -> Reassigned:
        """Assign the visit of a sighting to another person.

        Called again, continue after a crash.

        A visit that cannot be given is refused before anything is changed. A face that is nothing
        but this visit becomes a part of the other one: it was made from it, and has no name and no
        picture by hand. A name goes only if the visit comes back to the face that it was taken
        from. Raises what Rejection.reject raises, and GroupFull for a name.
        """
        named_gift = replace(gift, name=face_name(gift.name))
        if (gift.instead is Instead.NEW) != bool(named_gift.name):
            raise InvalidInput("instead: new and the name of who it is go together")
        if named_gift.name:
            require_record(tenant, None)  # who it is gets a face of its own, without a record
        progress = self._begin_gift_once(tenant, faceid, sighting_id, named_gift, request)
        given = self._finish_gift(tenant, faceid, sighting_id, progress, named_gift.name)
        if request is not None:
            record = self.services.requests.make_answer_put(
                tenant.name, request, Answer(OK, progress), partial_body=progress
            )
            # or another call has finished it, too
            write_unless_changed(self.services.items, [record])
        return given

    def answer_gift_again(
        self, tenant: Tenant, faceid: str, sighting_id: str, progress: Mapping[str, Any]
    ) -> Reassigned:
        """Return the assigned visit in its current state: it may have been taken back.

        `progress`: what was stored of it.
        """
        camera = next(camera for camera, id_ in progress["visit"] if id_ == sighting_id)
        was = progress["other"] if progress.get("merged") or progress.get("unmade") else faceid
        now = self.continue_rejection(tenant, was, sighting_id, camera)
        return Reassigned(now, tuple(id_ for _, id_ in progress["visit"]))

    @retry_if_changed(_BUSY)
    def _begin_gift_once(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        gift: Reassignment,
        request: RequestId | None,
    ) -> Mapping[str, Any]:
        """Return by what the rest of a gift is done: as the request has noted it, else of a gift
        that begins now."""
        progress = self.services.requests.read_progress(tenant.name, request)
        try:
            return progress or self._begin_gift(tenant, faceid, sighting_id, gift, request)
        # another call with the same request, at the same time, has begun
        except (FaceNotFound, SightingNotFound):
            progress_of_other = self.services.requests.read_progress(tenant.name, request)
            if not progress_of_other:
                raise
            return progress_of_other

    def _begin_gift(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        gift: Reassignment,
        request: RequestId | None,
    ) -> Mapping[str, Any]:
        """Give the first sighting, or the whole face, and return by what the rest is done."""
        face_visits = self.services.face_visits.read_face(tenant, faceid)
        if face_visits is None:
            return self._finish_whole_face(tenant, faceid, sighting_id, gift)
        visit = self._read_visit(tenant, face_visits, sighting_id, gift.only)
        comes_back = self._comes_back(tenant, gift.other, visit)
        is_nothing_else = self._is_nothing_else(tenant, face_visits, visit)
        way = _choose_way(
            face_visits.face, gift.other, is_nothing_else=is_nothing_else, comes_back=comes_back
        )
        visit_in_order = self._order_visit(tenant, face_visits, visit, way, comes_back=comes_back)
        given = [(observation.camera, observation.id) for observation in visit_in_order]
        progress = _make_progress(gift, given, way)
        if gift.other is not None and way is _Way.MERGE:
            self._merge_whole_face(tenant, faceid, gift.other, progress, request)
        else:
            self.services.sightings.rejection.reject(
                tenant,
                faceid,
                visit_in_order[0].id,
                request,
                other=gift.other,
                instead=None if way is _Way.RETURN else gift.instead,
                progress=progress,
                unmakes=way is _Way.RETURN,
            )
        return progress

    def finish_return(
        self, tenant: Tenant, faceid: str, other: str, ids: Sequence[str], camera_id: str
    ) -> None:
        """Give the rest of these sightings back to the `other` face, after a gift of them that was
        cut off behind its first write.

        `faceid`: the face from which they come back, which may be gone; `camera_id`: of the first.
        """
        face_visits = self.services.face_visits.read_face(tenant, faceid)
        if face_visits is None:
            with suppress(FaceNotFound):  # it went without a merge
                self.services.merges.merging.merge(tenant, other, faceid)
            self._forget_rejections(tenant, other, ids)
            return
        find = self.services.captures.find_observation
        found = {id_: find(tenant, faceid, id_) or find(tenant, other, id_) for id_ in ids}
        given = [(one.camera if one else camera_id, id_) for id_, one in found.items()]
        face, sightings = face_visits.face, face_visits.visits.arrivals.sightings
        is_made_of_them = sightings <= len(ids) and not _is_by_hand(face) and has_only_a_name(face)
        way = _Way.RETURN if is_made_of_them else _Way.ONE_BY_ONE
        progress = _make_progress(Reassignment(other, None, "", tuple(ids)), given, way)
        self._finish_gift(tenant, faceid, ids[0], progress, "")

    def _forget_rejections(self, tenant: Tenant, faceid: str, ids: Iterable[str]) -> None:
        for id_ in ids:
            with suppress(RejectionNotFound):
                self.take_back(tenant, faceid, id_)

    def _finish_whole_face(
        self, tenant: Tenant, faceid: str, sighting_id: str, gift: Reassignment
    ) -> Mapping[str, Any]:
        """Finish a gift that was cut off when the face was gone already.

        Return by what the rest is done.
        """
        if gift.other is None or not gift.only:
            raise FaceNotFound(f"there is no face {faceid[:70]!r}")
        way = _Way.MERGE
        try:
            self.services.merges.merging.merge(tenant, gift.other, faceid)
        except FaceNotFound:
            way = _Way.RETURN
        observation = self.services.captures.find_observation(tenant, gift.other, sighting_id)
        if observation is None:
            raise not_found(gift.other, sighting_id)
        given_ids = dict.fromkeys((sighting_id, *gift.only))
        return _make_progress(gift, [(observation.camera, id_) for id_ in given_ids], way)

    def _is_nothing_else(
        self, tenant: Tenant, face_visits: FaceVisits, visit: Sequence[Observation]
    ) -> bool:
        """Return whether the face is nothing but this visit, which it was made from."""
        return (
            face_visits.visits.arrivals.sightings == len(visit)
            and not _is_by_hand(face_visits.face)
            and any(
                self.services.sightings.rejection.is_first(tenant, observation)
                for observation in visit
            )
        )

    def _order_visit(
        self,
        tenant: Tenant,
        face_visits: FaceVisits,
        visit: list[Observation],
        way: _Way,
        *,
        comes_back: bool,
    ) -> list[Observation]:
        """Return the sightings in the order in which they are given.

        Raises Conflict, LastPicture, Changed.
        """
        rejection = self.services.sightings.rejection
        if way is _Way.MERGE:
            return visit
        if way is _Way.RETURN:  # what the face was made from goes last
            return sorted(visit, key=lambda observation: rejection.is_first(tenant, observation))
        best_first = rejection.best_first(tenant, face_visits, visit)
        # What was taken first comes back last: the face remembers with it what it had learnt.
        return best_first[::-1] if comes_back else best_first

    def _merge_whole_face(
        self,
        tenant: Tenant,
        faceid: str,
        other: str,
        progress: Mapping[str, Any],
        request: RequestId | None,
    ) -> None:
        """Merge a face that is nothing but the visit to be given into the other face, which keeps
        its own name, or none.

        `other`: the id of that face; `progress`: the answer so far, which is stored for the request
        with the merge. Raises what a merge raises.
        """
        answer = Answer(PARTIAL, progress)
        record = (
            [self.services.requests.make_answer_put(tenant.name, request, answer)]
            if request
            else []
        )
        self.services.merges.merging.merge(
            tenant, other, faceid, more_actions=record, gives_name=False
        )

    def _finish_gift(
        self, tenant: Tenant, faceid: str, sighting_id: str, progress: Mapping[str, Any], name: str
    ) -> Reassigned:
        """Give the rest of a visit, of which `_begin_gift` has given the first sighting or the
        whole face.

        `name`: of somebody new. If it is somebody new, the first sighting makes the face that gets
        the others.
        """
        if progress["merged"]:
            return self._finish_merge(tenant, faceid, sighting_id, progress)
        if progress.get("unmade"):
            return self._finish_return(tenant, faceid, sighting_id, progress)
        other_id = progress["other"]
        instead = Instead(progress["instead"]) if progress["instead"] else None
        rejection = self.services.sightings.rejection
        rejections: dict[str, Rejected] = {}
        for camera, id_ in progress["visit"]:
            try:
                rejections[id_] = rejection.reject(
                    tenant,
                    faceid,
                    id_,
                    other=other_id,
                    instead=None if other_id else instead,
                    is_rest=True,
                )
            except SightingNotFound:  # it was given before
                rejections[id_] = rejection.continue_rejection(
                    tenant, faceid, id_, camera, other_id
                )
            if instead in (Instead.NEW, Instead.STRANGER):
                other_id = other_id or rejections[id_].sighting.faceid
        # else this is a repeat
        if name and other_id and not self.services.faces.get(tenant, other_id).name:
            changes = FaceChanges(name=name, new_group_name=REGULAR)
            self.services.enrolment.update.change_face(tenant, other_id, changes)
        # The face as it is without the whole visit: what a repeat after a crash answers, too.
        return Reassigned(
            replace(rejections[sighting_id], face=self.services.faces.get(tenant, faceid)),
            tuple(rejections),
        )

    def _read_visit(
        self, tenant: Tenant, face_visits: FaceVisits, sighting_id: str, chosen_ids: Sequence[str]
    ) -> list[Observation]:
        """Read the sightings of a visit that are to be given: this one and those of `chosen_ids`;
        without any, all.

        Raises SightingNotFound.
        """
        observation = self.services.captures.find_observation(
            tenant, face_visits.face.faceid, sighting_id
        )
        if observation is None:
            raise not_found(face_visits.face.faceid, sighting_id)
        arrival = face_visits.visits.arrivals.find_around(observation.at_ms)
        if arrival is None:
            return [observation]
        observations = list(
            sightings_of_arrival(self.services.items, tenant.name, face_visits.face, arrival)
        )
        # somebody else has given it just now
        if all(observation.id != sighting_id for observation in observations):
            raise not_found(face_visits.face.faceid, sighting_id)
        return [
            observation
            for observation in observations
            if not chosen_ids or observation.id == sighting_id or observation.id in chosen_ids
        ]

    def _comes_back(self, tenant: Tenant, other: str | None, visit: Iterable[Observation]) -> bool:
        """Return whether these sightings were the other face's, until somebody said that they are
        not."""
        negatives = self.services.recognition.negatives
        return other is not None and any(
            negatives.find_by_sighting(tenant.name, other, observation.id) for observation in visit
        )

    def _finish_return(
        self, tenant: Tenant, faceid: str, sighting_id: str, progress: Mapping[str, Any]
    ) -> Reassigned:
        """Give the rest of a visit back to the face that it was taken from, and delete the face
        that was made of it.

        Somebody said that a visit is not Ann's, so it became face 7. Now somebody says that it is
        not face 7's either: it is Ann's again, and face 7 goes. A sighting that was given back
        before, by a call that was cut off, only has its last steps done.
        """
        other, ids = progress["other"], tuple(id_ for _, id_ in progress["visit"])
        for camera, given_id in progress["visit"]:
            try:
                self.reject(tenant, faceid, given_id, other=other, unmakes=True, is_rest=True)
            except (FaceNotFound, SightingNotFound):
                with suppress(FaceNotFound):
                    self.continue_rejection(tenant, other, given_id, camera, other)
        self._delete_given_face(tenant, faceid, other)
        camera = next(camera for camera, given_id in progress["visit"] if given_id == sighting_id)
        return Reassigned(self.continue_rejection(tenant, other, sighting_id, camera, other), ids)

    @retry_if_changed(_BUSY)
    def _delete_given_face(self, tenant: Tenant, faceid: str, other_id: str) -> None:
        """Delete a face whose whole visit was given back to the other one, unless it was seen again
        meanwhile.

        The other face's record of it leads an erasure to the traces, and later the audit's entry,
        which names both.
        """
        face_visits = self.services.face_visits.read_face(tenant, faceid)
        if face_visits is None or face_visits.visits.arrivals.sightings:
            return
        face = face_visits.face
        merges, pictures = self.services.merges.records.make_delete_actions(tenant.name, face)
        deletes = [
            *self.services.recognition.negatives.make_delete_actions(tenant.name, face),
            *merges,
        ]
        notes: list[Action] = [return_put(tenant.name, other_id, faceid, self.services.clock.now())]
        if self.services.faces.find(tenant, other_id, restricted=True) is not None:
            notes.append(face_update(tenant.name, other_id, exists("face-there")))
        actions = (*face_deletes(self.services.items, tenant.name, face), *deletes, *notes)
        counts = {face.group_id: -1}
        self.services.writer.commit(
            tenant.name,
            Change(
                actions,
                (make_delete_entry(face),),
                counts,
                limited_groups=face_visits.limited_groups,
            ),
        )
        self.services.face_pictures.discard_pictures((*face.picture_keys, *pictures))

    def _finish_merge(
        self, tenant: Tenant, faceid: str, sighting_id: str, progress: Mapping[str, Any]
    ) -> Reassigned:
        """Finish the merge of a face into the other one, which it may be again."""
        other, ids = progress["other"], tuple(id_ for _, id_ in progress["visit"])
        self.services.merges.merging.merge(tenant, other, faceid)
        self._forget_rejections(tenant, other, ids)
        observation = self.services.captures.find_observation(tenant, other, sighting_id)
        if observation is None:
            raise not_found(other, sighting_id)
        return Reassigned(
            self.continue_rejection(tenant, other, sighting_id, observation.camera), ids
        )


def _say_what_was(sighting: _RejectedSighting, progress: Mapping[str, Any]) -> Was:
    """Return what a rejection changes, of the first sighting of a visit for all of them."""
    faceid, other = sighting.face_visits.face.faceid, progress["other"]
    id_, camera = sighting.observation.id, sighting.capture.camera_id
    ids = [given_id for _, given_id in progress.get("visit", ())] or [id_]
    after = {"face": other, "camera": camera, "sightings": ids}
    faceids = (faceid, other) if other else (faceid,)
    if progress.get("unmade"):  # the act would not be listed once the made face is gone
        faceids = (other,)
    return Was(ActKind.REJECTION, id_, faceids, {"face": faceid}, after)


def _require_one_answer(faceid: str, other: str | None, instead: Instead | None) -> None:
    """Refuse a rejection that says two things of who it is, or that it is the face itself."""
    if other is not None and instead is not None:
        raise InvalidInput(
            f"other is the face that the sighting is instead: leave out instead, {instead.value!r}"
        )
    if other == faceid:
        raise InvalidInput(
            f"other is the face that the sighting is instead, not {faceid[:70]!r} itself"
        )


def _list_learnt(pictures: Iterable[Picture]) -> dict[str, int]:
    """Return when each of these pictures was learnt, in ms, by the sighting that it is of."""
    return {
        picture.learnt.sighting_id: milliseconds(picture.added_at)
        for picture in pictures
        if picture.learnt
    }


def _make_waiting_update(
    tenant: str, rejected_sighting: _RejectedSighting, rejected_face: _RejectedFace
) -> Update:
    """Return the update that makes a rejected sighting wait to be resolved again: condition
    STEP."""
    correction_count = int(rejected_sighting.item.get("corrections", 0))
    observation = rejected_sighting.observation
    correction = {
        "n": rejected_sighting.number,
        "faceid": observation.faceid,
        "seen": seen_item(rejected_face.seen),
        "gap_s": observation.gap_s,
        "labels": list(observation.labels),
        **omit_none({"other": rejected_face.other, "instead": rejected_face.instead}),
    }
    sighting = rejected_sighting.capture.sightings[rejected_sighting.number]
    waiting_sighting = Sighting(
        rejected_sighting.number,
        Resolution.SKIPPED,
        sighting.box,
        quality=sighting.quality,
        reason=_WAITING,
    )
    if_same = (
        equals("state", CaptureState.RESOLVED, STEP),
        equals("corrections", correction_count or None, STEP),
    )
    capture_after = rejected_sighting.capture.with_sighting(waiting_sighting, CaptureState.STORED)
    return sightings_update(
        tenant, capture_after, if_same, {AGAIN: correction, "corrections": correction_count + 1}
    )


def _remove_pictures_of(face: Face, seen_face: SeenFace, photos: Set[str]) -> tuple[Picture, ...]:
    """Return the face's pictures without those of the person who was rejected."""
    from chalicelib.domain.rules.templates import parse_vector

    return remove_rejected_pictures(
        face.pictures, parse_vector(seen_face.template), photos, seen_face.template.model
    )


class _Way(Enum):
    """A way to give a visit."""

    ONE_BY_ONE = auto()
    """The face stays, and loses the visit's sightings."""
    MERGE = auto()
    """The face, which is nothing else, becomes a part of the other one."""
    RETURN = auto()
    """The visit was taken from the other face: the one that was made of it goes, and leaves
    nothing."""


def _choose_way(face: Face, other: str | None, *, is_nothing_else: bool, comes_back: bool) -> _Way:
    """Choose how a face's visit is given to the `other` one; a face with a name stays, unless the
    visit comes back.

    `is_nothing_else`: the face is nothing but the visit; `comes_back`: the visit was the other
    face's once.
    """
    if other is None or not is_nothing_else:
        return _Way.ONE_BY_ONE
    if comes_back:
        return _Way.RETURN if has_only_a_name(face) else _Way.MERGE
    return _Way.ONE_BY_ONE if face.name else _Way.MERGE


def _make_progress(
    gift: Reassignment, given: Sequence[tuple[str, str]], way: _Way
) -> Mapping[str, Any]:
    """Return by what the rest of a gift is done.

    `given`: camera and id of each sighting, in their order.

    It is stored without the name, which an erasure would not find: the face that gets it has no id
    so far.
    """
    merged, visit = way is _Way.MERGE, [[camera, id_] for camera, id_ in given]
    progress = {"other": gift.other, "instead": gift.instead, "merged": merged, "visit": visit}
    return progress | {"unmade": True} if way is _Way.RETURN else progress


def _is_by_hand(face: Face) -> bool:
    """Return whether somebody gave a picture of the face, beside those that strangers were made
    from."""
    return any(picture.founded_at is None for picture in list_given_pictures(face.pictures))


def has_only_a_name(face: Face) -> bool:
    """Return whether the face has no notes but a name, so that it can be removed without a
    trace."""
    return face == replace(face, **{**BLANK, "name": face.name}, face_set="", merges=0, moving="")


class Reassigned(Struct, frozen=True):
    """The sighting that was asked for as it is now, and the ids of all that were given with it."""

    rejected: Rejected
    sightings: tuple[str, ...]
