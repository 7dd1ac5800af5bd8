"""Answers to errors in v1: problem details (RFC 9457) with the error's name as `code`, its own
sentence as `detail`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from chalice.app import Response
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib import telemetry
from chalicelib.api.http import (
    STATUSES,
    Failure,
    Refused,
    describe_error,
    find_nearest,
    make_json_response,
    make_retry_header,
)
from chalicelib.domain import errors

PROBLEM = "application/problem+json"
INTERNAL = "InternalError"
UNKNOWN = "There is no such path or method here: /v1/openapi.json has those of v1."
TOO_LONG = Refused(
    413,
    "the body is larger than this operation takes: 4 MiB, or 27 MiB if it has a picture; send a "
    "smaller one",
)

REFUSALS = (404, 405, 412, 413, 415)
"""Statuses of refusals before the dialect sees the request."""

_UNKNOWN_KEY = {"WWW-Authenticate": 'Bearer realm="regulars"'}


Code = Annotated[
    str,
    Meta(pattern="^[A-Z][A-Za-z0-9]+$", description="The error's name; callers may rely on it."),
]


class Problem(Struct, kw_only=True):
    """An error (RFC 9457). A request that fails changes nothing and may be sent again."""

    index: (
        Annotated[int, Meta(ge=0, description="Which of several things that were sent at once.")]
        | UnsetType
    ) = UNSET
    score: (
        Annotated[
            float,
            Meta(
                description="NotThisPerson, AnotherFace, FaceKnown: how much the picture looks "
                "like the face."
            ),
        ]
        | UnsetType
    ) = UNSET
    threshold: (
        Annotated[
            float,
            Meta(description="NotThisPerson, AnotherFace, FaceKnown: what the score has to reach."),
        ]
        | UnsetType
    ) = UNSET
    face: (
        Annotated[
            str,
            Meta(
                description="AnotherFace, FaceKnown: the id of the face that the picture looks "
                "like."
            ),
        ]
        | UnsetType
    ) = UNSET
    breaks: (
        Annotated[
            str,
            Meta(
                description="Unusable: the limit that the picture breaks, such as `no face`, "
                "`several faces`, `bytes`, `least side`, `largest side`, `format` or `picture`."
            ),
        ]
        | UnsetType
    ) = UNSET
    field: (
        Annotated[
            str,
            Meta(
                description="The member of what was sent that is wrong, or whose value is taken, "
                "such as `name` or `channel.url`."
            ),
        ]
        | UnsetType
    ) = UNSET
    into: (
        Annotated[str, Meta(description="FaceMerged: the id of the face into which it was merged.")]
        | UnsetType
    ) = UNSET
    present: (
        Annotated[dict[str, Any], Meta(description="Changed: the face or the group as it is now.")]
        | UnsetType
    ) = UNSET
    other_score: (
        Annotated[float, Meta(description="AnotherFace: how much it looks like that one.")]
        | UnsetType
    ) = UNSET
    id: Annotated[str, Meta(description="SecretNotKept: of what was made.")] | UnsetType = UNSET
    acts: (
        Annotated[
            list[str],
            Meta(description="InTheWay: ids of the later acts, to take back first."),
        ]
        | UnsetType
    ) = UNSET
    type: Annotated[
        str,
        Meta(description="`urn:regulars:` and the code.", examples=["urn:regulars:CameraNotFound"]),
    ]
    title: Annotated[str, Meta(description="The code in words.")]
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="What was wrong, and what would be right.")]
    code: Code
    request_id: (
        Annotated[str, Meta(description="By which the log knows the request.")] | UnsetType
    ) = UNSET


def answer_error(error: Exception) -> tuple[str, Response]:
    """Make the answer to an error, and return the error's code with it.

    A fault of ours is answered without details.

    `index` in the answer says which of several items that were sent at once is wrong.
    """
    if isinstance(error, Failure):
        return name_code(error.status), answer_refusal(error)
    if not isinstance(error, errors.RegularsError):
        return INTERNAL, _make_answer(500, INTERNAL, describe_error(error), {})
    code = type(error).__name__
    status = find_nearest(STATUSES, type(error))
    about = {} if error.index is None else {"index": error.index}
    headers = {
        **make_retry_header(error, status),
        **(_UNKNOWN_KEY if status == 401 else {}),
        **getattr(error, "headers", {}),
    }
    return code, _make_answer(
        status, code, describe_error(error), headers, {**about, **error.details}
    )


def answer_refusal(refused: Failure) -> Response:
    return _make_answer(refused.status, name_code(refused.status), refused.text, refused.headers)


def name_code(status: int) -> str:
    """Return the code of a refusal with this status."""
    return "BodyTooLarge" if status == 413 else HTTPStatus(status).phrase.title().replace(" ", "")


def make_problem(
    status: int, code: str, sentence: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make the body of an error, with the id that the log has of the request."""
    invocation = telemetry.current()
    return {
        "type": f"urn:regulars:{code}",
        "title": re.sub(r"(?<!^)(?=[A-Z])", " ", code).capitalize(),
        "status": status,
        "detail": sentence,
        **({"request_id": invocation.request_id} if invocation and invocation.request_id else {}),
        "code": code,
        **(details or {}),
    }


def _make_answer(
    status: int,
    code: str,
    sentence: str,
    headers: Mapping[str, str],
    details: Mapping[str, Any] | None = None,
) -> Response:
    return make_json_response(
        make_problem(status, code, sentence, details), status, {"Content-Type": PROBLEM, **headers}
    )
