"""A site for strangers on the Internet: they look at everything that one key may see, and correct
things in a copy of their own.

A copy is made by a visitor's first correction (copies.py). Whoever only looks is shown the shop
itself, to which nobody writes.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from chalice.app import Chalice
from msgspec.structs import replace
from werkzeug.http import parse_cookie

from chalicelib.api.application import Application, Routes
from chalicelib.api.dialects import find_owner
from chalicelib.api.sites import is_of_another_site
from chalicelib.api.v1 import blueprint
from chalicelib.api.v1 import routes as v1
from chalicelib.api.v1.auth import is_secure
from chalicelib.api.v1.endpoint import Unlisted, V1Operation
from chalicelib.auth.addresses import find_network
from chalicelib.auth.rate_limits import Buckets, Rate
from chalicelib.auth.roles import Role
from chalicelib.domain.audit_events import Kind, kind_of
from chalicelib.domain.errors import NotAllowed, StorageUnavailable, TooManyRequests
from chalicelib.services import Services
from regulars.serve.asgi import Exchange
from regulars.serve.copies import LIMITS, Copies, Copy, Limits
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request, Response, convert_response
from regulars.serve.server import make_signed_blobs
from regulars.serve.site import Site

RATE = Rate("requests", "requests of an address", a_second=20, burst=200)
"""A page of the console asks for some fifty things at once, mostly pictures."""
REFUSAL = (
    "this is a public demo, where everybody may look, and correct what can be taken back, and "
    "nothing else: run `make demo` for your own"
)
WORK = Rate("work", "milliseconds of work for an address", a_second=250, burst=10_000)
"""A page of figures takes two seconds of a core. Four addresses that ask all the time use one
core."""
CONSOLE_START = "/"
"""Path that leads to the console, although a dialect has it, too."""
FORWARDED_HEADERS = frozenset(
    {
        "host",
        "accept",
        "accept-encoding",
        "accept-language",
        "if-none-match",
        "user-agent",
        "x-forwarded-proto",
        "content-length",
        "content-type",
        "idempotency-key",
        "if-match",
    }
)
"""Headers of strangers that the service sees. None of them is a credential."""
MOST_BYTES = 8192
"""Bytes of a correction."""
COOKIE = "regulars-copy"
"""Name of the cookie with the token of a visitor's copy."""
TLS_COOKIE = f"__Host-{COOKIE}"
"""Its name for browsers that come by TLS. They let no other host set it."""
NO_COOKIE = (
    "this browser sent no cookie, by which a public demo knows whose copy of the shop to correct: "
    "allow cookies, and load the page anew"
)
SESSION = "/v1/session"
"""Path that a console asks for first: its answer brings the cookie. No cache keeps that answer."""
_TOKEN = re.compile(r"[\w-]{32}")
_TOKEN_BYTES = 24
ROBOTS = Response(
    200, (("Content-Type", "text/plain; charset=utf-8"),), b"User-agent: *\nDisallow: /\n"
)
"""Answer to `/robots.txt`. A robot that follows each link of each page asks for all figures of all
days."""


class _MeteredGateway(Gateway):
    """A gateway that has each address pay for the CPU time of its requests, in milliseconds."""

    def __init__(self, app: Chalice, work: Buckets) -> None:
        super().__init__(app)
        self._work = work

    def answer(self, request: Request) -> Response:
        begun_s = time.thread_time()
        try:
            return super().answer(request)
        finally:
            self._work.spend(find_network(request.client), 1000 * (time.thread_time() - begun_s))


def may_visitors_call(operation: V1Operation | None) -> bool:
    """Tell whether visitors may change something by an operation: an editor's, whose changes are
    listed and taken back.

    So they delete nobody, send no picture, reach nobody outside, and give nobody access.
    """
    return (
        operation is not None
        and operation.role is Role.OPERATOR
        and kind_of(f"{operation.method} {operation.path}") is Kind.CHANGE
        and operation.unlisted in (None, Unlisted.ELSEWHERE)
        and not operation.deletes
        and not operation.takes_picture
        and not operation.of_cameras
    )


