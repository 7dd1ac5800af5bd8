"""The console's PNG icons, which `python -m tests.console.icons --write` draws of console/icon.svg.

A phone's home screen takes no SVG. It rounds the corners itself, and shows what is transparent as
black, so the ground fills the square.
"""

from __future__ import annotations

import sys

from playwright.sync_api import Browser, sync_playwright

from chalicelib.api.console_files import locate_folder
from tests.console.conftest import CHROMIUM

SIZES_PX = (180, 192, 512)


def draw_icon(browser: Browser, size_px: int) -> bytes:
    svg = (locate_folder() / "icon.svg").read_text(encoding="utf-8").replace('rx="8"', "")
    page = browser.new_page(viewport={"width": size_px, "height": size_px})
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    drawn = page.screenshot(type="png")
    page.close()
    return drawn


def write_icons() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for size_px in SIZES_PX:
            (locate_folder() / f"icon-{size_px}.png").write_bytes(draw_icon(browser, size_px))
        browser.close()


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write_icons()
