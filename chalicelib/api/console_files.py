"""The console's page and files, as they are answered: one source for one box and for AWS.

Modules are served joined, a file a folder, words as a folder a language, and stylesheets without
their comments and indents; all else as it was written. Each file or its folder has a digest in its
URL, so a browser keeps it for good and asks only for the page again; the page's import map says
which URL stands for which file or folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from string import Template
from urllib.parse import urlsplit

from markupsafe import Markup
from msgspec import Struct

from chalicelib.api.console_modules import JOINED, join_modules
from chalicelib.api.console_words import fill_words, list_languages, list_waiting
from chalicelib.domain.events import CHOSEN
from chalicelib.domain.person_texts import LINES
from chalicelib.privacy.texts import direction_of

LIBRARIES = "libraries"
"""Folder of libraries beside the console's own files, in the package for AWS."""

_PNG = "image/png"
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": _PNG,
    ".webmanifest": "application/manifest+json",
}
"""All but pictures are text, which the gateway passes as it is."""

_MODULES = (".js", ".mjs")
_STYLE_SPARE = re.compile(r"\s*/\*(?:(?!\*/)[\s\S])*\*/|(?<=\n)[ ]+")

_PICTURES = ("'self'", "blob:")
_SAFE = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
}


class File(Struct, frozen=True):
    """Answer to a URL: headers and text; a picture's is its base64."""

    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> str | bytes:
        is_picture = self.headers["Content-Type"] == _PNG
        return base64.b64decode(self.text) if is_picture else self.text


def locate_folder() -> Path:
    """Return the folder of the console's own files: beside this package in a checkout, a wheel and
    AWS's package."""
    return Path(__file__).resolve().parents[2] / "console"


def name_in_package(name: str, path: Path) -> str:
    """Return the path, below the console in the package for AWS, of the library that modules import
    as `name`."""
    return f"{LIBRARIES}/{name.removesuffix(path.suffix)}{path.suffix}"


def list_packaged_libraries() -> dict[str, Path]:
    """Return the libraries of the package for AWS, by the names that modules import; none
    elsewhere."""
    library_folder = locate_folder() / LIBRARIES
    paths = (path for path in library_folder.rglob("*") if path.suffix in _KINDS)
    return {
        path.relative_to(library_folder).with_suffix("").as_posix(): path for path in sorted(paths)
    }


def list_own_files(page_folder: Path) -> Iterable[Path]:
    """Yield the console's own files, apart from the page."""
    paths = (path for path in sorted(page_folder.rglob("*")) if path.suffix in _KINDS)
    yield from (path for path in paths if path.relative_to(page_folder).parts[0] != LIBRARIES)


def list_paths(page_folder: Path, libraries: Mapping[str, Path]) -> dict[str, Path]:
    """Return all files but the page by the names that modules import.

    `page_folder`: of the console's own files.
    """
    return {
        **libraries,
        **{
            f"./console/{path.relative_to(page_folder).as_posix()}": path
            for path in list_own_files(page_folder)
        },
    }


def read_texts(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the text of each served file, by the name that modules import.

    `paths`: of all files but the page, by such names.
    """
    texts = {name: _read_text(path) for name, path in paths.items()}
    modules = {name: text for name, text in texts.items() if paths[name].suffix in _MODULES}
    words = {name: text for name, text in texts.items() if paths[name].suffix == ".json"}
    others = {
        name: text for name, text in texts.items() if name not in modules and name not in words
    }
    return {**join_modules(modules), **others, **fill_words(words)}


def _read_text(path: Path) -> str:
    if path.suffix == ".png":
        return base64.b64encode(path.read_bytes()).decode()
    text = path.read_text(encoding="utf-8")
    return _STYLE_SPARE.sub("", text) if path.suffix == ".css" else text


def make_files(texts: Mapping[str, str]) -> dict[str, File]:
    """Return the files by their URLs below the console. `texts`: those of `read_texts`."""
    urls = {
        **{name: _make_url(name, text) for name, text in texts.items()},
        **{
            name: f"{url}{PurePosixPath(name).name}"
            for folder, url in _make_folder_urls(texts).items()
            for name in texts
            if name.startswith(folder)
        },
    }
    return {urls[name].removeprefix("./console/"): _make_file(name, texts[name]) for name in texts}


def _make_folder_urls(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the URL of each language's folder of words, with the digest of all that is in it."""
    texts_by_folder: dict[str, list[str]] = {}
    for name, text in sorted(texts.items()):
        if name.endswith(".json"):
            texts_by_folder.setdefault(f"{name.rpartition('/')[0]}/", []).append(text)
    return {
        folder: f"{folder.rstrip('/')}.{_digest(chr(0).join(texts_within))}/"
        for folder, texts_within in texts_by_folder.items()
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _make_url(name: str, text: str) -> str:
    """Return the URL of a file, relative to the page: with its digest before its suffix."""
    path = PurePosixPath(name)
    return f"./{path.with_suffix(f'.{_digest(text)}{path.suffix}')}"


def _make_file(name: str, text: str) -> File:
    kind = _KINDS[PurePosixPath(name).suffix]
    return File(
        {"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable", **_SAFE},
        text,
    )


def make_page(page_folder: Path, texts: Mapping[str, str], pictures: Iterable[str]) -> File:
    """Return index.html with the import map and the start script, whose hashes the policy lists.

    `page_folder`: the folder of index.html. `texts`: those of `read_texts`. `pictures`: URLs of the
    hosts that pictures come from.
    """
    urls = {name: _make_url(name, text) for name, text in texts.items()}
    imports = {name: url for name, url in urls.items() if not name.endswith((".json", ".png"))}
    import_map = json.dumps({"imports": imports | _make_folder_urls(texts)})
    start = texts["./console/start.js"]
    text = Template((page_folder / "index.html").read_text(encoding="utf-8")).substitute(
        import_map=import_map,
        start=start,
        main=urls[f"./console/{JOINED}"],
        style=urls["./console/style.css"],
        icon=urls["./console/icon.svg"],
        touch_icon=urls["./console/icon-180.png"],
        manifest=urls["./console/app.webmanifest"],
        person_texts=Markup.escape(json.dumps(LINES)),
        events=Markup.escape(json.dumps(CHOSEN)),
        languages=Markup.escape(json.dumps(list_languages(texts))),
        waiting=_write_waiting(texts),
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"',
        "Content-Security-Policy": _write_policy((import_map, start), pictures),
        **_SAFE,
    }
    return File(headers, text)


def _write_waiting(texts: Mapping[str, str]) -> Markup:
    """Write a line a language, of which start.js shows one while the page waits for files."""
    line = Markup('<p class="waits-for-files" lang="{}" dir="{}" hidden>{}</p>')
    return Markup("\n").join(
        line.format(language, direction_of(language), text)
        for language, text in list_waiting(texts).items()
    )


def _write_policy(scripts: Iterable[str], pictures: Iterable[str]) -> str:
    """Write the policy. `scripts`: those that stand in the page."""
    digests = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    own_scripts = " ".join(("'self'", *(f"'sha256-{digest}'" for digest in digests)))
    split_urls = (urlsplit(url) for url in pictures)
    origins = dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in split_urls if url.netloc)
    return (
        f"default-src 'none'; script-src {own_scripts}; style-src 'self'; "
        f"img-src {' '.join(chain(_PICTURES, origins))}; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types worker"
    )
