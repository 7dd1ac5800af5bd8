"""`regulars serve`: the whole service in one process, on one data folder.

One thread reads all connections; a request takes a thread of its own when it is whole and wanted.
All threads share the warm gallery and the loaded models.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import shlex
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
from chalice.app import Chalice
from regulars_client.at_rest import BLOCK_DEVICES, describe_at_rest, is_encrypted
from regulars_client.signals import stop_on_signals
from uvicorn.server import ServerState

from chalicelib.api.dialects import describe_feelings
from chalicelib.api.sites import list_own_names
from chalicelib.book.vision.machine import count_cores
from chalicelib.book.vision.packs import packs
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.errors import KeyNotFound
from chalicelib.domain.model import Tenant
from chalicelib.domain.pictures import BoundingBox, DetectedFace
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.services import Services
from chalicelib.storage.box.uploads import FolderUploadStore
from chalicelib.storage.ports import FULL_BYTES
from chalicelib.telemetry import report_failure
from regulars import folder, libraries
from regulars.configuration import Configuration
from regulars.errors import PortTaken
from regulars.mail import make_mailer
from regulars.place import note_place, require_place
from regulars.serve import arenas, events, logs, metrics
from regulars.serve.asgi import Application, Proxies
from regulars.serve.callers import Tenants
from regulars.serve.connections import (
    LOOK_EVERY_S,
    STILL_COMING_S,
    Arrivals,
    Connection,
    ConnectionLimiter,
    Timeouts,
    count_places,
)
from regulars.serve.gateway import Gateway
from regulars.serve.settings import ServeSettings, make_url
from regulars.serve.site import Site
from regulars.serve.tls import Certificate
from regulars.serve.uploads import SignedBlobs
from regulars.serve.watchdog import Watchdog
from regulars.shops import describe_failure
from regulars.tenants.command import make_link
from regulars.tenants.credentials import FILE, CredentialsFile

DRAIN_S = 10.0
"""How long requests in progress may take after a signal to stop."""

DELIVERING_THREADS = 48
"""Threads for webhooks. A slow receiver holds one for some seconds; a tenant has 24 at most
(book/webhooks)."""

BACKLOG = 1024
"""Connections that the kernel keeps until the server takes them."""

METRICS_CONNECTIONS, METRICS_THREADS = 32, 2
"""For Prometheus."""

WARM_TENANTS = 16
"""Tenants whose galleries are loaded before the first request."""

_OF_TRIALS = ("ingest",)
"""Handlers that a trial of a backup feeds: none that tells anybody, or does something by the
clock."""

LINKED_TENANTS = 3
"""Most tenants for whom a start makes links to the console."""

_log = logging.getLogger(__name__)

_SWITCH_S = 0.001
"""Longest turn of a thread that computes in Python while others wait. A request waits for several
turns; with Python's own 5 ms, a getGroupList took up to 220 ms beside two threads that computed,
with 1 ms up to 70 ms."""


def serve(configuration: Configuration, data: Path, *, tls: Certificate | None) -> None:
    """Serve the data folder until SIGTERM or SIGINT; print the ready line.

    Raises FolderInUse, CopiedFolder, PortTaken, MissingModel, and the storage's errors.
    """
    settings, serving = configuration.settings, configuration.serving
    _prepare_process()
    stop = stop_on_signals()
    with folder.hold_folder(data) as tell, open_listener(serving.host, serving.port) as sock:
        folder.require_finished(data)  # a restore may have begun before this held the folder
        if not settings.is_trial:
            require_place(data)
        import app  # its handlers and their imports belong to the server alone

        logs.log_to_stderr(serving.log_format, serving.log_level, [app.app.log])
        services = _build_services(configuration, data)
        _log_start(services, configuration, data)
        background = _start_handlers(services, stop)
        front = Front(
            make_site(app.app, services),
            sock,
            tls=tls,
            proxies=serving.trusted_proxies,
            watchdog=Watchdog(),
        )
        _announce(front.url, tell, services, configuration, data=data)
        answered = _answer_requests(front, services, serving, stop)
        if not (background.join(DRAIN_S) and answered):
            end_at_once()
        services.close()


def _prepare_process() -> None:
    """Leave processor time and memory to what a box serves beside: threads, arenas, and turns of
    Python's lock."""
    limit_numpy_threads()
    arenas.limit_arenas(count_cores())
    arenas.give_large_blocks_back()
    sys.setswitchinterval(_SWITCH_S)
    leave_no_core()


