"""Changes of a face: another name, group or picture, other attributes or labels. Its id and its
arrivals stay.

A change of many faces changes each by itself, so that one that cannot be changed stops no other.

Further photos of an enrolled person are added and removed here, too, up to MAX_PICTURES
(domain/model). Searches compare with the mean of MAX_COMPARED of them (domain/rules/choice). One
that is added pushes out a photo that the face learnt by itself (domain/rules/templates), if there
is no room for both. A photo of somebody else would spoil the mean. So a new one must reach the
threshold of a search with the face, and be less like any other face. A user may vouch for it. How
good a picture must be is in portraits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from chalicelib.book.captures.captures import not_found
from chalicelib.book.commit import GalleryMoved, limited_groups, make_face_change
from chalicelib.book.enrolment.fields import (
    FaceChanges,
    find_attribute_values,
    list_face_values,
    require_attributes,
)
from chalicelib.book.face_pictures import drop_unwanted_pictures
from chalicelib.book.faces import ChangedFace
from chalicelib.book.groups import raise_if_full
from chalicelib.book.idempotency import RequestId
from chalicelib.book.portraits import Portrait, photo_id_of
from chalicelib.book.visits import visits_puts
from chalicelib.domain import audit_events
from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.done import ActKind, compare
from chalicelib.domain.errors import (
    AnotherFace,
    Busy,
    ConditionFailed,
    Conflict,
    FaceNotFound,
    LastPicture,
    NotThisPerson,
    PictureNotFound,
    RegularsError,
    StorageUnavailable,
    TooManyPictures,
    require_revision,
)
from chalicelib.domain.model import BLANK, MAX_PICTURES, Face, Group, Picture, Tenant
from chalicelib.domain.names import face_name
from chalicelib.domain.person_texts import parse_texts
from chalicelib.domain.pictures import PictureRules
from chalicelib.domain.rules.recognised import Probes, Recognised
from chalicelib.domain.rules.templates import (
    ensure_given_picture,
    list_given_pictures,
    of_model,
    parse_vector,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import Changed, count_attempts, retry_if_changed, write_unless_changed
from chalicelib.storage.ports import Action, Check
from chalicelib.storage.records.captures import if_nobody_erased
from chalicelib.storage.records.observations import visits_from

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book

_BUSY = "this face is changed by others all the time: send the request again in a moment"

Progress = Mapping[str, Any]
"""Progress of a request to change many faces, as it is stored: {"done": [ids of faces]}."""


class _Move(NamedTuple):
    """The group that a face is in, and the one that it is to be in, often the same."""

    group: Group
    target: Group


class FaceUpdate(Service["Book"]):
    """Changes of enrolled faces by users: one face, of a named group or of any, or many."""

    def change_in_group(
        self,
        tenant: Tenant,
        group_name: str,
        faceid: str,
        changes: FaceChanges,
        rules: PictureRules,
        request: RequestId | None = None,
    ) -> None:
        """Apply all changes, a picture too, to a face of a group, or none.

        A new picture replaces all that the face has, with their templates (vectors) and estimates.
        If the face moves to another group, its attribute values follow their names. Those that the
        group lacks are dropped. Raises, in this order, InvalidInput, GroupNotFound (either),
        FaceNotFound (also if it is in another group), Unusable, GroupFull, FaceHeld, Busy.
        """
        changes = _normalise_texts(changes)
        # Only for its errors, before the picture is analysed. The groups are read again for the
        # change, since they may be others by then.
        face = self.services.faces.find(tenant, faceid)
        self._read_move_from(tenant, group_name, faceid, face, changes)
        portrait = None
        if changes.picture is not None:
            portrait = self.services.portraits.portray_largest(tenant, changes.picture, rules)
        self._change_face_of_group(tenant, group_name, faceid, changes, portrait, request)

    @retry_if_changed(_BUSY)
    def _change_face_of_group(
        self,
        tenant: Tenant,
        group_name: str,
        faceid: str,
        changes: FaceChanges,
        portrait: Portrait | None,
        request: RequestId | None,
    ) -> None:
        """Read a face of the named group, and store it with these changes and the new portrait.

        If somebody else changes the face meanwhile, the decorator does all of this again.
        """
        face = self.services.faces.get(tenant, faceid)
        move = self._read_move_from(tenant, group_name, faceid, face, changes)
        after, change, was = self._make_change(tenant, face, move, changes, portrait)
        self.services.faces.store_changed_face(tenant, face, after, change, request, was=was)

    @retry_if_changed(_BUSY)
    def change_face(
        self,
        tenant: Tenant,
        faceid: str,
        changes: FaceChanges,
        *,
        revision: int | None = None,
        request: RequestId | None = None,
    ) -> Face:
        """Apply all changes but a picture, or none, to a face of any group; return the face.

        With a `revision`, the face must still have that version, which the caller read. If somebody
        else changes the face meanwhile, the decorator begins anew. Raises, in this order,
        InvalidInput, FaceNotFound, GroupNotFound, AttributeNotFound (its group to be has no such
        attribute), Changed (another revision), GroupFull, FaceHeld, Busy.
        """
        changes = _normalise_texts(changes)
        face = self.services.faces.get(tenant, faceid)
        move = self._read_move(tenant, face, changes, revision)
        after, change, was = self._make_change(tenant, face, move, changes)
        return self.services.faces.store_changed_face(tenant, face, after, change, request, was=was)

    def change_many(
        self,
        tenant: Tenant,
        faceids: Sequence[str],
        changes: FaceChanges,
        request: RequestId | None = None,
    ) -> ManyChanged:
        """Change up to 100 faces of any groups; return which were changed, and why others were not.

        Each face's transaction stores, too, which faces are done by now. So a repeat after a crash
        goes on from there, and changes no face twice. Raises Busy or StorageUnavailable, with the
        faces before the refused one changed; AnsweredAlready.
        """
        requests, failed_faces = self.services.requests, list[FailedFace]()
        progress: Progress = requests.read_progress(tenant.name, request) or {"done": []}
        for faceid in dict.fromkeys(faceids):  # a repeated id counts once
            if faceid in progress["done"]:
                continue
            try:
                progress = self._change_one_of_many(tenant, faceid, changes, request, progress)
            except (Busy, StorageUnavailable):
                raise
            except RegularsError as error:
                # It counts as done if the same request, sent twice at once, has changed it by now.
                progress = requests.read_progress(tenant.name, request) or progress
                if faceid not in progress["done"]:
                    failed_faces.append(FailedFace(faceid, type(error).__name__, str(error)))
        return self._store_outcome(tenant, request, progress, failed_faces)

    @retry_if_changed(_BUSY)
    def _change_one_of_many(
        self,
        tenant: Tenant,
        faceid: str,
        changes: FaceChanges,
        request: RequestId | None,
        progress: Progress,
    ) -> Progress:
        """Change one face of a request for many, in one transaction with the note that it is done.

        Return the progress with this face. `progress` is as the caller knows it; the same request,
        sent twice at once, may have stored more. The write is refused if that stores more meanwhile
        still, or the face is changed. Then the decorator does all of this again.
        """
        requests = self.services.requests
        face = self.services.faces.get(tenant, faceid)
        progress = requests.read_progress(tenant.name, request) or progress
        if faceid in progress["done"]:  # by the same request, sent twice
            return progress
        changes = _normalise_texts(changes)
        move = self._read_move(tenant, face, changes)
        after, change, was = self._make_change(tenant, face, move, changes)
        new_progress = {"done": [*progress["done"], faceid]}
        note = requests.make_answer_actions(
            tenant.name, request, new_progress, before=progress, is_last=False
        )
        noted_change = replace(change, actions=(*change.actions, *note))
        self.services.faces.store_changed_face(tenant, face, after, noted_change, was=was)
        return new_progress

    def _store_outcome(
        self,
        tenant: Tenant,
        request: RequestId | None,
        progress: Progress,
        failed_faces: Sequence[FailedFace],
    ) -> ManyChanged:
        """Return the outcome of a change of many faces; store it as the request's answer.

        The answer takes the place of the stored `progress`. If another attempt of the request has
        changed that meanwhile, its faces count as done, too. Raises AnsweredAlready.
        """
        requests = self.services.requests
        while True:
            changed = ManyChanged(progress["done"], [*failed_faces])
            answer = requests.make_answer_actions(
                tenant.name, request, to_builtins(changed), before=progress
            )
            # A call without request id has no answer to store.
            if not answer or write_unless_changed(self.services.items, answer):
                return changed
            progress = requests.read_progress(tenant.name, request) or progress

    def _read_move_from(
        self, tenant: Tenant, group_name: str, faceid: str, face: Face | None, changes: FaceChanges
    ) -> _Move:
        """Return the named group, which the face must be in, and the one that it is to be in.

        `face` is the stored face of the id `faceid`; None if there is none. Raises, in this order,
        GroupNotFound (either), InvalidInput, FaceNotFound.
        """
        group = self.services.groups.get_by_name(tenant, group_name)
        target = self._find_target_group(tenant, group, changes)
        if face is None or face.group_id != group.id:
            raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
        return _Move(group, target)

    def _read_move(
        self, tenant: Tenant, face: Face, changes: FaceChanges, revision: int | None = None
    ) -> _Move:
        """Return the group that a face is in, whichever that is, and the one that it is to be in.

        Raises Changed if the face has another version than `revision`, FaceNotFound if its group is
        being deleted, GroupNotFound, InvalidInput, AttributeNotFound.
        """
        group = self.services.groups.find_by_id(tenant, face.group_id)
        if group is None:
            raise FaceNotFound(
                f"there is no face {face.faceid!r} any more: its group is just being deleted"
            )
        target = self._find_target_group(tenant, group, changes)
        require_attributes(target, changes.values)
        require_revision("the face", face.revision, revision)
        return _Move(group, target)

    def _find_target_group(self, tenant: Tenant, group: Group, changes: FaceChanges) -> Group:
        """Return the group that the face is to be in, `group` unless the changes name another.

        Raises GroupNotFound, InvalidInput if a value of an attribute (a named field) is too long.
        """
        target = group
        if changes.new_group_name is not None:
            target = self.services.groups.get_by_name(tenant, changes.new_group_name)
        find_attribute_values(target, changes.values)  # only to raise InvalidInput
        return target

    def _make_change(
        self,
        tenant: Tenant,
        face: Face,
        move: _Move,
        changes: FaceChanges,
        portrait: Portrait | None = None,
    ) -> ChangedFace:
        """Return the face as it is to be, with the change of the gallery (what searches see).

        Of all that, only the `portrait`, a new picture in place of all that the face has, is stored
        here. The change time, by which retention goes, stays if the face stays the same, or is only
        hidden from lists, or shown by another portrait. Raises GroupFull, InvalidInput,
        PictureNotFound, Conflict, TooMany (faces that are hidden).
        """
        group, target = move
        if target.id != group.id:
            raise_if_full(target)
        after = _choose_portrait(_apply_changes(face, move, changes), changes.portrait_id)
        if after.hidden and not face.hidden:
            self.services.faces.require_room_for_hidden(tenant)
        if portrait is not None:
            now = self.services.clock.now()
            picture = self.services.enrolment.write_portrait(tenant, after, portrait, now)
            after = replace(after, pictures=(picture,))
        # JPEGs go if the target keeps none. (The emotion of who comes to a group of staff goes at
        # night, with that of the sightings.)
        after = drop_unwanted_pictures(tenant, after)
        shown_alike = replace(after, hidden=face.hidden, portrait_id=face.portrait_id)
        if shown_alike != face:
            after = replace(after, changed_at=self.services.clock.now())
        more_actions = self._end_promotion_actions(tenant, face, after)
        # Of groups with a capacity the commit checks that there is room.
        groups_with_capacity = limited_groups(group) | limited_groups(target)
        values = list_face_values(face, group), list_face_values(after, target)
        return ChangedFace(
            after,
            make_face_change(face, after, more_actions, groups_with_capacity),
            compare(ActKind.FACE, face.faceid, *values, (face.faceid,)),
        )

    def _end_promotion_actions(
        self, tenant: Tenant, old_face: Face, new_face: Face
    ) -> list[Action]:
        """Return the action that makes a user's move of a face final; none if it is not moved.

        A promotion says when its visits made a stranger a regular. While it is stored, a late
        sighting may work it out anew and undo the user's move. So it is removed.
        """
        if new_face.group_id == old_face.group_id:
            return []
        visits = visits_from(self.services.items.get(keys.ARRIVALS, (tenant.name, old_face.faceid)))
        if visits.promotion is None:
            return []
        return visits_puts(tenant.name, old_face.faceid, visits, replace(visits, promotion=None))


def _normalise_texts(changes: FaceChanges) -> FaceChanges:
    """Return the changes with texts in their stored form. Raises InvalidInput."""
    return replace(
        changes,
        name=None if changes.name is None else face_name(changes.name),
        **parse_texts(changes),
    )


def _apply_changes(face: Face, move: _Move, changes: FaceChanges) -> Face:
    """Return the face with all changes but the picture, as one of the group that it moves to.

    Values of attributes (named fields of a group) follow their names to the target group. A face
    stores them by the attribute's id, which another group has for another name. Those that the
    target lacks are dropped. A moved face leaves its face set, which is of one group.
    """
    group, target = move
    old_names = {attribute.id: attribute.name for attribute in group.attributes}
    new_ids = {attribute.name: attribute.id for attribute in target.attributes}
    values = {}
    for old_id, value in face.attributes.items():
        name = old_names.get(old_id)
        if name is not None and name in new_ids:
            values[new_ids[name]] = value
    values |= find_attribute_values(target, changes.values)

    set_fields = {name: getattr(changes, name) for name in _PLAIN_FIELDS}
    set_fields = {name: value for name, value in set_fields.items() if value is not None}
    # BLANK has the value of each field that says nothing of the person; of a portrait it is "".
    cleared_fields = {name: BLANK.get(name, "") for name in changes.cleared_names}
    return replace(
        face,
        group_id=target.id,
        face_set=face.face_set if target.id == face.group_id else "",
        attributes={id_: value for id_, value in values.items() if value},
        labels=face.labels._replace(**changes.labels),
        **set_fields | cleared_fields,
    )


def _choose_portrait(face: Face, picture_id: str | None) -> Face:
    """Return the face with one of its pictures as the portrait; None: as it is.

    Raises PictureNotFound, Conflict.
    """
    if picture_id is None:
        return face
    picture = next((each for each in face.pictures if each.id == picture_id), None)
    if picture is None:
        raise _no_picture(face.faceid, picture_id)
    if not picture.key:
        raise Conflict(
            f"picture {picture_id} is not kept, only its template: choose another portrait"
        )
    is_first = picture == face.first_picture
    return replace(face, portrait_id="" if is_first else picture_id)


_PLAIN_FIELDS = [
    "hidden",
    *(name for name in FaceChanges.__struct_fields__ if name in BLANK and name != "labels"),
]
"""Fields of a face that take the value of the changes as it is, such as `name` and `age`."""


class FailedFace(Struct, frozen=True):
    """A face that was not changed. `code`: the name of the error; `message`: its sentence."""

    id: str
    code: str
    message: str


class ManyChanged(Struct, frozen=True):
    """The outcome of a change of many faces: each id is in one of the lists."""

    done: list[str] = field(default_factory=list)
    failed: list[FailedFace] = field(default_factory=list)


_ROUNDING = 1e-5
"""How much two ways to compute one score may differ."""

_CAPTURE_SAME = "capture-same"


class PictureChanges(Service["Book"]):
    """The pictures of enrolled faces: more are added by users, from photos or sightings, or go."""

    def add_photo(
        self,
        tenant: Tenant,
        faceid: str,
        photo: bytes,
        rules: PictureRules,
        *,
        is_vouched_for: bool = False,
        request: RequestId | None = None,
    ) -> Picture:
        """Add a photo to a face; return the new picture, or the one it has of this very photo.

        With `is_vouched_for`, a user says that it is this person, so its likeness is not checked.
        Raises, in this order, FaceNotFound, TooManyPictures, FaceHeld (another picture would have
        to go), Unusable (not exactly one face that could be enrolled, too poor, not alive),
        NotThisPerson, AnotherFace, Busy, AnsweredAlready with the id of the `picture`.
        """
        # A hash of the photo: a picture with this id is of this very photo, and is not added again.
        photo_ids = {photo_id_of(photo)}
        face = self.services.faces.get(tenant, faceid)
        known_picture = self._answer_if_known(tenant, face, request, photo_ids)
        if known_picture is not None:
            return known_picture
        portrait = self.services.portraits.portray_only(tenant, photo, rules)
        return self._add_picture(
            tenant, faceid, photo_ids, portrait, is_vouched_for=is_vouched_for, request=request
        )

    @retry_if_changed(_BUSY)
    def add_sighting(
        self,
        tenant: Tenant,
        faceid: str,
        sighting_id: str,
        *,
        is_vouched_for: bool = False,
        request: RequestId | None = None,
    ) -> Picture:
        """Add the picture of one of a face's sightings to it; return the new or known picture.

        A sighting is a face in a camera's picture (capture). If somebody else on that is erased
        meanwhile, the capture becomes another photo, and the decorator begins anew. Raises as
        `add_photo`, SightingNotFound (it may be another face's), Conflict if no capture is kept.
        """
        face = self.services.faces.get(tenant, faceid)
        observation = self.services.captures.find_observation(tenant, faceid, sighting_id)
        if observation is None or observation.box is None:
            raise not_found(faceid, sighting_id)
        camera_id, box = observation.camera, observation.box  # the box: the face's place in it
        capture_id, _ = parts_of_sighting(sighting_id)
        capture = self.services.captures.find(tenant, camera_id, capture_id)
        if capture is None:
            raise Conflict("the capture of this sighting is not kept any more")
        # The ids of the capture's photo: as it came, and once somebody on it was erased.
        photo_ids = capture.photos
        known_picture = self._answer_if_known(tenant, face, request, photo_ids)
        if known_picture is not None:
            return known_picture
        sighted = self.services.captures.read_face_in_box(tenant, camera_id, capture_id, box)
        portrait = self.services.portraits.portray_sighted(tenant, sighted, capture.photo)
        # If somebody else on it is erased meanwhile, the photo is another one: begin again.
        if_same = if_nobody_erased(capture, _CAPTURE_SAME)
        capture_key = keys.capture(tenant.name, camera_id, capture_id)
        check = Check(keys.CAPTURES, capture_key, if_same)
        return self._add_picture(
            tenant,
            faceid,
            photo_ids,
            portrait,
            is_vouched_for=is_vouched_for,
            request=request,
            more_actions=(check,),
        )

    @retry_if_changed(_BUSY)
    def remove_picture(
        self, tenant: Tenant, faceid: str, picture_id: str, request: RequestId | None = None
    ) -> None:
        """Remove one picture of a face, with the templates (vectors) that were made of it.

        Raises FaceNotFound, PictureNotFound, LastPicture, FaceHeld, Busy, AnsweredAlready.
        """
        face = self.services.faces.get(tenant, faceid)
        others = tuple(picture for picture in face.pictures if picture.id != picture_id)
        if others == face.pictures:
            raise _no_picture(faceid, picture_id)
        self._store_kept_pictures(tenant, face, others, request)

    @retry_if_changed(_BUSY)
    def keep_pictures(
        self,
        tenant: Tenant,
        faceid: str,
        choose: Callable[[Face], tuple[Picture, ...]],
        request: RequestId | None = None,
    ) -> None:
        """Remove all pictures of a face but those that `choose` returns.

        `choose` is called again if others changed the face meanwhile. Raises FaceNotFound,
        LastPicture if none is to stay, FaceHeld, Busy, AnsweredAlready.
        """
        face = self.services.faces.get(tenant, faceid)
        self._store_kept_pictures(tenant, face, choose(face), request)

    def _store_kept_pictures(
        self, tenant: Tenant, face: Face, pictures: tuple[Picture, ...], request: RequestId | None
    ) -> None:
        """Store a face with these of its pictures; if they are all, only the request's answer.

        Which of them are compared in searches is chosen anew. Raises LastPicture if there are none,
        FaceHeld, AnsweredAlready. Raises ConditionFailed if others changed the face.
        """
        if pictures == face.pictures:
            self.services.requests.write_with_answer(tenant.name, [], request)
            return
        if not pictures:
            raise LastPicture(
                "this is the only picture of the face: delete the face, or add another picture "
                "first"
            )
        # Sightings taught the face some pictures, held against those that people gave it. If only
        # such are left, the first counts as given.
        with_given = ensure_given_picture(pictures)
        chooser = self.services.tenant_vision.make_chooser(tenant)
        after = replace(face, pictures=chooser.choose_pictures(with_given))
        change = make_face_change(face, after)
        self.services.faces.store_changed_face(tenant, face, after, change, request)

    def _answer_if_known(
        self,
        tenant: Tenant,
        face: Face,
        request: RequestId | None,
        photo_ids: Set[str],
        portrait: Portrait | None = None,
    ) -> Picture | None:
        """Return the picture that a face has of a photo, stored as the request's answer, or None.

        It is known by the photo's id or, once there is a portrait, by the same template (vector).
        Raises TooManyPictures if it has none, and no room for one; AnsweredAlready.
        """
        for picture in list_given_pictures(face.pictures):  # by people, not learnt by itself
            is_same_template = portrait is not None and portrait.template in picture.templates
            if picture.id in photo_ids or is_same_template:
                answer = {"picture": picture.id}
                self.services.requests.write_with_answer(tenant.name, [], request, answer)
                return picture
        require_room_for_picture(face)
        return None

    def _add_picture(
        self,
        tenant: Tenant,
        faceid: str,
        photo_ids: Set[str],
        portrait: Portrait,
        *,
        is_vouched_for: bool,
        request: RequestId | None,
        more_actions: Sequence[Action] = (),
    ) -> Picture:
        """Add a portrait (a face cut out of a photo) to a face; return the face's picture of it.

        If the face got this photo meanwhile (by `photo_ids`, or by its template), nothing is added.
        With `is_vouched_for`, a user says that it is this person; else that is checked.
        `more_actions` are writes of the same transaction. It tries again if the face or the gallery
        (all stored faces) changed meanwhile. Raises Changed if the portrait's capture did.
        """
        for _ in count_attempts():
            face = self.services.faces.get(tenant, faceid)
            known_picture = self._answer_if_known(tenant, face, request, photo_ids, portrait)
            if known_picture is not None:
                return known_picture
            try:
                if not is_vouched_for:
                    self._require_same_person(tenant, face, portrait)
                return self.add_portrait(tenant, face, portrait, request, more_actions=more_actions)
            except GalleryMoved:  # another face was changed after the search
                continue
            except ConditionFailed as error:  # this face was changed, or the capture
                if _CAPTURE_SAME in error.names:
                    raise Changed from error
        raise Busy(_BUSY)

    def add_portrait(
        self,
        tenant: Tenant,
        face: Face,
        portrait: Portrait,
        request: RequestId | None = None,
        *,
        is_judged: bool = True,
        more_actions: Sequence[Action] = (),
    ) -> Picture:
        """Add a portrait (a face cut out of a photo) to a face as it was read; return the picture.

        `is_judged` says that a user or the search has found it to be this person. Else it is spare,
        and searches compare with it only if it is like the others. `more_actions` are writes of the
        same transaction. Raises TooManyPictures, ConditionFailed if the face has changed, FaceHeld
        (another picture would have to go).
        """
        require_room_for_picture(face)
        now = self.services.clock.now()
        picture = self.services.enrolment.write_portrait(tenant, face, portrait, now)
        pictures = (*face.pictures, replace(picture, spare=not is_judged))
        # It chooses anew which of the face's pictures searches compare with.
        chooser = self.services.tenant_vision.make_chooser(tenant)
        after = replace(face, pictures=chooser.choose_pictures(pictures))
        change = make_face_change(face, after, more_actions)
        answer = {"picture": picture.id}
        self.services.faces.store_changed_face(tenant, face, after, change, request, answer)
        return picture

    def _require_same_person(self, tenant: Tenant, face: Face, portrait: Portrait) -> None:
        """Raise NotThisPerson or AnotherFace unless a portrait surely is of this face's person.

        It is if a search for it names this face: then nothing else is asked. Else the face may only
        be one of several that it is like. Then no other face may be more like it, it must reach the
        threshold, and be less like the pictures that a user rejected for this face. Raises
        GalleryMoved if the faces changed meanwhile (search again), WrongModel.
        """
        probe, model = portrait.embedding, portrait.template.model
        # The search comes first: it raises WrongModel if the portrait is not of the tenant's model.
        probes = Probes(model, probe[None], [portrait.estimates.quality])
        [recognised] = self.services.recognition.recognise(tenant, probes)
        template = of_model(face.templates, model)
        if template is None:
            raise NotThisPerson(
                f"face {face.faceid!r} has no template of the model {model!r} yet, so nothing "
                "tells whether this is the same person: vouch for it if you know"
            )
        if recognised.face is not None and recognised.face.faceid == face.faceid:
            return

        stored_vector = parse_vector(template)
        score = float(stored_vector @ probe)  # the cosine of the two
        _require_like_no_other(score, recognised)  # it raises AnotherFace
        is_like_rejected = self.services.recognition.negatives.turns_down(
            tenant.name, face, probe, model, score
        )
        threshold = self._find_threshold(
            tenant, portrait, stored_vector, recognised.decision.gallery_size
        )
        if is_like_rejected or score < threshold:
            raise _make_not_this_person_error(score, threshold, is_like_rejected=is_like_rejected)

    def _find_threshold(
        self,
        tenant: Tenant,
        portrait: Portrait,
        stored_vector: NDArray[np.float32],
        gallery_size: int,
    ) -> float:
        """Return the least score at which a search takes a portrait for the person of a template.

        It rises with the number of faces searched. It is higher, too, if these two resemble many
        others (`demand`): such people get high scores with strangers.
        """
        model = portrait.template.model
        vision = self.services.tenant_vision.choose_vision(model)
        demand = vision.population.compute_demand(portrait.embedding, stored_vector)
        point = self.services.tenant_vision.make_operating_point(tenant, model)
        return point.find_threshold(gallery_size, demand)


def _no_picture(faceid: str, picture_id: str) -> PictureNotFound:
    return PictureNotFound(f"face {faceid!r} has no picture {picture_id[:40]!r}")


def require_room_for_picture(face: Face) -> None:
    """Raise TooManyPictures if a person can give the face no further picture."""
    if len(list_given_pictures(face.pictures)) >= MAX_PICTURES:
        raise TooManyPictures(
            f"the face has {MAX_PICTURES} pictures, as many as can be: take one away first"
        )


def _require_like_no_other(score: float, recognised: Recognised) -> None:
    """Raise AnotherFace if a search found a face that is more like the picture than this one.

    `score` is the likeness of this face. It is computed in another way than the search's, so the
    two may differ by _ROUNDING. The audit log is told who the other one is.
    """
    other, other_score = recognised.face, recognised.decision.score
    if other is None or other_score is None or other_score <= score + _ROUNDING:
        return
    audit_events.report_people([other.faceid])
    raise AnotherFace(
        f"the picture looks more like face {other.faceid!r} ({other_score:.4f}) than like this "
        f"one ({score:.4f}): merge the two if they are one person, or vouch for the picture if you "
        "know",
        score=min(score, 1.0),
        threshold=recognised.decision.threshold,
        face=other.faceid,
        other_score=other_score,
    )


def _make_not_this_person_error(
    score: float, threshold: float, *, is_like_rejected: bool
) -> NotThisPerson:
    """Return the error that a picture is not this person's, with the reason.

    `is_like_rejected`: the picture is nearer to a photo that somebody rejected for this face.
    """
    why = f"does not look like this face: {score:.4f}, and {threshold:.4f} is the least"
    if is_like_rejected:
        why = "is nearer to a photo that was rejected for this face than to the face"
    return NotThisPerson(
        f"the picture {why}; send another one, or vouch for it if you know that it is the same "
        "person",
        score=min(score, 1.0),  # rounding may take it above 1
        threshold=threshold,
    )
