"""The console's page and files, as they are answered: one source for one box and for AWS.

Files are served as they were written. Each has its digest in its URL, so a browser keeps it for good and asks only for
the page again; the page's import map says which URL stands for which file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from msgspec import Struct

LIBRARIES = "libraries"
"""Folder of libraries beside the console's own files, in the package for AWS."""

_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""All of them are text, which the gateway passes as it is."""

_MAIN = "./console/main.js"
_IMPORTED = re.compile(r'^(?:import|\}) .*?from "([^"]+)"', re.MULTILINE)

_PICTURES = ("'self'", "blob:")
_SAFE = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
}


class File(Struct, frozen=True):
    """Answer to a URL: headers and text."""

    headers: Mapping[str, str]
    text: str


def locate_folder() -> Path:
    """Return the folder of the console's own files: beside this package in a checkout, a wheel and AWS's package."""
    return Path(__file__).resolve().parents[2] / "console"


def name_in_package(name: str, path: Path) -> str:
    """Return the path, below the console in the package for AWS, of the library that modules import as `name`."""
    return f"{LIBRARIES}/{name.removesuffix(path.suffix)}{path.suffix}"


def list_packaged_libraries() -> dict[str, Path]:
    """Return the libraries of the package for AWS, by the names that modules import; none elsewhere."""
    library_folder = locate_folder() / LIBRARIES
    paths = (path for path in library_folder.rglob("*") if path.suffix in _KINDS)
    return {path.relative_to(library_folder).with_suffix("").as_posix(): path for path in sorted(paths)}


def list_own_files(page_folder: Path) -> Iterable[Path]:
    """Yield the console's own files, apart from the page."""
    paths = (path for path in sorted(page_folder.rglob("*")) if path.suffix in _KINDS)
    yield from (path for path in paths if path.relative_to(page_folder).parts[0] != LIBRARIES)


def list_paths(page_folder: Path, libraries: Mapping[str, Path]) -> dict[str, Path]:
    """Return all files but the page by the names that modules import. `page_folder`: of the console's own files."""
    return {
        **libraries,
        **{f"./console/{path.relative_to(page_folder).as_posix()}": path for path in list_own_files(page_folder)},
    }


def make_files(paths: Mapping[str, Path]) -> dict[str, File]:
    """Return the files by their URLs below the console."""
    return {_make_url(name, path).removeprefix("./console/"): _make_file(path) for name, path in paths.items()}


def _make_url(name: str, path: Path) -> str:
    """Return the URL of a file, relative to the page: with its digest before its suffix."""
    stem = name.removeprefix("./console/").removesuffix(path.suffix)
    return f"./console/{stem}.{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}{path.suffix}"


def _make_file(path: Path) -> File:
    headers = {"Content-Type": _KINDS[path.suffix], "Cache-Control": "public, max-age=31536000, immutable", **_SAFE}
    return File(headers, path.read_bytes().decode())


def make_page(page_folder: Path, paths: Mapping[str, Path], pictures: Iterable[str]) -> File:
    """Fill index.html in: with the import map, whose hash the policy names, and with links to what is loaded ahead.

    `page_folder`: the folder of index.html. `paths`: files by the names under which modules import them. `pictures`:
    URLs of the hosts that pictures come from.
    """
    urls = {name: _make_url(name, path) for name, path in paths.items()}
    import_map = json.dumps({"imports": urls})
    preloaded = [urls[name] for name in _list_preloaded(paths)]
    text = Template((page_folder / "index.html").read_text(encoding="utf-8")).substitute(
        import_map=import_map,
        ahead="\n".join(f'<link rel="modulepreload" href="{url}">' for url in preloaded),
        main=urls[_MAIN],
        style=urls["./console/style.css"],
        icon=urls["./console/icon.svg"],
        manifest=urls["./console/app.webmanifest"],
    )
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"',
        "Content-Security-Policy": _write_policy(digest, pictures),
        **_SAFE,
    }
    return File(headers, text)


def _list_preloaded(paths: Mapping[str, Path]) -> list[str]:
    """Return the modules without which nothing is shown, in the order of imports. Pages are imported when opened."""
    modules = [_MAIN]
    for name in modules:  # grows
        for imported in _IMPORTED.findall(paths[name].read_text(encoding="utf-8")):
            path = posixpath.join(posixpath.dirname(name), imported)
            module = f"./{posixpath.normpath(path)}" if imported.startswith(".") else imported
            if module not in modules:
                modules.append(module)
    return modules


def _write_policy(digest: str, pictures: Iterable[str]) -> str:
    split_urls = (urlsplit(url) for url in pictures)
    origins = dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in split_urls if url.netloc)
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; "
        f"img-src {' '.join(chain(_PICTURES, origins))}; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types worker"
    )
