"""Everything that computes on a picture: find its faces, embed them, describe them and cut them
out, with a pack's ONNX models."""

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
    Pose,
    Quality,
)
from chalicelib.domain.rules.decision import ImpostorCurve, Population
from chalicelib.lazy import lazy
from chalicelib.storage.ports import Examined
from chalicelib.telemetry import count_stage

PERFECT = 100.0
"""The quality of a face that nothing can better."""
_POSE = "head_pose"
Points = tuple[tuple[float, float], ...]


class FacePipeline:
    """The Vision port (chalicelib/storage/ports.py) with the models of one pack, a set of networks
    that belong together.

    The models are loaded at their first use, and raise MissingModel there. What is computed waits
    for one of the CPU slots, of which there are as many as cores. A `Work` is parts that may run
    side by side, and what joins their answers. A face's crop is aligned if its eyes, nose and mouth
    lie where a network expects them.
    """

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
        """Load all models now instead of at the first picture. Raises MissingModel.

        If `describes` is False, those alone are loaded that find faces and embed them.
        """
        files = [self._manifest.detector.file, *self._manifest.embedding.files]
        if describes:
            files = [file.name for file in self._manifest.files]
        for file in files:
            if file.endswith(".npy"):  # numbers, not a network
                self._sessions.read_array(file)
            else:
                self._sessions.load(file)
        if self._slots.count > 1:
            self._sessions.load(self._manifest.detector.file, threads=2)  # for large pictures

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return image.read_picture(picture, rules, self._decoding)

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        return image.read_size(picture, rules)

    def split_views(self, picture: bytes) -> list[bytes]:
        return image.split_views(picture)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return all faces of a picture, largest first."""
        with self._slots.take_slot(), count_stage("detect"):
            return self._detector.find_faces(image)

    def largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the largest face, and others of at least half its area: this takes less work than
        all."""
        with self._slots.take_slot(), count_stage("detect"):
            return self._detector.find_largest(image)

    def whole(self, image: NDArray[np.uint8]) -> DetectedFace:
        """Return a face that fills the picture, which is taken to be an aligned crop already."""
        height, width = image.shape[:2]
        network = self._manifest.embedding.networks[0]
        side_px = network.size_px
        landmarks = tuple((x * width / side_px, y * height / side_px) for x, y in network.points)
        return DetectedFace(BoundingBox(0.0, 0.0, float(width), float(height)), landmarks, 1.0)

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        """Return the faces' embeddings, estimates (age, quality and so on) and JPEGs.

        All are computed side by side, as works: parts that may run in several threads, and what
        joins their answers. `all_boxes` are those of all faces in the picture, since a JPEG shows
        which of them is meant. With None, no JPEGs are made.
        """
        roles = self._choose_roles(faces, wanted_attributes)
        crops = []
        if all_boxes is not None:
            for face in faces:
                others = [box for box in all_boxes if box != face.box]
                crops.append(partial(crop.encode_face, image, face.box, others))
        with self._slots.take_slot():
            # The longest parts first, so that no core waits for one in the end.
            jpegs, embeddings, outputs, qualities = self._do_works(
                "examine",
                Work(crops, answer=list),  # a list of their answers
                self._plan_embeddings(image, faces),
                self._attributes.run_models(image, faces, roles),
                self._plan_qualities(image, faces),
            )
            qualities = self._rate_masked(image, faces, qualities)
        estimates = self._join_estimates(roles, faces, qualities, outputs, embeddings)
        return Examined(embeddings, estimates, jpegs)

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        """Return the faces' embeddings, (faces, dimensions), each of length 1."""
        with self._slots.take_slot():
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, faces))
        return np.asarray(embeddings)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        """Return how well each face can be recognised, by what its mask, if any, leaves bare."""
        with self._slots.take_slot():
            (qualities,) = self._do_works("quality", self._plan_qualities(image, faces))
            return self._rate_masked(image, faces, qualities)

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted_attributes: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        """Return each face's estimates: the wanted attributes, such as age and gender, and quality.

        `image` is (height, width, 3), RGB. The models run side by side, as works: parts that may
        run in several threads, and what joins their answers.
        """
        roles = self._choose_roles(faces, wanted_attributes)
        # A pack may tell the gender by the embedding, too, which is not needed otherwise.
        needs_embeddings = any(role.rule for role in roles.values())
        embedded_faces = faces if needs_embeddings else []
        with self._slots.take_slot():
            outputs, qualities, embeddings = self._do_works(
                "attributes",
                self._attributes.run_models(image, faces, roles),
                self._plan_qualities(image, faces),
                self._plan_embeddings(image, embedded_faces),
            )
            qualities = self._rate_masked(image, faces, qualities)
        return self._join_estimates(roles, faces, qualities, outputs, embeddings)

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        """Return the JPEGs that are kept of a face. `others`: the boxes of the picture's other
        faces."""
        with self._slots.take_slot(), count_stage("crop"):
            return crop.encode_face(image, face.box, others)

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        """Return a JPEG of a face for people to look at, in which others are darker."""
        with self._slots.take_slot(), count_stage("crop"):
            return crop.show_face(image, box, others)

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        with self._slots.take_slot(), count_stage("crop"):
            return crop.make_thumbnail(Image.fromarray(image), side_px)

    def hidden(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        """Return the whole picture as JPEG in which nobody can recognise these faces."""
        with self._slots.take_slot(), count_stage("crop"):
            return crop.hide_faces(image, boxes)

    @contextmanager
    def _decoding(self, size: int) -> Iterator[None]:
        """Hold memory for `size` bytes of pixels and a CPU slot while a picture is decoded."""
        # Memory first: who waits for it must not hold a slot that others need to be done with their
        # pictures.
        room = self._memory.hold_room(size) if self._memory else nullcontext()
        with room, self._slots.take_slot(to_open=True), count_stage("decode"):
            yield

    def _do_works(self, name: str, *works: Work[Any]) -> list[Any]:
        """Do all works side by side; return the answer of each. `name`: under which their time is
        counted."""
        with count_stage(name):
            return self._slots.do_works(works)

    def _choose_roles(
        self, faces: Sequence[DetectedFace], wanted_attributes: Collection[str]
    ) -> Mapping[str, CropRole]:
        """Return the models to run on the faces, by what they estimate; none if there is no face.

        The head's pose is always among them, since a face's quality depends on it.
        """
        if not faces:
            return {}
        names = {*wanted_attributes, _POSE}
        return {name: role for name, role in self._manifest.crops.items() if name in names}

    def _plan_embeddings(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> Work[NDArray[np.float32]]:
        """Return the work that embeds the faces: (faces, dimensions), a unit vector of each.

        Nothing is embedded yet. The caller runs the work's parts side by side, and then gives
        `answer` what they returned, in order. A cache holds the embeddings of the picture that this
        thread used last, by face. So there are parts only for faces that it lacks, and `answer`
        adds theirs.
        """
        role, known_embeddings = self._manifest.embedding, self._last.of(image).embeddings  # cache
        new_faces = [face for face in faces if face not in known_embeddings]
        aligned = [
            (network, self._align_faces(image, new_faces, network)) for network in role.networks
        ]
        new_work = embed.plan_embeddings(self._sessions, role, aligned)

        def answer_for_all(answers_of_parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
            new_embeddings = new_work.answer(answers_of_parts)
            known_embeddings.update(zip(new_faces, new_embeddings, strict=True))
            embeddings = np.array([known_embeddings[face] for face in faces], np.float32)
            return embeddings.reshape(len(faces), role.dimensions)  # also if there is no face

        return Work(new_work.parts, answer_for_all)

    def _plan_qualities(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> Work[list[Quality]]:
        """Return the work that measures how well each face can be recognised, one Quality a face.

        Nothing is measured yet. The caller runs the work's parts side by side, and then gives
        `answer` what they returned, in order. That returns the qualities of all `faces`. A cache
        holds those of the picture that this thread used last, by face. So there are parts only for
        faces that it lacks, and `answer` puts their qualities into it.
        """
        aligned = self._align_faces(image, faces, self._manifest.quality)
        known_qualities = self._last.of(image).qualities  # the cache, which `answer` fills
        new_crops = {
            face: face_crop
            for face, face_crop in zip(faces, aligned, strict=True)
            if face not in known_qualities
        }
        parts = [
            partial(quality.measure_quality, image, face, face_crop)
            for face, face_crop in new_crops.items()
        ]

        def answer_for_all(new_qualities: list[Quality]) -> list[Quality]:
            known_qualities.update(zip(new_crops, new_qualities, strict=True))
            return [known_qualities[face] for face in faces]

        return Work(parts, answer_for_all)

    def _rate_masked(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        qualities: Sequence[Quality],
    ) -> list[Quality]:
        """Return the qualities, but for a face in a mask that of its upper half, if it is better.

        `qualities` has those of the whole faces, in their order. The embedding tells whether a face
        wears a mask, and takes long. So faces are ruled out first by what is known or quickly
        measured.
        """
        mask_rule = self.population.mask_rule
        if mask_rule is None:  # this pack cannot tell masks
            return list(qualities)
        quality_of = dict(zip(faces, qualities, strict=True))
        # Who may wear a mask? Not a face that was embedded before, and whose embedding says no.
        known_embeddings = self._last.of(image).embeddings
        doubtful = []
        for face, measured in quality_of.items():
            if measured.total >= PERFECT:  # nothing could be better
                continue
            embedding = known_embeddings.get(face)
            if embedding is None or mask_rule.find_masked(embedding[None])[0]:
                doubtful.append(face)
        # Whose quality would be better if only its upper half counted?
        aligned = self._align_faces(image, doubtful, self._manifest.quality)
        uncovered = {
            face: quality.measure_masked_quality(image, face, face_crop)
            for face, face_crop in zip(doubtful, aligned, strict=True)
        }
        better = [face for face in doubtful if uncovered[face].total > quality_of[face].total]
        if better:  # only these are embedded; known ones are not embedded again
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, better))
            for face, is_masked in zip(better, mask_rule.find_masked(embeddings), strict=True):
                if is_masked:
                    quality_of[face] = uncovered[face]
        return [quality_of[face] for face in faces]

    def _join_estimates(
        self,
        roles: Mapping[str, CropRole],
        faces: Sequence[DetectedFace],
        qualities: Sequence[Quality],
        outputs: Sequence[Mapping[str, Sequence[attributes.Looks]]],
        embeddings: NDArray[np.float32],
    ) -> list[Estimates]:
        """Return each face's estimates, made of its quality and its models' outputs, in order.

        `roles` are the models that ran, by what they estimate. `embeddings` has a row for each
        face, or none if they were not needed. Then it stays unknown (None) who wears a mask.
        """
        gender_values = np.zeros(len(faces))
        if "gender" in roles and roles["gender"].rule:
            # A linear rule on the embedding that has a say in the gender, its constant the last.
            weights = self._sessions.read_array(roles["gender"].rule)
            gender_values = embeddings @ weights[:-1] + weights[-1]
        mask_rule = self.population.mask_rule
        masked: Sequence[bool | None] = [None] * len(faces)
        if mask_rule is not None and len(embeddings) == len(faces):
            masked = mask_rule.find_masked(embeddings).tolist()
        estimates = []
        for face, measured, face_outputs, gender_value, is_masked in zip(
            faces, qualities, outputs, gender_values.tolist(), masked, strict=True
        ):
            of_face = _make_estimates(roles, face, measured, face_outputs, gender_value)
            estimates.append(replace(of_face, masked=is_masked))
        return estimates

    def _align_faces(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], role: Network | QualityRole
    ) -> list[NDArray[np.uint8]]:
        """Return each face's crop with eyes, nose and mouth at the role's places.

        A cache holds the crops of the picture that this thread used last, by landmarks, places and
        size.
        """
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
    gender_value: float,
) -> Estimates:
    """Return one face's estimates: what its models say, and what its landmarks do.

    `roles` are the models that ran, by what they estimate. `outputs` are theirs, for the face and
    its mirror image. `gender_value` is that of a rule on the embedding, 0 for none.
    """
    looks = {name: attributes.join_looks(model_looks) for name, model_looks in outputs.items()}
    values: dict[str, Any] = {}
    if "age" in roles:
        values["age"] = attributes.estimate_age(looks["age"], roles["age"].scale)
    if "gender" in roles:
        genders = attributes.estimate_genders(looks["gender"], roles["gender"], gender_value)
        values["genders"] = genders
        if genders[0][1] >= roles["gender"].least_score:  # else it is unknown
            values["gender"], values["gender_score"] = genders[0]
    if "emotion" in roles:
        emotions = attributes.estimate_emotions(outputs["emotion"], roles["emotion"].models)
        values["emotions"] = emotions
        values["emotion"], values["emotion_score"] = emotions[0]
    if "liveness" in roles:
        labels = roles["liveness"].labels
        values["liveness"] = attributes.estimate_liveness(looks["liveness"], labels)
    pose, heuristics = _find_pose(face, looks)
    frontality = 1.0 if pose is None else quality.rate_frontality(pose)
    beauty = attributes.score_symmetry(face, pose)
    if beauty is not None:
        heuristics |= {"beauty"}
    return Estimates(
        **values,
        pose=pose,
        quality=measured.total * frontality,
        beauty=beauty,
        heuristics=heuristics,
    )


