"""Answers to errors in DeepStack's words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chalice.app import Response

from chalicelib.api.http import Failure, Refused, again_after, json_response, nearest, sentence
from chalicelib.core import errors

NO_FACE = "no face detected"
NO_IMAGE = "No valid image file found"


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
    if isinstance(error, Failure):
        return error
    if not isinstance(error, errors.RegularsError) or (status := nearest(_STATUSES, type(error))) == 500:
        return Failure("something went wrong: try again", 500)
    if isinstance(error, errors.Unusable):
        return Failure(NO_FACE if error.breaks == "no face" else f"invalid image: {sentence(error)}")
    return Failure(sentence(error), status, getattr(error, "again_in_s", 1))


def response(failure: Failure) -> Response:
    body = {"success": False, "error": failure.text, "code": failure.status}
    return json_response(body, failure.status, again_after(failure))


def refusal(refused: Refused) -> Response:
    """Make the response of a request that is refused before a view sees it."""
    made = response(Failure(refused.message, refused.status))
    made.headers |= refused.headers
    return made


UNKNOWN = Refused(404, "There is no such path here: docs/deepstack.md names those that are.")
TOO_LONG = Refused(413, "The body is larger than 20 MiB.")


def failed(error: Exception) -> tuple[int, Response]:
    told = failure_of(error)
    return told.status, response(told)
