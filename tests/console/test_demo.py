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
from tests.support.examples import rest
from tests.support.noon import zone_at_noon

pytestmark = rest

ARE_DRAWN = (
    "all => all.every((one) => one.naturalWidth || one.getBoundingClientRect().top > innerHeight)"
)
"""Whether all pictures in sight are there; a browser fetches those further down when it likes."""

LISTS = {
    "visits": ".visits > li",
    "places": "table",
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

ZONE = zone_at_noon()
"""A zone in which it was noon when the tests began: an hour may begin while one of them runs."""
LINK = re.compile(r"(http://\S+?)/console(#code=\S+)")


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Run the demo, with all that it writes in `folder`, until a line names its console; give the
    line."""
    command = [sys.executable, "-m", "regulars", "demo", "--port", "0"]
    around = {**os.environ, "TZ": ZONE, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around)
    try:
        assert process.stdout is not None
        found = next((line for line in process.stdout if "/console" in line), "")
        assert found, "the demo ended without a link"
        yield found
    finally:
        code = stop(process)
    assert code in (0, 128 + signal.SIGTERM)
    assert list(folder.iterdir()) == []


def test_the_demos_link_leads_to_a_shop_of_which_every_page_has_something_to_show(
    browser: Browser, tmp_path: Path
) -> None:
    with demo(tmp_path) as line:
        (url, code), *_ = LINK.findall(line)
        visitor = Visitor(
            browser.new_context(viewport=DESK, locale="en-GB"), Book(url, tmp_path, "", "")
        )
        page = visitor.open(code)
        row = page.locator(".visit").filter(has_text="visit, previously").first
        expect(
            row.get_by_role("img", name=re.compile("Portrait|As the camera saw it"))
        ).to_have_count(2)
        assert page.get_by_text("Neighbour").count() == 0, "the real people stay in the terminal"
        becomes(page, lambda: page.locator("img").evaluate_all(ARE_DRAWN))
        assert page.get_by_role("dialog").count() == 0
        assert not page.get_by_text(re.compile(r"getFace|neighbour_1|openapi")).count()
        shoot(page, "demo")
        # Who came on the day that is shown depends on the day of the week.
        names = re.compile("|".join(map(re.escape, NAMES)))
        person = page.get_by_role("link", name=names).first.get_attribute("href")
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