def _find_pose(
    face: DetectedFace, looks: Mapping[str, attributes.Looks]
) -> tuple[Pose | None, frozenset[str]]:
    """Return how the head is turned, and {"pose"} if a formula says so, since no model does.

    The formula goes by the landmarks. The pose is None if these lie on a line.
    """
    if _POSE in looks:
        return attributes.parse_pose(looks[_POSE]), frozenset()
    pose = attributes.estimate_pose(face.landmarks)
    return pose, frozenset() if pose is None else frozenset({"pose"})


class _Known:
    """What was computed of a picture: aligned crops by landmarks, places of these in the crop, and
    its size; qualities and embeddings by face."""

    def __init__(self) -> None:
        self.crops: dict[tuple[Points, Points, int], NDArray[np.uint8]] = {}
        self.qualities: dict[DetectedFace, Quality] = {}
        self.embeddings: dict[DetectedFace, NDArray[np.float32]] = {}

    def forget(self, _image: object) -> None:
        """Forget all; a weak reference to the picture calls it when that is gone."""
        self.crops.clear()
        self.qualities.clear()
        self.embeddings.clear()


class _LastPicture(threading.local):
    """What was computed of the picture that this thread used last, while the picture exists.

    Quality, embedding and attributes of one face are requested one after the other, and share it.
    """

    def __init__(self) -> None:
        self._image: weakref.ref[NDArray[np.uint8]] | None = None
        self._known = _Known()

    def of(self, image: NDArray[np.uint8]) -> _Known:
        """Return what is known of this picture; what was known of another is forgotten."""
        if self._image is None or self._image() is not image:
            self._known = _Known()
            self._image = weakref.ref(image, self._known.forget)
        return self._known
