"""One operation: authenticate, read the request, run, and answer in JSON or with the error's
status.

A request that comes again with its Idempotency-Key is answered, and not done a second time.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, NoReturn, TypeVar

import msgspec
from chalice.app import Response
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from chalicelib.api import http
from chalicelib.api.http import JSON, MAX_BODY_BYTES, Answer, HttpRequest, Provide, Refused
from chalicelib.api.v1 import errors
from chalicelib.api.v1.auth import Caller, authenticate, authenticate_pushing, name_book
from chalicelib.api.v1.wire import (
    MAX_BYTES,
    PicturePushed,
    Sent,
    WithPicture,
    parse_body,
    parse_query,
    read_pushed,
    read_with_picture,
)
from chalicelib.auth.roles import Role
from chalicelib.book.idempotency import OK, RequestId
from chalicelib.book.idempotency import Answer as Stored
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind, kind_of
from chalicelib.domain.errors import Changed, InvalidInput, SecretNotKept
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import milliseconds

TIME_HEADER = "X-Regulars-Time"
"""Time of the answer by the server's clock, in UNIX milliseconds, for callers whose own clock is
wrong."""

SIGN_IN_BYTES = 8192
"""Bytes of the body of a sign-in, which anybody may send."""
IDEMPOTENCY_KEY = "Idempotency-Key"
_KEPT = timedelta(hours=24)
"""How long the answer to an Idempotency-Key is given again."""

_KEY = re.compile(r"[!-~]{1,64}")
_REUSED = (
    f"this {IDEMPOTENCY_KEY} came with another method, path, query or body within the last 24 "
    "hours: take a new one "
    "for each new request"
)

_Asked = TypeVar("_Asked")
_View = TypeVar("_View", bound=Callable[..., Any])


class V1Context(Struct, frozen=True):
    """First argument of a view, which has all of the request but query and body, and what it needs
    to answer it.

    `services`: all of them. `caller`: whose key or session it is. `path_values`: values of the
    `{names}` in the path.
    """

    services: Services
    caller: Caller
    path_values: Mapping[str, str]
    origin: str
    """Scheme, host and port of the request, as in `http://box:8000`; "" if it names no host."""
    response_headers: dict[str, str | list[str]]
    """A view may add response headers."""
    request: HttpRequest
    request_id: RequestId | None = None
    """It identifies repeats of a request that changes something; None: it came without an
    Idempotency-Key."""

    @property
    def tenant(self) -> Tenant:
        return self.caller.tenant

    def route(self, path: str) -> str:
        """Complete the path of another route of ours, as the caller has to send it."""
        return f"{self.services.settings.public_url or self.origin + self.request.prefix}{path}"

    def show_picture(self, url: str, shown_faceid: str) -> str | None:
        """Complete the URL of a face's picture, and note in the audit that the face was shown.

        None if the key sees no pictures. `shown_faceid`: the face on it.
        """
        if not self.caller.is_shown_pictures:
            return None
        audit_events.report_picture(shown_faceid)
        return self.complete_url(url)

    def complete_url(self, url: str) -> str:
        """Complete a URL of ours that may be a path only, as on one box, with the origin that was
        called."""
        return f"{self.origin}{url}" if url.startswith("/") else url


class KeylessContext(Struct, frozen=True):
    """First argument of a view that needs no key, such as the sign-in's."""

    services: Services
    request: HttpRequest
    response_headers: dict[str, str | list[str]]


class TextAnswer(Struct, frozen=True):
    """An answer that is no JSON, such as CSV."""

    text: str
    content_type: str


class Redirect(Struct, frozen=True):
    """An answer that leads to another URL."""

    url: str


