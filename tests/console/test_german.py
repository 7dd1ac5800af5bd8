"""A German browser shows no English: on no page, in no dialog that a button opens, in no name of a
button, in no file.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from regulars_client import models

from regulars.demo.drawn_vision import DrawnPerson, draw_capture
from tests.console.conftest import Visitor, save_as, visiting
from tests.console.english import english_of, find_english
from tests.console.forms import FIELDS, find_unknown
from tests.console.pages import PAGES, ready
from tests.console.portraits import Shop, mall
from tests.console.spoken import TABLES
from tests.console.workbooks import read_cells

BUTTONS = """() => [...document.querySelectorAll("#console button:enabled, #console summary")]
  .filter((one) => one.checkVisibility()).map((one) => one.ariaLabel ?? one.textContent.trim())"""

PRESS = """(name) => [...document.querySelectorAll("#console button:enabled, #console summary")]
  .find((one) => (one.ariaLabel ?? one.textContent.trim()) === name)?.click()"""

WITHOUT_PRINTER = "globalThis.print = () => {};"
OPENED_MS = 100
"""How long a press may take until its dialog is there; one that takes longer is seen with the next
press."""
FORMER_NAME = "Front door"
"""Of the camera that the fixture calls Tor: what was done shows it, as somebody wrote it."""
UNPRESSED = ("signout", "problem.details")
"""Texts of buttons after which nothing German is left: details are the API's own sentence."""


def test_english_is_found_where_it_is() -> None:
    for text in (
        "Undo",
        "3 visits",
        "Front door · 3 visits",
        "Letzte Meldung 3 hours ago",
        "Mon, 23. Nov.",
        "Search",
    ):
        assert find_english(text), text
    for text in (
        "Rückgängig",
        "3 Besuche",
        "Eingang · 3 Besuche",
        "Letzte Meldung vor 3 Stunden",
        "Mo., 23. Nov.",
    ):
        assert not find_english(text), text


@pytest.fixture(scope="module")
def shop(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A book that has something to show on each page, in names that are no words of the console."""
    with mall(tmp_path_factory.mktemp("german")) as made:
        names = ("Anna Lindt", "Bernd Aal")
        shop = made.shop().ask(names=names, uncertain=2, promoted=1, strangers=2)
        with shop.book.client() as client:
            client.change_settings(language="de", controller="Laden GmbH", recipients="Kasse GmbH")
            client.add_group(name="VIP", capacity=100, description="", attributes=["Tisch"])
            client.change_camera("door", name="Tor")
            client.add_camera(id="hof", name="Hof", labels={"a": "Nord"})
            client.add_camera(id="kasse", name="Kasse", labels={})
            client.add_hook(url="https://hooks.example/x", groups=["VIP"])
            client.add_key(name="Theke", role="viewer")
            first, second = list(client.list_faces(name="a"))[:2]
            client.change_face(
                first.id, note="Fenster", labels=models.FaceLabels(a="Nord"), group="VIP"
            )
            soon = datetime.now(UTC) + timedelta(days=9)
            client.set_consent(
                second.id, basis="consent", given_at=0, evidence="Zettel 7", expires_at=soon
            )
            client.take_capture(picture=draw_capture(DrawnPerson(1)), camera="kasse")
        yield shop


def address_of(shop: Shop, name: str) -> str:
    with shop.book.client() as client:
        rest = f"/{next(iter(client.list_faces(name='anna'))).id}" if name == "person" else ""
    return f"#/{name}{rest}"


@pytest.fixture(scope="module")
def pressed() -> set[str]:
    """Texts of buttons that need no press: another page has them, too, and its test pressed
    them."""
    return {TABLES["de"][one] for one in UNPRESSED}


@pytest.mark.parametrize("name", PAGES)
def test_each_page_and_what_its_buttons_open_is_german(
    shop: Shop, browser: Browser, pressed: set[str], name: str
) -> None:
    now_pressed = {*pressed}
    fields: list[str] = []
    with visiting(browser, shop.book, None, locale="de-DE") as visitor:
        visitor.context.add_init_script(WITHOUT_PRINTER)
        found = [
            one
            for one in walk(visitor, address_of(shop, name), now_pressed, fields)
            if FORMER_NAME not in one
        ]
        visitor.forgive("Failed to load resource")  # what was pressed by the way may be refused
    assert not found, "\n".join(dict.fromkeys(found))
    unknown = find_unknown(fields, "de")
    assert not unknown, f"fields without a row in tests/console/forms.py: {unknown}"
    pressed |= now_pressed  # a second try presses what failed again


def walk(visitor: Visitor, address: str, pressed: set[str], fields: list[str]) -> Iterator[str]:
    """Yield what is English on a page, and once each button was pressed that no page before had.

    `fields`: gets the labels of the fields that are met.
    """
    page = visitor.open(address)
    ready(page)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    yield from english_of(page)
    fields += page.evaluate(FIELDS)
    for button in page.evaluate(BUTTONS):
        if button in pressed:
            continue
        pressed.add(button)
        page.evaluate(PRESS, button)
        page.wait_for_timeout(OPENED_MS)
        yield from (f"{button} > {one}" for one in english_of(page))
        fields += page.evaluate(FIELDS)
        page.keyboard.press("Escape")
        if page.url.partition("#")[2] != address[1:] or page.locator("dialog[open]").count():
            page.close()
            page = visitor.open(address)
            expect(page.locator("h1")).to_be_visible()
            expect(page.locator(".shapes")).to_have_count(0)
    page.close()


@pytest.mark.parametrize(
    ("address", "head"),
    [
        ("#/visits", ["Zuerst gesehen", "Zuletzt gesehen", "Name", "Gruppe", "Kamera", "Besuch"]),
        ("#/traffic", ["Zeit", "Neu oder nicht", "Besuche"]),
        ("#/report", ["Zeit", "Neu oder nicht", "Besuche"]),
        ("#/people", ["id", "Name", "Gruppe", "Notiz", "Besuche"]),
    ],
)
def test_a_german_spreadsheet_reads_what_is_saved(
    shop: Shop, browser: Browser, address: str, head: list[str]
) -> None:
    with visiting(browser, shop.book, None, locale="de-DE") as visitor:
        page = visitor.open(address)
        ready(page)
        saved = {}
        for kind in ("CSV", "XLSX"):
            download = save_as(page, kind)
            assert download.suggested_filename.endswith(f".{kind.lower()}")
            saved[kind] = download.path().read_bytes()
    rows = [*csv.reader(saved["CSV"].decode("utf-8-sig").splitlines(), delimiter=";")]
    assert rows[0][: len(head)] == head
    assert [text for row in rows for text in row if find_english(text)] == []
    cells = read_cells(zipfile.ZipFile(io.BytesIO(saved["XLSX"])))
    assert cells[0] == rows[0]
    assert [[write_german(cell) for cell in row] for row in cells] == rows


def write_german(cell: Any) -> str:
    """Write a cell of a workbook as the file of text has it."""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    if isinstance(cell, float):
        return repr(cell).removesuffix(".0").replace(".", ",")
    return "" if cell is None else str(cell)


def test_why_a_photo_is_refused_is_said_in_german(shop: Shop, browser: Browser) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (300, 300), "white").save(picture, "PNG")
    with visiting(browser, shop.book, None, locale="de-DE") as visitor:
        page = visitor.open(address_of(shop, "person"))
        ready(page)
        upload = {"name": "weiss.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        page.locator("input[type=file]").first.set_input_files(upload)
        expect(page.get_by_text(TABLES["de"]["problem.Unusable"])).to_be_visible()
        visitor.forgive("422")
