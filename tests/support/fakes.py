"""Stand-ins for the machinery at the ports' other side; storage is never faked, the embedded one is
used."""

import base64
import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict, replace
from numpy.typing import NDArray

from chalicelib.domain.errors import RegularsError, Unusable
from chalicelib.domain.model import Picture
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
from chalicelib.domain.rules.decision import ImpostorCurve, Population
from chalicelib.storage import keys
from chalicelib.storage.ports import Examined

DIMENSIONS = 256
RULES = PictureRules(frozenset({"JPEG", "PNG"}), 1_048_576, 1920, 1080)
NO_POPULATION = Population(np.zeros((0, 1), np.float32), 0.0)
CURVE = ImpostorCurve(
    ((0.1, 0.1), (0.3, 0.001), (0.5, 1e-6)), tail_above=0.3, tail_fmr=0.001, tail_rate=35.0
)


UNHURRIED: Mapping[str, float] = {"requests_a_second": 1e6, "searches_a_second": 1e6}
"""Settings with which requests may come as fast as tests send them."""


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, at: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._at = at
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._at

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._at += by


class Person(Struct, frozen=True):
    """Somebody in a fake picture: who (any number), how large, how well seen; `likeness` of the
    pose to the person.

    `liveness` or `age` None: vision has no model for it.
    """

    seed: int
    side_px: float = 100.0
    quality: float = 80.0
    likeness: float = 0.9
    liveness: float | None = 0.9
    age: float | None = 33.4


HIDDEN = Person(0, quality=0.0)
"""Whom FakeVision leaves of somebody who is hidden."""


BETWEEN_VIEWS = b"\n"
"""What stands between the pictures of a file."""


def picture(*people: Person, views: Sequence[bytes] = ()) -> bytes:
    """A picture that FakeVision reads; `views`: further ones in its file."""
    return BETWEEN_VIEWS.join([json.dumps([asdict(person) for person in people]).encode(), *views])


def photo(seed: int, **looks: float) -> str:
    """A picture of one person, as JSON takes it."""
    return base64.b64encode(picture(Person(seed, **looks))).decode()


def stored_of(pictures: Iterable[Picture]) -> list[str]:
    """What is stored of these pictures: one that was learnt has no thumbnail."""
    kept = [one for one in pictures if one.key]
    return [key for one in kept for key in (with_thumbnails([one.key]) if one.sides else [one.key])]


def with_thumbnails(picture_keys: Iterable[str]) -> list[str]:
    """What is stored of these pictures: each has a thumbnail beside it."""
    return [stored for key in picture_keys for stored in (key, keys.thumbnail(key))]


