"""Results of vision: the faces in a picture, and the estimates of each.

Boxes are `xywh` in pixels of the upright picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput

MAX_PICTURE_BYTES = 20 * 1024 * 1024
"""Bytes of a picture, 20 MB: a camera's frame has 0.1 to 2 MB, a photo of a phone up to 10."""


_BEGINNINGS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}


def find_type(data: bytes) -> str | None:
    """Return a picture's content type by its first bytes; None if they are of no picture."""
    if data[4:8] == b"ftyp":
        return "image/heic"
    return next(
        (kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None
    )


FOUND_DIGITS = 6
"""Digits to which the place of a face is stored."""

MOST_BUCKETS = 20
"""Buckets that a tenant may name, from which pictures of requests are taken."""

_LONGEST = 512
"""Characters of a bucket's name and prefix."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9_.=+@-]+)*/?")
"""A bucket's name in S3, and segments without signs that mean something in a policy of AWS or in a
URL."""

_SEGMENTS = re.compile(r"[/\\]")


class Gender(StrEnum):
    UNKNOWN = "unknown"
    MALE = "male"
    FEMALE = "female"


class BoundingBox(NamedTuple):
    """A rectangle in pixels of the upright picture; it may reach over the picture's edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


class DetectedFace(Struct, frozen=True):
    """A face that the detector found: its box, five landmarks and a score of certainty.

    `landmarks` are (x, y) in pixels: eye on the image's left, eye on its right, nose tip, mouth
    corner left, right.
    """

    box: BoundingBox
    landmarks: tuple[tuple[float, float], ...]
    score: float


class Pose(NamedTuple):
    """Head pose in degrees. roll > 0: tilted clockwise in the image; yaw > 0: nose towards the
    image's right."""

    yaw: float
    pitch: float
    roll: float


class Estimates(Struct, frozen=True):
    """Estimates of the attribute models for one face; None: the pack has no model for it, or it is
    too unsure."""

    age: float | None = None
    gender: Gender | None = None
    gender_score: float | None = None
    """0..1"""
    emotion: str | None = None
    """One of happy, sad, angry, fear, surprise, disgust, neutral, contempt."""
    emotion_score: float | None = None
    """0..1"""
    pose: Pose | None = None
    quality: float | None = None
    """0..100"""
    beauty: float | None = None
    """0..100"""
    liveness: float | None = None
    """0..1: 1 is a face before the camera, 0 a picture of one
    (book/vision/describe/attributes.py)."""
    heuristics: frozenset[str] = frozenset()
    """Names of the attributes that a formula estimated instead of a model."""
    masked: bool | None = None
    """Whether a mask covers mouth and nose. Like the quality it says how a face can be recognised,
    so a tenant cannot switch it off."""
    emotions: tuple[tuple[str, float], ...] = ()
    """Every emotion with its probability, the most probable first. They are not stored."""
    genders: tuple[tuple[Gender, float], ...] = ()
    """Likewise both genders, also if `gender` is None because the model is too unsure."""

    def find_source(self, name: str) -> str | None:
        """Return the source of an attribute, of ATTRIBUTES: "model", "heuristic", or None if it is
        not known."""
        if getattr(self, ATTRIBUTES[name][0]) is None:
            return None
        return "heuristic" if name in self.heuristics else "model"

    def gender_from(self, least_score: float | None) -> Estimates:
        """Return the estimates with the gender given from this score on; None for the pack's own
        threshold."""
        if least_score is None or not self.genders:
            return self
        gender, score = self.genders[0] if self.genders[0][1] >= least_score else (None, None)
        return replace(self, gender=gender, gender_score=score)

    def without(self, names: frozenset[str]) -> Estimates:
        """Return the estimates without the attributes of these names, of ATTRIBUTES."""
        fields: dict[str, Any] = {field: None for name in names for field in ATTRIBUTES[name]}
        emotions = () if "emotion" in names else self.emotions
        genders = () if "gender" in names else self.genders
        return replace(
            self, **fields, heuristics=self.heuristics - names, emotions=emotions, genders=genders
        )


NO_ESTIMATES = Estimates()


ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "age": ("age",),
        "gender": ("gender", "gender_score"),
        "emotion": ("emotion", "emotion_score"),
        "pose": ("pose",),
        "beauty": ("beauty",),
        "liveness": ("liveness",),
    }
)
"""The attributes that a tenant may switch off, each with its fields of Estimates. Quality stays:
enrolment needs it."""

FEELINGS = frozenset({"beauty", "emotion"})
"""Those that no purpose of a visitor book needs: a tenant estimates them only if it says so
(`feelings` of its settings), and of nobody in a group of staff."""


