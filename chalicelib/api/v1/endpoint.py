"""One operation: authenticate, read the request, run, and answer in JSON or with the error's status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chalice.app import Blueprint, Response

from chalicelib.api.errors import report_answer
from chalicelib.api.http import JSON, Answer, HttpRequest, Refused, json_response, route
from chalicelib.api.v1 import errors
from chalicelib.api.v1.auth import Caller, caller
from chalicelib.api.v1.fields import Fields, Query, finite_object
from chalicelib.core import telemetry
from chalicelib.core.errors import NotAllowed, RegularsError
from chalicelib.core.model import Tenant
from chalicelib.core.values import milliseconds

if TYPE_CHECKING:
    from chalicelib.services import Services

Body = Mapping[str, Any]
Provide = Callable[[], "Services"]

TIME_HEADER = "X-Regulars-Time"
"""Time of the answer by the server's clock, in UNIX milliseconds, for callers whose own clock is wrong."""

NO_FIELDS: frozenset[str] = frozenset()

_Asked = TypeVar("_Asked")


@dataclass(frozen=True)
class Call:
    """Arguments of a view: the use cases, the caller, and the path, query and body of the request."""

    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Query
    fields: Fields
    origin: str
    """Scheme, host and port of the request, as in `http://box:8000`; "" if it names no host."""
    headers: dict[str, str]
    """A view may add response headers."""

    @property
    def tenant(self) -> Tenant:
        return self.caller.tenant

    def absolute(self, url: str) -> str:
        """Complete a URL of ours that may be a path only, as on one box, with the origin that was called."""
        return f"{self.origin}{url}" if url.startswith("/") else url


@dataclass(frozen=True)
class Operation:
    """An operation of the dialect. The result of `view` is sent as JSON with `status`; None as 204 without a body.

    `query`, `fields`: names that may be sent; any other is refused. `of_cameras`: a camera's key may call the
    operation, and the view checks that the request concerns that camera.
    """

    method: str
    path: str
    view: Callable[[Call], Body | None]
    fields: frozenset[str] = NO_FIELDS
    query: frozenset[str] = NO_FIELDS
    status: int = 200
    of_cameras: bool = False

    def answer(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer the request. Raises WrongModel once; other errors, refusals and faults of ours become answers."""
        try:
            return self._respond(provide(), request)
        except Refused as refused:
            return errors.refusal(refused)
        except RegularsError as error:
            request.try_again_after(error)
            report_answer(error, type(error).__name__, f"{self.method} {self.path}")
            return errors.failure(error)
        except Exception as error:
            report_answer(error, errors.INTERNAL, f"{self.method} {self.path}")
            return errors.internal()

    def _respond(self, services: Services, request: HttpRequest) -> Response:
        who = caller(request, services)
        telemetry.of_tenant(who.tenant.name)
        if who.camera is not None and not self.of_cameras:
            raise NotAllowed("a camera's key can upload its captures and nothing else: use the tenant's api_key")
        query = Query(request.query, self.query)
        host, scheme = request.headers.get("host", ""), request.headers.get("x-forwarded-proto", "http")
        origin = f"{scheme}://{host}" if host else ""
        call = Call(services, who, request.parameters, query, self._fields(request), origin, {})
        body = self.view(call)
        if body is None:
            return Response("", {**call.headers}, 204)
        return json_response(body, self.status, call.headers)

    def _fields(self, request: HttpRequest) -> Fields:
        """Read the body's fields; GET and DELETE have none. An empty body is an empty object."""
        if self.method in ("GET", "DELETE"):
            return Fields({}, NO_FIELDS)
        body = request.body()
        if not body.strip():
            return Fields({}, self.fields)
        request.media_type((JSON,))
        return Fields(finite_object(body), self.fields)


def register(routes: Blueprint, provide: Provide, operations: Iterable[Operation]) -> None:
    """Register the operations, those of one path together."""
    by_path: dict[str, dict[str, Answer]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = _stamped(provide, partial(operation.answer, provide))
    for path, answers in by_path.items():
        route(routes, path, answers, _stamped(provide, errors.refusal))


def _stamped(provide: Provide, answer: Callable[[_Asked], Response]) -> Callable[[_Asked], Response]:
    """Wrap `answer` so that it adds the server's time."""

    def stamped(asked: _Asked) -> Response:
        response = answer(asked)
        try:
            now_ms = milliseconds(provide().clock.now())
        except Exception:  # there are no services; the answer itself reports that
            now_ms = int(time.time() * 1000)
        response.headers[TIME_HEADER] = str(now_ms)
        return response

    return stamped
