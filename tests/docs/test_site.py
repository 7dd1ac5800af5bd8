"""docs/ builds as a site in which every link leads somewhere, and whose pages ask no other server for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.console.conftest import CHROMIUM
from tests.docs.session import ROOT

REQUESTS = r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:[^\" >]+)|<link\b[^>]*\bhref=\"?(https?:[^\" >]+)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_repository_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in ROOT.glob("docs/**/*.md")}
    pages = {page.with_name("index.html") if page.stem == "README" else page for page in pages}
    there = {page.relative_to(site) for page in site.glob("**/*.html")}
    assert pages | {Path("index.html"), Path("contributing.html"), Path("changelog.html")} <= there


def test_no_page_names_another_server_to_load_from(site: Path) -> None:
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(REQUESTS, text) == [], page
        assert 'class="mermaid"' not in text, f"{page}: its script would come from another server"


@pytest.fixture
def asked(site: Path) -> Iterator[list[str]]:
    """What a browser asks for that opens the first page, a task and a reference."""
    if not CHROMIUM:
        pytest.skip("the site is looked at in Chromium: on Debian, apt-get install chromium")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "tasks/enrol.html", "operations.html"):
            page.goto((site / name).as_uri(), wait_until="networkidle")
        yield asked
        browser.close()


def test_a_browser_asks_the_site_alone(asked: list[str], site: Path) -> None:
    assert any(url.endswith("/pictures/live.webp") for url in asked)
    assert [url for url in asked if not url.startswith((site.as_uri(), "blob:", "data:"))] == []