class V1Operation(Struct, frozen=True, dict=True):
    """An operation of the dialect: `view` answers `method` on `path` for keys of `role` and above.

    The document is written from the view. Its name is the operation's id, and its docstring the
    operation's text. Its parameters `query` and `body` are Structs of what may be sent beside the
    path. The Struct that it returns is sent as JSON with `status`; None is sent as 204.

    `role`: None if no key is needed. Such a view takes a KeylessContext as its `context`, or no
    context. `of_cameras`: a camera's key may call it, too; the view checks that the request
    concerns that camera. `again`: answers a repeat of a request that was done, from the body that
    the service stored with its change. None: the view is called again, which changes nothing more.
    `searches`: whether it looks for faces in a picture; then fewer requests a second are allowed.
    `tag`: its chapter in the document; the module's name if empty.
    """

    method: str
    path: str
    view: Callable[..., Any]
    role: Role | None
    status: int = 200
    of_cameras: bool = False
    again: Callable[[V1Context, Mapping[str, Any]], Any] | None = None
    searches: bool = False
    tag: str = ""

    @cached_property
    def types(self) -> Mapping[str, Any]:
        """The view's annotations by name."""
        return inspect.get_annotations(self.view, eval_str=True)

    @property
    def query(self) -> type[Sent] | None:
        return self.types.get("query")

    @property
    def body(self) -> type[Sent] | None:
        return self.types.get("body")

    @property
    def is_write(self) -> bool:
        """Return whether it needs a key and may change something: then it takes an
        Idempotency-Key."""
        return self.role is not None and self.method != "GET"

    @property
    def is_sign_in(self) -> bool:
        """Return whether its credentials are in the body, which is short."""
        return self.role is None and self.method == "POST"

    @property
    def most_bytes(self) -> int:
        """Most bytes of a body."""
        return (
            MAX_BYTES
            if self.takes_picture
            else SIGN_IN_BYTES
            if self.is_sign_in
            else MAX_BODY_BYTES
        )

    @property
    def takes_picture(self) -> bool:
        """Tell whether the body has a picture.

        Its view takes no query, which belongs to the body then.
        """
        body = self.body
        return isinstance(body, type) and issubclass(body, WithPicture)

    @property
    def is_pushed(self) -> bool:
        """Tell whether cameras may send the body by themselves, and sign in as they can."""
        body = self.body
        return isinstance(body, type) and issubclass(body, PicturePushed)

    def answer(
        self, provide: Provide, reading: V1Operation | None, request: HttpRequest
    ) -> Response:
        """Answer the request.

        Raises WrongModel once, and Refused; other errors and faults of ours become answers.

        `reading`: the operation that reads what this one changes, for `If-Match` and `present`;
        None: there is none.
        """
        operation_name = f"{self.method} {self.path}"
        return http.answer_request(
            request,
            lambda: self._tag_answer(request, self._run_view(provide, request, reading)),
            errors.answer_error,
            operation_name,
        )

    def require_known(self, provide: Provide, request: HttpRequest) -> None:
        """Raise Refused(412) if the resource changed since the caller read it, by `If-Match`."""
        read = replace(request, method="GET", query={}, encoded_body=b"", is_base64=False)
        present = str(self._tag_answer(read, self._run_view(provide, read)).headers.get("ETag", ""))
        known_tags = {
            part.strip().removeprefix("W/") for part in request.headers["if-match"].split(",")
        }
        if not known_tags & {present.removeprefix("W/"), "*"}:
            raise Refused(
                412, f"This was changed since you read it: read it again; its ETag is {present}."
            )

    def _tag_answer(self, request: HttpRequest, response: Response) -> Response:
        """Add its ETag to the answer of a GET.

        If the caller has that one already (If-None-Match), return 304.

        The tag is weak, since the answer may be sent compressed.
        """
        if self.method != "GET" or response.status_code != 200:
            return response
        tag = f'W/"{hashlib.sha256(response.body.encode()).hexdigest()[:32]}"'
        response.headers["ETag"] = tag
        known_tags = {part.strip() for part in request.headers.get("if-none-match", "").split(",")}
        if not known_tags & {tag, tag.removeprefix("W/"), "*"}:
            return response
        return Response(
            "",
            {name: value for name, value in response.headers.items() if name != "Content-Type"},
            304,
        )

    def _run_view(
        self, provide: Provide, request: HttpRequest, reading: V1Operation | None = None
    ) -> Response:
        """Authenticate the caller, check its role, count the request against its rate, and answer
        by the view.

        The repeat of a request that was done is answered from what was stored then. `reading`: the
        operation that reads what this one changes; None: there is none. By it, `If-Match` is
        checked, and an error about a change that somebody made meanwhile (Changed) says how the
        resource is now.
        """
        if self.role is None:
            return self._run_keyless_view(provide, request)
        services, request = provide(), name_book(request)
        caller = (authenticate_pushing if self.is_pushed else authenticate)(request, services)
        http.enter_book(request.headers, caller.tenant, caller.audit_name)
        caller.require_page(f"{self.method} {self.path}", request.query)
        return self.run_as(caller, services, request, reading)

    def run_as(
        self,
        caller: Caller,
        services: Services,
        request: HttpRequest,
        reading: V1Operation | None = None,
    ) -> Response:
        """Return the answer to a caller who is known. `reading`: as `answer` takes it.

        Raises what the view raises, and WrongModel, after which the request comes once more.
        """
        assert self.role is not None  # noqa: S101 -- without one there is no caller
        caller.require_role(self.role, of_cameras=self.of_cameras)
        rate = services.access.rates.searches if self.searches else services.access.rates.requests
        headers: dict[str, str | list[str]] = {**rate.take(f"{caller.tenant.name}#{caller.id}")}
        id_ = identify_request(request, caller.id, self.most_bytes)
        context = V1Context(
            services,
            caller,
            request.parameters,
            _parse_origin(request),
            headers,
            request,
            request_id=id_,
        )
        is_push = self.is_pushed and caller.camera is not None
        arguments = (self._read_push if is_push else self._read_request)(request)

        def run() -> Any:
            if reading is not None and self.method != "GET" and "if-match" in request.headers:
                reading.require_known(lambda: services, request)
            try:
                return self.view(context, **arguments)
            except Changed as error:
                if reading is not None:
                    error.details["present"] = to_builtins(reading.view(context))
                raise

        again = None if self.again is None else partial(self.again, context)
        # its service may store one by itself
        is_search_without_answer = self.searches and self.again is None
        with services.audit.reads.enter_act(self._make_act(caller, request)):
            answer = (
                run()
                if id_ is None or is_search_without_answer
                else answer_once(context, run, again=again)
            )
        return _make_response(answer, self.status, context.response_headers)

    def _make_act(self, caller: Caller, request: HttpRequest) -> AuditEvent:
        """Return the act that the audit notes.

        A camera's key sees its own captures only: its reads are not noted.
        """
        name, id_ = f"{self.method} {self.path}", request.parameters.get("id")
        kind = Kind.NOTHING if caller.camera is not None else kind_of(name)
        about = (
            {"face" if self.path.startswith("/v1/faces/") else "of": id_} if id_ is not None else {}
        )
        return AuditEvent(name, caller.audit_name, kind, caller.tenant.name, about)

    def _run_keyless_view(self, provide: Provide, request: HttpRequest) -> Response:
        """Answer by a view that needs no key, such as the sign-in's."""
        headers: dict[str, str | list[str]] = {}
        arguments = self._read_request(request)
        if "context" in self.types:
            arguments["context"] = KeylessContext(provide(), request, headers)
        operation_name = f"{self.method} {self.path}"
        with audit_events.begin_audit_event(
            AuditEvent(operation_name, "sign-in", kind_of(operation_name))
        ):
            return _make_response(self.view(**arguments), self.status, headers)

    def _read_push(self, request: HttpRequest) -> dict[str, Any]:
        return {"body": read_pushed(request, self.types["body"])}

    def _read_request(self, request: HttpRequest) -> dict[str, Any]:
        """Read the view's arguments `query` and `body`.

        One that the view does not take has to be empty.

        Raises InvalidInput, Refused.
        """
        if self.takes_picture:
            return {"body": read_with_picture(request, self.types["body"])}
        arguments: dict[str, Any] = {}
        query = parse_query(request.query, self.query or Sent)
        if self.query is not None:
            arguments["query"] = query
        if self.method not in ("GET", "DELETE"):
            data = request.read_body()
            if data.strip():  # else it is an empty object, whatever its content type
                request.parse_media_type((JSON,))
            body = parse_body(data, self.body or Sent)
            if self.body is not None:
                arguments["body"] = body
        return arguments