def _build_services(configuration: Configuration, data: Path) -> Services:
    """Build the services of the data folder, with the keys that its file provides."""
    from chalicelib import bootstrap
    from regulars.backup.receipts import require_erasures_done

    settings = configuration.settings
    services = bootstrap.build(
        settings, mailer=None if settings.is_trial else make_mailer(configuration.mail)
    )
    require_erasures_done(services, data)
    for complaint in CredentialsFile(data, services.tenants).provide():
        logs.summary.warning("%s", complaint)
    if not settings.is_trial:
        note_place(data)
    return services


def _log_start(services: Services, configuration: Configuration, data: Path) -> None:
    """Load the face models, and log what is served and what somebody has to do."""
    pack_names = warm_up(services)
    for line in describe_start(data, services, configuration.file):
        logs.summary.info("%s", line)
    for pack in sorted(pack_names):
        logs.summary.info(
            "face models: %s", packs.read_pack(configuration.settings.models, pack).about
        )
    for warning in list_warnings(services, data):
        logs.summary.warning("%s", warning)


def _start_handlers(services: Services, stop: threading.Event) -> events.Background:
    """Give the app its services, and start what runs beside its requests until `stop`."""
    import app

    if not services.settings.is_trial:
        services.watch.resume_all()
    app.provide.use(services)
    app.console_files.use(libraries.find_modules())
    background = events.Background(stop)
    feed_handlers(app.app, services, background)
    if not services.settings.is_trial:
        background.start("beside backups", partial(note_beside_backups, services, set()))
    return background


def _answer_requests(
    front: Front, services: Services, serving: ServeSettings, stop: threading.Event
) -> bool:
    """Print the ready line, and answer until `stop`.

    Return whether all requests were answered in time.
    """
    with serve_metrics(services, serving) as at:
        if at is not None:
            logs.summary.info("metrics are at %s%s", at, metrics.PATH)
        gc.freeze()  # what was made so far stays, and to look through it again stops all for 25 ms
        print(f"ready {front.url}", flush=True)
        return front.run(stop)


def _announce(
    url: str,
    tell: Callable[[str, str], None],
    services: Services,
    configuration: Configuration,
    *,
    data: Path,
) -> None:
    """Tell other commands where the folder is served, and log where its console is."""
    tell(url, "\n".join(configuration.write_lines()))
    asks = sys.stderr.isatty() and logs.is_text(configuration.serving.log_format)
    for line in write_console_lines(
        services, configuration.settings.public_url or url, data, asks=asks
    ):
        logs.summary.info("%s", line)


def list_warnings(services: Services, data: Path, devices: Path = BLOCK_DEVICES) -> Iterator[str]:
    """Yield what somebody has to do: free a full disk, encrypt it, and answer, such as on what
    basis strangers are kept.

    Of a trial it says first that it is one.
    """
    if services.settings.is_trial:
        yield (
            f"this is a trial of {data}: hooks, mails, pushes and the witness are told nothing, "
            "and nothing is swept. "
            "Its own keys open it: what is changed here changes nothing in the service"
        )
    disk = services.storage.disk and services.storage.disk()
    if disk and disk.is_full:
        free_mb, full_mb = disk.free_bytes / 1e6, FULL_BYTES / 1e6
        yield (
            f"the disk of {data} is full: {free_mb:.1f} MB are left, and pictures are taken "
            f"from {full_mb:.0f} MB on"
        )
    if not services.settings.is_trial and is_encrypted(data, devices) is False:
        says = describe_at_rest([data], devices)
        yield f"if the box is stolen, {says} (docs/operations.md, If the box is stolen)"
    for tenant in services.tenants.list_all():
        if not tenant.disabled:
            yield from (f"{tenant.name}: {question}" for question in tenant.asked)


