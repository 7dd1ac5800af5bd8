"""All operations of v1, of each module that has some; `python -m regulars.openapi --write` finds
their paths."""

from __future__ import annotations

import time
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules

from chalice.app import Response

from chalicelib.api import v1
from chalicelib.api.credentials import NOBODY, Head, KeyCredential
from chalicelib.api.http import Views
from chalicelib.api.v1 import errors
from chalicelib.api.v1.auth import has_key, parse_basic, parse_scheme, parse_session_token
from chalicelib.api.v1.endpoint import TIME_HEADER, V1Operation
from chalicelib.domain import api_keys
from chalicelib.domain.errors import WrongCredentials
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings

OPERATIONS: tuple[V1Operation, ...] = tuple(
    operation
    for module in iter_modules(v1.__path__)
    for operation in getattr(import_module(f"{v1.__name__}.{module.name}"), "operations", ())
)


_BODIES = {(one.method, one.path): one.most_bytes for one in OPERATIONS}


def _answer_early_error(error: Exception, _path: str) -> Response:
    """Answer an error before any operation was reached."""
    response = errors.answer_error(error)[1]
    response.headers[TIME_HEADER] = str(int(time.time() * 1000))
    return response


def _find_bearer_tenant(services: Services, key: str) -> Tenant | None:
    tenant_and_key = services.access.keys.find_by_api_key(key) or services.cameras.find_by_api_key(
        key
    )
    return None if tenant_and_key is None else tenant_and_key[0]


def _find_session_tenant(services: Services, secret: str) -> Tenant | None:
    session = services.access.sessions.find(secret)
    return None if session is None else session.tenant


def parse_credential(settings: Settings, request: Head) -> KeyCredential:
    """Read the key or the session of a request."""
    header = request.headers.get("authorization", "")
    if parse_scheme(header) == "basic":  # a camera's key counts before a load balancer's cookie
        for _, key in parse_basic(header):
            if api_keys.is_key(key, api_keys.OF_CAMERA):
                return KeyCredential(_find_bearer_tenant, key)
    if not has_key(request.headers):
        with suppress(WrongCredentials):
            token = parse_session_token(request.headers, settings.public_url)
            return KeyCredential(_find_session_tenant, token) if token else NOBODY
        return NOBODY
    if parse_scheme(header) != "bearer":
        return NOBODY
    return KeyCredential(_find_bearer_tenant, header.strip().partition(" ")[2].strip())


VIEWS = Views(
    answer_error=_answer_early_error,
    unknown_path=errors.UNKNOWN,
    body_too_long=errors.TOO_LONG,
    parse_credential=parse_credential,
    max_bytes_by_route=_BODIES,
)
SIGN_IN = {(one.method, one.path) for one in OPERATIONS if one.is_sign_in}
"""The requests by which people sign in. Only the bodies have credentials."""
