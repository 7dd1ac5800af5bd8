"""Answers to errors in CompreFace's words: the table of the core's tree, and failures that only this dialect has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chalice.app import Response

from chalicelib.api import http
from chalicelib.api.http import Failure, Refused, Told, json_response, sentence
from chalicelib.core import errors

ONE_BOX_BODY_BYTES = 10 * 1024 * 1024

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


_UNAVAILABLE = Told(41, 503, "Error during synchronization between servers: {}")

TABLE: Mapping[type[errors.RegularsError], Told] = {
    errors.RegularsError: Told(0, 500, "Something went wrong, please try again"),
    errors.InvalidInput: Told(26),
    errors.NotFound: Told(42, 404),
    errors.PictureNotFound: Told(44, 404),
    errors.Conflict: Told(43),
    errors.UserExists: Told(43, text="Subject already exists"),
    errors.LimitReached: Told(0),
    errors.TooManyRequests: Told(0, 429),
    errors.Unauthorized: Told(10, 404),
    errors.Busy: _UNAVAILABLE,
    errors.StorageUnavailable: _UNAVAILABLE,
}


def _unusable(error: errors.Unusable) -> Failure:
    if error.breaks in ("bytes", "largest side"):
        return Failure(0, sentence(error), 413)
    if error.breaks == "several faces":
        return Failure(31, SEVERAL_FACES)
    return Failure(28, NO_FACE if error.breaks == "no face" else f"{NO_FACE}: {sentence(error)}")


def response(failure: Failure) -> Response:
    body = {"message": failure.text, "code": failure.code}
    return json_response(body, failure.status, {**CORS, **failure.headers})


UNKNOWN = "There is no such path here: docs/compreface.md names those that are."
TOO_LONG = Refused(413, "The body is larger than 10 MiB, or a file than 5 MiB.")


def failed(error: Exception) -> tuple[int | str, Response]:
    told = _unusable(error) if isinstance(error, errors.Unusable) else http.failure_of(TABLE, error)
    return told.code, response(told)
