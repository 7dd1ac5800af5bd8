"""The handler of requests as the ASGI application that uvicorn calls at the end of each request's
head."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import unquote, urlsplit

from chalicelib import telemetry
from chalicelib.api.application import normalize_path
from chalicelib.api.http import join_values
from chalicelib.auth.addresses import find_network, find_sender, is_in_networks
from chalicelib.domain.errors import Busy
from chalicelib.telemetry import Invocation
from regulars.serve import logs
from regulars.serve.connections import Connection, Phase
from regulars.serve.lanes import Budget, Holding
from regulars.serve.messages import (
    BAD_REQUEST,
    BodyTooLarge,
    Request,
    Response,
    make_json_response,
    make_message,
)

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

ANSWERS_BYTES = 256 * 1024 * 1024
"""Memory for answers that their clients have not read yet."""

_COPIES = 2
"""Times that an answer lies in memory: as it was made, and in the connection's buffer."""

_log = logging.getLogger(__name__)

Handler = Callable[[Request, "Exchange"], Awaitable[Response]]
Proxies = Sequence[IPv4Network | IPv6Network]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Gone(Exception):
    """The client went away before its request was whole, or before we took its connection."""


class Application:
    """The ASGI application of a handler.

    `proxies`: those whose X-Forwarded-For tells the sender.
    """

    def __init__(self, handler: Handler, proxies: Proxies = ()) -> None:
        self._handler, self._proxies = handler, proxies
        self._answers = Budget(ANSWERS_BYTES)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. If its client has gone or something fails, close the connection."""
        connection: Connection = scope["state"]["connection"]
        exchange = Exchange(connection, receive, send)
        connection.begin(asyncio.current_task())
        try:
            with logs.observe_invocation("api") as invocation:
                telemetry.of_route(scope["method"], "-")  # until its route is known
                response = await self._answer_request(scope, exchange)
                invocation.status = response.status
                await self._answer(exchange, response, invocation)
        except Gone:
            if not connection.is_refused:  # else its client still reads the refusal
                connection.abort()
        except asyncio.CancelledError:
            if connection.is_open:
                raise
        except Exception:
            _log.exception("a %s could not be answered", scope["method"])
            connection.abort()
        finally:
            connection.end()

    async def _answer(self, exchange: Exchange, response: Response, invocation: Invocation) -> None:
        """Send the answer, unless too much that was sent to this address is not read yet."""
        try:
            with Holding(self._answers, find_network(exchange.sender), _COPIES) as holding:
                holding.grow(len(response.body))
                await exchange.answer(response)
        except Busy as full:
            invocation.status, invocation.code = 503, type(full).__name__
            unread = "There is no room for this answer: read those that are on their way"
            await exchange.answer(
                make_json_response(503, {"message": unread}, ("Retry-After", "1"))
            )

    async def _answer_request(self, scope: Mapping[str, Any], exchange: Exchange) -> Response:
        """Have the handler answer the request.

        Answer 400 if its head breaks HTTP, 500 if the handler fails.

        Raises Gone if the client has left.
        """
        # it went away before we took it, and the kernel has forgotten its address
        if scope["client"] is None:
            raise Gone
        try:
            request = _make_request(scope, self._proxies)
        except ValueError as error:
            exchange.is_last = True
            telemetry.report_error_code(BAD_REQUEST, BAD_REQUEST)
            return make_message(400, f"Bad Request: {error}")
        exchange.sender = request.client
        telemetry.of_address(request.client)
        exchange.is_whole = not request.is_chunked and not request.announced_bytes
        expected = request.headers.get("expect", "").lower().split(",")
        exchange.must_ask = any(value.strip() == "100-continue" for value in expected)
        try:
            return await self._handler(request, exchange)
        except Gone:
            raise
        except Exception:
            _log.exception("a %s failed", request.method)
            return make_message(500, "Internal server error")


class Exchange:
    """A request's body as it comes, and the answer."""

    def __init__(self, connection: Connection, receive: Receive, send: Send) -> None:
        self._connection, self._receive, self._send = connection, receive, send
        self.is_whole = False
        self.must_ask = False
        """Whether the client sends its body only when it is asked for it, which uvicorn does at the
        first `receive`."""
        self.sender = ""
        self.is_last = False
        """Whether the connection is closed after the answer."""

    async def read_body(self, limit: int, holding: Holding) -> bytes:
        """Receive the body, of at most `limit` bytes, which `holding` counts.

        Raises BodyTooLarge, Busy, Gone.
        """
        body, holding.stop = bytearray(), self._connection.abort
        self._connection.enter(Phase.BODY)
        while not self.is_whole:
            piece = await self._receive_piece()
            body += piece
            if len(body) > limit:
                raise BodyTooLarge
            holding.grow(len(piece))
        self._connection.enter(Phase.OURS)
        holding.stop = None
        return bytes(body)

    async def _receive_piece(self) -> bytes:
        self.must_ask = False
        event = await self._receive()
        if event["type"] != "http.request":
            raise Gone
        self.is_whole = not event["more_body"]
        return bytes(event["body"])

    async def answer(self, response: Response) -> None:
        """Send the answer.

        A body that was not read comes first to its end, or the connection is closed.
        """
        connection = self._connection
        if self.must_ask and not self.is_whole:  # body or next request may follow: both look alike
            self.is_last = True
        headers = response.encode_headers()
        if self.is_last or connection.is_last:
            headers.append((b"connection", b"close"))
        connection.enter(Phase.LEAVING)
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": headers}
        )
        await self._send(
            {"type": "http.response.body", "body": response.sent_body, "more_body": True}
        )
        while not self.is_whole and not self.is_last:
            await self._receive_piece()
        await self._send({"type": "http.response.body"})


def _make_request(scope: Mapping[str, Any], proxies: Proxies) -> Request:
    """Make the request of its head, as uvicorn hands it over.

    Raises ValueError if it breaks HTTP.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").strip(" \t")
        if name == "host" and name in headers:
            raise ValueError("a request has one Host")
        # as signatures want it
        headers[name] = join_values(name, (headers[name], value)) if name in headers else value
    version = scope["http_version"]
    if version not in ("1.0", "1.1"):
        raise ValueError("only HTTP/1.0 and 1.1 are known")
    if not _HOST.fullmatch(headers.get("host", "" if version == "1.1" else "box")):
        raise ValueError("a request has a Host, of a name or an address and perhaps a port")
    if scope["method"] == "CONNECT":
        raise ValueError("CONNECT is for proxies, and this is none")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise ValueError("a body has a Content-Length or a Transfer-Encoding, not both")
    path, escaped_path = parse_paths(scope)
    by_https = headers.get("x-forwarded-proto") == "https"
    is_told_https = by_https and is_in_networks(scope["client"][0], proxies)
    client, headers = find_sender(scope["client"][0], headers, proxies)
    return Request(
        method=scope["method"],
        path=normalize_path(path),
        escaped_path=normalize_path(escaped_path),
        called_path=path,
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        client=client,
        scheme="https" if is_told_https else scope["scheme"],
    )


def parse_paths(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Return the target's path, decoded and as it was sent.

    A client may send a whole URL (RFC 9112, 3.2.2).

    Raises ValueError.
    """
    sent_path = scope["raw_path"].decode("ascii")
    if scope["path"].startswith("/"):
        return str(scope["path"]), sent_path
    escaped_path = urlsplit(sent_path).path or "/"
    return unquote(escaped_path), escaped_path
