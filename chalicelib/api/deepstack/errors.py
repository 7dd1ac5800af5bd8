"""Answers to errors in DeepStack's words."""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import Response

from chalicelib.api import http
from chalicelib.api.http import STATUSES, Refused, again_after, json_response, nearest, sentence
from chalicelib.core import errors

NO_FACE = "no face detected"
NO_IMAGE = "No valid image file found"
_STATUSES = {**STATUSES, errors.LimitReached: 400}


class Failure(http.Failure):
    """A failure, which has no other code than its status."""

    def __init__(self, text: str, status: int = 400, headers: Mapping[str, str] = http.NOTHING) -> None:
        super().__init__(status, text, status, headers)


def failure_of(error: Exception) -> http.Failure:
    """Translate an error."""
    if isinstance(error, http.Failure):
        return error
    if isinstance(error, errors.Unusable):
        return Failure(NO_FACE if error.breaks == "no face" else f"invalid image: {sentence(error)}")
    status = nearest(_STATUSES, type(error))
    return Failure(sentence(error), status, again_after(error, status))


def response(failure: http.Failure) -> Response:
    body = {"success": False, "error": failure.text, "code": failure.status}
    return json_response(body, failure.status, failure.headers)


UNKNOWN = "There is no such path here: docs/deepstack.md names those that are."
TOO_LONG = Refused(413, "The body is larger than 20 MiB.")


def failed(error: Exception) -> tuple[int, Response]:
    told = failure_of(error)
    return told.status, response(told)
