"""/console is a page whose files have their digests in their URLs, under a policy that trusts this
server alone."""

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from urllib.parse import urljoin

import pytest
from chalice.app import Chalice
from PIL import Image

from chalicelib.api import console
from chalicelib.api.application import Application
from chalicelib.api.console_files import LIBRARIES, list_own_files, locate_folder
from chalicelib.api.console_modules import JOINED
from chalicelib.bootstrap import build
from chalicelib.settings import Settings
from regulars.libraries import COMMAND, find_modules, read_libraries
from tests.support.api.gateway import Reply, send
from tests.support.api.stage import make_stage

OURS = locate_folder()


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    for library in read_libraries().values():
        for file in library.files:
            library.find_path(file, tmp_path).parent.mkdir(parents=True, exist_ok=True)
            library.find_path(file, tmp_path).write_text(f"/* {file} */")
    return tmp_path


def app_of(libraries: Path, public_url: str | None = None) -> Iterator[Chalice]:
    services = build(Settings(storage=libraries / "data", public_url=public_url))
    page = console.Console(lambda: services)
    page.use(find_modules(libraries))
    made = Application("console")
    made.register_blueprint(console.make_blueprint(page))
    yield made
    services.close()


@pytest.fixture
def app(fetched: Path) -> Iterator[Chalice]:
    yield from app_of(fetched)


ACCEPTED = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
"""Types of pictures that browsers accept: a gateway goes by the first of them."""


def got(app: Chalice, path: str, method: str = "GET", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(app, path, method=method, content_type=None, headers=named)


def policy(app: Chalice) -> dict[str, list[str]]:
    parts = got(app, "/console").headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in (part.split() for part in parts)}


def import_map(app: Chalice) -> str:
    found = re.search(r'<script type="importmap">(.*?)</script>', got(app, "/console").body)
    assert found
    return found[1]


def main_url(app: Chalice) -> str:
    found = re.search(r'data-main="([^"]+)"', got(app, "/console").body)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "taken_off", ["", "/faces", "/shop/faces"], ids=["no proxy", "by a proxy", "two segments"]
)
@pytest.mark.parametrize(
    ("stage", "path"), [*product(["", "/api"], ["/", "/console/"]), ("/api", "")]
)
def test_the_root_leads_to_the_console_below_whatever_path(
    app: Chalice, stage: str, path: str, taken_off: str
) -> None:
    """On a box, whose paths have no stage, and on AWS, whose stage may be called without a slash at
    its end."""
    answer = send(app, path or "/", method="GET", content_type=None, called=stage + path)
    assert answer.status == 302
    called = f"https://box.example{taken_off}{stage}{path}"
    assert (
        urljoin(called, answer.headers["location"])
        == f"https://box.example{taken_off}{stage}/console"
    )


def test_every_file_is_kept_for_good_under_the_digest_of_what_it_holds(app: Chalice) -> None:
    imported = json.loads(import_map(app))["imports"].values()
    urls = [url for url in imported if not url.endswith("/")]
    urls += re.findall(r'href="([^"]+)"', got(app, "/console").body)
    urls.append(main_url(app))
    assert len(set(urls)) > 20
    for url in urls:
        answer = got(app, url.removeprefix("."), accept=ACCEPTED)
        assert "immutable" in answer.headers["cache-control"]
        assert hashlib.sha256(answer.body.encode()).hexdigest().startswith(url.split(".")[-2])


def test_words_lie_in_a_folder_a_language_under_the_digest_of_all_of_them(app: Chalice) -> None:
    imported = json.loads(import_map(app))["imports"]
    folders = {name: url for name, url in imported.items() if name.endswith("/")}
    pages = sorted(path.parent.name for path in OURS.rglob("words.en.json"))
    assert {f"./console/{path.stem}/" for path in OURS.glob("words/*.json")} <= {*folders}
    for name, url in folders.items():
        language, holds = name.split("/")[-2], []
        for page in sorted([*pages, "words"]):
            answer = got(app, f"{url.removeprefix('.')}{page}.json")
            assert "immutable" in answer.headers["cache-control"]
            of_it = "words/en" if page == "words" else f"{page}/words.en"
            english = json.loads((OURS / f"{of_it}.json").read_text(encoding="utf-8"))
            assert json.loads(answer.body).keys() >= english.keys()
            assert language != "en" or json.loads(answer.body).items() >= english.items()
            holds.append(answer.body)
        digest = hashlib.sha256("\0".join(holds).encode()).hexdigest()
        assert digest.startswith(url.rstrip("/").split(".")[-1])


def test_each_file_that_a_file_imports_is_in_the_map_by_the_name_that_it_imports(
    app: Chalice,
) -> None:
    urls = json.loads(import_map(app))["imports"]
    joined = {name: url for name, url in urls.items() if name.endswith(JOINED)}
    folders = {path.parent.relative_to(OURS).as_posix() for path in OURS.rglob("*.js")}
    assert {
        name.removeprefix("./console/").removesuffix(JOINED).strip("/") for name in joined
    } == folders - {"."} | {""}
    for name, url in joined.items():
        # types in comments
        code = re.sub(r"/\*.*?\*/", "", got(app, url.removeprefix(".")).body, flags=re.DOTALL)
        imported = re.findall(r'(?:from |import\()"([^"]+)"', code)
        assert {
            f"./{posixpath.normpath(posixpath.join(posixpath.dirname(name), one))}"
            for one in imported
        } <= set(urls)


