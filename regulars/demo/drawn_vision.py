"""Vision for drawn people: data after the last byte of a drawing identify the person, so no network
has to run.

A browser passes over what stands there. A drawn person's templates are random, so they are like
nobody else's, and a face that real networks look at is never taken for a drawn one.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Sequence
from functools import cache

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from chalicelib.book.vision.packs.packs import Pack
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import (
    ATTRIBUTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    FaceJpeg,
    Gender,
    PictureRules,
    Pose,
    Quality,
    Sides,
)
from chalicelib.domain.rules.decision import Population
from chalicelib.storage.ports import Examined
from regulars.demo.drawings import FACE, HEAD, SIDE_PX, draw_person, encode_jpeg

PEOPLE = b"\npeople: "
"""Mark between a drawing and the people on it, who follow as JSON."""
FACE_STEP_PX = 5.0
"""Shift of each further face's box to the right, by which the people of one picture are told
apart."""
THUMBNAIL_PX = 160
"""Longest side of a drawn face's or picture's small picture, in pixels."""
QUALITY = 80.0
"""Quality of every drawn face, of 100: well above what any tenant asks for."""


class DrawnPerson(Struct, frozen=True):
    """A person on a drawing. `number`: identifies the person.

    `likeness`: how much the template is the person's own, 0..1. `take`: any number; another one
    gives another template of the same likeness. `smiles`: as `draw_person` takes it. `looks`: whose
    drawing it is, if that is somebody else's.
    """

    number: int
    likeness: float = 0.9
    take: float = 0.0
    smiles: bool = True
    looks: int | None = None

    @property
    def drawn_number(self) -> int:
        return self.number if self.looks is None else self.looks

    @property
    def age(self) -> float:
        return 18.0 + self.drawn_number * 7 % 52

    @property
    def gender(self) -> Gender:
        return Gender.MALE if self.drawn_number % 2 else Gender.FEMALE


def draw_portrait(person: DrawnPerson) -> bytes:
    """Draw a person as for an enrolment."""
    return _draw_jpeg(person.drawn_number, smiles=False) + _write_people(
        [replace(person, smiles=False)]
    )


def draw_capture(*people: DrawnPerson) -> bytes:
    """Draw a camera's picture. It shows the first of these people, and tells of all."""
    return _draw_jpeg(people[0].drawn_number, smiles=True) + _write_people(people)


@cache
def _draw_jpeg(number: int, *, smiles: bool) -> bytes:
    return encode_jpeg(draw_person(number, smiles=smiles))


def _write_people(people: Sequence[DrawnPerson]) -> bytes:
    return PEOPLE + msgspec.json.encode(people)


