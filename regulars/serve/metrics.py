"""Figures of one box for Prometheus: what was done since the start, and how the folder and its
cameras are.

The names are those of CloudWatch's metrics (telemetry.py) and of the edge uploader's, as Prometheus
writes them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chalicelib import telemetry
from chalicelib.api.http import Failure, Refused, answer_plainly
from chalicelib.api.sites import is_own_host
from chalicelib.book.cameras import find_trouble
from chalicelib.domain.errors import RegularsError
from chalicelib.services import Services
from chalicelib.telemetry import (
    CANARY_SECONDS,
    JOURNAL_TAIL,
    SEARCH_MS,
    SNAPSHOT_MEMORY,
    STUCK_AGE,
    SWEEP_AGE,
    UNITS,
    Invocation,
    log_failure,
)
from regulars.serve.messages import (
    BodyTooLarge,
    Request,
    Response,
    compress_response,
    convert_response,
)

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the histograms of times, in s."""

_log = logging.getLogger(__name__)


def name_of(metric: str) -> str:
    """Return Prometheus' name of a metric of CloudWatch's; a counter's still lacks its `_total`."""
    words = re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", metric.removesuffix("Ms"))
    return f"regulars{words}"


_SINCE_THE_START = CollectorRegistry()
_REQUESTS = Counter(
    "regulars_requests",
    "Answers, by route, status and code.",
    ("route", "status", "code"),
    registry=_SINCE_THE_START,
)
_REQUEST_S = Histogram(
    "regulars_request_seconds",
    "Until the answer was sent.",
    ("route",),
    registry=_SINCE_THE_START,
    buckets=BUCKETS_S,
)
_SEARCH_S = Histogram(
    f"{name_of(SEARCH_MS)}_seconds",
    "What searches of one invocation took.",
    registry=_SINCE_THE_START,
    buckets=BUCKETS_S,
)
_LATEST = {
    JOURNAL_TAIL: Gauge(
        name_of(JOURNAL_TAIL), "Changes behind the newest snapshot.", registry=_SINCE_THE_START
    ),
    STUCK_AGE: Gauge(
        f"{name_of(STUCK_AGE)}_seconds",
        "Age of the oldest stuck capture.",
        registry=_SINCE_THE_START,
    ),
    SNAPSHOT_MEMORY: Gauge(
        f"{name_of(SNAPSHOT_MEMORY)}_percent",
        "Share of the memory that a whole snapshot takes, from half on.",
        registry=_SINCE_THE_START,
    ),
    SWEEP_AGE: Gauge(
        f"{name_of(SWEEP_AGE)}_seconds", "Age of the oldest sweep.", registry=_SINCE_THE_START
    ),
}
_COUNTERS = {
    name: Counter(name_of(name), f"{name}, as in CloudWatch.", registry=_SINCE_THE_START)
    for name in UNITS
    if name not in (SEARCH_MS, CANARY_SECONDS, *_LATEST)  # a box has no canary
}
ProcessCollector(registry=_SINCE_THE_START)


def count(invocation: Invocation, stages: Mapping[str, float], ms: float) -> None:
    """Count an invocation that has ended."""
    if invocation.route is not None:
        code = "" if invocation.code is None else str(invocation.code)
        _REQUESTS.labels(invocation.route, str(invocation.status or "none"), code).inc()
        _REQUEST_S.labels(invocation.route).observe(ms / 1000)
    if "search" in stages:
        _SEARCH_S.observe(stages["search"] / 1000)
    for name, value in invocation.measured.items():
        if name in _LATEST:
            _LATEST[name].set(value)
        else:
            _COUNTERS[name].inc(value)


PATH = "/metrics"


class Figures:
    """All that the metrics' port answers.

    `names`: those of this machine, by which it may be asked.
    """

    copies = 1

    def __init__(self, services: Services, names: Collection[str]) -> None:
        self._everything, self._names = make_registry(services), names

    def admit(self, head: Request) -> int:
        """Allow no body.

        Raises Failure for another path, and if a page of a browser may be what asks.
        """
        if not is_own_host(head.headers.get("host", ""), self._names):
            raise Refused(
                403, "Ask for this machine by its address, or by its name in `public_url`."
            )
        if (head.method, head.path) != ("GET", PATH):
            raise Refused(404, f"Here is GET {PATH} only.")
        telemetry.of_route(head.method, head.path)
        return 0

    def answer_error(self, _head: Request, error: Exception) -> Response:
        if isinstance(error, BodyTooLarge):
            error = Refused(413, "This takes no body.")
        return convert_response(
            answer_plainly(error if isinstance(error, Failure) else Failure("", str(error), 503))
        )

    def answer(self, request: Request) -> Response:
        response = Response(
            200, (("Content-Type", CONTENT_TYPE_PLAIN_0_0_4),), generate_latest(self._everything)
        )
        return compress_response(response, request.headers.get("accept-encoding", ""))


def make_registry(services: Services) -> CollectorRegistry:
    """Return the counts since the start and, read at each question, those of the storage."""
    registry = CollectorRegistry()
    for figures in (_SINCE_THE_START, Stored(services)):
        registry.register(figures)
    return registry


class Stored(Collector):
    """The faces and cameras of all tenants, and the disk.

    If storage does not answer, they are left out.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> list[Metric]:
        damaged = GaugeMetricFamily(
            "regulars_database_damaged",
            "1 if damage was found.",
            self._services.readiness.is_damaged,
        )
        try:
            return [damaged, *self._read_metrics()]
        except RegularsError as error:
            _log.warning("the metrics lack faces, cameras and disk: %s", error)
            return [damaged]

    def _read_metrics(self) -> Iterator[Metric]:
        """Yield the figures of now: faces, cameras that are heard, captures that wait, and the
        disk."""
        services = self._services
        faces = GaugeMetricFamily("regulars_faces", "Faces of a tenant.", labels=["tenant"])
        alive = GaugeMetricFamily(
            "regulars_camera_alive",
            "0 if a camera recognises nobody: it is silent, covered, turned or frozen, say.",
            labels=["tenant", "camera"],
        )
        for tenant in services.tenants.list_all():
            try:
                faces.add_metric([tenant.name], services.account.measure_usage(tenant).faces)
                for camera in services.cameras.list_all(tenant):
                    trouble = find_trouble(camera, tenant, services.clock.now())
                    alive.add_metric([tenant.name, camera.id], not (trouble and trouble.is_blind))
            except Exception as error:
                log_failure(error, f"the metrics lack tenant {tenant.name}")
        yield from (faces, alive)
        if (waiting := services.ports.storage.waiting) is not None:
            yield GaugeMetricFamily(
                "regulars_captures_waiting", "Captures that wait to be resolved.", waiting()
            )
        if (disk := services.ports.storage.disk) is not None:
            yield GaugeMetricFamily(
                "regulars_disk_free_bytes", "Free for this process.", disk().free_bytes
            )
