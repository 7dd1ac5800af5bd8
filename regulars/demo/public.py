"""The public demo: the drawn shop for strangers on the Internet, who may look at everything, and
correct things in a copy of their own.

It is one process, which gives each request an editor's rights, whatever credentials came with it.
The drawn people go on coming while it runs; a copy is as the shop was when it was made. Nothing is
swept or sent, and nobody else is recognised.
"""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.book.vision.packs import packs
from chalicelib.bootstrap import build
from chalicelib.services import Services
from regulars import configuration, folder, libraries
from regulars.backup.backup import copy_folder
from regulars.demo.drawn_vision import DrawnVision
from regulars.demo.shop import fill_shop, let_visitors_come
from regulars.serve.public import PublicSite
from regulars.serve.server import Front, open_listener
from regulars.serve.service import stop_on_signals
from regulars.tenants.credentials import FIRST_TENANT, CredentialsFile


def serve_public(host: str, port: int, data: Path) -> None:
    """Fill the empty folder `data` with the shop and visitors' copies, and serve it until SIGTERM
    or SIGINT.

    Raises PortTaken, MissingModel.
    """
    shop, copies = data / "shop", data / "copies"
    copies.mkdir(mode=0o700)
    settings = configuration.read_settings({"data": shop}, os.environ, Path(os.devnull))
    pack, stop = packs.read_pack(), stop_on_signals()
    folder.prepare_folder(shop)
    # All strangers have one key: what limits them is the rate of their addresses. Drawings cost no
    # network's time. What is made goes at the end: nothing of it is sealed.
    service_settings = replace(
        settings.settings,
        requests_a_second=1e6,
        searches_a_second=1e6,
        is_demo=True,
        vault_key_file=None,
    )

    def open_copy(to: Path) -> Services:
        copy_folder(shop, to)
        return build(replace(service_settings, storage=to), vision=lambda: DrawnVision(pack))

    with (
        open_listener(host, port) as sock,
        folder.hold_folder(shop),
        closing(build(service_settings, vision=lambda: DrawnVision(pack))) as services,
    ):
        import app  # its handlers and their imports belong to a server alone

        CredentialsFile(shop, services.tenants).provide()
        name, _ = FIRST_TENANT
        print("a shop opens, whose drawn people have come for five weeks ...", flush=True)
        opened_at = datetime.now(UTC)
        fill_shop(shop, name, pack, opened_at)
        _, api_key = services.access.keys.add(
            services.tenants.get_by_name(name), "everybody", Role.OPERATOR
        )
        app.provide.use(services)
        app.console_files.use(libraries.find_modules())
        site = PublicSite(app.app, services, api_key, copies, open_copy)
        front = Front(site, sock, proxies=settings.serving.trusted_proxies)
        print(
            f"everybody may look at {front.url}/console until Ctrl-C, which deletes this book",
            flush=True,
        )
        visitors = Thread(
            target=let_visitors_come, args=(services, name, opened_at, stop), daemon=True
        )
        visitors.start()
        front.run(stop)
        visitors.join()