def limit_numpy_threads() -> None:
    """Have numpy compute on one thread, unless the environment says otherwise.

    Call it before numpy is loaded.

    Several threads would wait for each other in a loop while the models' threads need the cores. A
    product of two small matrices then took 6 ms in place of 0.4. A template that another thread
    made meanwhile took 30 ms in place of 16.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def leave_no_core() -> None:
    """Have the system write no memory of this process into a file if it crashes: faces of erased
    people may be in it.

    With a limit of 1 byte Linux calls no program that collects cores, either; such a one need not
    look at a limit of 0.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 if hard else 0, hard))


def end_at_once() -> NoReturn:
    """End the process although some threads still compute.

    All that was acknowledged is stored, as after a kill.

    Python would stop such a thread inside C++, which aborts the process.
    """
    _log.warning(
        "stopped in the middle of work that took too long: requests without an answer may be sent "
        "again"
    )
    os._exit(0)


def describe_start(data: Path, services: Services, config: Path | None) -> Iterator[str]:
    """Yield the lines that the log begins with: version, folder, settings, tenants, and captures
    that wait."""
    tenants = services.tenants.list_all()
    faces = 0
    for tenant in tenants:
        try:
            faces += services.account.measure_usage(tenant).faces
        except Exception as error:
            lacking = f"{tenant.name}: its faces are not counted"
            yield f"{lacking}: {describe_failure(error, lacking)}"
    yield f"regulars {version('regulars')}, data in {data}, keys of its tenants in {data / FILE}"
    if config is not None:
        yield f"settings of {config}; `regulars config` prints what is in force"
    yield f"tenants: {len(tenants)}, faces: {faces}"
    yield describe_zones(tenants, data)
    if not faces:
        yield from (f"{tenant.name}: {describe_feelings(tenant)}" for tenant in tenants)
    if (waiting := services.ports.storage.waiting) is not None and (waiting_count := waiting()):
        yield (
            f"captures that wait from before: {waiting_count}; they are resolved now, oldest first"
        )


def describe_zones(tenants: Sequence[Tenant], data: Path) -> str:
    """Say in which time zones the tenants' days are counted."""
    zones = Counter(tenant.time_zone for tenant in tenants).most_common()
    zone_text = (
        zones[0][0]
        if len(zones) == 1
        else ", ".join(f"{zone} (tenants: {number})" for zone, number in zones)
    )
    another = (
        f"`regulars tenants set NAME --set time_zone=ZONE --data {shlex.quote(str(data))}` "
        "sets another"
    )
    return f"days are counted in the time zone {zone_text}; {another}"


def write_console_lines(services: Services, url: str, data: Path, *, asks: bool) -> list[str]:
    """Return lines that say how to come to the console.

    `asks`: whether somebody sits at the terminal. Then each tenant has a line with a link that
    signs in, if there are LINKED_TENANTS at most. Else one line has the URL, and the command that
    prints a link. A log has no links, since people who read it within ten minutes could sign in by
    them.
    """
    tenants = services.tenants.list_all()
    if not asks or len(tenants) > LINKED_TENANTS:
        command = f"`regulars console --tenant NAME --data {shlex.quote(str(data))}`"
        return [f"the console is at {url}/console; {command} prints a link that signs in"]
    links = []
    for tenant in tenants:
        with suppress(KeyNotFound):
            links.append(
                f"console of tenant {tenant.name}: {make_link(services, tenant, FIRST, url)}"
            )
    return links


