"""The front's own answers, in each dialect's words, made without the application.

A path that nobody declared, a body that is too long, a server that is full.
"""

from __future__ import annotations

from typing import Any

from chalicelib.api.compreface import errors as compreface
from chalicelib.api.compreface.routes import PREFIXES as COMPREFACE
from chalicelib.api.deepstack import errors as deepstack
from chalicelib.api.deepstack.routes import PREFIX as DEEPSTACK
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.rekognition import errors as rekognition
from chalicelib.api.rekognition.routes import PATH as REKOGNITION
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.v1 import errors as v1
from chalicelib.core.errors import Busy
from regulars.serve.messages import Response, message, of_app

_DIALECTS = {**dict.fromkeys(COMPREFACE, compreface), DEEPSTACK: deepstack, "": v1}
_BY_NAME = {sunmi.PREFIX: sunmi, icredit.PREFIX: icredit}
"""Those whose answers depend on the operation's name. Of long bodies their callers know the gateway's own sentence."""

_BUSY = Busy("the service has no room for this request now: send it again in a second")


def unknown(path: str) -> Response:
    """Answer what has no route, in v1's words unless it has another dialect's prefix."""
    if by_name := _by_name(path):
        return of_app(by_name.unknown())
    return of_app(_dialect(path).refusal(_dialect(path).UNKNOWN))


def too_long(path: str) -> Response:
    """Refuse a body before it is read."""
    if path == REKOGNITION:
        return of_app(rekognition.refusal(rekognition.too_long(rekognition.ONE_BOX_BODY_BYTES)))
    if path.startswith(("/v1/", *COMPREFACE)):
        return of_app(_dialect(path).refusal(_dialect(path).TOO_LONG))
    return message(413, "Request Too Long")


def busy(path: str) -> Response:
    """Answer a request to `path`, a route of the application: 220, BUSY, ThrottlingException, 503, or 429."""
    if path == REKOGNITION:
        made = rekognition.refusal(rekognition.failure_of(_BUSY))
    elif by_name := _by_name(path):
        made = by_name.failed(_BUSY, path)
    else:
        _, made = _dialect(path).failed(_BUSY)
    made.headers.setdefault("Retry-After", "1")
    return of_app(made)


def _dialect(path: str) -> Any:
    return next(one for prefix, one in _DIALECTS.items() if path.startswith(prefix))


def _by_name(path: str) -> Any:
    return next((one for prefix, one in _BY_NAME.items() if path.startswith(prefix)), None)
