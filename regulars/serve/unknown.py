"""The answers to a path that nobody declared and to a body that is too long, in the words of the path's dialect."""

from __future__ import annotations

from chalicelib.api.http import Refused
from chalicelib.api.icredit import errors as icredit_errors
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.routes import OPERATIONS
from chalicelib.api.icredit.routes import PREFIX as ICREDIT
from chalicelib.api.rekognition import errors as rekognition
from chalicelib.api.rekognition.routes import PATH as REKOGNITION
from chalicelib.api.sunmi import errors as sunmi_errors
from chalicelib.api.sunmi.routes import ENDPOINTS
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.api.v1 import errors as v1_errors
from chalicelib.core.errors import NotFound
from regulars.serve.messages import Response, message, of_app, of_json

_TOO_LONG = "the body is larger than this operation takes: 4 MiB, or 27 MiB if it has a picture; send a smaller one"

_NO_SUCH_CALL = "There is no such call here: by POST, there are {}."
_SUNMI_CALLS = [endpoint.name for endpoint in ENDPOINTS]
_ICREDIT_CALLS = [operation.name for operation in OPERATIONS]


def answer(path: str) -> Response:
    """Answer what has no route, in v1's words unless it has another dialect's prefix."""
    if path.startswith(SUNMI):
        return of_json(404, {"code": sunmi_errors.MALFORMED, "msg": _NO_SUCH_CALL.format(", ".join(_SUNMI_CALLS))})
    if path.startswith(ICREDIT):
        sentence = _NO_SUCH_CALL.format(", ".join(_ICREDIT_CALLS))
        return of_json(404, wire.failure(icredit_errors.CODES[NotFound], sentence, ()))
    return of_app(v1_errors.refusal(Refused(404, v1_errors.NO_SUCH_PATH)))


def too_long(path: str) -> Response:
    """Refuse a body before it is read. The other dialects' callers know the gateway's own sentence."""
    if path.startswith("/v1/"):
        return of_app(v1_errors.refusal(Refused(413, _TOO_LONG)))
    if path == REKOGNITION:
        return of_app(rekognition.refusal(rekognition.too_long(rekognition.ONE_BOX_BODY_BYTES)))
    return message(413, "Request Too Long")
