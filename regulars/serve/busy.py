"""The answers of a full server, in each dialect's own words, made without the application."""

from __future__ import annotations

from chalicelib.api.icredit import errors as icredit_errors
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.routes import OPERATIONS
from chalicelib.api.icredit.routes import PREFIX as ICREDIT
from chalicelib.api.rekognition import errors as rekognition
from chalicelib.api.rekognition.routes import PATH as REKOGNITION
from chalicelib.api.sunmi import errors as sunmi_errors
from chalicelib.api.sunmi.routes import ALIASES
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.api.v1 import errors as v1_errors
from chalicelib.core.errors import Busy
from regulars.serve.messages import Response, of_app, of_json

_ERROR = Busy("the service has no room for this request now: send it again in a second")
_RETRY = ("Retry-After", "1")
_FAILED_LISTS = {operation.name: operation.failed_lists for operation in OPERATIONS}


def answer(path: str) -> Response:
    """Answer a request to `path`, a route of the application: 220, BUSY, ThrottlingException, or 503."""
    name, sentence = path.rstrip("/").rpartition("/")[2], str(_ERROR)
    if path.startswith(SUNMI):
        body = {"code": sunmi_errors.code_of(_ERROR, ALIASES.get(name, name)), "msg": sentence}
        return of_json(200, body, _RETRY)
    if path.startswith(ICREDIT):
        return of_json(200, wire.failure(icredit_errors.code_of(_ERROR), sentence, _FAILED_LISTS[name]), _RETRY)
    if path == REKOGNITION:
        return of_app(rekognition.refusal(rekognition.failure_of(_ERROR), dict([_RETRY])))
    return of_app(v1_errors.failure(_ERROR))
