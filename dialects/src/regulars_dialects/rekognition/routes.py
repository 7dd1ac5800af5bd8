"""The dialect's only route, `POST /`, and the owner of a request there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.api.credentials import NOBODY, Credential, Head, SignatureCredential
from chalicelib.api.dialect import ROOT
from chalicelib.api.http import HttpRequest, Provide, Views
from regulars_dialects.rekognition import collections, operation, pictures, signature

if TYPE_CHECKING:
    from chalicelib.settings import Settings

_VIEWS = {**vars(collections), **vars(pictures)}
_ACCESS_KEY = re.compile(r"Credential=([A-Z0-9]{16,40})/")


def answer(provide: Provide, request: HttpRequest) -> Response:
    """Answer `POST /`. Raises WrongModel once."""
    return operation.answer(provide, request, _VIEWS)


def parse_credential(_settings: Settings, request: Head) -> Credential:
    """Read the id of the access key that signed a request."""
    scheme, _, parameters = request.headers.get("authorization", "").strip().partition(" ")
    if scheme != signature.ALGORITHM:
        return NOBODY
    key_match = _ACCESS_KEY.search(parameters)
    return SignatureCredential(
        operation.find_signer, key_match[1] if key_match else "", operation.remember_signer
    )


VIEWS = Views(
    answer_error=operation.answer_error,
    unknown_path="Operations are called by POST.",
    body_too_long=operation.make_too_long(operation.ONE_BOX_BODY_BYTES),
    parse_credential=parse_credential,
    max_bytes_by_route={("POST", ROOT): operation.ONE_BOX_BODY_BYTES},
    answers_by_path={ROOT: {"POST": answer}},
)
