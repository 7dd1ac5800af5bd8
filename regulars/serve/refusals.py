"""The front's own answers, in each dialect's words, made without the application.

A path that nobody declared, a body that is too long, a server that is full.
"""

from __future__ import annotations

from chalicelib.api.compreface import errors as compreface
from chalicelib.api.compreface.routes import PREFIXES as COMPREFACE
from chalicelib.api.deepstack import errors as deepstack
from chalicelib.api.deepstack.routes import PREFIX as DEEPSTACK
from chalicelib.api.http import Refused
from chalicelib.api.icredit import errors as icredit_errors
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.routes import OPERATIONS
from chalicelib.api.icredit.routes import PREFIX as ICREDIT
from chalicelib.api.rekognition import errors as rekognition
from chalicelib.api.rekognition.routes import PATH as REKOGNITION
from chalicelib.api.sunmi import errors as sunmi_errors
from chalicelib.api.sunmi.routes import ALIASES, ENDPOINTS
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.api.v1 import errors as v1_errors
from chalicelib.core.errors import Busy, NotFound
from regulars.serve.messages import Response, message, of_app, of_json

_TOO_LONG = "the body is larger than this operation takes: 4 MiB, or 27 MiB if it has a picture; send a smaller one"

_NO_SUCH_CALL = "There is no such call here: by POST, there are {}."
_SUNMI_CALLS = [endpoint.name for endpoint in ENDPOINTS]
_ICREDIT_CALLS = [operation.name for operation in OPERATIONS]


def unknown(path: str) -> Response:
    """Answer what has no route, in v1's words unless it has another dialect's prefix."""
    if path.startswith(SUNMI):
        return of_json(404, {"code": sunmi_errors.MALFORMED, "msg": _NO_SUCH_CALL.format(", ".join(_SUNMI_CALLS))})
    if path.startswith(ICREDIT):
        sentence = _NO_SUCH_CALL.format(", ".join(_ICREDIT_CALLS))
        return of_json(404, wire.failure(icredit_errors.CODES[NotFound], sentence, ()))
    if path.startswith(COMPREFACE):
        return of_app(compreface.refusal(compreface.UNKNOWN))
    if path.startswith(DEEPSTACK):
        return of_app(deepstack.refusal(deepstack.UNKNOWN))
    return of_app(v1_errors.refusal(Refused(404, v1_errors.NO_SUCH_PATH)))


def too_long(path: str) -> Response:
    """Refuse a body before it is read. The other dialects' callers know the gateway's own sentence."""
    if path.startswith(DEEPSTACK):
        return of_app(deepstack.refusal(Refused(413, "The body is larger than 20 MiB.")))
    if path.startswith("/v1/"):
        return of_app(v1_errors.refusal(Refused(413, _TOO_LONG)))
    if path.startswith(COMPREFACE):
        return of_app(compreface.refusal(Refused(413, "The body is larger than 10 MiB, or a file than 5 MiB.")))
    if path == REKOGNITION:
        return of_app(rekognition.refusal(rekognition.too_long(rekognition.ONE_BOX_BODY_BYTES)))
    return message(413, "Request Too Long")


_ERROR = Busy("the service has no room for this request now: send it again in a second")
_RETRY = ("Retry-After", "1")
_FAILED_LISTS = {operation.name: operation.failed_lists for operation in OPERATIONS}


def busy(path: str) -> Response:
    """Answer a request to `path`, a route of the application: 220, BUSY, ThrottlingException, 503, or 429."""
    name, sentence = path.rstrip("/").rpartition("/")[2], str(_ERROR)
    if path.startswith(SUNMI):
        body = {"code": sunmi_errors.code_of(_ERROR, ALIASES.get(name, name)), "msg": sentence}
        return of_json(200, body, _RETRY)
    if path.startswith(ICREDIT):
        return of_json(200, wire.failure(icredit_errors.code_of(_ERROR), sentence, _FAILED_LISTS[name]), _RETRY)
    if path == REKOGNITION:
        return of_app(rekognition.refusal(rekognition.failure_of(_ERROR), dict([_RETRY])))
    if path.startswith(COMPREFACE):
        return of_app(compreface.response(compreface.failure_of(_ERROR)))
    if path.startswith(DEEPSTACK):
        return of_app(deepstack.response(deepstack.failure_of(_ERROR)))
    return of_app(v1_errors.failure(_ERROR))
