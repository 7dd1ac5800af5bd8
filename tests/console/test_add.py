from pathlib import Path

from playwright.sync_api import Browser, Route, expect

from regulars.serve import service
from regulars.tenants import credentials
from tests.console.conftest import CHROMIUM, DESK, Book, Visitor, becomes, shoot
from tests.console.looks import looked_at
from tests.console.shop import NAMES, Shop, box, shop
from tests.support.fakes import Person, picture
from tests.support.pictures.photos import FOLDER, PORTRAIT

__all__ = ["box", "shop"]
FRAMES = 30


def test_nobody_is_added_twice_if_answers_are_lost_and_the_browser_asks_before_it_leaves_who_waits(
    shop: Shop,
) -> None:
    page = shop.open("#/add")
    files = [
        {
            "name": f"{name}_{n}.jpg",
            "mimeType": "image/jpeg",
            "buffer": picture(Person(seed, likeness=0.9 - n / 100)),
        }
        for seed, name in ((91, "Nina"), (92, "Omar"))
        for n in (1, 2)
    ]
    page.get_by_label("Choose pictures").set_input_files(files)
    expect(page.get_by_role("button", name="Add 2 people")).to_be_enabled()
    leaves = "dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert page.evaluate(leaves) is False
    lost: list[str] = []

    def lose(route: Route) -> None:
        """Let the service do it, and lose what it answers."""
        route.fetch()
        route.abort()
        lost.append(route.request.url)

    page.route("**/v1/faces", lose)
    page.get_by_role("button", name="Add 2 people").click()
    becomes(page, lambda: len(lost) >= 2)
    page.unroute("**/v1/faces")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_text("2 people added")).to_be_visible()
    assert page.evaluate(leaves) is True
    with shop.box.client() as client:
        made = {one.name: one.pictures for one in client.list_faces() if one.name not in NAMES}
    assert made == {"Nina": 2, "Omar": 2}
    shop.visitor.forgive("ERR_FAILED")


def test_what_is_no_picture_is_said_and_what_the_browser_cannot_show_is_no_broken_picture(
    shop: Shop,
) -> None:
    page = shop.open("#/add")
    for place in ("#/add", "#/search"):
        page.goto(f"{page.url.partition('#')[0]}{place}")
        choose = page.get_by_label("Choose pictures" if place == "#/add" else "Choose a picture")
        choose.set_input_files(
            {"name": "film.mov", "mimeType": "video/quicktime", "buffer": b"film"}
        )
        expect(page.get_by_role("alert")).to_contain_text("There was no picture in it.")
        shoot(page, f"no-picture-{place[2:]}")
    page.goto(f"{page.url.partition('#')[0]}#/add")
    page.get_by_label("Choose pictures").set_input_files(
        {"name": "ann.heic", "mimeType": "image/heic", "buffer": b"none that a browser reads"}
    )
    expect(page.get_by_text("No usable photo")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.locator(".shot img").count() == 0
    shop.visitor.forgive("422")


def test_somebody_is_added_by_the_webcam(browser: Browser, tmp_path: Path) -> None:
    film = tmp_path / "somebody.mjpeg"
    film.write_bytes((FOLDER / PORTRAIT).read_bytes() * FRAMES)
    fake = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    chromium = browser.browser_type.launch(
        executable_path=CHROMIUM, args=[*fake, f"--use-file-for-fake-video-capture={film}"]
    )
    # real eyes, and a book that no other flow looks at
    with service.run_service(tmp_path / "shop") as running:
        key = credentials.read_credentials(running.data)["shop"].api_key
        visitor = Visitor(
            chromium.new_context(viewport=DESK, locale="en-GB"),
            Book(running.url, running.data, key, key),
        )
        page = visitor.sign_in().open("#/add")
        page.get_by_role("button", name="Webcam").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Take a photo").click()
        expect(dialog.get_by_role("img", name="Photo 1")).to_be_visible()
        looked_at(page, "webcam")
        dialog.get_by_role("button", name="Use 1 photo").click()
        page.get_by_role("textbox", name="Name").fill("By Webcam")
        page.get_by_role("button", name="Add 1 person").click()
        expect(page.get_by_text("1 person added")).to_be_visible()
        visitor.check()
        chromium.close()
