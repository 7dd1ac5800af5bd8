"""A tab that was open while the service was updated loads itself again, once, and loses nothing
that somebody typed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route, expect

from tests.console.conftest import Visitor, becomes, heading
from tests.console.shop import Shop, box, shop
from tests.support.fakes import Person

__all__ = ["box", "shop"]
DIGEST = re.compile(r"\.[0-9a-f]{12}(?=[./])")
PAGE = re.compile(r"/console$")
NEWER = "The service was updated while this page was open"
AWAY = "No connection"


@contextmanager
def a_tab_of_before_an_update(
    shop: Shop, folder: str, path: str = "", times: int = 1
) -> Iterator[Page]:
    """Open the console of an earlier version, in which the files of a folder lay elsewhere.

    `times`: how often the service answers that version, as two that serve side by side may.
    """

    def serve_earlier_page(route: Route) -> None:
        answer = route.fetch()
        import_map, rest = answer.text().split("</script>", 1)
        of_folder = re.compile(rf'"\./console/{folder}[./][^"]*"\s*[,}}]')
        import_map = of_folder.sub(lambda url: DIGEST.sub(".000000000000", url[0]), import_map)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name != "content-security-policy"  # it names the import map by its hash
        }
        route.fulfill(status=200, headers=headers, body=f"{import_map}</script>{rest}")

    shop.visitor.context.route(PAGE, serve_earlier_page, times=times)
    yield shop.open(path)
    shop.visitor.forgive("404", "Refused to apply style")


def count_loads(visitor: Visitor) -> int:
    return sum(one.is_navigation_request() for one in visitor.requests)


def test_a_tab_of_before_an_update_loads_itself_again_once(shop: Shop) -> None:
    with a_tab_of_before_an_update(shop, "traffic") as page:
        heading(page, "Visits")
        page.get_by_role("link", name="Traffic").click()
        heading(page, "Traffic")
        expect(page.get_by_text(AWAY)).to_have_count(0)
        page.get_by_role("link", name="Settings", exact=True).click()
        heading(page, "Settings")
        assert count_loads(shop.visitor) == 2


def test_two_versions_side_by_side_do_not_load_a_tab_again_and_again(shop: Shop) -> None:
    """The earlier one answers the page each time that it is loaded, and the later one the rest."""
    with a_tab_of_before_an_update(shop, "traffic", times=99) as page:
        heading(page, "Visits")
        shop.visitor.context.route(PAGE, lambda route: route.continue_(), times=1)
        page.get_by_role("link", name="Traffic").click()
        becomes(page, lambda: count_loads(shop.visitor) == 2)
        shop.visitor.context.route(PAGE, lambda route: route.continue_(), times=1)
        expect(page.get_by_role("alert")).to_contain_text(NEWER)
        assert count_loads(shop.visitor) == 2
        shop.visitor.context.unroute(PAGE)
        page.get_by_role("button", name="Load again").click()
        heading(page, "Traffic")


def test_what_can_be_taken_back_still_can(shop: Shop) -> None:
    with a_tab_of_before_an_update(shop, "traffic", "#/people") as page:
        row = page.get_by_role("gridcell").filter(has_text="Dmitri")
        row.get_by_role("checkbox").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("link", name="Traffic").click()
        expect(page.get_by_role("alert")).to_contain_text(NEWER)
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("link", name="People", exact=True).click()
        expect(row).to_be_visible()
        assert count_loads(shop.visitor) == 1


def test_what_is_typed_stays_though_somebody_has_to_sign_in_again(shop: Shop) -> None:
    path = f"#/person/{shop.face('Dmitri').id}"
    shop.visitor.context.clock.install()
    with a_tab_of_before_an_update(shop, "signin", path) as page:
        note = page.get_by_label("Note", exact=True)
        expect(note).to_be_visible()  # until a page is settled nobody can type in it
        note.press_sequentially("likes tea")
        shop.visitor.context.clear_cookies()
        page.clock.fast_forward("01:05")  # the page asks each minute what waits
        expect(page.get_by_text(NEWER)).to_be_visible()
        expect(note).to_have_value("likes tea")
        assert count_loads(shop.visitor) == 1
        note.blur()
        page.get_by_role("button", name="Load again").click()
        expect(page.get_by_label("Password")).to_be_visible()
        shop.visitor.sign_in()
        page.reload()
        becomes(page, lambda: shop.face("Dmitri").note == "likes tea")
        shop.visitor.forgive("401")


def test_a_picture_that_cannot_be_opened_says_why_and_the_page_stays(shop: Shop) -> None:
    shop.see(Person(0))
    with a_tab_of_before_an_update(shop, "captures") as page:
        page.locator(".visit button.picture").first.click()
        expect(page.get_by_text(NEWER)).to_be_visible()
        assert count_loads(shop.visitor) == 1


def test_a_service_that_is_away_is_no_update(shop: Shop) -> None:
    page = shop.open("")
    heading(page, "Visits")
    shop.visitor.context.set_offline(True)
    page.get_by_role("link", name="Traffic").click()
    expect(page.get_by_role("alert")).to_contain_text(AWAY)
    shop.visitor.context.set_offline(False)
    heading(page, "Traffic")
    assert count_loads(shop.visitor) == 1
    shop.visitor.forgive("ERR_INTERNET_DISCONNECTED")