def feed_handlers(app: Chalice, services: Any, background: events.Background) -> None:
    """Start the threads that call the app's event handlers; in a trial, of those alone that resolve
    pictures."""
    storage = services.ports.storage
    queues = {
        "build_index": (storage.index_queue, 1),
        "ingest": (storage.captures_queue, count_cores()),
        "deliver": (storage.deliveries_queue, DELIVERING_THREADS),
    }
    events.feed_handlers(
        app, queues, background, only=_OF_TRIALS if services.settings.is_trial else None
    )


def note_beside_backups(services: Services, logged: set[str]) -> float:
    """Write beside the box's backups what ended since, and log what could not be written; return
    the pause in s.

    `logged`: what was logged before, so that each complaint is logged once.
    """
    from regulars.backup.beside import EVERY_S, write_beside_backups

    complaints = {*write_beside_backups(services)}
    for complaint in sorted(complaints - logged):
        logs.summary.warning("%s", complaint)
    logged |= complaints
    return EVERY_S


def make_site(app: Chalice, services: Services) -> Site:
    """Make the handler of requests: the app behind its gateway, and beside it the signed URLs."""
    stores = services.ports.storage.uploads, services.ports.storage.blobs
    signed_blobs = {
        store.paths.prefix: SignedBlobs(store)
        for store in stores
        if isinstance(store, FolderUploadStore)
    }
    return Site(Gateway(app), signed_blobs, Tenants(services).parse_credential)


@contextmanager
def serve_metrics(services: Services, serving: ServeSettings) -> Iterator[str | None]:
    """Serve GET /metrics at a port of its own, if one is set, and yield its URL; None: there is
    none. Raises PortTaken.

    It takes few connections: those that say nothing use up none of the service's descriptors.
    """
    if serving.metrics_port is None:
        yield None
        return
    host_names = {*list_own_names(services.settings.public_url), serving.metrics_host.lower()}
    with open_listener(serving.metrics_host, serving.metrics_port, "--metrics-port") as sock:
        stop = threading.Event()
        metrics_site = Site(metrics.Figures(services, host_names), threads=METRICS_THREADS)
        front = Front(metrics_site, sock, connections=METRICS_CONNECTIONS)
        thread = threading.Thread(target=front.run, args=(stop, STILL_COMING_S))
        thread.start()
        try:
            yield front.url
        finally:
            stop.set()
            thread.join()


