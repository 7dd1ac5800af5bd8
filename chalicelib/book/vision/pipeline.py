"""The vision port on ONNX models."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.describe import attributes, embed, quality
from chalicelib.book.vision.detect import align
from chalicelib.book.vision.detect.detect import Detector
from chalicelib.book.vision.machine import CpuSlots, PictureMemory, Work, count_cores
from chalicelib.book.vision.packs.manifest import CropRole, Network, QualityRole
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures import crop, image
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    PictureRules,
    Quality,
)
from chalicelib.domain.rules.decision import ImpostorCurve, Population
from chalicelib.lazy import lazy
from chalicelib.storage.ports import Examined
from chalicelib.telemetry import count_stage

NONE = (None, None)
PERFECT = 100.0
"""The quality of a face that nothing can better."""
_POSE = "head_pose"
Points = tuple[tuple[float, float], ...]


class FacePipeline:
    """The Vision port with a pack's models, which are loaded at their first use and raise
    MissingModel there."""

    def __init__(self, pack: Pack, memory: PictureMemory | None = None) -> None:
        self._manifest = pack.manifest
        self._slots = CpuSlots(count_cores())
        self._sessions = Sessions(pack, self._slots)
        self._detector = Detector(self._sessions, pack.manifest.detector)
        self._attributes = attributes.CropModels(self._sessions)
        self._memory = memory
        self._last = _LastPicture()

    @property
    def model(self) -> str:
        return self._manifest.embedding.model

    @property
    def dimensions(self) -> int:
        return self._manifest.embedding.dimensions

    @property
    def pack(self) -> str:
        return self._manifest.name

    @property
    def impostor_curve(self) -> ImpostorCurve:
        return self._manifest.impostor_curve

    @lazy
    def population(self) -> Population:
        return self._manifest.parse_population()

    def load(self, *, describes: bool = True) -> None:
        """Load all models now instead of at the first picture, or those that find and embed.

        Raises MissingModel.
        """
        needed = (self._manifest.detector.file, *self._manifest.embedding.files)
        for file in [file.name for file in self._manifest.files] if describes else needed:
            (self._sessions.read_array if file.endswith(".npy") else self._sessions.load)(file)
        if self._slots.count > 1:
            self._sessions.load(self._manifest.detector.file, threads=2)  # for large pictures

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return image.read_picture(picture, rules, self._decoding)

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        return image.read_size(picture, rules)

    def split_views(self, picture: bytes) -> list[bytes]:
        return image.split_views(picture)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        with self._slots.take_slot(), count_stage("detect"):
            return self._detector.find_faces(image)

    def largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        with self._slots.take_slot(), count_stage("detect"):
            return self._detector.find_largest(image)

    def whole(self, image: NDArray[np.uint8]) -> DetectedFace:
        height, width = image.shape[:2]
        role = self._manifest.embedding.networks[0]
        landmarks = tuple(
            (x * width / role.size_px, y * height / role.size_px) for x, y in role.points
        )
        return DetectedFace(BoundingBox(0.0, 0.0, float(width), float(height)), landmarks, 1.0)

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        """Embed and describe the faces, and cut them out if `all_boxes` has the boxes of all.

        Works run in parallel.
        """
        roles = self._choose_roles(faces, wanted_attributes)
        crops = (
            []
            if all_boxes is None
            else [(face.box, [box for box in all_boxes if box != face.box]) for face in faces]
        )
        with self._slots.take_slot():
            jpegs, embeddings, outputs, qualities = self._do_works(
                "examine",  # the longest parts first
                Work(
                    [partial(crop.encode_face, image, *box_and_others) for box_and_others in crops],
                    list,
                ),
                self._plan_embeddings(image, faces),
                self._attributes.run_models(image, faces, roles),
                self._plan_qualities(image, faces),
            )
            qualities = self._rate_masked(image, faces, qualities)
        return Examined(
            embeddings, self._join_estimates(roles, faces, qualities, outputs, embeddings), jpegs
        )

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        with self._slots.take_slot():
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, faces))
        return np.asarray(embeddings)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        with self._slots.take_slot():
            (qualities,) = self._do_works("quality", self._plan_qualities(image, faces))
            return self._rate_masked(image, faces, qualities)

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        """Estimate the wanted attributes of each face, such as age and gender, and its quality.

        Embeddings are made only if a rule estimates by them. `image`: (height, width, 3), RGB.
        """
        roles = self._choose_roles(faces, wanted_attributes)
        with self._slots.take_slot():
            ruled = faces if any(role.rule for role in roles.values()) else []
            outputs, qualities, embeddings = self._do_works(
                "attributes",
                self._attributes.run_models(image, faces, roles),
                self._plan_qualities(image, faces),
                self._plan_embeddings(image, ruled),
            )
            qualities = self._rate_masked(image, faces, qualities)
        return self._join_estimates(roles, faces, qualities, outputs, embeddings)

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        with self._slots.take_slot(), count_stage("crop"):
            return crop.encode_face(image, face.box, others)

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        with self._slots.take_slot(), count_stage("crop"):
            return crop.show_face(image, box, others)

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        with self._slots.take_slot(), count_stage("crop"):
            return crop.make_thumbnail(Image.fromarray(image), side_px)

    def hidden(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        with self._slots.take_slot(), count_stage("crop"):
            return crop.hide_faces(image, boxes)

    @contextmanager
    def _decoding(self, size: int) -> Iterator[None]:
        # Room first: who waits for it must not hold a slot that others need to be done with their
        # pictures.
        room = self._memory.hold_room(size) if self._memory else nullcontext()
        with room, self._slots.take_slot(to_open=True), count_stage("decode"):
            yield

    def _do_works(self, name: str, *works: Work[Any]) -> list[Any]:
        with count_stage(name):
            return self._slots.do_works(works)

    def _choose_roles(
        self, faces: Sequence[DetectedFace], wanted_attributes: Collection[str]
    ) -> Mapping[str, CropRole]:
        return {
            name: role
            for name, role in self._manifest.crops.items()
            if faces and name in {*wanted_attributes, _POSE}
        }

    def _plan_embeddings(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> Work[NDArray[np.float32]]:
        """Plan the work that embeds the faces; its answer has the shape (faces, dimensions).

        Only faces are embedded that were not yet in this picture. The others' embeddings are
        remembered.
        """
        role, known_embeddings = self._manifest.embedding, self._last.of(image).embeddings
        new_faces = [face for face in faces if face not in known_embeddings]
        aligned = [
            (network, self._align_faces(image, new_faces, network)) for network in role.networks
        ]
        work = embed.plan_embeddings(self._sessions, role, aligned)

        def with_known(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
            known_embeddings.update(zip(new_faces, work.answer(parts), strict=True))
            return np.array([known_embeddings[face] for face in faces], np.float32).reshape(
                len(faces), role.dimensions
            )

        return Work(work.parts, with_known)

    def _plan_qualities(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> Work[list[Quality]]:
        """Plan the work that measures the quality of each face; its answer has one for each, in
        order.

        Qualities that are known of this picture are not measured again.
        """
        aligned = self._align_faces(image, faces, self._manifest.quality)
        known_qualities = self._last.of(image).qualities
        new_faces = {
            face: aligned[at] for at, face in enumerate(faces) if face not in known_qualities
        }

        def with_known(measured: list[Quality]) -> list[Quality]:
            known_qualities.update(zip(new_faces, measured, strict=True))
            return [known_qualities[face] for face in faces]

        return Work(
            [
                partial(quality.measure_quality, image, *face_and_crop)
                for face_and_crop in new_faces.items()
            ],
            with_known,
        )

    def _rate_masked(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        qualities: Sequence[Quality],
    ) -> list[Quality]:
        """Return the qualities of the faces, in order; that of a face in a mask is of what the mask
        leaves uncovered.

        Only a face that would be better so is embedded for it, if it was not yet.
        """
        rule, rated = self.population.mask_rule, dict(zip(faces, qualities, strict=True))
        known = self._last.of(image).embeddings
        doubtful = [
            face
            for face, measured in rated.items()
            if rule is not None
            and measured.total < PERFECT
            and (face not in known or rule.find_masked(known[face][None])[0])
        ]
        aligned = self._align_faces(image, doubtful, self._manifest.quality)
        uncovered = {
            face: quality.measure_masked_quality(image, face, crop_of_face)
            for face, crop_of_face in zip(doubtful, aligned, strict=True)
        }
        better = [face for face in doubtful if uncovered[face].total > rated[face].total]
        if rule is not None and better:
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, better))
            masked = zip(better, rule.find_masked(embeddings), strict=True)
            rated |= {face: uncovered[face] for face, is_masked in masked if is_masked}
        return [rated[face] for face in faces]

    def _join_estimates(
        self,
        roles: Mapping[str, CropRole],
        faces: Sequence[DetectedFace],
        qualities: Sequence[Quality],
        outputs: Sequence[Mapping[str, Sequence[attributes.Looks]]],
        embeddings: NDArray[np.float32],
    ) -> list[Estimates]:
        """Join each face's quality and the outputs of its models to its estimates, in order.

        The pack may have a linear rule that tells the gender by the embedding. `embeddings`: those
        of the faces; none are needed without such a rule.
        """
        ruled, rule = np.zeros(len(faces)), roles["gender"].rule if "gender" in roles else ""
        if rule:
            weights = self._sessions.read_array(rule)
            ruled = embeddings @ weights[:-1] + weights[-1]
        mask_rule = self.population.mask_rule
        masked: Sequence[bool | None] = (
            [None] * len(faces)
            if mask_rule is None or len(embeddings) < len(faces)
            else mask_rule.find_masked(embeddings).tolist()
        )
        estimates = [
            _make_estimates(roles, *each)
            for each in zip(faces, qualities, outputs, ruled.tolist(), strict=True)
        ]
        return [
            replace(of_face, masked=is_masked)
            for of_face, is_masked in zip(estimates, masked, strict=True)
        ]

    def _align_faces(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], role: Network | QualityRole
    ) -> list[NDArray[np.uint8]]:
        with count_stage("align"):
            crops = self._last.of(image).crops
            keys = [(face.landmarks, role.points, role.size_px) for face in faces]
            for key in keys:
                if key not in crops:
                    crops[key] = align.align_face(image, *key)
            return [crops[key] for key in keys]


def _make_estimates(
    roles: Mapping[str, CropRole],
    face: DetectedFace,
    measured: Quality,
    outputs: Mapping[str, Sequence[attributes.Looks]],
    ruled: float,
) -> Estimates:
    """Make a face's estimates of the outputs of the models.

    `ruled`: as estimate_genders takes it.
    """
    looks = {name: attributes.join_looks(model_looks) for name, model_looks in outputs.items()}
    age = attributes.estimate_age(looks["age"], roles["age"].scale) if "age" in roles else None
    genders = (
        attributes.estimate_genders(looks["gender"], roles["gender"], ruled)
        if "gender" in roles
        else ()
    )
    gender, gender_score = (
        genders[0] if genders and genders[0][1] >= roles["gender"].least_score else NONE
    )
    emotions = (
        attributes.estimate_emotions(outputs["emotion"], roles["emotion"].models)
        if "emotion" in roles
        else ()
    )
    emotion, emotion_score = emotions[0] if emotions else NONE
    head = (
        attributes.parse_pose(looks[_POSE])
        if _POSE in roles
        else attributes.estimate_pose(face.landmarks)
    )
    proportions = attributes.score_symmetry(face, head)
    computed = {"beauty": proportions is not None, "pose": head is not None and _POSE not in roles}
    return Estimates(
        age=age,
        gender=gender,
        gender_score=gender_score,
        genders=genders,
        emotion=emotion,
        emotion_score=emotion_score,
        emotions=emotions,
        pose=head,
        quality=measured.total * (quality.rate_frontality(head) if head else 1),
        beauty=proportions,
        liveness=(
            attributes.estimate_liveness(looks["liveness"], roles["liveness"].labels)
            if "liveness" in roles
            else None
        ),
        heuristics=frozenset(name for name, is_given in computed.items() if is_given),
    )


class _Known:
    """Results kept of a picture: aligned crops by landmarks, points and size; qualities and
    embeddings by face."""

    def __init__(self) -> None:
        self.crops: dict[tuple[Points, Points, int], NDArray[np.uint8]] = {}
        self.qualities: dict[DetectedFace, Quality] = {}
        self.embeddings: dict[DetectedFace, NDArray[np.float32]] = {}

    def forget(self, _image: object) -> None:
        self.crops.clear()
        self.qualities.clear()
        self.embeddings.clear()


class _LastPicture(threading.local):
    """Results of the picture that the thread used last, while the picture exists.

    Quality, embedding and attributes of one face are requested one after the other and share it.
    """

    def __init__(self) -> None:
        self._image: weakref.ref[NDArray[np.uint8]] | None = None
        self._known = _Known()

    def of(self, image: NDArray[np.uint8]) -> _Known:
        if self._image is None or self._image() is not image:
            self._known = _Known()
            self._image = weakref.ref(image, self._known.forget)
        return self._known