class Operations(list[V1Operation]):
    """The operations of a module, which its views join by this decorator: method, path, role, and
    what `V1Operation` has beside."""

    def __call__(
        self, method: str, path: str, role: Role | None, **more: Any
    ) -> Callable[[_View], _View]:
        def add_operation(view: _View) -> _View:
            self.append(V1Operation(method, path, view, role, **more))
            return view

        return add_operation

    def find(self, method: str, path: str) -> V1Operation:
        """Return the operation of a method and path, which must be there."""
        return next(each for each in self if (each.method, each.path) == (method, path))


def make_answers(provide: Provide, operations: Iterable[V1Operation]) -> dict[str, Answer]:
    """Return what answers the operations of one path, by method."""
    by_method = {operation.method: operation for operation in operations}
    reading = by_method.get("GET")
    return {
        name: _add_server_time(provide, partial(operation.answer, provide, reading))
        for name, operation in by_method.items()
    }


def answer_refusal(provide: Provide, refused: http.Failure) -> Response:
    """Answer a request that no operation gets."""
    return _add_server_time(provide, errors.answer_refusal)(refused)


def _make_response(answer: Any, status: int, headers: Mapping[str, str | list[str]]) -> Response:
    if answer is None:
        return Response("", {**headers}, 204)
    if isinstance(answer, Redirect):
        return Response("", {**headers, "Location": answer.url}, 302)
    if isinstance(answer, TextAnswer):
        return Response(answer.text, {**headers, "Content-Type": answer.content_type}, status)
    text = msgspec.json.encode(answer, enc_hook=_convert_float).decode()
    return Response(text, {"Content-Type": f"{JSON}; charset=utf-8", **headers}, status)


