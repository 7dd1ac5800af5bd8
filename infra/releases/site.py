"""The site of docs/, as mkdocs builds it: what the repository has beside docs/ comes along (hooks
of mkdocs.yml).

Links are written for the repository, as a git host shows it. Here they are made the site's.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "lab/README.md": "measure.md",
    "tests/README.md": "tests.md",
}
"""Pages beside docs/, and what they are called in the site."""

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages beside docs/, and every file beside docs/ that a page links to, as it is."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    linked = {
        _locate_in_repository(file.src_uri, link)
        for file in files.documentation_pages()
        for link in _LINK.findall(file.content_string)
    }
    for path in sorted(linked - set(PAGES)):
        if not path.startswith("docs/") and (ROOT / path).is_file():
            files.append(
                File.generated(config, _locate_in_site(path), abs_src_path=str(ROOT / path))
            )
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Write the page's links for the site."""
    here = page.file.src_uri

    def relative(link: re.Match[str]) -> str:
        return "](" + posixpath.relpath(
            _locate_in_site(_locate_in_repository(here, link[1])), posixpath.dirname(here) or "."
        )

    return _LINK.sub(relative, markdown)


def _locate_in_repository(page_uri: str, link: str) -> str:
    """Return what a page of the site links to, as a path from the repository's root."""
    page_path = next((path for path, uri in PAGES.items() if uri == page_uri), f"docs/{page_uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(page_path), link))


def _locate_in_site(path: str) -> str:
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path, f"repository/{path}")