class PublicSite(Site):
    """Handler of a public demo's requests, by the rights of one key: GET, and what visitors may
    change, each in a copy. No dialect is answered."""

    def __init__(
        self,
        app: Chalice,
        services: Services,
        api_key: str,
        folder: Path,
        open_copy: Callable[[Path], Services],
        *,
        rate: Rate = RATE,
        work: Rate = WORK,
        limits: Limits = LIMITS,
    ) -> None:
        """Show the book of the services. `folder` and `open_copy`: as `Copies` takes them.

        `api_key`: of an editor; a copy has it, too.
        """
        self._buckets, self._work = Buckets(rate), Buckets(work)
        super().__init__(_MeteredGateway(app, self._work), make_signed_blobs(services))
        self._authorization = f"Bearer {api_key}"
        self._public_url = services.settings.public_url
        self._copies = Copies(folder, open_copy, self._make_copy_site, limits)
        self._routes = Routes(app.routes)

    def _make_copy_site(self, services: Services) -> Site:
        app = Application("copy")
        app.register_blueprint(blueprint.make_blueprint(lambda: services))
        gateway = _MeteredGateway(app, self._work)
        return Site(gateway, make_signed_blobs(services), threads=COPY_THREADS)

    async def __call__(self, head: Request, exchange: Exchange) -> Response:
        """Answer a stranger, and have no search engine show the answer."""
        response = await self._answer_stranger(head, exchange)
        headers = (*response.headers, ("X-Robots-Tag", "noindex, nofollow"))
        return replace(response, headers=headers)

    async def _answer_stranger(self, head: Request, exchange: Exchange) -> Response:
        """Answer what a stranger may ask, with the key of all strangers; refuse the rest by its
        head."""
        name = self._name_cookie(head)
        token = _find_token(head, name)
        try:
            self._buckets.take(find_network(head.client))
            self._work.take(find_network(head.client))
            copy = await self._choose_copy(head, token)
        except (NotAllowed, TooManyRequests, StorageUnavailable) as error:
            return convert_response(v1.VIEWS.answer_error(error, head.path))
        if head.path == "/robots.txt":
            return ROBOTS
        headers = {name: value for name, value in head.headers.items() if name in FORWARDED_HEADERS}
        request = replace(head, headers={**headers, "authorization": self._authorization})
        answer_shown = super().__call__ if copy is None else copy.site
        with nullcontext() if copy is None else copy.use():
            response = await answer_shown(request, exchange)
        # Others' pages can lead a browser here, which then sends no cookie, and keeps its own.
        is_led = is_of_another_site(head.headers, self._public_url)
        if token or head.path != SESSION or is_led:
            return response
        return replace(response, headers=(*response.headers, _make_cookie(name)))

    def _name_cookie(self, head: Request) -> str:
        is_by_tls = head.scheme == "https" or is_secure(head.headers, None)
        return TLS_COOKIE if is_by_tls else COOKIE

    async def _choose_copy(self, head: Request, token: str) -> Copy | None:
        """Return the copy that a request is for; None: it reads what all see.

        `token`: the visitor's; "": none came. Raises NotAllowed, TooManyRequests,
        StorageUnavailable.
        """
        has_body = head.is_chunked or head.announced_bytes > 0
        is_of_dialect = find_owner(head.path) is not None and head.path != CONSOLE_START
        if head.method == "GET" and not is_of_dialect and not has_body:
            return self._copies.find(token) if self._is_of_book(head.path) else None
        operation = self._find_operation(head)
        is_short = not head.is_chunked and head.announced_bytes <= MOST_BYTES
        if not may_visitors_call(operation) or not is_short:
            raise NotAllowed(REFUSAL)
        if not token:
            raise NotAllowed(NO_COOKIE)
        copy = await self._copies.provide(token, find_network(head.client))
        copy.count_change()
        return copy

    def _is_of_book(self, path: str) -> bool:
        return path.startswith(("/v1/", *self._parts_by_prefix))

    def _find_operation(self, head: Request) -> V1Operation | None:
        matched = self._routes.match(head.method, head.escaped_path or head.path)
        return None if matched is None else _OPERATIONS.get((head.method, matched[0]))

    def close(self, timeout_s: float) -> bool:
        """End as a site does, and delete all copies."""
        is_ended = super().close(timeout_s)
        self._copies.close()
        return is_ended


_OPERATIONS = {(each.method, each.path): each for each in v1.OPERATIONS}
COPY_THREADS = 2
"""Threads that answer one visitor, of a copy."""


def _find_token(head: Request, name: str) -> str:
    """Return the token that came with a request, by its cookie's name; "": none did."""
    token = parse_cookie(head.headers.get("cookie")).get(name, "")
    return token if _TOKEN.fullmatch(token) else ""


def _make_cookie(name: str) -> tuple[str, str]:
    """Return the header that has the browser send a new token with all that its page asks for."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    secure = "; Secure" if name == TLS_COOKIE else ""
    return "Set-Cookie", f"{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}"
