"""A tenant's embedding model, and its estimates of a picture's faces.

A tenant's settings of attributes, liveness and age, applied to vision's estimates of a picture's
faces.

Beside it are the faces on a camera's picture (capture), and the vision of each model that a tenant
may name. Templates by another model are made from kept pictures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.captures import MAX_FACES, RULES, SeenFace
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import Face, Picture, Template, Tenant
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    VIEW_RULES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    PictureRules,
    Quality,
    Sides,
)
from chalicelib.domain.rules.choice import Chooser
from chalicelib.domain.rules.decision import SAME_PASSAGE, OperatingPoint
from chalicelib.domain.rules.templates import fuse_embeddings, make_template, parse_vector
from chalicelib.service import Service
from chalicelib.storage.ports import Examined, Vision
from chalicelib.storage.records.faces import round_estimates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book


class Estimated(Struct, frozen=True):
    """The estimates of a face (age, gender and so on), as far as its tenant wants them.

    `spoof`: why the face is refused (`find_refusal`), such as a photo held before the camera; None:
    it is not. `young`: whether its age is why.
    """

    estimates: Estimates
    spoof: str | None
    young: bool


def estimate_faces(
    vision: Vision, tenant: Tenant, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
) -> list[Estimated]:
    """Return the estimates (age, gender and so on) of each face, rounded as they are stored.

    What the tenant switched off is not computed, unless liveness or an age is required.
    """
    described = vision.describe(image, faces, choose_attributes(tenant, ATTRIBUTES))
    return [_make_estimated(tenant, estimates) for estimates in described]


def examine_faces(
    vision: Vision,
    tenant: Tenant,
    image: NDArray[np.uint8],
    faces: Sequence[DetectedFace],
    wanted_attributes: Collection[str] = ATTRIBUTES,
    *,
    all_boxes: Sequence[BoundingBox] | None = None,
) -> tuple[Examined, list[Estimated]]:
    """Return the embeddings of faces and, of each, the estimates as its tenant wants them.

    One pass over the picture makes both. `wanted_attributes` are to be estimated, apart from what
    the tenant switched off. With `all_boxes`, those of all of the picture's faces, JPEGs are cut
    out, too. Where another face is on one, its thumbnail shows which is meant.
    """
    attributes = choose_attributes(tenant, wanted_attributes)
    examined = vision.examine(image, faces, attributes, all_boxes=all_boxes)
    return examined, [_make_estimated(tenant, estimates) for estimates in examined.estimates]


def _make_estimated(tenant: Tenant, estimates: Estimates) -> Estimated:
    """Return a face's estimates as they are stored: rounded, and with no gender that is unsure."""
    sure = estimates.gender_from(tenant.least_gender)
    return judge_estimates(tenant, round_estimates(sure))


