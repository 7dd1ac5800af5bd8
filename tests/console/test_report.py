import re

from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import Book, becomes, heading, save_as, visiting
from tests.console.looks import assert_accessible, looked_at


def test_a_week_is_one_sheet_with_its_figures_and_prints_without_the_menu(
    page: Page, book: Book
) -> None:
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
    download = save_as(page, "CSV")
    assert download.path().read_text("utf-8-sig").startswith('"Time","New or not","Visits"')
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("button", name="Print")).to_have_count(0)
    expect(table).to_be_visible()


def test_a_link_to_read_the_week_is_made_there_opens_nothing_else_and_is_taken_back(
    page: Page, book: Book, browser: Browser
) -> None:
    with book.client() as client:  # a second try begins anew
        for one in client.list_members().members:
            client.delete_member(one.id)
    page.goto(f"{book.url}/console#/report")
    page.get_by_role("link", name="Link to read").click()
    dialog = page.get_by_role("dialog", name="Invite")
    expect(dialog.get_by_label("Page", exact=True)).to_have_value("report")
    expect(dialog.get_by_label("sees pictures")).not_to_be_checked()
    dialog.get_by_label("Name").fill("Boss")
    looked_at(page, "report-link")
    dialog.get_by_role("button", name="Create the link").click()
    link = page.get_by_role("textbox", name="Link for Boss").input_value()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("link to read: Week on paper")).to_be_visible()
    with visiting(browser, book) as boss:
        hers = boss.open(f"#{link.partition('#')[2]}")
        hers.get_by_role("button", name="Show here: Week on paper").click()
        heading(hers, "Visits of shop")
        expect(hers.get_by_role("link", name="Weekly mail")).to_have_count(0)
        assert_accessible(hers)
        hers.goto(f"{book.url}/console#/people")
        heading(hers, "Visits of shop")
        page.get_by_role("button", name="Remove Boss").click()
        expect(page.get_by_text("Boss may sign in no more")).to_be_visible()
        page.goto("about:blank")
        hers.reload()
        expect(hers.get_by_label("Password")).to_be_visible()
        boss.forgive("401")


def test_traffic_that_is_shown_alone_asks_for_nothing_of_anybody(
    book: Book, browser: Browser
) -> None:
    with book.client() as client:
        for one in client.list_members().members:  # a second try begins anew
            client.delete_member(one.id)
        member = client.add_member(name="Wall", screen=True, page="traffic")
    with visiting(browser, book) as wall:
        page = wall.open(f"#{member.url.partition('#')[2]}")
        page.get_by_role("button", name="Show here: Traffic").click()
        heading(page, "Traffic")
        expect(page.locator(".amount").first).to_be_visible()
        expect(page.get_by_role("heading", name="Away longest")).to_have_count(0)
        assert_accessible(page)
        wall.forgive("401")
    with book.client() as client:
        client.delete_member(member.id)


def test_a_mail_of_each_week_is_made_there(page: Page, book: Book) -> None:
    page.goto(f"{book.url}/console#/report")
    page.get_by_role("link", name="Weekly mail").click()
    expect(page.get_by_label("Of whom")).to_have_value("week.ended")
    expect(page.get_by_label("By", exact=True)).to_have_value("mail")
    expect(page.get_by_label("At", exact=True)).to_have_count(0)
    looked_at(page, "report-mail", whole=True)
    page.get_by_label("By", exact=True).select_option("slack")
    page.get_by_label("URL of the incoming webhook").fill("https://hooks.slack.com/services/T/B/x")
    page.get_by_role("button", name="Add the alert").click()
    with book.client() as client:
        becomes(page, lambda: client.list_hooks().hooks)
        [hook] = client.list_hooks().hooks
        assert (hook.events, hook.template) == (["week.ended"], "{report}")
        client.delete_hook(hook.id)