class DrawnVision:
    """The Vision port over drawings, whose templates go into the books of the pack's model."""

    population = Population(np.zeros((0, 1), np.float32), 0.0)
    """Nobody: a drawn template resembles no crowd."""

    def __init__(self, pack: Pack) -> None:
        manifest = pack.manifest
        self.pack = manifest.name
        self.model = manifest.embedding.model
        self.dimensions = manifest.embedding.dimensions
        self.impostor_curve = manifest.impostor_curve

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        """Return the people of a drawing, as bytes of JSON in an array that is as wide and high as
        the drawing. Raises Unusable."""
        if len(picture) > rules.max_bytes:
            raise Unusable(
                f"the picture has {len(picture)} bytes, at most {rules.max_bytes} are allowed",
                "bytes",
            )
        if PEOPLE not in picture:
            raise Unusable("the picture is no drawing of this demo: send one")
        image = np.zeros((SIDE_PX, SIDE_PX, 1), np.uint8)
        people = np.frombuffer(picture.rpartition(PEOPLE)[2], np.uint8)
        image.reshape(-1)[: len(people)] = people
        return image

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        self.read_picture(picture, rules)
        return SIDE_PX, SIDE_PX

    def split_views(self, picture: bytes) -> list[bytes]:
        return []

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        x, y, width, height = FACE
        count = len(_read_people(image))
        return [
            DetectedFace(BoundingBox(x + FACE_STEP_PX * number, y, width, height), (), 0.9)
            for number in range(count)
        ]

    def detect_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return self.detect(image)

    def take_whole_as_face(self, image: NDArray[np.uint8]) -> DetectedFace:
        raise Unusable("a drawing is never a face that somebody cut out")

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        jpegs = [] if all_boxes is None else [self.crop(image, face) for face in faces]
        return Examined(self.embed(image, faces), self.describe(image, faces, wanted), jpegs)

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        embeddings = [self._embed_person(_find_person(image, face)) for face in faces]
        return np.array(embeddings, np.float32).reshape(-1, self.dimensions)

    def _embed_person(self, person: DrawnPerson) -> NDArray[np.float32]:
        own_direction = self._draw_direction(person.number)
        noise = self._draw_direction(
            zlib.crc32(f"{person.number} {person.likeness} {person.take}".encode())
        )
        embedding = person.likeness * own_direction + np.sqrt(1 - person.likeness**2) * noise
        return np.asarray(embedding / np.linalg.norm(embedding), np.float32)

    def _draw_direction(self, seed: int) -> NDArray[np.float32]:
        direction = np.random.default_rng(seed).standard_normal(self.dimensions).astype(np.float32)
        return np.asarray(direction / np.linalg.norm(direction), np.float32)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        return [Quality(QUALITY, "too blurred", QUALITY) for _ in faces]

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        """Return the estimates of drawn faces: age and gender of the person drawn, the rest always
        the same.

        Attributes that are not wanted are left out, but for the pose.
        """
        unwanted = frozenset(ATTRIBUTES).difference(wanted, ["pose"])
        people = [_find_person(image, face) for face in faces]
        estimates = [
            Estimates(
                age=person.age,
                gender=person.gender,
                gender_score=0.9,
                emotion="happy",
                emotion_score=0.8,
                pose=Pose(yaw=1, pitch=2, roll=3),
                quality=QUALITY,
                liveness=0.9,
            )
            for person in people
        ]
        return [each.without(unwanted) for each in estimates]

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        person = _find_person(image, face)
        head_jpeg, thumbnail = _draw_head(person.drawn_number, smiles=person.smiles)
        return FaceJpeg(
            head_jpeg + _write_people([person]),
            thumbnail,
            Sides(HEAD[2] - HEAD[0], HEAD[3] - HEAD[1]),
        )

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        return self.crop(image, DetectedFace(box, (), 1.0)).data

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        return _draw_small(_read_people(image)[0].drawn_number)

    def hide_faces(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        """Blur the drawing so that nobody is recognised; nobody is on it any more."""
        drawing = Image.open(
            io.BytesIO(_draw_jpeg(_read_people(image)[0].drawn_number, smiles=True))
        )
        return encode_jpeg(drawing.filter(ImageFilter.GaussianBlur(SIDE_PX / 10))) + _write_people(
            []
        )


@cache
def _draw_small(number: int) -> bytes:
    """Draw the small picture of what a camera saw of a person: pages cut its upper and lower ends
    off, and no head."""
    return encode_jpeg(draw_person(number, smiles=True).resize((THUMBNAIL_PX, THUMBNAIL_PX)))


@cache
def _draw_head(number: int, *, smiles: bool) -> tuple[bytes, bytes]:
    """Draw the head of a person: the JPEG of it, and the thumbnail's."""
    head_picture = draw_person(number, smiles=smiles).crop(HEAD)
    return encode_jpeg(head_picture), encode_jpeg(head_picture.resize((THUMBNAIL_PX, THUMBNAIL_PX)))


def _read_people(image: NDArray[np.uint8]) -> list[DrawnPerson]:
    return msgspec.json.decode(image.tobytes().rstrip(b"\0"), type=list[DrawnPerson])


def _find_person(image: NDArray[np.uint8], face: DetectedFace) -> DrawnPerson:
    return _read_people(image)[round((face.box.x - FACE[0]) / FACE_STEP_PX)]
