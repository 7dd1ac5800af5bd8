"""Further photos of an enrolled person: adding and removing them, up to MAX_PICTURES (core/model).

One that is added pushes out what the face learnt by itself (core/learning), if there is no room for both.

Searches compare with the mean of a face's photos, so a photo of somebody else would spoil it. A new photo must
therefore reach the threshold of a search with the face, and must not be more like another face. A user who knows better
may vouch for it. How good a picture must be is in portraits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.errors import (
    AnotherFace,
    Busy,
    ConditionFailed,
    Conflict,
    LastPicture,
    NotThisPerson,
    PictureNotFound,
    TooManyPictures,
)
from chalicelib.core.items import attempts, retried
from chalicelib.core.learning import given, kept, with_a_given_one, with_room
from chalicelib.core.model import MAX_PICTURES, Face, Picture, Tenant
from chalicelib.core.pictures import PictureRules
from chalicelib.core.ports import Action
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.templates import of_model, vector
from chalicelib.core.values import photo_id
from chalicelib.services.captures.captures import not_found
from chalicelib.services.commit import Change, GalleryMoved, edited
from chalicelib.services.idempotency import RequestId
from chalicelib.services.portraits import Portrait, id_of, keys_of
from chalicelib.services.recognition.recognition import Probes, Recognised
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put

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
        item = self.book.items.get(keys.CAPTURES, capture_key(tenant.name, camera_id, capture_id))
        if item is None:
            raise Conflict("the capture of this sighting is not kept any more")
        photo = photo_id(capture_from(item).sha256)

        def portrait() -> Portrait:
            return self.book.portraits.of_seen(
                tenant, self.book.captures.sighted.of(tenant, camera_id, capture_id, box), photo
            )

        return self._add(tenant, faceid, photo, portrait, is_vouched_for=is_vouched_for, request=request)

    def add_portrait(self, tenant: Tenant, face: Face, portrait: Portrait) -> Picture:
        """Add a photo that was judged already to a face with room, as it was read. Raises ConditionFailed."""
        return self._added(tenant, face, portrait, None)

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
            self.book.writer.commit(tenant.name, _change(tenant, face, with_a_given_one(pictures), record))
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
                return self._added(tenant, face, portrait, request)
            except (ConditionFailed, GalleryMoved):
                continue
        raise Busy(_BUSY)

    def _added(self, tenant: Tenant, face: Face, portrait: Portrait, request: RequestId | None) -> Picture:
        """Write the picture, then commit. Delete the picture if the commit was refused."""
        picture = self.book.portraits.stored(tenant, face, portrait, self.book.clock.now())
        record = self.book.requests.recorded(tenant.name, request, {"picture": picture.id})
        pictures = kept((*with_room(face.pictures), picture))
        with (
            self.book.requests.answering(tenant.name, request),
            self.book.portraits.discarded_if_refused([picture.key]),
        ):
            change = _change(tenant, face, pictures, record, model=portrait.template.model)
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


def _change(
    tenant: Tenant, face: Face, pictures: tuple[Picture, ...], record: Sequence[Action], *, model: str | None = None
) -> Change:
    """Return the change that gives the face these pictures.

    `model`: that of an added picture. None if one is removed: those left may be of an older model.
    """
    after = replace(face, pictures=pictures)
    skips_model_check = model is None
    actions = (face_put(tenant.name, face, after), *record)
    return Change(actions, edited(face, after), model=model, skips_model_check=skips_model_check)
