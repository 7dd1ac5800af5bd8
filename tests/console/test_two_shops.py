"""Two tabs of one browser, and one service with several shops: a page reads and writes the shop
that it shows."""

import re

from playwright.sync_api import Page, Response, expect

from chalicelib.api.console_files import locate_folder
from tests.console.conftest import Book, Visitor, becomes, heading
from tests.console.looks import looked_at
from tests.console.pages import PAGES

OTHER = "another tab is signed in to another shop"
NEW_GROUP = "Made on the page of the shop"


def groups_of(book: Book) -> set[str]:
    """The names of the groups of both shops."""
    with book.client() as client:
        own = {group.name for group in client.list_groups()}
    with Book(book.url, book.data, book.empty_key, "").client() as client:
        return own | {group.name for group in client.list_groups()}


def listen(visitor: Visitor) -> list[tuple[str, str, int]]:
    """Return a list that gets the book that each call names, the book that answers, and the
    status."""
    heard: list[tuple[str, str, int]] = []

    def hear(answer: Response) -> None:
        meant, book = (
            headers.get("x-regulars-book", "")
            for headers in (answer.request.headers, answer.headers)
        )
        heard.append((meant, book, answer.status))

    visitor.context.on("response", hear)
    return heard


def leave_for_another(visitor: Visitor, book: Book) -> None:
    """Have the browser lose its session of the shop, after another tab has signed in to another
    one."""
    visitor.sign_in(book.empty_key)
    visitor.context.clear_cookies(name=re.compile(r"^regulars-\d{1,5}$"))  # that of the first shop


def walk_pages(page: Page, face: str) -> None:
    for name in (*PAGES[1:], PAGES[0]):
        path = f"{name}/{face}" if name == "person" else name
        before = page.title()
        page.evaluate("(path) => { location.hash = `#/${path}`; }", path)
        becomes(page, lambda before=before: page.title() != before)
        expect(page.locator("main .page:not(.coming)")).to_have_count(1)
        page.wait_for_load_state("networkidle")


def sign_in_again(page: Page, key: str) -> None:
    dialog = page.get_by_role("dialog", name="Sign in to go on")
    expect(dialog).to_contain_text(OTHER)
    dialog.get_by_role("button", name="Sign in with a key").click()
    dialog.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)


def test_a_group_of_a_tab_is_made_in_its_own_shop_or_not_at_all(
    visitor: Visitor, book: Book
) -> None:
    page = visitor.sign_in().open("#/people")
    heading(page, "People")
    page.get_by_role("button", name="New group").click()
    page.get_by_label("Name of the group").fill(NEW_GROUP)
    leave_for_another(visitor, book)
    # the page may ask by itself before
    page.get_by_role("button", name="Create the group").dispatch_event("click")
    expect(page.get_by_role("dialog", name="Sign in to go on")).to_contain_text(OTHER)
    assert NEW_GROUP not in groups_of(book)
    looked_at(page, "other-shop")
    sign_in_again(page, book.key)
    with book.client() as client:
        becomes(page, lambda: NEW_GROUP in {group.name for group in client.list_groups()})
        client.delete_group(
            next(group.id for group in client.list_groups() if group.name == NEW_GROUP)
        )
    page.close()
    visitor.forgive("412")


def test_no_page_shows_or_changes_another_shop_than_the_one_it_began_with(
    visitor: Visitor, book: Book
) -> None:
    with book.client() as client:
        face = next(iter(client.list_faces())).id
    heard = listen(visitor)
    page = visitor.sign_in().open()
    heading(page, "Visits")
    leave_for_another(visitor, book)
    walk_pages(page, face)
    page.reload()
    expect(page.get_by_role("link", name=re.compile("account: empty"))).to_be_visible()
    page.close()
    refused = [status for meant, answering, status in heard if meant and meant != answering]
    assert len(refused) > len(PAGES)
    assert {*refused} == {412}
    visitor.forgive("412", "404")


def test_every_page_of_a_tab_stays_in_its_shop_while_another_tab_is_in_another(
    visitor: Visitor, book: Book
) -> None:
    with book.client() as client:
        face = next(iter(client.list_faces())).id
    page = visitor.sign_in().open()
    heading(page, "Visits")
    heard = listen(visitor)
    visitor.sign_in(book.empty_key)
    walk_pages(page, face)
    [own] = {answering for meant, answering, _ in heard if meant and meant == answering}
    assert [one for one in heard if one[1] not in ("", own)] == [], (
        "pictures, which mean no book by a header, too"
    )
    assert len([one for one in heard if one[1] == own]) > len(PAGES)
    page.reload()
    heading(page, "Visits")
    page.close()


def test_nothing_but_the_calls_that_name_the_book_asks_v1() -> None:
    for path in locate_folder().rglob("*.js"):
        # the start asks for the console's files, before there is a book, and so does a tab that an
        # update has left behind
        if path.name not in ("api.js", "start.js", "renewal.js"):
            text = path.read_text()
            assert not re.search(
                r"""\bfetch\((?!import\.meta)|XMLHttpRequest|EventSource|["'`]v1/|\baddress\(""",
                text,
            ), f"{path.name}: call v1 by get or send of api.js, which name the book"


def test_changes_that_wait_are_sent_to_the_life_of_the_book_that_they_were_made_for(
    visitor: Visitor, book: Book
) -> None:
    page = visitor.sign_in().open()
    heading(page, "Visits")
    with book.client() as client:
        group = next(group for group in client.list_groups() if group.name == "VIP")
    known = visitor.context.request.get(f"{book.url}/v1/session").json()
    waiting = [
        {
            "path": f"groups/{group.id}",
            "method": "PATCH",
            "name": f"n{number}",
            "book": of,
            "by": by,
            "at": 4e12,
        }
        | {"body": {"description": f"of {number}"}}
        for number, (of, by) in enumerate(
            (
                (f"{known['book']}0", f"shop {known['key']}"),
                (known["book"], f"shop {known['key']}"),
                ("1f0c5e7a9b2d4c68.0", "other Maria"),
            )
        )
    ]
    page.evaluate("(all) => localStorage.setItem('regulars.unsent', JSON.stringify(all))", waiting)
    page.reload()
    expect(page.get_by_text("1 change was made before the book was restored")).to_be_visible()
    with book.client() as client:
        becomes(page, lambda: client.get_group(group.id).description == "of 1")
    left = page.evaluate("localStorage.getItem('regulars.unsent')")
    assert "other Maria" in left
    assert "n0" not in left
