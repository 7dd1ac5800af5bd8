"""The pictures of README, of a shop of drawn people: `make pictures` keeps them, other runs only look at the pages."""

import io
import os
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import Shot
from chalicelib.book.words.captures import RULES
from tests.console.conftest import settle, visiting
from tests.console.portraits import Shop, mall, portrait
from tests.support.fakes import Person

WANTED = os.environ.get("CONSOLE_PICTURES")
"""Folder for the pictures."""

SIZE = {"width": 1280, "height": 800}
QUALITY = 84
NAMES = (
    "Ann Lee",
    "Ben Okafor",
    "Chloé Dubois",
    "Dmitri Volkov",
    "Ella Strong",
    "Farid Haddad",
    "Grace Kim",
    "Henrik Sørensen",
    "Ivy Nakamura",
    "Jonas Weber",
    "王芳",
    "Mateo Silva",
)
CAMERAS = {"door": "Front door", "counter": "Counter"}
NEW_REGULARS, DAYS, A_DAY = (13, 14), 13, 9
OPENS, CLOSES = 9, 19


def fill(shop: Shop) -> None:
    """Let people come for two weeks, the last of them a few minutes ago."""
    services = shop.services
    services.cameras.add(shop.tenant, "counter", CAMERAS["counter"], CameraSettings())
    for number, name in enumerate(NAMES):
        group = "regular" if number % 4 else "VIP"
        services.enrolment.enrol_largest_face(shop.tenant, group, portrait(Person(number)), RULES, name=name)
    rng, now = random.Random(7), services.clock.now().astimezone(ZoneInfo(shop.tenant.time_zone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(DAYS, 0, -1):
        people = [*rng.sample(range(len(NAMES)), A_DAY - day % 4), *(NEW_REGULARS if day < 4 else ())]
        hours = sorted(rng.uniform(OPENS, CLOSES) for _ in people)
        for number, hour in zip(people, hours, strict=True):
            see(shop, number, now - midnight + timedelta(days=day) - timedelta(hours=hour), rng.uniform(0.75, 0.95))
    for minutes, number in ((96, 9), (71, 3), (52, 21), (33, 10), (18, 6), (9, 1), (2, 4)):
        see(shop, number, timedelta(minutes=minutes), rng.uniform(0.8, 0.95))


def see(shop: Shop, number: int, ago: timedelta, likeness: float) -> None:
    camera = list(CAMERAS)[number % 3 == 2]
    picture = portrait(Person(number, likeness=likeness), again=True)
    capture = shop.services.captures.store_shot(
        shop.tenant, Shot(camera, picture, "image/jpeg", shop.services.clock.now() - ago)
    )
    shop.services.sightings.ingest.resolve_capture(shop.name, camera, capture.id)


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with mall(tmp_path_factory.mktemp("pictures")) as made:
        shop = made.shop()
        with shop.book.client() as client:
            client.add_group(name="VIP", capacity=100)
        fill(shop)
        yield shop


@pytest.fixture
def page(shop: Shop, browser: Browser) -> Iterator[Page]:
    with visiting(browser, shop.book, None, viewport=SIZE, reduced_motion="reduce") as visitor:
        yield visitor.open()


def shot(page: Page, name: str) -> None:
    settle(page)
    if WANTED:
        page.wait_for_timeout(1000)  # what has come is drawn a moment later
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.save(Path(WANTED) / f"{name}.webp", quality=QUALITY, method=6)


def test_the_pages_that_readme_shows_have_people_with_names_and_faces(page: Page) -> None:
    row = page.get_by_role("listitem").filter(has_text="Ella Strong")
    expect(row.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))).to_have_count(2)
    expect(row).to_contain_text("visit")
    shot(page, "visits")
    for name, shown in (
        ("review", page.get_by_role("heading", name="A new regular: who is it?")),
        ("people", page.get_by_role("gridcell", name=NAMES[-1])),
        ("traffic", page.get_by_text(re.compile(r"^\d+ visits$")).first),
    ):
        page.evaluate("name => { location.hash = name }", name)
        expect(shown).to_be_visible()
        shot(page, name)
