"""Answers to errors in Rekognition's words: the table of the core's tree, and failures that only this dialect has."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chalice.app import Response

from chalicelib.api import http
from chalicelib.api.http import nearest, sentence
from chalicelib.core import errors

CONTENT_TYPE = "application/x-amz-json-1.1"

ONE_BOX_BODY_BYTES = 14 * 1024 * 1024
"""Two pictures of the largest size, in base64. Lambda takes the MAX_BODY_BYTES of all dialects."""

INTERNAL = "InternalServerError"
BAD_REQUEST = "Request has invalid parameters"


class Failure(http.Failure):
    """A failure by its name and text in the dialect, for what the core has no word for."""

    def __init__(self, name: str, text: str, status: int = 400) -> None:
        super().__init__(text, status)
        self.name = name


@dataclass(frozen=True)
class Answered:
    """The answer to one of the core's errors. `text`: `{}` is the core's sentence, `{UserId}` what was sent."""

    name: str
    text: str = "{}"
    status: int = 400


_PLACE = re.compile(r"\{\w*\}")

_INVALID = Answered("InvalidParameterException", BAD_REQUEST + ": {}")
_LIMIT = Answered("ServiceQuotaExceededException")
_DENIED = Answered("AccessDeniedException")
_THROTTLED = Answered("ThrottlingException")
_NO_COLLECTION = Answered("ResourceNotFoundException", "The collection id: {CollectionId} does not exist")
_INTERNAL = Answered(INTERNAL, "Internal server error", 500)

TABLE: Mapping[type[errors.RegularsError], Answered] = {
    errors.RegularsError: _INTERNAL,
    errors.InvalidInput: _INVALID,
    errors.DefaultGroup: _DENIED,
    errors.IllegalCapacity: _LIMIT,
    errors.NotFound: Answered("ResourceNotFoundException"),
    errors.GroupNotFound: _NO_COLLECTION,
    errors.TenantNotFound: _NO_COLLECTION,
    errors.UserNotFound: Answered("ResourceNotFoundException", "The user id: {UserId} does not exist"),
    errors.FaceNotFound: Answered("InvalidParameterException", "faceId was not found in the collection."),
    errors.Conflict: Answered("ConflictException"),
    errors.GroupExists: Answered("ResourceAlreadyExistsException", "The collection id: {CollectionId} already exists"),
    errors.UserExists: Answered("ConflictException", "The user id: {UserId} already exists"),
    errors.FaceHeld: _DENIED,
    errors.RequestReused: Answered("IdempotentParameterMismatchException"),
    errors.ConditionFailed: _THROTTLED,
    errors.LimitReached: _LIMIT,
    errors.TooManyRequests: _THROTTLED,
    errors.Unauthorized: _DENIED,
    errors.Unusable: Answered("InvalidImageFormatException", "Request has invalid image format"),
    errors.Busy: _THROTTLED,
    errors.StorageUnavailable: Answered("ThrottlingException", "Service Unavailable", 500),
}


def failure_of(error: Exception, sent: Mapping[str, str] = MappingProxyType({})) -> Failure:
    """Translate an error. `sent`: the members that texts name.

    What is no error of the core is a fault of ours, which is told without its inside.
    """
    if isinstance(error, Failure):
        return error
    if not isinstance(error, errors.RegularsError):
        return Failure(INTERNAL, _INTERNAL.text, 500)
    answered = nearest(TABLE, type(error))
    words = {"{}": sentence(error), **{f"{{{name}}}": value for name, value in sent.items()}}
    text = _PLACE.sub(lambda place: words.get(place[0], ""), answered.text)
    return Failure(answered.name, text, answered.status)


def too_long(most_bytes: int) -> Failure:
    text = f"Image size is too large: a request has up to {most_bytes} bytes here"
    return Failure("ImageTooLargeException", text)


def refusal(failure: Failure, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """Make the response of a failure before the application saw the request."""
    id_ = str(uuid.uuid4())
    return response(failure, id_, {"Content-Type": CONTENT_TYPE, **headers, "x-amzn-RequestId": id_})


def response(failure: Failure, request_id: str, headers: Mapping[str, str]) -> Response:
    """Make the HTTP response of a failure. `headers`: those of every answer."""
    body = {"__type": failure.name, "Code": failure.name, "Message": failure.text, "Logref": request_id}
    return Response(json.dumps(body), {**headers, "x-amzn-ErrorType": failure.name}, failure.status)
