"""Answers to errors in v1: a status, the error's name as `code`, its own sentence as `message`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.api.errors import nearest, sentence
from chalicelib.api.http import Refused, json_response
from chalicelib.core import errors

INTERNAL = "InternalError"

STATUSES: Mapping[type[errors.RegularsError], int] = {
    errors.RegularsError: 500,
    errors.InvalidInput: 400,
    errors.Unauthorized: 401,
    errors.TenantDisabled: 403,
    errors.CameraDisabled: 403,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LimitReached: 409,
    errors.DailyLimitReached: 429,
    errors.Unusable: 422,
    errors.Busy: 503,
    errors.StorageUnavailable: 503,
}

_REFUSALS = {405: "MethodNotAllowed", 413: "BodyTooLarge", 415: "UnsupportedMediaType"}
"""Codes of refusals before the dialect sees the request."""

_HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="regulars"'}, 503: {"Retry-After": "1"}}


def failure(error: errors.RegularsError) -> Response:
    """Answer an error of a use case, with its details.

    `index` in the answer tells which of several items sent at once it concerns.
    """
    status = nearest(STATUSES, type(error))
    about = {} if error.index is None else {"index": error.index}
    headers = _HEADERS.get(status, {})
    if isinstance(error, errors.DailyLimitReached):
        headers = {"Retry-After": str(error.again_in_s)}
    return _answer(status, type(error).__name__, sentence(error), headers, **about, **error.details)


def internal() -> Response:
    """Answer a fault of ours; the log has the details."""
    return _answer(500, INTERNAL, "an internal error, which was logged: try again later", {})


def refusal(refused: Refused) -> Response:
    code = _REFUSALS.get(refused.status) or HTTPStatus(refused.status).phrase.title().replace(" ", "")
    return _answer(refused.status, code, refused.message, refused.headers)


def _answer(status: int, code: str, message: str, headers: Mapping[str, str], **about: Any) -> Response:
    return json_response({"error": {"code": code, "message": message, **about}}, status, headers)
