import re

from playwright.sync_api import Page, expect

from tests.console.conftest import Book, heading
from tests.console.looks import looked_at


def test_a_week_is_one_sheet_with_its_figures_and_prints_without_the_menu(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/traffic")
    page.get_by_role("link", name="Week on paper").click()
    heading(page, "Visits of shop")
    table = page.get_by_role("table")
    row = table.get_by_role("row", name=re.compile(r"^Week \d"))
    expect(row).to_be_visible()
    visits, people, *kinds = [int(cell) for cell in row.get_by_role("cell").all_inner_texts()]
    assert visits == sum(kinds) >= people > 0
    expect(table.get_by_role("row", name="Week before")).to_be_visible()
    expect(page.get_by_text("for the first time.")).to_be_visible()
    expect(page.get_by_text("Busiest hour:")).to_be_visible()
    looked_at(page, "report")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.path().read_text().startswith('"time","visit","amount"')
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("button", name="Print")).to_have_count(0)
    expect(table).to_be_visible()