class Found(NamedTuple):
    """The place of a face in a photo, in shares of the photo's sides, and the detector's score."""

    x: float
    y: float
    width: float
    height: float
    score: float

    @classmethod
    def convert_face(cls, face: DetectedFace, sides: Sides) -> Found:
        """Return where a face is in a picture: pixels become shares of its width and height.

        `sides` are both, in pixels, of the picture turned upright. Numbers are rounded to the
        digits that are stored.
        """
        box = face.box
        across, down = sides
        return cls(
            x=round(box.x / across, FOUND_DIGITS),
            y=round(box.y / down, FOUND_DIGITS),
            width=round(box.width / across, FOUND_DIGITS),
            height=round(box.height / down, FOUND_DIGITS),
            score=round(face.score, FOUND_DIGITS),
        )

    def measure_overlap(self, other: Found) -> float:
        """Return the area that both boxes share by the area that they cover together, 0..1."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared_area = max(across, 0.0) * max(down, 0.0)
        covered_area = self.width * self.height + other.width * other.height - shared_area
        return shared_area / covered_area if covered_area > 0 else 0.0


class Sides(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class FaceJpeg(Struct, frozen=True):
    """A face cut out of a picture, as it is kept: a JPEG, its sides, and a thumbnail of it.

    That of a learnt picture has no thumbnail (b""), and nobody noted its sides.
    """

    data: bytes
    thumbnail: bytes = b""
    sides: Sides | None = None
    meant: BoundingBox | None = None
    """The place of the face in it, if another one shows in it, too."""


class Quality(Struct, frozen=True):
    """The fitness of a picture for recognition, and its worst defect."""

    total: float
    """0..100"""
    flaw: str
    """In words: "too blurred"."""
    flaw_score: float
    """0..100: quality in this respect alone."""
    aspect: str = ""
    """Name of the respect: size, sharpness, compression, exposure, eyes, detector or pose; "": not
    told."""
    sharpness: float = 0.0
    """0..1"""
    brightness: float = 0.0
    """0..1: mean grey level of the face, from black to white."""

    def short_of(self, least_quality: float) -> str:
        """Return why it is below `least_quality`: "too blurred: 12 of 30".

        The number is rounded down: 29.9 is not 30.
        """
        return f"{self.flaw}: {math.floor(self.total)} of {least_quality:g}"


MOST_PIXELS = 5472 * 3648
"""Pixels of a picture that is not reduced, where its rules say no other number: a camera of 20
megapixels has as many."""


class PictureRules(Struct, frozen=True):
    """The limits of a dialect for pictures.

    Its limits of sides hold for a stored picture and for an upright one.

    They are in the dialects' routes, and in book/captures/captures (captures and v1).
    """

    formats: frozenset[str]
    """Some of "JPEG", "PNG", "BMP", "WEBP", "HEIC", "GIF"."""
    max_bytes: int
    max_long_side_px: int
    max_short_side_px: int
    min_short_side_px: int = 1
    most_pixels: int = MOST_PIXELS
    """A picture with more is reduced, so that it takes little time, and a JPEG little memory."""


VIEW_RULES = PictureRules(frozenset({"JPEG"}), 64 * 1024, 512, 512)
"""Rules for the further views in a picture's file: crops of one face, for its likeness alone."""
MAX_VIEWS = 4
"""Further views of a file that are looked at: each costs two fifths of a capture."""


def require_buckets(buckets: Collection[str]) -> None:
    """Raise InvalidInput unless a tenant may name these as buckets to read pictures from.

    Each is a bucket of S3, or a folder in one, as `bucket/prefix`. There are MOST_BUCKETS at most.
    """
    if len(buckets) > MOST_BUCKETS:
        raise InvalidInput(f"picture buckets are {MOST_BUCKETS} at most, not {len(buckets)}")
    for bucket in sorted(buckets):
        if not _BUCKET.fullmatch(bucket) or len(bucket) > _LONGEST or _leads_elsewhere(bucket):
            raise InvalidInput(
                "a picture bucket is as `bucket` or `bucket/prefix`: a bucket's name, for a prefix "
                f"whole segments of letters, digits and _.=+@-, not {bucket[:100]!r}"
            )


def may_be_read(picture_buckets: Collection[str], bucket: str, key: str) -> bool:
    """Return whether a picture may be read from S3: it is in one of the tenant's picture buckets.

    If `bucket/prefix` is one, the key `prefix/a.jpg` may be read, and `prefixed/a.jpg` not.
    `bucket` is without a slash. A key with a segment `.` or `..`, escaped or not, may not be read.
    S3 takes it literally, but a proxy before it may go to another folder.
    """
    if _leads_elsewhere(key):
        return False
    folders = (f"{picture_bucket.rstrip('/')}/" for picture_bucket in picture_buckets)
    return any(f"{bucket}/{key}".startswith(folder) for folder in folders)


def _leads_elsewhere(key: str) -> bool:
    return any(segment in (".", "..") for segment in _SEGMENTS.split(unquote(key)))
