"""The routes of the console: `/`, which leads to it, the page, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api.http import Answer, Failure, HttpRequest, Provide, Refused, add_route
from chalicelib.lazy import lazy

if TYPE_CHECKING:
    from chalicelib.api.console_files import File

PATH = "/console"
FILES = (f"{PATH}/{{name}}", f"{PATH}/{{name}}/{{file}}")
"""`name`: a file in the console's folder, or a folder below it. API Gateway takes one variable at a
place of a path."""
PATHS = ("/", PATH, *FILES)

_NO_LIBRARIES = (
    "The console's libraries are not here: `python -m regulars.libraries` fetches them.\n"
)
_ANY_KEY = "a"


class Console:
    """Answers of the console, made at the first request: a cold start of another route pays nothing
    for them.

    Files need no services. On AWS a browser asks for all of them at once, so each may meet a cold
    start.
    """

    def __init__(self, provide: Provide) -> None:
        self._provide = provide
        self._libraries: Mapping[str, Path] | None = None

    def use(self, libraries: Mapping[str, Path]) -> None:
        """Set the libraries' paths, by the names that modules import.

        Before, they are the package's.
        """
        self._libraries = libraries

    @lazy
    def _texts(self) -> Mapping[str, str]:
        from chalicelib.api import console_files

        libraries = (
            console_files.list_packaged_libraries() if self._libraries is None else self._libraries
        )
        if not libraries:
            return {}
        return console_files.read_texts(
            console_files.list_paths(console_files.locate_folder(), libraries)
        )

    @lazy
    def _files(self) -> Mapping[str, File]:
        from chalicelib.api import console_files

        return console_files.make_files(self._texts)

    @lazy
    def _page(self) -> File:
        from chalicelib.api import console_files

        services = self._provide()
        pictures = [
            store.signed_get(_ANY_KEY)
            for store in (services.ports.storage.blobs, services.ports.storage.uploads)
        ]
        return console_files.make_page(console_files.locate_folder(), self._texts, pictures)

    def redirect_to_page(self, request: HttpRequest) -> Response:
        """Redirect to the page relative to the called path, so that it works behind a proxy that
        strips a path prefix (RFC 9110, 10.2.2).

        A gateway's stage may be called without a slash at its end: it is then named again.
        """
        segments_below = request.called_path.count("/") - request.prefix.count("/") - 1
        stage = request.prefix.rpartition("/")[2]
        url = "../" * segments_below + PATH[1:] if segments_below >= 0 else stage + PATH
        return Response("", {"Location": url, "Cache-Control": "no-cache"}, 302)

    def answer_page(self, request: HttpRequest) -> Response:
        """Answer the page, or lead there from `/console/`, below which its links would not be
        found."""
        if request.called_path.endswith("/"):
            return self.redirect_to_page(request)
        if not self._texts:
            return Response(_NO_LIBRARIES, {"Content-Type": "text/plain; charset=utf-8"}, 404)
        file = self._page
        if request.headers.get("if-none-match") == file.headers["ETag"]:
            return Response("", dict(file.headers), 304)
        return Response(file.text, dict(file.headers))

    def answer_file(self, request: HttpRequest) -> Response:
        """Return the response with a file of the console. Raises Refused if there is no such
        file."""
        parts = (request.parameters.get(part) for part in ("name", "file"))
        name = "/".join(filter(None, parts))
        if name not in self._files:
            raise Refused(404, "")
        file = self._files[name]
        return Response(file.body, dict(file.headers))


def make_blueprint(console: Console, post: Answer | None = None) -> Blueprint:
    """Register the routes. `post`: the answer to `POST /`, the only route of another dialect."""
    routes = Blueprint(__name__)
    answers = {
        "/": console.redirect_to_page,
        PATH: console.answer_page,
        **dict.fromkeys(FILES, console.answer_file),
    }
    for path, answer in answers.items():
        answers_of_path: dict[str, Answer] = {"GET": answer}
        if path == "/" and post is not None:
            answers_of_path["POST"] = post
        add_route(routes, path, partial(dict, answers_of_path), _answer_refusal)
    return routes


def _answer_refusal(refused: Failure) -> Response:
    from chalicelib.api.v1 import errors

    return errors.answer_refusal(Refused(404, errors.UNKNOWN) if refused.status == 404 else refused)
