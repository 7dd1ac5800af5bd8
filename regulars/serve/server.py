"""`regulars serve`: the whole service in one process, on one data folder.

waitress serves HTTP. It is plain Python with threads in this process, so all requests share the warm gallery and the
loaded models. It reads a request to its end before it takes a thread, so slow uploads hold none. It costs 0.2 ms, and a
search takes 20. granian is faster, but its forked workers would each load the models and keep their own gallery.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import waitress
from chalice.app import Chalice
from waitress import wasyncore

from chalicelib.adapters.embedded.signed_paths import PREFIX
from chalicelib.adapters.embedded.uploads import FolderUploadStore
from chalicelib.core.pictures import Box, DetectedFace
from chalicelib.core.search import SearchRequest
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.vision.packs.packs import MissingModel
from regulars.errors import OperatorError, PortTaken
from regulars.serve import arenas, events, folder
from regulars.serve.connections import Channel, Doorkeeper, Patience, places
from regulars.serve.gateway import Environ, Gateway, StartResponse
from regulars.serve.uploads import SignedBlobs
from regulars.tenants.credentials import CredentialsFile

HEARD_OUT_BYTES = 64 * 1024 * 1024
"""Limit to which bodies above the gateway's limit are read, so that the client can send to the end and read its 413."""

DRAIN_S = 10.0
"""How long requests in progress may take after a signal to stop."""

WAITING_THREADS = 30
"""Threads beyond the cores. Vision runs one thread a core; waiting searches must not delay short requests.

Measured with 16 searching clients: a getGroupList takes 5 ms with 30 threads, 400 ms with 6, at equal throughput.
"""

DELIVERING_THREADS = 48
"""Threads for webhooks. A slow receiver holds one for some seconds; a tenant has 24 at most (services/webhooks)."""

STILL_COMING_S = 1.0
"""How long the rest of a partly received request may take to come after a signal to stop."""

WARM_TENANTS = 16