class Front:
    """Server of a site on a listening socket, with a stop that lets requests in progress finish."""

    def __init__(
        self,
        site: Site,
        sock: socket.socket,
        *,
        tls: Certificate | None = None,
        connections: int | None = None,
        patience: Timeouts | None = None,
        proxies: Proxies = (),
        watchdog: Watchdog | None = None,
    ) -> None:
        """Keep the site and its socket; nothing is served yet."""
        self._site, self._sock, self._tls, self._watchdog = site, sock, tls, watchdog
        patience = patience or Timeouts()
        self._limiter = ConnectionLimiter(connections or count_places(), patience)
        self._state = ServerState()
        self._config = uvicorn.Config(
            Application(site, proxies),
            interface="asgi3",
            http=Connection,
            ws="none",
            log_config=None,
            log_level=logging.CRITICAL,  # what it calls an error is a client that went away
            access_log=False,
            proxy_headers=False,
        )
        host, port = sock.getsockname()[:2]
        self.url = make_url(host, port, tls=tls is not None)

    def run(self, stop: threading.Event, drain_s: float = DRAIN_S) -> bool:
        """Serve until `stop` is set. Then answer what has come, for up to `drain_s`, and close.

        Return False if a call still runs.
        """
        with asyncio.Runner() as runner, self._watchdog or nullcontext():
            stopped_at = runner.run(self._run(stop, drain_s))
        return self._site.close(stopped_at + drain_s - time.monotonic())

    async def _run(self, stop: threading.Event, drain_s: float) -> float:
        """Serve until `stop` is set, then take no new connection and wait for the open ones,
        `drain_s` at most.

        Return the time at which `stop` was seen, by the monotonic clock. If one part fails, all
        end.
        """
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self._take())
            while not stop.is_set():
                self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
                await asyncio.sleep(LOOK_EVERY_S)
                self._limiter.close_overdue()
                still_s, lane_name = self._site.measure_stillness()
                if self._watchdog:
                    self._watchdog.note_turn(still_s, lane_name)
                if self._tls:
                    self._tls.renew()
                    self._tls.tell_end(datetime.now(UTC))
            stopped_at = time.monotonic()
            taking.cancel()
            await asyncio.wait([taking])
            self._sock.close()
            await self._limiter.see_off(drain_s)
        return stopped_at

    async def _take(self) -> None:
        """Accept all connections that have come, and open a few of them at a time.

        An opened connection counts against the limit at once, before its TLS handshake.
        """
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        uvicorn_options = {"config": self._config, "server_state": self._state}
        with closing(Arrivals()) as arrivals:
            while True:
                if not arrivals.number:
                    await self._wait_for_connection()
                try:
                    while arrivals.number < max(self._limiter.places // 2, 1):
                        arrivals.add(*self._sock.accept())
                except BlockingIOError:
                    pass  # those are all
                except OSError:  # there are no descriptors left
                    await asyncio.sleep(LOOK_EVERY_S)
                for sock, sender in arrivals.take_some():
                    connection = Connection(self._limiter, sender, **uvicorn_options)
                    connection.open(sock, self._tls.context if self._tls else None)
                await asyncio.sleep(0)

    async def _wait_for_connection(self) -> None:
        """Return when a connection has come.

        It is not taken yet: nobody would close it if the server stopped here.
        """
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._sock, come.set)
        try:
            await come.wait()
        finally:
            loop.remove_reader(self._sock)


def open_listener(host: str, port: int, option: str = "--port") -> socket.socket:
    """Bind a socket, so that a taken port shows before the models are loaded. Raises PortTaken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise PortTaken(f"{host} is not an address of this machine: {error.strerror}") from error
    # with its protocol, by which asyncio knows TCP and sets TCP_NODELAY
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PortTaken(
            f"port {port} of {host} is not available ({reason}): choose another with {option}"
        ) from error
    return sock


def warm_up(services: Any) -> set[str]:
    """Run the models once and search once in the galleries of WARM_TENANTS tenants, so that no
    first request is slow.

    These are the models of these tenants and that of new ones. Returns the names of the models'
    packs. Raises MissingModel if a file of a pack is missing.
    """
    import numpy as np

    picture = np.full((240, 320, 3), 127, np.uint8)
    landmarks = ((140.0, 100.0), (180.0, 100.0), (160.0, 125.0), (145.0, 150.0), (175.0, 150.0))
    face = DetectedFace(BoundingBox(110.0, 60.0, 100.0, 120.0), landmarks, 1.0)
    vision_by_tenant = {
        tenant.name: services.tenant_vision.choose_vision(tenant.model)
        for tenant in services.tenants.list_all()[:WARM_TENANTS]
    }
    probe_by_model: dict[str, Any] = {}
    visions = {
        vision.model: vision for vision in (services.ports.vision(), *vision_by_tenant.values())
    }.values()
    for vision in visions:
        vision.load()
        vision.detect(picture)
        probe_by_model[vision.model] = vision.examine(picture, [face], all_boxes=[]).embeddings
    for tenant, vision in vision_by_tenant.items():
        try:
            services.ports.search.search(
                tenant, SearchRequest(vision.model, probe_by_model[vision.model])
            )
        except Exception as error:
            report_failure(error, f"the first search of tenant {tenant} is slow")
    return {vision.pack for vision in visions}
