"""One operation: whose key it is, and the answer in CompreFace's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.api.compreface import errors
from chalicelib.api.compreface.errors import CORS
from chalicelib.api.http import Failure, HttpRequest, Provide, answered, json_response
from chalicelib.api.service_keys import holder
from chalicelib.core import telemetry
from chalicelib.core.access import ApiKey
from chalicelib.core.acts import Act, kind_of
from chalicelib.core.model import Group, Tenant
from chalicelib.core.values import is_uuid

if TYPE_CHECKING:
    from chalicelib.api.compreface.requests import Options, Sent
    from chalicelib.services import Services


@dataclass(frozen=True)
class Call:
    """Arguments of a view: the use cases, the request, and whose it is. `group`: what a key of recognition reaches."""

    services: Services
    request: HttpRequest
    tenant: Tenant
    key: ApiKey
    group: Group
    headers: dict[str, str] = field(default_factory=dict)
    """A view may add response headers."""

    def act(self, name: str) -> Act:
        return Act(name, f"key {self.key.id}", kind_of(name), self.tenant.name)

    @cached_property
    def sent(self) -> Sent:
        from chalicelib.api.compreface.requests import Sent  # not at other dialects' cold starts

        return Sent.of(self.request)

    @cached_property
    def options(self) -> Options:
        from chalicelib.api.compreface.requests import Options

        return Options.of(self.sent)


@dataclass(frozen=True)
class Operation:
    """An operation. `service`: whose keys may call it; "": it needs none, and its view gets services and request.

    `view`: `module.function` of this folder; `status`: of its success.
    """

    method: str
    path: str
    view: str
    service: str = "recognition"
    status: int = 200

    @property
    def name(self) -> str:
        """Its name in the audit."""
        return f"compreface {self.view.partition('.')[2]}"

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer a request. Raises WrongModel once, and Refused."""
        made = answered(request, lambda: self._made(provide(), request), errors.failed, self.name)
        made.headers |= CORS
        return made

    def _made(self, services: Services, request: HttpRequest) -> Response:
        module, _, name = self.view.partition(".")
        view = getattr(import_module(f"{__package__}.{module}"), name)  # not at other dialects' cold starts
        if not self.service:
            return self._response(view(services, request))
        call = caller(services, request, self.service, self.name)
        telemetry.of_tenant(call.tenant.name)
        with services.audit.reads.of(call.act(self.name)):
            return self._response(view(call), call.headers)

    def _response(self, body: Any, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        return body if isinstance(body, Response) else json_response(body, self.status, headers)


def caller(services: Services, request: HttpRequest, service: str, what: str) -> Call:
    """Return whose request `what` is. Raises Failure, TooManyRequests."""
    key = request.headers.get("x-api-key", "").partition(",")[0].strip()
    if not key:
        raise Failure(20, "Missing header: x-api-key")
    if not is_uuid(key):
        raise Failure(26, "Service API key should be UUID")
    call = call_of(services, request, service, key, what)
    if call is None:
        raise Failure(10, f"{service.capitalize()} service with API Key {key} not found", 404)
    return call


def call_of(services: Services, request: HttpRequest, service: str, secret: str, what: str) -> Call | None:
    """Return the call by a key; None if it is nobody's, of another service, or its group is gone.

    Raises TooManyRequests.
    """
    found = holder(services, service, secret, what)
    return None if found is None else Call(services, request, *found)


def preflight(_request: HttpRequest) -> Response:
    return Response("", {**CORS, "Access-Control-Max-Age": "1728000"}, 204)
