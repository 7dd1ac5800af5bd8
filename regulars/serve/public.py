"""A site for strangers on the Internet: they look at everything that one key may see, and change
nothing."""

from __future__ import annotations

import time

from chalice.app import Chalice
from msgspec.structs import replace

from chalicelib.api.dialects import find_owner
from chalicelib.api.v1 import routes as v1
from chalicelib.auth.addresses import find_network
from chalicelib.auth.rate_limits import Buckets, Rate
from chalicelib.domain.errors import NotAllowed, TooManyRequests
from chalicelib.services import Services
from regulars.serve.asgi import Exchange
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request, Response, convert_response
from regulars.serve.server import make_signed_blobs
from regulars.serve.site import Site

RATE = Rate("requests", "requests of an address", a_second=20, burst=200)
"""A page of the console asks for some fifty things at once, mostly pictures."""
REFUSAL = (
    "this is a public demo, where everybody may look and nobody may change anything: run "
    "`make demo` for your own"
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
    }
)
"""Headers of strangers that the service sees. None of them is a credential."""
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


class PublicSite(Site):
    """Handler of a public demo's requests: only GET is answered, by the rights of one key, and no
    dialect."""

    def __init__(
        self, app: Chalice, services: Services, api_key: str, rate: Rate = RATE, work: Rate = WORK
    ) -> None:
        self._buckets, self._work = Buckets(rate), Buckets(work)
        super().__init__(_MeteredGateway(app, self._work), make_signed_blobs(services))
        self._authorization = f"Bearer {api_key}"

    async def __call__(self, head: Request, exchange: Exchange) -> Response:
        """Answer a stranger, and have no search engine show the answer."""
        response = await self._answer_stranger(head, exchange)
        headers = (*response.headers, ("X-Robots-Tag", "noindex, nofollow"))
        return replace(response, headers=headers)

    async def _answer_stranger(self, head: Request, exchange: Exchange) -> Response:
        """Answer what a stranger may ask, with the key of all strangers; refuse the rest.

        No body is read: whatever is sent with one is refused by its head.
        """
        try:
            self._buckets.take(find_network(head.client))
            self._work.take(find_network(head.client))
            is_of_dialect = find_owner(head.path) is not None and head.path != CONSOLE_START
            has_body = head.is_chunked or head.announced_bytes > 0
            if head.method != "GET" or is_of_dialect or has_body:
                raise NotAllowed(REFUSAL)
        except (NotAllowed, TooManyRequests) as error:
            return convert_response(v1.VIEWS.answer_error(error, head.path))
        if head.path == "/robots.txt":
            return ROBOTS
        headers = {name: value for name, value in head.headers.items() if name in FORWARDED_HEADERS}
        return await super().__call__(
            replace(head, headers={**headers, "authorization": self._authorization}), exchange
        )
