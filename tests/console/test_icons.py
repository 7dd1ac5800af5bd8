"""The icons of home screens look like the console's own icon."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from chalicelib.api.console_files import locate_folder
from tests.console.conftest import Book, visiting
from tests.console.icons import SIZES_PX, draw_icon

MOST_APART = 2.0
"""Mean difference of pixels: another Chromium may smooth edges otherwise."""


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_an_icon_is_drawn_of_the_svg(browser: Browser, size_px: int) -> None:
    kept, drawn = (
        np.asarray(Image.open(source).convert("RGB"), dtype=float)
        for source in (
            locate_folder() / f"icon-{size_px}.png",
            BytesIO(draw_icon(browser, size_px)),
        )
    )
    assert np.abs(kept - drawn).mean() < MOST_APART, (
        "`python -m tests.console.icons --write` draws them"
    )


def test_a_browser_shows_the_icon_of_a_home_screen(browser: Browser, book: Book) -> None:
    with visiting(browser, book, key=None) as visitor:
        page = visitor.open()
        url = page.locator("link[rel=apple-touch-icon]").get_attribute("href")
        width = page.evaluate(
            """async (url) => {
              const image = Object.assign(new Image(), { src: url });
              await image.decode();
              return image.naturalWidth;
            }""",
            url,
        )
        assert width == min(SIZES_PX)
