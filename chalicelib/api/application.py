"""The app in which dialects register. It takes two kinds of events: the REST API's, which Chalice
reads, and a function URL's (payload version 2.0), which are turned into the REST API's.

The function URL stands for the dialect at the root, whose signature API Gateway may drop
(docs/decisions/0018), and for what cameras call, since the gateway costs more than all else of an
offer. A request with another path goes to that dialect's only route, and the path is what the
client signed.
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Chalice, Request

from chalicelib.api.dialect import ROOT, Dialect
from chalicelib.api.dialects import DIALECTS, find_owner
from chalicelib.api.http import FORMS, FUNCTION_URL, IMAGES, MIXED, Provide, Refused, answer_plainly

OFFERS_PATH = "/v1/captures/uploads"
CAMERAS_PATHS = (
    OFFERS_PATH,
    "/v1/cameras",
    "/v1/claims",
    *(
        f"/v1/cameras/{{id}}{more}"
        for more in ("", "/heartbeat", "/still", "/view", "/counts", "/film")
    ),
)
"""Routes that an uploader calls: the only ones besides that at the root that the function URL leads
to."""

_METHOD = "POST"
"""Of the dialect at the root."""

PICTURE_CHARACTERS = 32_000
"""Length of a body, encoded, from which on it is expected to have a picture. A camera's hundred
offers are shorter."""


_PARAMETER = re.compile(r"\\{(\w+)\\}")
"""A parameter of a route, escaped."""


def normalize_path(path: str) -> str:
    """Return the path that is meant.

    Slashes before it, as of a base URL that ends with one, and behind it are none.
    """
    return "/" + path.strip("/")


class Routes:
    """The app's routes, matched as the gateway does: literal segments go before `{parameters}`."""

    def __init__(self, routes: Mapping[str, Mapping[str, object]]) -> None:
        self._methods = routes
        patterns = {
            route: _PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(route))
            for route in routes
            if "{" in route
        }
        ordered = sorted(
            patterns, key=lambda route: ["{" in segment for segment in route.split("/")]
        )
        self._patterns = {route: re.compile(patterns[route]) for route in ordered}

    def match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Find the declared route and its parameters; None if a `normalize_path` or its method is
        not declared."""
        if path not in self._patterns and method in self._methods.get(path, ()):
            return path, {}
        for route, pattern in self._patterns.items():
            if method in self._methods[route] and (path_match := pattern.fullmatch(path)):
                return route, path_match.groupdict()
        return None


class PerThread(Chalice):
    """A Chalice app of which each thread has its own current request: one box answers several at a
    time."""

    _of_thread = threading.local()

    @property
    def current_request(self) -> Request | None:
        return getattr(self._of_thread, "request", None)

    @current_request.setter
    def current_request(self, request: Request | None) -> None:
        self._of_thread.request = request

    @property
    def lambda_context(self) -> Any:
        return getattr(self._of_thread, "context", None)

    @lambda_context.setter
    def lambda_context(self, context: Any) -> None:
        self._of_thread.context = context


class Application(PerThread):
    """A Chalice app that gets uploads as bytes, and takes events of a function URL, too.

    `expect_picture` is called before a request with so large a body that a picture is in it,
    whatever the dialect.
    """

    def __init__(self, name: str, expect_picture: Callable[[], object] = lambda: None) -> None:
        # Without `env`, each app that is made lengthens the process's AWS_EXECUTION_ENV, which
        # botocore sends on.
        super().__init__(name, configure_logs=False, env={})
        self._expect_picture = expect_picture
        self._unregistered: dict[str, Callable[[], object]] = {}
        self.api.binary_types += [
            content_type
            for content_type in (*FORMS, MIXED, *IMAGES)
            if content_type not in self.api.binary_types
        ]

    def register_dialects(self, provide: Provide, *, at_once: bool) -> None:
        """Register all dialects with paths of their own: `at_once`, or each at the first request to
        it.

        So a cold start pays for one dialect. The one at the root shares its path with the console's
        blueprint.
        """

        def register(dialect: Dialect) -> None:
            self.register_blueprint(dialect.make_blueprint(provide))

        self._unregistered = {
            each.name: partial(register, each) for each in DIALECTS if not each.is_at_root
        }
        for name in [*self._unregistered] if at_once else ():
            self._unregistered.pop(name)()

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request of API Gateway, or of the cameras' function URL.

        The routes of its dialect are registered at the dialect's first request. Events of the
        function URL have version 2.0 and no route: it is looked up among CAMERAS_PATHS. Any other
        path is answered as the root, by POST.
        """
        if (
            owner := find_owner(event.get("resource", ""))
        ) is not None and owner.name in self._unregistered:
            self._unregistered[owner.name]()
            # not before: if it fails, the next request tries again
            del self._unregistered[owner.name]
        if len(event.get("body") or "") >= PICTURE_CHARACTERS:
            self._expect_picture()
        if event.get("version") != "2.0":
            return super().__call__(_add_accept_header(event), context)
        method = event["requestContext"]["http"]["method"]
        routes = Routes({path: self.routes[path] for path in CAMERAS_PATHS if path in self.routes})
        matched = routes.match(method, normalize_path(event["rawPath"]))
        if matched is None and method != _METHOD:
            refused = Refused(405, f"Send this with {_METHOD}, not {method}.", {"Allow": _METHOD})
            return answer_plainly(refused).to_dict()
        return super().__call__(
            convert_to_rest_event(event, *(matched or (ROOT, {})), FUNCTION_URL), context
        )


def _add_accept_header(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say what a request without Accept means, "*/*" (RFC 9110, 12.5.1), or one of a PNG's path:
    else Chalice answers it no picture."""
    headers = event.get("headers") or {}
    if str(event.get("path")).endswith(".png"):
        others = {name: value for name, value in headers.items() if name.lower() != "accept"}
        return {**event, "headers": {**others, "Accept": "image/png"}}
    if any(name.lower() == "accept" for name in headers):
        return event
    return {**event, "headers": {**headers, "Accept": "*/*"}}


def convert_to_rest_event(
    event: Mapping[str, Any], route: str, parameters: Mapping[str, str], stage: str
) -> dict[str, Any]:
    """Convert an event of payload version 2.0, of a function URL, to one of version 1.0, of a REST
    API.

    `route`: the declared route that matched. `parameters`: those of its path.
    """
    query = parse_qs(event.get("rawQueryString") or "", keep_blank_values=True)
    caller = event["requestContext"]["http"]
    return {
        "resource": route,
        "path": normalize_path(event["rawPath"]) if parameters else route,
        "httpMethod": caller["method"],
        "headers": event["headers"],
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "httpMethod": caller["method"],
            "path": event["rawPath"],
            "stage": stage,
            "requestId": event["requestContext"].get("requestId"),
            "identity": {"sourceIp": caller.get("sourceIp"), "userAgent": caller.get("userAgent")},
        },
        "body": event.get("body"),
        "isBase64Encoded": bool(event.get("isBase64Encoded")),
    }
