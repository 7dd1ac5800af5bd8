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
from chalicelib.domain.rules.decision import ImpostorCurve, MaskRule, Population
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
    side by side, and what joins their answers; `_do_works` does it. A face's crop is aligned if its
    eyes, nose and mouth lie where a network expects them.
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

    def detect_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the largest face, and others of at least half its area, with less work."""
        with self._slots.take_slot(), count_stage("detect"):
            return self._detector.find_largest(image)

    def take_whole_as_face(self, image: NDArray[np.uint8]) -> DetectedFace:
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

        All are planned as works (parts for several threads), and then done side by side.
        `all_boxes` are those of all faces in the picture, since a JPEG shows which of them is
        meant. With None, no JPEGs are made.
        """
        crops = []
        if all_boxes is not None:
            for face in faces:
                others = [box for box in all_boxes if box != face.box]
                crops.append(partial(crop.encode_face, image, face.box, others))
        models = self._choose_models(faces, wanted_attributes)
        with self._slots.take_slot():
            # The longest parts first, so that no core waits for one in the end.
            jpegs, embeddings, outputs, qualities = self._do_works(
                "examine",
                Work(crops, join=list),  # a list of their answers
                self._plan_embeddings(image, faces),
                self._attributes.run_models(image, faces, models),
                self._plan_qualities(image, faces),
            )
            # A face in a mask is rated by what the mask leaves bare.
            qualities = self._rate_masked(image, faces, qualities)
        estimates = self._join_estimates(models, faces, qualities, outputs, embeddings)
        return Examined(embeddings, estimates, jpegs)

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        """Return the faces' embeddings, (faces, dimensions), each of length 1."""
        with self._slots.take_slot():
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, faces))
        return np.asarray(embeddings)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        """Return how well each face can be recognised, by the part that a mask, if any, leaves
        visible."""
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

        `image` is (height, width, 3), RGB. The models' runs are planned as works (parts for several
        threads), and then done side by side.
        """
        models = self._choose_models(faces, wanted_attributes)
        # A pack may tell the gender by the embedding, too, which is not needed otherwise.
        needs_embeddings = any(role.rule for role in models.values())
        embedded_faces = faces if needs_embeddings else []
        with self._slots.take_slot():
            outputs, qualities, embeddings = self._do_works(
                "attributes",
                self._attributes.run_models(image, faces, models),
                self._plan_qualities(image, faces),
                self._plan_embeddings(image, embedded_faces),
            )
            # A face in a mask is rated by what the mask leaves bare.
            qualities = self._rate_masked(image, faces, qualities)
        return self._join_estimates(models, faces, qualities, outputs, embeddings)

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        """Return the JPEGs kept of a face. `others`: boxes of the picture's other faces."""
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

    def hide_faces(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        """Return the whole picture as JPEG with these faces made unrecognisable."""
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
        """Do the parts of all works side by side, and return the answer of each work.

        `name`: under which their time is counted.
        """
        with count_stage(name):
            return self._slots.do_works(works)

    def _choose_models(
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

        Nothing is embedded until `_do_works` does it. Embeddings of the picture that this thread
        used last are remembered. So there are parts only for the other faces, and their embeddings
        are remembered when they are there.
        """
        role, known = self._manifest.embedding, self._last.recall(image)
        new_faces = [face for face in faces if face not in known.embeddings]
        aligned = [
            (network, self._align_faces(image, new_faces, network)) for network in role.networks
        ]
        new_work = embed.plan_embeddings(self._sessions, role, aligned)
        return new_work.then(partial(known.add_embeddings, new_faces, faces, role.dimensions))

    def _plan_qualities(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> Work[list[Quality]]:
        """Return the work that measures how well each face can be recognised, one Quality a face.

        Nothing is measured until `_do_works` does it. Qualities of the picture that this thread
        used last are remembered. So there are parts only for the other faces, and their qualities
        are remembered when they are there.
        """
        known = self._last.recall(image)
        aligned = self._align_faces(image, faces, self._manifest.quality)
        new_crops = {
            face: face_crop
            for face, face_crop in zip(faces, aligned, strict=True)
            if face not in known.qualities
        }
        parts = [
            partial(quality.measure_quality, image, face, face_crop)
            for face, face_crop in new_crops.items()
        ]
        return Work(parts, join=partial(known.add_qualities, list(new_crops), faces))

    def _rate_masked(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        qualities: Sequence[Quality],
    ) -> list[Quality]:
        """Return the qualities, but for a face in a mask that of its upper half, if it is better.

        `qualities` has those of the whole faces, in their order. The embedding tells whether a face
        wears a mask, and takes long. So it is computed only for a face that would gain by a mask.
        """
        mask_rule = self.population.mask_rule
        if mask_rule is None:  # this pack cannot tell masks
            return list(qualities)
        quality_of = dict(zip(faces, qualities, strict=True))
        imperfect = [face for face, measured in quality_of.items() if measured.total < PERFECT]
        known = self._last.recall(image)
        candidates = [face for face in imperfect if not known.is_unmasked(face, mask_rule)]
        upper_half_of = self._measure_upper_halves(image, candidates)
        gaining = [
            face for face in candidates if upper_half_of[face].total > quality_of[face].total
        ]
        if gaining:
            (embeddings,) = self._do_works("embed", self._plan_embeddings(image, gaining))
            for face, is_masked in zip(gaining, mask_rule.find_masked(embeddings), strict=True):
                if is_masked:
                    quality_of[face] = upper_half_of[face]
        return [quality_of[face] for face in faces]

    def _measure_upper_halves(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]
    ) -> dict[DetectedFace, Quality]:
        """Return how well each face can be recognised by what a mask would leave bare."""
        aligned = self._align_faces(image, faces, self._manifest.quality)
        return {
            face: quality.measure_masked_quality(image, face, face_crop)
            for face, face_crop in zip(faces, aligned, strict=True)
        }

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
        gender_values = self._apply_gender_rule(roles, embeddings, len(faces))
        mask_rule = self.population.mask_rule
        masked: Sequence[bool | None] = [None] * len(faces)
        if mask_rule is not None and len(embeddings) == len(faces):
            masked = mask_rule.find_masked(embeddings).tolist()
        estimates = []
        for face, measured, face_outputs, gender_value, is_masked in zip(
            faces, qualities, outputs, gender_values, masked, strict=True
        ):
            of_face = _make_estimates(roles, face, measured, face_outputs, gender_value)
            estimates.append(replace(of_face, masked=is_masked))
        return estimates

    def _apply_gender_rule(
        self, roles: Mapping[str, CropRole], embeddings: NDArray[np.float32], face_count: int
    ) -> list[float]:
        """Return what each face's embedding adds to the log-odds of the first gender.

        That is a linear rule of the pack, with its constant behind the weights. It is 0 if the pack
        has none, or the gender is not estimated.
        """
        if "gender" not in roles or not roles["gender"].rule:
            return [0.0] * face_count
        weights = self._sessions.read_array(roles["gender"].rule)
        values: list[float] = (embeddings @ weights[:-1] + weights[-1]).tolist()
        return values

    def _align_faces(
        self, image: NDArray[np.uint8], faces: Sequence[DetectedFace], role: Network | QualityRole
    ) -> list[NDArray[np.uint8]]:
        """Return each face's crop with eyes, nose and mouth at the role's places.

        A cache holds the crops of the picture that this thread used last, by landmarks, places and
        size.
        """
        with count_stage("align"):
            crops = self._last.recall(image).crops
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

    def add_qualities(
        self,
        new_faces: Sequence[DetectedFace],
        faces: Sequence[DetectedFace],
        new_qualities: list[Quality],
    ) -> list[Quality]:
        """Remember the new faces' qualities; return those of `faces`, known before or new."""
        self.qualities.update(zip(new_faces, new_qualities, strict=True))
        return [self.qualities[face] for face in faces]

    def add_embeddings(
        self,
        new_faces: Sequence[DetectedFace],
        faces: Sequence[DetectedFace],
        dimensions: int,
        new_embeddings: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Remember the new faces' embeddings, a row each; return those of `faces`, known or new.

        Raises ValueError if they have not as many `dimensions` as the pack's manifest says.
        """
        self.embeddings.update(zip(new_faces, new_embeddings, strict=True))
        rows = [self.embeddings[face] for face in faces]
        # Also if there is no face.
        return np.array(rows, np.float32).reshape(len(faces), dimensions)

    def is_unmasked(self, face: DetectedFace, mask_rule: MaskRule) -> bool:
        """Tell whether a face is known to wear no mask, by an embedding computed before."""
        embedding = self.embeddings.get(face)
        return embedding is not None and not mask_rule.find_masked(embedding[None])[0]

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

    def recall(self, image: NDArray[np.uint8]) -> _Known:
        """Return the results kept for this picture, and drop those of another one."""
        if self._image is None or self._image() is not image:
            self._known = _Known()
            self._image = weakref.ref(image, self._known.forget)
        return self._known