def _convert_float(value: Any) -> Any:
    """Return what msgspec does not know in a form that it knows: numpy's numbers."""
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"an answer holds a {type(value).__name__}")


def _parse_origin(request: HttpRequest) -> str:
    host, scheme = request.headers.get("host", ""), request.headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{host}" if host else ""


def _add_server_time(
    provide: Provide, answer: Callable[[_Asked], Response]
) -> Callable[[_Asked], Response]:
    """Wrap `answer` so that it adds the server's time."""

    def answer_with_time(request: _Asked) -> Response:
        response = answer(request)
        try:
            now_ms = milliseconds(provide().clock.now())
        except Exception:  # there are no services; the answer itself reports that
            now_ms = int(time.time() * 1000)
        response.headers[TIME_HEADER] = str(now_ms)
        return response

    return answer_with_time


def identify_request(request: HttpRequest, caller_id: str, most_bytes: int) -> RequestId | None:
    """Return the id that a request and its repeats share; None: it has no Idempotency-Key, or only
    reads.

    The id has a digest of all that was sent, by which another request with the same key is found.
    The key is stored as a hash, since it may contain data that must be forgotten: a name, a face's
    id. `most_bytes`: the limit of the body. Raises InvalidInput if the key is none, Refused if the
    body is too long.
    """
    sent_key = request.headers.get(IDEMPOTENCY_KEY.lower())
    if sent_key is None or request.method == "GET":
        return None
    if not _KEY.fullmatch(sent_key):
        raise InvalidInput(
            f"{IDEMPOTENCY_KEY} has 1 to 64 visible ASCII characters, not {sent_key[:64]!r}"
        )
    request_line = [
        request.method,
        request.path,
        sorted(request.parameters.items()),
        sorted(request.query.items()),
    ]
    digest = hashlib.sha256(
        json.dumps(request_line).encode() + b"\n" + request.read_body(most_bytes)
    )
    key = hashlib.sha256(sent_key.encode()).hexdigest()
    return RequestId(f"v1#{caller_id}#{key}", digest.hexdigest(), _REUSED, _KEPT)


def answer_once(
    context: V1Context, run: Callable[[], Any], *, again: Callable[[Mapping[str, Any]], Any] | None
) -> Any:
    """Run a view by `run`. If this request was done before, answer it from what was stored then.

    `again`: makes the answer to a repeat from what was stored; None: the view is run again. A
    request that failed changed nothing, so its repeat is tried anew.
    """
    requests, tenant = context.services.requests, context.tenant.name
    answer, stored_answer = requests.do_once(tenant, context.request_id, run)
    if stored_answer is not None:
        context.response_headers["Idempotent-Replayed"] = "true"
        return run() if again is None else again(stored_answer.body)
    if again is None and context.request_id:
        requests.store_answer(tenant, context.request_id, Stored(OK, {}))
    return answer


def refuse_secret_again(what: str, instead: str) -> Callable[..., NoReturn]:
    """Return an `again` for an operation whose answer has a secret.

    `what`: was made; `instead`: how to go on.
    """

    def again(_context: object, body: Mapping[str, Any]) -> NoReturn:
        raise SecretNotKept(
            f"this request was done before: {what} {body['id']!r} is made, and its secret was "
            f"shown once: {instead}",
            id=str(body["id"]),
        )

    return again


def answer_as(view: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return an `again` that answers as `view` does: what was changed, as it is now."""
    return lambda context, _body: view(context)


def answer_nothing(_context: object, _body: Mapping[str, Any]) -> None:
    """Answer the repeat of a request whose answer has no body."""
