"""Portraits: the quality that an enrolment needs, and the portrait taken from a picture, with
template, estimates and JPEG.

The quality is the tenant's `enrol_quality`, else MIN_QUALITY (domain/rules/decision). A face shows
its first picture unless somebody chose another (domain/model).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.book.models import examine_faces, include_pose, without_min_age
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import Template, Tenant
from chalicelib.domain.pictures import (
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    Found,
    PictureRules,
    Quality,
    Sides,
)
from chalicelib.domain.rules.decision import FAR, MIN_QUALITY, MIN_SIDE_PX
from chalicelib.domain.rules.templates import make_template, parse_vector
from chalicelib.service import Service
from chalicelib.storage.ports import Vision
from chalicelib.storage.values import photo_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.book.captures.captures import SightedFace

    Look = Callable[[NDArray[np.uint8]], list[DetectedFace]]

CLEARLY_LARGEST = 2.0
"""The largest face is clearly the one meant if it has at least this many times the area of the
next."""

MAX_FACES = 40
"""Faces of one picture at most, so that their enrolment fits one transaction."""


class Portrait(Struct, frozen=True):
    """A face to be enrolled, of a picture or stored (then without box).

    `embedding`: (dimensions,) float32, unit.
    """

    box: BoundingBox | None
    embedding: NDArray[np.float32]
    template: Template
    estimates: Estimates
    jpeg: FaceJpeg
    photo_id: str
    """The id of the photo as it was sent (storage/values.py)."""
    found: Found | None = None
    """The place of the face in that photo."""


def photo_id_of(photo: bytes) -> str:
    return photo_id(sha256(photo).hexdigest())


class Portraits(Service["Book"]):
    """The maker of portraits: faces cut out of pictures that are good enough to enrol."""

    def portray_largest(self, tenant: Tenant, picture: bytes, rules: PictureRules) -> Portrait:
        """Return the portrait of a picture's clearly largest face.

        Such a face has at least twice (CLEARLY_LARGEST) the area of the next. Raises Unusable if
        there is no picture or face, none is clearly the largest, or that face is too small, too
        poor or not alive.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        seen_picture = _Seen.decode(tenant, vision, picture, rules, vision.detect_largest)
        largest_face, *other_faces = seen_picture.faces
        if other_faces and largest_face.box.area < CLEARLY_LARGEST * other_faces[0].box.area:
            raise Unusable(
                f"{len(seen_picture.faces)} faces were found and none is clearly the largest (at "
                "least twice the next "
                "one's area): crop the picture to the one that is meant"
            )
        return seen_picture.portray_good_face(largest_face)

    def portray_only(
        self, tenant: Tenant, picture: bytes, rules: PictureRules, least_score: float = 0.0
    ) -> Portrait:
        """Return the portrait of the only face of a picture that could be enrolled.

        Poor faces do not count, nor people far behind, whose face has a side shorter than FAR times
        the picture's longer side. Nor do faces of which the detector is less sure than
        `least_score`. If none is left, the largest face is tried, for the error that says what it
        lacks. Raises Unusable if there is no picture or face, several could be enrolled, or the
        face is too small, too poor or not alive.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        seen_picture = _Seen.decode(tenant, vision, picture, rules, vision.detect, least_score)
        least_px = max(MIN_SIDE_PX, FAR * max(seen_picture.image.shape[:2]))
        large_faces = [face for face in seen_picture.faces if _shorter_side(face) >= least_px]
        good_faces = []
        if len(large_faces) > 1:  # else the largest face is the one
            qualities = vision.qualities(seen_picture.image, large_faces)
            for face, quality in zip(large_faces, qualities, strict=True):
                if quality.total >= _least_quality(tenant):
                    good_faces.append(face)
        if len(good_faces) > 1:
            raise Unusable(
                f"{len(good_faces)} faces were found that could be enrolled, and one may be on "
                "this picture: crop it "
                "to the one that is meant",
                "several faces",
            )
        if good_faces:
            return seen_picture.portray_good_face(good_faces[0])
        return seen_picture.portray_good_face(seen_picture.faces[0])

    def portray_sighted(self, tenant: Tenant, sighted: SightedFace, photo: str) -> Portrait:
        """Return the portrait of a face on a camera's picture.

        `sighted` is the face as found there before, with template, estimates and flaw, so that only
        its JPEG is made here. `photo` is the picture's id. Raises Unusable if the face is too
        small, poor or not alive.
        """
        face = sighted.seen
        _require_size(face.detected)
        if face.spoof:
            raise Unusable(face.spoof)
        quality = face.estimates.quality or 0.0
        # `flaw`: the worst of what makes the quality poor, for the message.
        _require_quality(Quality(quality, face.flaw, quality), _least_quality(tenant))
        return Portrait(
            box=face.detected.box,
            embedding=parse_vector(face.template),
            template=face.template,
            estimates=face.estimates,
            jpeg=sighted.reading.crop_face(face),
            photo_id=photo,
        )

    def portray_all(self, tenant: Tenant, picture: bytes, rules: PictureRules) -> list[Portrait]:
        """Return the portraits of all faces of a picture, largest first.

        Poor ones are taken, too, unless the tenant sets a quality. Raises Unusable if there is no
        picture or face, there are over 40, or one is not alive or too poor for the tenant.
        """
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        seen_picture = _Seen.decode(tenant, vision, picture, rules, vision.detect)
        faces = seen_picture.faces
        if len(faces) > MAX_FACES:
            raise Unusable(
                f"{len(faces)} faces were found, and at most {MAX_FACES} are enrolled "
                "at once: crop the "
                "picture"
            )
        portraits = seen_picture.portray_faces(faces)
        if tenant.enrol_quality is not None:
            qualities = vision.qualities(seen_picture.image, faces)
            _require_all_good(tenant.enrol_quality, qualities, portraits)
        return portraits


class _Seen(Struct, frozen=True):
    """A picture with its faces, largest first."""

    tenant: Tenant
    vision: Vision
    image: NDArray[np.uint8]
    faces: list[DetectedFace]
    photo_id: str

    @classmethod
    def decode(
        cls,
        tenant: Tenant,
        vision: Vision,
        picture: bytes,
        rules: PictureRules,
        look: Look,
        least_score: float = 0.0,
    ) -> _Seen:
        """Decode a picture, and find its faces by `look`; return both.

        Faces of which the detector is less sure than `least_score` are left out. Raises Unusable if
        there are none.
        """
        image = vision.read_picture(picture, rules)
        faces = [face for face in look(image) if face.score >= least_score]
        if not faces:
            raise Unusable(
                "no face was found in the picture: send one with a face, upright and in focus",
                "no face",
            )
        return cls(tenant, vision, image, faces, photo_id_of(picture))

    def portray_good_face(self, face: DetectedFace) -> Portrait:
        """Return the portrait of one of the faces, if it is good enough to enrol.

        The quality is looked at twice. Without the pose that takes little work; the pose only the
        estimates of the portrait tell. Raises Unusable if the face is too small, too poor or not
        alive.
        """
        _require_size(face)
        least_quality = _least_quality(self.tenant)
        [quality] = self.vision.qualities(self.image, [face])
        _require_quality(quality, least_quality)
        [portrait] = self.portray_faces([face])
        _require_quality(include_pose(quality, portrait.estimates), least_quality)
        return portrait

    def portray_faces(self, faces: Sequence[DetectedFace]) -> list[Portrait]:
        """Return the portraits of some of the picture's faces, however poor, in their order.

        A person enrols them, so that none is too young (`without_min_age`). Raises Unusable if one
        of them is not alive.
        """
        # All faces' boxes, so that a thumbnail shows which one is meant.
        boxes = [face.box for face in self.faces]
        examined, estimated = examine_faces(
            self.vision, without_min_age(self.tenant), self.image, faces, all_boxes=boxes
        )
        for estimates in estimated:
            if estimates.spoof:
                raise Unusable(estimates.spoof)

        height, width = self.image.shape[:2]
        portraits = []
        for i, face in enumerate(faces):
            embedding = examined.embeddings[i]
            portrait = Portrait(
                box=face.box,
                embedding=embedding,
                template=make_template(self.vision.model, embedding),
                estimates=estimated[i].estimates,
                jpeg=examined.jpegs[i],
                photo_id=self.photo_id,
                found=Found.convert_face(face, Sides(width, height)),
            )
            portraits.append(portrait)
        return portraits


def _least_quality(tenant: Tenant) -> float:
    """Return the quality that a face needs to be enrolled by itself."""
    return MIN_QUALITY if tenant.enrol_quality is None else tenant.enrol_quality


def _shorter_side(face: DetectedFace) -> float:
    return min(face.box.width, face.box.height)


def _require_size(face: DetectedFace) -> None:
    if _shorter_side(face) < MIN_SIDE_PX:
        raise Unusable(
            f"the face is too small to enrol: {_shorter_side(face):.0f} pixels, at least "
            f"{MIN_SIDE_PX} are needed; "
            "send a closer picture"
        )


def _require_all_good(
    least_quality: float, qualities: Sequence[Quality], portraits: Sequence[Portrait]
) -> None:
    """Raise Unusable if a portrait is too poor, and say which one.

    `qualities` has one for each portrait, without the pose.
    """
    for number, (quality, portrait) in enumerate(zip(qualities, portraits, strict=True), start=1):
        face_name = "the face"
        if len(portraits) > 1:
            face_name = f"face {number} of {len(portraits)}, the largest first,"
        _require_quality(include_pose(quality, portrait.estimates), least_quality, face_name)


def _require_quality(quality: Quality, least_quality: float, face_name: str = "the face") -> None:
    if quality.total < least_quality:
        raise Unusable(
            f"{face_name} is too poor to enrol, {quality.short_of(least_quality)}; send a sharper, "
            "larger, evenly lit "
            "picture that looks into the camera"
        )
