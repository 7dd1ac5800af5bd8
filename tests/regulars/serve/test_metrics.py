"""/metrics of one box, as Prometheus reads it."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from regulars_client.errors import ApiError

from chalicelib.core.telemetry import UNITS
from regulars.errors import PortTaken
from regulars.serve import metrics
from tests.fakes import Person, picture
from tests.regulars.serve.apps import PATIENCE_S
from tests.regulars.serve.box import Box, serving
from tests.regulars.serve.test_front import until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(port: int | None) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def scraped(box: Box) -> Samples:
    with metrics.served(box.services, "127.0.0.1", 0) as port:
        return read(port)


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0) - before.get(key, 0)


def test_requests_faces_cameras_and_disk_are_told(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        before = scraped(box)
        with box.client() as shop:
            shop.enrol_face(group="regular", picture=picture(Person(1)), name="Ann Lee")
            shop.identify(picture=picture(Person(1)))
            shop.add_camera(id="door", name="Ann's door", labels={})
            with pytest.raises(ApiError):
                shop.get_face("nobody")
        missed = {"route": "GET /v1/faces/{id}", "status": "404", "code": "FaceNotFound"}
        until(lambda: grown(before, scraped(box), "regulars_requests_total", **missed) == 1)  # it is counted when sent
        after = scraped(box)
    assert grown(before, after, "regulars_requests_total", route="POST /v1/faces", status="201", code="") == 1
    assert grown(before, after, "regulars_search_seconds_count") >= 1
    assert after["regulars_faces", (("tenant", "shop"),)] == 1
    assert after["regulars_camera_alive", (("camera", "door"), ("tenant", "shop"))] == 1
    assert after["regulars_disk_free_bytes", ()] > 0
    assert after["regulars_captures_waiting", ()] == after["regulars_database_damaged", ()] == 0
    assert not [key for key in after if "Ann" in str(key)]


def test_every_metric_of_cloudwatch_is_there_by_the_same_words(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        names = {name for name, _ in scraped(box)}
    for metric in UNITS:
        words = metrics.name_of(metric)
        assert names & {words, f"{words}_total", f"{words}_seconds", f"{words}_seconds_count"}, metric
    assert metrics.name_of("CapturesParked") == "regulars_captures_parked"


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as box, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = pytest.raises(PortTaken, match=f"metrics cannot be served at port {port} of 127.0.0.1")
        with refused, metrics.served(box.services, "127.0.0.1", port):
            pass
