"""/console is a page whose files have their digests in their URLs, under a policy that trusts this server alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.core.model import Profile
from chalicelib.settings import Settings
from regulars.libraries import COMMAND, libraries
from regulars.serve.console_page import OURS, ConsolePage
from regulars.serve.messages import Refused, Request, Response
from regulars.serve.server import LINKED_TENANTS, console_text


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    for library in libraries().values():
        for file in library.files:
            library.path(file.name, tmp_path).parent.mkdir(parents=True, exist_ok=True)
            library.path(file.name, tmp_path).write_text(f"/* {file.name} */")
    return tmp_path


@pytest.fixture
def page(fetched: Path) -> ConsolePage:
    return ConsolePage(fetched=fetched)


def got(page: ConsolePage, path: str, method: str = "GET", **headers: str) -> Response:
    request = Request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert page.takes(path)
    assert page.admit(request) == 0
    return page.answer(request)


def policy(page: ConsolePage) -> dict[str, list[str]]:
    parts = dict(got(page, "/console").headers)["Content-Security-Policy"].split("; ")
    return {name: sources for name, *sources in (part.split() for part in parts)}


def import_map(page: ConsolePage) -> str:
    found = re.search(r'<script type="importmap">(.*?)</script>', got(page, "/console").body.decode())
    assert found
    return found[1]


def test_the_root_leads_to_the_console(page: ConsolePage) -> None:
    for path in ("/", "/console/"):
        answer = got(page, path)
        assert (answer.status, dict(answer.headers)["Location"]) == (302, "/console")
    assert not page.takes("/v1/session")


def test_every_file_is_kept_for_good_under_the_digest_of_what_it_holds(page: ConsolePage) -> None:
    urls = [*json.loads(import_map(page))["imports"].values()]
    urls += re.findall(r'(?:src|href)="([^"]+)"', got(page, "/console").body.decode())
    assert len(set(urls)) > 20
    for url in urls:
        answer = got(page, url.removeprefix("."))
        assert "immutable" in dict(answer.headers)["Cache-Control"]
        assert hashlib.sha256(answer.body).hexdigest().startswith(url.split(".")[-2])


def test_each_module_of_ours_is_in_the_map_by_the_name_that_others_import_it_by(page: ConsolePage) -> None:
    known = set(json.loads(import_map(page))["imports"])
    for path in OURS.rglob("*.js"):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)  # types are imported in comments
        for name in re.findall(r'(?:from|import\() ?"([^"]+)"', code):
            wanted = f"./console/{(path.parent / name).resolve().relative_to(OURS)}" if name.startswith(".") else name
            assert wanted in known, f"{path.name} imports {name}"


def test_what_only_some_pages_need_is_not_loaded_ahead(page: ConsolePage) -> None:
    ahead = re.findall(r'modulepreload" href="([^"]+)"', got(page, "/console").body.decode())
    assert any(url.startswith("./console/preact.") for url in ahead)
    assert not [url for url in ahead if re.match(r"\./console/(uplot|views|later)\b", url)]


def test_the_page_is_asked_for_each_time_and_sent_if_it_has_changed(page: ConsolePage) -> None:
    headers = dict(got(page, "/console").headers)
    assert headers["Cache-Control"] == "no-cache"
    assert got(page, "/console", if_none_match=headers["ETag"]).status == 304
    assert got(page, "/console", if_none_match='"another"').status == 200


def test_scripts_are_this_servers_and_the_import_map_by_its_hash(page: ConsolePage) -> None:
    digest = base64.b64encode(hashlib.sha256(import_map(page).encode()).digest()).decode()
    found = policy(page)
    assert found["script-src"] == ["'self'", f"'sha256-{digest}'"]
    assert found["default-src"] == found["base-uri"] == found["form-action"] == found["frame-ancestors"] == ["'none'"]
    assert (found["trusted-types"], found["require-trusted-types-for"]) == (["'none'"], ["'script'"])
    assert found["img-src"] == ["'self'", "blob:"]


def test_pictures_may_come_from_the_public_url(fetched: Path) -> None:
    assert policy(ConsolePage("https://box.example", fetched=fetched))["img-src"][-1] == "https://box.example"


def test_no_file_of_ours_writes_markup_or_names_another_server() -> None:
    for path in (one for one in OURS.rglob("*") if one.is_file()):
        text = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|dangerously", text
        ), path
        assert not re.findall(r"https?://(?!www\.w3\.org/)", text), path


def test_without_the_libraries_it_says_which_command_fetches_them(tmp_path: Path) -> None:
    answer = got(ConsolePage(fetched=tmp_path), "/console")
    assert answer.status == 404
    assert COMMAND in answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/../pyproject.toml", 404),
        ("GET", "/console/main.js", 404),
        ("GET", "/console/index.html", 404),
        ("POST", "/console", 405),
    ],
)
def test_nothing_else_is_served(page: ConsolePage, method: str, path: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        page.admit(Request(method, path))
    assert refused.value.response.status == status


def test_a_start_makes_links_only_for_somebody_who_sits_there(tmp_path: Path) -> None:
    services = bootstrap.build(Settings(storage=tmp_path))
    services.tenants.add("shop", Profile.CAMERA)
    link = "regulars: console of shop: http://box:8000/console#code="
    told = console_text(services, "http://box:8000", asks=True)
    assert told.startswith(link)
    assert services.sessions.of_code(told.removeprefix(link))[1].tenant.name == "shop"
    assert "code=" not in console_text(services, "http://box:8000", asks=False)
    for number in range(LINKED_TENANTS):
        services.tenants.add(f"shop-{number}", Profile.CAMERA)
    assert "code=" not in console_text(services, "http://box:8000", asks=True)
