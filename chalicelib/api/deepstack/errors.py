"""Answers to errors in DeepStack's words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chalice.app import Response

from chalicelib.api.http import Refused, json_response, nearest, sentence
from chalicelib.core import errors

NO_FACE = "no face detected"
NO_IMAGE = "No valid image file found"


class Failure(Exception):
    """A failure by its text and HTTP status in the dialect."""

    def __init__(self, text: str, status: int = 400, again_in_s: int = 1) -> None:
        super().__init__(text)
        self.text, self.status, self.again_in_s = text, status, again_in_s


_STATUSES: Mapping[type[errors.RegularsError], int] = MappingProxyType(
    {
        errors.RegularsError: 500,
        errors.InvalidInput: 400,
        errors.NotFound: 404,
        errors.Conflict: 409,
        errors.LimitReached: 400,
        errors.TooManyRequests: 429,
        errors.Unauthorized: 401,
        errors.Unusable: 400,
        errors.Busy: 429,
        errors.StorageUnavailable: 503,
    }
)


def failure_of(error: Exception) -> Failure:
    """Translate an error. What is no error of the core is a fault of ours, which is told without its inside."""
    if not isinstance(error, errors.RegularsError) or (status := nearest(_STATUSES, type(error))) == 500:
        return Failure("something went wrong: try again", 500)
    if isinstance(error, errors.Unusable):
        return Failure(NO_FACE if error.breaks == "no face" else f"invalid image: {sentence(error)}")
    return Failure(sentence(error), status, getattr(error, "again_in_s", 1))


def response(failure: Failure) -> Response:
    again = {"Retry-After": str(failure.again_in_s)} if failure.status in (429, 503) else {}
    return json_response({"success": False, "error": failure.text, "code": failure.status}, failure.status, again)


def refusal(refused: Refused) -> Response:
    """Make the response of a request that is refused before a view sees it."""
    made = response(Failure(refused.message, refused.status))
    made.headers |= refused.headers
    return made


UNKNOWN = Refused(404, "There is no such path here: docs/deepstack.md names those that are.")