class Stop:
    """Handler of SIGTERM and SIGINT: the first asks the server to stop, a second ends it at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wakes(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.asked.is_set():
            raise SystemExit(128 + number)
        self.asked.set()
        self._wake()


def serve(settings: Settings, data: Path, host: str, port: int) -> None:
    """Serve the data folder at host and port (0: a free one) until SIGTERM or SIGINT; print the ready line.

    Raises FolderInUse, PortTaken, OperatorError if a model is missing, and the storage's errors.
    """
    arenas.limit(os.cpu_count() or 1)
    stop = Stop()
    stop.install()
    with folder.held(data), listening(host, port) as sock:
        import app  # its handlers and their imports belong to the server alone
        from chalicelib import bootstrap

        _log_to_stderr(app.app.log)
        try:
            services = bootstrap.build(settings)
            for complaint in CredentialsFile(data, services.tenants).provide():
                print(f"regulars: warning: {complaint}", file=sys.stderr, flush=True)
            warm(services)
            services.watch.start()
        except MissingModel as error:
            raise OperatorError(str(error)) from error
        app.provide.use(services)
        background = events.Background(stop.asked)
        feed(app, services, background)
        front = Front(site(app.app, services), sock)
        stop.wakes(front.wake)
        print(f"ready {front.url}", flush=True)
        front.run(stop.asked)
        front.drain(DRAIN_S)
        if background.join(DRAIN_S):
            services.close()


def feed(app: ModuleType, services: Services, background: events.Background) -> None:
    """Start the threads that call the event handlers of app.py. Schedules run once at the start."""
    handlers = {name: getattr(app, name) for name in ("build_index", "ingest", "deliver", "watch", "sweep")}
    queues = {
        "build_index": services.index_queue,
        "ingest": services.captures_queue,
        "deliver": services.deliveries_queue,
    }
    threads = {"ingest": os.cpu_count() or 1, "deliver": DELIVERING_THREADS}
    events.feed(app.app, handlers, queues, background, threads)


def site(app: Chalice, services: Services) -> Callable[..., Any]:
    """Make the WSGI application: the app behind its gateway, and beside it the signed URLs of captures."""
    store = services.uploads
    assert isinstance(store, FolderUploadStore)  # noqa: S101 -- what is served is a folder
    gateway, blobs = Gateway(app), SignedBlobs(store, services.captures_queue.send)

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        beside = environ.get("PATH_INFO", "").startswith(PREFIX)
        return (blobs if beside else gateway)(environ, start_response)

    return application


class Front:
    """Server of a WSGI application by waitress, with a stop that lets requests in progress finish."""

    def __init__(
        self,
        application: Callable[..., Any],
        sock: socket.socket,
        connections: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        connections = connections or places()
        self._doorkeeper = Doorkeeper(connections, patience or Patience())
        self._map: dict[int, Any] = {}
        host, port = sock.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"http://{host}:{port}"
        try:
            self._server = waitress.create_server(
                application,
                map=self._map,
                sockets=[sock],
                threads=(os.cpu_count() or 1) + WAITING_THREADS,
                max_request_body_size=HEARD_OUT_BYTES,
                recv_bytes=65_536,
                connection_limit=connections + 16,  # never reached: the doorkeeper is stricter
                asyncore_use_poll=True,
                ident=None,
            )
        except OSError as error:
            raise PortTaken(f"{self.url} cannot be listened on: {error.strerror}") from error
        self._server.channel_class = Channel

    def wake(self) -> None:
        self._server.pull_trigger()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
            self._doorkeeper.look(self._server.active_channels.values())

    def drain(self, timeout_s: float) -> None:
        """Refuse new connections, answer the requests received until STILL_COMING_S from now, and close."""
        began = time.monotonic()
        deadline = began + timeout_s
        wasyncore.dispatcher.close(self._server)  # the listening socket only; server.close() would take the trigger too
        while self._server.active_channels and time.monotonic() < deadline:
            for channel in list(self._server.active_channels.values()):
                late = channel.request is None or time.monotonic() > began + STILL_COMING_S
                with channel.requests_lock:
                    if not channel.requests and late:
                        channel.close_when_flushed = True
            wasyncore.loop(timeout=0.05, use_poll=True, map=self._map, count=1)
        self._server.task_dispatcher.shutdown(timeout=max(0.1, deadline - time.monotonic()))
        wasyncore.close_all(self._map)


def listening(host: str, port: int) -> socket.socket:
    """Bind a socket, so that a taken port shows before the models are loaded. Raises PortTaken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise PortTaken(f"{host} is no address of this machine: {error.strerror}") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PortTaken(f"port {port} of {host} is not to be had ({reason}): choose another with --port") from error
    return sock


def warm(services: Any) -> None:
    """Load and run the models once, and load the galleries of up to WARM_TENANTS, so that no first request is slow.

    Raises MissingModel if a file of a pack is missing.
    """
    import numpy as np

    picture = np.full((240, 320, 3), 127, np.uint8)
    landmarks = ((140.0, 100.0), (180.0, 100.0), (160.0, 125.0), (145.0, 150.0), (175.0, 150.0))
    face = DetectedFace(Box(110.0, 60.0, 100.0, 120.0), landmarks, 1.0)
    tenants = {tenant.name: services.visions.of(tenant.model) for tenant in services.tenants.all()[:WARM_TENANTS]}
    probes: dict[str, Any] = {}
    for vision in {vision.model: vision for vision in (services.ports.vision(), *tenants.values())}.values():
        vision.load()
        vision.detect(picture)
        probes[vision.model] = vision.embed(picture, [face])
        vision.describe(picture, [face])
        vision.crop(picture, face)
    for tenant, vision in tenants.items():
        services.search.search(tenant, SearchRequest(vision.model, probes[vision.model]))


def _log_to_stderr(log: logging.Logger) -> None:
    """Send all logs to stderr, the app's own too, so that stdout has only the ready line."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is normal in a busy minute
    log.setLevel(logging.WARNING)
    for handler in log.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
