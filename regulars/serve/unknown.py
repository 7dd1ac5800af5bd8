"""The answer to a path that nobody declared, in the words of the dialect whose prefix it has, else in v1's."""

from __future__ import annotations

from chalicelib.api.http import Refused
from chalicelib.api.icredit import errors as icredit_errors
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.routes import PREFIX as ICREDIT
from chalicelib.api.sunmi import errors as sunmi_errors
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.api.v1 import errors as v1_errors
from chalicelib.core.errors import NotFound
from regulars.serve.messages import Response, of_app, of_json


def answer(path: str) -> Response:
    sentence = v1_errors.NO_SUCH_PATH
    if path.startswith(SUNMI):
        return of_json(404, {"code": sunmi_errors.MALFORMED, "msg": sentence})
    if path.startswith(ICREDIT):
        return of_json(404, wire.failure(icredit_errors.CODES[NotFound], sentence, ()))
    return of_app(v1_errors.refusal(Refused(404, sentence)))
