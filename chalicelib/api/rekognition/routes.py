"""The dialect's only route, `POST /`. Its modules are loaded at its first request, as those of v1 are."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.http import HttpRequest, Provide

METHOD, PATH = "POST", "/"


def answer(provide: Provide, request: HttpRequest) -> Response:
    """Answer `POST /`. Raises WrongModel once."""
    from chalicelib.api.rekognition import collections, operation, pictures

    return operation.answer(provide, request, {**vars(collections), **vars(pictures)})
