"""Cards to review, with drawn people: hundreds in seconds, and who is who is known beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.book.vision.packs import packs
from chalicelib.domain.captures import RULES
from chalicelib.domain.model import REGULAR, NewFace, Profile, PromotionSettings, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from regulars.demo.drawn_vision import DrawnPerson, DrawnVision, draw_capture, draw_portrait
from regulars.demo.shop import enrol_drawn
from tests.console import conftest
from tests.support.book.tenants import CHOICE
from tests.support.box import box
from tests.support.noon import zone_at_noon

_LIKE = 0.7
"""How much a capture looks like the person: a match, and a close one."""
_ALL_ARE_CLOSE, _NONE_IS_CLOSE = 0.5, 0.0


@dataclass
class Shop:
    """A tenant with a camera.

    People have numbers: those who are enrolled from 0 on, strangers from 1,000 on.
    """

    book: conftest.Book
    services: Services
    name: str

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.name)

    def enrol(self, *names: str) -> None:
        for number, name in enumerate(names):
            enrol_drawn(self.services, self.tenant, number, name, REGULAR)

    def enrol_sister(self, number: int, name: str) -> None:
        """Enrol somebody like the person of this number, and less so than a match needs to be the
        better one."""
        drawing = draw_portrait(DrawnPerson(number, likeness=0.6))
        self.services.enrolment.enrol_largest_face(
            self.tenant, REGULAR, drawing, RULES, NewFace(name=name)
        )

    def see(self, number: int, hours_ago: float, *, like: float = _LIKE, times: int = 1) -> None:
        people = [DrawnPerson(number, likeness=like, take=hours_ago)] * times
        at = self.services.clock.now() - timedelta(hours=hours_ago)
        shot = Shot("door", draw_capture(*people), "image/jpeg", at)
        capture = self.services.captures.store_shot(self.tenant, shot)
        self.services.sightings.ingest.resolve_capture(self.name, "door", capture.id)

    def ask(
        self,
        *,
        uncertain: int = 0,
        promoted: int = 0,
        strangers: int = 0,
        names: tuple[str, ...] = (),
    ) -> Shop:
        """Fill the queues: matches of those enrolled, strangers who came on three days, and
        strangers who came once."""
        self.enrol(*names)
        self.services.tenants.change_settings(self.name, {"review_margin": _NONE_IS_CLOSE})
        for number in range(promoted):
            for day in (3, 2, 1):
                self.see(1000 + number, 24 * day + number / 100, like=0.9)
        for number in range(strangers):
            self.see(5000 + number, 1 + number / 10, like=0.9)
        self.services.tenants.change_settings(self.name, {"review_margin": _ALL_ARE_CLOSE})
        for number in range(uncertain):
            self.see(number % len(names), 2 + number)
        return self


@contextmanager
def mall(data: Path) -> Iterator[Mall]:
    with box.serving(data, DrawnVision(packs.read_pack())) as served:
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
            TenantSettings(**CHOICE, time_zone=zone_at_noon(), deletes_erase=False),
        ).api_key
        shop = Shop(conftest.Book(self.served.url, self.data, key, key), services, name)
        services.cameras.add(shop.tenant, "door", "Front door", CameraSettings())
        services.groups.set_promotion_settings(shop.tenant, PromotionSettings(3, 7))
        return shop
