"""The page /docs on one box: the document of v1, to be read and tried in a browser."""

from __future__ import annotations

from pathlib import Path

from chalicelib.core import telemetry
from regulars import libraries
from regulars.libraries import COMMAND, FOLDER
from regulars.serve import refusals
from regulars.serve.messages import Refused, Request, Response, WithoutBodies, compressed, message

_LIBRARY = "swagger-ui-dist"
_OURS = Path(__file__).with_name("documentation")
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


class DocumentPage(WithoutBodies):
    """The part of the server that answers /docs and the files of the page."""

    prefix = "/docs"

    def __init__(self, folder: Path = FOLDER) -> None:
        library = libraries.libraries()[_LIBRARY]
        files = {name: library.path(name, folder) for name in ("swagger-ui.css", "swagger-ui-bundle.js")}
        self._is_complete = library.is_complete(folder)
        self._files = {"": _OURS / "index.html", "start.js": _OURS / "start.js", **files}

    def takes(self, path: str) -> bool:
        return path.startswith(self.prefix)

    def admit(self, head: Request) -> int:
        """Allow no body. Raises Refused for what is no file of the page."""
        if head.method not in ("GET", "HEAD"):
            refusal = message(405, "Send this with GET or HEAD.")
            raise Refused(Response(405, (*refusal.headers, ("Allow", "GET, HEAD")), refusal.body))
        if self._name(head) not in self._files:
            raise Refused(refusals.unknown(head.path))
        telemetry.of_route(head.method, self.prefix)
        return 0

    def answer(self, request: Request) -> Response:
        if not self._is_complete:
            said = f"The page's library is not here: `{COMMAND}` fetches it. The document itself is /v1/openapi.json.\n"
            return Response(404, (("Content-Type", "text/plain; charset=utf-8"),), said.encode())
        path = self._files[self._name(request)]
        kind = ("Content-Type", f"{_KINDS[path.suffix]}; charset=utf-8")
        page = Response(200, (kind, ("Cache-Control", "private, max-age=3600"), *_HEADERS), path.read_bytes())
        return compressed(page, request.headers.get("accept-encoding", ""))

    def _name(self, head: Request) -> str:
        return head.path.removeprefix(self.prefix).removeprefix("/")
