"""Changes of a face: another name, group or picture, other attributes or labels. Its id and its arrivals stay.

A change of many faces changes each by itself, so that one that cannot be changed stops no other.

Further photos of an enrolled person are added and removed here, too, up to MAX_PICTURES (core/model). One that is added
pushes out what the face learnt by itself (core/templates), if there is no room for both. Searches compare with the mean
of a face's photos, so a photo of somebody else would spoil it. A new photo must therefore reach the threshold of a
search with the face, and must not be more like another face. A user who knows better may vouch for it. How good a
picture must be is in portraits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.errors import (
    AnotherFace,
    Busy,
    ConditionFailed,
    Conflict,
    FaceNotFound,
    InvalidInput,
    LastPicture,
    NotThisPerson,
    PictureNotFound,
    RegularsError,
    StorageUnavailable,
    TooManyPictures,
    require_revision,
)
from chalicelib.core.items import attempts, retried, write, write_unless_changed
from chalicelib.core.model import MAX_PICTURES, Face, Group, Picture, Tenant
from chalicelib.core.names import face_name, face_note
from chalicelib.core.pictures import PictureRules
from chalicelib.core.ports import Action, Put
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.observations import visits_from
from chalicelib.core.templates import edited, given, kept, of_model, vector, with_a_given_one, with_room
from chalicelib.core.values import photo_id
from chalicelib.services.captures.captures import not_found
from chalicelib.services.commit import GROUP_ROOM, Change, GalleryMoved, limited_groups
from chalicelib.services.enrolment.enrolment import (
    AGE,
    GENDER,
    FaceChanges,
    attribute_values,
    require_age,
    require_attributes,
    require_room,
)
from chalicelib.services.faces import renamed
from chalicelib.services.idempotency import OK, PARTIAL, RECORDED, Answer, RequestId, WentOn
from chalicelib.services.portraits import Portrait, id_of, keys_of, unpictured
from chalicelib.services.recognition.recognition import Probes, Recognised
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put, visits_puts

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Read:
    """A face as it was read, with its group and the group that it is to be in, which may be the same."""

    face: Face
    group: Group
    target: Group


class FaceUpdate(UseCase):
    def of_face(
        self,
        tenant: Tenant,
        group_name: str,
        faceid: str,
        changes: FaceChanges,
        rules: PictureRules,
        request: RequestId | None = None,
    ) -> None:
        """Apply all changes or none. A new picture replaces all pictures, with their templates and estimates.

        Attribute values follow their names into the new group; those that it lacks are dropped. Raises, in this order,
        InvalidInput, GroupNotFound (either), FaceNotFound (also if it is in another group), Unusable, GroupFull,
        FaceHeld, Busy.
        """
        changes = _legal(changes)

        def read() -> _Read:
            return self._in_group(tenant, group_name, faceid, changes)

        read()
        portrait = None if changes.picture is None else self.book.portraits.of_largest(tenant, changes.picture, rules)
        self._apply(tenant, read, changes, portrait, request=request)

    def of_id(
        self,
        tenant: Tenant,
        faceid: str,
        changes: FaceChanges,
        *,
        revision: int | None = None,
        request: RequestId | None = None,
        record: Put | None = None,
    ) -> Face:
        """Apply all changes but a picture, or none, to a face of any group; return the face.

        `revision`: the one that the caller read; None: whatever it is. `record`: what is stored of the request, if this
        is not the whole of it. Raises, in this order, InvalidInput, FaceNotFound, GroupNotFound, AttributeNotFound (its
        group then has no such attribute), Changed, GroupFull, FaceHeld, Busy; WentOn if `record` comes too late.
        """
        changes = _legal(changes)

        def read() -> _Read:
            found = self._anywhere(tenant, faceid, changes)
            require_revision("the face", found.face, found.face.revision, revision)
            return found

        return self._apply(tenant, read, changes, None, request=request, record=record)

    @retried("this face is changed by others all the time: send the request again in a moment")
    def _apply(
        self,
        tenant: Tenant,
        read: Callable[[], _Read],
        changes: FaceChanges,
        portrait: Portrait | None,
        *,
        request: RequestId | None,
        record: Put | None = None,
    ) -> Face:
        held = read()
        old = held.face
        if held.target.id != held.group.id:
            require_room(held.target)
        new = _changed(held, changes)
        if portrait is not None:
            picture = self.book.portraits.stored(tenant, new, portrait, self.book.clock.now())
            new = replace(new, pictures=(picture,))
        new = unpictured(tenant, new)
        if new != old:
            new = replace(new, changed_at=self.book.clock.now())
        stored = self._committed(tenant, held, new, request, record)
        self.book.portraits.discard([key for key in old.picture_keys if key not in stored.picture_keys])
        return stored

    def _in_group(self, tenant: Tenant, group_name: str, faceid: str, changes: FaceChanges) -> _Read:
        group = self.book.groups.named(tenant, group_name)
        target = group if changes.new_group_name is None else self.book.groups.named(tenant, changes.new_group_name)
        attribute_values(target, changes.values)
        face = self.book.faces.find(tenant, faceid)
        if face is None or face.group_id != group.id:
            raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
        return _Read(face, group, target)

    def _anywhere(self, tenant: Tenant, faceid: str, changes: FaceChanges) -> _Read:
        face = self.book.faces.get(tenant, faceid)
        group = self.book.groups.of_id(tenant, face.group_id)
        if group is None:
            raise FaceNotFound(f"there is no face {faceid!r} any more: its group is just being deleted")
        target = group if changes.new_group_name is None else self.book.groups.named(tenant, changes.new_group_name)
        require_attributes(target, changes.values)
        attribute_values(target, changes.values)
        return _Read(face, group, target)

    def _committed(self, tenant: Tenant, held: _Read, new: Face, request: RequestId | None, record: Put | None) -> Face:
        """Commit; return the face as it is stored. Raises ConditionFailed if the face or a group was changed."""
        old = held.face
        added = [new.picture_key] if new.picture_key != old.picture_key else []
        try:
            with self.book.requests.answering(tenant.name, request), self.book.portraits.discarded_if_refused(added):
                put = face_put(tenant.name, old, new)
                actions: list[Action] = [
                    put,
                    *renamed(tenant.name, old, new),
                    *self._placed_by_hand(tenant, old, new),
                    *([record] if record else self.book.requests.recorded(tenant.name, request)),
                ]
                if new.templates == old.templates and new.group_id == old.group_id:
                    write(self.book.items, actions)
                else:
                    self.book.writer.commit(tenant.name, _change(actions, new, held))
        except ConditionFailed as error:
            if RECORDED in error.names:
                raise WentOn from error
            if f"{GROUP_ROOM}:{new.group_id}" in error.names:
                require_room(self.book.groups.of_id(tenant, new.group_id))
            raise
        return face_from(put.item)

    def _placed_by_hand(self, tenant: Tenant, old: Face, new: Face) -> list[Action]:
        """Return the action that ends the promotion of a face that a user moves.

        Without it a late sighting could undo the move, or change the group that earlier sightings name.
        """
        if new.group_id == old.group_id:
            return []
        visits = visits_from(self.book.items.get(keys.ARRIVALS, (tenant.name, old.faceid)))
        if visits.promotion is None:
            return []
        return visits_puts(tenant.name, old.faceid, visits, replace(visits, promotion=None))


def _legal(changes: FaceChanges) -> FaceChanges:
    """Return the changes with texts in their stored form. Raises InvalidInput."""
    require_age(changes.age)
    return replace(
        changes,
        name=None if changes.name is None else face_name(changes.name),
        note=None if changes.note is None else face_note(changes.note),
    )


def _changed(held: _Read, changes: FaceChanges) -> Face:
    """Return the face with all changes but the picture. Attribute values follow their names into the target group."""
    face = held.face
    names = {attribute.id: attribute.name for attribute in held.group.attributes}
    carried = {names[id_]: value for id_, value in face.attributes.items() if id_ in names}
    ids = {attribute.name: attribute.id for attribute in held.target.attributes}
    values = {ids[name]: value for name, value in carried.items() if name in ids}
    values |= attribute_values(held.target, changes.values)
    return replace(
        face,
        group_id=held.target.id,
        user=face.user if held.target.id == face.group_id else "",
        age=_set(AGE, face.age, changes.age, changes),
        gender=_set(GENDER, face.gender, changes.gender, changes),
        attributes={id_: value for id_, value in values.items() if value},
        name=face.name if changes.name is None else changes.name,
        note=face.note if changes.note is None else changes.note,
        labels=face.labels._replace(**changes.labels),
    )


def _set(name: str, old: _Value | None, new: _Value | None, changes: FaceChanges) -> _Value | None:
    if name in changes.taken_back:
        return None
    return old if new is None else new


def _change(actions: Sequence[Action], new: Face, held: _Read) -> Change:
    group, target = held.group, held.target
    if group.id == target.id:
        return Change(tuple(actions), edited(held.face, new))
    limited = limited_groups(group) | limited_groups(target)
    return Change(tuple(actions), edited(held.face, new), {group.id: -1, target.id: 1}, limited)


MAX_CHANGED = 100


@dataclass(frozen=True)
class FailedFace:
    """A face that was not changed. `code`: the name of the error; `message`: its sentence."""

    id: str
    code: str
    message: str


@dataclass(frozen=True)
class ManyChanged:
    """The outcome of a change of many faces: each id is in one of the lists."""

    done: list[str] = field(default_factory=list)
    failed: list[FailedFace] = field(default_factory=list)


class ManyFaces(UseCase):
    def change(
        self, tenant: Tenant, faceids: Sequence[str], changes: FaceChanges, request: RequestId | None = None
    ) -> ManyChanged:
        """Change up to 100 faces of any groups. A repeated id counts once.

        Each transaction records which faces are done. So a repeat after a crash continues where it stopped, and changes
        no face twice. Raises InvalidInput if there are no ids or over 100, Busy or StorageUnavailable at the first face
        that storage refuses: then those before it are changed; AnsweredAlready.
        """
        if not 0 < len(faceids) <= MAX_CHANGED:
            raise InvalidInput(f"1 to {MAX_CHANGED} faces are changed at once, not {len(faceids)}")
        done, failed = self._done(tenant, request), list[FailedFace]()
        for faceid in dict.fromkeys(faceids):
            while faceid not in (done or ()):
                after = [*(done or ()), faceid]
                record = self._record(tenant, request, Answer(PARTIAL, {"done": after}), done)
                try:
                    self.book.enrolment.update.of_id(tenant, faceid, changes, request=request, record=record)
                    done = after
                except WentOn:
                    done = self._done(tenant, request)
                except (Busy, StorageUnavailable):
                    raise
                except RegularsError as error:
                    failed.append(FailedFace(faceid, type(error).__name__, str(error)))
                    break
        while True:
            changed = ManyChanged(done or [], failed)
            record = self._record(tenant, request, Answer(OK, asdict(changed)), done)
            if record is None or write_unless_changed(self.book.items, [record]):
                return changed
            self.book.requests.raise_if_answered(tenant.name, request)
            done = self._done(tenant, request)

    def _done(self, tenant: Tenant, request: RequestId | None) -> list[str] | None:
        """Return what is done of the request; None if nothing is recorded of it."""
        progress = self.book.requests.progress(tenant.name, request)
        return None if progress is None else list(progress["done"])

    def _record(
        self, tenant: Tenant, request: RequestId | None, answer: Answer, done: Sequence[str] | None
    ) -> Put | None:
        """Return the action that records the answer, if the record still says that these are done."""
        after = None if done is None else {"done": done}
        return self.book.requests.record(tenant.name, request, answer, after=after) if request else None


_ROUNDING = 1e-5
"""How much two ways to compute one score may differ."""

_BUSY = "this face is changed by others all the time: send the request again in a moment"


class FacePictures(UseCase):
    def add(
        self,
        tenant: Tenant,
        faceid: str,
        photo: bytes,
        rules: PictureRules,
        *,
        is_vouched_for: bool = False,
        request: RequestId | None = None,
    ) -> Picture:
        """Add a photo to the face. If the face has this very photo already, return the stored picture.

        `is_vouched_for`: a user says that it is this person, so its likeness is not checked. Raises, in this order,
        FaceNotFound, TooManyPictures, FaceHeld (another picture would have to go), Unusable (not exactly one face that
        could be enrolled, too poor, not alive), NotThisPerson, AnotherFace, Busy, AnsweredAlready with the id of the
        `picture`.
        """

        def portrait() -> Portrait:
            return self.book.portraits.of_only(tenant, photo, rules)

        return self._add(tenant, faceid, id_of(photo), portrait, is_vouched_for=is_vouched_for, request=request)

    def add_sighting(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        *,
        is_vouched_for: bool = False,
        request: RequestId | None = None,
    ) -> Picture:
        """Add the face's picture from one of its sightings. Other faces on that capture do not matter.

        Raises as `add`, SightingNotFound (also if it is another face's), and Conflict if its picture is not kept any
        more.
        """
        self.book.faces.get(tenant, faceid)
        observation = self.book.captures.sighted.observation(tenant, faceid, sighting_id)
        if observation is None or observation.box is None:
            raise not_found(faceid, sighting_id)
        camera_id, box, (capture_id, _) = observation.camera, observation.box, parts_of_sighting(sighting_id)
        capture = self.book.captures.find(tenant, camera_id, capture_id)
        if capture is None:
            raise Conflict("the capture of this sighting is not kept any more")
        photo = photo_id(capture.sha256)

        def portrait() -> Portrait:
            return self.book.portraits.of_seen(
                tenant, self.book.captures.sighted.of(tenant, camera_id, capture_id, box), photo
            )

        return self._add(tenant, faceid, photo, portrait, is_vouched_for=is_vouched_for, request=request)

    def remove(self, tenant: Tenant, faceid: str, picture_id: str, request: RequestId | None = None) -> None:
        """Remove one picture with its templates.

        Raises FaceNotFound, PictureNotFound, LastPicture, FaceHeld, Busy, AnsweredAlready.
        """

        def left(face: Face) -> tuple[Picture, ...]:
            if all(one.id != picture_id for one in face.pictures):
                raise PictureNotFound(f"face {faceid!r} has no picture {picture_id[:40]!r}")
            return tuple(one for one in face.pictures if one.id != picture_id)

        self.keep(tenant, faceid, left, request)

    @retried(_BUSY)
    def keep(
        self,
        tenant: Tenant,
        faceid: str,
        left: Callable[[Face], tuple[Picture, ...]],
        request: RequestId | None = None,
    ) -> None:
        """Remove all pictures of the face but those that `left` gives. If it gives all, change nothing.

        Raises FaceNotFound, LastPicture if that is none, FaceHeld, Busy, AnsweredAlready.
        """
        face = self.book.faces.get(tenant, faceid)
        pictures = left(face)
        if pictures == face.pictures:
            return
        if not pictures:
            raise LastPicture("this is the only picture of the face: delete the face, or add another picture first")
        record = self.book.requests.recorded(tenant.name, request)
        with self.book.requests.answering(tenant.name, request):
            self.book.writer.commit(tenant.name, _repictured(tenant, face, with_a_given_one(pictures), record))
        self.book.portraits.discard(keys_of(one for one in face.pictures if one not in pictures))
        return

    def _add(
        self,
        tenant: Tenant,
        faceid: str,
        photo: str,
        make: Callable[[], Portrait],
        *,
        is_vouched_for: bool,
        request: RequestId | None,
    ) -> Picture:
        """Add the photo with this id, unless the face has it. `make` embeds it, once."""
        portrait: Portrait | None = None
        for _ in attempts():
            face = self.book.faces.get(tenant, faceid)
            known = _known(face, photo, portrait)
            if known is not None:
                self.book.requests.note(tenant.name, request, {"picture": known.id})
                return known
            if len(given(with_room(face.pictures))) >= MAX_PICTURES:
                raise TooManyPictures(f"the face has {MAX_PICTURES} pictures, as many as can be: take one away first")
            if portrait is None:
                portrait = make()
                continue  # embedding took a while: read the face again
            try:
                if not is_vouched_for:
                    self._require_same_person(tenant, face, portrait)
                return self.add_portrait(tenant, face, portrait, request)
            except (ConditionFailed, GalleryMoved):
                continue
        raise Busy(_BUSY)

    def add_portrait(self, tenant: Tenant, face: Face, portrait: Portrait, request: RequestId | None = None) -> Picture:
        """Add a photo that was judged already to a face with room, as it was read. Raises ConditionFailed.

        The picture is written before the commit, and deleted if that is refused.
        """
        picture = self.book.portraits.stored(tenant, face, portrait, self.book.clock.now())
        record = self.book.requests.recorded(tenant.name, request, {"picture": picture.id})
        pictures = kept((*with_room(face.pictures), picture))
        with (
            self.book.requests.answering(tenant.name, request),
            self.book.portraits.discarded_if_refused([picture.key]),
        ):
            change = _repictured(tenant, face, pictures, record, model=portrait.template.model)
            self.book.writer.commit(tenant.name, change)
        self.book.portraits.discard(keys_of(one for one in face.pictures if one not in pictures))
        return picture

    def _require_same_person(self, tenant: Tenant, face: Face, portrait: Portrait) -> None:
        """Check that the portrait shows the face's person.

        Raises NotThisPerson, AnotherFace, GalleryMoved (search again), WrongModel.
        """
        probe, model = portrait.embedding, portrait.template.model
        # First, since it raises WrongModel if the tenant's model was changed.
        [found] = self.book.recognition.of(tenant, Probes(model, probe[None], [portrait.estimates.quality]))
        own = of_model(face.templates, model)
        if own is None:
            raise NotThisPerson(
                f"face {face.faceid!r} has no template of the model {model!r} yet, so nothing tells whether this is "
                "the same person: vouch for it if you know"
            )
        score = float(vector(own) @ probe)
        if found.face is not None and found.face.faceid == face.faceid:
            return
        _require_like_no_other(score, found)
        turned_down = self.book.recognition.negatives.turn_down(tenant.name, face, probe, model, score)
        threshold = self.book.recognition.threshold(tenant, model, found.decision.gallery_size, probe, vector(own))
        if turned_down or score < threshold:
            raise _not_this_person(score, threshold, turned_down=turned_down)


def _known(face: Face, photo: str, portrait: Portrait | None) -> Picture | None:
    """Find the face's given picture that is this photo."""
    for one in given(face.pictures):
        if one.id == photo or (portrait is not None and portrait.template in one.templates):
            return one
    return None


def _require_like_no_other(score: float, found: Recognised) -> None:
    other, others = found.face, found.decision.score
    if other is not None and others is not None and others > score + _ROUNDING:
        raise AnotherFace(
            f"the picture looks more like face {other.faceid!r} ({others:.4f}) than like this one ({score:.4f}): "
            "merge the two if they are one person, or vouch for the picture if you know",
            score=min(score, 1.0),
            threshold=found.decision.threshold,
            face=other.faceid,
            other_score=others,
        )


def _not_this_person(score: float, threshold: float, *, turned_down: bool) -> NotThisPerson:
    why = (
        "is nearer to a photo that was rejected for this face than to the face"
        if turned_down
        else f"does not look like this face: {score:.4f}, and {threshold:.4f} is the least"
    )
    return NotThisPerson(
        f"the picture {why}; send another one, or vouch for it if you know that it is the same person",
        score=min(score, 1.0),
        threshold=threshold,
    )


def _repictured(
    tenant: Tenant, face: Face, pictures: tuple[Picture, ...], record: Sequence[Action], *, model: str | None = None
) -> Change:
    """Return the change that gives the face these pictures.

    `model`: that of an added picture. None if one is removed: those left may be of an older model.
    """
    after = replace(face, pictures=pictures)
    skips_model_check = model is None
    actions = (face_put(tenant.name, face, after), *record)
    return Change(actions, edited(face, after), model=model, skips_model_check=skips_model_check)
