"""docs/ builds as a site in which every link leads somewhere, and whose pages ask no other server for anything."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.console.conftest import CHROMIUM
from tests.docs.session import ROOT

REQUESTS = r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:[^\" >]+)|<link\b[^>]*\bhref=\"?(https?:[^\" >]+)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--config-file",
        "infra/mkdocs.yml",
        "--strict",
        "--quiet",
        "--site-dir",
        str(folder),
    ]
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


def test_lists_are_written_so_that_the_site_sees_them() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        nested = re.findall(r"^ {1,3}(?:-|\d+\.) .*", text, re.MULTILINE)
        assert nested == [], f"{page}: a list within a list is indented by four blanks"
        glued = re.findall(r"^(?![-|#\s]|\d+\. ).+\n(?:-|\d+\.) .*", text, re.MULTILINE)
        assert glued == [], f"{page}: an empty line comes before a list"


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Files without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


def test_a_browser_asks_the_site_alone_and_finds_pages_by_words(url: str) -> None:
    if not CHROMIUM:
        pytest.skip("the site is looked at in Chromium: on Debian, apt-get install chromium")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "operations.html", "tasks/enrol.html"):
            page.goto(f"{url}/{name}", wait_until="networkidle")
        page.get_by_role("textbox", name="Search").fill("nginx")
        expect(page.get_by_role("link", name="Behind nginx").first).to_be_visible()
        browser.close()
    assert f"{url}/pictures/live.webp" in asked
    assert [one for one in asked if not one.startswith((f"{url}/", f"blob:{url}/", "data:"))] == []