def embedding_of(seed: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


class FakeVision:
    """core.ports.Vision over pictures made by `picture`: one person's embeddings are alike, two
    persons' are not."""

    model = "fake"
    pack = "fake-pack"
    dimensions = DIMENSIONS
    impostor_curve = CURVE
    population = NO_POPULATION

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        if len(picture) > rules.max_bytes:
            raise Unusable(
                f"the picture has {len(picture)} bytes, at most {rules.max_bytes} are allowed",
                "bytes",
            )
        try:
            people = json.loads(picture.split(BETWEEN_VIEWS)[0])
            assert isinstance(people, list)
        except (ValueError, AssertionError):
            raise Unusable("the picture cannot be decoded: send a JPG or PNG") from None
        return np.frombuffer(json.dumps(people).encode(), dtype=np.uint8).reshape(1, -1, 1)

    def size(self, picture: bytes, rules: PictureRules) -> tuple[int, int]:
        height, width, _ = self.read_picture(picture, rules).shape
        return width, height

    def split_views(self, picture: bytes) -> list[bytes]:
        return picture.split(BETWEEN_VIEWS)[1:]

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        people = self._people(image)
        return [
            DetectedFace(BoundingBox(10.0 + 5 * n, 20.0, p.side_px, p.side_px), (), 0.9)
            for n, p in sorted(enumerate(people), key=lambda entry: -entry[1].side_px)
        ]

    def detect_largest(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return self.detect(image)

    def take_whole_as_face(self, image: NDArray[np.uint8]) -> DetectedFace:
        raise Unusable("a fake picture shows somebody, or nobody")

    def examine(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
        *,
        all_boxes: Sequence[BoundingBox] | None = None,
    ) -> Examined:
        others = (
            [[one for one in all_boxes if one != face.box] for face in faces]
            if all_boxes is not None
            else []
        )
        jpegs = [self.crop(image, face, some) for face, some in zip(faces, others, strict=False)]
        return Examined(self.embed(image, faces), self.describe(image, faces, wanted), jpegs)

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        rows = []
        for face in faces:
            person = self._person(image, face)
            noise = embedding_of(
                hash((person.seed, person.side_px, person.quality)) % 2**32, self.dimensions
            )
            own = embedding_of(person.seed, self.dimensions)
            vector = person.likeness * own + np.sqrt(1 - person.likeness**2) * noise
            rows.append(vector / np.linalg.norm(vector))
        return np.array(rows, dtype=np.float32).reshape(-1, self.dimensions)

    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        found = [self._person(image, face).quality for face in faces]
        return [Quality(quality, "too blurred", quality) for quality in found]

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        left_out = frozenset({"age", "gender", "emotion", "liveness"}.difference(wanted))
        return [
            Estimates(
                person.age,
                Gender.FEMALE,
                0.9,
                "happy",
                0.8,
                Pose(1, 2, 3),
                person.quality,
                beauty=71.3,
                liveness=person.liveness,
                heuristics=frozenset({"beauty"}),
            ).without(left_out)
            for person in (self._person(image, face) for face in faces)
        ]

    def crop(
        self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[BoundingBox] = ()
    ) -> FaceJpeg:
        data = picture(self._person(image, face))
        return FaceJpeg(data, b"small " + data, Sides(640, 480))

    def show_face(
        self, image: NDArray[np.uint8], box: BoundingBox, others: Sequence[BoundingBox]
    ) -> bytes:
        return self.crop(image, DetectedFace(box, (), 1.0)).data

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        return b"small " + image.tobytes()

    def hide_faces(self, image: NDArray[np.uint8], boxes: Sequence[BoundingBox]) -> bytes:
        """Somebody in one of the boxes becomes nobody: a face of another seed, too poor to be
        compared."""
        gone = {round((box.x - 10) / 5) for box in boxes}
        people = self._people(image)
        return picture(
            *(replace(HIDDEN, side_px=p.side_px) if n in gone else p for n, p in enumerate(people))
        )

    def _people(self, image: NDArray[np.uint8]) -> list[Person]:
        return [Person(**person) for person in json.loads(image.tobytes())]

    def _person(self, image: NDArray[np.uint8], face: DetectedFace) -> Person:
        return self._people(image)[round((face.box.x - 10) / 5)]


class OtherVision(FakeVision):
    """Another model over the same pictures: embeddings of other numbers and another length."""

    model = "other"
    dimensions = 96

    def embed(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> NDArray[np.float32]:
        turned = (
            np.random.default_rng(7)
            .standard_normal((DIMENSIONS, self.dimensions))
            .astype(np.float32)
        )
        rows = FakeVision().embed(image, faces) @ turned
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


class SeesNobody(FakeVision):
    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return []


class KnowsNoLiveness(FakeVision):
    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        return [replace(one, liveness=None) for one in super().describe(image, faces, wanted)]


class FindsAllBlurred(FakeVision):
    def qualities(self, image: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[Quality]:
        return [Quality(21.0, "too blurred", 21.0) for _ in faces]

    def describe(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[DetectedFace],
        wanted: Collection[str] = ATTRIBUTES,
    ) -> list[Estimates]:
        return [replace(one, quality=21.0) for one in super().describe(image, faces, wanted)]


REFUSING_VISIONS = [SeesNobody, KnowsNoLiveness, FindsAllBlurred]
"""Of a tenant that asks for liveness 0.5 and quality 60."""


class FakePictures:
    """core.ports.PictureFetcher over pictures by URL, or the errors that fetching them raises."""

    def __init__(self, at: Mapping[str, bytes | RegularsError]) -> None:
        self._at = at
        self.fetched: list[str] = []

    def fetch(self, url: str, tenant: str) -> bytes:
        self.fetched.append(url)
        found = self._at.get(
            url, Unusable("the URL's host answered with status 404: send one that is public")
        )
        if isinstance(found, RegularsError):
            raise found
        return found


class FakeObjects:
    """core.ports.ObjectReader over objects by bucket and key, and by version if one was put with
    it."""

    def __init__(self, at: Mapping[tuple[str, ...], bytes | RegularsError]) -> None:
        self._at = at
        self.asked: list[tuple[str, ...]] = []

    def read_object(
        self, bucket: str, key: str, version: str | None, most_bytes: int
    ) -> bytes | None:
        self.asked.append(tuple(filter(None, (bucket, key, version))))
        found = self._at.get(self.asked[-1])
        if isinstance(found, RegularsError):
            raise found
        assert found is None or len(found) <= most_bytes
        return found
