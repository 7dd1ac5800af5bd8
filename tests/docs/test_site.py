"""docs/ builds as a site in which every link leads somewhere, and whose pages ask no other server
for anything."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.box.session import ROOT

REQUESTS = (
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:[^\" "
    r">]+)|<link\b[^>]*\bhref=\"?(https?:[^\" >]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = [
        "build",
        "--config-file",
        "infra/mkdocs.yml",
        "--strict",  # does nothing beside --quiet, which drops the warnings that it counts
        "--site-dir",
        str(folder),
    ]
    command = [sys.executable, "-m", "mkdocs", *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_repository_is_in_the_site(site: Path) -> None:
    pages = {
        path.relative_to(ROOT / "docs").with_suffix(".html") for path in ROOT.glob("docs/**/*.md")
    }
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
        text = re.sub(
            r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        )
        nested = re.findall(r"^ {1,3}(?:-|\d+\.) .*", text, re.MULTILINE)
        assert nested == [], f"{page}: a list within a list is indented by four blanks"
        glued = re.findall(r"^(?![-|#\s]|\d+\. ).+\n(?:-|\d+\.) .*", text, re.MULTILINE)
        assert glued == [], f"{page}: an empty line comes before a list"


def test_pages_are_found_by_words(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    found = {
        entry["location"]
        for entry in index["docs"]
        if "nginx" in f"{entry['title']} {entry['text']}".lower()
    }
    assert "tasks/nginx.html" in found
