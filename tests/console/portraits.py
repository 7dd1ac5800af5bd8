"""Cards to review, with drawn people and fake eyes: hundreds in seconds, and who is who is known beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.book.vision.packs import packs
from chalicelib.book.words.captures import RULES
from chalicelib.book.words.model import Migration, Profile, Tenant
from chalicelib.book.words.pictures import Box, DetectedFace, FaceJpeg, PictureRules, Sides
from chalicelib.book.words.tenant_settings import TenantSettings
from chalicelib.bootstrap import build
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.console import conftest, drawn
from tests.support.box import box
from tests.support.fakes import FakeVision, Person
from tests.support.fakes import picture as told
from tests.support.noon import zone_at_noon

TOLD = b"\npeople: "
_LIKE = 0.62
"""How much a capture looks like the person: a match, and a close one."""
_ALL_ARE_CLOSE, _NONE_IS_CLOSE = 0.5, 0.0


class Portraits(FakeVision):
    """Fake eyes for drawn people: behind a picture's last byte stands who is in it, which a browser passes over."""

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        return super().read_picture(picture.rpartition(TOLD)[2], rules)

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return [replace(one, box=Box(*drawn.FACE)) for one in super().detect(image)]

    def crop(self, image: NDArray[np.uint8], face: DetectedFace, others: Sequence[Box] = ()) -> FaceJpeg:
        person = self._person(image, face)
        head = drawn.drawing(person.seed, smiles=person.likeness < 1).crop(drawn.HEAD)
        return FaceJpeg(drawn.jpeg(head) + TOLD + told(person), drawn.jpeg(head.resize((160, 160))), Sides(*head.size))

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        return self.crop(image, DetectedFace(Box(*drawn.FACE), (), 1.0)).thumbnail

    def _person(self, image: NDArray[np.uint8], face: DetectedFace) -> Person:
        return self._people(image)[0]


class PortraitsOfThePack(Portraits):
    """The same eyes, whose templates a book takes that real eyes look at."""

    def __init__(self) -> None:
        pack = packs.read_pack().manifest
        self.pack, self.model, self.dimensions = pack.name, pack.embedding.model, pack.embedding.dimensions


def enrol_drawn(data: Path, tenant: str, people: Mapping[int, tuple[str, str]]) -> None:
    """Put drawn people, by number their name and group, into the book of a box that runs with real eyes."""
    with closing(build(Settings(storage=data), vision=PortraitsOfThePack)) as services:
        for number, (name, group) in people.items():
            picture = portrait(Person(number))
            services.enrolment.enrol_largest_face(
                services.tenants.get_by_name(tenant), group, picture, RULES, name=name
            )


def portrait(person: Person, *, again: bool = False, times: int = 1) -> bytes:
    """Return a drawing that is told to be of a person. `again`: another one of the same; `times`: who is in it."""
    return drawn.jpeg(drawn.drawing(person.seed, smiles=again)) + TOLD + told(*[person] * times)


@dataclass
class Shop:
    """A tenant with a camera. People have numbers: those who are enrolled from 0 on, strangers from 1,000 on."""

    book: conftest.Book
    services: Services
    name: str

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.name)

    def enrol(self, *names: str) -> None:
        for number, name in enumerate(names):
            picture = portrait(Person(number))
            self.services.enrolment.enrol_largest_face(self.tenant, "regular", picture, RULES, name=name)

    def see(self, number: int, hours_ago: float, *, like: float = _LIKE, times: int = 1) -> None:
        person = Person(number, side_px=300.0 + hours_ago, likeness=like)
        at = self.services.clock.now() - timedelta(hours=hours_ago)
        shot = Shot("door", portrait(person, again=True, times=times), "image/jpeg", at)
        capture = self.services.captures.store_shot(self.tenant, shot)
        self.services.sightings.ingest.resolve_capture(self.name, "door", capture.id)

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
        key = services.tenants.add(
            name,
            Profile.CAMERA,
            TenantSettings(time_zone=zone_at_noon(), deletes_erase=False, basis="explicit consent"),
        ).api_key
        shop = Shop(conftest.Book(self.served.url, self.data, key, key), services, name)
        services.cameras.add(shop.tenant, "door", "Front door", CameraSettings())
        services.groups.set_migration(shop.tenant, Migration(3, 7))
        return shop
