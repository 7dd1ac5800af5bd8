import re
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from regulars_client.errors import ApiError

from chalicelib.api.sites import is_own_host, list_own_names
from chalicelib.telemetry import CANARY_SECONDS, UNITS
from infra.dependencies import ROOT
from regulars.errors import PortTaken
from regulars.serve import metrics
from regulars.serve.server import METRICS_CONNECTIONS, serve_metrics
from regulars.serve.settings import ServeSettings
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture
from tests.support.waiting import PATIENCE_S, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(url: str | None) -> Samples:
    text = httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text
    families = text_string_to_metric_families(text)
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def scraped(box: Box) -> Samples:
    with serve_metrics(box.services, ServeSettings(metrics_port=0)) as url:
        return read(url)


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
        # it is counted when sent
        until(lambda: grown(before, scraped(box), "regulars_requests_total", **missed) == 1)
        after = scraped(box)
    assert (
        grown(
            before, after, "regulars_requests_total", route="POST /v1/faces", status="201", code=""
        )
        == 1
    )
    assert grown(before, after, "regulars_search_seconds_count") >= 1
    assert after["regulars_faces", (("tenant", "shop"),)] == 1
    assert after["regulars_camera_alive", (("camera", "door"), ("tenant", "shop"))] == 1
    assert after["regulars_disk_free_bytes", ()] > 0
    assert after["regulars_captures_waiting", ()] == after["regulars_database_damaged", ()] == 0
    assert not [key for key in after if "Ann" in str(key)]
    board = (ROOT / "infra/box/grafana.json").read_text()
    assert set(re.findall(r"regulars_[a-z_]+", board)) <= {name for name, _ in after}


def test_every_metric_of_cloudwatch_is_there_by_the_same_words(tmp_path: Path) -> None:
    with serving(tmp_path) as box:
        names = {name for name, _ in scraped(box)}
    for metric in UNITS.keys() - {CANARY_SECONDS}:  # a box has no canary
        words = metrics.name_of(metric)
        units = ("", "_total", "_seconds", "_seconds_count", "_percent")
        assert names & {f"{words}{unit}" for unit in units}, metric
    assert metrics.name_of("CapturesParked") == "regulars_captures_parked"


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as box, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = pytest.raises(
            PortTaken, match=rf"^port {port} of 127.0.0.1 .*: choose another with --metrics-port$"
        )
        with refused, serve_metrics(box.services, ServeSettings(metrics_port=port)):
            pass


def test_connections_that_say_nothing_take_no_descriptors_and_keep_nobody_out(
    tmp_path: Path,
) -> None:
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("only Linux lists the files that are open")
    with (
        serving(tmp_path) as box,
        serve_metrics(box.services, ServeSettings(metrics_port=0)) as url,
        ExitStack() as silent,
    ):
        before, at = len(list(files.iterdir())), urlsplit(url or "")
        for _ in range(120):
            silent.enter_context(
                socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S)
            )
        assert read(url)
        assert len(list(files.iterdir())) - before < 120 + 2 * METRICS_CONNECTIONS


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        ("127.0.0.1:9108", True),
        ("[::1]:9108", True),
        ("192.168.7.2", True),
        ("localhost:9108", True),
        ("Box.Example", True),
        ("service:9108", False),
        ("", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example:9108", False),
        ("[::::]", False),
    ],
)
def test_no_name_that_a_website_can_have_reads_them(host: str, is_answered: bool) -> None:
    assert is_own_host(host, list_own_names("https://box.example")) is is_answered


def test_there_is_nothing_else_at_their_port(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as box,
        serve_metrics(box.services, ServeSettings(metrics_port=0)) as url,
    ):
        assert httpx.get(f"{url}/v1/cameras").status_code == 404
        assert httpx.get(f"{url}/metrics", headers={"Host": "evil.example"}).status_code == 403
        assert httpx.post(f"{url}/metrics", content=b"x").status_code == 404
