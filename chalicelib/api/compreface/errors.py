"""Answers to errors in CompreFace's words: the table of the core's tree, and failures that only this dialect has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chalice.app import Response

from chalicelib.api import http
from chalicelib.api.http import Refused, again_after, json_response, nearest, sentence
from chalicelib.core import errors

_MB = 1024 * 1024
ONE_BOX_BODY_BYTES, LARGEST_FILE_BYTES = 10 * _MB, 5 * _MB

NO_FACE = "No face is found in the given image"
SEVERAL_FACES = "More than one face in the source image"
NO_SUBJECT_NAME = "Subject name is empty; "

CORS: Mapping[str, str] = MappingProxyType(
    {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,"
        "Range,x-api-key",
    }
)
"""Of every answer: pages of other origins may ask."""


class Failure(http.Failure):
    """A failure by its code, text and HTTP status in the dialect, for what the core has no word for."""

    def __init__(self, code: int, text: str, status: int = 400, again_in_s: int = 1) -> None:
        super().__init__(text, status, again_in_s)
        self.code = code


@dataclass(frozen=True)
class Answered:
    """The answer to one of the core's errors. `text`: "" is the core's sentence."""

    code: int
    status: int = 400
    text: str = ""


_INTERNAL = Answered(0, 500, "Something went wrong, please try again")
_SYNCHRONISATION = "Error during synchronization between servers: "

TABLE: Mapping[type[errors.RegularsError], Answered] = {
    errors.RegularsError: _INTERNAL,
    errors.InvalidInput: Answered(26),
    errors.NotFound: Answered(42, 404),
    errors.PictureNotFound: Answered(44, 404),
    errors.Conflict: Answered(43),
    errors.UserExists: Answered(43, text="Subject already exists"),
    errors.LimitReached: Answered(0),
    errors.TooManyRequests: Answered(0, 429),
    errors.Unauthorized: Answered(10, 404),
    errors.Unusable: Answered(28),
    errors.Busy: Answered(41, 503),
    errors.StorageUnavailable: Answered(41, 503),
}


def failure_of(error: Exception) -> Failure:
    """Translate an error. What is no error of the core is a fault of ours, which is told without its inside."""
    if isinstance(error, Failure):
        return error
    if not isinstance(error, errors.RegularsError):
        return Failure(0, _INTERNAL.text, 500)
    if isinstance(error, errors.Unusable):
        return _unusable(error)
    answered = nearest(TABLE, type(error))
    text = f"{_SYNCHRONISATION if answered.code == 41 else ''}{answered.text or sentence(error)}"
    return Failure(answered.code, text, answered.status, getattr(error, "again_in_s", 1))


def _unusable(error: errors.Unusable) -> Failure:
    if error.breaks in ("bytes", "largest side"):
        return Failure(0, sentence(error), 413)
    if error.breaks == "several faces":
        return Failure(31, SEVERAL_FACES)
    return Failure(28, NO_FACE if error.breaks == "no face" else f"{NO_FACE}: {sentence(error)}")


def response(failure: Failure) -> Response:
    body = {"message": failure.text, "code": failure.code}
    return json_response(body, failure.status, {**CORS, **again_after(failure)})


def refusal(refused: Refused) -> Response:
    """Make the response of a request that is refused before a view sees it."""
    made = response(Failure(0, refused.message, refused.status))
    made.headers |= refused.headers
    return made


UNKNOWN = Refused(404, "There is no such path here: docs/compreface.md names those that are.")
TOO_LONG = Refused(413, "The body is larger than 10 MiB, or a file than 5 MiB.")


def failed(error: Exception) -> tuple[int, Response]:
    told = failure_of(error)
    return told.code, response(told)