def embed_faces(
    vision: Vision, tenant: Tenant, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Return the embeddings of faces, a row each, and why each is refused, None if it is not.

    A tenant may refuse faces that are not alive or too young. Only then these are estimated, since
    that takes work.
    """
    # With nothing wanted, what the tenant requires is left.
    required_attributes = choose_attributes(tenant, ())
    if not required_attributes:
        return vision.embed(image, faces), [None] * len(faces)
    examined = vision.examine(image, faces, required_attributes)
    refusals = [find_refusal(tenant, round_estimates(each)) for each in examined.estimates]
    return examined.embeddings, refusals


def choose_attributes(tenant: Tenant, wanted_attributes: Collection[str]) -> set[str]:
    """Return which attributes to compute so that the wanted ones can be shown.

    What the tenant switched off is not. What it requires of faces is all the same. With an age
    required but not wanted, the age is computed, and shown to nobody.
    """
    attributes = {*wanted_attributes} - tenant.unestimated
    if tenant.least_liveness is not None:
        attributes.add("liveness")
    if tenant.min_age is not None:
        attributes.add("age")
    return attributes


def judge_estimates(tenant: Tenant, estimates: Estimates) -> Estimated:
    return Estimated(
        tenant.visible(estimates), find_refusal(tenant, estimates), _is_too_young(tenant, estimates)
    )


def include_pose(quality: Quality, estimates: Estimates) -> Quality:
    """Return a face's quality with its pose, which only the quality of the estimates includes.

    Both are products of factors, 0 to 100, so the factor of the pose is their quotient. Of 80
    without it and 40 with it, that is 50. The flaw that is told is the worst factor, so it is the
    pose if `quality` has no worse one. Without estimates, the quality stays as it is.
    """
    if estimates.quality is None:
        return quality
    frontality = 100.0
    if quality.total > 0:
        frontality = 100 * estimates.quality / quality.total
    if frontality >= quality.flaw_score:
        return replace(quality, total=estimates.quality)
    return replace(
        quality,
        total=estimates.quality,
        flaw="turned too far away",
        flaw_score=frontality,
        aspect="pose",
    )


def without_min_age(tenant: Tenant) -> Tenant:
    """Return the tenant as an enrolment by a person sees it: `min_age` is for cameras and searches
    alone."""
    return replace(tenant, min_age=None)


def _is_too_young(tenant: Tenant, estimates: Estimates) -> bool:
    """Tell whether a face is estimated to be younger than its tenant takes any (`min_age`)."""
    if estimates.age is None or tenant.min_age is None:
        return False
    return estimates.age < tenant.min_age


def find_refusal(tenant: Tenant, estimates: Estimates) -> str | None:
    """Return why a face is refused, in a sentence for users, or None if it is not.

    It is if it is too young for the tenant, or not surely alive (it may be a photo). If liveness is
    required and not known, every face is refused; one of unknown age is not. The estimated age is
    not told, since the tenant may have switched it off.
    """
    if _is_too_young(tenant, estimates):
        return (
            f"the face is estimated to be younger than {tenant.min_age:g}, and such faces are "
            "left out (min_age)"
        )
    # Liveness, from 0 to 1, says how surely it is a person and no photo.
    least_liveness, liveness = tenant.least_liveness, estimates.liveness
    if least_liveness is None:
        return None
    if liveness is None:
        return (
            "liveness is required and the model pack has no model for it: get the pack's optional "
            "file, or "
            "require none (`regulars tenants set NAME --set least_liveness=none`)"
        )
    if liveness < least_liveness:
        return (
            f"the face looks like a picture of a face: liveness {liveness:.2f} of "
            f"{least_liveness:.2f}; "
            "photograph the person, with some room about the head, and no screen or print"
        )
    return None


class Reading:
    """The faces on a camera's picture (capture), largest first, with their templates.

    The picture is decoded only when that is needed. It is decoded inside an attempt: a context that
    counts it, so that a picture on which the process dies is not tried for ever. Its file may have
    further views, small pictures of a face from the same passage before the camera.
    """

    def __init__(
        self,
        vision: Vision,
        tenant: Tenant,
        picture: bytes,
        faces: Sequence[SeenFace] | None = None,
        *,
        attempt: Callable[[], AbstractContextManager[None]] = nullcontext,
        has_views: bool = False,
        has_died: bool = False,
    ) -> None:
        """Find the faces of a picture, or embed again the `faces` that were found in it before.

        `attempt` makes the context in which the picture is opened, which counts the attempt.
        `has_views` lets the further views in its file be looked at. `has_died` says that an earlier
        attempt did not end, perhaps at a view. Then the views are opened at once, within the
        attempt of the picture, which counts for them, too. Raises Unusable.
        """
        self._vision = vision
        self._tenant = tenant
        self._picture = picture
        self._attempt = attempt
        self._has_views = has_views
        self._has_died = has_died
        # Both are made when they are first needed, and kept.
        self._views: list[NDArray[np.float32]] | None = None
        self._image: NDArray[np.uint8] | None = None
        self.faces: Sequence[SeenFace]
        if faces is None:
            self.faces = self._find_faces()
        else:
            self.faces = self._embed_again(faces)

    @property
    def sides(self) -> Sides | None:
        """Those of the picture; None if it was not decoded, since its faces were known."""
        return None if self._image is None else Sides(*self._image.shape[1::-1])

    def crop_face(self, seen_face: SeenFace) -> FaceJpeg:
        """Return the JPEG that is cut out for a face, for a picture of it made from this sighting.

        If another face is on it, the thumbnail shows which one is meant.
        """
        own_place = seen_face.detected
        other_boxes = [face.detected.box for face in self.faces if face.detected != own_place]
        with self._open_picture() as image:
            return self._vision.crop(image, own_place, other_boxes)

    def fuse_views(self, seen_face: SeenFace) -> NDArray[np.float32] | None:
        """Return the unit mean of a face and the file's further views of it, or None without such.

        A view counts if it is like this face, and more like it than like the picture's others. The
        camera may have taken somebody else for this one (docs/decisions/0107).
        """
        import numpy as np

        if not self._has_views:
            return None
        if self._views is None:  # they are embedded once, when first asked for
            with self._attempt():
                self._views = list(self._embed_views())
        own = parse_vector(seen_face.template)
        faces = [parse_vector(face.template) for face in self.faces]
        own_views = [
            view
            for view in self._views
            if SAME_PASSAGE <= view @ own >= max(view @ face for face in faces)
        ]
        if not own_views:
            return None
        return fuse_embeddings(np.stack([own, *own_views]))

    def _embed_views(self) -> Iterator[NDArray[np.float32]]:
        """Embed the face of each further view.

        A view is left out if it is damaged (Unusable), shows none or several faces, or one that the
        tenant refuses.
        """
        for view in self._vision.split_views(self._picture):
            with suppress(Unusable):
                image = self._vision.read_picture(view, VIEW_RULES)
                faces = self._vision.detect_largest(image)
                if len(faces) == 1:
                    embeddings, refusals = embed_faces(self._vision, self._tenant, image, faces)
                    if refusals[0] is None:
                        yield embeddings[0]

    @contextmanager
    def _open_picture(self) -> Iterator[NDArray[np.uint8]]:
        """Give the picture's pixels, height x width x 3.

        The first time they are decoded, and the attempt lasts until the caller's block ends. If the
        process dies in it, that counts. Later they are given as they are.
        """
        if self._image is not None:
            yield self._image
            return
        with self._attempt():
            self._image = self._vision.read_picture(self._picture, RULES)
            yield self._image

    def _embed_again(self, faces: Sequence[SeenFace]) -> list[SeenFace]:
        """Return faces that were found in the picture before, with templates of today's model.

        If all have such a template (vector), the picture is not opened: that saves the work.
        Otherwise all are embedded, at the places where they were found.
        """
        model = self._vision.model
        if all(face.template.model == model for face in faces):
            return list(faces)
        with self._open_picture() as image:
            embeddings = self._vision.embed(image, [face.detected for face in faces])
        return [
            replace(face, template=make_template(model, embedding))
            for face, embedding in zip(faces, embeddings, strict=True)
        ]

    def _find_faces(self) -> list[SeenFace]:
        """Return the faces of the picture; decode it for that."""
        with self._open_picture() as image:
            if self._has_views and self._has_died:  # inside the same attempt
                self._views = list(self._embed_views())
            return self._describe_faces(image)

    def _describe_faces(self, image: NDArray[np.uint8]) -> list[SeenFace]:
        """Return the faces of the picture's pixels, with template, estimates and flaw of each.

        The flaw is the worst of what makes its quality poor. `spoof` is why it is refused, or "".
        """
        vision = self._vision
        faces = vision.detect(image)[:MAX_FACES]
        if not faces:
            return []
        examined, estimated_faces = examine_faces(vision, self._tenant, image, faces)
        qualities = vision.qualities(image, faces)
        seen_faces = []
        for i, face in enumerate(faces):
            estimated = estimated_faces[i]
            seen_face = SeenFace(
                face,
                make_template(vision.model, examined.embeddings[i]),
                estimated.estimates,
                flaw=include_pose(qualities[i], estimated.estimates).flaw,
                spoof=estimated.spoof or "",
            )
            seen_faces.append(seen_face)
        return seen_faces


KEPT_PICTURE = PictureRules(frozenset({"JPEG"}), 1 << 24, 8192, 8192)

SAME_FACE_FMR = 1e-3
"""FMR of the score at which a face in a kept picture is taken for the enrolled one.

A face embedded again from its kept picture scores 0.85 or more, so this only has to rule out others
in the picture.
"""


class Embedder:
    """The step of a tenant's faces from one face model to the next: new templates (vectors).

    `old`: the vision of the present model; `new`: that of the next one.
    """

    def __init__(self, old: Vision, new: Vision) -> None:
        self._old = old
        self._new = new

    @property
    def model(self) -> str:
        return self._new.model

    def make_template(
        self, templates: Sequence[Template], picture: bytes, rules: PictureRules = KEPT_PICTURE
    ) -> Template:
        """Return the new model's template (vector) of a face, made from a picture of it.

        The picture may show other people, too. The face's own `templates`, of any models, tell
        which one it is, by those of the present model. If the new model's detector finds no face,
        the present one's looks for it. Raises Unusable if none is the face, or it is not clear
        which one is.
        """
        image = self._new.read_picture(picture, rules)
        faces = self._new.detect(image) or self._old.detect(image)
        if not faces:
            raise Unusable("no face is found in its picture any more")
        face = self._find_known_face(templates, image, faces)
        [embedding] = self._new.embed(image, [face])
        return make_template(self.model, embedding)

    def _find_known_face(
        self,
        templates: Sequence[Template],
        image: NDArray[np.uint8],
        detected_faces: Sequence[DetectedFace],
    ) -> DetectedFace:
        """Return which of a picture's faces is the enrolled one that has these templates (vectors).

        They are compared with the present model, since of the new one there is no template yet.
        Without a template of the present model, a single face is taken for it. Raises Unusable if
        none surely is it.
        """
        import numpy as np

        known_vectors = [
            parse_vector(template) for template in templates if template.model == self._old.model
        ]
        if not known_vectors:
            if len(detected_faces) > 1:
                raise Unusable(
                    "its picture shows several faces, and it has no template that tells which it is"
                )
            return detected_faces[0]

        # Rows are the picture's faces, columns the templates: of each face its best score counts.
        scores = self._old.embed(image, detected_faces) @ np.stack(known_vectors).T
        best_scores = scores.max(axis=1)
        best_index = int(np.argmax(best_scores))
        if best_scores[best_index] < self._old.impostor_curve.threshold_at(SAME_FACE_FMR):
            raise Unusable("the face in its picture is not the one that was enrolled")
        return detected_faces[best_index]


def list_known_templates(face: Face, picture: Picture) -> tuple[Template, ...]:
    """Return the templates that identify a face on a picture, without spare ones, which may show
    another person."""
    return picture.templates if picture.spare else face.templates


class TenantVision(Service["Book"]):
    """The face models (visions) of tenants, each loaded once, and rules that depend on them."""

    def __init__(self, services: Book) -> None:
        super().__init__(services)
        self._made: dict[str, Vision] = {}
        self._making = threading.Lock()

    def choose_vision(self, model: str) -> Vision:
        """Return the vision that makes this model's embeddings; it is loaded only once.

        The service's own vision, which new tenants get, is asked first whether it does.
        """
        with self._making:  # of two threads, one loads it and the other waits
            if model not in self._made:
                vision = self.services.ports.vision()
                if vision.model != model:
                    vision = self.services.ports.vision_of(model)
                self._made[model] = vision
            return self._made[model]

    def make_operating_point(self, tenant: Tenant, model: str | None = None) -> OperatingPoint:
        """Return the rule by which two faces match in the tenant's galleries.

        It turns a share of false matches into the least score, by the scores of strangers with each
        other (`impostor_curve`). `model`: by which the scores are made; None: the tenant's.
        """
        fpir = tenant.fpir or self.services.settings.fpir_target  # share of false matches
        vision = self.choose_vision(model or tenant.model)
        return OperatingPoint(vision.impostor_curve, fpir)

    def make_chooser(self, tenant: Tenant) -> Chooser:
        """Return the rule that chooses which of a face's pictures searches compare with."""
        vision = self.choose_vision(tenant.model)
        return Chooser(tenant.model, vision.impostor_curve, vision.population)
