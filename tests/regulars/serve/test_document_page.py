"""/docs shows the document by a library that was fetched, from this server only; without it, it says how to get it."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from regulars.libraries import COMMAND, PackageUnavailable, libraries
from regulars.serve.document_page import DocumentPage
from regulars.serve.messages import Refused, Request, Response

LIBRARY = libraries()["swagger-ui-dist"]


@pytest.fixture
def page(tmp_path: Path) -> DocumentPage:
    for file in LIBRARY.files:
        LIBRARY.path(file.name, tmp_path).parent.mkdir(exist_ok=True)
        LIBRARY.path(file.name, tmp_path).write_text(f"/* {file.name} */" + " " * 2000)
    return DocumentPage(tmp_path)


def got(page: DocumentPage, path: str, method: str = "GET", **headers: str) -> Response:
    request = Request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert page.admit(request) == 0
    return page.answer(request)


def test_the_page_and_all_that_it_names_are_served_by_this_server(page: DocumentPage) -> None:
    html = got(page, "/docs")
    assert html == got(page, "/docs/")
    assert dict(html.headers)["Content-Type"] == "text/html; charset=utf-8"
    assert not re.search(rb"https?:|//", html.body)
    named = re.findall(rb'(?:src|href)="([^"]+)"', html.body)
    assert len(named) == 3
    kinds = {dict(got(page, path.decode()).headers)["Content-Type"] for path in named}
    assert kinds == {"text/css; charset=utf-8", "text/javascript; charset=utf-8"}
    start = got(page, "/docs/start.js").body
    assert b'url: "/v1/openapi.json"' in start
    assert b"validatorUrl: null" in start, "its own default would ask another server"


def test_it_may_load_and_ask_nothing_of_others(page: DocumentPage) -> None:
    policy = dict(got(page, "/docs").headers)["Content-Security-Policy"]
    sources = {source for part in policy.split("; ") for source in part.split()[1:]}
    assert sources == {"'none'", "'self'", "data:"}


def test_the_library_is_compressed(page: DocumentPage) -> None:
    answer = got(page, "/docs/swagger-ui.css", accept_encoding="gzip")
    assert gzip.decompress(answer.body).startswith(b"/* swagger-ui.css */")


def test_without_the_library_it_says_which_command_fetches_it(tmp_path: Path) -> None:
    answer = got(DocumentPage(tmp_path), "/docs")
    assert answer.status == 404
    assert COMMAND in answer.body.decode()
    assert "/v1/openapi.json" in answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/docs/../site.py", 404),
        ("GET", "/docs/index.html", 404),
        ("GET", "/docsx", 404),
        ("POST", "/docs", 405),
    ],
)
def test_nothing_else_is_served(page: DocumentPage, method: str, path: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        page.admit(Request(method, path))
    assert refused.value.response.status == status


def test_a_library_whose_registry_is_away_is_not_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(PackageUnavailable) as failed:
        LIBRARY.fetch(tmp_path)
    assert "127.0.0.1:9" in failed.value.__notes__[0], "all that npm or pip said"
    assert [*tmp_path.iterdir()] == []
