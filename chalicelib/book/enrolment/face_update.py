"""Changes of a face: another name, group or picture, other attributes or labels. Its id and its
arrivals stay.

A change of many faces changes each by itself, so that one that cannot be changed stops no other.

Further photos of an enrolled person are added and removed here, too, up to MAX_PICTURES
(domain/model). Searches compare with the mean of MAX_COMPARED of them (domain/rules/choice). One
that is added pushes out a photo that the face learnt by itself (domain/rules/templates), if there
is no room for both. A photo of somebody else would spoil the mean, so a new one must reach the
threshold of a search with the face, and must not be more like another face. A user may vouch for
it. How good a picture must be is in portraits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from chalicelib.book.captures.captures import not_found
from chalicelib.book.commit import Change, GalleryMoved, limited_groups, make_face_change
from chalicelib.book.enrolment.fields import FaceChanges, find_attribute_values, require_attributes
from chalicelib.book.face_pictures import drop_unwanted_pictures
from chalicelib.book.groups import require_room
from chalicelib.book.idempotency import RequestId
from chalicelib.book.portraits import Portrait, photo_id_of
from chalicelib.book.visits import visits_puts
from chalicelib.domain import audit_events
from chalicelib.domain.captures import parts_of_sighting
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
from chalicelib.storage.records.captures import require_no_erasure
from chalicelib.storage.records.observations import visits_from

if TYPE_CHECKING:
    from chalicelib.book.book import Book


class FaceUpdate(Service["Book"]):
    def change_in_group(
        self,
        tenant: Tenant,
        group_name: str,
        faceid: str,
        changes: FaceChanges,
        rules: PictureRules,
        request: RequestId | None = None,
    ) -> None:
        """Apply all changes or none.

        A new picture replaces all pictures, with their templates and estimates.

        Attribute values follow their names into the new group; those that it lacks are dropped.
        Raises, in this order, InvalidInput, GroupNotFound (either), FaceNotFound (also if it is in
        another group), Unusable, GroupFull, FaceHeld, Busy.
        """
        changes = _normalise_texts(changes)

        def read_groups(face: Face | None) -> tuple[Group, Group]:
            group = self.services.groups.get_by_name(tenant, group_name)
            target = self._find_target_group(tenant, group, changes)
            if face is None or face.group_id != group.id:
                raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
            return group, target

        read_groups(self.services.faces.find(tenant, faceid))
        portrait = (
            None
            if changes.picture is None
            else self.services.portraits.portray_largest(tenant, changes.picture, rules)
        )
        self.services.faces.change_face(
            tenant,
            faceid,
            self._make_change_function(tenant, changes, read_groups, portrait),
            request,
        )

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

        `revision`: the one that the caller read; None: any. Raises, in this order, InvalidInput,
        FaceNotFound, GroupNotFound, AttributeNotFound (its group then has no such attribute),
        Changed, GroupFull, FaceHeld, Busy.
        """
        return self.services.faces.change_face(
            tenant, faceid, self._make_change_in_any_group(tenant, changes, revision), request
        )

    def change_many(
        self,
        tenant: Tenant,
        faceids: Sequence[str],
        changes: FaceChanges,
        request: RequestId | None = None,
    ) -> ManyChanged:
        """Change up to 100 faces of any groups. A repeated id counts once.

        Each transaction records which faces are done. So a repeat after a crash goes on from there,
        and changes no face twice. Raises Busy or StorageUnavailable at the first face that storage
        refuses: then those before it are changed; AnsweredAlready.
        """
        requests, failed_faces = self.services.requests, list[FailedFace]()
        # {"done": [ids of faces]}, as it is stored
        progress: Mapping[str, Any] = requests.read_progress(tenant.name, request) or {"done": []}

        def change_and_note(face: Face) -> tuple[Face, Change] | None:
            nonlocal progress
            progress = requests.read_progress(tenant.name, request) or progress
            if face.faceid in progress["done"]:
                return None
            after, change = self._make_change_in_any_group(tenant, changes)(face)
            done = {"done": [*progress["done"], face.faceid]}
            note = requests.make_answer_actions(
                tenant.name, request, done, before=progress, is_last=False
            )
            return after, replace(change, actions=(*change.actions, *note))

        for faceid in dict.fromkeys(faceids):
            try:
                if faceid not in progress["done"]:
                    self.services.faces.change_face(tenant, faceid, change_and_note, None)
                    progress = {"done": [*progress["done"], faceid]}
            except (Busy, StorageUnavailable):
                raise
            except RegularsError as error:
                progress = requests.read_progress(tenant.name, request) or progress
                # else the same request, sent twice at once, has changed it
                if faceid not in progress["done"]:
                    failed_faces.append(FailedFace(faceid, type(error).__name__, str(error)))
        while True:
            changed = ManyChanged(progress["done"], failed_faces)
            answer = requests.make_answer_actions(
                tenant.name, request, to_builtins(changed), before=progress
            )
            if not answer or write_unless_changed(self.services.items, answer):
                return changed
            progress = requests.read_progress(tenant.name, request) or progress

    def _find_target_group(self, tenant: Tenant, group: Group, changes: FaceChanges) -> Group:
        """Return the group that the face is to be in.

        Raises GroupNotFound, InvalidInput if a value is too long.
        """
        target = (
            group
            if changes.new_group_name is None
            else self.services.groups.get_by_name(tenant, changes.new_group_name)
        )
        find_attribute_values(target, changes.values)
        return target

    def _make_change_in_any_group(
        self, tenant: Tenant, changes: FaceChanges, revision: int | None = None
    ) -> Callable[[Face], tuple[Face, Change]]:
        """Return a function that changes a face of any group.

        Raises InvalidInput if a text is too long.
        """
        changes = _normalise_texts(changes)

        def read_groups(face: Face) -> tuple[Group, Group]:
            group = self.services.groups.find_by_id(tenant, face.group_id)
            if group is None:
                raise FaceNotFound(
                    f"there is no face {face.faceid!r} any more: its group is just being deleted"
                )
            target = self._find_target_group(tenant, group, changes)
            require_attributes(target, changes.values)
            require_revision("the face", face.revision, revision)
            return group, target

        return self._make_change_function(tenant, changes, read_groups)

    def _make_change_function(
        self,
        tenant: Tenant,
        changes: FaceChanges,
        read_groups: Callable[[Face], tuple[Group, Group]],
        portrait: Portrait | None = None,
    ) -> Callable[[Face], tuple[Face, Change]]:
        """Return a function that changes a face, for `Faces.change_face`.

        `read_groups`: reads the face's group, and that which it is to be in; `portrait`: a new
        picture in place of all.
        """

        def change_read_face(face: Face) -> tuple[Face, Change]:
            """Return the face as it is to be, and the change of the gallery that this needs.

            The change time stays if the face stays the same. Raises FaceNotFound, GroupFull,
            InvalidInput, and what `read_groups` raises.
            """
            group, target = read_groups(face)
            if target.id != group.id:
                require_room(target)
            changed = _apply_changes(face, group, target, changes)
            pictures = changed.pictures
            if portrait is not None:
                pictures = (
                    self.services.enrolment.write_portrait(
                        tenant, changed, portrait, self.services.clock.now()
                    ),
                )
            # of who comes to staff, feelings go at night, with those of the sightings
            wanted = drop_unwanted_pictures(tenant, replace(changed, pictures=pictures))
            after = (
                wanted if wanted == face else replace(wanted, changed_at=self.services.clock.now())
            )
            limited = limited_groups(group) | limited_groups(target)
            return after, make_face_change(
                face, after, self._end_promotion_actions(tenant, face, after), limited
            )

        return change_read_face

    def _end_promotion_actions(
        self, tenant: Tenant, old_face: Face, new_face: Face
    ) -> list[Action]:
        """Return the action that ends the promotion of a face that a user moves.

        Without it a late sighting could undo the move, or change the group that earlier sightings
        name.
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


def _apply_changes(face: Face, group: Group, target: Group, changes: FaceChanges) -> Face:
    """Return the face with all changes but the picture.

    Attribute values follow their names into the target group.
    """
    names_by_id = {attribute.id: attribute.name for attribute in group.attributes}
    values_by_name = {
        names_by_id[id_]: value for id_, value in face.attributes.items() if id_ in names_by_id
    }
    ids_by_name = {attribute.name: attribute.id for attribute in target.attributes}
    values_by_id = {
        ids_by_name[name]: value for name, value in values_by_name.items() if name in ids_by_name
    }
    values_by_id |= find_attribute_values(target, changes.values)
    own = {name: value for name in _CHANGED if (value := getattr(changes, name)) is not None}
    return replace(
        face,
        group_id=target.id,
        user=face.user if target.id == face.group_id else "",
        attributes={id_: value for id_, value in values_by_id.items() if value},
        labels=face.labels._replace(**changes.labels),
        **own | {name: BLANK[name] for name in changes.cleared_names},
    )


_CHANGED = [name for name in FaceChanges.__struct_fields__ if name in BLANK and name != "labels"]


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

_BUSY = "this face is changed by others all the time: send the request again in a moment"
_CAPTURE_SAME = "capture-same"


class PictureChanges(Service["Book"]):
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
        """Add a photo to the face.

        If the face has this very photo already, return the stored picture.

        `is_vouched_for`: a user says that it is this person, so its likeness is not checked.
        Raises, in this order, FaceNotFound, TooManyPictures, FaceHeld (another picture would have
        to go), Unusable (not exactly one face that could be enrolled, too poor, not alive),
        NotThisPerson, AnotherFace, Busy, AnsweredAlready with the id of the `picture`.
        """
        portrait = partial(self.services.portraits.portray_only, tenant, photo, rules)
        return self._add_picture(
            tenant,
            faceid,
            {photo_id_of(photo)},
            portrait,
            is_vouched_for=is_vouched_for,
            request=request,
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
        """Add the face's picture from one of its sightings.

        Other faces on that capture do not matter.

        Raises as `add_photo`, SightingNotFound (also if it is another face's), and Conflict if its
        picture is not kept any more.
        """
        self.services.faces.get(tenant, faceid)
        observation = self.services.captures.find_observation(tenant, faceid, sighting_id)
        if observation is None or observation.box is None:
            raise not_found(faceid, sighting_id)
        camera_id, box, (capture_id, _) = (
            observation.camera,
            observation.box,
            parts_of_sighting(sighting_id),
        )
        capture = self.services.captures.find(tenant, camera_id, capture_id)
        if capture is None:
            raise Conflict("the capture of this sighting is not kept any more")
        # An erasure of somebody else on it gives the photo another id.
        if_same = require_no_erasure(capture, _CAPTURE_SAME)
        check = Check(keys.CAPTURES, keys.capture(tenant.name, camera_id, capture_id), if_same)

        def make_portrait() -> Portrait:
            return self.services.portraits.portray_sighted(
                tenant,
                self.services.captures.read_face_in_box(tenant, camera_id, capture_id, box),
                capture.photo,
            )

        return self._add_picture(
            tenant,
            faceid,
            capture.photos,
            make_portrait,
            is_vouched_for=is_vouched_for,
            request=request,
            more_actions=(check,),
        )

    def remove_picture(
        self, tenant: Tenant, faceid: str, picture_id: str, request: RequestId | None = None
    ) -> None:
        """Remove one picture with its templates.

        Raises FaceNotFound, PictureNotFound, LastPicture, FaceHeld, Busy, AnsweredAlready.
        """

        def keep_others(face: Face) -> tuple[Picture, ...]:
            if all(picture.id != picture_id for picture in face.pictures):
                raise PictureNotFound(f"face {faceid!r} has no picture {picture_id[:40]!r}")
            return tuple(picture for picture in face.pictures if picture.id != picture_id)

        self.keep_pictures(tenant, faceid, keep_others, request)

    def keep_pictures(
        self,
        tenant: Tenant,
        faceid: str,
        choose: Callable[[Face], tuple[Picture, ...]],
        request: RequestId | None = None,
    ) -> None:
        """Remove all pictures of the face but those that `choose` returns.

        If these are all, change nothing.

        Raises FaceNotFound, LastPicture if that is none, FaceHeld, Busy, AnsweredAlready.
        """

        def drop_others(face: Face) -> tuple[Face, Change] | None:
            pictures = choose(face)
            if pictures == face.pictures:
                return None
            if not pictures:
                raise LastPicture(
                    "this is the only picture of the face: delete the face, or add another picture "
                    "first"
                )
            chooser = self.services.tenant_vision.make_chooser(tenant)
            after = replace(face, pictures=chooser.choose_pictures(ensure_given_picture(pictures)))
            return after, make_face_change(face, after)

        self.services.faces.change_face(tenant, faceid, drop_others, request)

    def _add_picture(
        self,
        tenant: Tenant,
        faceid: str,
        photo_ids: Set[str],
        make_portrait: Callable[[], Portrait],
        *,
        is_vouched_for: bool,
        request: RequestId | None,
        more_actions: Sequence[Action] = (),
    ) -> Picture:
        """Add a photo, unless the face has it by one of the ids `photo_ids`.

        `make_portrait`: makes the portrait of the photo, and is called once; `more_actions`:
        actions of the same transaction. Raises Changed if the photo's capture was changed since it
        was read.
        """
        portrait: Portrait | None = None
        for _ in count_attempts():
            face = self.services.faces.get(tenant, faceid)
            known_picture = _find_given_picture(face, photo_ids, portrait)
            if known_picture is not None:
                self.services.requests.write_with_answer(
                    tenant.name, [], request, {"picture": known_picture.id}
                )
                return known_picture
            require_room_for_picture(face)
            if portrait is None:
                portrait = make_portrait()
                continue  # embedding took a while: read the face again
            try:
                if not is_vouched_for:
                    self._require_same_person(tenant, face, portrait)
                return self.add_portrait(tenant, face, portrait, request, more_actions=more_actions)
            except (ConditionFailed, GalleryMoved) as error:
                if isinstance(error, ConditionFailed) and _CAPTURE_SAME in error.names:
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
        """Add a photo to a face as it was read.

        `is_judged`: a user or the search has judged that it shows this person; else it is spare if
        it looks unlike the others. `more_actions`: actions of the same transaction. Raises
        TooManyPictures, ConditionFailed, FaceHeld (another picture would have to go).
        """
        require_room_for_picture(face)
        picture = self.services.enrolment.write_portrait(
            tenant, face, portrait, self.services.clock.now()
        )
        pictures = (*face.pictures, replace(picture, spare=not is_judged))
        after = replace(
            face,
            pictures=self.services.tenant_vision.make_chooser(tenant).choose_pictures(pictures),
        )
        change = make_face_change(face, after, more_actions)
        self.services.faces.store_changed_face(
            tenant, face, after, change, request, {"picture": picture.id}
        )
        return picture

    def _require_same_person(self, tenant: Tenant, face: Face, portrait: Portrait) -> None:
        """Check that the portrait shows the face's person.

        Raises NotThisPerson, AnotherFace, GalleryMoved (search again), WrongModel.
        """
        probe, model = portrait.embedding, portrait.template.model
        # First, since it raises WrongModel if the tenant's model was changed.
        [recognised] = self.services.recognition.recognise(
            tenant, Probes(model, probe[None], [portrait.estimates.quality])
        )
        template = of_model(face.templates, model)
        if template is None:
            raise NotThisPerson(
                f"face {face.faceid!r} has no template of the model {model!r} yet, so nothing "
                "tells whether this is "
                "the same person: vouch for it if you know"
            )
        score = float(parse_vector(template) @ probe)
        if recognised.face is not None and recognised.face.faceid == face.faceid:
            return
        _require_like_no_other(score, recognised)
        turned_down = self.services.recognition.negatives.turns_down(
            tenant.name, face, probe, model, score
        )
        demand = self.services.tenant_vision.choose_vision(model).population.compute_demand(
            probe, parse_vector(template)
        )
        threshold = self.services.tenant_vision.make_operating_point(tenant, model).find_threshold(
            recognised.decision.gallery_size, demand
        )
        if turned_down or score < threshold:
            raise _make_not_this_person_error(score, threshold, turned_down=turned_down)


def require_room_for_picture(face: Face) -> None:
    """Raise TooManyPictures if a person can give the face no further picture."""
    if len(list_given_pictures(face.pictures)) >= MAX_PICTURES:
        raise TooManyPictures(
            f"the face has {MAX_PICTURES} pictures, as many as can be: take one away first"
        )


def _find_given_picture(face: Face, photos: Set[str], portrait: Portrait | None) -> Picture | None:
    """Find the face's given picture that is this photo."""
    for picture in list_given_pictures(face.pictures):
        if picture.id in photos or (
            portrait is not None and portrait.template in picture.templates
        ):
            return picture
    return None


def _require_like_no_other(score: float, recognised: Recognised) -> None:
    """Raise AnotherFace if the face that a search found is more like the picture, whose `score` is
    with this face."""
    other, other_score = recognised.face, recognised.decision.score
    if other is not None and other_score is not None and other_score > score + _ROUNDING:
        audit_events.report_people([other.faceid])
        raise AnotherFace(
            f"the picture looks more like face {other.faceid!r} ({other_score:.4f}) than like this "
            f"one ({score:.4f}): "
            "merge the two if they are one person, or vouch for the picture if you know",
            score=min(score, 1.0),
            threshold=recognised.decision.threshold,
            face=other.faceid,
            other_score=other_score,
        )


def _make_not_this_person_error(
    score: float, threshold: float, *, turned_down: bool
) -> NotThisPerson:
    why = (
        "is nearer to a photo that was rejected for this face than to the face"
        if turned_down
        else f"does not look like this face: {score:.4f}, and {threshold:.4f} is the least"
    )
    return NotThisPerson(
        f"the picture {why}; send another one, or vouch for it if you know that it is the same "
        "person",
        score=min(score, 1.0),
        threshold=threshold,
    )
