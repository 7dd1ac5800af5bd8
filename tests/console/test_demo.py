"""`make demo` ends with a link to the console, which shows a shop where people come and go."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from regulars.demo.shop import NAMES
from regulars.serve.service import stop
from tests.console.conftest import DESK, Book, Visitor, becomes, shoot
from tests.console.pages import PAGES, ready
from tests.support.noon import zone_at_noon

ARE_DRAWN = (
    "all => all.every((one) => one.naturalWidth || one.getBoundingClientRect().top > innerHeight)"
)
"""Whether all pictures in sight are there; a browser fetches those further down when it likes."""

LISTS = {
    "visits": ".visits > li",
    "review": "h2",
    "people": "[role=gridcell]",
    "traffic": ".panel",
    "cameras": "img",
    "captures": "img",
    "phone": ".rows > li",
    "hooks": ".rows > li",
    "settings": ".rows > li",
    "report": "table, .panel",
    "person": "img",
}
"""What a page has if it has data. Privacy shows settings; the others ask for a picture."""

LINK = re.compile(r"(http://\S+?)/console(#code=\S+)")


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the demo, with all that it writes in `folder`; give the service's URL and the code of the
    link."""
    command = [sys.executable, "-m", "regulars", "demo", "--port", "0"]
    around = {**os.environ, "TZ": zone_at_noon(), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around)
    try:
        assert process.stdout is not None
        found = next(filter(None, map(LINK.search, process.stdout)), None)
        assert found, "the demo ended without a link"
        yield found[1], found[2]
    finally:
        code = stop(process)
    assert code == 128 + signal.SIGTERM
    assert list(folder.iterdir()) == []


def test_the_demos_link_leads_to_a_shop_of_which_every_page_has_something_to_show(
    browser: Browser, tmp_path: Path
) -> None:
    with demo(tmp_path) as (url, code):
        visitor = Visitor(
            browser.new_context(viewport=DESK, locale="en-GB"), Book(url, tmp_path, "", "")
        )
        page = visitor.open(code)
        neighbour = page.locator(".visit").filter(has_text="Neighbour").first
        expect(neighbour.get_by_role("link", name="Neighbour")).to_be_visible()
        expect(
            neighbour.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))
        ).to_have_count(2)
        expect(neighbour).to_contain_text(re.compile(r"\bvisit\b"))
        becomes(page, lambda: page.locator("img").evaluate_all(ARE_DRAWN))
        assert page.get_by_role("dialog").count() == 0
        assert not page.get_by_text(re.compile(r"getFace|neighbour_1|openapi")).count()
        shoot(page, "demo")
        person = page.get_by_role("link", name=NAMES[4]).first.get_attribute("href")
        for name in PAGES:
            page.evaluate(
                "place => { location.hash = place }", person if name == "person" else f"#/{name}"
            )
            ready(page)
            expect(page.locator(".empty")).to_have_count(0)
            if name in LISTS:
                expect(page.locator(f"main {LISTS[name]}").first).to_be_visible()
            shoot(page, f"demo-{name}")
        visitor.check()
        visitor.context.close()