def test_it_can_be_installed_as_an_app_that_begins_at_the_page(app: Chalice) -> None:
    linked = re.search(r'rel="manifest" href="([^"]+)"', got(app, "/console").body)
    assert linked
    place = linked[1].removeprefix(".")
    manifest = json.loads(got(app, place).body)
    assert policy(app)["manifest-src"] == ["'self'"]
    assert urljoin(place, manifest["start_url"]) == urljoin(place, manifest["scope"]) == "/console"
    for icon in manifest["icons"]:
        answer = got(app, urljoin(place, icon["src"]), accept=ACCEPTED)
        assert answer.status == 200, "the manifest has the digests of console/icon*"
        assert answer.headers["content-type"] == icon["type"]


@pytest.mark.parametrize(
    "accepts",
    [{}, *({"Accept": types} for types in (ACCEPTED, "*/*", "image/*", "image/webp", ""))],
)
def test_home_screens_find_icons_in_png_of_the_sizes_that_they_want(
    app: Chalice, accepts: dict[str, str]
) -> None:
    page = got(app, "/console").body
    [touch] = re.findall(r'rel="apple-touch-icon" href="\.([^"]+)"', page)
    place = re.findall(r'rel="manifest" href="\.([^"]+)"', page)[0]
    icons = json.loads(got(app, place).body)["icons"]
    urls = {urljoin(place, one["src"]): one["sizes"] for one in icons if "png" in one["type"]}
    for url, sizes in {touch: "180x180", **urls}.items():
        answer = got(app, url, **accepts)
        with Image.open(BytesIO(answer.data)) as image:
            assert (image.format, f"{image.width}x{image.height}") == ("PNG", sizes)
            assert image.convert("RGBA").getextrema()[3] == (255, 255), "phones show black there"
    assert {*urls.values()} == {"192x192", "512x512"}


def test_what_the_first_page_imports_is_one_file_and_no_other_page_is_in_it(app: Chalice) -> None:
    code = got(app, main_url(app).removeprefix(".")).body
    made = re.findall(r"^export const \$(\w+) = ", code, re.MULTILINE)
    assert {"main_js", "frame_js", "shared_parts_js", "preact", "visits_visits_js"} <= {*made}
    assert [one for one in made if one.startswith(("people_", "signin_", "shared_grid"))] == []
    assert not re.search(r"^import ", code, re.MULTILINE), "it needs another file before it runs"


def test_stylesheets_come_whole_but_for_comments_and_indents(app: Chalice) -> None:
    [url] = re.findall(r'href="([^"]+\.css)"', got(app, "/console").body)
    written = (OURS / "style.css").read_text(encoding="utf-8")
    served = got(app, url.removeprefix(".")).body
    assert "/*" in written
    assert "*/" not in served
    assert "\n " not in served
    assert served.count("{") == re.sub(r"/\*.*?\*/", "", written, flags=re.DOTALL).count("{")


def test_the_page_is_asked_for_each_time_and_sent_if_it_has_changed(app: Chalice) -> None:
    headers = got(app, "/console").headers
    assert headers["cache-control"] == "no-cache"
    assert got(app, "/console", if_none_match=headers["etag"]).status == 304
    assert got(app, "/console", if_none_match='"another"').status == 200


def test_scripts_are_this_servers_and_those_in_the_page_by_their_hashes(app: Chalice) -> None:
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", got(app, "/console").body, re.DOTALL)
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    ]
    found = policy(app)
    assert found["script-src"] == ["'self'", *(f"'sha256-{digest}'" for digest in digests)]
    assert len(scripts) == 2
    assert (
        found["default-src"]
        == found["base-uri"]
        == found["form-action"]
        == found["frame-ancestors"]
        == ["'none'"]
    )
    assert (found["trusted-types"], found["require-trusted-types-for"]) == (
        ["worker"],
        ["'script'"],
    )
    assert found["img-src"] == ["'self'", "blob:"]


def test_pictures_may_come_from_the_public_url(fetched: Path) -> None:
    for app in app_of(fetched, "https://box.example"):
        assert policy(app)["img-src"] == ["'self'", "blob:", "https://box.example"]


def test_no_file_of_ours_writes_markup_or_names_another_server() -> None:
    for path in (one for one in OURS.rglob("*") if one.is_file() and one.suffix != ".png"):
        text = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|dangerously",
            text,
        ), path
        assert not re.findall(
            r"https?://(?!www\.w3\.org/|schemas\.openxmlformats\.org\b|[a-z]+\.example/)", text
        ), path


def test_the_libraries_beside_our_own_files_are_told_apart_wherever_all_of_them_lie(
    tmp_path: Path,
) -> None:
    ours = tmp_path / LIBRARIES / "console"
    for name in ("main.js", "visits/visits.js", f"{LIBRARIES}/preact.mjs"):
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / name).touch()
    assert [path.relative_to(ours).as_posix() for path in list_own_files(ours)] == [
        "main.js",
        "visits/visits.js",
    ]


def test_without_the_libraries_it_says_which_command_fetches_them(tmp_path: Path) -> None:
    for app in app_of(tmp_path):
        answer = got(app, "/console")
        assert answer.status == 404
        assert COMMAND in answer.body
        assert got(app, "/console/main.js").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/main.js", 404),
        ("GET", "/console/index.html", 404),
        ("GET", "/console/visits/visits.js", 404),
        ("GET", "/console/../pyproject.toml", 404),
        ("POST", "/console", 405),
    ],
)
def test_nothing_else_is_served(app: Chalice, method: str, path: str, status: int) -> None:
    assert got(app, path, method).status == status


def test_a_dialects_answers_are_never_kept_by_a_browser_nor_taken_for_scripts(
    tmp_path: Path,
) -> None:
    """The policy lets scripts come from this server: then no answer that holds others' words may
    be one."""
    services = build(Settings(storage=tmp_path))
    headers = got(make_stage(services).app, "/v1/session").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    services.close()
