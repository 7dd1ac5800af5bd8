"""The public demo: the drawn shop for strangers on the Internet, who may look at everything and change nothing.

It is one process, which gives each request a viewer's rights, whatever credentials came with it. Nothing is swept,
sent or recognised.
"""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from chalice.app import Chalice
from msgspec.structs import replace

from chalicelib.book.vision.packs import packs
from chalicelib.book.words.errors import NotAllowed, TooManyRequests
from chalicelib.doors.access.rate_limits import Buckets, Rate
from chalicelib.doors.dialects import find_owner
from chalicelib.doors.v1 import routes as v1
from chalicelib.doors.words.addresses import find_network
from chalicelib.doors.words.roles import Role
from chalicelib.services import Services
from regulars import configuration, folder, libraries
from regulars.demo.shop import fill_shop
from regulars.options import open_services
from regulars.serve.asgi import Exchange
from regulars.serve.gateway import Gateway
from regulars.serve.messages import Request, Response, of_app
from regulars.serve.server import Front, listening, signed_blobs
from regulars.serve.service import stop_on_signals
from regulars.serve.site import Site
from regulars.tenants.credentials import FIRST_TENANT, CredentialsFile

RATE = Rate("requests", "requests of an address", a_second=20, burst=200)
"""A page of the console asks for some fifty things at once, mostly pictures."""
REFUSAL = "this is a public demo, where everybody may look and nobody may change anything: run `make demo` for your own"
CONSOLE_START = "/"
"""Path that leads to the console, although a dialect has it, too."""
FORWARDED_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "accept-language", "if-none-match", "user-agent", "x-forwarded-proto"}
)
"""Headers of strangers that the service sees. None of them is a credential."""


class PublicSite(Site):
    """Handler of a public demo's requests: only GET is answered, by the rights of one key, and no dialect."""

    def __init__(self, app: Chalice, services: Services, api_key: str) -> None:
        super().__init__(Gateway(app), signed_blobs(services))
        self._authorization = f"Bearer {api_key}"
        self._buckets = Buckets(RATE)

    async def __call__(self, head: Request, exchange: Exchange) -> Response:
        try:
            self._buckets.take(find_network(head.client))
            if head.method != "GET" or (find_owner(head.path) is not None and head.path != CONSOLE_START):
                raise NotAllowed(REFUSAL)
        except (NotAllowed, TooManyRequests) as error:
            return of_app(v1.VIEWS.failed(error, head.path))
        headers = {name: value for name, value in head.headers.items() if name in FORWARDED_HEADERS}
        return await super().__call__(
            replace(head, headers={**headers, "authorization": self._authorization}), exchange
        )


def serve_public(host: str, port: int, data: Path) -> None:
    """Fill the empty folder `data` and serve it until SIGTERM or SIGINT. Raises PortTaken, MissingModel."""
    settings = configuration.read_settings({"data": data}, os.environ, Path(os.devnull))
    stop = stop_on_signals()
    with (
        listening(host, port) as sock,
        folder.hold_folder(data),
        closing(open_services(settings.settings, new=True)) as services,
    ):
        import app  # its handlers and their imports belong to a server alone

        CredentialsFile(data, services.tenants).provide()
        name, _ = FIRST_TENANT
        print("a shop opens, whose drawn people have come for five weeks ...", flush=True)
        fill_shop(data, name, packs.read_pack(), datetime.now(UTC))
        _, api_key = services.access.keys.add(services.tenants.get_by_name(name), "everybody", Role.VIEWER)
        app.provide.use(services)
        app.console_files.use(libraries.modules())
        front = Front(PublicSite(app.app, services, api_key), sock, proxies=settings.serving.trusted_proxies)
        print(f"everybody may look at {front.url}/console until Ctrl-C, which deletes this book", flush=True)
        front.run(stop)
