"""The console on one box: the page /console, its files, and `/`, which leads there.

Files are served as they were written. Each has its digest in its URL, so a browser keeps it for good and asks only for
the page again; the page's import map says which URL stands for which file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template

from regulars import libraries
from regulars.libraries import COMMAND, FOLDER
from regulars.serve import unknown
from regulars.serve.compression import compressed
from regulars.serve.messages import Refused, Request, Response, message

OURS = Path(__file__).resolve().parents[2] / "console"
PATH = "/console"

_LIBRARIES = {
    "preact": ("preact", "dist/preact.mjs"),
    "preact/hooks": ("preact", "hooks/dist/hooks.mjs"),
    "htm": ("htm", "dist/htm.mjs"),
    "uplot": ("uplot", "dist/uPlot.esm.js"),
    "uplot.css": ("uplot", "dist/uPlot.min.css"),
}
"""Libraries by the names that the console's modules import: the package of each, and the file in it."""

_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json"}
_PICTURES = {".svg": "image/svg+xml"}
_LATER = ("uplot", *(f"./console/{folder}/" for folder in ("views", "later", "words")))
"""What names of files begin with that only some pages need. A browser asks for them when such a page is opened."""

_LED_TO_IT = Response(302, (("Location", PATH), ("Cache-Control", "no-cache")))
_FOR_GOOD = ("Cache-Control", "public, max-age=31536000, immutable")
_HEADERS = (
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self)"),
)


class ConsolePage:
    """The part of the server that answers /console, its files, and `/`.

    `public_url`: as the settings have it; pictures have URLs that begin with it.
    """

    copies = 1

    def __init__(self, public_url: str | None = None, ours: Path = OURS, fetched: Path = FOLDER) -> None:
        known = libraries.libraries()
        used = [known[package] for package, _ in _LIBRARIES.values()]
        self._answers: dict[str, Response] = dict.fromkeys(("/", f"{PATH}/"), _LED_TO_IT)
        if not all(one.is_complete(fetched) for one in used):
            said = f"The console's libraries are not here: `{COMMAND}` fetches them.\n"
            self._answers[PATH] = Response(404, (("Content-Type", "text/plain; charset=utf-8"),), said.encode())
            return
        files = {name: known[package].path(file, fetched) for name, (package, file) in _LIBRARIES.items()}
        own = (path for path in ours.rglob("*") if path.suffix in {*_KINDS, *_PICTURES})
        files |= {f"./console/{path.relative_to(ours).as_posix()}": path for path in sorted(own)}
        urls = {name: _url(name, path) for name, path in files.items()}
        self._answers |= {url.removeprefix("."): _file(files[name]) for name, url in urls.items()}
        self._answers[PATH] = _page((ours / "index.html").read_text(encoding="utf-8"), urls, public_url)

    def takes(self, path: str) -> bool:
        return path in ("/", PATH) or path.startswith(f"{PATH}/")

    def admit(self, head: Request) -> int:
        """Allow no body. Raises Refused for what is no file of the console."""
        if head.path not in self._answers:
            raise Refused(unknown.answer(head.path))
        if head.method not in ("GET", "HEAD"):
            refusal = message(405, "Send this with GET or HEAD.")
            raise Refused(Response(405, (*refusal.headers, ("Allow", "GET, HEAD")), refusal.body))
        return 0

    def answer(self, request: Request) -> Response:
        found = self._answers[request.path]
        tag = dict(found.headers).get("ETag")
        if tag is not None and request.headers.get("if-none-match") == tag:
            return Response(304, found.headers)
        return compressed(found, request.headers.get("accept-encoding", ""))

    def busy(self, _head: Request) -> Response:
        return message(503, "The service is busy: try again in a moment.")

    def too_long(self, _head: Request) -> Response:
        return message(413, "This takes no body.")


def _url(name: str, path: Path) -> str:
    """Return the URL of a file, relative to the page: with its digest before its suffix."""
    stem = name.removeprefix("./console/").removesuffix(path.suffix)
    return f"./console/{stem}.{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}{path.suffix}"


def _file(path: Path) -> Response:
    kind = _PICTURES.get(path.suffix) or f"{_KINDS[path.suffix]}; charset=utf-8"
    return Response(200, (("Content-Type", kind), _FOR_GOOD, *_HEADERS), path.read_bytes())


def _page(template: str, urls: dict[str, str], public_url: str | None) -> Response:
    """Fill the page in: the import map, whose hash the policy names, and what is loaded ahead."""
    import_map = json.dumps({"imports": urls})
    ahead = [url for name, url in urls.items() if url.endswith("js") and not name.startswith(_LATER)]
    links = "\n".join(f'<link rel="modulepreload" href="{url}">' for url in ahead)
    body = (
        Template(template)
        .substitute(
            import_map=import_map,
            ahead=links,
            main=urls["./console/main.js"],
            style=urls["./console/style.css"],
            icon=urls["./console/icon.svg"],
        )
        .encode()
    )
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-cache"),
        ("ETag", f'"{hashlib.sha256(body).hexdigest()[:16]}"'),
        ("Content-Security-Policy", _policy(digest, public_url)),
        *_HEADERS,
    )
    return Response(200, headers, body)


def _policy(digest: str, public_url: str | None) -> str:
    pictures = " ".join(("'self'", "blob:", *([public_url] if public_url else [])))
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src {pictures}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
