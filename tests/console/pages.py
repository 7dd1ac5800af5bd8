"""The pages of the console, and when one is ready."""

import re

from playwright.sync_api import Page, expect

from chalicelib.api.console_files import locate_folder
from tests.console.conftest import settle

PAGES = re.findall(r'\{ name: "(\w+)"', (locate_folder() / "pages.js").read_text())


def ready(page: Page) -> None:
    """Wait until the page has what it shows."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(":is(.shapes, .settling)")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    settle(page)
