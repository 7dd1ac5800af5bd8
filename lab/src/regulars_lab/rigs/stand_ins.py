"""Eyes that need no models, photos that need no camera, and a clock that is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.book.vision.packs.packs import read_pack
from chalicelib.domain.pictures import (
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
from chalicelib.domain.rules.decision import ImpostorCurve, Population
from chalicelib.storage.ports import Answered, Examined
from regulars.demo import run
from regulars.demo.album import encode_jpeg, open_picture, turn_upright

SIDE_PX = 720

_EMBEDDING = read_pack().manifest.embedding
"""The newest pack's: what is stored and sent is as long as its templates."""
_LANDMARKS = (
    (351.24, 254.91),
    (441.87, 252.36),
    (398.45, 301.77),
    (362.09, 352.18),
    (434.62, 350.93),
)


class Eyes:
    """A Vision (storage/ports.py) whose pictures are a number: who is in it, if anybody.

    Its answers are as long as real ones.
    """

    model = _EMBEDDING.model
    impostor_curve = ImpostorCurve(
        ((0.1, 0.1), (0.3, 0.001), (0.5, 1e-6)), tail_above=0.3, tail_fmr=0.001, tail_rate=35.0
    )
    population = Population(np.zeros((0, _EMBEDDING.dimensions), np.float32), 0.0)

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return np.frombuffer(picture, np.uint8).reshape(1, -1, 1)

    def split_views(self, picture: bytes) -> list[bytes]:
        return []

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        box = BoundingBox(312.4, 188.7, 201.3, 243.9)
        return [DetectedFace(box, _LANDMARKS, 0.9312)] if image.tobytes().strip() else []

    detect_largest = detect

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: list[DetectedFace],
        wanted: object,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        jpegs = [] if all_boxes is None else [self.crop(image, face) for face in faces]
        return Examined(self.embed(image, faces), self.describe(image, faces, wanted), jpegs)

    def embed(self, image: NDArray[np.uint8], faces: list[DetectedFace]) -> NDArray[np.float32]:
        if not faces:
            return np.empty((0, _EMBEDDING.dimensions), np.float32)
        rows = (
            np.random.default_rng(int(image.tobytes()))
            .standard_normal((1, _EMBEDDING.dimensions))
            .astype(np.float32)
        )
        return np.asarray(rows / np.linalg.norm(rows), np.float32)[: len(faces)]

    def qualities(self, image: NDArray[np.uint8], faces: list[DetectedFace]) -> list[Quality]:
        return [Quality(81.4, "too blurred", 81.4) for _ in faces]

    def describe(
        self, image: NDArray[np.uint8], faces: list[DetectedFace], wanted: object
    ) -> list[Estimates]:
        pose, by_formula = Pose(-12.3, 4.7, 1.2), frozenset({"beauty"})
        one = Estimates(
            33.4, Gender.FEMALE, 0.912, "neutral", 0.834, pose, 81.4, 59.2, 0.929, by_formula
        )
        return [one for _ in faces]

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        return FaceJpeg(image.tobytes(), image.tobytes(), Sides(1, 1))

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        return image.tobytes()

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        return image.tobytes()


def draw_picture(person: int | None, nth: int) -> bytes:
    """Make a picture for `Eyes`."""
    return f"{'' if person is None else person}{' ' * (nth + 1)}".encode()


def portraits() -> list[bytes]:
    """Return a JPEG of each person of the demo's pictures, 720 pixels on its longer side."""
    people = run.find_pictures(None).people
    return [
        encode_jpeg(turn_upright(open_picture(person.photos[0].read())), side_px=SIDE_PX)
        for person in people
    ]


class Photos:
    """The portraits by number; whatever stands behind a JPEG's end makes another picture of it."""

    def __init__(self) -> None:
        self._people = portraits()
        self._nobody = encode_jpeg(
            Image.new("RGB", (SIDE_PX, SIDE_PX * 3 // 4), (90, 110, 100)), side_px=SIDE_PX
        )
        self._numbers: dict[int, int] = {}

    def __call__(self, person: int | None, nth: int) -> bytes:
        if person is None:
            return self._nobody + bytes(nth + 1)
        number = self._numbers.setdefault(person, len(self._numbers))
        if number >= len(self._people):
            raise SystemExit(
                f"regulars_lab.rigs.operations: pictures of more than {len(self._people)} people "
                "are needed"
            )
        return self._people[number] + bytes(nth + 1)


class Postman:
    """A Postman (storage/ports.py) whose receivers take everything at once."""

    def require_url(self, url: str) -> None:
        pass

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        return Answered(204)


class SteppedClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at
