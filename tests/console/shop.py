"""A tenant of its own for each test, with a small book."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Browser, Page
from regulars_client import models

from chalicelib.book.captures.captures import Shot
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from tests.console.conftest import Book, Visitor, visiting
from tests.support.book.tenants import CHOICE
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture

HOSTILE = "=HYPERLINK(1)"
NAMES = ("Ann Lee", HOSTILE, "Ann Other", "王芳", "", "Dmitri")


class Shop(Struct, frozen=True):
    """A tenant of its own with a small book, so that a flow may change whatever it likes.

    `box`: with its key.
    """

    box: Box
    name: str
    visitor: Visitor

    def open(self, path: str = "#/people") -> Page:
        return self.visitor.sign_in().open(path)

    def face(self, name: str) -> models.Face:
        with self.box.client() as client:
            return next(iter(client.list_faces(name=name)))

    def person(self, name: str) -> Page:
        return self.open(f"#/person/{self.face(name).id}")

    def see(self, person: Person, minutes_ago: float = 1) -> None:
        """Let the camera see somebody, and the service resolve it."""
        services = self.box.services
        at = services.clock.now() - timedelta(minutes=minutes_ago)
        capture = services.captures.store_shot(
            self.tenant, Shot("door", picture(person), "image/jpeg", at)
        )
        services.sightings.ingest.resolve_capture(self.name, "door", capture.id)

    @property
    def tenant(self) -> Tenant:
        return self.box.services.tenants.get_by_name(self.name)

    def groups(self) -> dict[str, int]:
        with self.box.client() as client:
            return {one.name: one.count for one in client.list_groups()}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with serving(tmp_path_factory.mktemp("people")) as made:
        yield made


SETTINGS = TenantSettings(**CHOICE, deletes_erase=False, regular_days=None)
"""A shop that has chosen to keep strangers, and whose regulars stay."""


@pytest.fixture
def shop(box: Box, browser: Browser, tmp_path: Path) -> Iterator[Shop]:
    name = f"shop-{len(box.services.tenants.list_all())}"
    own = replace(box, key=box.services.tenants.add(name, Profile.CAMERA, SETTINGS).api_key)
    with own.client() as client:
        client.add_group(name="VIP", capacity=10)
        client.add_camera(id="door", name="Front door", labels={})
        for seed, person in enumerate(NAMES):
            client.enrol_face(picture=picture(Person(seed)), group="regular", name=person)
    with visiting(browser, Book(box.url, tmp_path, own.key, own.key)) as visitor:
        yield Shop(own, name, visitor)
