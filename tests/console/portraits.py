"""Cards to review, with real pictures and fake eyes: hundreds in seconds, and who is who is known beforehand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.core.model import Migration, Profile, Tenant
from chalicelib.core.pictures import Box, DetectedFace, FaceJpeg, PictureRules, Sides
from chalicelib.services import Services
from chalicelib.services.cameras import CameraSettings
from chalicelib.services.captures.captures import RULES, Shot
from chalicelib.services.tenants import TenantSettings
from tests.console import conftest
from tests.fakes import FakeVision, Person
from tests.fakes import picture as told
from tests.noon import zone_at_noon
from tests.photos import FOLDER, PAIRS
from tests.regulars.serve import box

TOLD = b"\npeople: "
_FACE = Box(210.0, 170.0, 300.0, 380.0)
"""About where a face is in a studio portrait of 720 x 720."""
_LIKE = 0.62
"""How much a capture looks like the person: a match, and a close one."""
_ALL_ARE_CLOSE, _NONE_IS_CLOSE = 0.5, 0.0


class Portraits(FakeVision):
    """Fake eyes for real portraits: behind a picture's last byte stands who is in it, which a browser passes over."""

    def read(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return super().read(picture.rpartition(TOLD)[2], rules)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return [replace(one, box=_FACE) for one in super().detect(image)]

    def crop(self, image: NDArray[np.uint8], face: DetectedFace) -> FaceJpeg:
        (person,) = self._people(image)
        shown, small = _cut(person.seed % len(PAIRS))
        return FaceJpeg(shown + TOLD + told(person), small, Sides(380, 380))

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        return self.crop(image, DetectedFace(_FACE, (), 1.0)).thumbnail

    def _person(self, image: NDArray[np.uint8], face: DetectedFace) -> Person:
        return self._people(image)[0]


def portrait(person: Person, *, again: bool = False) -> bytes:
    """Return a real portrait that is told to be of a person. `again`: another one of the same."""
    return (FOLDER / PAIRS[person.seed % len(PAIRS)][again]).read_bytes() + TOLD + told(person)


@cache
def _cut(number: int) -> tuple[bytes, bytes]:
    whole = Image.open(FOLDER / PAIRS[number][0]).crop((170, 170, 550, 550))
    return _jpeg(whole), _jpeg(whole.resize((160, 160)))


def _jpeg(image: Image.Image) -> bytes:
    made = io.BytesIO()
    image.convert("RGB").save(made, "JPEG", quality=80)
    return made.getvalue()


@dataclass
class Shop:
    """A tenant with a camera. People have numbers: those who are enrolled from 0 on, strangers from 1,000 on."""

    book: conftest.Book
    services: Services
    name: str

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.named(self.name)

    def enrol(self, *names: str) -> None:
        for number, name in enumerate(names):
            picture = portrait(Person(number))
            self.services.enrolment.of_largest_face(self.tenant, "regular", picture, RULES, name=name)

    def see(self, number: int, hours_ago: float, *, like: float = _LIKE) -> None:
        person = Person(number, side_px=300.0 + hours_ago, likeness=like)
        at = self.services.clock.now() - timedelta(hours=hours_ago)
        shot = Shot("door", portrait(person, again=True), "image/jpeg", at)
        capture = self.services.captures.one_step.take(self.tenant, shot)
        self.services.sightings.ingest.capture(self.name, "door", capture.id)

    def ask(self, *, uncertain: int = 0, promoted: int = 0, strangers: int = 0, names: tuple[str, ...] = ()) -> Shop:
        """Fill the queues: matches of those enrolled, strangers who came on three days, and strangers who came once."""
        self.enrol(*names)
        self.services.tenants.change(self.name, {"review_margin": _NONE_IS_CLOSE})
        for number in range(promoted):
            for day in (3, 2, 1):
                self.see(1000 + number, 24 * day + number / 100, like=0.9)
        for number in range(strangers):
            self.see(5000 + number, 1 + number / 10, like=0.9)
        self.services.tenants.change(self.name, {"review_margin": _ALL_ARE_CLOSE})
        for number in range(uncertain):
            self.see(number % len(names), 2 + number)
        return self


@contextmanager
def mall(data: Path) -> Iterator[Mall]:
    with box.serving(data, Portraits()) as served:
        yield Mall(served, data)


@dataclass
class Mall:
    """One box that serves a shop for each test."""

    served: box.Box
    data: Path
    shops: int = 0

    def shop(self) -> Shop:
        self.shops += 1
        services, name = self.served.services, f"shop-{self.shops}"
        key = services.tenants.add(name, Profile.CAMERA, TenantSettings(time_zone=zone_at_noon())).api_key
        shop = Shop(conftest.Book(self.served.url, self.data, key, key), services, name)
        services.cameras.add(shop.tenant, "door", "Front door", CameraSettings())
        services.groups.set_migration(shop.tenant, Migration(3, 7))
        return shop
