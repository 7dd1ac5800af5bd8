"""One operation: the owner of its key, and the answer in CompreFace's form and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from chalice.app import Response
from msgspec import Struct, field

from chalicelib.api.http import (
    Failure,
    HttpRequest,
    Provide,
    Wording,
    answer_request,
    describe_error,
    enter_book,
    make_json_response,
    translate_error,
)
from chalicelib.api.service_keys import find_holder
from chalicelib.auth.roles import ApiKey
from chalicelib.domain import errors
from chalicelib.domain.audit_events import AuditEvent
from chalicelib.domain.model import Group, Tenant
from chalicelib.services import Services
from chalicelib.storage.values import is_uuid
from regulars_dialects.compreface import DIALECT
from regulars_dialects.compreface.requests import Options, Sent
from regulars_dialects.records import UserExists, UserNotFound

NO_FACE = "No face is found in the given image"
SEVERAL_FACES = "More than one face in the source image"

CORS: Mapping[str, str] = MappingProxyType(
    {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-"
        "Control,Content-Type,"
        "Range,x-api-key",
    }
)
"""Of every answer: pages of other origins may ask."""


_UNAVAILABLE = Wording(41, 503, "Error during synchronization between servers: {}")

TABLE: Mapping[type[errors.RegularsError], Wording] = {
    errors.RegularsError: Wording(0, 500, "Something went wrong, please try again"),
    errors.InvalidInput: Wording(26),
    errors.NotFound: Wording(0, 404),
    UserNotFound: Wording(42, 404),
    errors.FaceNotFound: Wording(42, 404),
    errors.PictureNotFound: Wording(44, 404),
    errors.Conflict: Wording(43),
    UserExists: Wording(43, text="Subject already exists"),
    errors.LimitReached: Wording(0),
    errors.TooManyRequests: Wording(0, 429),
    errors.Unauthorized: Wording(10, 404),
    errors.Busy: _UNAVAILABLE,
    errors.StorageUnavailable: _UNAVAILABLE,
}


def _translate_unusable(error: errors.Unusable) -> Failure:
    if error.breaks in ("bytes", "largest side"):
        return Failure(0, describe_error(error), 413)
    if error.breaks == "several faces":
        return Failure(31, SEVERAL_FACES)
    return Failure(
        28, NO_FACE if error.breaks == "no face" else f"{NO_FACE}: {describe_error(error)}"
    )


def make_response(failure: Failure) -> Response:
    body = {"message": failure.text, "code": failure.code}
    return make_json_response(body, failure.status, {**CORS, **failure.headers})


def answer_error(error: Exception) -> tuple[int | str, Response]:
    failure = (
        _translate_unusable(error)
        if isinstance(error, errors.Unusable)
        else translate_error(TABLE, error)
    )
    return failure.code, make_response(failure)


class CompreFaceContext(Struct, frozen=True, dict=True):
    """Argument of a view: the services, the request, and the tenant whose key it has.

    `group`: the group that a key of recognition reaches.
    """

    services: Services
    request: HttpRequest
    tenant: Tenant
    key: ApiKey
    group: Group
    response_headers: dict[str, str] = field(default_factory=dict)
    """A view may add response headers."""

    def make_act(self, name: str) -> AuditEvent:
        enter_book(self.request.headers, self.tenant, f"key {self.key.id}")
        return DIALECT.make_act(name, f"key {self.key.id}", self.tenant)

    @cached_property
    def sent(self) -> Sent:
        return Sent.read(self.request)

    @cached_property
    def options(self) -> Options:
        return Options.read(self.sent)


class CompreFaceOperation(Struct, frozen=True):
    """An operation. `service`: whose keys may call it; "": it needs none, and its view gets
    services and request.

    `status`: of its success.
    """

    method: str
    path: str
    view: Callable[..., Any]
    service: str = "recognition"
    status: int = 200

    @property
    def act(self) -> str:
        """Its name among the dialect's acts."""
        return self.view.__name__

    @property
    def name(self) -> str:
        """Its name in the audit and in the log."""
        return f"{DIALECT.name} {self.act}"

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer a request. Raises WrongModel once, and Refused."""
        response = answer_request(
            request, lambda: self._run_view(provide(), request), answer_error, self.name
        )
        response.headers |= CORS
        return response

    def _run_view(self, services: Services, request: HttpRequest) -> Response:
        if not self.service:
            return self._make_response(self.view(services, request))
        context = authenticate(services, request, self.service, self.act)
        with services.audit.reads.enter_act(context.make_act(self.act)):
            return self._make_response(self.view(context), context.response_headers)

    def _make_response(
        self, body: Any, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Response:
        return (
            body if isinstance(body, Response) else make_json_response(body, self.status, headers)
        )


def authenticate(
    services: Services, request: HttpRequest, service: str, act: str
) -> CompreFaceContext:
    """Return whose request for an act it is. Raises Failure, TooManyRequests."""
    key = request.headers.get("x-api-key", "").partition(",")[0].strip()
    if not key:
        raise Failure(20, "Missing header: x-api-key")
    if not is_uuid(key):
        raise Failure(26, "Service API key should be UUID")
    holder = find_holder(services, DIALECT, service, key, act)
    if holder is None:
        raise Failure(10, f"{service.capitalize()} service with API Key {key} not found", 404)
    return CompreFaceContext(services, request, *holder)


def answer_preflight(_provide: Provide, _request: HttpRequest) -> Response:
    return Response("", {**CORS, "Access-Control-Max-Age": "1728000"}, 204)
