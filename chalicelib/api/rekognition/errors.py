"""Answers to errors in Rekognition's words: the table of the core's tree, and failures that only this dialect has."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from chalice.app import Response

from chalicelib.api.http import Dialect, Failure, Told, failure_of
from chalicelib.core import errors

CONTENT_TYPE = "application/x-amz-json-1.1"

ONE_BOX_BODY_BYTES = 14 * 1024 * 1024
"""Two pictures of the largest size, in base64. Lambda takes the MAX_BODY_BYTES of all dialects."""

BAD_REQUEST = "Request has invalid parameters"

_INVALID = Told("InvalidParameterException", text=BAD_REQUEST + ": {}")
_LIMIT = Told("ServiceQuotaExceededException")
_DENIED = Told("AccessDeniedException")
_THROTTLED = Told("ThrottlingException")
_NO_COLLECTION = Told("ResourceNotFoundException", text="The collection id: {CollectionId} does not exist")

TABLE: Mapping[type[errors.RegularsError], Told] = {
    errors.RegularsError: Told("InternalServerError", 500, "Internal server error"),
    errors.InvalidInput: _INVALID,
    errors.DefaultGroup: _DENIED,
    errors.IllegalCapacity: _LIMIT,
    errors.NotFound: Told("ResourceNotFoundException"),
    errors.GroupNotFound: _NO_COLLECTION,
    errors.TenantNotFound: _NO_COLLECTION,
    errors.UserNotFound: Told("ResourceNotFoundException", text="The user id: {UserId} does not exist"),
    errors.FaceNotFound: Told("InvalidParameterException", text="faceId was not found in the collection."),
    errors.Conflict: Told("ConflictException"),
    errors.GroupExists: Told("ResourceAlreadyExistsException", text="The collection id: {CollectionId} already exists"),
    errors.UserExists: Told("ConflictException", text="The user id: {UserId} already exists"),
    errors.FaceHeld: _DENIED,
    errors.RequestReused: Told("IdempotentParameterMismatchException"),
    errors.ConditionFailed: _THROTTLED,
    errors.LimitReached: _LIMIT,
    errors.TooManyRequests: _THROTTLED,
    errors.Unauthorized: _DENIED,
    errors.Unusable: Told("InvalidImageFormatException", text="Request has invalid image format"),
    errors.Busy: _THROTTLED,
    errors.StorageUnavailable: Told("ThrottlingException", 500, "Service Unavailable"),
}


def too_long(most_bytes: int) -> Failure:
    text = f"Image size is too large: a request has up to {most_bytes} bytes here"
    return Failure("ImageTooLargeException", text)


def _refusal(failure: Failure) -> Response:
    """Make the response of a failure before the application saw the request."""
    id_ = str(uuid.uuid4())
    return response(failure, id_, {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": id_})


def response(failure: Failure, request_id: str, headers: Mapping[str, str]) -> Response:
    """Make the HTTP response of a failure. `headers`: those of every answer."""
    body = {"__type": failure.code, "Code": failure.code, "Message": failure.text, "Logref": request_id}
    return Response(json.dumps(body), {**headers, "x-amzn-ErrorType": str(failure.code)}, failure.status)


DIALECT = Dialect(
    ("/",),
    lambda error, _: _refusal(failure_of(TABLE, error)),
    "Operations are called by POST.",
    too_long(ONE_BOX_BODY_BYTES),
    {("POST", "/"): ONE_BOX_BODY_BYTES},
)
