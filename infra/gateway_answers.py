"""Answers of the gateway itself, before or in place of a function, in a shape that callers of each dialect read.

A gateway's answer knows no path, so one body has the fields of all: v1's problem details, the camera's `code` and
`msg`, iCREDIT's PERSON_TOKEN_STATUS, ERROR_CODE and ERROR_MSG, and the `message` that the gateway itself would send.
`code` is the camera's number, except on a path that nobody declared, which no camera calls: there it is v1's word.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.api.http import JSON
from chalicelib.api.icredit.operation import CODES as ICREDIT
from chalicelib.api.icredit.operation import INTERNAL as ICREDIT_INTERNAL
from chalicelib.api.sunmi import endpoint as sunmi
from chalicelib.api.v1 import errors as v1
from chalicelib.core.errors import Busy, InvalidInput, NotFound, StorageUnavailable, Unauthorized

_NO_SUCH_ENDPOINT = (404, None, ICREDIT[NotFound], v1.UNKNOWN)
_ANSWERS = {
    "MISSING_AUTHENTICATION_TOKEN": _NO_SUCH_ENDPOINT,
    # On a path that it does not know, the gateway takes any Authorization for a signature of AWS's. No path wants one.
    "INVALID_SIGNATURE": _NO_SUCH_ENDPOINT,
    "REQUEST_TOO_LARGE": (
        413,
        sunmi.MALFORMED,
        ICREDIT[InvalidInput],
        "The request is too large: up to 4 MiB pass here, of which base64 takes a quarter. Send a smaller picture, or "
        "upload it as a capture (POST /v1/captures/uploads), which may have 20 MiB",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (415, sunmi.MALFORMED, ICREDIT[InvalidInput], "The content type is not understood"),
    "THROTTLED": (429, sunmi.BUSY, ICREDIT[Busy], "Too many requests: send it again in a moment"),
    "QUOTA_EXCEEDED": (429, sunmi.BUSY, ICREDIT[Busy], "Too many requests: send it again later"),
    "INTEGRATION_FAILURE": (502, sunmi.BUSY, ICREDIT[Busy], "The service is busy: send it again in a moment"),
    "INTEGRATION_TIMEOUT": (504, sunmi.BUSY, ICREDIT[Busy], "The service took too long: send it again in a moment"),
    "API_CONFIGURATION_ERROR": (500, sunmi.INTERNAL, ICREDIT_INTERNAL, "The service is not set up as it should be"),
    "ACCESS_DENIED": (403, sunmi.WRONG_CREDENTIALS, ICREDIT[Unauthorized], "This is not allowed"),
    "DEFAULT_4XX": (None, sunmi.MALFORMED, ICREDIT[InvalidInput], None),
    "DEFAULT_5XX": (None, sunmi.STORAGE_UNAVAILABLE, ICREDIT[StorageUnavailable], None),
}
"""By the gateway's name of the failure: HTTP status (None: the gateway's own), the camera's code (None: v1's stands in
its place), iCREDIT's, the sentence."""


def gateway_answers() -> dict[str, Any]:
    """For the API's definition, as `x-amazon-apigateway-gateway-responses` has it."""
    answers = {name: _answer(*answer) for name, answer in _ANSWERS.items()}
    definition = {"x-amazon-apigateway-gateway-responses": answers}
    return {"Resources": {"RestAPI": {"Properties": {"DefinitionBody": definition}}}}


def _answer(status: int | None, code: int | None, error_code: str, sentence: str | None) -> dict[str, Any]:
    message = json.dumps(sentence) if sentence else "$context.error.messageString"  # which comes with its quotes
    name = v1.code_of(status) if status else "Refused"
    problem = v1.problem(status or 0, name, "")
    fields = {
        "type": json.dumps(problem["type"]),
        "title": json.dumps(problem["title"]),
        **({"status": str(status)} if status else {}),
        "detail": message,
        "code": json.dumps(name if code is None else code),
        "msg": message,
        "PERSON_TOKEN_STATUS": '"1"',
        "ERROR_CODE": json.dumps(error_code),
        "ERROR_MSG": message,
        "message": message,
    }
    body = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    return {
        **({"statusCode": str(status)} if status else {}),
        "responseParameters": {
            "gatewayresponse.header.Content-Type": f"'{JSON if code is not None else v1.PROBLEM}; charset=utf-8'",
            **({"gatewayresponse.header.Retry-After": "'1'"} if status == 429 else {}),
        },
        "responseTemplates": {"application/json": body},
    }
